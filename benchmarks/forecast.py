"""Does the forecast of `metier compare` hold? Made from the smaller sizes of real curves, held against the larger.

Each way's learning curve is measured at six numbers of labels. From the first four the fifth and sixth are foretold,
from the first five the sixth: 1.8 and 3.3 times as many labels. Counted is how often the 95% interval holds what was
then measured, and how wide it is.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.base_ranking import some
from benchmarks.common import WORK, record, recorded
from metier.choose.ground import lay
from metier.compare.curves import Field, measure, scores, sizes
from metier.compare.forecast import Curve, best_score, future
from metier.compare.ways import ways
from metier.evaluate.intervals import wilson
from metier.plan import Plan
from metier.progress import Silent
from metier.trunk.base import find
from metier.trunk.features import Trunk
from metier.workspace import Workspace

SETS = ("tweeteval_emotion_joined", "sms_spam", "financial_phrasebank", "ag_news", "medical_abstracts", "cfpb",
        "banking77", "german_credit", "ai4i2020")  # fmt: skip
ROWS, SIZES = 2000, 6
WAYS = {datasets.TABLE: ("linear", "trees"), datasets.TEXT: ("linear", "frozen")}


def curves(name: str, rows: int, wanted: Sequence[str]) -> dict[str, Curve]:
    """The learning curves of a set's quick ways."""
    files = datasets.load(name)
    chosen = tuple(way for way in WAYS[files.spec.kind] if way in wanted)
    place = Workspace(Path(os.environ.get("METIER_HOME") or WORK / "home"))
    with tempfile.TemporaryDirectory() as folder:
        data, test = some(files, rows, rows, Path(folder))
        plan = Plan.of(target=files.spec.target, test=str(test), ways=chosen, sizes=SIZES)
        ground = lay(data, plan, place)
        assert ground.test_examples is not None
        field = Field(ground.examples, ground.test_examples, Trunk(find("minilm"), place.cache), ground.metric, plan,
                      Path(folder) / "fits", Silent(), lambda: None)  # fmt: skip
        compared, _ = ways(ground)
        fits, _ = measure(field, compared, sizes(len(field.pool), ground.examples.target.width, SIZES))
    found = {}
    for way in compared:
        every = scores(fits, way.name)
        flat = [float(score) for one in every.values() for score in one]
        found[way.name] = Curve(np.array(list(every)), tuple(every.values()), ground.metric.greater_is_better,
                                best_score(flat, ground.metric.greater_is_better))  # fmt: skip
    return found


def hindcasts(curve: Curve, level: float) -> list[dict[str, Any]]:
    """Every forecast that the later sizes of a curve can be held against."""
    found = []
    for known in range(4, len(curve.rows)):
        ahead = future(curve.until(known))
        assert ahead is not None
        for at in range(known, len(curve.rows)):
            told, measured = ahead.interval(float(curve.rows[at]), level), float(curve.means[at])
            found.append(
                {
                    "factor": float(curve.rows[at] / curve.rows[known - 1]),
                    "low": told.low,
                    "high": told.high,
                    "error": measured - told.value,
                    "inside": bool(told.low <= measured <= told.high),
                }
            )
    return found


def recorded_curves() -> list[Curve]:
    """The newest recorded curve of each set and way."""
    newest = {line["figure"]: line["figures"] for line in recorded("forecast") if "scores" in line["figures"]}
    return [
        Curve(np.array(one["rows"]), tuple(map(np.array, one["scores"])), True, one["best"]) for one in newest.values()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SETS))
    parser.add_argument("--ways", nargs="*", default=["linear", "frozen", "trees"])
    parser.add_argument("--recorded", action="store_true", help="judge the curves recorded last, measure none anew")
    parser.add_argument("--rows", type=int, help="only so many rows of each file: a trial, not a figure")
    choices = parser.parse_args()
    every, start = [], time.perf_counter()
    for curve in recorded_curves() if choices.recorded else ():
        every += hindcasts(curve, 0.95)
    for files in datasets.available([] if choices.recorded else choices.names):
        began = time.perf_counter()
        for way, curve in curves(files.spec.name, choices.rows or ROWS, choices.ways).items():
            found = hindcasts(curve, 0.95)
            every += found
            figures = {"rows": curve.rows.tolist(), "scores": [one.tolist() for one in curve.values],
                       "best": curve.best, "hindcasts": found}  # fmt: skip
            record(f"forecast/{files.spec.name}/{way}", figures, seconds=time.perf_counter() - began,
                   quick=choices.rows is not None)  # fmt: skip
    inside = sum(one["inside"] for one in every)
    low, high = wilson(inside, len(every))
    summary = {
        "forecasts": len(every),
        "inside": inside / len(every),
        "low": low,
        "high": high,
        "median_width": float(np.median([one["high"] - one["low"] for one in every])),
        "median_error": float(np.median([abs(one["error"]) for one in every])),
    }
    record("forecast/coverage", summary, seconds=time.perf_counter() - start, quick=choices.rows is not None)


if __name__ == "__main__":
    main()
