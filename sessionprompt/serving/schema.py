"""Bodies of requests and of answers, as OpenAPI describes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from .answers import Query, Rules
from .limits import Limits

__all__ = ["Asked", "Health", "Metadata", "Recommendations", "query_of"]

Id = StrictStr | StrictInt | StrictFloat


class Asked(BaseModel):
    """One session or several, and what is wanted for them."""

    model_config = ConfigDict(extra="forbid")

    session: Annotated[
        list[Id] | None, Field(description="items of one session so far, the oldest first")
    ] = None
    sessions: Annotated[list[list[Id]] | None, Field(description="several such sessions")] = None
    users: Annotated[
        list[Id] | None, Field(description="the user of each session, if the model knows users")
    ] = None
    k: Annotated[StrictInt, Field(ge=1, description="items wanted for each session")] = 10
    exclude_seen: Annotated[
        StrictBool, Field(description="whether the items of a session itself are left out")
    ] = False
    candidates: Annotated[
        list[Id] | list[list[Id]] | None,
        Field(description="items to choose from: one list for all sessions, or one for each"),
    ] = None
    min_new: Annotated[
        StrictInt, Field(ge=0, description="places kept for items that no training session held")
    ] = 0
    exclude_items: Annotated[
        list[Id] | None, Field(description="items that are not recommended")
    ] = None
    max_per_group: Annotated[
        StrictInt | None, Field(ge=1, description="most items of a cluster in a list")
    ] = None
    diversify: Annotated[
        StrictFloat | StrictInt,
        Field(ge=0, le=1, description="how far apart the items of a list are to be"),
    ] = 0.0


class Recommended(BaseModel):
    """Best next items of one session."""

    items: Annotated[list[Id], Field(description="best first; fewer than k where no more may be")]
    scores: Annotated[list[float], Field(description="they order the items of this session")]
    known_events: Annotated[
        int, Field(description="events whose item the model knows; without any, see /metadata")
    ]


class Recommendations(BaseModel):
    """Best next items of each session, in their order."""

    recommendations: list[Recommended]


class Health(BaseModel):
    """State of the server."""

    status: str
    waiting: int


class Metadata(BaseModel):
    """What is served."""

    version: str
    model: str
    parameters: dict[str, str]
    n_items: int
    limits: dict[str, int]
    without_events: str = "sessions without events are answered by the popularity of items"


def query_of(asked: Asked, limits: Limits) -> Query:
    """What is asked, within limits; a ValueError says which is exceeded."""
    if (asked.session is None) == (asked.sessions is None):
        raise ValueError("give either session, the items of one, or sessions, a list of such.")
    sessions: list[list[Id]] = asked.sessions or []
    if asked.session is not None:
        sessions = [asked.session]
    _check_size("sessions", len(sessions), "sessions", limits.sessions)
    if not sessions:
        raise ValueError("sessions=[] holds no session; give one or more.")
    for number, session in enumerate(sessions):
        _check_size(f"session {number}", len(session), "events", limits.events)
    if asked.k > limits.k:
        raise ValueError(f"k={asked.k} is above {limits.k}; ask for {limits.k} or less.")
    if asked.users is not None and len(asked.users) != len(sessions):
        raise ValueError(
            f"users holds {len(asked.users)} ids for {len(sessions)} sessions; give one for each."
        )
    candidates = _candidates(asked, len(sessions))
    for number, ids in enumerate(candidates or []):
        _check_size(f"candidates of session {number}", len(ids), "items", limits.candidates)
    blocked = asked.exclude_items or []
    _check_size("exclude_items", len(blocked), "items", limits.candidates)
    rules = Rules(tuple(blocked), asked.max_per_group, float(asked.diversify))
    return Query(
        sessions, asked.k, asked.users, asked.exclude_seen, candidates, asked.min_new, rules
    )


def _check_size(name: str, size: int, what: str, limit: int) -> None:
    if size > limit:
        raise ValueError(f"{name}: {size:,} {what} are more than {limit:,}; send fewer.")


def _candidates(asked: Asked, n_sessions: int) -> list[list[Id]] | None:
    """Candidates of each session; None stands for all items."""
    given = asked.candidates
    if given is None:
        return None
    nested = [ids for ids in given if isinstance(ids, list)]
    if not nested:
        return [given] * n_sessions  # type: ignore[list-item]
    if len(nested) != n_sessions:
        raise ValueError(
            f"candidates holds {len(nested)} lists for {n_sessions} sessions; give one for each, "
            "or one list of ids for all."
        )
    return nested
