"""Do 95% intervals hold the truth in 95 of 100 trials, and are equal experts told apart in no more than 5?

Simulated experts whose true figures are known from 400,000 rows of the same making; seeds below 1,000 were seen while
the methods were made.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.common import record
from metier.evaluate.class_metrics import class_metrics
from metier.evaluate.intervals import bootstrap, paired_gain, wilson
from metier.evaluate.quantity_metrics import quantity_metrics
from metier.tasks.contract import Metric

Array = np.ndarray
_FIRST_SEED = 1000
_POPULATION = 400_000
_LEVEL = 0.95


@dataclass(frozen=True)
class Scenario:
    """How rows and answers are made: label shares (none: a quantity), how clear the truth is, and what is measured.

    `sharpness` multiplies the logits: 1 is honest confidence, more is too sure. `wild` misses of a quantity are
    Laplace's, otherwise normal.
    """

    metrics: tuple[str, ...]
    shares: tuple[float, ...] = ()
    pull: float = 2.0
    sharpness: float = 1.0
    wild: bool = False

    def known(self) -> Mapping[str, Metric]:
        """The metrics of its target."""
        return class_metrics(len(self.shares)) if self.shares else quantity_metrics()

    def draw(self, rows: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Truth (n,) and outputs (n, k) or (n,)."""
        if not self.shares:
            truth = rng.gamma(2.0, 1.0, rows)
            noise = rng.laplace(0, 0.5, rows) if self.wild else rng.normal(0, 0.6, rows)
            return truth, 0.7 * truth + 0.6 + noise
        truth = rng.choice(len(self.shares), rows, p=self.shares)
        noise = rng.standard_normal((rows, len(self.shares)))
        noise[np.arange(rows), truth] += self.pull
        # For normal scores of unit variance the posterior's logits are the pull times the scores, plus the log shares.
        return truth, self.sharpness * (self.pull * noise + np.log(self.shares))

    def pair(self, rows: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Two experts that err alike in part and may be exchanged row by row: equal in every metric."""
        truth, shared = self.draw(rows, rng)
        a, b = (shared + rng.normal(0, 0.8, shared.shape) for _ in range(2))
        return truth, a, b


_CLASS_METRICS = ("accuracy", "macro_f1", "mcc", "log_loss", "ece")
SCENARIOS: Mapping[str, Scenario] = {
    "four labels, one of them rare": Scenario(_CLASS_METRICS, (0.55, 0.25, 0.12, 0.08)),
    "twenty labels": Scenario(_CLASS_METRICS, (0.05,) * 20, pull=3.0, sharpness=0.8),
    "two labels, too sure": Scenario((*_CLASS_METRICS, "auroc"), (0.8, 0.2), pull=1.5, sharpness=1.6),
    "a number": Scenario(("mae", "r2")),
    "a number with wild misses": Scenario(("mae", "r2"), wild=True),
}


def coverage(scenario: Scenario, rows: int, trials: int, wanted: Sequence[str]) -> dict[str, dict[str, float]]:
    """Metric -> in how many trials its interval holds the true figure, and how often it lies below or above it."""
    metrics = {name: metric for name, metric in scenario.known().items() if name in scenario.metrics and name in wanted}
    population = scenario.draw(_POPULATION, np.random.default_rng([_FIRST_SEED, 7]))
    true = {name: metric.function(*population) for name, metric in metrics.items()}
    counts = {name: dict.fromkeys(("held", "too_low", "too_high", "width"), 0.0) for name in metrics}
    for trial in range(trials):
        seed = _FIRST_SEED + trial
        drawn = scenario.draw(rows, np.random.default_rng([seed, rows]))
        for name, interval in bootstrap(metrics, *drawn, level=_LEVEL, seed=seed).items():
            counts[name]["held"] += interval.low <= true[name] <= interval.high
            counts[name]["too_low"] += interval.high < true[name]
            counts[name]["too_high"] += interval.low > true[name]
            counts[name]["width"] += interval.high - interval.low
    return {name: {**count, "trials": trials} for name, count in counts.items()}


def false_alarms(scenario: Scenario, rows: int, trials: int, wanted: Sequence[str]) -> dict[str, dict[str, float]]:
    """Metric -> in how many trials two equal experts are called different: the interval of the gain excludes zero."""
    metrics = {name: metric for name, metric in scenario.known().items() if name in _COMPARED and name in wanted}
    called = dict.fromkeys(metrics, 0)
    for trial in range(trials):
        seed = _FIRST_SEED + trial
        truth, a, b = scenario.pair(rows, np.random.default_rng([seed, rows, 1]))
        for name, metric in metrics.items():
            gain = paired_gain(metric, truth, a, b, level=_LEVEL, seed=seed)
            called[name] += gain.low > 0 or gain.high < 0
    return {name: {"called_different": count, "trials": trials} for name, count in called.items()}


def pooled(found: Mapping[str, dict[str, float]]) -> dict[str, Any]:
    """Scenario -> counts: the rates over all of them with Wilson's interval of the first, and each scenario's own."""
    trials = sum(counts["trials"] for counts in found.values())
    names = [name for name in next(iter(found.values())) if name != "trials"]
    rates = {name: sum(counts[name] for counts in found.values()) / trials for name in names}
    low, high = wilson(rates[names[0]] * trials, trials)
    own = {scenario: {name: counts[name] / counts["trials"] for name in names} for scenario, counts in found.items()}
    return {"value": rates[names[0]], "low": low, "high": high, "trials": trials, **rates, "scenarios": own}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=500, help="of each scenario")
    parser.add_argument("--rows", type=int, nargs="*", default=[200, 1000])
    parser.add_argument("--parts", nargs="*", default=list(_PARTS), choices=list(_PARTS))
    parser.add_argument("--metrics", nargs="*", default=list(_METRICS), choices=_METRICS)
    choices = parser.parse_args()
    for part in choices.parts:
        for rows in choices.rows:
            start = time.perf_counter()
            found: dict[str, dict[str, dict[str, float]]] = {}
            for name, scenario in SCENARIOS.items():
                for metric, counts in _PARTS[part](scenario, rows, choices.trials, choices.metrics).items():
                    found.setdefault(metric, {})[name] = counts
            seconds = time.perf_counter() - start
            for metric, by_scenario in found.items():
                record(f"{part}/{metric}/{rows}", pooled(by_scenario), seconds=seconds, quick=choices.trials < 500)


_COMPARED = ("accuracy", "macro_f1", "log_loss")
_METRICS = (*_CLASS_METRICS, "auroc", "mae", "r2")
_PARTS = {"coverage": coverage, "equal": false_alarms}

if __name__ == "__main__":
    main()
