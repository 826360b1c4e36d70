"""Fixtures for all tests, and lines that say which tests this machine cannot run, and why."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from pathlib import Path

# threads of several test processes only wait for each other; read when NumPy and torch are imported
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pytest
import torch

from sessionprompt.kernels import float32_lanes, obstacle
from sessionprompt.sessions import Sessions


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collection without a search for garbage: nearly all it makes stays until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()  # the searches of the tests pass over it
        gc.enable()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """What tests need beyond the package and whether it is here, below the reasons of skips."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    expression = config.getoption("markexpr")
    terminalreporter.section("what this run could test")
    terminalreporter.line(f"kernels in bfloat16: {obstacle(torch.device('cpu')) or 'in use'}")
    terminalreporter.line(f"kernels in float32: {float32_kernels()}")
    terminalreporter.line(f"real logs: {real_logs()}")
    terminalreporter.line(f"GPU: {gpu()}")
    terminalreporter.line(f"skipped: {skipped}, each with its reason in a line that starts SKIPPED")
    if expression:
        terminalreporter.line(f"not run: tests other than -m {expression!r}")


def float32_kernels() -> str:
    """Whether they are in use, and on what registers."""
    lanes = float32_lanes()
    if not lanes:
        return "not built, or none for this processor"
    return f"in use, {lanes} numbers in a register"


def real_logs() -> str:
    """Where the folder of real logs is, or how to name one."""
    folder = os.environ.get("SESSIONPROMPT_DATA")
    if not folder:
        return "none, and the tests on them are skipped; SESSIONPROMPT_DATA names their folder"
    if not Path(folder).is_dir():
        return f"SESSIONPROMPT_DATA={folder} is no folder"
    return f"in the folder of SESSIONPROMPT_DATA, {Path(folder).name}"


def gpu() -> str:
    """Name of the GPU that tests can use, or why there is none."""
    if torch.version.cuda is None:
        return "none: this build of torch is for the CPU"
    if not torch.cuda.is_available():
        return "none that torch can use"
    return torch.cuda.get_device_name()


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
    """120 sessions over 12 items, each always followed by the next one, the last by the first."""
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
