"""A file that is damaged, foreign or made by hand is refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from handmade import (
    checksum,
    parts_of,
    replacing,
    rewrite,
    sha256,
    signed,
    with_arrays,
    with_weights,
)

from sessionprompt import ItemClusterer, Pipeline, PromptedSessionRecommender, load
from sessionprompt.datasets import make_sessions
from sessionprompt.persistence import save
from sessionprompt.storage import PARTS


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    sessions = make_sessions(150, n_items=24, n_clusters=3, n_users=9, random_state=0)
    model = PromptedSessionRecommender(
        prompts=("cluster", "user"), dim=8, max_epochs=1, random_state=0, device="cpu"
    )
    clusterer = ItemClusterer((0.5, 2.0), random_state=0)
    return Pipeline([("clu", clusterer), ("rec", model)]).fit(sessions)


@pytest.fixture(params=["model", "model.zip"])
def path(request: Any, tmp_path: Path) -> Path:
    return tmp_path / request.param


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(
    "damage", [flip, lambda content: content[: len(content) // 2], lambda content: b"", None]
)
def test_damage_is_found(damage: Any, name: str, pipeline: Pipeline, path: Path) -> None:
    save(pipeline, path)
    parts = parts_of(path)
    content = parts.pop(name)
    if damage is not None:
        parts[name] = damage(content)
    rewrite(path, parts)
    with pytest.raises(ValueError, match=rf"(?s)^{path}.*{name}.*(damaged|missing|no model)"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x80\4}.", b"no zip at all" * 50])
def test_a_file_that_is_no_zip(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="model.zip is no zip file"):
        load(path)


def test_every_byte_of_a_zip_counts(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    clusterer = ItemClusterer(random_state=0).fit([["a", "b"], ["c", "d"]])
    save(clusterer, path)
    whole = path.read_bytes()
    for place in np.random.default_rng(0).integers(len(whole), size=150).tolist():
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        try:
            loaded = load(path)
        except ValueError:
            continue
        # dates and the like may differ
        assert loaded.labels_.tolist() == clusterer.labels_.tolist()
    path.write_bytes(whole[:-1000])
    with pytest.raises(ValueError, match="no zip file, or a damaged one"):
        load(path)


@pytest.mark.parametrize("names", [["photo.jpg"], ["estimator.pkl", "data.txt"]])
def test_a_foreign_archive(names: list[str], path: Path) -> None:
    if path.suffix != ".zip":
        path.mkdir()
    rewrite(path, dict.fromkeys(names, b"something else"))
    with pytest.raises(ValueError, match=r"holds no estimator.json, so it is no model"):
        load(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"format_version": 2, "written_by": "sessionprompt 9.0"},
            "version 2, written by sessionprompt 9.0.*upgrade",
        ),
        ({"format_version": -3}, "format version -3; versions are numbered from 1"),
        ({"format_version": 0}, "format version 0; versions are numbered from 1"),
        ({"format_version": True}, "format version True"),
        ({"format_version": "1"}, "format version '1'"),
        ({"format": "other"}, "is not of a model written by sessionprompt"),
        (
            {"estimator": {"class": "os.system", "params": {}}},
            "names the class 'os.system'; known classes are",
        ),
        (
            {"estimator": {"class": "ItemClusterer", "params": {"bogus": 1}}},
            "unexpected keyword argument 'bogus'",
        ),
        ({"estimator": {"class": "ItemClusterer"}}, "do not make a model"),
        ({"estimator": 3}, "do not make a model"),
    ],
)
def test_a_foreign_description(
    changes: dict[str, Any], words: str, pipeline: Pipeline, path: Path
) -> None:
    save(pipeline, path)
    parts = parts_of(path)
    rewrite(path, signed({**json.loads(parts["estimator.json"]), **changes}, parts))
    with pytest.raises(ValueError, match=words):
        load(path)


def test_a_description_that_is_no_object(pipeline: Pipeline, path: Path) -> None:
    save(pipeline, path)
    rewrite(path, {**parts_of(path), "estimator.json": b"[1, 2]"})
    with pytest.raises(ValueError, match="not of a model written by sessionprompt"):
        load(path)


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        (
            with_weights,
            replacing("1.items", lambda t: t[1:].clone()),
            r"'items' is torch.float32 of shape \(\d+, 8\)",
        ),
        (with_weights, replacing("1.items", lambda t: t.long()), "'items' is torch.int64"),
        (with_weights, lambda stored: stored.pop("1.popularity"), "'popularity' is missing"),
        (
            with_weights,
            lambda stored: stored.update({"1.more": torch.zeros(1)}),
            "'more' is of another model",
        ),
        (with_arrays, lambda stored: stored.pop("0.labels"), "holds no '0.labels'"),
        (with_arrays, replacing("0.labels", lambda a: a - 1), "'labels' must lie in"),
        (
            with_arrays,
            replacing("0.labels", lambda a: a.astype(float)),
            "'0.labels' is an array of float64",
        ),
        (
            with_arrays,
            replacing("0.labels", lambda a: a[:, :1]),
            "'labels' has 1 columns, but .* ask for 2",
        ),
        (with_arrays, replacing("0.graph_neighbours", lambda a: a + 99), "indices"),
        (with_arrays, replacing("0.graph_starts", lambda a: a[1:]), "'0.graph_starts' is an array"),
        (with_arrays, replacing("1.item_counts", lambda a: a[1:]), "'1.item_counts' is an array"),
        (with_arrays, replacing("1.item_labels", lambda a: a + 99), "names clusters that"),
        (with_arrays, replacing("1.items_lengths", lambda a: a + 1), "ids do not fill their text"),
        (with_arrays, replacing("1.user_text", lambda a: a[::-1]), "user ids are out of order"),
        (with_arrays, replacing("1.item_counts", lambda a: a.astype(object)), "allow_pickle=False"),
    ],
)
def test_parts_that_do_not_fit(
    part: Any, change: Any, words: str, pipeline: Pipeline, path: Path
) -> None:
    save(pipeline, path)
    parts = parts_of(path)
    rewrite(path, signed(json.loads(parts["estimator.json"]), part(parts, change)))
    with pytest.raises(ValueError, match=words):
        load(path)


def test_a_part_outside_the_folder_is_not_read(pipeline: Pipeline, tmp_path: Path) -> None:
    save(pipeline, tmp_path / "model")
    (tmp_path / "secret").write_bytes(b"secret")
    parts = parts_of(tmp_path / "model")
    document = json.loads(parts["estimator.json"])
    document["sha256"]["../secret"] = sha256(b"secret")
    document["checksum"] = checksum({k: v for k, v in document.items() if k != "checksum"})
    rewrite(tmp_path / "model", {**parts, "estimator.json": json.dumps(document).encode()})
    with pytest.raises(ValueError, match=r"\.\./secret is missing"):
        load(tmp_path / "model")
