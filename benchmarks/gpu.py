"""The same loop on CUDA in bf16 against Trainer + PEFT in bf16 there; without a GPU it records that it was not run."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import datasets
from benchmarks.common import record
from benchmarks.peers_train import compare_gpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["banking77"])
    parser.add_argument("--rows", type=int, help="only so many rows of each file: a trial, not a figure")
    parser.add_argument(
        "--here", action="store_true", help="run the peer with this interpreter: a machine that can install nothing"
    )
    choices = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        print("not run: no GPU", file=sys.stderr)
        record("cuda", {"not_run": "not run: no GPU"}, seconds=0.0, quick=False)
        return
    device = torch.cuda.get_device_name(0)
    python = Path(sys.executable) if choices.here else None
    for files in datasets.available(choices.names):
        start = time.perf_counter()
        figures: dict[str, Any] = compare_gpu(files, choices.rows, python)
        record("cuda", {"device": device, "dataset": files.spec.name, **figures},
               seconds=time.perf_counter() - start, quick=choices.rows is not None)  # fmt: skip


if __name__ == "__main__":
    main()
