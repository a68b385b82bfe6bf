"""The nouns of the data room: Finding (one thing wrong with one row) and Answer (all that one question found)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

Kind = Literal[
    "duplicate",
    "near_duplicate",
    "paraphrase",
    "leakage",
    "label_error",
    "off_topic",
    "broken",
    "wrong_language",
    "truncated",
    "imbalance",
    "spurious",
    "personal_data",
    "invalid",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What is proposed for a row: nothing, a person's look, leaving it out, another label, cleaned or masked text.
Action = Literal["keep", "review", "drop", "relabel", "rewrite"]
ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True)
class Finding:
    """One thing found about one row, or about the whole table (`row` None).

    `row` counts data rows from 0 in the file's order. `score` is in 0..1, greater is surer. `detail` is one plain
    sentence for a person; it never quotes personal data. `suggestion` is what the action would put there: a label, a
    cleaned or masked text, the number of the row that is kept instead.
    """

    kind: Kind
    row: int | None
    file: str
    score: float
    detail: str
    suggestion: Any = None
    action: Action = "review"
    column: str | None = None  # the column spoken of, and rewritten
    related: tuple[int, ...] = ()  # other rows of the same file: the cluster, the neighbours
    facts: Mapping[str, Any] = field(default_factory=dict)  # plain JSON beyond the words: similarity, type, share

    def as_json(self) -> dict[str, Any]:
        """The finding as `curate --json` tells it."""
        return {
            "kind": self.kind,
            "row": self.row,
            "file": self.file,
            "score": round(float(self.score), 6),
            "detail": self.detail,
            "suggestion": self.suggestion,
            "action": self.action,
            "column": self.column,
            "related": list(self.related),
            "facts": dict(self.facts),
        }


@dataclass(frozen=True)
class Answer:
    """All that one question found.

    `facts` is plain JSON for the page and `curation.json` (rates with `value, low, high`, shares, tables); `scores`
    gives every example its score, (n,) in the order of `Material.train`, NaN where there is none.
    """

    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what was not asked, and why
