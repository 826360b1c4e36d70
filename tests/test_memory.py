"""What training asks of the heap, and that it is put back."""

from __future__ import annotations

import pytest

from sessionprompt.training import memory as _memory
from sessionprompt.training import spare_kept


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """What the heap is told."""
    told: list[tuple[int, ...]] = []
    monkeypatch.setattr(_memory, "_set", lambda *call: told.append(call))
    monkeypatch.setattr(_memory, "_trim", lambda *call: told.append(call))
    return told


def test_spare_memory_is_kept_within_and_given_back_after(calls: list[tuple[int, ...]]) -> None:
    with spare_kept():
        assert calls == [(_memory.MMAP_THRESHOLD, 32 << 20), (_memory.TRIM_THRESHOLD, 128 << 20)]
        calls.clear()
    assert calls == [(_memory.TRIM_THRESHOLD, 64 << 20), (0,)]


def test_it_is_given_back_after_an_error_too(calls: list[tuple[int, ...]]) -> None:
    with pytest.raises(KeyboardInterrupt), spare_kept():
        raise KeyboardInterrupt
    assert calls[-1] == (0,)


def test_other_heaps_are_left_alone(
    calls: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_memory, "_set", None)
    with spare_kept():
        pass
    assert calls == []
