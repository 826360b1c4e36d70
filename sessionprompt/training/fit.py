"""One training run from sessions to learned attributes: encode, start the weights, train."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..encoding import NextItemTargets, PrefixData, SessionEncoder, check_prompts, prefix_data
from ..network import (
    SessionNetwork,
    build_network,
    one_pass_of,
    resolve_device,
    start_as_published,
    start_from_graph,
)
from ..sessions import Sessions
from .identity import fit_identity
from .loop import TrainingPlan, train_network

__all__ = ["TrainingRun", "fit_network"]


@dataclass(frozen=True)
class TrainingRun:
    """Sessions of a training run, its seed, and the model that it goes on from.

    Parameters
    ----------
    train : Sessions
    valid : Sessions or None
    seed, epochs : int
    previous : PromptedSessionRecommender or None
        Fitted before; its weights and all that it knows are taken over.
    stage : str or None
        Name of the checkpoint's file; a run without a name leaves none.
    """

    train: Sessions
    valid: Sessions | None
    seed: int
    epochs: int
    previous: Any = None
    stage: str | None = None


def fit_network(estimator: Any, run: TrainingRun) -> tuple[SessionEncoder, dict[str, Any]]:
    """Encoder and learned attributes of a training run.

    Torch's global random state is put back as it was.

    Parameters
    ----------
    estimator : PromptedSessionRecommender
        Its parameters are read, it is not changed.
    run : TrainingRun

    Returns
    -------
    encoder : SessionEncoder
    outcome : dict
        As returned by :func:`train_network`.

    Raises
    ------
    ValueError
        If sessions lack an annotation or hold no example, or the previous model or the checkpoint
        does not go with the parameters.
    """
    encoder = _learn_encoder(estimator, run)
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = _start_network(estimator, encoder, run)
        one_pass = one_pass_of(estimator, network)
        max_length = estimator.max_length
        train = _examples(run.train, encoder, max_length, one_pass, "X")
        valid = None
        if run.valid is not None:
            valid = _examples(run.valid, encoder, max_length, one_pass, "validation sessions")
        outcome = train_network(
            network.to(resolve_device(estimator.device)),
            train,
            valid,
            replace(TrainingPlan.of(estimator), max_epochs=run.epochs),
            seed=run.seed,
            **_checkpoint(estimator, run),
        )
    return encoder, outcome


def _learn_encoder(estimator: Any, run: TrainingRun) -> SessionEncoder:
    prompts = check_prompts(estimator.prompts)
    if run.previous is None:
        return SessionEncoder.learn(run.train, prompts)
    return run.previous.encoder_.grow(run.train, prompts)


def _start_network(estimator: Any, encoder: SessionEncoder, run: TrainingRun) -> SessionNetwork:
    """A network with the weights from which training starts."""
    network = build_network(estimator, encoder)
    codes = encoder.item_codes(run.train)  # (n_events,)
    offsets = run.train.offsets
    network.backbone.precompute(codes, offsets, encoder.n_items)
    if run.previous is not None:
        rows = encoder.rows_of(run.previous.encoder_)
        network.copy_weights_from(run.previous.network_, rows)
    elif estimator.init == "graph":
        start_from_graph(network, codes, offsets, run.seed)
    elif estimator.init == "reference":
        start_as_published(network)
    return network


def _examples(
    sessions: Sessions, encoder: SessionEncoder, max_length: int, one_pass: bool | str, name: str
) -> PrefixData:
    targets = NextItemTargets.of(sessions, encoder)
    if not len(targets.rows):
        raise ValueError(
            f"{name}: none of the {len(sessions)} sessions has two events, so there is no next "
            "item to learn from; give longer ones, or leave out sessions of a single event "
            "beforehand."
        )
    return prefix_data(targets, encoder, max_length, one_pass)[0]


def _checkpoint(estimator: Any, run: TrainingRun) -> dict[str, str]:
    """File for the state of training, and the digest it must have been written for."""
    if estimator.checkpoint_dir is None or run.stage is None:
        return {}
    weights = []
    if run.previous is not None:
        weights = list(run.previous.network_.state_dict().values())
    identity = fit_identity(
        estimator.get_params(deep=False),
        [sessions for sessions in (run.train, run.valid) if sessions is not None],
        seed=run.seed,
        epochs=run.epochs,
        weights=weights,
    )
    path = os.path.join(estimator.checkpoint_dir, f"{run.stage}.pt")
    return {"checkpoint": path, "identity": identity}
