"""Networks from the recommender's parameters and what its encoder has learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .._checks import check_choice
from ..backbones import BACKBONES
from ..encoding import SessionEncoder
from .network import SessionNetwork
from .prompts import PromptBlend

__all__ = [
    "build_network",
    "check_learned",
    "check_registered",
    "one_pass_of",
    "registered_name",
    "resolve_backbone",
    "resolve_device",
    "stored_network",
]

LIBRARY = "sessionprompt."
CALLS = 1000  # of torch while a network is built; the ten backbones take some 10 for each weight
CALLS_PER_WEIGHT = 100


def build_network(params: Any, encoder: SessionEncoder) -> SessionNetwork:
    """Network with fresh weights, drawn as torch draws in the running context.

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
        encoder.attributes.features,
        withheld_share(params),
    )


def withheld_share(params: Any) -> float:
    """Share of the items whose own vectors a step of training does without."""
    if params.cold_items is None:
        return 0.0
    return params.withhold


def check_registered(backbone: Any) -> None:
    """Raise a ValueError unless a backbone, as a file names it, is known here.

    Parameters
    ----------
    backbone : object
    """
    if not isinstance(backbone, str) or backbone not in BACKBONES:
        raise ValueError(
            f"the backbone {backbone!r} is not known here; name its class in "
            "sessionprompt.backbones.BACKBONES before loading."
        )


def stored_network(
    params: Any, encoder: SessionEncoder, weights: Mapping[str, Tensor]
) -> SessionNetwork:
    """Network with room for weights that are known; the global random state stays as it is.

    Nothing larger than those weights is made: the parameters of a file are compared with the shapes
    of its weights on torch's device "meta", which has no memory, before the network is built.

    Parameters
    ----------
    params : object
        Has the recommender's parameters as attributes. Its backbone is a name.
    encoder : SessionEncoder
    weights : mapping of str to Tensor

    Returns
    -------
    SessionNetwork

    Raises
    ------
    ValueError
        If the parameters ask for other shapes than the weights have.
    """
    limit = CALLS + CALLS_PER_WEIGHT * len(weights)
    own = BACKBONES[params.backbone].__module__.startswith(LIBRARY)
    if own:
        with torch.device("meta"), CallLimit(limit):
            outline = build_network(params, encoder)
        _check_shapes(outline, weights)
    with torch.random.fork_rng(devices=[]), CallLimit(limit):
        network = build_network(params, encoder)
    if own:
        _take_precomputed(network, weights)
    else:
        no_events = np.empty(0, np.int32)
        no_sessions = np.zeros(1, np.int64)
        network.backbone.precompute(no_events, no_sessions, encoder.n_items)
    return network


class CallLimit(TorchFunctionMode):
    """Mode of a thread in which torch refuses more than a number of calls.

    The parameters of a file may ask for a thousand million layers.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.left = limit
        self.grad_enabled = torch.is_grad_enabled()

    def __exit__(self, *exception: Any) -> None:
        """End of the mode; a refused call may have been the one that ends a ``no_grad``."""
        super().__exit__(*exception)
        torch.set_grad_enabled(self.grad_enabled)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Result of a call, counted."""
        self.left -= 1
        if self.left < 0:
            raise ValueError("the parameters ask for more layers than model.safetensors holds.")
        return func(*args, **(kwargs or {}))


def _check_shapes(outline: SessionNetwork, weights: Mapping[str, Tensor]) -> None:
    """Raise a ValueError if a weight has another shape than parameters ask for."""
    free = {f"backbone.{name}" for name in outline.backbone.precomputed}
    for name, expected in outline.state_dict().items():
        found = weights.get(name, expected)  # what is missing is said later
        first = int(name in free)  # precomputed buffers have rows of their own
        if found.shape[first:] != expected.shape[first:]:
            raise ValueError(
                f"model.safetensors: {name!r} is {found.dtype} of shape {tuple(found.shape)}; the "
                f"parameters ask for {expected.dtype} of shape {tuple(expected.shape)}."
            )


def _take_precomputed(network: SessionNetwork, weights: Mapping[str, Tensor]) -> None:
    """Give buffers that training sessions fill the number of rows that they have in a file."""
    backbone = network.backbone
    for name in backbone.precomputed:
        buffer = getattr(backbone, name)
        n_rows = len(weights.get(f"backbone.{name}", buffer))
        setattr(backbone, name, buffer.new_zeros(n_rows, *buffer.shape[1:]))


def check_learned(network: SessionNetwork) -> None:
    """Raise a ValueError if a network holds weights that no training leaves.

    Parameters
    ----------
    network : SessionNetwork
    """
    if (network.popularity < 0).any():
        raise ValueError("model.safetensors: 'popularity' must be 0 or more.")
    for name, buffer in network.named_buffers():
        if name.endswith("running_var") and (buffer < 0).any():
            raise ValueError(f"model.safetensors: {name!r} is a variance and must be 0 or more.")
    network.backbone.check_precomputed(len(network.items))


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
        If it is no device, or not there, or holds no numbers.
    """
    if device == "auto":
        return _best_device()
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is no torch device; try 'auto', 'cpu' or 'cuda'."
        ) from error
    if resolved.type == "meta":
        raise ValueError("device='meta' holds no numbers; use device='cpu' or 'auto'.")
    try:
        torch.empty(1, device=resolved)
    except Exception as error:  # each kind of device has errors of its own
        raise ValueError(
            f"device={device!r} is not available on this machine; use device='cpu' or 'auto'."
        ) from error
    return resolved


def _best_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("cpu")
