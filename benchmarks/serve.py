"""Serving over HTTP: throughput at saturation beside the offline batch, waiting at half load, one expert to many, and a
plain FastAPI + transformers pipeline; one text a request, the client in a second process.

Every text is another one, so that nothing is remembered from one request to the next.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.common import MIB, ROOT, WORK, record
from benchmarks.serve_engine import copies, tuned
from metier.expert import Expert

PLACE = WORK / "serve"
WORDS = """
card account transfer money bank payment app pin code fee charge refund cash top limit rate exchange identity verify
country order lost stolen pending declined wrong balance statement salary cheque virtual disposable contactless atm
withdrawal currency weekend transaction direct debit beneficiary please help why has my not the is how can i do what
when where it to for from in on with a of me was be still after again today
""".split()  # noqa: SIM905


def texts(count: int, seed: int) -> list[str]:
    """Different texts of about sixteen tokens."""
    import random

    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=13)) + f" {number % 1000}" for number in range(count)]


@contextmanager
def process(words: Sequence[str], url: str | None) -> Iterator[tuple[str, psutil.Process]]:
    """A server, once it answers: its address and its process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("METIER_")}
    started = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT, env=environment)
    assert started.stdout is not None
    try:
        if url is None:
            url = json.loads(started.stdout.readline())["url"]
        else:
            port = int(url.rpartition(":")[2])
            for _ in range(600):
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
        yield url, psutil.Process(started.pid)
    finally:
        started.terminate()
        started.wait()


def ours(experts: Sequence[Path]) -> Any:
    """`metier serve` of these experts, as e0, e1, ..."""
    shutil.rmtree(PLACE / "home", ignore_errors=True)
    named = [f"e{number}={folder}" for number, folder in enumerate(experts)]
    words = [
        sys.executable,
        "-m",
        "metier",
        "serve",
        *named,
        "--port",
        "0",
        "--json",
        "--workspace",
        str(PLACE / "home"),
    ]
    return process(words, None)


def peer() -> Any:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return process([sys.executable, "-m", "benchmarks.serve_peer", "--port", str(port)], f"http://127.0.0.1:{port}")


def load(url: str, bodies: Path, seconds: float, **choices: float) -> dict[str, Any]:
    flags = [word for name, value in choices.items() for word in (f"--{name}", str(value))]
    words = [sys.executable, "-m", "benchmarks.serve_load", url, str(bodies), "--seconds", str(seconds), *flags]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measured(server: Any, experts: int, seconds: float, seed: int, *, named: bool) -> dict[str, Any]:
    """Saturation, then half of it, with every text new."""
    with server as (url, running):
        made = []
        for part in range(3):
            lines = texts(60_000, 10 * seed + part)
            each = [{"expert": f"e{at % experts}", "inputs": [text]} for at, text in enumerate(lines)]
            path = PLACE / f"bodies-{part}.jsonl"
            stripped = each if named else [{"inputs": body["inputs"]} for body in each]
            path.write_text("\n".join(map(json.dumps, stripped)), encoding="utf-8")
            made.append(path)
        load(url, made[0], min(seconds, 3.0), connections=64)
        full = load(url, made[1], seconds, connections=64)
        half = load(url, made[2], seconds, connections=256, rate=full["per_second"] / 2)
        memory = running.memory_info().rss / MIB
    return {"saturation": full, "half": half, "memory_mib": round(memory, 1)}


def offline(expert: Path, count: int) -> float:
    """Texts a second of `Expert.predict`."""
    loaded = Expert.load(expert)
    loaded.predict(texts(64, 1))
    lines = texts(count, 2)
    began = time.perf_counter()
    loaded.predict(lines)
    return count / (time.perf_counter() - began)


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few experts, short runs; not a figure")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--experts", type=int, default=200)
    parser.add_argument("--expert", type=Path, help="an adapter tuned before, instead of tuning two")
    given = parser.parse_args()
    seconds, most = (4.0, 8) if given.quick else (given.seconds, given.experts)
    began = time.perf_counter()
    PLACE.mkdir(parents=True, exist_ok=True)
    experts = copies([given.expert] if given.expert else tuned(300 if given.quick else 2000), most)
    batch = offline(experts[0], 1500 if given.quick else 8000)
    one = measured(ours(experts[:1]), 1, seconds, 1, named=True)
    many = measured(ours(experts), most, seconds, 2, named=True)
    other = measured(peer(), 1, seconds, 3, named=False)
    rate = one["saturation"]["per_second"]
    figures = {
        "offline_per_second": round(batch, 1),
        "one": one,
        "many": many,
        "peer": other,
        "experts": most,
        "share_of_offline": round(rate / batch, 3),
        "p95_ms_half_load": one["half"]["p95_ms"],
        "p95_many_over_one": round(many["half"]["p95_ms"] / one["half"]["p95_ms"], 3),
        "mib_an_expert": round((many["memory_mib"] - one["memory_mib"]) / max(most - 1, 1), 2),
        "over_peer": round(rate / other["saturation"]["per_second"], 2),
    }
    record("serve_http", figures, seconds=time.perf_counter() - began, quick=given.quick)


if __name__ == "__main__":
    run()
