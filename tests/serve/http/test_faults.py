"""What goes wrong: killed under load, the database locked, the disk full, asked to end; nothing acknowledged is lost."""

from __future__ import annotations

import resource
import sqlite3
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.serve.http.conftest import Experts
from tests.serve.http.test_routes import problem
from tests.serve.running import Running, running

from metier.govern.ledger.book import open_ledger
from metier.serve.log.drain import Drain
from metier.serve.log.reading import joined
from metier.serve.log.sealing import sealer
from metier.serve.log.spool import Spool
from metier.store.records import open_store
from metier.workspace import Workspace

ASKED = {"expert": "banking", "inputs": ["my bank card does not work 1", "please help with the login 2"]}


def ask_until_it_dies(server: Running, given: list[str], told: list[str]) -> None:
    """Ask and tell the truth, and note what was acknowledged."""
    with server.client() as client:
        while True:
            try:
                answer = client.post("/v1/predict", json=ASKED)
                if answer.status_code != 200:
                    return
                given += [row["id"] for row in answer.json()["predictions"]]
                answer = client.post("/v1/feedback", json={"id": given[-1], "truth": "card"})
                if answer.status_code == 202:
                    told.append(given[-1])
            except httpx2.TransportError:
                return


def test_a_server_that_is_killed_under_load_loses_nothing_it_acknowledged(experts: Experts, tmp_path: Path) -> None:
    home = tmp_path / "home"
    given: list[str] = []
    told: list[str] = []
    with running(home, [f"banking={experts.second}"]) as server:
        threads = [threading.Thread(target=ask_until_it_dies, args=(server, given, told)) for _ in range(3)]
        for thread in threads:
            thread.start()
        while len(given) < 120:
            time.sleep(0.01)
        server.kill()
        for thread in threads:
            thread.join()
    place = Workspace(home)
    store = open_store(place)
    own = Spool(place)
    Drain(place, store, own).once()
    own.close()
    kept = {row["id"]: row["truth"] for row in joined(store)}
    with store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    store.close()
    assert len(given) >= 120
    assert set(given) <= set(kept)
    assert {kept[id_] for id_ in told} == {"card"}
    ledger = open_ledger(place)
    assert ledger.verify().ok
    ledger.store.close()


@pytest.fixture(scope="module")
def server(experts: Experts, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server that speaks https, with clients of one authority alone, and keeps sealed what people said."""
    place = tmp_path_factory.mktemp("faults")
    authority, cert, key = certificates(place)
    options = ("--tls-cert", cert, "--tls-key", key, "--tls-client-ca", authority, "--log-inputs", "text")
    with running(place / "home", [f"banking={experts.second}"], *options, METIER_LOG_KEY="k" * 32) as found:
        assert found.url.startswith("https://")
        found.trust = ssl.create_default_context(cafile=str(authority))
        found.trust.load_cert_chain(cert, key)
        yield found


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority, and a certificate of 127.0.0.1 by it with its key, as PEM files."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    own, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)

    def signed(subject: x509.Name, public: Any, *extensions: Any) -> bytes:
        made = x509.CertificateBuilder(name, subject, public, x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        for extension in extensions:
            made = made.add_extension(extension, critical=False)
        return made.sign(own, hashes.SHA256()).public_bytes(Encoding.PEM)

    ca = x509.BasicConstraints(ca=True, path_length=None)
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    host = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    mine = x509.SubjectKeyIdentifier.from_public_key(own.public_key())
    theirs = x509.AuthorityKeyIdentifier.from_issuer_public_key(own.public_key())
    server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    (folder / "ca.pem").write_bytes(signed(name, own.public_key(), ca, usage, mine))
    (folder / "cert.pem").write_bytes(signed(server, key.public_key(), host, theirs))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "ca.pem", folder / "cert.pem", folder / "key.pem"


def test_only_clients_with_a_certificate_come_in(server: Running) -> None:
    with server.client() as client:
        assert client.get("/health").status_code == 200
    with httpx2.Client(verify=False, trust_env=False) as other, pytest.raises(httpx2.TransportError):
        other.get(f"{server.url}/health")


def rows(server: Running) -> int:
    connection = sqlite3.connect(server.workspace / "metier.db")
    try:
        return int(connection.execute("SELECT count(*) FROM predictions").fetchone()[0])
    finally:
        connection.close()


def until(server: Running, wanted: int) -> None:
    for _ in range(300):
        if rows(server) == wanted:
            return
        time.sleep(0.1)
    raise AssertionError((rows(server), wanted, server.said()))


def test_requests_are_answered_while_the_database_is_locked_and_written_once_after(server: Running) -> None:
    other = sqlite3.connect(server.workspace / "metier.db", isolation_level=None)
    before = rows(server)
    other.execute("BEGIN IMMEDIATE")
    with server.client() as client:
        for _ in range(10):
            assert client.post("/v1/predict", json=ASKED).status_code == 200
        assert rows(server) == before
        other.execute("ROLLBACK")
        other.close()
        until(server, before + 20)


def test_a_full_disk_refuses_what_it_cannot_keep_and_goes_on_afterwards(server: Running) -> None:
    process = server.process.pid
    before, kept = resource.prlimit(process, resource.RLIMIT_FSIZE), rows(server)
    with server.client() as client:
        assert client.post("/v1/predict", json=ASKED).status_code == 200
        resource.prlimit(process, resource.RLIMIT_FSIZE, (0, before[1]))
        for path, body in (("/v1/predict", ASKED), ("/v1/feedback", {"id": "0" * 32, "truth": 1})):
            assert problem(client.post(path, json=body), 503)["code"] == "log-full"
        assert problem(client.get("/ready"), 503)["code"] == "not-ready"
        assert client.get("/health").status_code == 200
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)
        assert client.post("/v1/predict", json=ASKED).status_code == 200
        assert client.get("/ready").status_code == 200
        assert "metier_log_disk_failing 0.0" in client.get("/metrics").text
    until(server, kept + 4)


def test_what_was_accepted_is_answered_when_the_server_is_asked_to_end(server: Running) -> None:
    body = {"expert": "banking", "inputs": ASKED["inputs"] * 500}
    answers: list[httpx2.Response] = []

    def ask() -> None:
        with server.client() as client:
            answers.append(client.post("/v1/predict", json=body))

    with server.client(key=None) as stranger:
        for _ in range(7):
            problem(stranger.post("/v1/predict", json=ASKED), 401)
    with server.client() as client:
        client.get("/health")
        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        while "metier_requests_open 3.0" not in client.get("/metrics").text and len(answers) < 2:
            time.sleep(0.005)
        assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200, 200]
    ids = {row["id"] for answer in answers for row in answer.json()["predictions"]}
    store = open_store(Workspace(server.workspace))
    assert ids <= {row["id"] for row in joined(store)}
    assert not any(row["prediction"] or row["input"] for row in joined(store)), "they are sealed"
    assert all(row["input"] in ASKED["inputs"] for row in joined(store, sealer=sealer({"METIER_LOG_KEY": "k" * 32})))
    store.close()
    ledger = open_ledger(Workspace(server.workspace))
    denied = [(record.subject, record.reason, record.facts["calls"]) for record in ledger.records("nobody")]
    assert denied == [("caller:nobody", "no-key", 7)]
    acts = [record.act for record in ledger.records("banking")]
    assert (acts[0], acts[-1]) == ("served", "stopped")
    assert ledger.verify().ok
    ledger.store.close()
    assert not list((server.workspace / "serving" / "spool").iterdir()), "nothing is left to be replayed"
