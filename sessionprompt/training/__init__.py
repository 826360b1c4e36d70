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
    "build_net",
    "give_back",
    "resident",
    "spare_kept",
    "train_network",
]
