"""Sessions to try things on: synthetic worlds whose answers are known, and the field's preparations of public logs."""

from __future__ import annotations

from ._diginetica import load_diginetica
from ._fetch import fetch
from ._globo import load_globo
from ._lastfm import load_lastfm
from ._parquet import load_parquet
from ._protocol import Split, paper_filter, split_protocol
from ._reddit import load_reddit
from ._retailrocket import load_retailrocket
from ._synthetic import make_events, make_sessions
from ._xing import load_xing
from ._yoochoose import load_yoochoose

__all__ = [
    "Split",
    "fetch",
    "load_diginetica",
    "load_globo",
    "load_lastfm",
    "load_parquet",
    "load_reddit",
    "load_retailrocket",
    "load_xing",
    "load_yoochoose",
    "make_events",
    "make_sessions",
    "paper_filter",
    "split_protocol",
]
