"""Files of the command line: sessions of a file of events, and saved models."""

from __future__ import annotations

import argparse
import warnings
from typing import TYPE_CHECKING, Any

from .items import event_attributes, targets_in

if TYPE_CHECKING:
    from ..pipeline import Pipeline
    from ..sessions import Sessions
    from ..vocabulary import Vocabulary

__all__ = ["open_model", "read_sessions", "read_titles"]

ROLES = ("item", "session", "user")


def read_sessions(
    given: argparse.Namespace, model: Pipeline | None = None, **filters: Any
) -> tuple[Sessions, dict[str, dict[int, str]]]:
    """Sessions of the events, with ids of the kind that the model knows.

    The second value holds, by role, words of the file that numbers stand for.
    """
    from ..sessions import Sessions, read_table, with_numbers

    roles = _roles(given)
    known: dict[str, Vocabulary] = {}
    if model is not None:
        encoder = model.steps[-1][1].encoder_
        known = {"item": encoder.vocabulary, **encoder.owners}
    known = {role: vocabulary for role, vocabulary in known.items() if role in roles}
    text = [roles[role] for role, ids in known.items() if ids.ids.dtype == object]
    attributes = event_attributes(given, model)
    if model is not None:
        owners = model.steps[-1][1].encoder_.owners
        text += [name for name in attributes if owners[name].ids.dtype == object]
    of_targets = [name for name, _ in getattr(given, "targets", None) or ()]
    wanted = list(dict.fromkeys([*roles.values(), *attributes, *of_targets]))
    events = read_table(
        given.events, wanted, time=given.time, text=text, skip_bad=given.skip_bad_lines
    )
    names: dict[str, dict[int, str]] = {role: {} for role in ROLES}
    for role, vocabulary in known.items():
        if vocabulary.ids.dtype.kind == "i":
            events, names[role] = with_numbers(events, roles[role], vocabulary.ids.tolist())
    options = {**roles, "time": given.time, "gap": given.gap, "unit": given.unit, **filters}
    options["attributes"] = attributes
    options["targets"] = targets_in(events, given)
    return Sessions.from_events(events, **options), names


def read_titles(given: argparse.Namespace, model: Pipeline) -> dict[Any, Any]:
    """Titles by item id, of the kind of ids that the model knows."""
    import narwhals as nw

    from ..sessions import read_table

    vocabulary = model.steps[-1][1].encoder_.vocabulary
    text = ["title"]
    if vocabulary.ids.dtype == object:
        text.append(given.item)
    table = read_table(given.titles, [given.item, "title"], text=text)
    frame = nw.from_native(table, eager_only=True)
    ids = frame[given.item].to_list()
    if vocabulary.ids.dtype.kind == "i":
        ids = [_whole_number(id_) for id_ in ids]
    return dict(zip(ids, frame["title"].to_list(), strict=True))


def _whole_number(id_: Any) -> Any:
    """An id as a whole number, if it can be one."""
    try:
        return int(id_)
    except ValueError:
        return id_


def _roles(given: argparse.Namespace) -> dict[str, str]:
    """Column of each role that was named, with a warning where little says what is a session."""
    if given.session is None and given.user is None:
        raise ValueError(
            "name the column that says which events belong together: "
            "--session, or --user with --gap."
        )
    if given.session is None and given.gap is None:
        advice = "--user without --time and --gap makes one session of all events of a user"
        warnings.warn(f"{advice}; with --gap 30min a pause ends a session.", stacklevel=2)
    roles = {role: getattr(given, role) for role in ROLES}
    return {role: column for role, column in roles.items() if column is not None}


def open_model(path: str) -> Pipeline:
    """Saved model as a pipeline, whether it was saved as one or as its last step alone."""
    from sklearn.pipeline import Pipeline as SklearnPipeline

    from ..base import SessionRecommenderMixin
    from ..persistence import load
    from ..pipeline import Pipeline

    model = load(path)
    steps = [("rec", model)]
    if isinstance(model, SklearnPipeline):
        steps = model.steps
    kind = type(steps[-1][1])
    if not issubclass(kind, SessionRecommenderMixin):
        raise ValueError(f"{path} holds {kind.__name__}, which recommends nothing; fit first.")
    return Pipeline(steps)
