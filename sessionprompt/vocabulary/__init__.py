"""Ids of the outside world and the codes 0..n-1 that stand for them inside."""

from __future__ import annotations

from .distinct import distinct_values
from .ids import id_array
from .vocabulary import Vocabulary

__all__ = ["Vocabulary", "distinct_values", "id_array"]
