"""Broken files of every form, by the thousand: do readers end in rows or a clear error each time, and how slowly?"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzzing import broken, wholes

from benchmarks.common import record
from metier.data.read import read
from metier.errors import MetierError
from metier.plan import DataPlan

LONG = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000, help="of each form")
    choices = parser.parse_args()
    start = time.perf_counter()
    told: Counter[str] = Counter()
    crashes: list[str] = []
    slowest, long = (0.0, ""), 0
    for name, whole in wholes().items():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            for seed in range(choices.files):
                file.write_bytes(broken(whole, random.Random(seed)))
                began = time.perf_counter()
                try:
                    read(str(file), DataPlan(), Path(folder) / "cache")
                    told["read"] += 1
                except MetierError:
                    told["refused"] += 1
                except Exception as error:  # what is counted here  # noqa: BLE001
                    crashes.append(f"{name} {seed}: {type(error).__name__}: {error}"[:200])
                seconds = time.perf_counter() - began
                long += seconds > LONG
                slowest = max(slowest, (seconds, f"{name} {seed}"))
    figures = {
        "files": choices.files * len(wholes()),
        **told,
        "crashes": len(crashes),
        "first_crashes": crashes[:10],
        "over_2_seconds": long,
        "slowest_seconds": round(slowest[0], 3),
        "slowest": slowest[1],
    }
    record("readers", figures, seconds=time.perf_counter() - start, quick=choices.files < 1000)


if __name__ == "__main__":
    main()
