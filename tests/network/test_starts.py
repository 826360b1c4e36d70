"""Starts of tables: from the item graph, at random, and as published."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.extmath import randomized_svd

from sessionprompt import ItemClusterer, PromptedSessionRecommender, Sessions
from sessionprompt.backbones import unit
from sessionprompt.graphs import window_graph
from sessionprompt.network import graph_vectors
from sessionprompt.network.spectral import leading_vectors, scaled_graph
from sessionprompt.testing import tiny_world


def slow_vectors(lists: list[list[int]], n_items: int, dim: int, window: int) -> np.ndarray:
    """The same by counting pairs and a full eigendecomposition."""
    counts = np.zeros((n_items, n_items))
    for items in lists:
        for place, one in enumerate(items):
            for other in items[place + 1 : place + 1 + window]:
                counts[one, other] += 1
                counts[other, one] += 1
    degrees = counts.sum(1)
    scale = np.sqrt(np.outer(degrees + degrees.mean(), degrees + degrees.mean()))
    values, vectors = np.linalg.eigh(np.eye(n_items) + counts / scale)
    rows = (vectors * np.sqrt(np.maximum(values, 0)))[:, ::-1][:, :dim]
    rows[degrees == 0] = 0
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


@pytest.mark.parametrize(("dim", "window"), [(5, 1), (12, 3)])
def test_vectors_are_the_leading_eigenvectors(dim: int, window: int) -> None:
    rng = np.random.default_rng(0)
    lists = [rng.integers(12, size=size).tolist() for size in rng.integers(1, 7, size=60)]
    sessions = Sessions.from_lists(lists)
    n = len(sessions.vocabulary)
    rows = graph_vectors(sessions.codes, sessions.offsets, n, dim, window=window, seed=0)
    expected = slow_vectors(sessions.to_lists(), n, dim, window)
    np.testing.assert_allclose(rows @ rows.T, expected @ expected.T, atol=1e-3)


def test_items_without_neighbours_have_zero_vectors() -> None:
    rows = graph_vectors([0, 1, 2], [0, 2, 3], 4, 6, window=2, seed=0)
    assert rows.shape == (4, 6) and not rows[2:].any()
    np.testing.assert_allclose(np.linalg.norm(rows[:2], axis=1), 1)


def untrained(init: str, **params) -> PromptedSessionRecommender:
    world = ItemClusterer(random_state=0).fit_transform(tiny_world(100))
    settings = {
        "dim": 8,
        "max_epochs": 1,
        "lr": 1e-12,
        "validation_fraction": None,
        "random_state": 0,
        **params,
    }
    return PromptedSessionRecommender(init=init, **settings).fit(world)


def test_neighbours_start_close_and_clusters_in_their_middle() -> None:
    model = untrained("graph")
    labels = model.encoder_.item_labels[:, 0]
    items = unit(model.network_.items).detach()
    prompts = unit(model.network_.blend.tables["cluster"]).detach()
    likeness = (items @ items.T).cpu().numpy()
    same = labels[:, None] == labels
    assert likeness[same].mean() > likeness[~same].mean() + 0.3
    members = [torch.from_numpy(labels == k) for k in range(labels.max() + 1)]
    means = torch.stack([model.network_.items[of_cluster].mean(0) for of_cluster in members])
    assert (unit(means).detach() * prompts).sum(1).min() > 0.9


def test_a_random_start_knows_nothing() -> None:
    model = untrained("normal")
    length = model.network_.items.norm(dim=1).mean().item()
    assert length == pytest.approx(1, abs=0.15)
    labels = model.encoder_.item_labels[:, 0]
    likeness = (unit(model.network_.items) @ unit(model.network_.items).T).detach().cpu().numpy()
    same = (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)
    assert abs(likeness[same].mean()) < 0.2


def test_going_on_does_not_start_anew() -> None:
    model = untrained("graph")
    before = model.network_.items.detach().clone()
    model.partial_fit(ItemClusterer(random_state=0).fit_transform(tiny_world(100)))
    torch.testing.assert_close(model.network_.items.detach(), before, atol=1e-4, rtol=0)


PUBLISHED = {  # standard deviation of a table of n rows of length 8
    "gru4rec": lambda n: (2 / (n + 8)) ** 0.5,
    "narm": lambda n: (2 / (n + 8)) ** 0.5,
    "stamp": lambda n: 0.002,
    "core": lambda n: (8 * 3) ** -0.5,
    "srgnn": lambda n: (8 * 3) ** -0.5,
    "tagnn": lambda n: (8 * 3) ** -0.5,
    "gcegnn": lambda n: (8 * 3) ** -0.5,
    "gcsan": lambda n: 0.02,
    "sasrec": lambda n: 0.02,
    "lessr": lambda n: 1.0,
}


@pytest.mark.parametrize("backbone", PUBLISHED)
def test_published_starts(backbone: str) -> None:
    model = untrained("reference", backbone=backbone, gate="elementwise").network_
    for table in (model.items, model.blend.tables["cluster"]):
        spread = PUBLISHED[backbone](len(table))
        assert table.detach().std().item() == pytest.approx(spread, rel=0.35)
    gates = {name: value for name, value in model.blend.gate.named_parameters() if "bias" in name}
    assert all(
        bool(bias.abs().max() > 1e-6) == (backbone not in ("narm", "gcsan", "sasrec"))
        for bias in gates.values()
    )


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(ValueError, match="init='xavier' is not known; choose one of"):
        untrained("xavier")


def test_the_subspace_is_that_of_a_randomized_svd() -> None:
    sessions = tiny_world(400, n_items=240, n_clusters=6)
    n = len(sessions.vocabulary)
    graph = window_graph(sessions.codes, sessions.offsets, n, 3)
    walk, degrees = scaled_graph(graph)
    assert degrees.tolist() == graph.sum(axis=1).tolist()
    vectors = leading_vectors(walk, 16, seed=3)
    scale = 1 / np.sqrt(degrees + degrees.mean())
    matrix = np.eye(n) + graph.toarray() * np.outer(scale, scale)
    expected, values, _ = randomized_svd(matrix, 16, n_iter=4, random_state=3)
    np.testing.assert_allclose(vectors, expected * np.sqrt(values), atol=2e-4)
