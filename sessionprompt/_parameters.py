"""Checks of the recommender's parameters, each with the way out in its message."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypedDict

import numpy as np

from ._checks import (
    check_choice,
    check_flag,
    check_integer,
    check_number,
    check_seed,
)
from .encoding import attribute_kinds, check_prompts
from .losses import LOSSES
from .metrics import check_monitor
from .network import GATES, SCORINGS, resolve_backbone, resolve_device
from .scoring import PRECISIONS

__all__ = ["RecommenderParams", "check_parameters", "check_windows", "seed_of"]


class RecommenderParams(TypedDict, total=False):
    """Keywords of PromptedSessionRecommender beside backbone and seed, for who passes them on."""

    prompts: Iterable[str]
    gate: Literal["add", "elementwise", "scalar", "frequency", "none"]
    prompt_candidates: bool
    cold_items: Literal["attributes"] | None
    withhold: float
    scoring: Literal["cosine", "dot"]
    temperature: float
    dim: int
    backbone_params: dict[str, Any] | None
    init: Literal["graph", "normal", "reference"]
    max_length: int
    prefixes: Literal["auto", "one_pass", "expanded"]
    batch_size: int
    accumulate: int
    lr: float
    lr_schedule: Literal["linear", "constant"]
    weight_decay: float
    precision: Literal["auto", "float32", "bfloat16"]
    loss: Literal["auto", "full", "clusters", "sampled"]
    n_negatives: int | None
    negatives_power: float | None
    recency: float | None
    max_epochs: int | Literal["auto"]
    patience: int | None
    monitor: str
    validation_fraction: float | None
    validation_size: int | None
    refit: bool
    repeats: Literal["held_out"] | None
    net_params: dict[str, Any] | None
    device: str
    checkpoint_dir: str | os.PathLike[str] | None
    warm_start: bool
    verbose: int


CHOICES = {
    "gate": GATES,
    "scoring": SCORINGS,
    "loss": LOSSES,
    "lr_schedule": ("constant", "linear"),
    "precision": PRECISIONS,
    "init": ("graph", "normal", "reference"),
    "prefixes": ("auto", "one_pass", "expanded"),
}
REPEATS = ("held_out",)
COLD_ITEMS = ("attributes",)
COUNTS = ("dim", "max_length", "batch_size", "accumulate")
COUNTS_OR_NONE = ("patience", "n_negatives", "validation_size")
MOST = 2**31 - 1  # a count that 32 bits hold
MOST_OF = {"dim": 2**16, "n_negatives": 2**24}  # vectors of 256 KB, draws of 128 MB a step
FLAGS = ("prompt_candidates", "refit", "warm_start")
MAPPINGS = ("backbone_params", "net_params")
ABOVE_ZERO = ("temperature", "lr")
ZERO_OR_MORE = ("weight_decay",)


def check_parameters(params: Any) -> tuple[str, ...]:
    """Prompt kinds in their fixed order, once no parameter is out of bounds.

    Parameters
    ----------
    params : object
        Has the recommender's parameters as attributes, such as the recommender itself.

    Returns
    -------
    tuple of str

    Raises
    ------
    TypeError
        If a parameter is of another type.
    ValueError
        If a parameter is out of bounds, or two of them exclude each other.
    """
    _check_counts(params)
    _check_numbers(params)
    for name, known in CHOICES.items():
        check_choice(name, getattr(params, name), known)
    for name in FLAGS:
        check_flag(name, getattr(params, name))
    for name in MAPPINGS:
        _check_mapping(name, getattr(params, name))
    if params.repeats is not None:
        check_choice("repeats", params.repeats, REPEATS)
    _check_cold_items(params)
    check_monitor(params.monitor)
    resolve_device(params.device)
    _check_one_pass(params)
    _check_loss(params)
    return check_prompts(params.prompts)


def _check_counts(params: Any) -> None:
    for name in COUNTS:
        _check_count(name, getattr(params, name))
    if params.max_epochs != "auto":
        _check_count("max_epochs", params.max_epochs)
    for name in COUNTS_OR_NONE:
        value = getattr(params, name)
        if value is not None:
            _check_count(name, value)


def _check_mapping(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{name}={value!r} must be a dict of further parameters, or None.")


def _check_count(name: str, value: Any) -> None:
    check_integer(name, value)
    most = MOST_OF.get(name, MOST)
    if value > most:
        raise ValueError(f"{name}={value} is above {most}; give {most} or less.")


def _check_numbers(params: Any) -> None:
    for name in ABOVE_ZERO:
        check_number(name, getattr(params, name), lambda value: value > 0, "above 0")
    for name in ZERO_OR_MORE:
        check_number(name, getattr(params, name), lambda value: value >= 0, "0 or more")
    power = params.negatives_power
    if power is not None:
        check_number("negatives_power", power, lambda value: value >= 0, "0 or more, or None")
    if params.recency is not None:
        check_number("recency", params.recency, lambda value: value > 0, "above 0, or None")
    fraction = params.validation_fraction
    if fraction is not None:
        bound = "between 0 and 1, or None"
        check_number("validation_fraction", fraction, lambda value: 0 < value < 1, bound)


def _check_cold_items(params: Any) -> None:
    share = params.withhold
    check_number("withhold", share, lambda value: 0 <= value < 1, "of at least 0 and below 1")
    if params.cold_items is None:
        return
    check_choice("cold_items", params.cold_items, COLD_ITEMS)
    missing = None
    if not attribute_kinds(check_prompts(params.prompts)):
        missing = f"attributes among prompts={params.prompts!r}, such as prompts=('category',)"
    elif not params.prompt_candidates:
        missing = "prompt_candidates=True"
    elif params.gate == "none":
        missing = "a gate that lets prompts in, such as gate='add'"
    if missing is not None:
        raise ValueError(
            f"cold_items={params.cold_items!r} scores items by their attributes alone; it needs "
            f"{missing}, or cold_items=None."
        )


def _check_one_pass(params: Any) -> None:
    backbone = resolve_backbone(params.backbone)
    if params.prefixes == "one_pass" and not getattr(backbone, "causal", False):
        raise ValueError(
            f"prefixes='one_pass' needs a causal backbone, and {params.backbone!r} is none; "
            "choose 'auto' or 'expanded'."
        )


def _check_loss(params: Any) -> None:
    if params.loss == "full" and params.n_negatives is not None:
        raise ValueError(
            f"n_negatives={params.n_negatives} draws nothing for loss='full'; set loss='sampled' "
            "or 'clusters', or n_negatives=None."
        )
    if params.loss == "clusters" and params.precision == "bfloat16":
        raise ValueError(
            "precision='bfloat16' is not made for loss='clusters', which multiplies in float32; "
            "set precision='auto'."
        )


def check_windows(params: Any) -> None:
    """Raise unless sessions can be read as parameters say, which may have changed since `fit`.

    Parameters
    ----------
    params : object
        Has the recommender's parameters as attributes.
    """
    _check_count("max_length", params.max_length)
    _check_count("batch_size", params.batch_size)


def seed_of(random_state: Any) -> int:
    """A seed of 63 bits; None gives a fresh one, an integer always the same.

    Parameters
    ----------
    random_state : int, RandomState, Generator or None
        A generator is drawn from once.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If it is anything else.
    ValueError
        If it is an integer below 0.
    """
    check_seed(random_state)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**63 - 1, dtype=np.int64))
    return int(np.random.default_rng(random_state).integers(2**63))
