"""A file decides nothing but the model, and takes no more memory or time than it has bytes.

The files here are made by hand and right by their checksums.
"""

from __future__ import annotations

import json
import resource
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from handmade import parts_of, replacing, rewrite, signed, with_arrays, with_weights

from sessionprompt import ItemClusterer, Pipeline, PromptedSessionRecommender, baselines, load
from sessionprompt.datasets import make_sessions
from sessionprompt.persistence import save
from sessionprompt.storage import parse_json

SMALL = {"dim": 8, "max_epochs": 1, "random_state": 0, "device": "cpu"}
ROOM = 2 * 2**30  # bytes that a process may take in addition
SESSIONS = make_sessions(60, n_items=12, n_clusters=2, n_users=5, random_state=0)
Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, bytes]]:
    """Parts of a fitted pipeline with a backbone, by its name."""
    folder = tmp_path_factory.mktemp("models")

    def of_backbone(name: str) -> dict[str, bytes]:
        path = folder / name
        if not path.exists():
            model = PromptedSessionRecommender(name, prompts=("cluster", "user"), **SMALL)
            clusterer = ItemClusterer((0.5, 2.0), random_state=0)
            save(Pipeline([("clu", clusterer), ("rec", model)]).fit(SESSIONS), path)
        return parts_of(path)

    return of_backbone


@pytest.fixture
def limited() -> Iterator[None]:
    """A process that cannot take memory without end, and takes no time without end either."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, hard))
    start = time.process_time()
    yield
    spent = time.process_time() - start
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert spent < 20


def changed(parts: dict[str, bytes], change: Change) -> dict[str, bytes]:
    """Parts whose description was changed, with the checksums of that."""
    document = json.loads(parts["estimator.json"])
    change(document["estimator"])
    return signed(document, parts)


def recommender(**params: Any) -> Change:
    return lambda pipeline: pipeline["steps"][1][1]["params"].update(params)


def clusterer(**params: Any) -> Change:
    return lambda pipeline: pipeline["steps"][0][1]["params"].update(params)


def learned(**attributes: Any) -> Change:
    return lambda pipeline: pipeline["steps"][1][1]["fitted"].update(attributes)


def refused(parts: dict[str, bytes], path: Path, words: str) -> None:
    path.mkdir()
    rewrite(path, parts)
    with pytest.raises(ValueError, match=words):
        load(path)


# ---------------------------------------------------------------------- what a file must not decide
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("net_params", recommender(net_params={"compile": True})),
        ("net_params", recommender(net_params={"table": ["os", {"a": [1]}]})),
        ("checkpoint_dir", recommender(checkpoint_dir="evil")),
        ("verbose", recommender(verbose=1)),
        ("device", recommender(device="cuda:7")),
        ("memory", lambda pipeline: pipeline["params"].update(memory="evil")),
        ("verbose", lambda pipeline: pipeline["params"].update(verbose=True)),
    ],
)
def test_what_a_process_decides_is_not_taken_from_a_file(
    name: str, change: Change, stored: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rewrite_new(tmp_path / "model", changed(stored("gru4rec"), change))
    with pytest.warns(UserWarning, match=f"the file sets {name}: .* use set_params"):
        loaded = load(tmp_path / "model")
    fresh = {**Pipeline([]).get_params(deep=False), **PromptedSessionRecommender().get_params()}
    params = {**loaded.get_params(deep=False), **loaded["rec"].get_params()}
    for own in ("net_params", "checkpoint_dir", "device", "memory", "verbose"):
        assert params[own] == fresh[own]
    loaded.fit(SESSIONS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def rewrite_new(path: Path, parts: dict[str, bytes]) -> None:
    path.mkdir()
    rewrite(path, parts)


def test_a_file_that_was_saved_gives_no_warning(stored: Any, tmp_path: Path) -> None:
    rewrite_new(tmp_path / "model", stored("gru4rec"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(tmp_path / "model")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (recommender(temperature=0), "temperature=0 must be above 0"),
        (recommender(max_length=0), "max_length=0"),
        (recommender(batch_size="7"), "batch_size='7' must be an integer"),
        (recommender(lr={"float": "nan"}), "lr=nan"),
        (recommender(monitor="system@5"), "system"),
        (recommender(gate="os.system"), "gate='os.system' is not known"),
        (recommender(prompts=["cluster", "item"]), "names 'item'"),
        (recommender(random_state=-1), "random_state|negative"),
        (recommender(random_state="seed"), "random_state='seed'"),
        (recommender(backbone=["gru4rec"]), "backbone .* is not known here"),
        (recommender(backbone_params={"dropout": 7}), "dropout=7"),
        (clusterer(resolution=0), "resolution=0 must be above 0"),
        (clusterer(algorithm="os"), "algorithm='os' is not known"),
        (clusterer(random_state="seed"), "do not make a model"),
        (learned(history_="junk"), "history_ must be a list"),
        (learned(history_=[3]), "history_ must be a list"),
        (learned(history_=[{"epoch": "one"}]), "history_ must be a list"),
        (learned(history_=[{"epoch": 1, "train_loss": [1]}]), "history_ must be a list"),
        (learned(n_epochs_=-1), "n_epochs_=-1"),
        (learned(best_epoch_={"tuple": []}), "best_epoch_="),
        (learned(best_score_="much"), "best_score_='much'"),
        (learned(stop_reason_=None), "stop_reason_=None"),
        (learned(cluster_sizes=[2.5, 1]), "cluster_sizes=2.5 must be an integer"),
        (learned(cluster_sizes=[]), "cluster_sizes=.* do not go with"),
        (lambda pipeline: pipeline["steps"].clear(), "cannot be the names of steps"),
        (lambda pipeline: pipeline["steps"].append(pipeline["steps"][0]), "the names of steps"),
        (lambda pipeline: pipeline["steps"][0].__setitem__(0, "a__b"), "the names of steps"),
    ],
)
def test_a_file_is_checked_as_fit_checks(
    change: Change, words: str, stored: Any, tmp_path: Path
) -> None:
    refused(changed(stored("gru4rec"), change), tmp_path / "model", words)


def all_to(dtype: torch.dtype) -> Change:
    return lambda weights: weights.update({name: t.to(dtype) for name, t in weights.items()})


@pytest.mark.parametrize(
    ("backbone", "change", "words"),
    [
        ("gru4rec", all_to(torch.float16), "is torch.float16 of shape"),
        ("gru4rec", all_to(torch.bfloat16), "is torch.bfloat16 of shape"),
        ("gru4rec", replacing("1.items", lambda t: t.double()), "'items' is torch.float64"),
        ("gru4rec", replacing("1.items", lambda t: t * np.nan), "'items' are not all finite"),
        ("gru4rec", replacing("1.items", lambda t: t * np.inf), "'items' are not all finite"),
        ("gru4rec", replacing("1.popularity", lambda t: -t - 1), "'popularity' must be 0 or more"),
        ("lessr", replacing("1.backbone.norm.running_var", lambda t: -t), "is a variance"),
        ("gcegnn", replacing("1.backbone.neighbours", lambda t: t + 999), "of items or -1"),
        ("gcegnn", replacing("1.backbone.neighbours", lambda t: t[1:].clone()), "a row for each"),
        ("gcegnn", replacing("1.backbone.counts", lambda t: t - 1), "counts .* 0 or more"),
    ],
)
def test_weights_that_no_training_leaves(
    backbone: str, change: Change, words: str, stored: Any, tmp_path: Path
) -> None:
    parts = with_weights(stored(backbone), change)
    refused(signed(json.loads(parts["estimator.json"]), parts), tmp_path / "model", words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (replacing("1.item_counts", lambda a: a - 99), "'item_counts' must be 0 or more"),
        (replacing("0.graph_weights", lambda a: -a), "'0.graph_weights' must be 0 or more"),
        (replacing("0.graph_weights", lambda a: a * np.nan), "'0.graph_weights' must be 0 or more"),
    ],
)
def test_arrays_that_no_training_leaves(
    change: Change, words: str, stored: Any, tmp_path: Path
) -> None:
    parts = with_arrays(stored("gru4rec"), change)
    refused(signed(json.loads(parts["estimator.json"]), parts), tmp_path / "model", words)


@pytest.mark.parametrize(
    ("name", "params", "array", "change", "words"),
    [
        ("VSKNN", {"n_neighbors": 0}, None, None, "n_neighbors=0"),
        ("SLIST", {"reg": -1}, None, None, "reg=-1"),
        ("VSKNN", {}, "session_items", lambda a: a + 99, "no sessions of the known items"),
        ("STAN", {}, "session_offsets", lambda a: a[::-1], "do not span"),
        ("ItemKNN", {}, "rules_neighbours", lambda a: a + 99, "indices"),
        ("SequentialRules", {}, "counts_weights", lambda a: -a, "must be 0 or more"),
    ],
)
def test_baselines_are_checked_too(
    name: str, params: Any, array: str | None, change: Any, words: str, tmp_path: Path
) -> None:
    save(getattr(baselines, name)().fit(SESSIONS), tmp_path / "good")
    parts = parts_of(tmp_path / "good")
    if array is not None:
        parts = with_arrays(parts, replacing(array, change))
    parts = changed(parts, lambda estimator: estimator["params"].update(params))
    refused(parts, tmp_path / "bad", words)


# ---------------------------------------------------------------------- what a file must not cost
def backbone_params(**params: Any) -> Change:
    return recommender(backbone_params=params)


@pytest.mark.parametrize(
    ("backbone", "change"),
    [
        ("gru4rec", backbone_params(hidden=20_000)),
        ("gru4rec", backbone_params(hidden=10**18)),
        ("gru4rec", backbone_params(n_layers=10**9)),
        ("gru4rec", recommender(dim=20_000)),
        ("gru4rec", recommender(dim=2**30)),
        ("gru4rec", recommender(n_negatives=10**15)),
        ("gru4rec", learned(cluster_sizes=[200_000_000, 7])),
        ("gru4rec", learned(cluster_sizes=[10**30, 7])),
        ("gru4rec", learned(cluster_sizes=[7] * 100_000)),
        ("narm", backbone_params(hidden=20_000)),
        ("narm", backbone_params(n_layers=10**9)),
        ("core", backbone_params(n_layers=10**9)),
        ("core", backbone_params(inner=10**10)),
        ("core", backbone_params(n_positions=10**10)),
        ("gcsan", backbone_params(n_layers=10**9)),
        ("gcsan", backbone_params(steps=10**9)),
        ("gcegnn", backbone_params(n_neighbours=10**9)),
        ("gcegnn", backbone_params(n_positions=10**9)),
        ("gcegnn", backbone_params(hops=10**9)),
        ("sasrec", backbone_params(n_positions=10**10)),
        ("lessr", backbone_params(n_layers=10**9)),
        ("lessr", backbone_params(n_layers=3000)),
    ],
)
@pytest.mark.usefixtures("limited")
def test_parameters_that_ask_for_more_than_the_file_holds(
    backbone: str, change: Change, stored: Any, tmp_path: Path
) -> None:
    words = "model.safetensors|arrays.npz|cluster_sizes|is above|(?i:overflow)"
    refused(changed(stored(backbone), change), tmp_path / "model", words)
    assert torch.is_grad_enabled()


@pytest.mark.usefixtures("limited")
def test_a_window_without_end_costs_nothing_before_fit(stored: Any, tmp_path: Path) -> None:
    rewrite_new(tmp_path / "model", changed(stored("gcegnn"), backbone_params(window=10**9)))
    assert load(tmp_path / "model").predict(SESSIONS[:3]).shape == (3, 10)


def zipped(parts: dict[str, bytes], **compression: Any) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", **compression) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return content.getvalue()


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.usefixtures("limited")
def test_compressed_members_are_refused(kind: int, stored: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    parts = stored("gru4rec")
    path.write_bytes(zipped(parts))
    load(path)
    path.write_bytes(zipped(parts, compression=kind))
    with pytest.raises(ValueError, match="is compressed; members of a model are stored"):
        load(path)
    members = {"zeros.npy": bytes(2**24)}
    inflated = {**parts, "arrays.npz": zipped(members, compression=kind)}
    path.write_bytes(zipped(signed(json.loads(parts["estimator.json"]), inflated)))
    with pytest.raises(ValueError, match="arrays.npz .* is compressed"):
        load(path)


def array_of(shape: str, dtype: str = "<f8") -> bytes:
    """An array in the format npy that has a header and no values."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "member",
    [
        array_of("(1000000000000,)"),
        array_of("(4294967296, 4294967296)"),
        array_of("(0, 1000000000000)"),
        array_of("(1000000000000,)", "<U0"),
        array_of("(1000000000000,)", "|V0"),
        array_of("(-3,)"),
        array_of("(3,)", "|O"),
        array_of("(" * 5000),
        b"\x93NUMPY\x09\x00",
        b"",
    ],
    ids=range(10),
)
@pytest.mark.usefixtures("limited")
def test_headers_of_arrays_are_believed_as_far_as_the_bytes_go(
    member: bytes, stored: Any, tmp_path: Path
) -> None:
    parts = {**stored("gru4rec"), "arrays.npz": zipped({"0.labels.npy": member})}
    words = "0.labels"
    refused(signed(json.loads(parts["estimator.json"]), parts), tmp_path / "model", words)


@pytest.mark.parametrize("depth", [201, 2_000, 100_000])
def test_deep_json_is_a_value_error(depth: int, tmp_path: Path) -> None:
    text = "[" * depth + "]" * depth
    with pytest.raises(ValueError, match="nested more than 200 deep"):
        parse_json(text)
    (tmp_path / "estimator.json").write_text(f'{{"format": "sessionprompt", "more": {text}}}')
    with pytest.raises(ValueError, match="estimator.json is damaged .*nested more than 200 deep"):
        load(tmp_path)


def test_deep_parameters_are_refused_before_the_work() -> None:
    nest: Any = []
    for _ in range(3000):
        nest = [nest]
    clusterer = ItemClusterer(resolution=nest)
    with pytest.raises(TypeError, match="resolution is nested too deep"):
        clusterer._pack_params()
