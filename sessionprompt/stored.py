"""What a file holds of a fitted recommender, and the recommender that it describes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ._checks import check_count, check_number, is_integer, is_number
from ._parameters import check_parameters, seed_of
from .blending import Blend
from .encoding import SessionEncoder
from .network import check_learned, check_registered, registered_name, stored_network
from .storage import ArrayStore, from_json, pack, pack_params, to_json, unpack, unpack_params

__all__ = ["pack_own_params", "pack_recommender", "unpack_own_params", "unpack_recommender"]

LEARNED = ("history_", "n_epochs_", "best_epoch_", "best_score_", "stop_reason_")
# what a process decides and no file: code, devices, folders
OF_PROCESS = {"net_params": None, "device": "auto", "checkpoint_dir": None, "verbose": 0}


def pack_recommender(model: Any, store: ArrayStore) -> dict[str, Any]:
    """Description of a fitted recommender in terms of JSON.

    Parameters
    ----------
    model : PromptedSessionRecommender
    store : ArrayStore
        Takes ids, labels and weights.
    """
    packed = pack_own_params(model)
    if model.net_params:
        warnings.warn(
            "net_params are not stored: they say how to learn and nothing about the model; "
            "where it is to learn on, use set_params(net_params=...) after loading.",
            stacklevel=3,
        )
    fitted = model.encoder_._pack(store)
    for name in LEARNED:
        fitted[name] = to_json(getattr(model, name), name)
    if model.validation_ is not None:
        fitted["validation_"] = to_json(model.validation_, "validation_")
    if model.blend_ is not None:
        fitted["blend_"] = model.blend_.to_dict()
    if model.cold_items is not None:
        fitted["cold_scale_"] = model.cold_scale_
    store.put_weights(model.network_.state_dict())
    annotator = pack(model.annotator_, store.compartment(0))
    return {"params": packed, "fitted": fitted, "annotator": annotator}


def pack_own_params(model: Any) -> dict[str, Any]:
    """Parameters of a recommender in terms of JSON; a TypeError if one cannot be stored."""
    params = model.get_params(deep=False)
    params["backbone"] = registered_name(model.backbone)
    return pack_params(params, OF_PROCESS)


def unpack_own_params(packed: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a recommender from terms of JSON."""
    return unpack_params(packed, OF_PROCESS)


def unpack_recommender(
    model: Any, packed: Mapping[str, Any], store: ArrayStore
) -> tuple[SessionEncoder, dict[str, Any]]:
    """Encoder and learned attributes of a recommender that was packed.

    Parameters
    ----------
    model : PromptedSessionRecommender
        Has the parameters that were packed.
    packed : mapping
    store : ArrayStore

    Raises
    ------
    ValueError
        If a part does not fit, or is none that training leaves.
    """
    from .training import TrainingPlan, build_net  # skorch is slow to import

    check_registered(model.backbone)
    check_parameters(model)
    seed_of(model.random_state)
    fitted = packed["fitted"]
    encoder = SessionEncoder._unpack(fitted, store)
    network = stored_network(model, encoder, store.own_weights())
    weights = store.take_weights(network.state_dict())
    network.to(weights["items"].dtype).load_state_dict(weights)
    check_learned(network)
    learned = {name: from_json(fitted[name]) for name in LEARNED}
    learned["validation_"] = from_json(fitted.get("validation_"))  # older files have none
    _check_history(learned)
    learned["blend_"] = None
    if "blend_" in fitted:
        learned["blend_"] = Blend.from_dict(fitted["blend_"])
    learned["cold_scale_"] = fitted.get("cold_scale_", 1.0)
    check_number("cold_scale_", learned["cold_scale_"], lambda scale: scale > 0, "above 0")
    learned["net_"] = build_net(network, TrainingPlan.of(model))
    learned["annotator_"] = unpack(packed.get("annotator"), store.compartment(0), None)
    return encoder, learned


def _check_history(learned: Mapping[str, Any]) -> None:
    """Raise a ValueError unless attributes are such as training leaves.

    Parameters
    ----------
    learned : mapping of str to object
        Holds ``history_``, ``n_epochs_``, ``best_epoch_``, ``best_score_``, ``stop_reason_`` and
        ``validation_``.
    """
    check_count("n_epochs_", learned["n_epochs_"], 0)
    check_count("best_epoch_", learned["best_epoch_"], 0)
    if not is_number(learned["best_score_"]):
        raise ValueError(f"best_score_={learned['best_score_']!r} must be a number.")
    reason = learned["stop_reason_"]
    if not isinstance(reason, str) or not reason.isidentifier():
        raise ValueError(f"stop_reason_={reason!r} must be the name of a reason.")
    history = learned["history_"]
    if not isinstance(history, list) or not all(map(_is_epoch, history)):
        raise ValueError("history_ must be a list of one dict of numbers for each epoch.")
    facts = learned["validation_"]
    if facts is not None and not _are_numbers(facts):
        raise ValueError(f"validation_={facts!r} must be a dict of numbers, or None.")


def _is_epoch(row: Any) -> bool:
    """Whether a value is a row of a history: names and numbers, with the number of the epoch."""
    return _are_numbers(row) and is_integer(row.get("epoch")) and row["epoch"] >= 1


def _are_numbers(row: Any) -> bool:
    """Whether a value is a dict of names and numbers."""
    if not isinstance(row, dict):
        return False
    return all(isinstance(name, str) and is_number(value) for name, value in row.items())
