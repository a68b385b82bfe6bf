"""Is the default explanation more faithful than random order and than LIME? On test rows, paired.

LIME (Ribeiro, Singh & Guestrin 2016) as its authors' package, version 0.2.0.1, does it with its defaults: the number of
words removed drawn evenly, distance by the cosine, a kernel of width 25, ridge regression with a penalty of 1. It
explains the same units as ours and ranks all of them, not ten. It is run with the calls the default took
(`lime_equal`) and with `--lime` calls.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import metier
from benchmarks import datasets
from benchmarks.common import WORK, record
from metier.expert import Expert
from metier.explain import attribution, choice, faithfulness, subject
from metier.govern import origin
from metier.progress import Silent
from metier.tasks.contract import Array, Inputs
from metier.workspace import Workspace

# Data set -> the rung that is tuned on it.
NAMES = {"banking77": "frozen", "sms_spam": "frozen", "tweeteval_emotion_train": "adapter"}
_CHOICES: dict[str, Any] = {"adapter": {"epochs": 2, "layers": 3}}
_PASSES = {"gradient": 3, "integrated-gradients": 24}  # forward and backward, in forward passes of one example
_WIDTH = 25
_SEED = 200  # the rows that seed 100 draws were seen while the methods were made


@dataclass(frozen=True)
class Counting(subject.Subject):
    """A subject that counts the copies it is asked for."""

    counted: list[int] = field(default_factory=lambda: [0])

    def asked(self, inputs: Inputs, kept: subject.Kept) -> Array:
        """As a plain subject answers."""
        self.counted[0] += sum(len(masks) for _, masks in kept)
        return super().asked(inputs, kept)


def lime(asked: subject.Subject, claims: subject.Claims, calls: Array, seed: int) -> attribution.Weights:
    """LIME's weights of every unit, from `calls` (n,) answers an example."""
    from sklearn.linear_model import Ridge

    out = []
    for at, count in enumerate(claims.units):
        rng = np.random.RandomState(seed + at)
        stays = np.ones((max(2, int(calls[at])), count), bool)
        for row, size in enumerate(rng.randint(1, count + 1, len(stays) - 1), start=1):
            stays[row, rng.choice(count, size, replace=False)] = False
        told = asked.support(asked.kept(claims.inputs, [(at, stays)])[0], claims.codes[at])
        distance = 100 * (1 - np.sqrt(stays.mean(axis=1)))
        kernel = np.sqrt(np.exp(-(distance**2) / _WIDTH**2))
        out.append(Ridge(alpha=1).fit(stays.astype(float), told, sample_weight=kernel).coef_)
    return out


def expert_of(name: str, folder: str | None) -> Expert:
    """The expert in `folder`, or one tuned for this benchmark."""
    place = Workspace.find(None if folder else WORK)
    if folder is None:
        files, rung = datasets.load(name), NAMES.get(name, "frozen")
        choices = {"rung": rung, "time_limit": "none", **_CHOICES.get(rung, {})}
        folder = str(metier.tune(files.train, target=files.spec.target, workspace=WORK, **choices).expert)
    return Expert.load(Path(folder), cache=place.cache)


def compare(name: str, expert: Expert, place: Workspace, rows: int, calls: int, seed: int) -> dict[str, Any]:
    """The default, chosen on the rows the expert was tuned with, against random order and LIME on test rows."""
    found, why = origin.find(expert, place)
    assert found is not None, why
    plain = subject.of(expert, expert.task.usual(found.examples.inputs))
    held_out = found.examples.take(np.flatnonzero(found.held_out))
    chosen = choice.chosen(expert, plain, held_out, place.cache, asked=None, seed=seed, progress=Silent())
    assert chosen.method is not None
    files = datasets.load(name)
    test = expert.examples(datasets.read(files.test))
    picked = np.sort(np.random.default_rng(seed).choice(len(test), min(rows, len(test)), replace=False))
    inputs = test.inputs.take(pa.array(picked))
    counting = Counting(plain.task, plain.target, plain.predictor, plain.calibration, plain.usual)
    claims = counting.claims(inputs)
    weights: dict[str, attribution.Weights] = {"random": attribution.at_random(plain, claims, seed)}
    counts: dict[str, float] = {"random": 0.0}

    def run(title: str, function: Any) -> None:
        counting.counted[0] = 0
        weights[title] = function()
        counts[title] = counting.counted[0] / len(claims)

    run("default", lambda: attribution.METHODS[chosen.method].function(counting, claims, seed))  # type: ignore[index]
    counts["default"] += 2 + _PASSES.get(chosen.method, 0)
    equal = np.full(len(claims), round(counts["default"]))
    run("lime_equal", lambda: lime(counting, claims, equal, seed))
    run("lime", lambda: lime(counting, claims, np.full(len(claims), calls), seed))
    counts |= {"lime_equal": float(equal.mean()), "lime": float(calls)}
    whole = claims.full - claims.least
    judged = {title: faithfulness.judge(plain, claims, found) for title, found in weights.items()}
    figures: dict[str, Any] = {"method": chosen.method, "rows": len(claims), "calls": counts}
    for title, own in judged.items():
        figures[title] = float(own.comprehensiveness.sum() / whole.sum())
        figures[f"{title}_sufficiency"] = float(own.sufficiency.sum() / whole.sum())
        if title != "default":
            gain = faithfulness.over(own, judged["default"], whole, level=0.95, seed=seed)
            figures[f"over_{title}"] = {"points": gain.points, "low": gain.low, "high": gain.high}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--lime", type=int, default=1000, help="LIME's samples an example; its own default is 5000")
    parser.add_argument("--expert", help="an expert tuned on the (one) data set before, in the workspace METIER_HOME")
    choices = parser.parse_args()
    for name in choices.names:
        start = time.perf_counter()
        expert = expert_of(name, choices.expert)
        place = Workspace.find(None if choices.expert else WORK)
        figures = compare(name, expert, place, choices.rows, choices.lime, seed=_SEED)
        record(name, figures, seconds=time.perf_counter() - start, quick=choices.rows < 100 or choices.lime < 1000)


if __name__ == "__main__":
    main()
