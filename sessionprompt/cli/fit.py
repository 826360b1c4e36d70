"""Command ``fit``: learn a model from events and save it."""

from __future__ import annotations

import argparse
import difflib
import os
import warnings
from typing import TYPE_CHECKING, Any

from .files import read_sessions
from .items import add_items, add_targets, attribute_step, named_attributes
from .options import event_command, given_options, literal, words

if TYPE_CHECKING:
    from ..pipeline import Pipeline
    from ..sessions import Sessions

__all__ = ["add_command"]

MODEL_OPTIONS = (
    "backbone",
    "prompts",
    "max_epochs",
    "dim",
    "batch_size",
    "lr",
    "device",
    "cold_items",
)
PROMPTS = ("prompts", "rec__prompts")
FILTERS = ("min_length", "min_item_support")


def add_command(commands: Any) -> None:
    """Add the command to those of the program."""
    parser = event_command(commands, "fit", "learn a model from events and save it")
    parser.set_defaults(run=run)
    _add_filters(parser)
    _add_model(parser)
    add_items(parser)
    add_targets(parser)
    parser.add_argument(
        "--quiet", action="store_true", help="print nothing but warnings and errors"
    )


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


def _prompts(text: str) -> tuple[str, ...]:
    if text == "none":
        return ()
    return words(text)


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
    if name in PROMPTS and "(" not in value and "[" not in value:
        return name, _prompts(value)
    return name, literal(value)


def run(given: argparse.Namespace) -> None:
    """Learn a model from the events and save it, together with others that torchrun started."""
    if "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("WORLD_SIZE") == "1":
        _fit(given, first=True)
        return
    from ..training import joined

    if given.events == "-":
        raise ValueError("standard input reaches one of several processes alone; name a file.")
    with joined() as first:
        given.quiet |= not first
        _fit(given, first)


def _fit(given: argparse.Namespace, first: bool) -> None:
    """Learn a model; of several processes, the first one warns and saves it."""
    from ..storage import PARTS, try_target

    if first:
        try_target(given.model, PARTS)  # before the work, not after it
    else:
        warnings.simplefilter("ignore")
    sessions, _ = read_sessions(given, **given_options(given, FILTERS))
    pipeline = _new_pipeline(given)  # imports torch, which is slow: faults of files come first
    if not given.quiet:
        print(sessions.report)
    from ..persistence import check_storable

    check_storable(pipeline, sessions)
    pipeline.fit(sessions)
    if not given.quiet:
        print(_summary(sessions, pipeline))
    if first:
        _save(pipeline, given.model)


def _save(pipeline: Pipeline, path: str) -> None:
    """Save a model, beside `path` if that fails: the work for it is done."""
    from ..persistence import save

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

    from ..persistence import save

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
    from ..pipeline import Pipeline, make_session_pipeline
    from ..recommender import PromptedSessionRecommender

    params = given_options(given, MODEL_OPTIONS)
    params |= {"random_state": given.seed, "verbose": int(not given.quiet)}
    clusters = given_options(given, ["resolution"])
    settings = given_options(given, ["settings"]).get("settings", [])
    for name, value in settings:
        if name in PROMPTS:  # which say whether there is a clusterer
            params["prompts"] = value
    attributes = named_attributes(given)
    if attributes:
        params["prompts"] = (*(params.get("prompts", ("cluster",)) or ()), *attributes)
    if "cluster" in (params.get("prompts", "cluster") or ()):
        pipeline = make_session_pipeline(**params, **clusters)
    elif clusters:
        raise ValueError(
            "--resolution needs clusters, and --prompts names none of them; "
            "leave one of the two out."
        )
    else:
        pipeline = Pipeline([("rec", PromptedSessionRecommender(**params))])
    pipeline.steps[-1:-1] = attribute_step(given)
    for name, value in settings:
        if name not in PROMPTS:
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
    clusterers = [step for _, step in front if hasattr(step, "n_clusters_")]
    sizes = [f"{n:,}" for step in clusterers for n in np.ravel(step.n_clusters_)]
    clusters = " + ".join(sizes) or "no"
    return (
        f"{len(sessions):,} sessions, {model.n_items_:,} items, {clusters} clusters\n"
        f"best epoch {model.best_epoch_} of {model.n_epochs_}: "
        f"{model.monitor} {model.best_score_:.4f} "
        f"on the newest {model.validation_fraction:.0%} of the sessions"
    )
