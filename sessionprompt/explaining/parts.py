"""Parts of a score: the network and its prompts, repeats, the members of a stack."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..blending import member_scores
from ..metrics import last_step, transform_steps
from ..sessions import Sessions
from ..stacking import StackedSessionRecommender
from ..trained import TrainedNetworkMixin
from .attribution import attributed

__all__ = ["parts_of"]


def parts_of(model: Any, session: Sessions, code: int, score: float) -> dict[str, float]:
    """Parts by name, which add up to a score.

    Parameters
    ----------
    model : fitted recommender or Pipeline
    session : Sessions
        Of one session.
    code : int
        Code of the item.
    score : float

    Returns
    -------
    dict of str to float
    """
    last = last_step(model)
    inputs = last._annotated(transform_steps(model, session))
    if isinstance(last, TrainedNetworkMixin):
        return _of_network(last, inputs, code, score)
    if isinstance(last, StackedSessionRecommender):
        return _of_stack(last, inputs, code)
    return {type(last).__name__: score}


def _of_network(model: Any, inputs: Sessions, code: int, score: float) -> dict[str, float]:
    """Item vectors alone, each kind of prompts, and what repeats add."""
    kinds = model.network_.prompt_kinds
    scores: dict[tuple[bool, ...], float] = {}

    def value(subsets: np.ndarray) -> np.ndarray:
        for subset in map(tuple, subsets.tolist()):
            without = [kind for kind, there in zip(kinds, subset, strict=True) if not there]
            scores[subset] = model._score_without(inputs, code, without)
        return np.array([scores[tuple(subset)] for subset in subsets.tolist()])

    shares, rest = attributed(value, len(kinds))
    parts = {"item vectors": scores[(False,) * len(kinds)]}
    parts |= {f"prompts: {kind}": float(share) for kind, share in zip(kinds, shares, strict=True)}
    if rest:
        parts["prompts: together"] = rest
    if model.blend_ is not None:
        parts["repeats"] = score - scores[(True,) * len(kinds)]
    return parts


def _of_stack(stack: Any, inputs: Sessions, code: int) -> dict[str, float]:
    """What each member adds by its scores, and what repeats add."""
    lengths = inputs.lengths
    [part] = member_scores(stack.estimators_, stack.encoder_, inputs, lengths, lengths)
    silent = [np.zeros_like(values) for values in part.scores]
    repeats = float(stack.blend_.scores(part.own, silent)[0, code])
    parts = {}
    for number, name in enumerate(stack.blend_.members):
        alone = [*silent]
        alone[number] = part.scores[number]
        parts[name] = float(stack.blend_.scores(part.own, alone)[0, code]) - repeats
    return parts | {"repeats": repeats}
