"""What this machine can do and what is missing: the checks behind `metier doctor`, in a few seconds, offline."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metier import files
from metier.errors import MetierError, ResourceError
from metier.govern import environment
from metier.terminal import duration

# One run of the default plan: bundled base, features of 10,000 texts, adapter training (measured peak 1.5 GiB).
_MEMORY_MIB = 2048
_DISK = 2 << 30
# The bundled base: parameters in its six blocks, tokens of a short message, share of the matmul rate that embedding
# reaches (`benchmarks/RESULTS.md`).
_BLOCK_PARAMETERS, _TOKENS, _EFFICIENCY = 10_646_784, 16, 0.85
_MATMUL_SECONDS = 0.5


@dataclass(frozen=True)
class Check:
    """One question put to the machine: `found` what is there, `fix` what to type, empty when nothing need be done."""

    name: str
    ok: bool
    found: str
    fix: str = ""


def examine(workspace: str | Path, *, find_base: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """Ask this machine all questions; takes a few seconds, most of them importing torch.

    `workspace` is the folder that runs would go to; `find_base` finds a base by name (trunk.base.find if left out).
    Returns `{"ok", "checks": [{"name", "ok", "found", "fix"}], "machine": {...}}`, plain JSON; nothing is raised.
    `machine` holds cores, memory, devices, the float32 matmul rate in GFLOP/s and `embed_10000_seconds`.
    """
    machine: dict[str, Any] = {"cores": environment.cores(), "cpu": environment.cpu_model(), **_memory()}
    folder = Path(workspace)
    checks = [_python(), _cores(machine), _memory_check(machine), _disk(folder), _permission(folder)]
    checks += _torch(machine)
    checks += [_base(find_base), _estimate(machine), *_extras(), _hub()]
    return {
        "ok": all(check.ok for check in checks),
        "checks": [asdict(check) for check in checks],
        "machine": machine,
    }


def as_table(report: dict[str, Any]) -> tuple[str, list[str], list[list[str]]]:
    """Title, columns and rows of `terminal.table` for what `examine` found."""
    bad = sum(not check["ok"] for check in report["checks"])
    title = "This machine is ready." if not bad else f"{bad} thing{'s' * (bad > 1)} to see to."
    rows = [
        [{True: "ok", False: "NO"}[check["ok"]], check["name"], check["found"], check["fix"]]
        for check in report["checks"]
    ]
    return title, ["", "what", "found", "what to do"], rows


# ---------------------------------------------------------------------------------------------------- the machine


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check(
        "python", sys.version_info >= (3, 11), version, "" if sys.version_info >= (3, 11) else "use 3.11 or later"
    )


def _cores(machine: dict[str, Any]) -> Check:
    return Check("processor", True, f"{machine['cores']} cores, {machine['cpu']}")


def _memory() -> dict[str, int]:
    found = environment.memory()
    return {"memory_mib": found["total"], "memory_available_mib": found["available"]}


def _memory_check(machine: dict[str, Any]) -> Check:
    available = machine["memory_available_mib"]
    enough = available >= _MEMORY_MIB
    found = f"{files.amount(available << 20)} free of {files.amount(machine['memory_mib'] << 20)}"
    return Check("memory", enough, found, "" if enough else f"close programs until {_MEMORY_MIB // 1024} GiB are free")


def _disk(folder: Path) -> Check:
    left = files.free(folder)
    if left is None:
        return Check("disk", False, f"{folder}: cannot be asked", "name another folder with --workspace")
    enough = left >= _DISK
    found = f"{files.amount(left)} free at {folder}"
    return Check("disk", enough, found, "" if enough else "free some space, or name another disk with --workspace")


def _permission(folder: Path) -> Check:
    """Write for real where runs would go; what was made for the attempt is removed again."""
    nearest = next((parent for parent in (folder, *folder.parents) if parent.exists()), Path())
    probe = nearest / f"{files.TEMPORARY}doctor-{os.getpid()}"
    try:
        files.write_text(probe, "can be written")
        probe.unlink()
    except (ResourceError, OSError) as error:
        found = error.found if isinstance(error, ResourceError) else str(error)
        return Check("write permission", False, found, "name a folder of yours with --workspace")
    return Check("write permission", True, f"at {nearest}")


# ------------------------------------------------------------------------------------------------- torch and devices


def _torch(machine: dict[str, Any]) -> list[Check]:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library that torch is linked to is missing
        return [Check("torch", False, f"{type(error).__name__}: {error}", "pip install torch")]
    machine["torch"] = str(torch.__version__)
    machine["threads"] = threads = int(torch.get_num_threads())
    found = f"{torch.__version__}, {threads} threads"
    over = threads > machine["cores"]
    fix = (
        f"OMP_NUM_THREADS={machine['cores']} metier ... (more threads than cores slow each other down)" if over else ""
    )
    checks = [Check("torch", True, found, fix)]
    devices = _devices(torch)
    machine["devices"] = devices
    machine["matmul_gflops"] = {device["name"]: _matmul(torch, device["device"]) for device in devices}
    names = ", ".join(f"{device['name']} ({device['memory']})" for device in devices[1:])
    checks.append(Check("gpu", True, names or "none; the processor is used"))
    rates = ", ".join(f"{name} {rate:,.0f} GFLOP/s" for name, rate in machine["matmul_gflops"].items())
    checks.append(Check("matrix speed", True, f"{rates} in float32"))
    return checks


def _devices(torch: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"device": "cpu", "name": "cpu", "memory": "", "bf16": True}]
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(number)
            device = {"device": f"cuda:{number}", "name": about.name, "memory": files.amount(about.total_memory)}
            found.append({**device, "bf16": bool(torch.cuda.is_bf16_supported())})
    elif torch.backends.mps.is_available():
        found.append({"device": "mps", "name": "Apple GPU", "memory": "shared with the processor", "bf16": True})
    return found


def _matmul(torch: Any, device: str) -> float:
    """GFLOP/s of float32 matmul at the shape that embedding spends its time in: 512 tokens through a block's MLP."""
    rows, inner, outer = (512, 384, 1536) if device == "cpu" else (8192, 4096, 4096)
    one, other = torch.randn(rows, inner, device=device), torch.randn(inner, outer, device=device)

    def wait() -> None:
        if device != "cpu":
            (torch.cuda if device.startswith("cuda") else torch.mps).synchronize()

    with torch.inference_mode():
        for _ in range(3):
            one @ other
        wait()
        done, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < _MATMUL_SECONDS or done == 0:
            for _ in range(10):
                one @ other
            wait()
            done += 10
    return float(round(2.0 * rows * inner * outer * done / spent / 1e9, 1))


# --------------------------------------------------------------------------------------------------- what is needed


def _base(find_base: Callable[[str], Any] | None) -> Check:
    from metier.trunk.base import BUNDLED, find

    try:
        base = (find_base or find)(BUNDLED)
    except MetierError as error:
        return Check("bundled base", False, error.found or error.problem, error.fix)
    return Check("bundled base", True, f"minilm, {files.amount(base.bytes)}, SHA-256 as published")


def _estimate(machine: dict[str, Any]) -> Check:
    rates = machine.get("matmul_gflops")
    if not rates:
        return Check("embedding 10,000 texts", False, "cannot be told without torch", "pip install torch")
    work = 10_000 * _TOKENS * 2 * _BLOCK_PARAMETERS
    seconds = work / (max(rates.values()) * 1e9 * _EFFICIENCY)
    machine["embed_10000_seconds"] = round(seconds, 1)
    return Check("embedding 10,000 texts", True, f"about {duration(seconds)} for texts of {_TOKENS} tokens")


def _extras() -> list[Check]:
    """Each optional part of metier and whether its packages are here; none is needed for the way through."""
    wanted: dict[str, list[str]] = {}
    try:
        required = importlib.metadata.requires("metier") or []
    except importlib.metadata.PackageNotFoundError:
        return [Check("extras", True, "metier runs from its source, without being installed", "pip install -e .")]
    for line in required:
        match = re.match(r"\s*([\w.-]+).*;.*extra\s*==\s*['\"]([\w.-]+)['\"]", line)
        if match and match[2] != "dev":
            wanted.setdefault(match[2], []).append(match[1])
    checks = []
    for extra, packages in sorted(wanted.items()):
        missing = [name for name in packages if not _installed(name)]
        found = f"not installed ({', '.join(missing)})" if missing else "installed"
        checks.append(
            Check(f"extra {extra}", True, found, f"pip install 'metier[{extra}]', if wanted" if missing else "")
        )
    return checks


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _hub() -> Check:
    """Where bases from the Hugging Face hub lie, and whether the hub may be asked; it is, only for a base named."""
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    try:
        kept = sum(item.name.startswith("models--") for item in cache.iterdir())
    except OSError:
        kept = 0
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
    asked = "never asked (HF_HUB_OFFLINE)" if offline else "asked only for a base named by its hub id"
    return Check("hugging face hub", True, f"{asked}; {kept} models in {cache}")
