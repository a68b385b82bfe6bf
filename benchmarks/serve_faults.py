"""Killed under load, again and again: is anything that was acknowledged lost, is any store broken?

A round starts `metier serve`, asks and tells truths over several connections, and kills the server (SIGKILL) at a
moment drawn by chance. Afterwards every id that was answered, and every truth that was acknowledged, must be in the
records once.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

from benchmarks.common import ROOT, WORK, record
from benchmarks.serve import texts
from benchmarks.serve_engine import tuned
from metier.govern.ledger.book import open_ledger
from metier.serve.log.drain import Drain
from metier.serve.log.reading import joined
from metier.serve.log.spool import Spool
from metier.store.records import open_store
from metier.workspace import Workspace

PLACE = WORK / "serve_faults"
CONNECTIONS = 4


def ask(port: int, lines: list[str], given: list[str], told: list[str]) -> None:
    """Ask and tell until the server is gone."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        for text in lines:
            answer = post(connection, "/v1/predict", {"expert": "e", "inputs": [text, text + " now"]})
            own = [row["id"] for row in answer["predictions"]]
            given += own
            post(connection, "/v1/feedback", {"id": own[-1], "truth": "yes"})
            told.append(own[-1])
    except (OSError, http.client.HTTPException, ValueError):
        return


def post(connection: http.client.HTTPConnection, path: str, body: object) -> dict:
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    found: dict = json.loads(connection.getresponse().read())
    return found


def killed(expert: Path, home: Path, number: int, given: list[str], told: list[str]) -> None:
    """One round."""
    words = [sys.executable, "-m", "metier", "serve", f"e={expert}", "--port", "0", "--json", "--workspace", str(home)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("METIER_")}
    server = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT, env=environment)
    assert server.stdout is not None
    port = int(json.loads(server.stdout.readline())["url"].rpartition(":")[2])
    lines = texts(4000, number)
    threads = [
        threading.Thread(target=ask, args=(port, lines[at::CONNECTIONS], given, told)) for at in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    time.sleep(random.Random(number).uniform(0.3, 3.0))
    server.kill()
    server.wait()
    for thread in threads:
        thread.join()


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds; not a figure")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--expert", type=Path, help="an expert tuned before, instead of tuning one")
    arguments = parser.parse_args()
    rounds = 2 if arguments.quick else arguments.rounds
    began = time.perf_counter()
    shutil.rmtree(PLACE, ignore_errors=True)
    home = PLACE / "home"
    expert = arguments.expert or tuned(300)[0]
    given: list[str] = []
    told: list[str] = []
    for number in range(rounds):
        killed(expert, home, number, given, told)
        print(f"round {number + 1}: {len(given)} answers, {len(told)} truths acknowledged", file=sys.stderr)
    place = Workspace(home)
    store = open_store(place)
    own = Spool(place)
    waiting = Drain(place, store, own).once()
    own.close()
    kept = {row["id"]: row["truth"] for row in joined(store)}
    store.close()
    with sqlite3.connect(home / "metier.db") as connection:
        whole = connection.execute("PRAGMA integrity_check").fetchone()[0]
    ledger = open_ledger(place)
    figures = {
        "rounds": rounds,
        "answers": len(given),
        "truths": len(told),
        "answers_lost": len(set(given) - set(kept)),
        "truths_lost": sum(kept.get(id_) != "yes" for id_ in told),
        "replayed": waiting,
        "store": whole,
        "ledger_ok": ledger.verify().ok,
    }
    ledger.store.close()
    record("serve_faults", figures, seconds=time.perf_counter() - began, quick=arguments.quick)


if __name__ == "__main__":
    run()
