"""How often the ladder climbs for nothing: its real stop rule on pairs of rungs that are truly equal."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks import datasets
from benchmarks.common import WORK, record
from metier.evaluate.intervals import wilson
from metier.tasks.classes import Classes
from metier.tune.stop_rule import pays

Pair = tuple[np.ndarray, np.ndarray, np.ndarray]  # truth (n,), outputs of a and of b (n, k)


def simulated(trials: int) -> Iterator[Pair]:
    """Two models that may be exchanged on every row, so equal in every metric; each trial another kind of task.

    Logits are a pull to the truth, noise the two share (a hard row is hard for both) and noise of their own. Rows,
    number of classes, how skewed they are, how good the models are and how alike they err are drawn for each trial.
    """
    for trial in range(trials):
        rng = np.random.default_rng([1, trial])
        rows, classes = int(rng.choice([100, 200, 400, 1000, 2000])), int(rng.choice([2, 3, 5, 20, 77]))
        shares = rng.dirichlet(np.full(classes, rng.choice([1.0, 10.0])))
        truth = rng.choice(classes, size=rows, p=shares)
        alike, pull = rng.uniform(0.5, 0.98), rng.uniform(1.5, 4.0)
        shared = alike**0.5 * rng.standard_normal((rows, classes))
        sides = []
        for _ in range(2):
            logits = shared + (1 - alike) ** 0.5 * rng.standard_normal((rows, classes))
            logits[np.arange(rows), truth] += pull
            sides.append(logits)
        yield truth, sides[0], sides[1]


def heads(trials: int, rows: int | None) -> Iterator[Pair]:
    """The same logistic head on the trunk's features, fitted to two bootstrap samples of the same training half.

    Equal in expectation, and as unlike as two real fits are; a given pair may still differ by a little in truth, so
    this is the harder test of the two.
    """
    from metier.trunk.base import find
    from metier.trunk.features import Trunk

    files = datasets.load("tweeteval_emotion_joined")
    table = datasets.read(files.train)[:rows]
    features = Trunk(find("minilm"), WORK / "cache").features([row["text"] for row in table]).astype(np.float32)
    names = sorted({row["emotion"] for row in table})
    labels = np.array([names.index(row["emotion"]) for row in table])
    for trial in range(trials):
        rng = np.random.default_rng([2, trial])
        order = rng.permutation(len(labels))
        half = len(order) // 2
        pool, held = order[:half], order[half:]
        sides = []
        for _ in range(2):
            drawn = rng.choice(pool, size=half)
            head = LogisticRegression(C=10.0, max_iter=200).fit(features[drawn], labels[drawn])
            outputs = np.full((len(held), len(names)), -20.0)
            outputs[:, head.classes_] = head.predict_log_proba(features[held])
            sides.append(outputs)
        yield labels[held], sides[0], sides[1]


def climbs(pairs: Iterator[Pair], name: str, level: float) -> dict[str, float]:
    """The share of pairs on which the ladder would step up, with Wilson's interval."""
    stepped, seen = 0, 0
    for trial, (truth, a, b) in enumerate(pairs):
        target = Classes(tuple(str(code) for code in range(a.shape[1])))
        _, proven, _ = pays(target.metrics()[name], target, truth, a, b, level=level, seed=trial)
        stepped += proven
        seen += 1
    low, high = wilson(stepped, seen)
    return {"trials": seen, "climbed": stepped, "rate": stepped / seen, "low": low, "high": high}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--parts", nargs="*", default=["simulated", "heads"], choices=["simulated", "heads"])
    parser.add_argument("--level", type=float, default=0.95)
    parser.add_argument("--rows", type=int, help="only so many rows for the heads: a trial, not a figure")
    choices = parser.parse_args()
    quick = choices.trials < 300 or choices.rows is not None
    for metric in ("accuracy", "macro_f1"):
        for part in choices.parts:
            start = time.perf_counter()
            try:
                pairs = simulated(choices.trials) if part == "simulated" else heads(choices.trials, choices.rows)
                figures = climbs(pairs, metric, choices.level)
            except datasets.MissingError as missing:
                print(f"skipped {missing}")
                continue
            record(f"{part}/{metric}", figures, seconds=time.perf_counter() - start, quick=quick)


if __name__ == "__main__":
    main()
