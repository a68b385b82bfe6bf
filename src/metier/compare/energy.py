"""How much energy a piece of work took: read where the processor tells (RAPL), else estimated from its busy seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

_RAPL = Path("/sys/class/powercap")
_JOULES_PER_WATT_HOUR = 3600.0


@dataclass
class Meter:
    """Started when it is made. `read` gives (seconds, watt-hours) since then.

    Without RAPL the energy is the process's and its children's processor seconds times `watts_per_core`: an estimate,
    and one of the processor alone.
    """

    watts_per_core: float
    _started: float = field(default_factory=time.monotonic)
    _processor: float = field(default_factory=lambda: processor_seconds())
    _packages: dict[Path, int] = field(default_factory=lambda: counters())

    @property
    def measured(self) -> bool:
        """Whether the processor's own counters are readable."""
        return bool(self._packages)

    def read(self) -> tuple[float, float]:
        """Seconds and watt-hours so far."""
        seconds = time.monotonic() - self._started
        if self._packages:
            return seconds, _spent(self._packages, counters()) / 1e6 / _JOULES_PER_WATT_HOUR
        busy = processor_seconds() - self._processor
        return seconds, busy * self.watts_per_core / _JOULES_PER_WATT_HOUR


def processor_seconds() -> float:
    """Seconds of all cores that this process and its finished children have used."""
    import psutil

    times = psutil.Process().cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def counters() -> dict[Path, int]:
    """The energy counters of the processor's packages in microjoules; empty where they cannot be read."""
    found = {}
    for package in sorted(_RAPL.glob("intel-rapl:[0-9]")):
        try:
            found[package] = int((package / "energy_uj").read_text())
        except (OSError, ValueError):
            continue
    return found


def _spent(before: dict[Path, int], after: dict[Path, int]) -> float:
    """Microjoules between two readings; a counter that has started again from zero is put right."""
    total = 0.0
    for package, start in before.items():
        end = after.get(package, start)
        if end < start:
            try:
                end += int((package / "max_energy_range_uj").read_text())
            except (OSError, ValueError):
                end = start
        total += end - start
    return total
