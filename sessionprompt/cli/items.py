"""Tables of items of the command line, and columns of the events that are prompts."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .options import literal, words

if TYPE_CHECKING:
    import narwhals as nw

__all__ = [
    "add_items",
    "add_targets",
    "attribute_step",
    "event_attributes",
    "named_attributes",
    "targets_in",
]


def add_items(parser: argparse.ArgumentParser) -> None:
    """Add the options that name attributes of items and of events."""
    group = parser.add_argument_group("attributes", argument_default=argparse.SUPPRESS)
    add = group.add_argument
    items = "table of items, one a row, with the column of --item; a file as of the events"
    add("--items", metavar="FILE", help=items)
    columns = "its columns that are prompts, with commas; columns of fractions are numbers"
    add("--attributes", type=words, metavar="NAMES", help=columns)
    add("--event-attributes", type=words, metavar="NAMES", help="columns of the events, as prompts")
    add(
        "--cold-items",
        action="store_const",
        const="attributes",
        help="recommend items of the table, too, that no event names",
    )


def add_targets(parser: argparse.ArgumentParser) -> None:
    """Add the option that says which events are targets."""
    text = "events to predict, by values of a column; the others are context; may be repeated"
    parser.add_argument(
        "--targets", action="append", type=_targets, metavar="COLUMN=VALUES", help=text
    )


def _targets(text: str) -> tuple[str, tuple[str, ...]]:
    """Column and values of targets."""
    name, mark, values = text.partition("=")
    if not name or not mark or not values:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no COLUMN=VALUES, such as action=buy or action=buy,cart."
        )
    return name, words(values)


def targets_in(events: Any, given: argparse.Namespace) -> dict[str, list[Any]] | None:
    """Values that targets must have, of the kinds that their columns hold; None for all events."""
    import narwhals as nw

    named = getattr(given, "targets", None) or ()
    frame = nw.from_native(events, eager_only=True)
    wanted: dict[str, list[Any]] = {}
    for name, values in named:
        read: Callable[[str], Any] = str
        if frame[name].dtype.is_numeric() or frame[name].dtype == nw.Boolean:
            read = literal
        wanted.setdefault(name, []).extend(map(read, values))
    return wanted or None


def event_attributes(given: argparse.Namespace, model: Any = None) -> list[str]:
    """Columns of the events that are named on the command line, or that a model reads."""
    named = list(getattr(given, "event_attributes", ()))
    if model is None:
        return named
    owners = model.steps[-1][1].encoder_.owners
    return [kind for kind in owners if kind not in ("user", "session")]


def named_attributes(given: argparse.Namespace) -> tuple[str, ...]:
    """Prompts that the options ask for by naming attributes."""
    of_items = tuple(getattr(given, "attributes", ()))
    if of_items and not hasattr(given, "items"):
        raise ValueError(
            "--attributes names columns of a table of items; name its file with --items, or "
            "columns of the events with --event-attributes."
        )
    if hasattr(given, "items") and not of_items:
        raise ValueError(
            "--items gives a table and --attributes none of its columns; name those that are to "
            "be prompts."
        )
    return of_items + tuple(getattr(given, "event_attributes", ()))


def attribute_step(given: argparse.Namespace) -> list[tuple[str, Any]]:
    """Step of a pipeline that knows the attributes of items, if there is a table."""
    if not hasattr(given, "items"):
        return []
    import narwhals as nw

    from ..clustering import ItemAttributes
    from ..sessions import read_items

    table = nw.from_native(read_items(given.items, given.item, given.attributes))
    columns = {name: _kind(table[name]) for name in given.attributes}
    attributes = ItemAttributes(table.to_native(), item=given.item, columns=columns)
    return [("att", attributes)]


def _kind(series: nw.Series[Any]) -> str | None:
    """Kind of a column of floats; of others it shows by their values."""
    if series.dtype.is_float():
        return "number"
    return None
