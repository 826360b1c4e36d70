"""Sessions: the container, how event tables are read, filters, spans of time, table files."""

from __future__ import annotations

from .container import Sessions, as_sessions
from .filters import FilterReport, Survivors
from .spans import span_seconds
from .tables import check_writable, find_backend, read_frame, read_table, write_table

__all__ = [
    "FilterReport",
    "Sessions",
    "Survivors",
    "as_sessions",
    "check_writable",
    "find_backend",
    "read_frame",
    "read_table",
    "span_seconds",
    "write_table",
]
