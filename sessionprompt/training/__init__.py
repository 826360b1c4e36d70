"""Training: the loop, what happens between epochs, optimizers."""

from __future__ import annotations

from .callbacks import (
    BestWeights,
    CheckpointFile,
    LinearDecay,
    ProgressBar,
    StopWhenOutOfPatience,
)
from .fit import TrainingRun, fit_network
from .identity import fit_identity
from .loop import SessionNet, TrainingPlan, build_net, train_network
from .optimizers import RowAdam

__all__ = [
    "BestWeights",
    "CheckpointFile",
    "LinearDecay",
    "ProgressBar",
    "RowAdam",
    "SessionNet",
    "StopWhenOutOfPatience",
    "TrainingPlan",
    "TrainingRun",
    "build_net",
    "fit_identity",
    "fit_network",
    "train_network",
]
