"""Checks of the recommender's parameters, each with the way out in its message."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .._checks import check_choice, check_integer, check_number
from ..backbones import BACKBONES
from ..encoding import check_prompts
from ..metrics import parse_metric
from ..scoring import PRECISIONS
from .network import SCORINGS
from .prompts import GATES

__all__ = ["check_parameters", "resolve_backbone", "resolve_device", "seed_of"]


def check_parameters(estimator: Any) -> tuple[str, ...]:
    """Raise on a parameter out of bounds; return the prompt kinds in their fixed order."""
    for name in ("dim", "max_length", "batch_size", "accumulate", "max_epochs"):
        check_integer(name, getattr(estimator, name))
    for name in ("patience", "n_negatives"):
        if getattr(estimator, name) is not None:
            check_integer(name, getattr(estimator, name))
    for name in ("temperature", "lr"):
        check_number(name, getattr(estimator, name), lambda value: value > 0, "above 0")
    for name in ("weight_decay", "negatives_power"):
        check_number(name, getattr(estimator, name), lambda value: value >= 0, "0 or more")
    if estimator.validation_fraction is not None:
        check_number(
            "validation_fraction",
            estimator.validation_fraction,
            lambda v: 0 < v < 1,
            "between 0 and 1, or None",
        )
    check_choice("gate", estimator.gate, GATES)
    check_choice("scoring", estimator.scoring, SCORINGS)
    check_choice("lr_schedule", estimator.lr_schedule, ("constant", "linear"))
    check_choice("precision", estimator.precision, PRECISIONS)
    check_choice("init", estimator.init, ("graph", "normal", "reference"))
    check_choice("prefixes", estimator.prefixes, ("auto", "one_pass", "expanded"))
    if parse_metric(estimator.monitor)[0] == "coverage":
        raise ValueError(
            f"monitor={estimator.monitor!r} is no metric of ranks; choose mrr@k, recall@k or ndcg@k."
        )
    backbone = resolve_backbone(estimator.backbone)
    if estimator.prefixes == "one_pass" and not getattr(backbone, "causal", False):
        raise ValueError(
            f"prefixes='one_pass' needs a causal backbone, and {estimator.backbone!r} is none; "
            "choose 'auto' or 'expanded'."
        )
    return check_prompts(estimator.prompts)


def resolve_backbone(backbone: str | Callable[..., Any]) -> Any:
    """The class or factory that `backbone` names; a built module is refused, since `clone` would copy its weights."""
    if isinstance(backbone, str):
        check_choice("backbone", backbone, BACKBONES)
        return BACKBONES[backbone]
    if isinstance(backbone, torch.nn.Module):
        raise TypeError(
            f"backbone={type(backbone).__name__}(...) is an instance; pass the class, or a function that builds one, "
            "so that every fit starts from fresh weights."
        )
    if not callable(backbone):
        raise TypeError(
            f"backbone={backbone!r} must be a name of {sorted(BACKBONES)}, a class or a factory."
        )
    return backbone


def resolve_device(device: str) -> torch.device:
    """The torch device that `device` names; "auto" is CUDA where there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is no torch device; try 'auto', 'cpu' or 'cuda'."
        ) from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={device!r} is not available on this machine; use device='cpu' or 'auto'."
        )
    return resolved


def seed_of(random_state: Any) -> int:
    """A 63-bit seed drawn from `random_state`; None gives a fresh one, an integer always the same."""
    if random_state is None or isinstance(random_state, numbers.Integral):
        return int(np.random.default_rng(random_state).integers(2**63))  # type: ignore[arg-type]
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**63 - 1, dtype=np.int64))
    raise TypeError(
        f"random_state={random_state!r} must be None, an integer, a RandomState or a Generator."
    )
