"""Tables that leave the library: frames of pandas, polars or pyarrow, summaries, HTML."""

from __future__ import annotations

from .frames import BACKENDS, Backend, native_table
from .html import html_table
from .learned import LearnedHtml
from .summary import Summary
from .titles import Titles, titles_of

__all__ = [
    "BACKENDS",
    "Backend",
    "LearnedHtml",
    "Summary",
    "Titles",
    "html_table",
    "native_table",
    "titles_of",
]
