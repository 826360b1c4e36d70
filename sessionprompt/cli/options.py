"""Options that several commands share, and how their words are read."""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Sequence
from typing import Any

__all__ = ["event_command", "given_options", "literal", "words"]

EVENTS = "events, one a row: .csv, .tsv, .jsonl (each also .gz) or .parquet; - is standard input"


def event_command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    """Parser of a command that reads events and knows a model."""
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument("events", help=EVENTS)
    parser.add_argument(
        "--model", required=True, metavar="PATH", help="folder of the model, or a file in .zip"
    )
    columns = parser.add_argument_group("columns of the events")
    columns.add_argument("--item", default="item", metavar="NAME", help="item ids (default: item)")
    columns.add_argument(
        "--session", metavar="NAME", help="session ids; this or --user says what belongs together"
    )
    columns.add_argument("--user", metavar="NAME", help="user ids")
    columns.add_argument("--time", metavar="NAME", help="times: ISO dates or numbers")
    columns.add_argument(
        "--unit", default="s", choices=("s", "ms", "us", "ns"), help="of numeric times (default: s)"
    )
    columns.add_argument(
        "--gap", metavar="PAUSE", help="a longer pause begins a new session, such as 30min"
    )
    columns.add_argument(
        "--skip-bad-lines",
        action="store_true",
        help="leave out events without an id or a time that is understood, and say how many",
    )
    return parser


def words(text: str) -> tuple[str, ...]:
    """Words between commas."""
    return tuple(word.strip() for word in text.split(","))


def literal(text: str) -> Any:
    """Value as JSON or Python writes it, else the text; a list becomes a tuple.

    Parameters
    ----------
    text : str
        Of a parameter, such as a command line gives it.

    Examples
    --------
    >>> literal("0.5"), literal("null"), literal("[1, 8]"), literal("narm")
    (0.5, None, (1, 8), 'narm')
    """
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, list):
            return tuple(value)
        return value
    return text


def given_options(arguments: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Options of these names that stand on the command line."""
    return {name: getattr(arguments, name) for name in names if name in arguments}
