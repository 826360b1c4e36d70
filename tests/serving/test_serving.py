"""Recommendations over HTTP: answers equal to the model's, sentences for what is wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from fastapi.testclient import TestClient

from sessionprompt import PromptedSessionRecommender, Sessions
from sessionprompt.baselines import ItemKNN
from sessionprompt.cli import main
from sessionprompt.datasets import make_sessions
from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.reranking import RerankedRecommender
from sessionprompt.serving import Limits, create_app, server
from sessionprompt.serving.answers import Answer, Answers, Query
from sessionprompt.serving.batching import Batcher, Busy

WORLD = make_sessions(120, n_items=30, n_clusters=3, n_users=9, random_state=0)
ASKED = [["item-03", "item-04"], ["item-11"], ["item-20", "item-20", "item-05"]]
LIMITS = Limits(k=12, events=4, sessions=3, candidates=5, bytes=2000)


@pytest.fixture(scope="module")
def model() -> PromptedSessionRecommender:
    model = PromptedSessionRecommender(
        prompts=("user",), dim=8, max_epochs=1, refit=False, random_state=0
    )
    return model.fit(WORLD)


@pytest.fixture(scope="module")
def client(model: PromptedSessionRecommender) -> Iterator[TestClient]:
    with TestClient(create_app(model, LIMITS)) as client:
        yield client


def asked(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/recommend", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["recommendations"]


USERS = ["user-01", "user-02", "tea"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 3},
        {"exclude_seen": True},
        {"candidates": ["item-01", "item-02", "item-05"]},
        {"candidates": [["item-01"], ["item-02", "item-03"], ["item-05", "item-20"]], "k": 2},
    ],
)
def test_answers_are_the_models(
    client: TestClient, model: PromptedSessionRecommender, options: dict[str, Any]
) -> None:
    found = asked(client, sessions=ASKED, users=USERS, **options)
    sessions = Sessions.from_lists(ASKED, users=USERS)
    items, scores = model.predict_topk(sessions, return_scores=True, **options)
    for answer, own_items, own_scores in zip(found, items, scores, strict=True):
        there = own_scores > -np.inf
        assert answer["items"] == own_items[there].tolist()
        np.testing.assert_allclose(answer["scores"], own_scores[there], rtol=1e-5)
    assert [answer["known_events"] for answer in found] == [2, 1, 3]
    [alone] = asked(client, session=ASKED[0], users=USERS[:1], k=3)
    assert alone["items"] == model.predict_topk(sessions[:1], k=3)[0].tolist()


def test_lists_keep_to_rules(client: TestClient, model: PromptedSessionRecommender) -> None:
    rules = {"exclude_items": ["item-01", "item-25"], "diversify": 0.5}
    sessions = Sessions.from_lists(ASKED, users=USERS)
    expected = RerankedRecommender(model, **rules).predict_topk(sessions, k=6)
    found = asked(client, sessions=ASKED, users=USERS, k=6, **rules)
    assert [answer["items"] for answer in found] == expected.tolist()
    [empty] = asked(client, session=[], k=12, exclude_items=["item-01"])
    assert len(empty["items"]) == 12 and "item-01" not in empty["items"]


def test_sessions_without_events_get_popular_items(client: TestClient) -> None:
    older, _ = temporal_train_test_split(WORLD, test_size=0.1)
    counts = np.bincount(older.codes, minlength=30)
    popular = WORLD.vocabulary.ids[np.argsort(-counts, kind="stable")]
    empty, full = asked(client, sessions=[[], ["item-03"]], users=USERS[:2], k=5)
    assert empty["items"] == popular[:5].tolist() and empty["known_events"] == 0
    assert full["known_events"] == 1
    [among] = asked(client, session=[], candidates=["item-02", "tea", "item-01", "item-02"])
    assert sorted(among["items"]) == ["item-01", "item-02"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "give either session, the items of one, or sessions"),
        ({"session": ["item-03"], "sessions": [["item-03"]]}, "give either session"),
        ({"sessions": []}, "sessions=[] holds no session"),
        ({"sessions": [["item-03"]] * 4}, "sessions: 4 sessions are more than 3; send fewer."),
        ({"session": ["item-03"] * 5}, "session 0: 5 events are more than 4"),
        ({"session": ["item-03"], "k": 13}, "k=13 is above 12; ask for 12 or less."),
        ({"session": ["item-03"], "k": 0}, "k=0: Input should be greater than or equal to 1"),
        ({"session": ["item-03"], "k": "2"}, "k='2': Input should be a valid integer"),
        ({"session": "item-03"}, "session='item-03': Input should be a valid list"),
        ({"session": [True]}, "session.0"),
        ({"session": ["item-03"], "top": 3}, "top=3: Extra inputs are not permitted"),
        ({"session": ["item-03"], "users": []}, "users holds 0 ids for 1 sessions"),
        (
            {"session": [3], "users": ["u"]},
            "'item' holds numbers (first 3), but the vocabulary holds strings",
        ),
        ({"session": ["item-03"]}, "users"),
        ({"session": ["item-03"], "users": ["u"], "candidates": ["tea"]}, "none of which the"),
        ({"session": ["item-03"], "diversify": 2}, "diversify"),
        ({"session": ["item-03"], "users": ["u"], "max_per_group": 1}, "needs a model that was"),
        ({"session": ["item-03"], "users": ["u"], "min_new": 1}, "min_new=1 keeps places for"),
        ({"session": ["item-03"], "candidates": [[], []]}, "candidates holds 2 lists for 1"),
        ({"session": ["item-03"], "candidates": ["item-01"] * 6}, "6 items are more than 5"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    client: TestClient, body: dict[str, Any], words: str
) -> None:
    answer = client.post("/recommend", json=body)
    assert answer.status_code == 422
    assert words in answer.json()["detail"] and "\n" not in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b'{"session": [', 422, "the body is no JSON"),
        (b"[1]", 422, "body="),
        (b" " * 2001, 413, "a body of 2,001 bytes is above 2,000"),
        (iter([b"{}"]), 411, "Content-Length"),
    ],
)
def test_bodies_that_are_not_read(
    client: TestClient, content: Any, status: int, words: str
) -> None:
    answer = client.post(
        "/recommend", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status and words in answer.json()["detail"]


def test_state_and_description(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok", "waiting": 0}
    about = client.get("/metadata").json()
    assert about["model"] == "PromptedSessionRecommender" and about["n_items"] == 30
    assert about["limits"]["k"] == 12 and about["parameters"]["backbone"] == "gru4rec"
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/recommend", "/health", "/metadata"}
    assert client.get("/", follow_redirects=False).headers["location"] == "docs"


def test_many_at_once_get_the_answers_of_one(
    client: TestClient, model: PromptedSessionRecommender
) -> None:
    sessions = [list(session)[:3] for session in WORLD[:40]]
    users = WORLD.users[:40].tolist()

    def ask(row: int) -> list[str]:
        if row % 10 == 9:
            assert client.post("/recommend", json={"session": [row], "users": ["u"]}).is_error
        options = {"k": 1 + row % 7, "exclude_seen": bool(row % 2)}
        return asked(client, session=sessions[row], users=[users[row]], **options)[0]["items"]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(40)))
    for row, items in enumerate(found):
        own = Sessions.from_lists([sessions[row]], users=[users[row]])
        expected = model.predict_topk(own, k=1 + row % 7, exclude_seen=bool(row % 2))[0]
        assert items == expected.tolist()


def test_a_fault_of_one_query_does_not_reach_the_others() -> None:
    answers = Answers(ItemKNN().fit([[1, 2], [2, 3], [1, 2]]))
    good, bad, huge = answers([Query([[1]], 2), Query([["a"]], 2), Query([[2], []], 9)])
    assert isinstance(good, list) and good[0].items[0] == 2
    assert isinstance(bad, TypeError)
    assert isinstance(huge, ValueError) and "k=9" in str(huge)


def test_ids_that_json_cannot_write() -> None:
    with pytest.raises(TypeError, match="have no form in JSON; fit the model on text or numbers"):
        create_app(ItemKNN().fit([[("a", 1), ("b", 2)], [("a", 1), ("b", 2)]]))


def test_limits_are_counts() -> None:
    with pytest.raises(ValueError, match="waiting=0 must be an integer of at least 1"):
        Limits(waiting=0)


def slow(queries: Sequence[Query]) -> list[list[Answer] | Exception]:
    time.sleep(0.2)
    return [[Answer([len(queries)], [], 0)] for _ in queries]


def test_queries_wait_within_bounds() -> None:
    async def crowd(limits: Limits, n: int) -> list[Any]:
        batcher = Batcher(slow, limits)
        worker = asyncio.create_task(batcher.run())
        first = asyncio.create_task(batcher.ask(Query([[1]], 1)))
        await asyncio.sleep(0.05)
        later = [asyncio.create_task(batcher.ask(Query([[1]], 1))) for _ in range(n)]
        found = await asyncio.gather(first, *later, return_exceptions=True)
        worker.cancel()
        return found

    first, *later = asyncio.run(crowd(Limits(waiting=5, batch=3), 6))
    assert first[0].items == [1]
    assert [answer[0].items for answer in later[:5]] == [[3], [3], [3], [2], [2]]
    assert isinstance(later[5], Busy) and "5 requests wait already" in str(later[5])


def test_answers_that_take_too_long(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait(self: Batcher, query: Query) -> Any:
        raise Busy("no answer within 1 seconds; ask again later, or for fewer sessions.")

    monkeypatch.setattr(Batcher, "ask", wait)
    answer = client.post("/recommend", json={"session": ["item-03"]})
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"
    assert "ask again later" in answer.json()["detail"]


def test_the_command(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    started: list[Any] = []
    monkeypatch.setattr(
        server.uvicorn, "run", lambda app, **options: started.append((app, options))
    )
    ItemKNN().fit([["a", "b"], ["a", "b"]]).save(tmp_path / "m.zip")
    assert main(["serve", str(tmp_path / "m.zip"), "--port", "8123", "--max-k", "7"]) == 0
    [(app, options)] = started
    assert (options["host"], options["port"]) == ("127.0.0.1", 8123)
    with TestClient(app) as client:
        assert client.get("/metadata").json()["limits"]["k"] == 7
    assert main(["serve", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err
