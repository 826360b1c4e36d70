"""Sessions with everything that they can have."""

from __future__ import annotations

import numpy as np
import pytest

from sessionprompt.sessions import Sessions


@pytest.fixture
def five() -> Sessions:
    """Five sessions, one of them empty, with everything a session can have."""
    lists = [["a", "b", "c"], ["b"], [], ["d", "a"], ["c", "c", "c", "a"]]
    made = Sessions.from_lists(lists, users=["u", "v", "u", "w", "v"], ids=[10, 11, 12, 13, 14])
    return Sessions(
        made.codes,
        made.offsets,
        made.vocabulary,
        users=made.users,
        ids=made.ids,
        event_times=np.arange(10) * 10,
        labels=np.arange(20).reshape(10, 2),
        target_start=[2, 1, 1, 1, 3],
    )
