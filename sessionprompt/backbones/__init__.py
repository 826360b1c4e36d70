"""Session models by name; a new one is a file here and a line in `BACKBONES`."""

from __future__ import annotations

from ..scoring import TargetAttention
from ._base import Backbone
from ._rows import row_sums, unit, unit_sum
from .core import CORE
from .gcegnn import GCEGNN
from .gcsan import GCSAN
from .gru4rec import GRU4Rec
from .lessr import LESSR
from .narm import NARM
from .sasrec import SASRec
from .srgnn import SRGNN
from .stamp import STAMP
from .tagnn import TAGNN

__all__ = [
    "BACKBONES",
    "CORE",
    "GCEGNN",
    "GCSAN",
    "LESSR",
    "NARM",
    "SRGNN",
    "STAMP",
    "TAGNN",
    "Backbone",
    "GRU4Rec",
    "SASRec",
    "TargetAttention",
    "row_sums",
    "unit",
    "unit_sum",
]

BACKBONES: dict[str, type[Backbone]] = {
    "gru4rec": GRU4Rec,
    "narm": NARM,
    "stamp": STAMP,
    "core": CORE,
    "srgnn": SRGNN,
    "tagnn": TAGNN,
    "gcsan": GCSAN,
    "gcegnn": GCEGNN,
    "lessr": LESSR,
    "sasrec": SASRec,
}
