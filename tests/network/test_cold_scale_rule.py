"""The rule by which the length of cold items is chosen."""

from __future__ import annotations

import numpy as np
import torch

from sessionprompt.network import COLD_SCALES
from sessionprompt.network.cold_scale import _hits, _nearest_of_the_best


def hits_of(shares: dict[float, float], n: int = 1000) -> np.ndarray:
    """Hits at each length, so many of the first targets; others as at length 1."""
    counts = [round(shares.get(scale, shares[1.0]) * n) for scale in COLD_SCALES]
    return np.arange(n) < np.array(counts)[:, None]


def chosen(hits: np.ndarray, n_cold: int = 1) -> float:
    """Length taken where the last targets are cold."""
    return _nearest_of_the_best(hits, np.arange(hits.shape[1]) >= hits.shape[1] - n_cold)


def test_the_nearest_to_one_within_a_standard_error_of_the_best() -> None:
    assert chosen(hits_of({1.0: 0.3})) == 1.0
    assert chosen(hits_of({1.0: 0.3, 0.25: 0.301})) == 1.0  # one hit is chance
    assert chosen(hits_of({1.0: 0.3, 0.25: 0.33})) == 0.25
    assert chosen(hits_of({1.0: 0.3, 0.9: 0.33, 0.25: 0.331})) == 0.9
    assert chosen(hits_of({1.0: 0.3, 1.1: 0.33})) == 1.1
    assert chosen(np.zeros((len(COLD_SCALES), 0), dtype=bool)) == 1.0


def test_a_cold_target_counts_for_three() -> None:
    warm = hits_of({1.0: 0.3, 0.9: 0.4, 0.8: 0.401}, 1000)  # (n_scales, 1000)
    few = hits_of({1.0: 0.5, 0.9: 0.0, 0.8: 0.0}, 40)  # (n_scales, 40), 20 are lost for 100
    many = hits_of({1.0: 0.5, 0.9: 0.0, 0.8: 0.0}, 200)  # 100 are lost for 100
    assert chosen(np.concatenate([warm, few], axis=1), 40) == 0.9
    assert chosen(np.concatenate([warm, many], axis=1), 200) == 1.0
    assert chosen(warm, 0) == 1.0


def test_hits_are_those_of_ranks_with_every_length() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(50, 90, generator=generator)  # (rows, N)
    scores[:, 5] = scores[:, 80]  # ties count against the target
    targets = torch.randint(90, (50,), generator=generator)
    targets[:2] = torch.tensor([5, 80])
    cold = torch.arange(90) >= 45
    found = _hits(scores, targets, cold)
    for scale, hits in zip(COLD_SCALES, found, strict=True):
        scaled = torch.where(cold, scale * scores, scores)  # (rows, N)
        own = scaled.gather(1, targets.unsqueeze(1))  # (rows, 1)
        assert hits.tolist() == ((scaled >= own).sum(dim=1) <= 20).tolist()
