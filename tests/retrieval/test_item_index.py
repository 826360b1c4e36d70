"""Vectors of sessions and items, neighbours of items, and the approximate index over them."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sessionprompt import Pipeline, PromptedSessionRecommender, make_session_pipeline
from sessionprompt.baselines import ItemKNN
from sessionprompt.blending import Blend
from sessionprompt.datasets import make_sessions
from sessionprompt.retrieval import ItemIndex

WORLD = make_sessions(200, n_items=60, n_clusters=3, random_state=0)
ASKED = [["item-03", "item-04"], ["item-11"], ["item-20", "item-20", "item-05"]]
LEAST_TRUST = 0.05  # of a blend


@pytest.fixture(scope="module")
def weighing() -> Pipeline:
    """Model that weighs repeats, and weighs them much."""
    pipeline = make_session_pipeline(
        "gru4rec", dim=8, max_epochs=1, max_length=6, refit=False, random_state=0
    ).fit(WORLD)
    assert pipeline[-1].blend_ is not None
    weights = np.random.default_rng(0).normal(size=Blend.neutral().weights.shape)
    pipeline[-1].blend_ = Blend(np.maximum(weights, LEAST_TRUST))
    return pipeline


@pytest.fixture(scope="module")
def model(weighing: Pipeline) -> Pipeline:
    """The same network alone."""
    alone = deepcopy(weighing)
    alone[-1].blend_ = None
    return alone


def test_scores_are_products_of_vectors(model: Pipeline) -> None:
    scores = model.session_vectors(ASKED) @ model[-1].item_vectors_.T
    items, values = model.predict_topk(ASKED, k=60, return_scores=True)
    codes = np.searchsorted(model[-1].items_, items)
    np.testing.assert_allclose(
        np.take_along_axis(scores, codes, axis=1), values, rtol=1e-5, atol=1e-5
    )
    with pytest.raises(ValueError, match="read-only"):
        model[-1].item_vectors_[0] = 0


def test_similar_items_are_those_of_the_highest_cosine(model: Pipeline) -> None:
    last = model[-1]
    vectors = last.item_vectors_ / np.linalg.norm(last.item_vectors_, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    found, values = last.similar_items(last.items_, k=59, return_scores=True)
    np.testing.assert_allclose(values, -np.sort(-cosines, axis=1)[:, :59], atol=1e-6)
    assert (found != last.items_[:, None]).all()
    assert (last.similar_items(last.items_[:2], k=4) == found[:2, :4]).all()


def test_an_item_is_no_neighbour_of_itself_among_equals() -> None:
    model = PromptedSessionRecommender(prompts=(), dim=4, max_epochs=1, repeats=None)
    model.fit(WORLD)
    model.network_.items.data[:] = 1.0
    found = model.similar_items(model.items_[[0, 30, 59]], k=2)
    assert (found != model.items_[[0, 30, 59], None]).all()


@pytest.mark.parametrize(
    ("items", "k", "message"),
    [
        (["item-03", "tea"], 2, "items holds 1 ids that the model does not know, such as 'tea'"),
        (["item-03"], 60, "k=60 is larger than the 59 other items"),
    ],
)
def test_neighbours_that_cannot_be_told(
    model: Pipeline, items: list[str], k: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model[-1].similar_items(items, k=k)


def test_sessions_without_a_vector() -> None:
    model = PromptedSessionRecommender("tagnn", prompts=(), dim=4, max_epochs=1).fit(WORLD)
    with pytest.raises(ValueError, match="TAGNN attends to each candidate"):
        model.session_vectors(ASKED)


def test_unknown_and_empty_sessions(model: Pipeline) -> None:
    with pytest.warns(UserWarning, match="1 sessions hold nothing that the model knows"):
        assert np.isfinite(model.session_vectors([["tea"], ["item-03"]])).all()
    with pytest.raises(ValueError, match="session 1 of X is empty"):
        model.session_vectors([["item-03"], []])
    with pytest.raises(NotFittedError):
        PromptedSessionRecommender().session_vectors(ASKED)


def test_the_index_finds_the_best_items(model: Pipeline) -> None:
    pytest.importorskip("faiss")
    index = ItemIndex(model)
    found, scores = index.search(ASKED, k=5)
    expected, values = model.predict_topk(ASKED, k=5, return_scores=True)
    assert (found == expected).all()
    np.testing.assert_allclose(scores, values, rtol=1e-5)
    assert index.recall(WORLD, k=5) > 0.99
    narrow = ItemIndex(model, n_links=2, build_effort=1, search_effort=1)
    assert 0 < narrow.recall(WORLD, k=1) < 1
    every, _ = narrow.search(ASKED, k=60)
    assert all(len(set(row)) == 60 for row in every)  # whatever the graph reaches


@pytest.mark.parametrize("k", [1, 5, 60])
def test_lists_are_those_of_the_model_that_weighs_repeats(weighing: Pipeline, k: int) -> None:
    pytest.importorskip("faiss")
    index = ItemIndex(weighing, search_effort=60)
    every = [f"item-{number:02}" for number in range(60)]
    sessions = [*ASKED, ["item-07", "unknown", "item-07"], every, ["item-01", *every[8:12] * 3]]
    sessions += WORLD[:40].to_lists()
    found, scores = index.search(sessions, k=k)
    expected, values = weighing.predict_topk(sessions, k=k, return_scores=True)
    np.testing.assert_allclose(scores, values, rtol=1e-4, atol=1e-4)
    assert (found == expected).mean() > 0.99  # equal scores may stand in another order
    assert all(set(row) == set(other) for row, other in zip(found, expected, strict=True))


def test_an_own_item_that_the_graph_misses_is_weighed(weighing: Pipeline) -> None:
    pytest.importorskip("faiss")
    narrow = ItemIndex(weighing, n_links=2, build_effort=1, search_effort=1)
    sessions = WORLD[:60]
    found, scores = narrow.search(sessions, k=60)
    expected, values = weighing.predict_topk(sessions, k=60, return_scores=True)
    np.testing.assert_allclose(scores, values, rtol=1e-4, atol=1e-4)
    found, _ = narrow.search(sessions, k=3)
    best = expected[:, :1]
    kept = [set(own) & set(row) for own, row in zip(sessions.to_lists(), best, strict=True)]
    missed = [own - set(row) for own, row in zip(kept, found, strict=True)]
    assert any(kept) and not any(missed)


@pytest.fixture(scope="module")
def folder(weighing: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("faiss")
    path = tmp_path_factory.mktemp("saved") / "index"
    ItemIndex(weighing, search_effort=7).save(path)
    return path


def test_an_opened_index_answers_as_the_one_that_was_saved(
    weighing: Pipeline, folder: Path
) -> None:
    index = ItemIndex.open(folder, weighing)
    built = ItemIndex(weighing, search_effort=7)
    for found, expected in zip(index.search(WORLD, k=5), built.search(WORLD, k=5), strict=True):
        assert (found == expected).all()
    assert index.search_effort == 7
    assert index.recall(WORLD, k=5) == built.recall(WORLD, k=5)
    index.save(folder)  # what is mapped stays as it is
    assert (index.search(WORLD, k=5)[0] == built.search(WORLD, k=5)[0]).all()
    maps = Path("/proc/self/maps")
    if maps.exists() and hasattr(pytest.importorskip("faiss"), "IO_FLAG_MMAP_IFC"):
        assert "graph.faiss" in maps.read_text()


def test_an_index_of_another_model_is_refused(weighing: Pipeline, folder: Path) -> None:
    other = deepcopy(weighing)
    other[-1].network_.items.data[7] += 0.01
    other[-1]._table = None
    with pytest.raises(ValueError, match="its vectors are not those of this one; build one"):
        ItemIndex.open(folder, other)
    reordered = deepcopy(weighing)
    reordered[-1].items_ = reordered[-1].items_[::-1]
    with pytest.raises(ValueError, match="its items are not those of this one"):
        ItemIndex.open(folder, reordered)
    other[-1].network_.items.data[7] += 1e-6 - 0.01  # as another machine rounds
    other[-1]._table = None
    assert ItemIndex.open(folder, other).search(ASKED, k=1)[0].shape == (3, 1)


def _flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


DAMAGE: list[tuple[Callable[[Path], Any], str]] = [
    (lambda folder: (folder / "index.json").unlink(), "never finished; save the index files"),
    (lambda folder: (folder / "graph.faiss").unlink(), "graph.faiss is missing"),
    (lambda folder: _flip(folder / "graph.faiss"), "graph.faiss is damaged"),
    (lambda folder: _flip(folder / "index.json"), "damaged or cut off"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE)
def test_damaged_indexes_are_refused(
    weighing: Pipeline, folder: Path, tmp_path: Path, damage: Callable[[Path], Any], message: str
) -> None:
    copied = tmp_path / "index"
    copied.mkdir()
    for file in folder.iterdir():
        (copied / file.name).write_bytes(file.read_bytes())
    damage(copied)
    with pytest.raises(ValueError, match=message):
        ItemIndex.open(copied, weighing)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        ItemIndex.open(tmp_path / "nothing", weighing)


def test_a_file_that_faiss_cannot_read_is_named(
    weighing: Pipeline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("index type not recognized")

    monkeypatch.setattr(pytest.importorskip("faiss"), "read_index", fail)
    with pytest.raises(ValueError, match="cannot be read by faiss .*build the index anew"):
        ItemIndex.open(folder, weighing)


def test_other_folders_stay_as_they_are(weighing: Pipeline, tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="'notes.txt'.*name a new or empty folder"):
        ItemIndex(weighing).save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_a_graph_is_built_by_so_many_threads(
    model: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    faiss = pytest.importorskip("faiss")
    before = faiss.omp_get_max_threads()
    asked = []
    plain = faiss.omp_set_num_threads
    monkeypatch.setattr(faiss, "omp_set_num_threads", lambda n: (asked.append(n), plain(n)))
    ItemIndex(model)
    ItemIndex(model, n_jobs=2)
    with joblib.parallel_config(n_jobs=3):
        ItemIndex(model)
    assert asked == [1, before, 2, before, 3, before]
    assert faiss.omp_get_max_threads() == before


def test_an_index_of_what_a_model_was_before_is_refused(model: Pipeline) -> None:
    pytest.importorskip("faiss")
    grown = deepcopy(model)
    index = ItemIndex(grown)
    grown[-1].partial_fit(grown[0].transform(WORLD[:20]))
    with pytest.raises(ValueError, match="fitted after its index was built; build it anew"):
        index.search(ASKED)


def test_nothing_is_left_of_a_save_that_fails(
    weighing: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faiss = pytest.importorskip("faiss")
    index = ItemIndex(weighing)
    index.save(tmp_path / "index")
    plain = faiss.PyCallbackIOWriter

    def full(write: Any) -> Any:
        def fail(content: bytes) -> int:
            raise OSError(28, "No space left on device")

        return plain(fail)

    monkeypatch.setattr(faiss, "PyCallbackIOWriter", full)
    with pytest.raises(OSError, match="No space left"):
        index.save(tmp_path / "index")
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["index"]
    assert ItemIndex.open(tmp_path / "index", weighing).search(ASKED)[0].shape == (3, 10)


def test_an_index_of_something_else() -> None:
    pytest.importorskip("faiss")
    with pytest.raises(TypeError, match="has no item vectors; give a PromptedSession"):
        ItemIndex(ItemKNN().fit(WORLD))
    with pytest.raises(NotFittedError):
        ItemIndex(PromptedSessionRecommender())
    with pytest.raises(ValueError, match="n_links=1 must be an integer of at least 2"):
        ItemIndex(ItemKNN(), n_links=1)


def test_the_index_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name == "faiss":
            raise ImportError(name)
        return plain(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'sessionprompt\[ann\]'"):
        ItemIndex(ItemKNN())
