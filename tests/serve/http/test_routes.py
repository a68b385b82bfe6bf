"""What the routes answer, over a real connection to a real process; every error in one shape."""

from __future__ import annotations

import csv
import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.serve.http.conftest import Experts
from tests.serve.running import ADMIN, Running

from metier.expert import Expert
from metier.serve.log.reading import joined
from metier.store.records import open_store
from metier.workspace import Workspace

POSTS = ["/v1/predict", "/v1/explain", "/v1/similar", "/v1/feedback"]
POSTS += [f"/v1/admin/experts/banking/{act}" for act in ("load", "unload", "canary", "shadow", "rollback")]
ID = "0" * 32


@pytest.fixture(scope="module")
def client(server: Running) -> Any:
    with server.client() as found:
        yield found


def problem(answer: httpx2.Response, status: int) -> dict[str, str]:
    """The error of an answer, which has the one shape and nothing else."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "problem", "found", "fix"}
    assert all(isinstance(text, str) for text in body["error"].values())
    assert body["error"]["code"]
    assert body["error"]["problem"]
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["x-request-id"]
    return body["error"]


def test_answers_are_those_of_the_expert_itself_and_they_are_kept(
    server: Running, client: httpx2.Client, experts: Experts
) -> None:
    with experts.test.open(newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    answer = client.post("/v1/predict", json={"expert": "banking", "inputs": texts}, headers={"x-request-id": "mine.1"})
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == "mine.1"
    found = answer.json()["predictions"]
    wanted = Expert.load(experts.first).predict(texts)
    assert [row["prediction"] for row in found] == [row.prediction for row in wanted]
    assert [row["abstain"] for row in found] == [row.abstain for row in wanted]
    assert [row["confidence"] for row in found] == pytest.approx([row.confidence for row in wanted], abs=2e-3)
    (version,) = {row["version"] for row in found}
    assert re.fullmatch("[0-9a-f]{12}", version)
    told = client.post("/v1/feedback", json={"id": found[0]["id"], "truth": "card"})
    assert told.status_code == 202
    assert told.json()["known"] is True
    store = open_store(Workspace(server.workspace))
    for _ in range(200):
        kept = {row["id"]: row for row in joined(store, expert="banking") if row["request"] == "mine.1"}
        if len(kept) == len(texts) and kept[found[0]["id"]]["truth"]:
            break
        time.sleep(0.1)
    store.close()
    assert set(kept) == {row["id"] for row in found}
    first = kept[found[0]["id"]]
    assert (first["truth"], first["share"], first["version"]) == ("card", "live", version)
    assert first["prediction"] == found[0]["prediction"]
    assert first["latency_ms"] > 0
    assert len(first["input_hash"]) == 64


def test_every_route_needs_a_key_and_says_so_in_the_one_shape(server: Running) -> None:
    with server.client(key=None) as nobody:
        for path in POSTS:
            assert problem(nobody.post(path, json={}), 401)["code"] == "no-key"
            assert problem(nobody.post(path, content=b"x" * 200_000), 401)["code"] == "no-key"
        for path in ("/v1/experts", "/metrics", "/nowhere"):
            answer = nobody.get(path)
            assert problem(answer, 401)["code"] == "no-key"
            assert answer.headers["www-authenticate"].startswith("Bearer")
        for path in ("/health", "/ready", "/docs", "/openapi.json"):
            assert nobody.get(path).status_code == 200
    with server.client(key="mtr_aaaaaaaaaaaa_" + "b" * 43) as stranger:
        assert problem(stranger.get("/v1/experts"), 401)["code"] == "unknown-key"


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"expert": 7}',
        b"\xff\xfe",
        b"[" * 5000,
        b'{"a": ' * 2000,
        b"9" * 6000,
    ],
)
def test_every_body_that_is_none_is_told(client: httpx2.Client, path: str, body: bytes) -> None:
    if path.endswith(("unload", "rollback")):
        pytest.skip("takes no body")
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    problem(answer, 400 if answer.status_code == 400 else 422)


@pytest.mark.parametrize("path", POSTS[:4])
def test_a_body_of_another_kind_is_no_json(client: httpx2.Client, path: str) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        body = json.dumps({"expert": "banking", "inputs": ["x"], "input": "x", "id": ID, "truth": "x"})
        problem(client.post(path, content=body, headers={"content-type": kind}), 422)


def test_routes_and_methods_that_are_none(client: httpx2.Client) -> None:
    assert problem(client.get("/v1/none"), 404)["code"] == "no-such-route"
    for path in POSTS:
        answer = client.get(path)
        assert problem(answer, 405)["code"] == "method-not-allowed"
        assert answer.headers["allow"] == "POST"
    for path in ("/health", "/metrics", "/docs"):
        assert problem(client.delete(path), 405)["code"] == "method-not-allowed"


def test_experts_that_are_none(client: httpx2.Client) -> None:
    asked = {"expert": "astrology", "inputs": ["x"], "input": "x"}
    for path, names in (
        ("predict", ("expert", "inputs")),
        ("explain", ("expert", "input")),
        ("similar", ("expert", "input")),
    ):
        error = problem(client.post(f"/v1/{path}", json={name: asked[name] for name in names}), 404)
        assert error["code"] == "no-such-expert"
    for act in ("unload", "rollback"):
        assert problem(client.post(f"/v1/admin/experts/astrology/{act}"), 404)["code"] == "no-such-expert"
    assert problem(client.post("/v1/admin/experts/banking/rollback"), 422)["code"] == "nothing-before"


@pytest.mark.parametrize("where", ["/etc", "../..", "/proc/self", "~", "x=/etc", "../../etc/passwd", "/work/../etc"])
@pytest.mark.parametrize("act", ["load", "canary", "shadow"])
def test_nothing_outside_the_workspace_is_loaded(client: httpx2.Client, act: str, where: str) -> None:
    answer = client.post(f"/v1/admin/experts/banking/{act}", json={"reference": where})
    assert problem(answer, answer.status_code)["code"] in (
        "outside-workspace",
        "no-reference",
        "no-such-release",
        "no-expert",
    )
    assert answer.status_code in (404, 409, 422)


def test_sizes_have_limits(client: httpx2.Client) -> None:
    def ask(inputs: Any) -> httpx2.Response:
        return client.post("/v1/predict", json={"expert": "banking", "inputs": inputs})

    assert ask(["x"] * 64).status_code == 200
    assert problem(ask(["x"] * 65), 413)["code"] == "too-many-rows"
    assert ask(["x" * 2000]).status_code == 200
    assert problem(ask(["x" * 2001]), 413)["code"] == "row-too-long"
    assert problem(ask(["x" * 2000] * 40), 413)["code"] == "request-too-large"
    assert problem(ask([]), 422)["code"] == "bad-body"


def test_a_body_without_a_length_has_limits_too(client: httpx2.Client) -> None:
    def endless() -> Any:
        for _ in range(40):
            yield b" " * 4096

    answer = client.post("/v1/predict", content=endless(), headers={"content-type": "application/json"})
    assert problem(answer, 413)["code"] == "request-too-large"


def raw(server: Running, *parts: bytes) -> bytes:
    """What comes back for these bytes, sent as they are."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
        found = b""
        while piece := connection.recv(65536):
            found += piece
    return found


def test_slow_clients_are_told_and_let_go(server: Running) -> None:
    head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nContent-Length: 100\r\n".encode()
    slow = [(b"GET /hea",), (), (head,), (head + b"\r\n{",)]
    with ThreadPoolExecutor(4) as at_once:
        answers = list(at_once.map(lambda parts: raw(server, *parts), slow))
    for parts, answer in zip(slow, answers, strict=True):
        assert answer.startswith(b"HTTP/1.1 408 "), parts
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "sent-too-slowly"


@pytest.mark.parametrize(
    "rubbish", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"x" * 40_000]
)
def test_what_is_no_http_is_told_in_the_one_shape(server: Running, rubbish: bytes) -> None:
    answer = raw(server, rubbish + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "bad-http"


def test_a_late_truth_is_taken_and_an_unknown_id_is_noted(client: httpx2.Client) -> None:
    answer = client.post("/v1/feedback", json={"id": ID, "truth": 3.5})
    assert answer.status_code == 202
    assert answer.json()["known"] is False
    assert "kept" in answer.json()["note"]
    for truth in (None, [], {}, "x" * 20_001):
        problem(client.post("/v1/feedback", json={"id": ID, "truth": truth}), 422)
    assert problem(client.post("/v1/feedback", json={"id": ID, "truth": 10**30}), 422)["code"] == "bad-body"
    problem(client.post("/v1/feedback", json={"id": "../../etc", "truth": 1}), 422)


def test_explain_and_similar(client: httpx2.Client) -> None:
    text = "my bank card does not work 12"
    found = client.post(
        "/v1/explain", json={"expert": "banking", "input": text, "examples": 2, "method": "leave-one-out"}
    )
    assert found.status_code == 200, found.text
    assert found.json()["prediction"]
    assert {row["token"] for row in found.json()["attribution"]} <= set(text.split())
    near = client.post("/v1/similar", json={"expert": "banking", "input": text, "k": 3})
    assert near.status_code == 200, near.text
    assert len(near.json()["similar"]) == 3
    assert set(near.json()["similar"][0]) == {"row", "text", "label", "similarity"}
    assert problem(client.post("/v1/explain", json={"expert": "banking", "input": "x", "method": "tea leaves"}), 422)


def test_experts_are_listed_with_their_versions(client: httpx2.Client) -> None:
    found = client.get("/v1/experts").json()["experts"][0]
    assert found["name"] == "banking"
    assert found["rung"] == "adapter"
    assert (found["canary"], found["shadow"], found["followed"]) == (None, None, False)


def test_metrics_count_what_happens(client: httpx2.Client) -> None:
    def rows() -> float:
        text = client.get("/metrics").text
        return sum(
            float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("metier_rows_total{")
        )

    before = rows()
    client.post("/v1/predict", json={"expert": "banking", "inputs": ["a", "b", "c"]})
    assert rows() == before + 3
    text = client.get("/metrics").text
    for name in (
        "metier_requests_total",
        "metier_request_seconds_bucket",
        "metier_engine_waiting_rows",
        "metier_log_waiting_bytes",
    ):
        assert f"\n{name}" in text
    assert "_created" not in text


def test_the_page_of_routes_needs_nothing_from_elsewhere(client: httpx2.Client) -> None:
    document = client.get("/openapi.json").json()
    page = client.get("/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"<script|src=|https?://", page.text)
    assert len(document["paths"]) >= 13
    for path, methods in document["paths"].items():
        assert path in page.text
        for about in methods.values():
            assert about["description"]
            assert {"401", "429", "500", "503"} <= set(about["responses"])
            assert about["responses"]["422"]["content"]["application/json"]["schema"]["$ref"].endswith("/Problem")


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(POSTS[:4]), st.one_of(
    TREES,
    st.fixed_dictionaries({"expert": st.just("banking"), "inputs": st.lists(TREES, max_size=3)}),
    st.fixed_dictionaries({"expert": st.just("banking"), "inputs": st.lists(st.text(max_size=30), min_size=1, max_size=3)}),
    st.fixed_dictionaries({"id": st.just(ID), "truth": TREES}),
))  # fmt: skip
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_whatever_is_a_mistake_of_ours(client: httpx2.Client, path: str, body: Any) -> None:
    content = json.dumps(body).encode("utf-8", "replace")
    answer = client.post(path, content=content, headers={"content-type": "application/json"})
    assert answer.status_code < 500, (body, answer.text)
    if answer.status_code >= 400:
        problem(answer, answer.status_code)


def test_no_secret_is_in_any_log_or_record(server: Running, client: httpx2.Client) -> None:
    client.get("/v1/experts/ada@example.org", params={"key": ADMIN})
    client.post("/v1/predict", json={"expert": "ada@example.org", "inputs": ["secret text of Ada Lovelace"]})
    client.post("/v1/predict", content=b'{"ada@example.org": "secret', headers={"content-type": "application/json"})
    assert server.said(), "the access log is on"
    written = [path for path in server.workspace.rglob("*") if path.is_file() and path.name != "tickets.csv"]
    recent = [path.read_bytes() for path in written if path.stat().st_mtime > time.time() - 600]
    for content in (*recent, server.log.read_bytes()):
        assert ADMIN.encode() not in content
        assert b"secret text of Ada" not in content
    assert b"ada@example.org" not in server.log.read_bytes()
