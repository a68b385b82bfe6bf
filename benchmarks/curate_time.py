"""How long `metier curate` takes once the features are cached, on Banking77; and what memory a million texts need."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import datasets
from benchmarks.common import WORK, metier, record
from benchmarks.memory import generate, share_features


def timed(files: datasets.Files, rounds: int, words: list[str]) -> dict[str, Any]:
    """Curate with the test file until all texts are embedded, then `rounds` times more: those count."""
    place = Path(tempfile.mkdtemp(prefix="curate-", dir=WORK))
    command = ["curate", files.train, "--target", files.spec.target, "--test", files.test, "--workspace", place, *words]
    try:
        answer, first = metier(*command)
        if "error" in answer:
            return {"error": answer["error"]}
        seconds, peaks = [], []
        for _ in range(rounds):
            answer, run = metier(*command)
            seconds.append(round(run.seconds, 1))
            peaks.append(round(run.peak_mib))
        return {
            "rows": answer["rows"],
            "first_seconds": round(first.seconds, 1),
            "seconds": min(seconds),
            "all_seconds": seconds,
            "questions": answer["questions"],
            "peak_mib": max(peaks),
            "summary": answer["summary"],
            "noise_rate": answer["noise_rate"],
        }
    finally:
        shutil.rmtree(place, ignore_errors=True)


def million(rows: int, words: list[str], cache: Path | None) -> dict[str, Any]:
    """Curate generated texts of 20 tokens in a fresh workspace, and weigh the process."""
    place = Path(tempfile.mkdtemp(prefix="curate-", dir=WORK))
    share_features(place / "workspace", cache)
    try:
        generate(place / "texts.csv", rows)
        answer, run = metier(
            "curate", place / "texts.csv", "--target", "label", "--workspace", place / "workspace", *words
        )
        figures = {
            "rows": rows,
            "peak_mib": round(run.peak_mib),
            "peak_anonymous_mib": round(run.peak_anonymous_mib),
            "wall_seconds": round(run.seconds, 1),
        }
        if run.code or "error" in answer:
            return {**figures, "error": answer.get("error", "failed")}
        kept = ("questions", "summary", "noise_rate", "peak_memory_mib")
        return {**figures, **{name: answer[name] for name in kept}}
    finally:
        shutil.rmtree(place, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--cache", type=Path, help="keep the million's features here")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--parts", nargs="*", default=["banking77", "million"], choices=["banking77", "million"])
    choices, words = parser.parse_known_args()
    WORK.mkdir(parents=True, exist_ok=True)
    if "banking77" in choices.parts:
        for files in datasets.available(["banking77"]):
            start = time.perf_counter()
            record(
                "banking77", timed(files, choices.rounds, words), seconds=time.perf_counter() - start, quick=bool(words)
            )
    if "million" in choices.parts:
        start = time.perf_counter()
        figures = million(choices.rows, words, choices.cache)
        record("million", figures, seconds=time.perf_counter() - start, quick=choices.rows < 1_000_000)


if __name__ == "__main__":
    main()
