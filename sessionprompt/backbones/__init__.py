"""Session models by name; a new one is a file here and a line in `BACKBONES`."""

from __future__ import annotations

from ._base import Backbone
from ._layers import unit
from .gru4rec import GRU4Rec
from .narm import NARM

__all__ = ["BACKBONES", "NARM", "Backbone", "GRU4Rec", "unit"]

BACKBONES: dict[str, type[Backbone]] = {"gru4rec": GRU4Rec, "narm": NARM}
