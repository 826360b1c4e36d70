"""Sessions: the container, how event tables are read, filters, table files."""

from __future__ import annotations

from .container import Sessions, as_sessions
from .events import Column, EventTable, gap_limit, read_events
from .filters import FilterReport, Survivors, run_filters
from .tables import check_writable, find_backend, read_frame, read_table, write_table

__all__ = [
    "Column",
    "EventTable",
    "FilterReport",
    "Sessions",
    "Survivors",
    "as_sessions",
    "check_writable",
    "find_backend",
    "gap_limit",
    "read_events",
    "read_frame",
    "read_table",
    "run_filters",
    "write_table",
]
