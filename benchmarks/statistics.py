"""Do 95% intervals hold the truth in 95 of 100 trials, and are equal experts told apart in no more than 5?

Simulated experts whose true figures are known from 400,000 rows of the same making; seeds below 1,000 were seen while
the methods were made.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

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


def coverage(scenario: Scenario, rows: int, trials: int) -> dict[str, dict[str, float]]:
    """Metric -> how often its interval holds the true figure, and how often it lies wholly below or above it."""
    known = scenario.known()
    metrics = {name: known[name] for name in scenario.metrics}
    population = scenario.draw(_POPULATION, np.random.default_rng([_FIRST_SEED, 7]))
    true = {name: metric.function(*population) for name, metric in metrics.items()}
    above, below, width = (dict.fromkeys(metrics, 0.0) for _ in range(3))
    for trial in range(trials):
        seed = _FIRST_SEED + trial
        drawn = scenario.draw(rows, np.random.default_rng([seed, rows]))
        for name, interval in bootstrap(metrics, *drawn, level=_LEVEL, seed=seed).items():
            below[name] += interval.high < true[name]
            above[name] += interval.low > true[name]
            width[name] += (interval.high - interval.low) / trials
    return {
        name: {
            **_rate(trials - below[name] - above[name], trials, "coverage"),
            "too_low": below[name] / trials,
            "too_high": above[name] / trials,
            "width": width[name],
            "true": true[name],
        }
        for name in metrics
    }


def false_alarms(scenario: Scenario, rows: int, trials: int) -> dict[str, dict[str, float]]:
    """Metric -> how often two equal experts are called different (the interval of the gain excludes zero)."""
    known, called = scenario.known(), dict.fromkeys(("accuracy", "macro_f1", "log_loss"), 0)
    for trial in range(trials):
        seed = _FIRST_SEED + trial
        truth, a, b = scenario.pair(rows, np.random.default_rng([seed, rows, 1]))
        for name in called:
            gain = paired_gain(known[name], truth, a, b, level=_LEVEL, seed=seed)
            called[name] += gain.low > 0 or gain.high < 0
    return {name: _rate(count, trials, "called_different") for name, count in called.items()}


def _rate(count: float, trials: int, name: str) -> dict[str, float]:
    low, high = wilson(count, trials)
    return {name: count / trials, f"{name}_low": low, f"{name}_high": high, "trials": trials}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--rows", type=int, nargs="*", default=[200, 1000])
    parser.add_argument("--parts", nargs="*", default=["coverage", "equal"], choices=["coverage", "equal"])
    parser.add_argument("--scenarios", nargs="*", default=list(SCENARIOS), choices=list(SCENARIOS))
    choices = parser.parse_args()
    parts: dict[str, Callable[[Scenario, int, int], dict[str, dict[str, float]]]] = {
        "coverage": coverage,
        "equal": false_alarms,
    }
    for part in choices.parts:
        for name in choices.scenarios:
            if part == "equal" and not SCENARIOS[name].shares:
                continue
            for rows in choices.rows:
                start = time.perf_counter()
                for metric, figures in parts[part](SCENARIOS[name], rows, choices.trials).items():
                    seconds = time.perf_counter() - start
                    record(f"{part}/{metric}/{rows}/{name}", figures, seconds=seconds, quick=choices.trials < 500)


if __name__ == "__main__":
    main()
