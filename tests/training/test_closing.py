"""The end of a fit as people see it: a whole bar, a line, what notebooks show."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from sessionprompt import PromptedSessionRecommender, make_session_pipeline
from sessionprompt.datasets import make_sessions
from sessionprompt.training import EpochTime, ProgressBar, closing_line

LOG = make_sessions(60, n_items=12, n_clusters=2, random_state=0)


def test_a_fit_ends_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    params: dict[str, Any] = {"prompts": (), "dim": 4, "max_epochs": 9, "patience": 1}
    model = PromptedSessionRecommender("stamp", lr=1e-9, random_state=0, verbose=1, **params)
    model.fit(LOG)
    [line] = capsys.readouterr().out.splitlines()
    pattern = r"2 epochs in [\d.]+ s, stopped out of patience, best epoch 1: mrr@5 0\.\d{4}"
    assert re.fullmatch(pattern, line)
    html = model._repr_mimebundle_()["text/html"]
    assert "best epoch" in html and "patience" in html
    assert "best epoch" not in PromptedSessionRecommender()._repr_html_()


def test_pipelines_show_what_their_steps_have_learned() -> None:
    pipeline = make_session_pipeline("stamp", dim=4, max_epochs=1, random_state=0).fit(LOG)
    html = pipeline._repr_html_()
    assert "clu: clusters" in html and "rec: items" in html


@pytest.mark.parametrize(
    ("reason", "score", "line"),
    [
        ("max_epochs", float("nan"), "3 epochs in 1.5 min"),
        ("diverged", 0.5, "3 epochs in 1.5 min, ended as it diverged, best epoch 2: mrr@5 0.5000"),
        ("callback", 0.5, "3 epochs in 1.5 min, ended by a callback, best epoch 2: mrr@5 0.5000"),
    ],
)
def test_lines_of_other_ends(reason: str, score: float, line: str) -> None:
    model = SimpleNamespace(
        n_epochs_=3, best_epoch_=2, best_score_=score, stop_reason_=reason, monitor="mrr@5"
    )
    assert closing_line(model, 90) == line


class Steps:
    """Data of as many prefixes as a bar has batches."""

    def __len__(self) -> int:
        return 10


@pytest.mark.parametrize("ended_by", [None, "patience", "interrupted", "diverged"])
def test_a_bar_ends_whole_unless_something_went_wrong(ended_by: str | None, capsys: Any) -> None:
    net = SimpleNamespace(history=[], max_epochs=12, batch_size=1, accumulate=1, ended_by_=ended_by)
    bar = ProgressBar("mrr@5", EpochTime())
    bar.on_train_begin(net, X=(Steps(), None))  # type: ignore[arg-type]
    bar.bar_.update(20)
    bar.on_train_end(net)  # type: ignore[arg-type]
    whole = ended_by in (None, "patience")
    assert bar.bar_.n == 20 and (bar.bar_.total == 20) == whole
    last = capsys.readouterr().err.rpartition("\r")[2]
    assert last.startswith("100%") == whole


def test_a_notebook_bar_ends_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ipywidgets", reason="bars of notebooks need ipywidgets")
    from tqdm.notebook import tqdm

    import sessionprompt.training.callbacks as callbacks

    monkeypatch.setattr(callbacks, "tqdm", tqdm)
    net = SimpleNamespace(
        history=[], max_epochs=12, batch_size=1, accumulate=1, ended_by_="patience"
    )
    bar = ProgressBar("mrr@5", EpochTime())
    bar.on_train_begin(net, X=(Steps(), None))  # type: ignore[arg-type]
    bar.bar_.update(20)
    bar.on_train_end(net)  # type: ignore[arg-type]
    widget = bar.bar_.container.children[1]
    assert (widget.value, widget.max, widget.bar_style) == (20, 20, "success")
