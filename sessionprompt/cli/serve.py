"""Command ``serve``: recommend over HTTP."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .files import open_model
from .options import given_options

__all__ = ["add_command"]

BARE = object()  # stands for --index without a folder
LIMITS = {
    "k": "longest list of recommendations",
    "events": "most events of a session",
    "sessions": "most sessions of a request",
    "batch": "most sessions that are answered together",
    "waiting": "most requests that wait for an answer",
    "seconds": "longest wait for an answer",
}


def add_command(commands: Any) -> None:
    """Add the command to those of the program."""
    text = "recommend over HTTP: POST /recommend, GET /health, /metadata and /docs"
    parser = commands.add_parser("serve", help=text, description=text, allow_abbrev=False)
    parser.set_defaults(run=run)
    parser.add_argument("model", metavar="MODEL", help="folder of the model, or a file in .zip")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=8000, help="port (default: 8000)")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes that share the model, each of one thread (default: 1)",
    )
    parser.add_argument(
        "--index",
        nargs="?",
        const=BARE,
        metavar="FOLDER",
        help="answer by approximate search, for catalogues over a million items (extra ann): with "
        "the index that is in the folder, or one that is built now and saved there; without a "
        "folder, one that is built at every start",
    )
    limits = parser.add_argument_group("limits", argument_default=argparse.SUPPRESS)
    for name, meaning in LIMITS.items():
        limits.add_argument(f"--max-{name}", dest=name, type=int, metavar="N", help=meaning)


def run(given: argparse.Namespace) -> None:
    """Answer requests until the process is told to stop."""
    from ..serving import Limits, serve

    limits = Limits(**given_options(given, list(LIMITS)))
    model = open_model(given.model)
    index = None
    if given.index is not None:
        index = _index(given.index, model)
    listening = {"host": given.host, "port": given.port, "workers": given.workers}
    serve(model, limits=limits, index=index, **listening)


def _index(folder: Any, model: Any) -> Any:
    """Index of a folder, built by all processors and saved if it is not there."""
    from ..retrieval import ItemIndex
    from ..storage import try_target

    if folder is not BARE and Path(folder).exists():
        return ItemIndex.open(folder, model)
    if folder is not BARE:
        try_target(folder, ["index.json"])  # before the work, not after it
    print(f"building an index of {len(model.items_):,} items", flush=True)
    index = ItemIndex(model, n_jobs=-1)
    if folder is BARE:
        return index
    index.save(folder)
    return ItemIndex.open(folder, model)  # mapped, as it will be at the next start
