"""Sessions: the container, how event tables are read, filters, spans of time, table files."""

from __future__ import annotations

from .columns import Describer
from .container import Sessions, as_sessions
from .event_attributes import EventAttribute
from .event_columns import read_ids
from .filters import FilterReport, Survivors
from .spans import span_seconds
from .tables import (
    check_writable,
    find_backend,
    loaded_backend,
    read_items,
    read_parquet,
    read_table,
    with_numbers,
    write_json_lines,
    write_table,
)
from .text import broken_line
from .times import read_times

__all__ = [
    "Describer",
    "EventAttribute",
    "FilterReport",
    "Sessions",
    "Survivors",
    "as_sessions",
    "broken_line",
    "check_writable",
    "find_backend",
    "loaded_backend",
    "read_ids",
    "read_items",
    "read_parquet",
    "read_table",
    "read_times",
    "span_seconds",
    "with_numbers",
    "write_json_lines",
    "write_table",
]
