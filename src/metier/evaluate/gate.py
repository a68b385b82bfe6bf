"""Limits that an evaluation must keep, so that it can stand in a pipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metier.errors import UsageError
from metier.tasks.contract import Metric

# The exit code of `metier evaluate` where a limit is missed: neither an error (1) nor wrong usage (2).
EXIT = 3
_BOUNDS = ("min", "max")


@dataclass(frozen=True)
class Limit:
    """A figure of `evaluate --json`, by its dotted path, and the least or the greatest it may be."""

    path: str
    least: float | None = None
    greatest: float | None = None

    def holds(self, value: float | None) -> bool:
        """Whether a figure keeps to it; one that is not defined does not."""
        if value is None:
            return False
        return (self.least is None or value >= self.least) and (self.greatest is None or value <= self.greatest)


@dataclass(frozen=True)
class Check:
    """What became of a limit; `value` is None where the figure is not defined on these rows, which is a miss."""

    limit: Limit
    value: float | None

    @property
    def passed(self) -> bool:
        """Whether the figure keeps to it."""
        return self.limit.holds(self.value)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "figure": self.limit.path,
            "min": self.limit.least,
            "max": self.limit.greatest,
            "value": self.value,
            "passed": self.passed,
        }


def limits(fail_under: Sequence[str], path: str | None, metrics: Mapping[str, Metric]) -> list[Limit]:
    """What `--fail-under METRIC=NUMBER` and `--gate FILE` ask. Raises UsageError, naming all that is wrong.

    A gate file is one JSON object: `{"metrics.accuracy.low": {"min": 0.9}, "calibration.ece": {"max": 0.03}}`.
    """
    problems: list[str] = []
    found = [limit for text in fail_under if (limit := _under(text, metrics, problems)) is not None]
    found += _file(path, problems) if path else []
    if problems:
        raise UsageError(
            "bad-gate",
            "A limit names a figure of evaluate --json and a number.",
            found="; ".join(problems[:5]),
            fix='--fail-under accuracy=0.9, or --gate FILE with {"calibration.ece": {"max": 0.03}}.',
        )
    return found


def check(wanted: Sequence[Limit], figures: Mapping[str, Any]) -> list[Check]:
    """Hold the figures of an evaluation against limits. Raises UsageError for a figure that was not measured."""
    absent = [limit.path for limit in wanted if not _there(limit.path, figures)]
    if absent:
        raise UsageError(
            "no-such-figure",
            "A limit must name a figure that this evaluation measures.",
            found=", ".join(absent),
            fix="metier evaluate EXPERT DATA --json shows every figure; --only may have left it out.",
        )
    return [Check(limit, _value(limit.path, figures)) for limit in wanted]


def _under(text: str, metrics: Mapping[str, Metric], problems: list[str]) -> Limit | None:
    name, _, number = text.partition("=")
    metric, _, part = name.strip().partition(".")
    if metric not in metrics or part not in ("", "value", "low", "high"):
        problems.append(f"{text!r}: the metrics are {', '.join(metrics)}")
    elif not metrics[metric].greater_is_better:
        problems.append(f"{text!r}: less is better there, so it wants a max in a gate file")
    elif not _is_number(number):
        problems.append(f"{text!r}: {number!r} is no number")
    else:
        return Limit(f"metrics.{metric}.{part or 'value'}", least=float(number))
    return None


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def _file(path: str, problems: list[str]) -> list[Limit]:
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        problems.append(f"{path}: {error}")
        return []
    if not isinstance(table, Mapping) or not table:
        problems.append(f"{path}: not one JSON object with limits in it")
        return []
    found = []
    for name, bounds in table.items():
        whole = isinstance(bounds, Mapping) and bounds and set(bounds) <= set(_BOUNDS)
        if not whole or not all(isinstance(bounds[key], int | float) for key in bounds):
            problems.append(f"{name}: {json.dumps(bounds)} is no {{min, max}}")
        else:
            found.append(Limit(str(name), bounds.get("min"), bounds.get("max")))
    return found


def _there(path: str, figures: Mapping[str, Any]) -> bool:
    try:
        value = at(path, figures)
    except KeyError:
        return False
    return value is None or (isinstance(value, int | float | bool))


def _value(path: str, figures: Mapping[str, Any]) -> float | None:
    value = at(path, figures)
    return None if value is None else float(value)


def at(path: str, figures: Any) -> Any:
    """What lies at a dotted path; a number steps into a list. Raises KeyError where nothing does."""
    for part in path.split("."):
        try:
            figures = figures[int(part)] if isinstance(figures, list) else figures[part]
        except (IndexError, TypeError, ValueError):
            raise KeyError(path) from None
    return figures
