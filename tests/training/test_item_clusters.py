"""Which of the clusters that sessions carry the loss takes its candidates from."""

from __future__ import annotations

import numpy as np
import pytest

from sessionprompt import PromptedSessionRecommender, losses
from sessionprompt.clustering import ItemClusterer, PrecomputedClusters
from sessionprompt.testing import tiny_world
from sessionprompt.training import item_clusters

WORLD = tiny_world(60)
IDS = WORLD.vocabulary.ids


def clusters(sessions: object, **params: object) -> np.ndarray:
    small = {"dim": 4, "max_epochs": 1, "validation_fraction": None, "random_state": 0}
    model = PromptedSessionRecommender(loss="clusters", prompts=(), **{**small, **params})
    return model.fit(sessions).net_.criterion_.clusters.cpu().numpy()


@pytest.mark.parametrize(("best", "column"), [(1, 1), (10_000, 0)])
def test_the_size_decides(best: int, column: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_clusters, "OWN_ITEMS", best)
    several = ItemClusterer((0.1, 20.0), random_state=0).fit(WORLD)
    counts = [len(np.unique(labels)) for labels in several.labels_.T]
    assert counts[0] < counts[1]
    assert len(np.unique(clusters(several.transform(WORLD)))) == counts[column]


def test_clusters_too_large_for_the_loss_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    one = PrecomputedClusters(dict.fromkeys(IDS, 0)).fit_transform(WORLD)
    assert not clusters(one).any()
    monkeypatch.setattr(item_clusters, "MOST_OWN", len(IDS) - 1)
    leiden = ItemClusterer(random_state=0).fit(WORLD)
    np.testing.assert_array_equal(np.unique(clusters(one)), np.unique(leiden.labels_))
    assert losses.MOST_OWN > 1_000
