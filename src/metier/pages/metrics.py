"""How metrics are told to a person: their plain names, their units, and the table of all of them."""

from __future__ import annotations

from collections.abc import Mapping

from metier.evaluate.intervals import Interval
from metier.tasks.contract import Metric, Section, Target

# Rung held against -> what a business reader calls it.
BASELINES = {"generic": "the generic base", "majority": "the commonest answer"}
# Metric -> what a business reader calls it.
PLAIN = {
    "accuracy": "Right answers",
    "macro_f1": "Right answers, every label counted alike",
    "log_loss": "Surprise at the truth",
    "ece": "Gap between confidence and truth",
    "auroc": "Telling the two apart",
    "mae": "Mean error",
    "rmse": "Mean error, large ones weighing more",
    "r2": "Share of the variation explained",
}


def is_share(name: str) -> bool:
    """Whether a metric is told as a percentage."""
    return name not in ("log_loss", "mae", "rmse", "median_absolute_error") and ":" not in name


def figure(metric: Metric, interval: Interval) -> str:
    """A figure and its range in words."""
    if is_share(metric.name):
        return f"{100 * interval.value:.1f}% ({100 * interval.low:.1f}% to {100 * interval.high:.1f}%)"
    return f"{interval.value:.4g} ({interval.low:.4g} to {interval.high:.4g})"


def table(target: Target, found: Mapping[str, Interval], generic: Mapping[str, Interval], where: str) -> Section:
    """All metrics, each with its interval and the baseline's figure."""
    known = target.metrics()
    rows = [
        {
            "title": known[name].title if name in known and known[name].title else name,
            "term": name,
            **interval.as_json(),
            "generic": generic[name].as_json()["value"],
            "unit": "%" if is_share(name) else "",
        }
        for name, interval in found.items()
    ]
    return Section("metrics", "All figures", {"rows": rows}, f"Measured on {where}, each with its interval.")
