"""Networks from the recommender's parameters and what its encoder has learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .._checks import check_choice
from ..backbones import BACKBONES
from ..encoding import SessionEncoder
from .network import SessionNetwork
from .prompts import PromptBlend

__all__ = [
    "build_network",
    "empty_network",
    "one_pass_of",
    "registered_name",
    "resolve_backbone",
    "resolve_device",
]


def build_network(params: Any, encoder: SessionEncoder) -> SessionNetwork:
    """Network with fresh weights, drawn from torch's global random state.

    Parameters
    ----------
    params : object
        Has the recommender's parameters as attributes, such as the recommender itself.
    encoder : SessionEncoder

    Returns
    -------
    SessionNetwork
    """
    backbone_params = params.backbone_params or {}
    backbone = resolve_backbone(params.backbone)(params.dim, **backbone_params)
    sizes = encoder.prompt_sizes
    blend = None
    if sizes:
        blend = PromptBlend(params.dim, sizes, params.gate)
    codes = encoder.candidate_codes
    return SessionNetwork(
        backbone,
        encoder.n_items,
        {kind: torch.from_numpy(columns) for kind, columns in codes.items()},
        torch.from_numpy(encoder.item_counts).float(),
        blend,
        params.prompt_candidates,
        backbone.scoring or params.scoring,
        params.temperature,
    )


def empty_network(params: Any, encoder: SessionEncoder) -> SessionNetwork:
    """Network with room for weights that are known; the global random state stays as it is.

    Parameters
    ----------
    params : object
        Has the recommender's parameters as attributes. Its backbone is a name.
    encoder : SessionEncoder

    Returns
    -------
    SessionNetwork

    Raises
    ------
    ValueError
        If the backbone is not known.
    """
    if params.backbone not in BACKBONES:
        raise ValueError(
            f"the backbone {params.backbone!r} is not known here; name its class in "
            "sessionprompt.backbones.BACKBONES before loading."
        )
    with torch.random.fork_rng(devices=[]):
        network = build_network(params, encoder)
    no_events = np.empty(0, np.int32)
    no_sessions = np.zeros(1, np.int64)
    network.backbone.precompute(no_events, no_sessions, encoder.n_items)
    return network


def resolve_backbone(backbone: str | Callable[..., Any]) -> Any:
    """The class or factory that `backbone` names.

    Parameters
    ----------
    backbone : str or callable

    Returns
    -------
    callable

    Raises
    ------
    TypeError
        If it is a built module, whose weights `clone` would copy, or nothing that can be called.
    ValueError
        If it is a name that is not known.
    """
    if isinstance(backbone, str):
        check_choice("backbone", backbone, BACKBONES)
        return BACKBONES[backbone]
    if isinstance(backbone, torch.nn.Module):
        raise TypeError(
            f"backbone={type(backbone).__name__}(...) is an instance; pass the class, or a "
            "function that builds one, so that every fit starts from fresh weights."
        )
    if not callable(backbone):
        raise TypeError(
            f"backbone={backbone!r} must be a name of {sorted(BACKBONES)}, a class or a factory."
        )
    return backbone


def registered_name(backbone: str | Callable[..., Any]) -> str:
    """Name of a backbone in ``BACKBONES``.

    Parameters
    ----------
    backbone : str or callable

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If it is code without a name.
    """
    if isinstance(backbone, str):
        return backbone
    for name, known in BACKBONES.items():
        if backbone is known:
            return name
    raise TypeError(
        f"backbone={backbone!r} is code, and code cannot be stored; name it in "
        "sessionprompt.backbones.BACKBONES, here and where the model is loaded, or keep the "
        "state_dict() of network_ instead."
    )


def one_pass_of(params: Any, network: SessionNetwork) -> bool | str:
    """How one pass over a session serves all its prefixes, False where each is read anew.

    Parameters
    ----------
    params : object
        Has the recommender's parameters as attributes.
    network : SessionNetwork

    Returns
    -------
    bool or str
        As :func:`sessionprompt.encoding.prefix_examples` takes it.
    """
    return params.prefixes != "expanded" and network.backbone.one_pass


def resolve_device(device: str) -> torch.device:
    """The torch device that `device` names; "auto" is CUDA where there is one.

    Parameters
    ----------
    device : str

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If it is no device, or not there.
    """
    if device == "auto":
        return _best_device()
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is no torch device; try 'auto', 'cpu' or 'cuda'."
        ) from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={device!r} is not available on this machine; use device='cpu' or 'auto'."
        )
    return resolved


def _best_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("cpu")
