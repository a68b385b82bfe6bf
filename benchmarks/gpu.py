"""The same loop on CUDA in bf16 against Trainer + PEFT in bf16 there; without a GPU it records that it was not run."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import datasets
from benchmarks.common import record
from benchmarks.ladder import speed, trial, tune
from benchmarks.peers_train import peer


def compare(files: datasets.Files, python: Path | None) -> dict[str, Any]:
    """The adapter rung here and the peer's LoRA, one after the other: examples a second, accuracy, seconds."""
    mine = tune(files.train, files.test, files.spec.target, "--rung", "adapter", "--time-limit", "none")
    loop, whole = speed(mine).values()
    rival = peer(files, "--bf16", python=python)
    if "error" in mine:
        return mine
    return {
        "our_examples_per_second": loop,
        "peer_examples_per_second": rival["examples_per_second"],
        "times_examples_per_second": loop and loop / rival["examples_per_second"],
        "times_examples_per_second_of_whole_rung": whole and whole / rival["examples_per_second"],
        "our_accuracy": mine["test"]["accuracy"],
        "peer_accuracy": rival["accuracy"],
        "our_wall_seconds": mine["wall_seconds"],
        "peer_wall_seconds": rival["wall_seconds"],
        "peer_versions": rival["versions"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["banking77"])
    parser.add_argument("--rows", type=int, help="only so many rows of each file: a trial, not a figure")
    parser.add_argument(
        "--here", action="store_true", help="run the peer with this interpreter: for a machine that can install nothing"
    )
    choices = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        print("not run: no GPU", file=sys.stderr)
        record("cuda", {"not_run": "not run: no GPU"}, seconds=0.0, quick=False)
        return
    for files in datasets.available(choices.names):
        start = time.perf_counter()
        some = files if choices.rows is None else trial(files, choices.rows)
        figures = compare(some, Path(sys.executable) if choices.here else None)
        record("cuda", {"device": torch.cuda.get_device_name(0), "dataset": files.spec.name, **figures},
               seconds=time.perf_counter() - start, quick=choices.rows is not None)  # fmt: skip


if __name__ == "__main__":
    main()
