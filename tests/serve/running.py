"""A real server process of the tests' own, and a real client of it."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

ADMIN = "an-admin-key-of-the-tests-0123456789"
PATIENCE = 90.0


@dataclass
class Running:
    """A server that answers: its address, its process, what it says on stderr, its workspace."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    workspace: Path
    trust: ssl.SSLContext | bool = True

    def client(self, key: str | None = ADMIN, **choices: Any) -> httpx2.Client:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx2.Client(
            base_url=self.url, headers=headers, timeout=60, trust_env=False, verify=self.trust, **choices
        )

    def said(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        """Ask it to end, and wait; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def running(
    workspace: Path, experts: Sequence[object], *options: object, key: str | None = ADMIN, **environment: str
) -> Iterator[Running]:
    """Serve these experts until the block ends; nothing of the tests' own environment but what it needs."""
    workspace.mkdir(parents=True, exist_ok=True)
    log = workspace.parent / f"{workspace.name}-{time.time_ns()}.log"
    passed = {name: value for name, value in os.environ.items() if not name.startswith("METIER_")}
    passed |= {"METIER_API_KEY": key} if key else {}
    words = ["serve", *map(str, experts), "--port", "0", "--workspace", str(workspace), "--json", *map(str, options)]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "metier", *words],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**passed, "OMP_NUM_THREADS": "1", **environment},
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, log.read_text(encoding="utf-8")
        yield Running(json.loads(line)["url"], process, log, workspace)
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()
        process.wait(PATIENCE)
