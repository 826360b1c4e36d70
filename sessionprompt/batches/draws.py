"""Random numbers from a generator of one's own, so that neither threads nor callers share them.

torch keeps one generator for each process. What the library draws in training comes from a
generator that belongs to the running context; see :func:`drawing`. What torch draws itself, while a
network is built, is passed another one; see :class:`SeededDraws`. Code that knows neither, such as
a backbone of somebody's own, has torch's generator to itself for a step; see :func:`alone_drawing`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = [
    "SeededDraws",
    "alone_drawing",
    "drawing",
    "drawing_shares",
    "generator_on",
    "rows_drawn",
]

_Generators = dict[torch.device, torch.Generator]
_Draws = tuple[int, _Generators]
_current: ContextVar[tuple[_Draws, _Draws] | None] = ContextVar("_current", default=None)
_Shares = dict[str, tuple[int, int, int]]
_shares: ContextVar[_Shares | None] = ContextVar("_shares", default=None)
_process = threading.RLock()

# functions of torch that draw, and take a generator; an initializer calls one of the others, which
# are not intercepted then
DRAWING = {
    torch.bernoulli,
    torch.multinomial,
    torch.normal,
    torch.rand,
    torch.randint,
    torch.randn,
    torch.randperm,
    Tensor.bernoulli,
    Tensor.bernoulli_,
    Tensor.cauchy_,
    Tensor.exponential_,
    Tensor.geometric_,
    Tensor.log_normal_,
    Tensor.multinomial,
    Tensor.normal_,
    Tensor.random_,
    Tensor.uniform_,
    nn.init.kaiming_uniform_,
    nn.init.normal_,
    nn.init.uniform_,
}


@contextmanager
def drawing(seed: int, seed_of_rows: int | None = None) -> Iterator[None]:
    """Context, of this thread alone, in which :func:`generator_on` gives generators of a seed.

    Parameters
    ----------
    seed : int
        Of 63 bits.
    seed_of_rows : int, optional
        Of another generator, for what is drawn for rows that other processes do not know of.
        Processes that share a batch have `seed` in common and draw the same numbers from it.

    Examples
    --------
    >>> with drawing(3):
    ...     torch.rand(1, generator=generator_on(torch.device("cpu"))).item() == 1.0
    False
    """
    of_all: _Draws = (seed, {})
    of_rows = of_all
    if seed_of_rows is not None:
        of_rows = (seed_of_rows, {})
    token = _current.set((of_all, of_rows))
    try:
        yield
    finally:
        _current.reset(token)


def generator_on(device: torch.device, of_rows: bool = False) -> torch.Generator | None:
    """Generator of the running context for a device, or None outside of any: torch's own.

    Parameters
    ----------
    device : torch.device
    of_rows : bool, default=False
        Whether numbers are drawn for rows that other processes do not know of.

    Returns
    -------
    torch.Generator or None
    """
    found = _current.get()
    if found is None:
        return None
    seed, generators = found[of_rows]
    if device not in generators:
        generators[device] = torch.Generator(device).manual_seed(seed)
    return generators[device]


@contextmanager
def drawing_shares(shares: _Shares) -> Iterator[None]:
    """Context, of this thread alone, in which rows are a share of those of several processes.

    Parameters
    ----------
    shares : dict of str to (int, int, int)
        By the kind of rows, ``"events"`` or ``"prefixes"``: how many are at hand, how many of the
        others' stand before them, and how many there are in all.
    """
    token = _shares.set(shares)
    try:
        yield
    finally:
        _shares.reset(token)


def rows_drawn(n: int, kind: str) -> tuple[int, int] | None:
    """Rows before some n rows and rows in all, for which numbers are to be drawn.

    Parameters
    ----------
    n : int
    kind : str
        As in :func:`drawing_shares`; what has another number of rows is of no such kind.

    Returns
    -------
    (before, total) : tuple of int, or None
        0 and n for a process alone; None where other processes do not know of such rows.

    Examples
    --------
    >>> rows_drawn(5, "events")
    (0, 5)
    >>> with drawing_shares({"events": (5, 3, 12)}):
    ...     rows_drawn(5, "events"), rows_drawn(6, "events")
    ((3, 12), None)
    """
    shares = _shares.get()
    if shares is None:
        return 0, n
    at_hand, before, total = shares.get(kind, (-1, 0, 0))
    if at_hand != n:
        return None
    return before, total


class SeededDraws(TorchFunctionMode):
    """Context, of this thread alone, in which torch's functions draw from a generator of a seed.

    Parameters
    ----------
    seed : int

    Examples
    --------
    >>> with SeededDraws(0):
    ...     one = nn.Linear(2, 2).weight
    >>> with SeededDraws(0):
    ...     other = nn.Linear(2, 2).weight
    >>> torch.equal(one, other)
    True
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Result of `func`, which is given the generator if it draws and has none."""
        given = dict(kwargs or {})
        if func in DRAWING and given.get("generator") is None:
            given["generator"] = self.generator
        return func(*args, **given)


@contextmanager
def alone_drawing(seed: int) -> Iterator[None]:
    """Context that has torch's generators to itself, seeded, and puts them back at its end.

    Other threads wait for it, as long as they draw in such a context too.

    Parameters
    ----------
    seed : int
    """
    with _process, torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
