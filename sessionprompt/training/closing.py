"""The line that ends a fit: epochs, the best of them, its metric, seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from .callbacks import duration

__all__ = ["closing_line"]

ENDINGS = {
    "patience": "stopped out of patience",
    "interrupted": "interrupted",
    "diverged": "ended as it diverged",
    "callback": "ended by a callback",
}


def closing_line(model: Any, seconds: float) -> str:
    """Line on a model that was just fitted.

    Parameters
    ----------
    model : PromptedSessionRecommender
    seconds : float
        That the whole fit took, with all its stages.

    Returns
    -------
    str
        Such as ``5 epochs in 12 s, best epoch 4: mrr@5 0.2154``.
    """
    unit = "epochs"
    if model.n_epochs_ == 1:
        unit = "epoch"
    line = f"{model.n_epochs_} {unit} in {duration(seconds)}"
    if model.stop_reason_ in ENDINGS:
        line += f", {ENDINGS[model.stop_reason_]}"
    if np.isfinite(model.best_score_):
        line += f", best epoch {model.best_epoch_}: {model.monitor} {model.best_score_:.4f}"
    return line
