"""What every benchmark shares: where things are, how a process is timed and weighed, and how a result is recorded."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "benchmarks" / ".work"
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = ("metier", "torch", "transformers", "peft", "accelerate", "scikit-learn", "numpy", "tokenizers", "setfit",
            "sentence-transformers")  # fmt: skip
MIB = 1024 * 1024
# Before this process loads the machine itself: what others were doing when it was measured.
LOAD_BEFORE = round(os.getloadavg()[0], 2)


@dataclass(frozen=True)
class Run:
    """A finished process: `seconds` of wall time from start to exit, `peak_mib` of the whole process tree.

    `cpu_seconds` are those of the process and of the children it waited for.
    """

    command: str
    code: int
    stdout: str
    stderr: str
    seconds: float
    cpu_seconds: float
    peak_mib: float
    peak_anonymous_mib: float


class _Scales:
    """Samples the resident memory of a process and all its children until told to stop."""

    def __init__(self, pid: int, every: float = 0.05) -> None:
        self.pid, self.every = pid, every
        self.peak = self.peak_anonymous = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        import psutil

        while not self._stop.wait(self.every):
            try:
                root = psutil.Process(self.pid)
                infos = [process.memory_info() for process in [root, *root.children(recursive=True)]]
            except psutil.Error:  # a child ended between being listed and being asked
                continue
            self.peak = max(self.peak, sum(info.rss for info in infos))
            shared = sum(getattr(info, "shared", 0) for info in infos)
            self.peak_anonymous = max(self.peak_anonymous, sum(info.rss for info in infos) - shared)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def execute(command: Sequence[str | Path]) -> Run:
    """Run a command to its end; its progress goes to our stderr, its stdout is kept.

    Peak memory is the larger of a 20 Hz sample over the process tree and the kernel's own high-water mark of the
    process, so that neither a short spike nor a worker process is missed.
    """
    words = [str(word) for word in command]
    WORK.mkdir(parents=True, exist_ok=True)
    errors = WORK / f"stderr-{os.getpid()}.log"
    # a peer must not look for models on the network; BENCHMARK_STARTED lets it count its own imports
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "BENCHMARK_STARTED": repr(time.time())}
    start = time.perf_counter()
    with errors.open("wb") as stderr:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=stderr, cwd=ROOT, env=environment)
        scales = _Scales(process.pid)
        try:
            assert process.stdout is not None
            out = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            scales.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    text = errors.read_text(encoding="utf-8", errors="replace")
    errors.unlink()
    if process.returncode:
        sys.stderr.write(text[-4000:] + out.decode(errors="replace")[-2000:] + "\n")
    return Run(
        shlex.join(words), process.returncode, out.decode(errors="replace"), text, seconds,
        usage.ru_utime + usage.ru_stime, max(scales.peak / MIB, usage.ru_maxrss / 1024),
        scales.peak_anonymous / MIB,
    )  # fmt: skip


def metier(*words: str | Path) -> tuple[dict[str, Any], Run]:
    """Run `metier ... --json` as a person would, in a process of its own; gives its JSON and how it ran.

    A failed command gives `{"error": ...}`, as the command itself prints it.
    """
    run = execute([Path(sys.executable).parent / "metier", *words, "--json", "--quiet"])
    try:
        answer = json.loads(run.stdout)
    except json.JSONDecodeError:
        answer = {"error": {"code": "no-json", "problem": run.stderr[-600:], "found": run.stdout[-500:], "fix": ""}}
    return answer, run


def flat(metrics: dict[str, Any] | None) -> dict[str, float]:
    """`{name: {"value", "low", "high"}}` or `{name: number}` -> `{name: number}`; undefined ones are left out."""
    plain = {name: value["value"] if isinstance(value, dict) else value for name, value in (metrics or {}).items()}
    return {name: float(value) for name, value in plain.items() if value is not None}


def machine() -> dict[str, Any]:
    """What the figures were measured on, the load at the time included: a busy machine must be seen in the record."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "load_before": LOAD_BEFORE,
        "load_after": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """The installed versions of everything that decides a figure; what is absent is left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit measured, with `+` when the tree had changes; empty outside a repository."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def record(
    figure: str, figures: dict[str, Any], *, seconds: float, quick: bool, peer: dict[str, str] | None = None
) -> None:
    """Append one JSON line to `benchmarks/results/<script>.json` and show it.

    `figure` is the key that `report.py` looks for; `quick` results are kept but never shown as the figure.
    """
    script = Path(sys.argv[0]).stem
    line = {
        "figure": figure,
        "quick": quick,
        "figures": figures,
        "seconds": round(seconds, 1),
        "command": shlex.join(["python", "-m", f"benchmarks.{script}", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "peer_versions": peer or {},
        "commit": commit(),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    with (RESULTS / f"{script}.json").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")
    print(json.dumps({"figure": figure, "quick": quick, "figures": figures, "seconds": line["seconds"]}), flush=True)


def recorded(script: str) -> list[dict[str, Any]]:
    """All results of one script, oldest first."""
    path = RESULTS / f"{script}.json"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
