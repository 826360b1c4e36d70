"""Training: the loop, what happens between epochs, optimizers."""

from __future__ import annotations

from .callbacks import (
    BestWeights,
    CheckpointFile,
    LinearDecay,
    ProgressBar,
    SpareMemory,
    StopWhenOutOfPatience,
)
from .fit import TrainingRun, fit_network
from .identity import fit_identity
from .loop import SessionNet, TrainingPlan, build_net, train_network
from .memory import give_back, resident, spare_kept
from .optimizers import RowAdam

__all__ = [
    "BestWeights",
    "CheckpointFile",
    "LinearDecay",
    "ProgressBar",
    "RowAdam",
    "SessionNet",
    "SpareMemory",
    "StopWhenOutOfPatience",
    "TrainingPlan",
    "TrainingRun",
    "build_net",
    "fit_identity",
    "fit_network",
    "give_back",
    "resident",
    "spare_kept",
    "train_network",
]
