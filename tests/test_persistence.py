"""A stored model is the same model, and a file that is anything else is refused with a reason."""

from __future__ import annotations

import errno
import os
import pickle
import random
import sys
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline as SklearnPipeline
from sklearn.preprocessing import FunctionTransformer

from sessionprompt import baselines
from sessionprompt.backbones import BACKBONES, GRU4Rec
from sessionprompt.clustering import ItemClusterer, PrecomputedClusters
from sessionprompt.datasets import make_sessions
from sessionprompt.persistence import CLASSES, check_storable, load, save
from sessionprompt.pipeline import Pipeline, make_session_pipeline
from sessionprompt.recommender import PromptedSessionRecommender
from sessionprompt.sessions import Sessions
from sessionprompt.storage import archive

SMALL = {"dim": 8, "max_epochs": 2, "random_state": 0, "refit": False, "device": "cpu"}


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
    assert repr(loaded.set_params(rec__device="cpu")) == repr(pipeline)
    unknown = Sessions.from_lists([["item-03", "new"], ["new"]], users=["user-1", "somebody"])
    for X in (sessions, unknown):
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
    labels = {"a": ("x", 1), "b": ("y", 2)}
    if kind is not dict:
        labels = kind(columns)
    clusterer = PrecomputedClusters(labels).fit([["a", "b"], ["b", "c", "a"]])
    loaded = through(clusterer, path)
    assert type(loaded.labels) is kind
    np.testing.assert_array_equal(loaded.labels_, clusterer.labels_)
    refitted = loaded.fit([["a", "b"]])
    np.testing.assert_array_equal(refitted.labels_, clusterer.fit([["a", "b"]]).labels_)


@pytest.mark.parametrize(
    "ids",
    [
        [3, 7, -2],
        [0.5, 1.25, float("inf")],
        ["ä", "b\0", "漢字 \ud800"],
        [2**63, 2**64 - 1, 5],
        [2**70, -(2**65), 5],
        [Decimal("1.10"), Decimal("2"), Decimal("-3E+7")],
        [UUID(int=number) for number in (3, 1, 2)],
        [(1, "a"), (2, "b"), (2, (b"c", None))],
        [b"a", b"\xff", b""],
        [date(2024, 1, 2), date(1970, 1, 1), date(1, 1, 1)],
        [datetime(2024, 1, 2, 3, 4, 5, 6, UTC), datetime.now(UTC)] * 2,
        list(np.array(["2024-01-01", "2024-01-02", "1960-01-01"], dtype="datetime64[ns]")),
    ],
    ids=lambda ids: type(ids[0]).__name__,
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


def test_parameters_come_back(path: Path) -> None:
    params = {
        "backbone_params": {"dropouts": (0.0, np.float64(0.5)), "n_layers": np.int64(1)},
        "validation_fraction": None,
        "lr": np.float32(0.5),
    }
    model = PromptedSessionRecommender("narm", prompts=[], **{**SMALL, **params}).fit(
        [[1, 2], [2, 3]]
    )
    loaded = through(model, path).get_params()
    assert loaded["backbone_params"] == {"dropouts": (0.0, 0.5), "n_layers": 1}
    assert type(loaded["backbone_params"]["n_layers"]) is int and type(loaded["lr"]) is float
    assert loaded["prompts"] == []


def test_what_a_process_decides_is_not_stored(sessions: Sessions, path: Path) -> None:
    model = PromptedSessionRecommender(
        prompts=(),
        net_params={"optimizer": torch.optim.Adagrad},
        checkpoint_dir=path.parent / "checkpoints",
        verbose=1,
        **SMALL,
    )
    pipeline = Pipeline([("rec", model)], memory=str(path.parent / "cache"), verbose=True)
    pipeline.fit(sessions[:40])
    with pytest.warns(UserWarning, match="net_params are not stored.*set_params"):
        save(pipeline, path)
    loaded = load(path)
    assert (loaded.memory, loaded.verbose) == (None, False)
    params = loaded["rec"].get_params()
    fresh = PromptedSessionRecommender().get_params()
    for name in ("net_params", "checkpoint_dir", "verbose", "device"):
        assert params[name] == fresh[name]
    assert_same_answers(pipeline, loaded, sessions)


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
    loaded = through(pipeline, tmp_path / "a")
    copy = pickle.loads(pickle.dumps(pipeline))
    more = Sessions.from_lists([["item-03", "new", "item-04"]] * 3, users=["ann"] * 3)
    assert_same_answers(loaded.partial_fit(more), copy.partial_fit(more), sessions)
    assert "new" in loaded["rec"].items_
    assert_same_answers(loaded, through(loaded, tmp_path / "b.zip"), sessions)
    assert_same_answers(loaded, pickle.loads(pickle.dumps(loaded)), sessions)
    loaded.fit(sessions)
    assert_same_answers(loaded, pipeline, sessions)


def test_equal_models_are_equal_files(pipeline: Pipeline, tmp_path: Path) -> None:
    first = tmp_path / "first.zip"
    second = tmp_path / "second.zip"
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


def test_a_pipeline_within_a_pipeline(sessions: Sessions, path: Path) -> None:
    front = SklearnPipeline([("none", None), ("clu", ItemClusterer(random_state=0))])
    model = Pipeline([("front", front), ("rec", PromptedSessionRecommender(**SMALL))])
    loaded = through(model.fit(sessions), path)
    assert type(loaded["front"]) is SklearnPipeline
    assert_same_answers(model, loaded, sessions)


def test_estimators_save_themselves(pipeline: Pipeline, sessions: Sessions, path: Path) -> None:
    pipeline.save(path)
    assert_same_answers(pipeline, load(path), sessions)
    pipeline["rec"].save(path)
    X = pipeline["clu"].transform(sessions)
    assert_same_answers(pipeline["rec"], load(path), X)


# ---------------------------------------------------------------------- baselines
@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in baselines.__all__ if "Attribute" not in name),
        ("SequentialRules", {"backward": 0.5, "shrinkage": 3, "repeats": 0.1, "last_n": None}),
        ("VSKNN", {"sample_size": None, "n_neighbors": 5}),
        ("STAN", {"lambda2": 0.5, "sample_size": 20}),
        ("SLIST", {"recency": 0.5, "past": "all"}),
    ],
)
def test_every_baseline(name: str, options: dict[str, Any], sessions: Sessions, path: Path) -> None:
    model = getattr(baselines, name)(**options).fit(sessions[:100])
    loaded = through(model, path)
    assert loaded.get_params() == model.get_params()
    assert_same_answers(model, loaded, sessions)
    assert loaded.evaluate(sessions) == model.evaluate(sessions)
    if hasattr(model, "partial_fit"):
        more = Sessions.from_lists([["item-03", "new", "item-04"]] * 3)
        assert_same_answers(loaded.partial_fit(more), model.partial_fit(more), sessions)
    pipeline = Pipeline([("none", "passthrough"), ("rec", model)])
    pipeline["rec"].save(path)
    assert_same_answers(pipeline, through(pipeline, path), sessions)


def test_every_estimator_of_the_library_can_be_loaded() -> None:
    known = {name.rpartition(".")[2] for name in CLASSES}
    found = {one.__name__ for one in subclasses(BaseEstimator) if is_storable(one)}
    found -= {"GraphClusterer", "SessionNet"}  # a base of others, and a part of the recommender
    assert len(found) > 10 and found <= known


def subclasses(kind: type) -> set[type]:
    direct = set(kind.__subclasses__())
    return direct.union(*map(subclasses, direct))


def is_storable(kind: type) -> bool:
    """Whether a class is a public one of the library that is fitted on sessions."""
    parts = kind.__module__.split(".")
    if parts[0] != "sessionprompt":
        return False
    door = sys.modules[".".join(parts[:2])]
    return kind.__name__ in door.__all__ and hasattr(kind, "fit")


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


class Place(NamedTuple):
    """An id that would come back as a plain tuple."""

    x: int
    y: int


class Cousin(ItemClusterer):
    """A class of the user's own."""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda X: PromptedSessionRecommender(unregistered, prompts=(), **SMALL).fit(X),
            "backbone=.*BACKBONES",
        ),
        (lambda X: Cousin().fit(X), "Cousin cannot be stored"),
        (lambda X: Pipeline([("clu", Cousin())]).fit(X), "Cousin cannot be stored"),
        (lambda X: GridSearchCV(Pipeline([]), {}), "GridSearchCV cannot be stored"),
        (
            lambda X: SklearnPipeline([("f", FunctionTransformer(len)), ("clu", ItemClusterer())]),
            "FunctionTransformer cannot be stored; a function is code; .* 'passthrough'",
        ),
        (
            lambda X: ItemClusterer().fit([[frozenset({1}), frozenset({2})]]),
            r"items ids are of type frozenset \(first frozenset\(\{1\}\)",
        ),
        (
            lambda X: ItemClusterer().fit([[Place(1, 2), Place(3, 4)]]),
            "items ids are of type Place",
        ),
        (
            lambda X: ItemClusterer().fit([[pd.Timestamp(0), pd.Timestamp(1)]]),
            "items ids are of type Timestamp",
        ),
        (lambda X: PrecomputedClusters({"item-01": object()}).fit(X), "labels holds <object"),
    ],
)
def test_what_cannot_be_stored_is_named(
    make: Any, words: str, sessions: Sessions, path: Path
) -> None:
    estimator = make(sessions)
    with pytest.raises(TypeError, match=words):
        save(estimator, path)
    assert not path.exists()
    if "ids" not in words:
        with pytest.raises(TypeError, match=words):
            check_storable(clone(estimator))


@pytest.mark.parametrize("kind", ["item", "user", "session"])
def test_ids_are_checked_before_the_work(kind: str) -> None:
    ids = {"item": "ab", "user": ["u", "v"], "session": ["s", "t"]}
    ids[kind] = [frozenset({1}), frozenset({2})]
    X = Sessions.from_lists([[ids["item"][0]]] * 2, users=ids["user"], ids=ids["session"])
    prompts = [name for name in (kind,) if name != "item"]
    pipeline = make_session_pipeline(prompts=prompts)
    with pytest.raises(TypeError, match=f"{kind} ids are of type frozenset"):
        check_storable(pipeline, X)
    check_storable(make_session_pipeline(prompts=("cluster", "user")), [["a", "b"]])


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
        ("model", archive, "put_in_place"),
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
