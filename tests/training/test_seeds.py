"""Seeds: threads, generators of the process, torch's modes around a fit."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV
from torch import nn

from sessionprompt import ItemClusterer, PromptedSessionRecommender
from sessionprompt.backbones import Backbone
from sessionprompt.batches import SeededDraws
from sessionprompt.model_selection import TemporalSessionSplit
from sessionprompt.testing import tiny_world

WORLD = tiny_world(60)


class Dropped(Backbone):
    """A backbone of somebody's own, whose dropout is torch's."""

    causal = True

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor, batch: Any) -> torch.Tensor:
        return self.out(self.drop(x)).index_select(0, batch.ends)


WAYS = {
    "dropout": {"backbone": "core"},
    "two layers": {"backbone": "gru4rec", "backbone_params": {"n_layers": 2}},
    "a sample": {"backbone": "stamp", "n_negatives": 4},
    "a backbone of one's own": {"backbone": Dropped},
    "published starts": {"backbone": "narm", "init": "reference"},
}


def model_of(**params: Any) -> PromptedSessionRecommender:
    small = {"prompts": (), "dim": 8, "lr": 0.02, "batch_size": 32, "max_epochs": 2}
    return PromptedSessionRecommender(**{**small, "random_state": 0, "refit": False, **params})


def weights(model: PromptedSessionRecommender) -> torch.Tensor:
    parts = [weight.flatten().float() for weight in model.network_.state_dict().values()]
    return torch.cat(parts)


def state_of_the_process() -> Any:
    words = np.random.get_state()[1].tolist()  # noqa: NPY002 - it must not change
    return random.getstate(), words, torch.get_rng_state().tolist()


@pytest.mark.parametrize("way", sorted(WAYS))
def test_threads_agree_and_the_process_keeps_its_generators(way: str) -> None:
    before = state_of_the_process()
    params = {**WAYS[way], "repeats": None}  # weights of a blend are no draws
    alone = weights(model_of(**params).fit(WORLD))
    with ThreadPoolExecutor(3) as pool:
        fits = [pool.submit(model_of(**params).fit, WORLD) for _ in range(3)]
    for fit in fits:
        assert torch.equal(weights(fit.result()), alone)
    assert state_of_the_process() == before
    torch.rand(3)  # whatever was drawn before matters neither
    assert torch.equal(weights(model_of(**params).fit(WORLD)), alone)


def test_what_others_draw_meanwhile_is_theirs() -> None:
    torch.manual_seed(5)
    expected = torch.rand(200).tolist()
    torch.manual_seed(5)
    with ThreadPoolExecutor(1) as pool:
        fit = pool.submit(model_of(backbone="core").fit, WORLD)
        drawn = [torch.rand(1).item() for _ in range(200)]
        fit.result()
    assert drawn == expected


def test_a_search_in_threads_finds_what_one_alone_finds() -> None:
    found = []
    for n_jobs in (1, 3):
        search = GridSearchCV(
            model_of(backbone="core", max_epochs=1, repeats=None),
            {"lr": [0.02, 0.05]},
            cv=TemporalSessionSplit(2),
            refit=False,
            n_jobs=n_jobs,
            error_score="raise",
        )
        with parallel_config("threading"):
            found.append(search.fit(WORLD).cv_results_["mean_test_score"].tolist())
    assert found[0] == found[1]


def test_clusterers_agree_in_threads() -> None:
    with ThreadPoolExecutor(4) as pool:
        fits = pool.map(lambda _: ItemClusterer(random_state=3).fit(WORLD).labels_, range(8))
        labels = {tuple(one.tolist()) for one in fits}
    assert len(labels) == 1


@pytest.mark.parametrize("mode", ["inference_mode", "no_grad", "autocast"])
def test_modes_of_torch_do_not_reach_a_fit(mode: str) -> None:
    modes: dict[str, AbstractContextManager[Any]] = {
        "inference_mode": torch.inference_mode(),
        "no_grad": torch.no_grad(),
        "autocast": torch.autocast("cpu"),
    }
    expected = model_of(backbone="narm").fit(WORLD)
    with modes[mode]:
        model = model_of(backbone="narm").fit(WORLD)
        model.partial_fit(WORLD[:9])
    expected.partial_fit(WORLD[:9])
    assert torch.equal(weights(model), weights(expected))
    scores = expected.predict_topk(WORLD[:3], k=2, return_scores=True)[1]
    with modes[mode]:
        assert (model.predict_topk(WORLD[:3], k=2, return_scores=True)[1] == scores).all()
        assert model.evaluate(WORLD[:9]) == expected.evaluate(WORLD[:9])


# ---------------------------------------------------------------------- draws by themselves
def test_construction_draws_as_torch_does_from_that_seed() -> None:
    made = []
    for context in (SeededDraws(7), torch.random.fork_rng()):
        with context:
            if not made:
                made.append(layers())
            else:
                torch.manual_seed(7)
                made.append(layers())
    assert torch.equal(*made)


def layers() -> torch.Tensor:
    """Weights that torch starts in its various ways."""
    parts = [nn.Linear(3, 4), nn.GRU(3, 4), nn.Embedding(5, 2), nn.MultiheadAttention(4, 2)]
    drawn = [weight.flatten() for part in parts for weight in part.parameters()]
    drawn += [torch.randn(3), torch.rand(2), torch.randperm(6).float()]
    drawn += [nn.init.orthogonal_(torch.empty(3, 3)).flatten(), torch.randint(9, (4,)).float()]
    return torch.cat([part.detach() for part in drawn])
