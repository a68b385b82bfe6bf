"""Operating a running server: versions come and go while requests are answered, and the ledger knows who did it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import httpx2
import pytest
from tests.serve.http.conftest import Experts
from tests.serve.http.test_routes import problem
from tests.serve.running import Running

from metier.govern.actor import Actor
from metier.govern.ledger.book import open_ledger
from metier.serve.access import keys
from metier.serve.log.reading import joined
from metier.store.records import open_store
from metier.workspace import Workspace

TEXTS = ["my bank card does not work 1", "please help with the login 2"]


@pytest.fixture(scope="module")
def made(experts: Experts) -> dict[str, str]:
    """Keys by what they are for."""
    ledger = open_ledger(Workspace(experts.workspace))
    anna = Actor("anna", "admin")
    tokens = {
        "asks": keys.add(ledger, anna, "asks", roles=("predict",), experts=("desk",))[1],
        "tells": keys.add(ledger, anna, "tells", roles=("feedback",), experts=("loans",))[1],
        "operates": keys.add(ledger, anna, "operates", roles=("operator", "predict"))[1],
    }
    ledger.store.close()
    return tokens


class Asking:
    """Asks all the time, in a thread of its own, until it is told to stop."""

    def __init__(self, server: Running, key: str) -> None:
        self.statuses: Counter[int] = Counter()
        self.versions: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(server, key))
        self._thread.start()

    def _ask(self, server: Running, key: str) -> None:
        with server.client(key) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post("/v1/predict", json={"expert": "desk", "inputs": TEXTS})
                except httpx2.RemoteProtocolError:  # idle for so long, on a busy machine, that it was closed
                    answer = client.post("/v1/predict", json={"expert": "desk", "inputs": TEXTS})
                self.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    self.versions[answer.json()["predictions"][0]["version"]] += 1

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_versions_come_and_go_without_a_pause(server: Running, experts: Experts, made: dict[str, str]) -> None:
    with Asking(server, made["asks"]) as asking, server.client(made["operates"]) as operator:

        def act(name: str, **body: Any) -> dict[str, Any]:
            answer = operator.post(f"/v1/admin/experts/desk/{name}", json=body or None)
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

        def version(request: str) -> str:
            body = {"expert": "desk", "inputs": TEXTS}
            answer = operator.post("/v1/predict", json=body, headers={"x-request-id": request})
            found: str = answer.json()["predictions"][0]["version"]
            return found

        first = version("r0")
        route = act("canary", reference=str(experts.second), share=0.5)
        second = route["canary"]["version"]
        assert first != second
        seen = {f"r{number}": version(f"r{number}") for number in range(30)}
        assert set(seen.values()) == {first, second}
        assert {request: version(request) for request in list(seen)[:8]} == dict(list(seen.items())[:8])
        act("canary", reference=None)
        assert {version(request) for request in list(seen)[:8]} == {first}

        assert act("shadow", reference=str(experts.second))["shadow"] == second
        assert version("shadowed") == first
        act("shadow", reference=None)

        assert act("load", reference=str(experts.second))["live"] == second
        assert version("r0") == second
        back = act("rollback")
        assert (back["live"], back["before"]) == (first, [])
        assert version("r0") == first
        assert act("unload")["live"] is None
        assert problem(operator.post("/v1/predict", json={"expert": "desk", "inputs": TEXTS}), 404)
        assert act("load", reference=str(experts.first))["live"] == first
    assert set(asking.statuses) <= {200, 404}, "none failed but those asked while nothing was served"
    assert set(asking.versions) == {first, second}

    store = open_store(Workspace(server.workspace))
    for _ in range(200):
        shadows = [row for row in joined(store) if row["share"] == "shadow"]
        if len(shadows) >= 2:
            break
        time.sleep(0.1)
    heard = {row["id"]: row for row in joined(store)}
    store.close()
    assert shadows
    for row in shadows:
        assert row["version"] == second
        assert heard[row["beside"]]["version"] == first
        assert heard[row["beside"]]["input_hash"] == row["input_hash"]

    ledger = open_ledger(Workspace(server.workspace))
    acts = [(record.act, record.actor) for record in ledger.records("desk") if record.actor == "operates"]
    ledger.store.close()
    assert [act for act, _ in acts] == [
        "canary begun", "canary ended", "shadow begun", "shadow ended", "loaded", "rolled back", "unloaded", "loaded",
    ]  # fmt: skip


def test_keys_do_what_they_are_for_and_nothing_else(server: Running, experts: Experts, made: dict[str, str]) -> None:
    asked = {"expert": "desk", "inputs": TEXTS}
    with server.client(made["asks"]) as asks, server.client(made["tells"]) as tells:
        id_ = asks.post("/v1/predict", json=asked).json()["predictions"][0]["id"]
        for client, path, body in (
            (asks, "/v1/feedback", {"id": id_, "truth": "card"}),
            (asks, "/v1/explain", {"expert": "desk", "input": "x"}),
            (asks, "/v1/admin/experts/desk/rollback", None),
            (asks, "/v1/admin/experts/desk/load", {"reference": str(experts.second)}),
            (tells, "/v1/predict", asked),
            (tells, "/v1/feedback", {"id": id_, "truth": "poison"}),
        ):
            assert problem(client.post(path, json=body), 403)["code"] == "not-allowed"
        assert problem(asks.get("/metrics"), 403)
        assert asks.post("/v1/predict", json={**asked, "expert": "loans"}).status_code == 403
        assert [found["name"] for found in asks.get("/v1/experts").json()["experts"]] == ["desk"]
        assert tells.get("/v1/experts").json()["experts"] == []


def test_a_key_that_is_revoked_or_made_is_known_to_the_running_server(server: Running) -> None:
    ledger = open_ledger(Workspace(server.workspace))
    _, token = keys.add(ledger, Actor("anna"), "short-lived", roles=("predict",))
    asked = {"expert": "desk", "inputs": TEXTS}

    def until(status: int, client: httpx2.Client) -> httpx2.Response:
        for _ in range(200):
            answer = client.post("/v1/predict", json=asked)
            if answer.status_code == status:
                return answer
            time.sleep(0.1)
        raise AssertionError(answer.text)

    with server.client(token) as client:
        until(200, client)
        keys.revoke(ledger, Actor("anna"), "short-lived")
        assert problem(until(401, client), 401)["code"] == "key-revoked"
    ledger.store.close()
