"""ONNX files beside the models that wrote them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sessionprompt import PrecomputedClusters, PromptedSessionRecommender
from sessionprompt.backbones import Backbone
from sessionprompt.batches import SessionBatch
from sessionprompt.blending import Blend
from sessionprompt.datasets import make_sessions
from sessionprompt.exporting.scored import ScoredSession

LENGTH = 6
K = 7
WORLD = make_sessions(120, n_items=30, n_clusters=3, n_users=9, random_state=0)
LABELS = {id_: number % 3 for number, id_ in enumerate(WORLD.vocabulary.ids)}
SESSIONS = [
    ["item-03"],
    ["item-03", "item-04", "item-03"],
    ["item-05", "item-05", "item-05", "item-07", "item-01", "item-05"],
    ["item-02", "item-02", "item-05", "item-05", "item-02"],
    ["item-09", "item-01", "item-02", "item-03", "item-09", "item-11", "item-12", "item-09"],
]
UNKNOWN = [["tea"], ["tea", "item-05"], ["item-05", "tea", "item-07"]]


def fitted(backbone: Any, prompts: tuple[str, ...] = (), **params: Any) -> Any:
    model = PromptedSessionRecommender(
        backbone,
        prompts=prompts,
        dim=8,
        max_epochs=1,
        refit=False,
        max_length=LENGTH,
        random_state=0,
        **params,
    )
    return model.fit(PrecomputedClusters(LABELS).fit_transform(WORLD))


Answer = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def same_answers(model: Any, answer: Answer, sessions: list[list[str]]) -> None:
    """Assert that a function of padded codes answers some sessions as the model does."""
    place = {id_: code for code, id_ in enumerate(model.items_.tolist())}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the session that holds nothing known
        annotated = PrecomputedClusters(LABELS).fit(WORLD).transform(sessions)
        items, scores = model.predict_topk(annotated, k=K, return_scores=True)
    for row, session in enumerate(sessions):
        newest = [place.get(id_, -1) for id_ in session[-LENGTH:]]
        padded = np.pad(np.array(newest), (0, LENGTH - len(newest)), constant_values=-2)
        codes, values = answer(padded)
        assert model.items_[codes].tolist() == items[row].tolist()
        np.testing.assert_allclose(values, scores[row], atol=1e-4)


def in_torch(model: Any) -> Answer:
    """The module that is exported."""
    inputs, candidates = model._item_vectors()
    vectors = inputs.cpu(), candidates.cpu()
    module = ScoredSession(model.network_, *vectors, model.blend_, LENGTH, K).cpu().eval()

    def answer(session: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            codes, values = module(torch.from_numpy(session))
        return codes.numpy(), values.numpy()

    return answer


def in_file(model: Any, path: Path) -> Answer:
    """The file in its own runtime."""
    ort = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model.export_onnx(path, k=K)
    served = ort.InferenceSession(str(path))
    ids = json.loads(served.get_modelmeta().custom_metadata_map["ids"])
    assert ids == model.items_.tolist()
    return lambda session: served.run(["items", "scores"], {"session": session})


@pytest.mark.parametrize("backbone", ["gru4rec", "core", "sasrec"])
def test_the_module_answers_as_models_do(backbone: str) -> None:
    model = fitted(backbone)
    assert model.blend_ is not None
    model.blend_ = Blend(np.linspace(0.5, 1.5, len(model.blend_.weights)))  # each counts
    same_answers(model, in_torch(model), [*SESSIONS, *UNKNOWN[1:]])  # torch mixes equal scores


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["gru4rec", "narm", "stamp", "core", "sasrec"])
def test_files_answer_as_models_do(backbone: str, tmp_path: Path) -> None:
    model = fitted(backbone)
    same_answers(model, in_file(model, tmp_path / "model.onnx"), [*SESSIONS, *UNKNOWN])
    prompted = fitted(backbone, ("cluster",), scoring="dot", repeats=None)
    same_answers(prompted, in_file(prompted, tmp_path / "other.onnx"), SESSIONS)


class LastTwice(Backbone):
    """A causal backbone of a user's own."""

    causal = True

    def forward(self, x, batch: SessionBatch):
        return 2 * x[batch.ends] + batch.prefix_pairs.sum(x[batch.prefix_pairs.columns, 0], x)


def test_prompts_are_inside_and_own_backbones_are_taken() -> None:
    model = fitted(LastTwice, ("cluster",))
    same_answers(model, in_torch(model), SESSIONS)


@pytest.mark.parametrize(
    ("backbone", "prompts", "words"),
    [
        ("srgnn", (), "SRGNN makes shapes of what a session holds, which ONNX files cannot"),
        ("lessr", (), "LESSR makes shapes of what a session holds"),
        ("stamp", ("user",), "prompts of users and sessions depend on more than items"),
    ],
)
def test_networks_that_have_no_file(
    backbone: str, prompts: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript")
    model = fitted(backbone, prompts)
    with pytest.raises(ValueError, match=words):
        model.export_onnx(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_bounds(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    model = fitted("stamp")
    with pytest.raises(ValueError, match="length=101 is above 100; give 100 or less"):
        model.export_onnx(tmp_path / "model.onnx", length=101)
    with pytest.raises(ValueError, match="k=31 is larger than the 30 known items"):
        model.export_onnx(tmp_path / "model.onnx", k=31)
