"""A trained network as an ONNX file: one session's item codes in, its best items out."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from .._checks import check_count, check_k
from ..blending import Blend
from ..network import SessionNetwork
from ..storage import write_atomically
from .scored import PADDING, UNKNOWN, ScoredSession
from .window import ItemsWereRead

__all__ = ["export_onnx"]

TALKATIVE = ("torch.onnx", "onnxscript", "onnx_ir")  # loggers
LONGEST = 100  # events; the table of the blend grows with the third power


def export_onnx(
    network: SessionNetwork,
    vectors: tuple[Tensor | None, Tensor],
    blend: Blend | None,
    ids: np.ndarray,
    path: str | os.PathLike[str],
    *,
    k: int,
    length: int,
) -> None:
    """Write a trained network as an ONNX file.

    Parameters
    ----------
    network : SessionNetwork
    vectors : (Tensor of shape (N, d) or None, Tensor of shape (N, d))
        All items as inputs and as candidates.
    blend : Blend or None
    ids : ndarray of shape (N,)
        Raw ids, kept in the file where JSON can write them.
    path : path
    k : int
    length : int
        Events of the longest session.

    Raises
    ------
    ImportError
        Without onnx and onnxscript.
    ValueError
        If the shapes of the network depend on what a session holds, or a number is out of bounds.
    """
    _check_installed()
    check_k(k, len(ids), "known items")
    check_count("length", length, high=LONGEST)
    backbone = network.backbone
    inputs, candidates = vectors
    if inputs is None:
        raise ValueError(
            "prompts of users and sessions depend on more than items, and have no place in an "
            "ONNX file; fit with prompts=() or ('cluster',)."
        )
    if backbone.causal is not True or backbone.needs_items:
        _refuse(network)
    module = ScoredSession(network, inputs.cpu(), candidates.cpu(), blend, length, k).cpu().eval()
    session = torch.full((length,), PADDING)  # (length,)
    session[0] = 0
    try:
        with torch.no_grad():
            module(session)
    except ItemsWereRead:
        _refuse(network)
    program = _exported(module, session)
    _write(program.model_proto, ids, path)


def _exported(module: ScoredSession, session: Tensor) -> Any:
    """Program that torch's exporter makes of a module, without what it says meanwhile."""
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in TALKATIVE:
            stack.enter_context(_silent(logging.getLogger(name)))
        return torch.onnx.export(
            module,
            (session,),
            input_names=["session"],
            output_names=["items", "scores"],
            dynamo=True,
            verbose=False,
        )


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Context in which a logger tells errors alone."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _write(model: Any, ids: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Write a model of ONNX with what its numbers mean."""
    about = {"padding": str(PADDING), "unknown": str(UNKNOWN)}
    if ids.dtype.kind in "iuf" or all(isinstance(id_, str) for id_ in ids):
        about["ids"] = json.dumps(ids.tolist())
    for key, value in about.items():
        entry = model.metadata_props.add()
        entry.key = key
        entry.value = value
    text = model.SerializeToString()
    write_atomically(path, lambda file: file.write(text))


def _refuse(network: SessionNetwork) -> NoReturn:
    raise ValueError(
        f"{type(network.backbone).__name__} makes shapes of what a session holds, which ONNX files "
        "cannot; fit gru4rec, narm, stamp, core or sasrec, or serve with `sessionprompt serve`."
    ) from None


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "an ONNX file needs onnx and onnxscript; install them with "
            "pip install 'sessionprompt[onnx]'."
        ) from error
