"""Command line: fit a model on a file of events, evaluate it, recommend with it."""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from .pipeline import Pipeline
    from .sessions import Sessions
    from .vocabulary import Vocabulary

__all__ = ["main"]

MODEL_OPTIONS = ("backbone", "prompts", "max_epochs", "dim", "batch_size", "lr", "device")
FILTERS = ("min_length", "min_item_support")
ROLES = ("item", "session", "user")
EVENTS = "events, one a row: .csv, .tsv, .jsonl (each also .gz) or .parquet; - is standard input"


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
    setting = (
        "any parameter of the recommender, or of the clusterer as clu__NAME; may be repeated, and "
        "goes before other options"
    )
    add(
        "--set", dest="settings", action="append", type=_setting, metavar="NAME=VALUE", help=setting
    )


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


def _setting(text: str) -> tuple[str, Any]:
    """Name and value of a parameter, the value as JSON or Python writes it, else as text."""
    name, mark, value = text.partition("=")
    if not name or not mark:
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=VALUE, such as lr=0.01.")
    if name in ("prompts", "rec__prompts") and "(" not in value and "[" not in value:
        return name, _prompts(value)
    return name, _literal(value)


def _literal(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, list):
            return tuple(value)
        return value
    return text


def _given(arguments: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Options of these names that stand on the command line."""
    return {name: getattr(arguments, name) for name in names if name in arguments}


# ---------------------------------------------------------------------- commands
def _fit(given: argparse.Namespace) -> None:
    from .persistence import check_storable
    from .storage import PARTS, try_target

    try_target(given.model, PARTS)  # before the work, not after it
    pipeline = _new_pipeline(given)
    sessions, _ = _read_sessions(given, **_given(given, FILTERS))
    if not given.quiet:
        print(sessions.report)
    check_storable(pipeline, sessions)
    pipeline.fit(sessions)
    if not given.quiet:
        print(_summary(sessions, pipeline))
    _save(pipeline, given.model)


def _save(pipeline: Pipeline, path: str) -> None:
    """Save a model, beside `path` if that fails: the work for it is done."""
    from .persistence import save

    try:
        save(pipeline, path)
    except (OSError, ValueError) as error:
        other = _save_elsewhere(pipeline, path)
        if other is None:
            raise
        reason = getattr(error, "strerror", None) or error
        raise OSError(
            f"{path} could not be written ({reason}); the model was saved as {other} instead."
        ) from error


def _save_elsewhere(pipeline: Pipeline, path: str) -> str | None:
    """Path of a zip file that could be written: beside `path`, here, or among passing files."""
    import tempfile
    import time

    from .persistence import save

    name = time.strftime(f"sessionprompt-model-%Y%m%d-%H%M%S-{os.getpid()}.zip")
    for folder in (os.path.dirname(os.path.abspath(path)), os.getcwd(), tempfile.gettempdir()):
        other = os.path.join(folder, name)
        try:
            save(pipeline, other)
        except (OSError, ValueError):
            continue
        return other
    return None


def _new_pipeline(given: argparse.Namespace) -> Pipeline:
    from .pipeline import Pipeline, make_session_pipeline
    from .recommender import PromptedSessionRecommender

    params = _given(given, MODEL_OPTIONS)
    params |= {"random_state": given.seed, "verbose": int(not given.quiet)}
    clusters = _given(given, ["resolution"])
    settings = _given(given, ["settings"]).get("settings", [])
    for name, value in settings:
        if name in ("prompts", "rec__prompts"):  # which say whether there is a clusterer
            params["prompts"] = value
    if "cluster" in (params.get("prompts", "cluster") or ()):
        pipeline = make_session_pipeline(**params, **clusters)
    elif clusters:
        raise ValueError(
            "--resolution needs clusters, and --prompts names none of them; "
            "leave one of the two out."
        )
    else:
        pipeline = Pipeline([("rec", PromptedSessionRecommender(**params))])
    for name, value in settings:
        pipeline.set_params(**{_parameter(pipeline, name): value})
    return pipeline


def _parameter(pipeline: Pipeline, name: str) -> str:
    """Full name of a parameter of one of the steps, the recommender before the clusterer."""
    known = [key for key in pipeline.get_params() if "__" in key]
    for key in (name, f"rec__{name}", f"clu__{name}"):
        if key in known:
            return key
    close = difflib.get_close_matches(f"rec__{name.rpartition('__')[2]}", known, cutoff=0.5)
    raise ValueError(
        f"--set {name}: no step has such a parameter; the nearest are {', '.join(close) or known}."
    )


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
    sessions, _ = _read_sessions(given, model)
    result = model.evaluate(sessions, **_given(given, ["metrics", "slices"]))
    text = json.dumps(result, indent=2)
    print(text)
    if given.output is not None:
        write_atomically(given.output, lambda file: file.write(f"{text}\n".encode()))


def _recommend(given: argparse.Namespace) -> None:
    from .sessions import check_writable, write_json_lines

    as_lines = given.output is None or given.output.endswith(".jsonl")
    if not as_lines:
        check_writable(given.output)
    model = _open_model(given.model)
    sessions, names = _read_sessions(given, model)
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

    from .sessions import write_table

    row, place = np.nonzero(scores > -np.inf)  # the rest of short lists is blank
    columns = {name: column[row].tolist() for name, column in owners.items()}
    columns["rank"] = place + 1
    columns["item"] = items[row, place].tolist()
    columns["score"] = scores[row, place]
    write_table(path, columns)


def _demo(given: argparse.Namespace) -> None:
    from .demo import run

    run()


# ---------------------------------------------------------------------- files
def _read_sessions(
    given: argparse.Namespace, model: Pipeline | None = None, **filters: Any
) -> tuple[Sessions, dict[str, dict[int, str]]]:
    """Sessions of the events, with ids of the kind that the model knows.

    The second value holds, by role, words of the file that numbers stand for.
    """
    from .sessions import Sessions, read_table, with_numbers

    roles = _roles(given)
    known: dict[str, Vocabulary] = {}
    if model is not None:
        encoder = model.steps[-1][1].encoder_
        known = {"item": encoder.vocabulary, **encoder.owners}
    known = {role: vocabulary for role, vocabulary in known.items() if role in roles}
    text = [roles[role] for role, ids in known.items() if ids.ids.dtype == object]
    events = read_table(given.events, roles.values(), time=given.time, text=text)
    names: dict[str, dict[int, str]] = {role: {} for role in ROLES}
    for role, vocabulary in known.items():
        if vocabulary.ids.dtype.kind == "i":
            events, names[role] = with_numbers(events, roles[role], vocabulary.ids.tolist())
    options = {**roles, "time": given.time, "gap": given.gap, "unit": given.unit, **filters}
    return Sessions.from_events(events, **options), names


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


def _open_model(path: str) -> Pipeline:
    """Saved model as a pipeline, whether it was saved as one or as its last step alone."""
    from sklearn.pipeline import Pipeline as SklearnPipeline

    from .base import SessionRecommenderMixin
    from .persistence import load
    from .pipeline import Pipeline

    model = load(path)
    steps = [("rec", model)]
    if isinstance(model, SklearnPipeline):
        steps = model.steps
    kind = type(steps[-1][1])
    if not issubclass(kind, SessionRecommenderMixin):
        raise ValueError(f"{path} holds {kind.__name__}, which recommends nothing; fit first.")
    return Pipeline(steps)
