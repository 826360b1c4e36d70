"""Command line: fit a model on a file of events, evaluate it, recommend with it."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from .pipeline import Pipeline
    from .sessions import Sessions

__all__ = ["main"]

MODEL_OPTIONS = ("backbone", "prompts", "max_epochs", "dim", "batch_size", "lr", "device")
FILTERS = ("min_length", "min_item_support")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of a command of ``sessionprompt``, see ``sessionprompt --help``.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after the name of the program, by default those it was called with.

    Returns
    -------
    int
        0; 2 after an error of the user, which one line on standard error explains; 130 after
        Ctrl-C.
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


# ---------------------------------------------------------------------- options
def _parser() -> argparse.ArgumentParser:
    from . import __version__

    parser = argparse.ArgumentParser(
        "sessionprompt", description="Next-item recommendations from logs of events."
    )
    parser.add_argument("--version", action="version", version=f"sessionprompt {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    fit = _command(commands, "fit", "learn a model from events and save it")
    evaluate = _command(commands, "evaluate", "rank the next items of other sessions, print JSON")
    recommend = _command(commands, "recommend", "list the best next items of sessions")
    demo = commands.add_parser(
        "demo", help="the whole job on synthetic sessions", allow_abbrev=False
    )
    fit.set_defaults(run=_fit)
    evaluate.set_defaults(run=_evaluate)
    recommend.set_defaults(run=_recommend)
    demo.set_defaults(run=_demo)
    _add_filters(fit)
    _add_model(fit)
    fit.add_argument("--quiet", action="store_true", help="print nothing but warnings and errors")
    _add_measures(evaluate)
    _add_lists(recommend)
    return parser


def _command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    """Parser of a command that reads events and knows a model."""
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument("events", help="file of events, one per row: .csv, .csv.gz or .parquet")
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
    return parser


def _add_filters(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("filters", argument_default=argparse.SUPPRESS)
    group.add_argument(
        "--min-length", type=int, metavar="N", help="drop sessions with fewer events"
    )
    group.add_argument(
        "--min-item-support", type=int, metavar="N", help="drop items with fewer events"
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model", argument_default=argparse.SUPPRESS)
    add = group.add_argument
    add("--backbone", metavar="NAME", help="session model, such as gru4rec or narm")
    prompts = "cluster, user, session with commas, or none"
    add("--prompts", type=_prompts, metavar="KINDS", help=prompts)
    resolution = "of the clusters, one or more: .3,1,8"
    add("--resolution", type=_resolution, metavar="R", help=resolution)
    add("--epochs", dest="max_epochs", type=int, metavar="N", help="most epochs to train")
    add("--dim", type=int, metavar="N", help="size of the embeddings")
    add("--batch-size", type=int, metavar="N", help="prefixes per step")
    add("--lr", type=float, metavar="X", help="learning rate")
    add("--device", metavar="NAME", help="cpu, cuda or auto")
    seed = "the same seed, the same model (default: 0)"
    add("--seed", type=int, default=0, metavar="N", help=seed)


def _add_measures(parser: argparse.ArgumentParser) -> None:
    words: dict[str, Any] = {"type": _words, "default": argparse.SUPPRESS, "metavar": "NAMES"}
    parser.add_argument("--metrics", help="such as mrr@5,recall@20,coverage@20", **words)
    parser.add_argument("--slices", help="length, popularity, repeat, with commas", **words)
    parser.add_argument("--output", metavar="FILE", help="write the JSON there as well")


def _add_lists(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-k", type=int, default=10, help="items per session (default: 10)")
    parser.add_argument(
        "--exclude-seen", action="store_true", help="leave out the items of the session itself"
    )
    output = ".jsonl, .csv or .parquet; by default JSON lines are printed"
    parser.add_argument("--output", metavar="FILE", help=output)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


def _prompts(text: str) -> tuple[str, ...]:
    if text == "none":
        return ()
    return _words(text)


def _resolution(text: str) -> float | tuple[float, ...]:
    try:
        values = tuple(map(float, text.split(",")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a number nor numbers with commas."
        ) from error
    if len(values) == 1:
        return values[0]
    return values


def _given(arguments: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Options of these names that stand on the command line."""
    return {name: getattr(arguments, name) for name in names if name in arguments}


# ---------------------------------------------------------------------- commands
def _fit(given: argparse.Namespace) -> None:
    from .persistence import save
    from .storage import PARTS, check_replaceable

    check_replaceable(given.model, PARTS)  # before the work, not after it
    pipeline = _new_pipeline(given)
    sessions = _read_sessions(given, **_given(given, FILTERS))
    if not given.quiet:
        print(sessions.report)
    save(pipeline.fit(sessions), given.model)
    if not given.quiet:
        print(_summary(sessions, pipeline))


def _new_pipeline(given: argparse.Namespace) -> Pipeline:
    from .pipeline import Pipeline, make_session_pipeline
    from .recommender import PromptedSessionRecommender

    params = _given(given, MODEL_OPTIONS)
    params |= {"random_state": given.seed, "verbose": int(not given.quiet)}
    clusters = _given(given, ["resolution"])
    if "cluster" in params.get("prompts", ("cluster",)):
        return make_session_pipeline(**params, **clusters)
    if clusters:
        raise ValueError(
            "--resolution needs clusters, and --prompts names none of them; "
            "leave one of the two out."
        )
    return Pipeline([("rec", PromptedSessionRecommender(**params))])


def _summary(sessions: Sessions, pipeline: Pipeline) -> str:
    """Two lines on what was learned."""
    import numpy as np

    *front, (_, model) = pipeline.steps
    sizes = [f"{n:,}" for _, step in front for n in np.ravel(step.n_clusters_)]
    clusters = " + ".join(sizes) or "no"
    return (
        f"{len(sessions):,} sessions, {model.n_items_:,} items, {clusters} clusters\n"
        f"best epoch {model.best_epoch_} of {model.n_epochs_}: "
        f"{model.monitor} {model.best_score_:.4f} "
        f"on the newest {model.validation_fraction:.0%} of the sessions"
    )


def _evaluate(given: argparse.Namespace) -> None:
    from .storage import write_atomically

    model = _open_model(given.model)
    sessions = _read_sessions(given, model)
    result = model.evaluate(sessions, **_given(given, ["metrics", "slices"]))
    text = json.dumps(result, indent=2)
    print(text)
    if given.output is not None:
        write_atomically(given.output, lambda file: file.write(f"{text}\n".encode()))


def _recommend(given: argparse.Namespace) -> None:
    from .sessions import check_writable

    as_lines = given.output is None or given.output.endswith(".jsonl")
    if not as_lines:
        check_writable(given.output)
    model = _open_model(given.model)
    sessions = _read_sessions(given, model)
    items, scores = model.predict_topk(
        sessions, k=given.k, return_scores=True, exclude_seen=given.exclude_seen
    )
    scores = scores.astype(float).round(6)
    owners = {"session": sessions.ids}
    if sessions.users is not None:
        owners["user"] = sessions.users
    if as_lines:
        _write_lines(given.output, owners, items, scores)
    else:
        _write_table(given.output, owners, items, scores)


def _write_lines(path: str | None, owners: dict[str, Any], items: Any, scores: Any) -> None:
    """One JSON object per session, to a file or to standard output."""
    from .storage import write_atomically

    columns = {**owners, "items": items, "scores": scores}
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    lines = (_json_line(dict(zip(columns, row, strict=True))) for row in rows)
    if path is None:
        sys.stdout.writelines(lines)
    else:
        write_atomically(path, lambda file: file.writelines(line.encode() for line in lines))


def _json_line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, default=str) + "\n"


def _write_table(path: str, owners: dict[str, Any], items: Any, scores: Any) -> None:
    """One row per recommended item."""
    import numpy as np

    from .sessions import write_table

    n, k = items.shape
    columns: dict[str, Any] = {}
    for name, column in owners.items():
        columns[name] = np.repeat(column, k).tolist()
    columns["rank"] = np.tile(np.arange(1, k + 1), n)
    columns["item"] = items.ravel().tolist()
    columns["score"] = scores.ravel()
    write_table(path, columns)


def _demo(given: argparse.Namespace) -> None:
    from .demo import run

    run()


# ---------------------------------------------------------------------- files
def _read_sessions(
    given: argparse.Namespace, model: Pipeline | None = None, **filters: Any
) -> Sessions:
    """The sessions of the events file, with ids of the kind that the model knows."""
    from .sessions import Sessions, read_table

    if given.session is None and given.user is None:
        raise ValueError(
            "name the column that says which events belong together: "
            "--session, or --user with --gap."
        )
    roles = {role: getattr(given, role) for role in ("item", "session", "user")}
    roles = {role: column for role, column in roles.items() if column is not None}
    text = []
    if model is not None:
        text = [roles[role] for role in _string_roles(model) if role in roles]
    events = read_table(given.events, roles.values(), time=given.time, text=text)
    return Sessions.from_events(
        events, **roles, time=given.time, gap=given.gap, unit=given.unit, **filters
    )


def _string_roles(model: Pipeline) -> list[str]:
    """Roles whose ids are strings to the model."""
    encoder = model.steps[-1][1].encoder_
    known = {"item": encoder.vocabulary, **encoder.owners}
    return [role for role, vocabulary in known.items() if vocabulary.ids.dtype == object]


def _open_model(path: str) -> Pipeline:
    """Saved model as a pipeline, whether it was saved as one or as its last step alone."""
    from sklearn.pipeline import Pipeline as SklearnPipeline

    from .persistence import load
    from .pipeline import Pipeline
    from .recommender import PromptedSessionRecommender

    model = load(path)
    steps = [("rec", model)]
    if isinstance(model, SklearnPipeline):
        steps = model.steps
    _, last = steps[-1]
    if not isinstance(last, PromptedSessionRecommender):
        raise ValueError(
            f"{path} holds {type(last).__name__}, which recommends nothing; fit a model first."
        )
    return Pipeline(steps)
