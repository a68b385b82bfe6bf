"""The whole of `metier evaluate`, all questions, on an expert for Banking77: seconds by question, and memory."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from benchmarks import datasets
from benchmarks.common import WORK, metier, record
from benchmarks.ladder import trial

RUNGS = ("frozen", "adapter")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rungs", nargs="*", default=list(RUNGS), choices=RUNGS)
    parser.add_argument("--rows", type=int, help="only so many rows of each file: a trial, not a figure")
    choices = parser.parse_args()
    for files in datasets.available(["banking77"]):
        some = files if choices.rows is None else trial(files, choices.rows)
        for rung in choices.rungs:
            WORK.mkdir(parents=True, exist_ok=True)
            workspace = Path(tempfile.mkdtemp(prefix="evaluation-", dir=WORK))
            try:
                expert, place = workspace / "expert", ("--workspace", workspace)
                # One pass is enough: what is timed is the evaluation of what comes out.
                words = ("--rung", rung, "--epochs", "1", "-o", expert, *place)
                tuned, run = metier("tune", some.train, "--target", files.spec.target, *words)
                found, run = metier("evaluate", expert, some.test, *place) if not run.code else (tuned, run)
            finally:
                shutil.rmtree(workspace, ignore_errors=True)
            figures = {
                "rung": rung,
                "wall_seconds": round(run.seconds, 1),
                "cpu_seconds": round(run.cpu_seconds, 1),
                "peak_mib": round(run.peak_mib),
                "code": run.code,
                **{key: found.get(key) for key in ("rows", "questions", "notes", "error")},
            }
            record(f"banking77/{rung}", figures, seconds=run.seconds, quick=choices.rows is not None)


if __name__ == "__main__":
    main()
