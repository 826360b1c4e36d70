"""Fixtures for all tests: the folder of real logs, and two worlds whose answers are known."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from sessionprompt.sessions import Sessions

if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores already
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real logs."""
    folder = os.environ.get("SESSIONPROMPT_DATA")
    if not folder:
        pytest.skip("needs real logs: set SESSIONPROMPT_DATA to the folder that holds them")
    if not Path(folder).is_dir():
        pytest.fail(f"SESSIONPROMPT_DATA={folder} is no folder")
    return Path(folder)


@pytest.fixture(scope="session")
def ring() -> Sessions:
    """120 sessions over 12 items in which i is always followed by i + 1, and the last item by the first."""
    lengths = np.random.default_rng(0).integers(2, 7, size=120).tolist()
    lists = [
        [(start + step) % 12 for step in range(length)] for start, length in enumerate(lengths)
    ]
    return Sessions.from_lists(lists, times=np.arange(120))


@pytest.fixture(scope="session")
def dice() -> Sessions:
    """120 sessions of uniform noise over 12 items."""
    rng = np.random.default_rng(0)
    lists = [rng.integers(12, size=length).tolist() for length in rng.integers(2, 7, size=120)]
    return Sessions.from_lists(lists, times=np.arange(120))
