"""Digest of everything that decides how a fit ends, by which a checkpoint is known again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from ..sessions import Sessions
from ..storage import fingerprint

__all__ = ["fit_identity"]

# parameters that may differ between a fit and the one that takes it up
LOOSE = frozenset({"checkpoint_dir", "verbose", "device", "random_state", "warm_start"})


def fit_identity(
    params: Mapping[str, Any],
    data: Iterable[Sessions],
    *,
    seed: int,
    epochs: int,
    weights: Iterable[Tensor] = (),
) -> str:
    """Digest of parameters, sessions and seed.

    Parameters
    ----------
    params : mapping of str to object
        The recommender's parameters.
    data : iterable of Sessions
        Training sessions, and those for validation if there are any.
    seed, epochs : int
    weights : iterable of Tensor
        Weights from which the fit starts, if it starts from another.

    Returns
    -------
    str

    Examples
    --------
    >>> sessions = Sessions.from_lists([["a", "b"]])
    >>> one = fit_identity({"dim": 8, "verbose": 0}, [sessions], seed=0, epochs=3)
    >>> one == fit_identity({"dim": 8, "verbose": 1}, [sessions], seed=0, epochs=3)
    True
    >>> one == fit_identity({"dim": 9, "verbose": 0}, [sessions], seed=0, epochs=3)
    False
    """
    fixed = {name: value for name, value in params.items() if name not in LOOSE}
    # addresses in memory change with every process
    named = re.sub(r" at 0x[0-9a-f]+", "", repr(sorted(fixed.items())))
    columns = [column for sessions in data for column in _columns(sessions)]
    arrays = [tensor.cpu().numpy() for tensor in weights]
    return fingerprint(named, str((seed, epochs)), *columns, *arrays)


def _columns(sessions: Sessions) -> Iterator[np.ndarray | str | None]:
    yield sessions.codes
    yield sessions.offsets
    yield sessions.labels
    yield sessions.vocabulary.ids
    yield sessions.users
    yield sessions.ids
    yield sessions.target_start
    yield sessions.is_target
    for attribute in sessions.event_attributes:
        yield attribute.name
        yield attribute.values
        yield attribute.codes
    for describer in sessions.item_attributes:
        yield describer.digest()
