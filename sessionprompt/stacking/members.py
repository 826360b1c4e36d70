"""Members of a stack: what they must be, how they are seeded and fitted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..base import SessionRecommenderMixin
from ..encoding import SessionEncoder
from ..metrics import last_step
from ..pipeline import Pipeline
from ..sessions import Sessions

__all__ = [
    "check_items",
    "check_members",
    "fitted_with_tail",
    "seeded",
    "trained_as_long",
    "with_folders",
]


def check_members(estimators: Any) -> None:
    """Raise unless the members are named recommenders of this library, or end in one."""
    if not isinstance(estimators, list | tuple) or not estimators:
        raise ValueError(
            f"estimators={estimators!r} must be a list of one pair (name, recommender) or more."
        )
    for pair in estimators:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise ValueError(f"estimators holds {pair!r}, which is no pair (name, recommender).")
        name, member = pair
        last = last_step(member)
        if isinstance(last, type) or not isinstance(last, SessionRecommenderMixin):
            raise TypeError(
                f"the member {name!r} of estimators is {member!r}; give a recommender of this "
                "library, or a Pipeline that ends in one."
            )


def seeded(member: Any, seed: int) -> Any:
    """A member whose random states are this seed where they are None."""
    params = member.get_params()
    states = [name for name in params if name.rpartition("__")[2] == "random_state"]
    return member.set_params(**{name: seed for name in states if params[name] is None})


def with_folders(member: Any, name: str) -> Any:
    """A member whose folders of checkpoints are inside those given: it is not fitted only once."""
    params = member.get_params()
    folders = [key for key in params if key.rpartition("__")[2] == "checkpoint_dir"]
    given = {key: params[key] for key in folders if params[key] is not None}
    return member.set_params(**{key: os.path.join(given[key], name) for key in given})


def check_items(names: Sequence[str], members: list[Any], encoder: SessionEncoder) -> None:
    """Raise a ValueError unless the fitted members know the items of an encoder."""
    for name, member in zip(names, members, strict=True):
        vocabulary = last_step(member).encoder_.vocabulary
        if vocabulary != encoder.vocabulary:
            raise ValueError(
                f"the member {name!r} knows {len(vocabulary):,} items, and the sessions hold "
                f"{encoder.n_items:,}; members of a stack must know the same items. Set refit=True "
                "in a network that holds sessions out, and filter sessions before the stack, not "
                "inside a member."
            )


def _holds_out(member: Any) -> bool:
    """Whether a member is a network that would choose its epoch on sessions of its own."""
    last = last_step(member)
    if member is not last and not isinstance(member, Pipeline):
        return False  # other pipelines hand no validation sessions through
    chooses = getattr(last, "validation_fraction", None) is not None
    return chooses and hasattr(last, "max_epochs") and last.refit


def fitted_with_tail(member: Any, sessions: Sessions, tail: Sessions | None) -> Any:
    """The member, fitted; a network that would hold sessions out chooses its epoch on the tail."""
    if tail is None or not _holds_out(member):
        return member.fit(sessions)
    return member.fit(sessions, X_val=tail)


def trained_as_long(member: Any, weighed: Any) -> Any:
    """The member, set to train for the epochs that a fitted one has found best on a tail."""
    if not _holds_out(member):
        return member
    last = last_step(member)
    epochs = max(last_step(weighed).best_epoch_, 1)
    last.set_params(max_epochs=epochs, validation_fraction=None)
    return member
