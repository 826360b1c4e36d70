"""Parameters of published configurations, as in ``PromptedSessionRecommender(**PAPER)``."""

from __future__ import annotations

from typing import Any

__all__ = ["PAPER", "RELEASED_CODE"]

#: The configuration that the text of arXiv 2410.04756 describes: prompted inputs, raw candidates
#: scored by inner product, one scalar gate, early stopping on MRR@5 with a patience of 50 epochs.
#: Batch size and learning rate were tuned over {64, ..., 1024} and {.001, ..., .05}; the values
#: here are one point of that grid. What was selected is tested, without a refit.
PAPER: dict[str, Any] = {
    "prompts": ("cluster",),
    "gate": "scalar",
    "prompt_candidates": False,
    "scoring": "dot",
    "init": "normal",
    "monitor": "mrr@5",
    "patience": 50,
    "max_epochs": 500,
    "refit": False,
    "repeats": None,
    "loss": "full",
    "recency": None,
    "batch_size": 512,
    "lr": 0.001,
    "lr_schedule": "constant",
}

#: The choices of the code released with the paper, without its defects: two elementwise gates,
#: early stopping on MRR@10 after 11 epochs without a better one, at most 50 epochs, its batch size
#: and learning rate for Last.fm and Xing. Its protocol is
#: :func:`sessionprompt.model_selection.within_session_split`.
RELEASED_CODE: dict[str, Any] = {
    "prompts": ("cluster",),
    "gate": "elementwise",
    "prompt_candidates": False,
    "scoring": "dot",
    "init": "reference",
    "monitor": "mrr@10",
    "patience": 11,
    "max_epochs": 50,
    "refit": False,
    "repeats": None,
    "loss": "full",
    "recency": None,
    "batch_size": 256,
    "lr": 0.01,
    "lr_schedule": "constant",
}
