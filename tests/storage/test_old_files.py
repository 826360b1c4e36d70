"""Files of every format version so far load, and their models answer as they did.

Each archive in ``data/`` was written by the version that introduced its format; the JSON file
beside it holds the answers that the model gave then.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sessionprompt import Sessions, load

DATA = Path(__file__).parent / "data"
ARCHIVES = sorted(DATA.glob("*.zip"))


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.stem)
def test_a_model_of_an_older_version_answers_as_it_did(archive: Path, tmp_path: Path) -> None:
    expected = json.loads(archive.with_suffix(".json").read_text())
    sessions = Sessions.from_lists(expected["sessions"], users=expected["users"])
    model = load(archive)
    assert_answers(model, sessions, expected)
    model.save(tmp_path / "again")
    assert_answers(load(tmp_path / "again"), sessions, expected)


def assert_answers(model: Any, sessions: Sessions, expected: dict[str, Any]) -> None:
    items, scores = model.predict_topk(sessions, k=3, return_scores=True)
    assert items.tolist() == expected["items"]
    np.testing.assert_allclose(scores, expected["scores"], rtol=1e-4)


def test_there_are_old_files() -> None:
    assert {path.stem.rpartition("-")[2] for path in ARCHIVES} == {"1"}
