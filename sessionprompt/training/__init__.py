"""Training: the loop, what happens between epochs, optimizers."""

from __future__ import annotations

from .callbacks import (
    BestWeights,
    CheckpointFile,
    EndOfTraining,
    EpochTime,
    LinearDecay,
    ProgressBar,
    StopWhenOutOfPatience,
)
from .closing import closing_line
from .distributed import is_first, joined
from .extended import describing, without_cold_items
from .fit import TrainingRun, fit_network
from .gradients import add_up
from .identity import fit_identity
from .loop import TrainingPlan, build_net, train_network
from .net import SessionNet
from .optimizers import RowAdam
from .stages import Fitted, fit_stages, learn_on
from .validation import held_out

__all__ = [
    "BestWeights",
    "CheckpointFile",
    "EndOfTraining",
    "EpochTime",
    "Fitted",
    "LinearDecay",
    "ProgressBar",
    "RowAdam",
    "SessionNet",
    "StopWhenOutOfPatience",
    "TrainingPlan",
    "TrainingRun",
    "add_up",
    "build_net",
    "closing_line",
    "describing",
    "fit_identity",
    "fit_network",
    "fit_stages",
    "held_out",
    "is_first",
    "joined",
    "learn_on",
    "train_network",
    "without_cold_items",
]
