"""Shares of a batch, one after another in this process: together they are the batch."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from sessionprompt import PromptedSessionRecommender, losses
from sessionprompt.batches import drawing
from sessionprompt.clustering import ItemClusterer
from sessionprompt.datasets import make_sessions
from sessionprompt.encoding import NextItemTargets, PrefixData, prefix_data
from sessionprompt.training import add_up, distributed
from sessionprompt.training import net as training_net
from sessionprompt.training.scorers import scorers

LOSSES = ("full", "sampled", "clusters")


@pytest.fixture(scope="module")
def fits() -> dict[str, tuple[Any, PrefixData]]:
    """Nets with each of the losses, and the data of their sessions."""
    sessions = make_sessions(40, n_items=30, n_clusters=3, random_state=0)
    sessions = ItemClusterer(random_state=0).fit_transform(sessions)
    found = {}
    for loss in LOSSES:
        model = PromptedSessionRecommender(
            loss=loss,
            n_negatives=4 if loss == "sampled" else None,
            dim=4,
            max_epochs=1,
            validation_fraction=None,
            precision="float32",
            device="cpu",
            random_state=0,
        ).fit(sessions)
        targets = NextItemTargets.of(sessions, model.encoder_)
        found[loss] = model.net_, prefix_data(targets, model.encoder_, 50, True)[0]
    return found


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses that read some vectors of the table, of few items of each cluster."""
    monkeypatch.setattr(losses, "PER_ROW", 1)
    monkeypatch.setattr(training_net, "add_up", lambda parameters, loss: loss)
    monkeypatch.setattr(training_net, "exchanged", lambda encoded, targets: (encoded, targets))


def as_process(patch: pytest.MonkeyPatch, rank: int | None, size: int) -> None:
    """Let the shares be those of one of some processes."""
    for module in (distributed, training_net):
        patch.setattr(module, "own_rank", lambda: rank)
    patch.setattr(distributed.dist, "get_world_size", lambda: size)


def steps(
    fit: tuple[Any, PrefixData], rank: int | None, size: int, batch_size: int
) -> list[tuple[float, list[np.ndarray]]]:
    """Loss and gradients of each batch of a process, without a step."""
    net, data = fit
    found = []
    with pytest.MonkeyPatch.context() as patch:
        as_process(patch, rank, size)
        batches = distributed.shared_batches(data, batch_size, np.random.default_rng(3))
        with drawing(7, net._seed_of_rows(1)):
            for batch in islice(batches, 4):
                net.module_.zero_grad()
                loss = net.train_step_single((batch,))["loss"].item()
                gradients = [one.grad for one in net.module_.parameters()]
                dense = [one.to_dense().cpu().numpy() for one in gradients if one is not None]
                found.append((loss, dense))
    return found


@pytest.mark.parametrize(("size", "batch_size"), [(2, 64), (3, 5)])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_and_gradients_of_the_shares_add_up(
    fits: dict[str, tuple[Any, PrefixData]], narrow: None, loss: str, batch_size: int, size: int
) -> None:
    whole = steps(fits[loss], None, 1, batch_size)
    shares = [steps(fits[loss], rank, size, batch_size) for rank in range(size)]
    assert len(whole) > 1
    for one, *others in zip(whole, *shares, strict=True):
        assert sum(share[0] for share in others) == pytest.approx(one[0], rel=1e-5)
        for gradient, *parts in zip(one[1], *(share[1] for share in others), strict=True):
            np.testing.assert_allclose(sum(parts), gradient, rtol=1e-3, atol=1e-5)


def test_a_share_is_counted_once(fits: dict[str, tuple[Any, PrefixData]]) -> None:
    data = fits["full"][1]
    with pytest.MonkeyPatch.context() as patch:
        counted = []
        for rank in range(3):
            as_process(patch, rank, 3)
            rng = np.random.default_rng(0)
            batches = [batch for batch, _ in distributed.shared_batches(data, 5, rng)]
            counted.append([len(one) * one.elsewhere.counted for one in batches])
            for one in batches:
                assert len(one.elsewhere.targets) == len(one.elsewhere.last_items)
        sizes = np.array(counted)  # (3, n_batches)
    assert (sizes == 0).any()  # a batch of fewer windows than processes
    assert sizes.sum() == len(data)


@pytest.mark.parametrize("size", [2, 3])
def test_every_prefix_is_scored_once(fits: dict[str, tuple[Any, PrefixData]], size: int) -> None:
    data = fits["clusters"][1]
    data = replace(data, clusters=np.arange(30) % 4)
    batches = []
    with pytest.MonkeyPatch.context() as patch:
        for rank in range(size):
            as_process(patch, rank, size)
            batches.append(list(distributed.shared_batches(data, 20, np.random.default_rng(0))))
    n_moved = 0
    for shares in zip(*batches, strict=True):
        moves = [batch.elsewhere.moves for batch, _ in shares]
        if None in moves:
            assert moves == [None] * size
            continue
        n_moved += 1
        sent = [
            targets[move.order].split(move.sent)
            for move, (_, targets) in zip(moves, shares, strict=True)
        ]
        for rank, move in enumerate(moves):
            received = [parts[rank] for parts in sent]
            assert [len(part) for part in received] == move.received
            assert torch.equal(torch.cat(received), move.targets)
            assert len(move.last_items) + len(move.elsewhere.last_items) == sum(
                len(targets) for _, targets in shares
            )
    assert n_moved


def test_clusters_stay_whole_and_processes_have_as_much_to_do() -> None:
    rng = np.random.default_rng(0)
    cluster = rng.integers(-1, 40, 2_000)
    sizes = np.append(0, rng.integers(1, 2_000, 40))
    process = scorers(cluster, sizes, 2)
    cost = 1_500 + sizes[cluster + 1]
    assert 0.45 < cost[process == 0].sum() / cost.sum() < 0.55
    for one in range(40):
        assert len(np.unique(process[cluster == one])) == 1
    assert len(np.unique(scorers(np.full(50, 3), sizes, 4))) == 4  # one for all would be too much
    assert scorers(np.array([-1]), sizes, 4).tolist() == [0]


def test_a_process_alone_passes_untouched() -> None:
    loss = torch.zeros(())
    assert distributed.own_rank() is None
    assert distributed.is_first()
    assert add_up([], loss) is loss
    assert distributed.common("value") == "value"


def test_processes_that_would_share_a_gpu_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    as_process(monkeypatch, 0, 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match=r"2 processes .* --nproc-per-node 1, or set device='cpu'"):
        distributed.check_gpus(torch.device("cuda"))
    distributed.check_gpus(torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    distributed.check_gpus(torch.device("cuda"))
