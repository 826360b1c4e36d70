"""A stored model is the same model, and a file that is anything else is refused with a reason."""

from __future__ import annotations

import errno
import json
import os
import pickle
import random
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load as parse_weights
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline as SklearnPipeline

from sessionprompt import persistence
from sessionprompt.backbones import BACKBONES, GRU4Rec
from sessionprompt.clustering import ItemClusterer, PrecomputedClusters
from sessionprompt.datasets import make_sessions
from sessionprompt.persistence import load, save
from sessionprompt.pipeline import Pipeline
from sessionprompt.recommender import PromptedSessionRecommender
from sessionprompt.sessions import Sessions
from sessionprompt.storage import ArrayStore, from_json, to_json
from sessionprompt.vocabulary import Vocabulary

Rewrite = Callable[[dict[str, bytes]], None]
SMALL = {"dim": 8, "max_epochs": 2, "random_state": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    return make_sessions(150, n_items=24, n_clusters=3, n_users=9, random_state=0)


@pytest.fixture(scope="module")
def pipeline(sessions: Sessions) -> Pipeline:
    model = PromptedSessionRecommender(prompts=("cluster", "user"), **SMALL)
    return Pipeline([("clu", ItemClusterer((0.5, 2.0), random_state=0)), ("rec", model)]).fit(
        sessions
    )


@pytest.fixture(params=["model", "model.zip"])
def path(request: Any, tmp_path: Path) -> Path:
    return tmp_path / request.param


def through(estimator: Any, path: Path) -> Any:
    save(estimator, path)
    return load(path)


def assert_same_answers(one: Any, other: Any, X: Any, k: int = 5) -> None:
    for mine, theirs in zip(
        one.predict_topk(X, k=k, return_scores=True),
        other.predict_topk(X, k=k, return_scores=True),
        strict=True,
    ):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)


# ---------------------------------------------------------------------- round trips
def test_a_pipeline_comes_back_whole(pipeline: Pipeline, sessions: Sessions, path: Path) -> None:
    loaded = through(pipeline, path)
    assert type(loaded) is Pipeline
    assert repr(loaded) == repr(pipeline)
    strangers = Sessions.from_lists([["item-03", "new"], ["new"]], users=["user-1", "somebody"])
    for X in (sessions, strangers):
        assert_same_answers(pipeline, loaded, X)
    assert loaded.evaluate(sessions, slices=["popularity"]) == pipeline.evaluate(
        sessions, slices=["popularity"]
    )


def test_learned_attributes_come_back(pipeline: Pipeline, path: Path) -> None:
    loaded = through(pipeline, path)
    for mine, theirs in zip(
        pipeline.named_steps.values(), loaded.named_steps.values(), strict=True
    ):
        learned = {
            name for name in vars(mine) if name.endswith("_") and name not in ("net_", "graph_")
        }
        assert (
            learned | {"net_", "graph_"}
            >= {name for name in vars(theirs) if name.endswith("_")}
            >= learned
        )
        for name in learned - {"encoder_"}:
            np.testing.assert_equal(getattr(theirs, name), getattr(mine, name), name)
    assert (pipeline["clu"].graph_ != loaded["clu"].graph_).nnz == 0
    assert repr(pipeline["rec"].encoder_) == repr(loaded["rec"].encoder_)
    assert loaded["rec"].net_.module_ is loaded["rec"].network_


@pytest.mark.parametrize("prompts", [(), ("cluster",), ("user", "session")])
def test_a_bare_recommender(prompts: tuple[str, ...], sessions: Sessions, path: Path) -> None:
    X = ItemClusterer(random_state=0).fit_transform(sessions)
    model = PromptedSessionRecommender(
        prompts=prompts, gate="elementwise", scoring="dot", **SMALL
    ).fit(X)
    assert_same_answers(model, through(model, path), X)


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_backbone(name: str, sessions: Sessions, tmp_path: Path) -> None:
    model = PromptedSessionRecommender(name, prompts=(), **{**SMALL, "max_epochs": 1}).fit(
        sessions[:40]
    )
    assert_same_answers(model, through(model, tmp_path / "m.zip"), sessions[:10])


def test_a_plain_scikit_learn_pipeline(sessions: Sessions, path: Path) -> None:
    steps = [
        ("none", "passthrough"),
        ("clu", ItemClusterer()),
        ("rec", PromptedSessionRecommender(**SMALL)),
    ]
    model = SklearnPipeline(steps).fit(sessions)
    loaded = through(model, path)
    assert type(loaded) is SklearnPipeline and loaded.steps[0] == ("none", "passthrough")
    np.testing.assert_array_equal(loaded.predict(sessions), model.predict(sessions))


@pytest.mark.parametrize(
    "options", [{}, {"objective": "cpm"}, {"resolution": [0.5, 1]}, {"algorithm": "leidenalg"}]
)
def test_a_clusterer(options: dict[str, Any], sessions: Sessions, path: Path) -> None:
    clusterer = ItemClusterer(random_state=0, **options).fit(sessions[:20])
    loaded = through(clusterer, path)
    assert loaded.get_params() == clusterer.get_params()
    np.testing.assert_array_equal(
        loaded.transform(sessions).labels, clusterer.transform(sessions).labels
    )


@pytest.mark.parametrize("kind", [dict, pd.DataFrame, pl.DataFrame])
def test_precomputed_clusters(kind: Any, path: Path) -> None:
    columns = {"item": ["a", "b"], "one": ["x", "y"], "two": [1, 1]}
    labels = {"a": ("x", 1), "b": ("y", 2)} if kind is dict else kind(columns)
    clusterer = PrecomputedClusters(labels).fit([["a", "b"], ["b", "c", "a"]])
    loaded = through(clusterer, path)
    assert type(loaded.labels) is kind
    np.testing.assert_array_equal(loaded.labels_, clusterer.labels_)
    refitted = loaded.fit([["a", "b"]])
    np.testing.assert_array_equal(refitted.labels_, clusterer.fit([["a", "b"]]).labels_)


@pytest.mark.parametrize(
    "ids", [[3, 7, -2], [0.5, 1.25, float("inf")], ["ä", "b\0", "漢字 \ud800"]]
)
def test_kinds_of_item_ids(ids: list[Any], path: Path) -> None:
    X = [ids, ids[::-1]] * 3
    model = PromptedSessionRecommender(prompts=(), **SMALL).fit(X)
    loaded = through(model, path)
    assert (
        loaded.items_.dtype == model.items_.dtype
        and loaded.items_.tolist() == model.items_.tolist()
    )
    assert_same_answers(model, loaded, X, k=2)


@given(
    st.one_of(
        st.sets(st.text()),
        st.sets(st.integers(-(2**63), 2**63 - 1)),
        st.sets(st.floats(allow_nan=False)),
    )
)
@settings(max_examples=50, deadline=None)
def test_ids_on_the_shelf(ids: set[Any]) -> None:
    vocabulary, shelf = Vocabulary(ids), ArrayStore({}, {}, "0.")
    shelf.put_ids("items", vocabulary)
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **shelf.arrays)
    stored = dict(np.load(BytesIO(buffer.getvalue()), allow_pickle=False))
    taken = ArrayStore(stored, {}, "0.").take_ids("items").ids
    assert taken.dtype == vocabulary.ids.dtype and taken.tolist() == vocabulary.ids.tolist()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda part: (
        st.lists(part) | st.tuples(part, part) | st.dictionaries(st.text() | st.integers(), part)
    ),
    max_leaves=8,
)


@given(st.one_of(PLAIN, st.dictionaries(st.sampled_from(["tuple", "dict", "float"]), PLAIN)))
@settings(max_examples=50, deadline=None)
def test_values_come_back_from_json(value: Any) -> None:
    assert repr(from_json(json.loads(json.dumps(to_json(value, "x"), allow_nan=False)))) == repr(
        value
    )


def test_numpy_numbers_become_numbers() -> None:
    assert to_json([np.float32(0.5), np.int64(3), np.bool_(True)], "x") == [0.5, 3, True]


def test_parameters_come_back(path: Path) -> None:
    params = {
        "backbone_params": {"dropouts": (0.0, np.float64(0.5)), "n_layers": np.int64(1)},
        "net_params": {"optimizer__betas": (0.5, 0.9)},
        "checkpoint_dir": path.parent / "checkpoints",
        "validation_fraction": None,
        "lr": np.float32(0.5),
    }
    model = PromptedSessionRecommender("narm", prompts=[], **{**SMALL, **params}).fit(
        [[1, 2], [2, 3]]
    )
    loaded = through(model, path).get_params()
    assert loaded["backbone_params"] == {"dropouts": (0.0, 0.5), "n_layers": 1}
    assert type(loaded["backbone_params"]["n_layers"]) is int and type(loaded["lr"]) is float
    assert loaded["checkpoint_dir"] == str(params["checkpoint_dir"])
    assert loaded["net_params"] == params["net_params"] and loaded["prompts"] == []


@pytest.mark.parametrize("state", [np.random.RandomState(0), np.random.default_rng(0)])
def test_generators_are_stored_as_none(state: Any, path: Path) -> None:
    loaded = through(ItemClusterer(random_state=state).fit([["a", "b"]]), path)
    assert loaded.random_state is None


def test_double_precision_stays(path: Path, sessions: Sessions) -> None:
    model = PromptedSessionRecommender(prompts=(), **SMALL).fit(sessions)
    model.network_.double()
    loaded = through(model, path)
    assert loaded.network_.items.dtype == torch.float64
    assert_same_answers(model, loaded, sessions)


def test_a_loaded_model_goes_on(pipeline: Pipeline, sessions: Sessions, tmp_path: Path) -> None:
    loaded, copy = through(pipeline, tmp_path / "a"), pickle.loads(pickle.dumps(pipeline))
    more = Sessions.from_lists([["item-03", "new", "item-04"]] * 3, users=["ann"] * 3)
    assert_same_answers(loaded.partial_fit(more), copy.partial_fit(more), sessions)
    assert "new" in loaded["rec"].items_
    assert_same_answers(loaded, through(loaded, tmp_path / "b.zip"), sessions)
    assert_same_answers(loaded, pickle.loads(pickle.dumps(loaded)), sessions)
    loaded.fit(sessions)
    assert_same_answers(loaded, pipeline, sessions)


def test_equal_models_are_equal_files(pipeline: Pipeline, tmp_path: Path) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    save(pipeline, first)
    save(load(first), second)
    assert first.read_bytes() == second.read_bytes()


def test_global_random_states_stay(pipeline: Pipeline, path: Path) -> None:
    def states() -> tuple[Any, ...]:
        numpy_state = np.random.get_state()  # noqa: NPY002
        return random.getstate(), repr(numpy_state), torch.get_rng_state().tolist()

    before = states()
    through(pipeline, path)
    assert states() == before


def test_no_pickle_is_involved(
    pipeline: Pipeline, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("pickle was called")

    for module, name in [
        (pickle, "load"),
        (pickle, "loads"),
        (pickle, "dump"),
        (pickle, "dumps"),
        (torch, "load"),
    ]:
        monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    through(pipeline, path)


# ---------------------------------------------------------------------- what cannot be stored
def test_not_fitted(path: Path) -> None:
    for estimator in (
        ItemClusterer(),
        PromptedSessionRecommender(),
        Pipeline([("clu", ItemClusterer())]),
    ):
        with pytest.raises(NotFittedError):
            save(estimator, path)
    assert not path.exists()


def unregistered(dim: int) -> GRU4Rec:
    return GRU4Rec(dim, hidden=4)


class Cousin(ItemClusterer):
    """A class of the user's own."""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda X: PromptedSessionRecommender(unregistered, prompts=(), **SMALL).fit(X),
            "backbone=.*BACKBONES",
        ),
        (
            lambda X: PromptedSessionRecommender(
                prompts=(), net_params={"optimizer": torch.optim.Adagrad}, **SMALL
            ).fit(X),
            "net_params holds .*Adagrad",
        ),
        (lambda X: Cousin().fit(X), "Cousin cannot be stored"),
        (lambda X: Pipeline([("clu", Cousin())]).fit(X), "Cousin cannot be stored"),
        (lambda X: GridSearchCV(Pipeline([]), {}), "GridSearchCV cannot be stored"),
        (
            lambda X: ItemClusterer().fit([[(1, 2), (3, 4)]]),
            r"items ids are of type tuple \(first \(1, 2\)",
        ),
        (lambda X: PrecomputedClusters({"item-01": object()}).fit(X), "labels holds <object"),
    ],
)
def test_what_cannot_be_stored_is_named(
    make: Any, words: str, sessions: Sessions, path: Path
) -> None:
    with pytest.raises(TypeError, match=words):
        save(make(sessions), path)
    assert not path.exists()


def test_a_registered_backbone(
    sessions: Sessions, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mine(GRU4Rec):
        """A backbone of the user's own."""

    monkeypatch.setitem(BACKBONES, "mine", Mine)
    model = PromptedSessionRecommender(Mine, prompts=(), **SMALL).fit(sessions)
    loaded = through(model, path)
    assert loaded.backbone == "mine"
    assert_same_answers(model, loaded, sessions)
    monkeypatch.delitem(BACKBONES, "mine")
    with pytest.raises(ValueError, match="backbone 'mine' is not known here"):
        load(path)


def test_parameters_changed_after_fit(path: Path) -> None:
    clusterer = ItemClusterer((0.5, 1)).fit([["a", "b"]]).set_params(resolution=1.0)
    model = PromptedSessionRecommender(prompts=(), **SMALL).fit([["a", "b"]] * 4).set_params(dim=16)
    for estimator in (clusterer, model):
        with pytest.raises(ValueError, match="parameters do not go with what was fitted"):
            save(estimator, path)
    assert not path.exists()


# ---------------------------------------------------------------------- what is at the path
def test_nothing_there(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        load(path)


def test_a_folder_of_other_things_is_not_replaced(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match=r"holds 'thesis.txt'"):
        save(pipeline, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_files_and_folders_are_not_mixed_up(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.zip").mkdir()
    for name in ("file", "folder.zip"):
        with pytest.raises(ValueError, match="name a folder, or a file that ends in .zip"):
            save(pipeline, tmp_path / name)


def test_missing_folders_are_made(tmp_path: Path) -> None:
    clusterer = ItemClusterer().fit([["a", "b"]])
    for name in ("deep/down/model", "deep/below/model.zip"):
        assert through(clusterer, tmp_path / name).labels_.tolist() == [0, 0]


def test_a_model_is_replaced(path: Path) -> None:
    save(PromptedSessionRecommender(prompts=(), **SMALL).fit([["a", "b"]] * 4), path)
    loaded = through(ItemClusterer().fit([["a", "b"]]), path)
    assert type(loaded) is ItemClusterer
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    if path.is_dir():
        assert sorted(entry.name for entry in path.iterdir()) == ["arrays.npz", "estimator.json"]


def full_disk(*args: Any, **kwargs: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("name", "owner", "step"),
    [
        ("model", os, "fsync"),
        ("model", Path, "rename"),
        ("model.zip", os, "fsync"),
        ("model.zip", os, "replace"),
        ("model.zip", zipfile.ZipFile, "writestr"),
    ],
)
def test_a_full_disk_leaves_the_old_model(
    name: str,
    owner: Any,
    step: str,
    pipeline: Pipeline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save(ItemClusterer().fit([["a", "b"]]), tmp_path / name)
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, full_disk)
        with pytest.raises(OSError, match="No space left"):
            save(pipeline, tmp_path / name)
    assert type(load(tmp_path / name)) is ItemClusterer
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_failed_swap_is_undone(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename = tmp_path / "model", Path.rename
    save(ItemClusterer().fit([["a", "b"]]), path)

    def fail_for_the_new(self: Path, target: Path) -> Path:
        return full_disk() if self.suffix == ".new" else rename(self, target)  # type: ignore[func-returns-value, return-value]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail_for_the_new)
        with pytest.raises(OSError, match="No space left"):
            save(pipeline, path)
    assert type(load(path)) is ItemClusterer
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


# ---------------------------------------------------------------------- damaged and foreign files
def parts_of(path: Path) -> dict[str, bytes]:
    if path.is_dir():
        return {entry.name: entry.read_bytes() for entry in path.iterdir()}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path: Path, parts: dict[str, bytes]) -> None:
    if path.is_dir():
        for entry in path.iterdir():
            entry.unlink()
        for name, content in parts.items():
            (path / name).write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("name", persistence.PARTS)
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


def signed(document: dict[str, Any], parts: dict[str, bytes]) -> dict[str, bytes]:
    """Parts with checksums as they should be, as somebody could make them by hand."""
    others = {name: content for name, content in parts.items() if name != "estimator.json"}
    document = {
        **document,
        "sha256": {name: persistence._sha256(content) for name, content in others.items()},
    }
    document.pop("checksum", None)
    document["checksum"] = persistence._checksum(document)
    return {**others, "estimator.json": json.dumps(document).encode()}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"format_version": 2, "written_by": "sessionprompt 9.0"},
            "version 2, written by sessionprompt 9.0.*upgrade",
        ),
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


def with_arrays(
    parts: dict[str, bytes], change: Callable[[dict[str, Any]], None]
) -> dict[str, bytes]:
    arrays = dict(np.load(BytesIO(parts["arrays.npz"])))
    change(arrays)
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    return {**parts, "arrays.npz": buffer.getvalue()}


def with_weights(
    parts: dict[str, bytes], change: Callable[[dict[str, Any]], None]
) -> dict[str, bytes]:
    weights = parse_weights(parts["model.safetensors"])
    change(weights)
    return {**parts, "model.safetensors": persistence.safetensors.save(weights)}


def replacing(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    return lambda stored: stored.update({name: change(stored[name])})


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
    document["sha256"]["../secret"] = persistence._sha256(b"secret")
    document["checksum"] = persistence._checksum(
        {k: v for k, v in document.items() if k != "checksum"}
    )
    rewrite(tmp_path / "model", {**parts, "estimator.json": json.dumps(document).encode()})
    with pytest.raises(ValueError, match=r"\.\./secret is missing"):
        load(tmp_path / "model")
