"""Callbacks of training: best weights, patience, checkpoints, interrupts, rates, progress bar."""

from __future__ import annotations

import errno
import io
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline as SklearnPipeline
from skorch.callbacks import Callback, EarlyStopping

from sessionprompt import ItemClusterer, PromptedSessionRecommender, Sessions
from sessionprompt.backbones import GRU4Rec
from sessionprompt.batches import generator_on
from sessionprompt.model_selection import temporal_train_test_split, within_session_split
from sessionprompt.pipeline import Pipeline
from sessionprompt.testing import tiny_world
from sessionprompt.training import BestWeights, CheckpointFile, SessionNet

WORLD = tiny_world(60)


def model_of(**params: Any) -> PromptedSessionRecommender:
    small = {
        "prompts": (),
        "backbone_params": {"hidden": 8},
        "dim": 8,
        "lr": 0.02,
        "lr_schedule": "constant",  # epochs do not depend on how many there will be
        "batch_size": 64,
        "max_epochs": 4,
        "patience": None,
        "refit": False,
        "repeats": None,  # what is measured in training is what the model serves
        "random_state": 0,
    }
    return PromptedSessionRecommender(**{**small, **params})


def weights(model: PromptedSessionRecommender) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.network_.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def monitored(model: PromptedSessionRecommender) -> list[float]:
    return [row[model.monitor] for row in model.history_]


# ---------------------------------------------------------------------- best weights and patience
def test_patience_ends_training_and_the_best_weights_stay(dice: Sessions) -> None:
    model = model_of(lr=0.1, max_epochs=30, patience=2).fit(dice)
    scores = monitored(model)
    assert model.stop_reason_ == "patience"
    assert model.best_epoch_ == 1 + int(np.argmax(scores)) == len(scores) - 2 == model.n_epochs_ - 2
    assert model.best_score_ == max(scores) > scores[-1]
    tail = temporal_train_test_split(dice)[1]
    assert model.evaluate(tail, metrics="mrr@5")["mrr@5"] == pytest.approx(model.best_score_)
    shorter = model_of(lr=0.1, max_epochs=model.best_epoch_, patience=2).fit(dice)
    assert same(weights(model), weights(shorter))


def test_without_patience_all_epochs_are_trained(dice: Sessions) -> None:
    model = model_of(lr=0.1, max_epochs=6).fit(dice)
    assert model.n_epochs_ == 6 and model.stop_reason_ == "max_epochs"
    assert model.best_score_ == max(monitored(model))
    tail = temporal_train_test_split(dice)[1]
    assert model.score(tail) == pytest.approx(model.best_score_)


@pytest.mark.parametrize("monitor", ["recall@3", "ndcg@10", "hr@1"])
def test_another_metric_can_be_watched(monitor: str) -> None:
    model = model_of(monitor=monitor).fit(WORLD)
    tail = temporal_train_test_split(WORLD)[1]
    assert model.evaluate(tail, metrics=monitor)[monitor] == pytest.approx(model.best_score_)


def test_history_tells_of_every_epoch() -> None:
    model = model_of().fit(WORLD)
    assert [row["epoch"] for row in model.history_] == [1, 2, 3, 4]
    for row in model.history_:
        assert set(row) == {"epoch", "train_loss", "valid_loss", "mrr@5", "n_valid", "dur"}
        assert all(type(value) in (int, float) and np.isfinite(value) for value in row.values())
    assert model.history_[-1]["train_loss"] < model.history_[0]["train_loss"]


def test_without_validation_the_last_weights_stay() -> None:
    model = model_of(validation_fraction=None, patience=1).fit(WORLD)
    assert model.n_epochs_ == model.best_epoch_ == 4
    assert np.isnan(model.best_score_) and model.stop_reason_ == "max_epochs"
    assert all(set(row) == {"epoch", "train_loss", "dur"} for row in model.history_)
    assert set(model.items_) == set(WORLD.vocabulary.ids[np.unique(WORLD.codes)])


def test_validation_sessions_may_be_given() -> None:
    train, valid = WORLD[:45], WORLD[45:]
    model = model_of().fit(train, X_val=valid)
    assert model.score(valid) == pytest.approx(model.best_score_)
    assert set(model.items_) == set(train.vocabulary.ids[np.unique(train.codes)])
    split_off = model_of(validation_fraction=0.25).fit(WORLD)
    assert same(weights(model), weights(split_off))


def test_validation_ranks_only_the_targets_it_is_for() -> None:
    train, valid, _ = within_session_split(WORLD)
    model = model_of(max_epochs=2).fit(train, X_val=valid)
    assert model.evaluate(valid, metrics="mrr@5")["mrr@5"] == pytest.approx(model.best_score_)
    assert len(model.ranks(valid).ranks) == (valid.lengths - valid.target_start).sum()


def test_validation_that_knows_nothing_chooses_nothing() -> None:
    with pytest.warns(UserWarning, match="0 of 2 targets .* too few to choose the epoch by mrr@5"):
        model = model_of(max_epochs=2).fit(WORLD, X_val=[["x", "y"], ["z", "x"]])
    assert monitored(model) == [0, 0] and all(np.isnan(row["valid_loss"]) for row in model.history_)
    assert model.best_epoch_ == 2 and np.isnan(model.best_score_)


def test_refit_trains_anew_on_everything(dice: Sessions) -> None:
    found = model_of(lr=0.1, max_epochs=20, patience=2).fit(dice)
    model = model_of(lr=0.1, max_epochs=20, patience=2, refit=True).fit(dice)
    expected = model_of(lr=0.1, max_epochs=found.best_epoch_, validation_fraction=None).fit(dice)
    assert same(weights(model), weights(expected))
    assert monitored(model) == monitored(found)
    for name in ("best_epoch_", "best_score_", "stop_reason_"):
        assert getattr(model, name) == getattr(found, name)


def test_weights_are_not_kept_twice() -> None:
    model = model_of().fit(WORLD)
    assert not model.net_.optimizer_.state
    assert all(getattr(callback, "weights_", None) is None for _, callback in model.net_.callbacks_)


# ---------------------------------------------------------------------- interrupts
def interrupt(
    monkeypatch: pytest.MonkeyPatch, epoch: int, error: type[BaseException] = KeyboardInterrupt
) -> None:
    """Raise in the second batch of an epoch of each net.

    A search in threads that was interrupted leaves fits that go on in the tests after it.
    """
    infer = SessionNet.infer
    calls = []

    def interrupted(self: SessionNet, x: Any, **kwargs: Any) -> Any:
        call = (self, len(self.history))
        calls.append(call)
        if call[1] == epoch and calls.count(call) >= 2:
            raise error
        return infer(self, x, **kwargs)

    monkeypatch.setattr(SessionNet, "infer", interrupted)


def interrupted(model: Any, X: Any = WORLD) -> Any:
    """A model whose fit was interrupted: the interrupt goes on, and what was learned stays."""
    with pytest.raises(KeyboardInterrupt) as stop:
        model.fit(X)
    model.message = str(stop.value)
    return model


def test_ctrl_c_keeps_the_best_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    one_epoch = model_of(max_epochs=1).fit(WORLD)
    interrupt(monkeypatch, epoch=2)
    model = interrupted(model_of())
    assert model.message == (
        "fit was interrupted after 1 epochs; the weights of epoch 1 are in use."
    )
    assert model.stop_reason_ == "interrupted" and model.n_epochs_ == model.best_epoch_ == 1
    assert same(weights(model), weights(one_epoch))
    assert model.predict([WORLD[0]], k=3).shape == (1, 3)


def test_ctrl_c_in_the_first_epoch_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, epoch=1)
    model = interrupted(model_of())
    assert model.message.endswith("after 0 epochs; the model is hardly trained.")
    assert model.stop_reason_ == "interrupted" and model.n_epochs_ == 0 and model.history_ == []
    assert np.isnan(model.best_score_)
    assert model.predict([WORLD[0]], k=3).shape == (1, 3)


@pytest.mark.parametrize("refit", [False, True])
def test_ctrl_c_in_the_selection_starts_no_refit(
    refit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_epoch = model_of(max_epochs=1).fit(WORLD)
    interrupt(monkeypatch, epoch=2)
    assert same(weights(interrupted(model_of(refit=refit))), weights(one_epoch))


def test_ctrl_c_in_the_refit_leaves_the_selected_model(monkeypatch: pytest.MonkeyPatch) -> None:
    selected = model_of().fit(WORLD)
    train = SessionNet.partial_fit

    def stopped(self: SessionNet, X: Any, *args: Any, **kwargs: Any) -> Any:
        train(self, X, *args, **kwargs)
        if X[1] is None:
            self.callbacks[0].stop_reason_ = "interrupted"
        return self

    monkeypatch.setattr(SessionNet, "partial_fit", stopped)
    model = interrupted(model_of(refit=True))
    assert same(weights(model), weights(selected)) and model.stop_reason_ == "interrupted"
    assert monitored(model) == monitored(selected)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_ctrl_c_ends_a_search(n_jobs: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, epoch=2)
    search = GridSearchCV(model_of(), {"lr": [0.01, 0.02]}, cv=2, error_score=0, n_jobs=n_jobs)
    with parallel_config("threading"), pytest.raises(KeyboardInterrupt):
        search.fit(WORLD)
    assert not hasattr(search, "cv_results_")


@pytest.mark.parametrize("kind", [Pipeline, SklearnPipeline])
def test_ctrl_c_ends_a_pipeline_and_leaves_it_fitted(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, epoch=2)
    steps = [("clu", ItemClusterer(random_state=0)), ("rec", model_of(prompts=("cluster",)))]
    model = interrupted(kind(steps))
    assert "after 1 epochs" in model.message
    assert model.predict(WORLD[:1], k=3).shape == (1, 3)


def test_early_stopping_of_skorch_is_no_interrupt() -> None:
    early = EarlyStopping(monitor="mrr@5", lower_is_better=False, patience=1, threshold=1)
    model = model_of(net_params={"callbacks": [early]}).fit(WORLD)
    assert model.stop_reason_ == "callback" and model.n_epochs_ < 4


def test_other_errors_are_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, epoch=2, error=ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        model_of().fit(WORLD)


# ---------------------------------------------------------------------- checkpoints
class Killed(Exception):
    pass


def kill_after(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """End the process, as it were, once the checkpoint of an epoch is on disk."""
    write = CheckpointFile.on_epoch_end

    def killed(self: CheckpointFile, net: SessionNet, **kwargs: Any) -> None:
        write(self, net, **kwargs)
        if len(net.history) == epoch:
            raise Killed

    monkeypatch.setattr(CheckpointFile, "on_epoch_end", killed)


KILLED = {
    "between epochs": {"weight_decay": 0.01},
    "within an epoch": {"weight_decay": 0.01},
    "with patience": {"lr": 0.1, "max_epochs": 20, "patience": 2},
    "with a falling rate": {"lr_schedule": "linear"},
    "with a sample": {"n_negatives": 4, "weight_decay": 0.01},
}


@pytest.mark.parametrize("when", sorted(KILLED))
def test_a_killed_fit_goes_on_as_if_nothing_had_happened(
    when: str, tmp_path: Path, dice: Sessions
) -> None:
    params = KILLED[when]
    X = WORLD
    if when == "with patience":
        X = dice
    unbroken = model_of(**params).fit(X)
    with pytest.MonkeyPatch.context() as patch:
        if when == "within an epoch":
            interrupt(patch, 3, Killed)
        else:
            kill_after(patch, 2)
        with pytest.raises(Killed):
            model_of(**params, checkpoint_dir=tmp_path).fit(X)
    model = model_of(**params, checkpoint_dir=tmp_path)
    assert count_epochs(model, X) == unbroken.n_epochs_ - 2
    assert same(weights(model), weights(unbroken))
    for name in ("best_epoch_", "best_score_", "stop_reason_", "n_epochs_"):
        assert getattr(model, name) == getattr(unbroken, name)
    for one, other in zip(model.history_, unbroken.history_, strict=True):
        assert {**one, "dur": 0} == {**other, "dur": 0}


def count_epochs(model: PromptedSessionRecommender, X: Sessions) -> int:
    """Fit, and say how many epochs were trained."""
    run = SessionNet.run_single_epoch
    epochs = []
    with pytest.MonkeyPatch.context() as patch:

        def counted(
            self: SessionNet, iterator: Any, training: bool, *args: Any, **kwargs: Any
        ) -> None:
            epochs.append(training)
            run(self, iterator, training, *args, **kwargs)

        patch.setattr(SessionNet, "run_single_epoch", counted)
        model.fit(X)
    return sum(epochs)


@pytest.mark.parametrize("patience", [None, 2])
def test_a_finished_fit_is_taken_up_without_training(
    patience: int | None, tmp_path: Path, dice: Sessions
) -> None:
    params = {"lr": 0.1, "max_epochs": 8, "patience": patience, "checkpoint_dir": tmp_path}
    first = model_of(**params).fit(dice)
    again = model_of(**params)
    assert count_epochs(again, dice) == 0
    assert same(weights(again), weights(first))
    assert (again.stop_reason_, again.history_) == (first.stop_reason_, first.history_)


def test_a_refit_that_was_killed_goes_on(tmp_path: Path) -> None:
    unbroken = model_of(refit=True).fit(WORLD)
    assert unbroken.best_epoch_ > 1
    with pytest.MonkeyPatch.context() as patch:
        write = CheckpointFile.on_epoch_end

        def killed(self: CheckpointFile, net: SessionNet, **kwargs: Any) -> None:
            write(self, net, **kwargs)
            if self.path.name == "refit.pt":
                raise Killed

        patch.setattr(CheckpointFile, "on_epoch_end", killed)
        with pytest.raises(Killed):
            model_of(refit=True, checkpoint_dir=tmp_path).fit(WORLD)
    model = model_of(refit=True, checkpoint_dir=tmp_path)
    assert count_epochs(model, WORLD) == unbroken.best_epoch_ - 1
    assert same(weights(model), weights(unbroken))


def test_a_warm_start_is_a_fit_of_its_own(tmp_path: Path) -> None:
    model = model_of(max_epochs=2, warm_start=True, checkpoint_dir=tmp_path).fit(WORLD)
    with pytest.raises(ValueError, match="holds a fit of other data or parameters"):
        model.fit(WORLD)
    model.set_params(checkpoint_dir=tmp_path / "second")
    assert count_epochs(model, WORLD) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"random_state": 1},
        {"lr": 0.01},
        {"dim": 4},
        {"validation_fraction": 0.2},
        {"max_epochs": 5},
    ],
)
def test_the_checkpoint_of_another_fit_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    model_of(max_epochs=1, checkpoint_dir=tmp_path).fit(WORLD)
    message = (
        r"checkpoint_dir='.*' holds a fit of other data or parameters; "
        r"name an empty folder, or delete selection.pt"
    )
    with pytest.raises(ValueError, match=message):
        model_of(**{"max_epochs": 1, "checkpoint_dir": tmp_path, **changes}).fit(WORLD)


def test_the_checkpoint_of_other_sessions_is_refused(tmp_path: Path) -> None:
    model_of(max_epochs=1, checkpoint_dir=tmp_path).fit(WORLD)
    for X in (WORLD[:50], Sessions.from_lists([events[::-1] for events in WORLD])):
        with pytest.raises(ValueError, match="holds a fit of other data"):
            model_of(max_epochs=1, checkpoint_dir=tmp_path).fit(X)


def test_the_checkpoint_of_other_session_ids_is_refused(tmp_path: Path) -> None:
    params = {"prompts": ("session",), "max_epochs": 1, "checkpoint_dir": tmp_path}
    model_of(**params).fit(WORLD)
    with pytest.raises(ValueError, match="holds a fit of other data"):
        model_of(**params).fit(replace(WORLD, ids=WORLD.ids[::-1]))


def factory() -> Any:
    """A new function object on every call, as after a restart."""
    return lambda dim: GRU4Rec(dim, hidden=8)


def test_a_restarted_process_finds_its_checkpoint(tmp_path: Path) -> None:
    params = {"max_epochs": 1, "backbone_params": None}
    model_of(**params, backbone=factory(), checkpoint_dir=tmp_path).fit(WORLD)
    again = model_of(**params, backbone=factory(), checkpoint_dir=str(tmp_path), device="cpu")
    assert count_epochs(again, WORLD) == 0
    with pytest.raises(ValueError, match="other data or parameters"):
        model_of(**params, backbone=GRU4Rec, checkpoint_dir=tmp_path).fit(WORLD)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("damage", ["truncated", "noise", "empty", "foreign", "flipped", "longer"])
def test_a_damaged_checkpoint_is_named(damage: str, tmp_path: Path) -> None:
    model_of(max_epochs=1, checkpoint_dir=tmp_path).fit(WORLD)
    path = tmp_path / "selection.pt"
    foreign = io.BytesIO()
    torch.save({"something": "else"}, foreign)
    content = path.read_bytes()
    damaged = {
        "truncated": content[: len(content) // 2],
        "noise": b"\x80noise" * 99,
        "empty": b"",
        "foreign": foreign.getvalue(),
        "flipped": content[:3000] + bytes([content[3000] ^ 1]) + content[3001:],
        "longer": content + content,
    }
    path.write_bytes(damaged[damage])
    message = r"checkpoint .*selection.pt cannot be read \(.*\); delete it to start anew"
    with pytest.raises(ValueError, match=message):
        model_of(max_epochs=1, checkpoint_dir=tmp_path).fit(WORLD)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    model_of(max_epochs=1, checkpoint_dir=tmp_path).fit(WORLD)
    torch.save({"fingerprint": Trap(tmp_path / "sprung")}, tmp_path / "selection.pt")
    with pytest.raises(ValueError, match="cannot be read"):
        model_of(max_epochs=1, checkpoint_dir=tmp_path).fit(WORLD)
    assert not (tmp_path / "sprung").exists()


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_no_damage_is_taken_for_weights(tmp_path: Path) -> None:
    fitted = model_of(max_epochs=1, checkpoint_dir=tmp_path).fit(WORLD)
    path = tmp_path / "selection.pt"
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(len(content), size=100).tolist():
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        file = CheckpointFile(path, "any", BestWeights("mrr@5", None))
        with pytest.raises(ValueError, match=r"cannot be read \(its content does not match"):
            file.resume(fitted.net_)


@pytest.mark.parametrize("broken", ["torch", "write", "fsync", "replace"])
def test_a_full_disk_costs_a_warning_and_no_training(
    broken: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = model_of().fit(WORLD)
    fail_from(monkeypatch, broken, call=3)
    with pytest.warns(
        UserWarning, match="after epoch 4 .(No space|File too large).*training goes on"
    ) as told:
        model = model_of(checkpoint_dir=tmp_path).fit(WORLD)
    assert len([one for one in told if "checkpoint" in str(one.message)]) == 2
    assert same(weights(model), weights(expected))
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["selection.pt"]
    resumed = model_of(checkpoint_dir=tmp_path)
    assert count_epochs(resumed, WORLD) == 2
    assert same(weights(resumed), weights(expected))


def fail_from(monkeypatch: pytest.MonkeyPatch, broken: str, call: int) -> None:
    """Let a step of writing checkpoints fail from some call on, as it does on a full disk."""
    write = CheckpointFile.on_epoch_end

    def on_epoch_end(self: CheckpointFile, net: SessionNet, **kwargs: Any) -> None:
        with monkeypatch.context() as patch, limit_of_files() as limit:
            if len(net.history) >= call and broken == "write":
                limit(1000)
            elif len(net.history) >= call:
                patch.setattr(*STEPS[broken], no_space)
            write(self, net, **kwargs)

    monkeypatch.setattr(CheckpointFile, "on_epoch_end", on_epoch_end)


STEPS = {"torch": (torch, "save"), "fsync": (os, "fsync"), "replace": (os, "replace")}


def no_space(*args: Any, **kwargs: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


@contextmanager
def limit_of_files() -> Iterator[Callable[[int], None]]:
    """Function that sets the largest file the process may write, which ends with the context."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_folder_that_cannot_be_made_is_said_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = model_of(checkpoint_dir=tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        count_epochs(model, WORLD)


# ---------------------------------------------------------------------- other callbacks, the bar
class Diary(Callback):
    """Writes down which epochs ended."""

    def __init__(self, pages: Any) -> None:
        self.pages = pages

    def on_epoch_end(self, net: SessionNet, **kwargs: Any) -> None:
        self.pages.append((len(net.history), "mrr@5" in net.history[-1]))


def test_callbacks_of_ones_own_are_called() -> None:
    diary = Diary([])
    named = Diary([])
    model_of(max_epochs=2, net_params={"callbacks": [diary, ("named", named)]}).fit(WORLD)
    assert diary.pages == named.pages == [(1, True), (2, True)]


class SeedDiary(Callback):
    """Writes down epoch and seed of every batch."""

    def __init__(self, pages: Any) -> None:
        self.pages = pages

    def on_batch_begin(self, net: SessionNet, **kwargs: Any) -> None:
        generator = generator_on(torch.device("cpu"))
        self.pages.append((len(net.history), generator.initial_seed()))


def test_every_epoch_has_a_seed_of_its_own() -> None:
    diary = SeedDiary([])
    model_of(max_epochs=3, validation_fraction=None, net_params={"callbacks": [diary]}).fit(WORLD)
    seeds = dict(diary.pages)
    assert set(seeds) == {1, 2, 3} and len(set(seeds.values())) == 3


class RateDiary(Callback):
    """Writes down epoch and rate of every step."""

    def __init__(self, pages: Any) -> None:
        self.pages = pages

    def on_batch_end(self, net: SessionNet, training: bool = False, **kwargs: Any) -> None:
        self.pages.append((len(net.history), net.optimizer_.param_groups[0]["lr"]))


def rates_of(**params: Any) -> list[tuple[int, float]]:
    """Epoch and rate of all steps of a fit of three epochs with a falling rate."""
    diary = RateDiary([])
    given = {"max_epochs": 3, "lr": 0.1, "lr_schedule": "linear", "recency": None, **params}
    model = model_of(**given, net_params={"callbacks": [diary]}).fit(WORLD)
    assert model.net_.lr == 0.1
    return diary.pages


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_linear_schedule_falls_to_nothing(accumulate: int) -> None:
    rates = [rate for _, rate in rates_of(accumulate=accumulate)]
    steps = len(rates)
    assert rates == pytest.approx([0.1 * (1 - step / steps) for step in range(steps)])


def test_a_linear_schedule_goes_on_after_a_break(tmp_path: Path) -> None:
    whole = rates_of()
    with pytest.MonkeyPatch.context() as patch:
        kill_after(patch, 2)
        with pytest.raises(Killed):
            rates_of(checkpoint_dir=tmp_path)
    rest = rates_of(checkpoint_dir=tmp_path)
    assert len(rest) == len(whole) // 3
    assert rest == whole[-len(rest) :]


def test_a_linear_schedule_starts_every_epoch_at_its_share() -> None:
    """Windows with more prefixes than a batch leave an epoch fewer steps than it could have."""
    first: dict[int, float] = {}
    for epoch, rate in rates_of(batch_size=2):
        first.setdefault(epoch, rate)
    assert first == pytest.approx({1: 0.1, 2: 0.1 * 2 / 3, 3: 0.1 / 3})


def test_the_optimizer_can_be_another() -> None:
    model = model_of(max_epochs=1, net_params={"optimizer": torch.optim.Adagrad}).fit(WORLD)
    assert isinstance(model.net_.optimizer_, torch.optim.Adagrad)
    clipped = model_of(max_epochs=1, net_params={"optimizer__betas": (0.5, 0.9)}).fit(WORLD)
    assert clipped.net_.optimizer_.defaults["betas"] == (0.5, 0.9)


def test_the_bar_shows_loss_and_metric(capsys: pytest.CaptureFixture[str]) -> None:
    model = model_of(max_epochs=2, verbose=1).fit(WORLD)
    shown = capsys.readouterr().err
    assert "epoch 2/2" in shown and "loss=" in shown
    assert f"mrr@5={model.history_[0]['mrr@5']:.4f}" in shown
    model_of(max_epochs=1, verbose=0).fit(WORLD)
    silent = capsys.readouterr()
    assert silent.out == silent.err == ""


def test_the_bar_does_not_change_the_result() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", io.StringIO())
        shown = model_of(verbose=1).fit(WORLD)
    assert same(weights(shown), weights(model_of().fit(WORLD)))
