"""One training run from sessions to learned attributes: encode, start the weights, train."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..batches import SeededDraws
from ..blending import Blend, learn_blend
from ..encoding import (
    NextItemTargets,
    PrefixData,
    SessionEncoder,
    check_prompts,
    prefix_data,
    training_prefixes,
)
from ..network import (
    SessionNetwork,
    build_network,
    exact,
    held_out_scores,
    one_pass_of,
    resolve_device,
    start_as_published,
    start_from_graph,
)
from ..sessions import Sessions
from .cold_scale import learned_cold_scale
from .distributed import check_gpus
from .heap import give_back
from .identity import fit_identity
from .item_clusters import clusters_of_items
from .loop import TrainingPlan, build_net, train_network
from .recency import recency_weights
from .sampling import sampled_prefixes

__all__ = ["TrainingRun", "fit_network"]

LEARNED = ("history_", "n_epochs_", "best_epoch_", "best_score_", "stop_reason_")
NO_MEMORY = ("allocate memory", "out of memory", "Storage size")  # in torch's messages


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
    chooses : bool
        Whether validation sessions choose the epoch, or are only measured.
    restores : bool
        Whether a run that diverges goes back to its last epoch.
    """

    train: Sessions
    valid: Sessions | None
    seed: int
    epochs: int
    previous: Any = None
    stage: str | None = None
    chooses: bool = True
    restores: bool = True


def fit_network(estimator: Any, run: TrainingRun) -> tuple[SessionEncoder, dict[str, Any]]:
    """Encoder and learned attributes of a training run.

    Nothing is drawn from global random states, and no mode of torch that the caller has switched on
    reaches the training.

    Parameters
    ----------
    estimator : PromptedSessionRecommender
        Its parameters are read, it is not changed.
    run : TrainingRun

    Returns
    -------
    encoder : SessionEncoder
    outcome : dict
        As returned by :func:`train_network`, ``blend_`` and ``cold_scale_``.

    Raises
    ------
    ValueError
        If sessions lack an annotation or hold no example, the network is too large for the memory,
        or the previous model or the checkpoint does not go with the parameters.
    """
    device = resolve_device(estimator.device)
    check_gpus(device)
    give_back()
    encoder = _learn_encoder(estimator, run)
    with _modes_of_training(device), _memory_for(estimator, encoder):
        with SeededDraws(run.seed):
            network = _start_network(estimator, encoder, run)
        if run.previous is not None and run.stage is None and run.train.lengths.max() < 2:
            return encoder, _untrained(estimator, network.to(device), run.previous)
        train, valid = _data(estimator, encoder, network, run)
        clusters = clusters_of_items(estimator, encoder, network.backbone, run.train, run.seed)
        give_back()  # what graphs and clusters took
        outcome = train_network(
            network.to(device),
            replace(train, clusters=clusters, part_items=network.backbone.part_items),
            valid,
            TrainingPlan.of(estimator, run.epochs),
            seed=run.seed,
            chooses=run.chooses,
            restores=run.restores,
            title=run.stage or "",
            **_checkpoint(estimator, run),
        )
        outcome["blend_"] = _blend(estimator, run, outcome, valid)
        outcome["cold_scale_"] = _cold_scale(estimator, run, encoder, outcome)
    return encoder, outcome


def _blend(
    estimator: Any, run: TrainingRun, outcome: dict[str, Any], valid: PrefixData | None
) -> Blend | None:
    """Weights of the sessions' own items, learned on validation prefixes or taken over."""
    if estimator.repeats is None:
        return None
    if valid is not None and outcome["stop_reason_"] != "interrupted":
        network = outcome["net_"].network
        return learn_blend(held_out_scores(network, valid, estimator.batch_size))
    return getattr(run.previous, "blend_", None)


def _cold_scale(
    estimator: Any, run: TrainingRun, encoder: SessionEncoder, outcome: dict[str, Any]
) -> float:
    """Length of cold items as candidates, learned on validation sessions or taken over."""
    if run.valid is not None and outcome["stop_reason_"] != "interrupted":
        return learned_cold_scale(estimator, encoder, outcome["net_"], run.valid, run.seed)
    return getattr(run.previous, "cold_scale_", 1.0)


@contextmanager
def _modes_of_training(device: torch.device) -> Iterator[None]:
    """Context in which gradients are on, and numbers exact."""
    with torch.inference_mode(False), torch.enable_grad(), exact(device):
        yield


@contextmanager
def _memory_for(estimator: Any, encoder: SessionEncoder) -> Iterator[None]:
    """Context in which a network that finds no memory is a ValueError."""
    try:
        yield
    except (MemoryError, RuntimeError, OverflowError) as error:
        text = str(error)
        if isinstance(error, RuntimeError) and not any(word in text for word in NO_MEMORY):
            raise
        raise ValueError(
            f"there is no memory for a network of {encoder.n_items:,} items, "
            f"dim={estimator.dim}, backbone_params={estimator.backbone_params} and "
            f"batch_size={estimator.batch_size}; give smaller numbers."
        ) from error


def _data(
    estimator: Any, encoder: SessionEncoder, network: SessionNetwork, run: TrainingRun
) -> tuple[PrefixData, PrefixData | None]:
    """Prefixes to train on, and those to validate on, if there are any."""
    one_pass = one_pass_of(estimator, network)
    max_length = estimator.max_length
    train = training_prefixes(run.train, encoder, max_length, one_pass)
    _check_targets(len(train), run.train, "X")
    if estimator.recency is not None and run.stage is not None:
        weights = recency_weights(run.train, train.examples, estimator.recency)
        train = replace(train, weights=weights)
    if run.valid is None:
        return train, None
    valid = _examples(run.valid, encoder, max_length, one_pass, "validation sessions")
    if estimator.validation_size is not None:
        valid = sampled_prefixes(valid, estimator.validation_size, run.seed)
    return train, valid


def _untrained(estimator: Any, network: SessionNetwork, previous: Any) -> dict[str, Any]:
    """Learned attributes of a network that has new items and no example of what follows them."""
    learned = {name: getattr(previous, name) for name in LEARNED}
    learned["blend_"] = previous.blend_
    learned["cold_scale_"] = previous.cold_scale_
    return {**learned, "net_": build_net(network, TrainingPlan.of(estimator))}


def _learn_encoder(estimator: Any, run: TrainingRun) -> SessionEncoder:
    if not run.train.n_events:
        raise ValueError(
            "X has no events, so there is nothing to learn from; give sessions of two events or "
            "more."
        )
    prompts = check_prompts(estimator.prompts)
    if run.previous is None:
        return SessionEncoder.learn(run.train, prompts)
    return run.previous.encoder_.grow(run.train, prompts)


def _start_network(estimator: Any, encoder: SessionEncoder, run: TrainingRun) -> SessionNetwork:
    """A network with the weights from which training starts."""
    network = build_network(estimator, encoder)
    _check_positions(estimator, network)
    codes = encoder.known_codes(run.train)  # (n_events,)
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


def _check_positions(estimator: Any, network: SessionNetwork) -> None:
    """Raise a ValueError if windows may be longer than the backbone has positions for."""
    n_positions = getattr(network.backbone, "n_positions", None)
    if n_positions is not None and n_positions < estimator.max_length:
        raise ValueError(
            f"max_length={estimator.max_length} is more than the {n_positions} positions of "
            f"backbone={estimator.backbone!r}; set max_length={n_positions}, or "
            f"backbone_params={{'n_positions': {estimator.max_length}}}."
        )


def _examples(
    sessions: Sessions, encoder: SessionEncoder, max_length: int, one_pass: bool | str, name: str
) -> PrefixData:
    """Prefixes of validation sessions."""
    targets = NextItemTargets.of(sessions, encoder)
    _check_targets(len(targets.rows), sessions, name)
    return prefix_data(targets, encoder, max_length, one_pass)[0]


def _check_targets(n: int, sessions: Sessions, name: str) -> None:
    """Raise a ValueError if sessions have no targets."""
    if not n:
        raise ValueError(
            f"{name}: none of the {len(sessions)} sessions has {sessions.usable_if}, so there is "
            "no next item to learn from; give longer ones, or leave out sessions of a single event "
            "beforehand."
        )


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
