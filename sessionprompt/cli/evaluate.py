"""Command ``evaluate``: rank the next items of other sessions."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .files import open_model, read_sessions
from .items import add_targets
from .options import event_command, given_options, words

__all__ = ["add_command"]


def add_command(commands: Any) -> None:
    """Add the command to those of the program."""
    text = "rank the next items of other sessions, print JSON"
    parser = event_command(commands, "evaluate", text)
    parser.set_defaults(run=run)
    _add_measures(parser)
    add_targets(parser)


def _add_measures(parser: argparse.ArgumentParser) -> None:
    names: dict[str, Any] = {"type": words, "default": argparse.SUPPRESS, "metavar": "NAMES"}
    parser.add_argument("--metrics", help="such as mrr@5,recall@20,coverage@20", **names)
    parser.add_argument("--slices", help="length, popularity, repeat, with commas", **names)
    parser.add_argument("--output", metavar="FILE", help="write the JSON there as well")


def run(given: argparse.Namespace) -> None:
    """Print the metrics of a model on the events."""
    from ..storage import write_atomically

    model = open_model(given.model)
    sessions, _ = read_sessions(given, model)
    result = model.evaluate(sessions, **given_options(given, ["metrics", "slices"]))
    text = json.dumps(result, indent=2)
    print(text)
    if given.output is not None:
        write_atomically(given.output, lambda file: file.write(f"{text}\n".encode()))
