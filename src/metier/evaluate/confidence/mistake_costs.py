"""What mistakes cost: a person's own table of costs, and the answers that cost least by it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metier.errors import UsageError
from metier.tasks.contract import Array, Target

ABSTAIN = "abstain"


@dataclass(frozen=True)
class Costs:
    """`matrix` (k, k): what answering column j costs where row i is true; `abstain`: handing over to a person."""

    matrix: Array
    abstain: float | None

    def decide(self, probabilities: Array) -> Array:
        """(n, k) calibrated probabilities -> (n,) codes of the answers expected to cost least, -1 to abstain.

        Elkan, "The foundations of cost-sensitive learning", IJCAI 2001.
        """
        expected = np.asarray(probabilities, np.float64) @ self.matrix
        answers = expected.argmin(axis=1)
        if self.abstain is not None:
            answers = np.where(expected.min(axis=1) > self.abstain, -1, answers)
        return np.asarray(answers)

    def paid(self, truth: Array, answers: Array) -> Array:
        """(n,) true codes and answers (-1 abstains) -> what each row cost."""
        costs = self.matrix[truth, np.maximum(answers, 0)]
        return np.asarray(np.where(answers < 0, self.abstain or 0.0, costs))


def read(path: str, target: Target) -> Costs:
    """A JSON file: `{"fraud": {"honest": 500}, "honest": {"fraud": 5}, "abstain": 2}`. Raises UsageError.

    Truth first, then the answer given. Mistakes that are not named cost 1, right answers nothing.
    """
    table = _table(path)
    names = [str(label) for label in target.values(np.arange(target.width))]
    code = {name: at for at, name in enumerate(names)}
    matrix = 1.0 - np.eye(len(names))
    problems = []
    abstain = table.pop(ABSTAIN, None) if ABSTAIN not in code else None
    for truth, answers in table.items():
        if truth not in code or not isinstance(answers, Mapping):
            problems.append(f"{truth!r} is no label")
            continue
        for answer, cost in answers.items():
            if answer not in code:
                problems.append(f"{answer!r} is no label")
            elif not _is_cost(cost):
                problems.append(f"{truth!r} -> {answer!r}: {cost!r} is no cost")
            else:
                matrix[code[truth], code[answer]] = cost
    if abstain is not None and not _is_cost(abstain):
        problems.append(f"{ABSTAIN}: {abstain!r} is no cost")
    if problems:
        raise UsageError(
            "bad-costs",
            "A file of costs names labels of the expert, and costs of 0 or more.",
            found="; ".join(problems[:5]),
            fix=f"The labels are {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}.",
        )
    return Costs(matrix, None if abstain is None else float(abstain))


def _is_cost(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value) and value >= 0


def _table(path: str) -> dict[str, Any]:
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        table = error
    if not isinstance(table, dict):
        raise UsageError(
            "bad-costs",
            "A file of costs is one JSON object: truth -> answer -> cost.",
            found=f"{path}: {table if isinstance(table, Exception) else type(table).__name__}",
            fix='{"fraud": {"honest": 500}, "honest": {"fraud": 5}, "abstain": 2}',
        )
    return table
