"""The program: its commands, and what it prints of errors and warnings."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

from . import evaluate, fit, recommend, serve

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of a command of ``sessionprompt``, see ``sessionprompt --help``.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after the name of the program, by default those it was called with.

    Returns
    -------
    int
        0; 2 after an error, which one line on standard error explains; 130 after Ctrl-C.
    """
    arguments = _parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            arguments.run(arguments)
            sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    except (ValueError, TypeError, KeyError, ImportError, OSError) as error:
        first_line, *_ = str(error).split("\n")
        print(f"sessionprompt: error: {first_line}", file=sys.stderr)
        return 2
    return 0


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"sessionprompt: warning: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    from .. import __version__

    parser = argparse.ArgumentParser(
        "sessionprompt", description="Next-item recommendations from logs of events."
    )
    parser.add_argument("--version", action="version", version=f"sessionprompt {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (fit, evaluate, recommend, serve):
        command.add_command(commands)
    demo = commands.add_parser(
        "demo", help="the whole job on synthetic sessions", allow_abbrev=False
    )
    demo.set_defaults(run=_demo)
    return parser


def _demo(given: argparse.Namespace) -> None:
    from ..demo import run

    run()
