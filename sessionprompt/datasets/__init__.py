"""Synthetic sessions whose answers are known, and the usual preparations of public logs."""

from __future__ import annotations

from .diginetica import load_diginetica
from .download import fetch
from .globo import load_globo
from .lastfm import load_lastfm
from .paper import Split, paper_filter, split_protocol
from .parquet import load_parquet
from .reddit import load_reddit
from .retailrocket import load_retailrocket
from .synthetic import make_events, make_sessions
from .xing import load_xing
from .yoochoose import load_yoochoose

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
