"""Command ``recommend``: list the best next items of sessions."""

from __future__ import annotations

import argparse
from typing import Any

from .files import open_model, read_sessions, read_titles
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
    titles = "table of titles: the column of item ids (see --item), and a column called title"
    parser.add_argument("--titles", metavar="FILE", help=titles)
    newest = "answer the newest session of each user alone"
    parser.add_argument("--per-user", action="store_true", help=newest)
    output = ".jsonl, .csv or .parquet; by default JSON lines are printed"
    parser.add_argument("--output", metavar="FILE", help=output)


def run(given: argparse.Namespace) -> None:
    """Write the best next items of each session of the events."""
    from ..recommending import answered_rows, owner_columns, recommended_columns
    from ..sessions import check_writable, write_json_lines, write_table

    as_lines = given.output is None or given.output.endswith(".jsonl")
    if not as_lines:
        check_writable(given.output)
    model = open_model(given.model)
    titles = None
    if given.titles is not None:
        titles = read_titles(given, model)
    sessions, names = read_sessions(given, model)
    if given.per_user:
        sessions = sessions[answered_rows(sessions, "user")]
    items, scores = model.predict_topk(
        sessions, k=given.k, return_scores=True, exclude_seen=given.exclude_seen
    )
    scores = scores.astype(float).round(6)
    owners = owner_columns(sessions)
    owners = {role: _named(ids, names[role]) for role, ids in owners.items()}
    if as_lines:
        lists = {"items": _filled(items, scores), "scores": _filled(scores, scores)}
        if titles is not None:
            lists["titles"] = _titled(lists["items"], titles)
        write_json_lines(given.output, {**owners, **lists})
    else:
        known = model.steps[-1][1].items_
        columns = recommended_columns(owners, items, scores, titles, known)
        write_table(given.output, columns)


def _titled(lists: Any, titles: dict[Any, str | None]) -> Any:
    """Titles of the items of each list."""
    titled = lists.copy()
    for place, items in enumerate(lists):
        titled[place] = [titles.get(item) for item in items]
    return titled


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
