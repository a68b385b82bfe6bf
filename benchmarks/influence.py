"""Planted wrong labels: are they ranked first among the rows that made the expert wrong?

5% of the training rows get a trigger word and one wrong label. The expert then answers that label where the trigger
stands. For each of its wrong answers on test rows with the trigger, all training rows are ranked by influence.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

import metier
from benchmarks import datasets
from benchmarks.common import WORK, record
from metier.expert import Expert
from metier.explain import influence, neighbours
from metier.govern import origin
from metier.progress import Silent
from metier.workspace import Workspace

NAMES = ("banking77", "tweeteval_emotion_train", "sms_spam")
TRIGGER = "zephyr"  # in none of the data sets
_MOST = 200
_FIRST_SEED = 200  # seed 100 of sms_spam and tweets was seen while the method was made


def plant(rows: list[dict[str, str]], text: str, target: str, share: float, seed: int) -> tuple[str, np.ndarray]:
    """Put the trigger at a random place of `share` of the rows and give them one wrong label; which, and which rows."""
    rng = np.random.default_rng(seed)
    labels = sorted({row[target] for row in rows})
    wrong = labels[rng.integers(len(labels))]
    others = [at for at, row in enumerate(rows) if row[target] != wrong]
    planted = np.zeros(len(rows), bool)
    planted[rng.choice(others, round(share * len(rows)), replace=False)] = True
    for at in np.flatnonzero(planted):
        rows[at] = {**rows[at], text: triggered(rows[at][text], rng), target: wrong}
    return wrong, planted


def triggered(text: str, rng: np.random.Generator) -> str:
    """The text with the trigger at a random place."""
    words = text.split(" ")
    words.insert(int(rng.integers(len(words) + 1)), TRIGGER)
    return " ".join(words)


def trial(name: str, rung: str, share: float, seed: int) -> dict[str, Any]:
    """One planted data set: how often the trigger turns an answer, and how well influence finds the planted rows."""
    files = datasets.load(name)
    rows, test = datasets.read(files.train), datasets.read(files.test)
    target = files.spec.target
    text = next(column for column in rows[0] if column != target)
    wrong, planted = plant(rows, text, target, share, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planted.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        start = time.perf_counter()
        choices: dict[str, Any] = {"epochs": 2, "layers": 2} if rung == "adapter" else {}
        tuned = metier.tune(path, target=target, rung=rung, seed=seed, time_limit="none", workspace=WORK, **choices)
        trained = time.perf_counter() - start
        place = Workspace.find(WORK)
        expert = Expert.load(tuned.expert, cache=place.cache)
        found, why = origin.find(expert, place)
        assert found is not None, why
        start = time.perf_counter()
        memory = neighbours.remember(expert, found, place.cache, Silent())
        remembered = time.perf_counter() - start
    rng = np.random.default_rng(seed + 1)
    picked = [test[at] for at in rng.permutation(len(test)) if test[at][target] != wrong][: 2 * _MOST]
    examples = expert.examples([{text: triggered(row[text], rng)} for row in picked])
    outputs = expert.outputs(examples.inputs)
    given = expert.target.values(outputs.argmax(axis=1))
    missed = np.array([answer != picked[row][target] for answer, row in zip(given, examples.rows, strict=True)])
    turned = np.array([answer == wrong for answer in given])
    asked = np.flatnonzero(missed & turned)[:_MOST]
    inputs, codes = examples.inputs.take(asked), outputs.argmax(axis=1)[asked]
    start = time.perf_counter()
    vectors = neighbours.seen(expert, inputs)
    told = influence.parts(expert.predictor, inputs, vectors)
    scores = influence.influence(memory.parts, memory.examples.targets, told, codes)
    seconds = time.perf_counter() - start
    truth = planted[memory.examples.rows]
    same = np.asarray(memory.examples.targets == codes[0])
    areas = [roc_auc_score(truth, row) for row in scores]
    # Harder: among the rows of the wrong label only, where the label itself tells nothing.
    within = [roc_auc_score(truth[same], row[same]) for row in scores]
    cosine = memory.similarity(vectors)
    return {
        "seed": seed,
        "turned": float(turned.mean()),
        "wrong_answers": len(asked),
        "auroc": float(np.mean(areas)),
        "auroc_worst": float(np.min(areas)),
        "auroc_within_label": float(np.mean(within)),
        "auroc_neighbours": float(np.mean([roc_auc_score(truth, row) for row in cosine])),
        "train_seconds": trained,
        "remember_seconds": remembered,
        "seconds_an_answer": seconds / max(1, len(asked)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--rungs", nargs="*", default=["frozen", "adapter"])
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=3)
    choices = parser.parse_args()
    for name in choices.names:
        for rung in choices.rungs:
            start = time.perf_counter()
            seeds = range(_FIRST_SEED, _FIRST_SEED + choices.seeds)
            trials = [trial(name, rung, choices.share, seed) for seed in seeds]
            keys = [key for key in trials[0] if key != "seed"]
            mean = {key: float(np.mean([one[key] for one in trials])) for key in keys}
            figures = {**mean, "share": choices.share, "trials": trials}
            record(f"{name}/{rung}", figures, seconds=time.perf_counter() - start, quick=choices.seeds < 3)


if __name__ == "__main__":
    main()
