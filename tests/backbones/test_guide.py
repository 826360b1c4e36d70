"""The guide for authors runs as it stands."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sessionprompt import PromptedSessionRecommender, load
from sessionprompt.backbones import BACKBONES
from sessionprompt.testing import check_session_estimator

GUIDE = Path(__file__).parents[2] / "docs" / "add-a-backbone.md"


@pytest.fixture(scope="module")
def names() -> Any:
    """What the code of the guide defines, as a module that pickle can find."""
    module = sys.modules["guide"] = ModuleType("guide")
    exec("".join(re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)), vars(module))
    yield vars(module)
    del sys.modules["guide"], BACKBONES["recency"]


def test_the_example_is_saved_and_loaded_by_its_name(names, tmp_path):
    names["named"].save(tmp_path / "model")
    again = load(tmp_path / "model")
    sessions = names["sessions"]
    assert (again.predict(sessions, k=3) == names["named"].predict(sessions, k=3)).all()


@pytest.mark.usefixtures("names")
def test_the_example_is_a_good_estimator():
    check_session_estimator(
        PromptedSessionRecommender(
            "recency", prompts=("cluster",), dim=4, max_epochs=1, random_state=0
        )
    )
