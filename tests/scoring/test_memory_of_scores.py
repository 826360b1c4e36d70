"""Memory for blocks of scores, which batches against the same candidates share."""

from __future__ import annotations

import pytest
import torch

from sessionprompt.scoring import Candidates, InnerProduct, sizes


@pytest.fixture
def candidates(monkeypatch: pytest.MonkeyPatch) -> Candidates:
    monkeypatch.setattr(sizes, "BLOCK_ROWS", 2)
    monkeypatch.setattr(sizes, "BLOCK_SCORES", 1)
    return Candidates(torch.randn(7, 3, generator=torch.Generator().manual_seed(0)), kernels=False)


def states(n: int) -> torch.Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(n))


def test_a_batch_writes_where_the_last_one_did(candidates: Candidates) -> None:
    places = set()
    for n in (4, 5, 1):
        scores = InnerProduct(states(n), candidates)
        for rows, part in scores.blocks():
            torch.testing.assert_close(part.matrix(), scores.matrix()[rows])
            places.add(part.matrix().data_ptr())
    assert len(places) == 1


def test_two_batches_at_once_share_nothing(candidates: Candidates) -> None:
    list(InnerProduct(states(4), candidates).blocks())
    pair = [InnerProduct(states(n), candidates) for n in (4, 3)]
    for one, other in zip(*(scores.blocks() for scores in pair), strict=True):
        for scores, (rows, part) in zip(pair, (one, other), strict=True):
            torch.testing.assert_close(part.matrix(), scores.matrix()[rows])
