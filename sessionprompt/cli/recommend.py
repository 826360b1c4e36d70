"""Command ``recommend``: list the best next items of sessions."""

from __future__ import annotations

import argparse
from typing import Any

from .files import open_model, read_sessions
from .options import event_command

__all__ = ["add_command"]


def add_command(commands: Any) -> None:
    """Add the command to those of the program."""
    parser = event_command(commands, "recommend", "list the best next items of sessions")
    parser.set_defaults(run=run)
    _add_lists(parser)


def _add_lists(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-k", type=int, default=10, help="items per session (default: 10)")
    parser.add_argument(
        "--exclude-seen", action="store_true", help="leave out the items of the session itself"
    )
    output = ".jsonl, .csv or .parquet; by default JSON lines are printed"
    parser.add_argument("--output", metavar="FILE", help=output)


def run(given: argparse.Namespace) -> None:
    """Write the best next items of each session of the events."""
    from ..sessions import check_writable, write_json_lines

    as_lines = given.output is None or given.output.endswith(".jsonl")
    if not as_lines:
        check_writable(given.output)
    model = open_model(given.model)
    sessions, names = read_sessions(given, model)
    items, scores = model.predict_topk(
        sessions, k=given.k, return_scores=True, exclude_seen=given.exclude_seen
    )
    scores = scores.astype(float).round(6)
    owners = {"session": _named(sessions.ids, names["session"])}
    if sessions.users is not None:
        owners["user"] = _named(sessions.users, names["user"])
    if as_lines:
        lists = {"items": _filled(items, scores), "scores": _filled(scores, scores)}
        write_json_lines(given.output, {**owners, **lists})
    else:
        _write_table(given.output, owners, items, scores)


def _filled(rows: Any, scores: Any) -> Any:
    """Lists of the values in each row, without the blanks of short lists, which have no score."""
    import numpy as np

    filled = np.empty(len(rows), dtype=object)
    for place, (row, score) in enumerate(zip(rows, scores, strict=True)):
        filled[place] = row[score > -np.inf].tolist()
    return filled


def _named(ids: Any, names: dict[int, str]) -> Any:
    """Ids as the file has them, where numbers stand for other words."""
    import numpy as np

    if not names:
        return ids
    return np.array([names.get(id_, id_) for id_ in ids.tolist()], dtype=object)


def _write_table(path: str, owners: dict[str, Any], items: Any, scores: Any) -> None:
    """One row per recommended item."""
    import numpy as np

    from ..sessions import write_table

    row, place = np.nonzero(scores > -np.inf)  # the rest of short lists is blank
    columns = {name: column[row].tolist() for name, column in owners.items()}
    columns["rank"] = place + 1
    columns["item"] = items[row, place].tolist()
    columns["score"] = scores[row, place]
    write_table(path, columns)
