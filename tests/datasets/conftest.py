"""Each of the three libraries that can read a log."""

from __future__ import annotations

import pytest

from sessionprompt.sessions import tables as _tables


@pytest.fixture(params=_tables.BACKENDS)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the only library that is installed."""
    monkeypatch.setattr(_tables, "find_spec", lambda name: name if name == request.param else None)
    return request.param
