"""Calibration and conformal sets of tuned experts, as `metier evaluate --only calibration` measures them."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import datasets
from benchmarks.common import WORK, metier, record
from benchmarks.ladder import trial

# data set -> what `tune` is asked, and the columns whose groups are looked at
NAMES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "banking77": (("--rung", "frozen"), ()),
    "tweeteval_emotion_train": (("--rung", "frozen"), ()),
    "sms_spam": (("--rung", "frozen"), ()),
    "german_credit": ((), ("sex",)),
    "diabetes_130": ((), ("race", "gender")),
}


def measured(files: datasets.Files, words: tuple[str, ...], groups: tuple[str, ...]) -> dict[str, Any]:
    """Tune, then evaluate on the test file: calibration error, and how often conformal sets hold the truth."""
    WORK.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix="confidence-", dir=WORK))
    try:
        place = ("--workspace", workspace)
        tuned, run = metier(
            "tune",
            files.train,
            "--target",
            files.spec.target,
            "-o",
            workspace / "expert",
            *words,
            *files.spec.flags,
            *place,
        )
        if run.code:
            return {"error": tuned}
        flags = [word for group in groups for word in ("--group", group)]
        found, run = metier("evaluate", workspace / "expert", files.test, "--only", "calibration", *flags, *place)
        if run.code:
            return {"error": found}
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    conformal = found["conformal"]
    methods = {
        method["method"]: {
            **{key: method[key] for key in ("coverage", "low", "high", "size", "empty")},
            "furthest": max(
                (abs(part["coverage"] - conformal["level"]) for part in method["parts"] if _own(method, part)),
                default=None,
            ),
        }
        for method in conformal["methods"]
    }
    return {
        "rung": tuned["chosen"],
        "rows": found["rows"],
        "ece": {key: found["calibration"][key] for key in ("low", "high")} | {"value": found["calibration"]["ece"]},
        "ece_before": found["calibration"]["ece_before"],
        "level": conformal["level"],
        "methods": methods,
        "out_of_scope": found.get("out_of_scope"),
        "selective": found["selective"],
    }


def _own(method: dict[str, Any], part: dict[str, Any]) -> bool:
    """Whether these rows calibrated themselves: only then is coverage promised for them alone."""
    return bool(method["method"] == f"by {part['by']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--rows", type=int, help="only so many rows of each file: a trial, not a figure")
    choices = parser.parse_args()
    for files in datasets.available(choices.names):
        start = time.perf_counter()
        some = files if choices.rows is None else trial(files, choices.rows)
        words, groups = NAMES[files.spec.name]
        figures = measured(some, words, groups)
        record(files.spec.name, figures, seconds=time.perf_counter() - start, quick=choices.rows is not None)


if __name__ == "__main__":
    main()
