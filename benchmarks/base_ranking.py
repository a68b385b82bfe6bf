"""Is the base that `metier bases` puts first the right one? Its ranking beside the frozen rung's scores on test rows.

Truth is the frozen rung fitted to all rows and measured on test rows the ranking never saw. The first place is right
when no other base is better on these beyond chance (paired interval). The whole order is judged by weighted Kendall tau
(Vigna 2015), beside that of the list ordered by size, which is what people go by.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import weightedtau

from benchmarks import datasets
from benchmarks.common import ROOT, WORK, record
from metier.choose import room
from metier.choose.family import FormTrunk, relate
from metier.choose.ground import Ground, lay
from metier.evaluate.intervals import paired_gain
from metier.plan import Plan
from metier.progress import Silent
from metier.tasks.contract import Work
from metier.trunk.base import find
from metier.workspace import Workspace

SETS = ("tweeteval_emotion_joined", "sms_spam", "financial_phrasebank", "ag_news", "banking77")
TABLE = ROOT.parent / "shared" / "weights" / "potion-base-4m-int8"
TRAIN, TEST = 1500, 1000


def some(files: datasets.Files, train: int, test: int, place: Path) -> tuple[Path, Path]:
    """So many rows of each file, drawn with seed 0; test rows of labels that were not drawn are left out."""
    paths, known, target = [], None, files.spec.target
    for path, most in ((files.train, train), (files.test, test)):
        rows = datasets.read(path)
        kept = sorted(np.random.default_rng(0).permutation(len(rows))[:most])
        if files.spec.kind == datasets.TEXT:
            kept = [at for at in kept if known is None or rows[at][target] in known]
            known = known or {rows[at][target] for at in kept}
        paths.append(place / path.name)
        datasets.write(paths[-1], [rows[at] for at in kept])
    return paths[0], paths[1]


def truths(ground: Ground, names: list[str]) -> dict[str, np.ndarray]:
    """Base -> the frozen rung's outputs on the test rows, fitted to all rows at settings chosen on held-out ones."""
    rung = ground.rungs()["frozen"]
    trunks = {name: FormTrunk(find(name), ground.place.cache) for name in names}
    relate(list(trunks.values()))
    (train, held_out), test = ground.folds(0)[0], ground.test_examples
    assert test is not None
    out = {}
    for name, trunk in sorted(trunks.items(), key=lambda pair: -pair[1].base.layers):
        about: dict[str, Any] = {"plan": ground.plan, "trunk": trunk, "metric": ground.metric, "folder": Path(),
                                 "earlier": {}, "progress": Silent()}  # fmt: skip
        _, settings = rung.fit(Work(train=train, validation=held_out, **about))
        predictor, _ = rung.fit(Work(train=ground.examples, validation=None, settings=settings, **about))
        out[name] = predictor.outputs(test.inputs)
    return out


def judge(name: str, train: int, test: int) -> dict[str, Any]:
    """The figures of one data set."""
    files, place = datasets.load(name), Workspace(WORK / "home")
    candidates = [str(TABLE)] * TABLE.is_dir() + ["minilm:random"]
    with tempfile.TemporaryDirectory() as folder:
        data, held = some(files, train, test, Path(folder))
        choices = {"target": files.spec.target, "candidate": tuple(candidates)}
        start = time.perf_counter()
        found = room.bases(data, workspace=place.root, **choices).figures
        seconds = time.perf_counter() - start
        ground = lay(data, Plan.of(test=str(held), **choices), place)
        assert ground.test_examples is not None
        order = [entry["base"] for entry in found["ranking"]]
        outputs, truth, metric = truths(ground, order), ground.test_examples.targets, ground.metric
        scores = {base: metric.function(truth, outputs[base]) for base in order}
    best = max(order, key=lambda base: scores[base])
    regret = paired_gain(metric, truth, outputs[order[0]], outputs[best])
    true = [scores[base] for base in order]
    size = {entry["base"]: entry["bytes"] for entry in found["ranking"]}
    return {
        "metric": metric.name,
        "rows": len(ground.examples),
        "test_rows": len(truth),
        "candidates": len(order),
        "ranking": [Path(base).name for base in order],
        "test": {Path(base).name: scores[base] for base in order},
        "best": Path(best).name,
        "right": bool(best == order[0] or regret.low <= 0),
        "regret": regret.points,
        "regret_bound": found["regret"]["bound"],
        "tau": float(weightedtau(-np.arange(len(order)), true).statistic),
        "tau_by_size": float(weightedtau([size[base] for base in order], true).statistic),
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SETS))
    parser.add_argument("--rows", type=int, help="only so many rows of each file: a trial, not a figure")
    choices = parser.parse_args()
    for files in datasets.available(choices.names):
        start = time.perf_counter()
        figures = judge(files.spec.name, choices.rows or TRAIN, choices.rows or TEST)
        record(f"base_ranking/{files.spec.name}", figures, seconds=time.perf_counter() - start,
               quick=choices.rows is not None)  # fmt: skip


if __name__ == "__main__":
    main()
