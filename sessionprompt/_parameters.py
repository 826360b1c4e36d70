"""Checks of the recommender's parameters, each with the way out in its message."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from .backbones import BACKBONES
from .encoding import check_prompts
from .losses import PRECISIONS
from .metrics import parse_metric
from .network import SCORINGS
from .prompts import GATES

__all__ = ["check_k", "check_parameters", "resolve_backbone", "resolve_device", "seed_of"]


def check_parameters(estimator: Any) -> tuple[str, ...]:
    """Raise on a parameter out of bounds; return the prompt kinds in their fixed order."""
    for name in ("dim", "max_length", "batch_size", "max_epochs"):
        _check_integer(name, getattr(estimator, name))
    if estimator.patience is not None:
        _check_integer("patience", estimator.patience)
    for name in ("temperature", "lr"):
        _check_number(name, getattr(estimator, name), lambda value: value > 0, "above 0")
    _check_number("weight_decay", estimator.weight_decay, lambda value: value >= 0, "0 or more")
    if estimator.validation_fraction is not None:
        _check_number(
            "validation_fraction",
            estimator.validation_fraction,
            lambda v: 0 < v < 1,
            "between 0 and 1, or None",
        )
    _check_choice("gate", estimator.gate, GATES)
    _check_choice("scoring", estimator.scoring, SCORINGS)
    _check_choice("lr_schedule", estimator.lr_schedule, ("constant", "linear"))
    _check_choice("precision", estimator.precision, PRECISIONS)
    _check_choice("prefixes", estimator.prefixes, ("auto", "one_pass", "expanded"))
    if parse_metric(estimator.monitor)[0] == "coverage":
        raise ValueError(f"monitor={estimator.monitor!r} is no metric of ranks; choose mrr@k, recall@k or ndcg@k.")
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
        _check_choice("backbone", backbone, BACKBONES)
        return BACKBONES[backbone]
    if isinstance(backbone, torch.nn.Module):
        raise TypeError(
            f"backbone={type(backbone).__name__}(...) is an instance; pass the class, or a function that builds one, "
            "so that every fit starts from fresh weights."
        )
    if not callable(backbone):
        raise TypeError(f"backbone={backbone!r} must be a name of {sorted(BACKBONES)}, a class or a factory.")
    return backbone


def resolve_device(device: str) -> torch.device:
    """The torch device that `device` names; "auto" is CUDA where there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device={device!r} is no torch device; try 'auto', 'cpu' or 'cuda'.") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={device!r} is not available on this machine; use device='cpu' or 'auto'.")
    return resolved


def seed_of(random_state: Any) -> int:
    """A 63-bit seed drawn from `random_state`; None gives a fresh one, an integer always the same."""
    if random_state is None or isinstance(random_state, numbers.Integral):
        return int(np.random.default_rng(random_state).integers(2**63))  # type: ignore[arg-type]
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**63 - 1, dtype=np.int64))
    raise TypeError(f"random_state={random_state!r} must be None, an integer, a RandomState or a Generator.")


def check_k(k: Any, available: int, what: str) -> None:
    """Raise unless 1 <= k <= available."""
    _check_integer("k", k)
    if k > available:
        raise ValueError(f"k={k} is larger than the {available} {what}; ask for at most {available}.")


def _check_integer(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name}={value!r} must be an integer.")
    if value < 1:
        raise ValueError(f"{name}={value} is below 1; give 1 or more.")


def _check_number(name: str, value: Any, allowed: Callable[[Any], bool], bound: str) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r} must be a number {bound}.")
    if not (math.isfinite(value) and allowed(value)):
        raise ValueError(f"{name}={value} must be {bound}.")


def _check_choice(name: str, value: Any, known: Iterable[str]) -> None:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name}={value!r} is not known; choose one of {sorted(known)}.")
