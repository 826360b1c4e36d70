"""Command ``serve`` with an index that is built, saved and opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("faiss")

from sessionprompt import PromptedSessionRecommender, serving
from sessionprompt.cli import main
from sessionprompt.datasets import make_sessions

WORLD = make_sessions(60, n_items=20, n_clusters=2, random_state=0)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("served")
    for seed in (0, 1):
        model = PromptedSessionRecommender(
            prompts=(), dim=4, max_epochs=1, refit=False, init="normal", random_state=seed
        )
        model.fit(WORLD).save(folder / f"model-{seed}.zip")
    return str(folder)


@pytest.fixture
def indexes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Indexes that servers are given."""
    given: list[Any] = []
    monkeypatch.setattr(serving, "serve", lambda model, index, **others: given.append(index))
    return given


def test_an_index_is_built_once_and_opened_later(
    saved: str, indexes: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "index"
    command = ["serve", f"{saved}/model-0.zip", "--index", str(folder)]
    assert main(command) == 0
    assert capsys.readouterr().out == "building an index of 20 items\n"
    assert sorted(file.name for file in folder.iterdir()) == ["graph.faiss", "index.json"]
    assert main(command) == 0
    assert capsys.readouterr().out == ""
    built, opened = (index.search(WORLD, k=3)[0] for index in indexes)
    assert (built == opened).all()
    command[1] = f"{saved}/model-1.zip"
    assert main(command) == 2
    assert "index of another model: its vectors" in capsys.readouterr().err
    assert len(indexes) == 2


def test_an_index_without_a_folder_is_built_at_every_start(
    saved: str, indexes: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", f"{saved}/model-0.zip", "--index"]) == 0
    assert main(["serve", f"{saved}/model-0.zip"]) == 0
    assert [index is None for index in indexes] == [False, True]
    assert "building" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_named_before_the_work(
    saved: str, indexes: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["serve", f"{saved}/model-0.zip", "--index", f"{tmp_path}/file/index"]) == 2
    printed = capsys.readouterr()
    assert "building" not in printed.out and "cannot be written" in printed.err
