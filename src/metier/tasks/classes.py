"""Classes: the target that is one of several labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metier.tasks.contract import Array, Evidence, Metric, Predictions, Section

if TYPE_CHECKING:
    from metier.plan import Plan

# What the label that is looked for is often called, in the order of trust.
_YES = ("1", "yes", "true", "y", "t", "positive", "pos")
# From this share of the rows on, always giving the commonest label would look good in accuracy.
_SKEWED = 0.8
_CHUNK = 65_536


def label_text(value: Any) -> str | None:
    """A table's cell -> its label: `str(value)` without outer spaces, 3.0 as "3"; None where there is no label."""
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value).strip() or None


def _in_order(label: str) -> tuple[bool, int, str]:
    """Numbers by their size and before words, words by their letters."""
    number = re.fullmatch(r"[+-]?\d{1,18}", label) is not None
    return (not number, int(label) if number else 0, label)


@dataclass(frozen=True)
class Classes:
    """One of several labels; the code of a label is its place in `labels`.

    `positive` names the label that is looked for where there are two. Outputs are (n, k) logits or log-probabilities.
    """

    labels: tuple[str, ...]
    positive: str | None = None
    default_metric: str = "accuracy"
    kind: str = "classes"

    @classmethod
    def of(cls, values: Iterable[Any]) -> Classes:
        """The sorted vocabulary of a column: numbers by size, words by letters, missing values left out.

        Of two labels the positive one is the one called like a yes (1, yes, true, positive, ...), else the rarer.
        Where one label holds four fifths of the rows the default metric is macro_f1, else accuracy.
        """
        counts = _counts(values)
        labels = tuple(sorted(counts, key=_in_order))
        skewed = len(labels) > 1 and max(counts.values()) >= _SKEWED * sum(counts.values())
        return cls(labels, _positive(labels, counts), "macro_f1" if skewed else "accuracy")

    @property
    def width(self) -> int:
        """How many labels there are."""
        return len(self.labels)

    def record(self) -> dict[str, Any]:
        """Plain JSON; the reverse is `from_record`."""
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "positive": self.positive,
            "default_metric": self.default_metric,
        }

    def encode(self, values: Sequence[Any]) -> Array:
        """Cells of a table (a sequence, or a pyarrow column) -> (n,) int64 codes, -1 where missing or never seen."""
        known = {label: code for code, label in enumerate(self.labels)}
        distinct, places = _distinct(values)
        codes = [known.get(text, -1) if text is not None else -1 for text in map(label_text, distinct)]
        return np.asarray(np.asarray([*codes, -1], dtype=np.int64)[places])

    def values(self, codes: Array) -> list[Any]:
        """(n,) codes -> label names, None for -1."""
        return list(np.asarray([*self.labels, None], dtype=object)[codes])

    def metrics(self) -> dict[str, Metric]:
        """All metrics by field name: see `evaluate.class_metrics`."""
        from metier.evaluate.class_metrics import class_metrics

        return class_metrics(self.width, self.labels.index(self.positive) if self.positive in self.labels else 1)

    def loss(self, outputs: Any, targets: Any, *, smoothing: float, weights: Any | None) -> Any:
        """Cross-entropy of (n, k) logits and (n,) codes, -1 left out; `weights` (k,) weighs the labels."""
        from torch.nn import functional

        return functional.cross_entropy(outputs, targets, weight=weights, ignore_index=-1, label_smoothing=smoothing)

    def calibrate(self, outputs: Array, truth: Array) -> dict[str, float]:
        """`{"temperature"}`, fitted on held-out rows (Guo et al. 2017)."""
        from metier.evaluate.calibration import temperature

        known = np.asarray(truth) >= 0
        return {"temperature": temperature(np.asarray(outputs)[known], np.asarray(truth)[known])}

    def calibrated(self, outputs: Array, calibration: Mapping[str, float]) -> Array:
        """(n, k) outputs -> (n, k) float32 log-probabilities at the fitted temperature."""
        from metier.evaluate.metrics import by_chunks, log_probabilities

        divisor = calibration.get("temperature", 1.0)
        return by_chunks(
            lambda part: log_probabilities(np.asarray(part, dtype=np.float64) / divisor).astype(np.float32), outputs
        )

    def threshold(self, outputs: Array, truth: Array, plan: Plan) -> float | None:
        """The confidence under which to abstain: the stricter of what precision and cost ask, None to answer all."""
        from metier.evaluate.calibration import threshold_for_cost, threshold_for_precision
        from metier.evaluate.metrics import confidences, decisions

        asked = []
        if plan.answer.precision is not None:
            right = decisions(outputs) == truth
            asked.append(threshold_for_precision(confidences(outputs), right, plan.answer.precision))
        if plan.answer.error_cost is not None:
            asked.append(threshold_for_cost(plan.answer.error_cost))
        return max(asked, default=None)

    def decode(self, outputs: Array, calibration: Mapping[str, float], threshold: float | None) -> Predictions:
        """(n, k) raw outputs -> labels, the calibrated probability of each, and whether it lies under the threshold."""
        from metier.evaluate.metrics import confidences, decisions

        # A piece at a time: the calibrated copy of a million rows of 77 labels would hold 308 MB.
        pieces = [outputs[start : start + _CHUNK] for start in range(0, len(outputs), _CHUNK)]
        sure = [confidences(self.calibrated(piece, calibration)) for piece in pieces]
        confidence = np.concatenate(sure) if sure else np.zeros(0)
        abstain = confidence < threshold if threshold is not None else np.zeros(len(confidence), dtype=bool)
        return Predictions(self.values(decisions(outputs)), confidence, abstain)

    def views(self, evidence: Evidence) -> Iterator[Section]:
        """Confusion of the worst labels, quality per label, reliability, answering, and the most confident mistakes."""
        from metier.evaluate.class_views import views

        return views(self, evidence)


def from_record(record: Mapping[str, Any]) -> Classes:
    """The Classes that gave this record."""
    return Classes(tuple(record["labels"]), record.get("positive"), record.get("default_metric", "accuracy"))


def _counts(values: Any) -> Counter[str]:
    distinct, places = _distinct(values)
    sizes = np.bincount(places[places >= 0], minlength=len(distinct))
    counts: Counter[str] = Counter()
    for value, size in zip(distinct, sizes, strict=True):
        text = label_text(value)
        if text is not None:
            counts[text] += int(size)
    return counts


def _positive(labels: tuple[str, ...], counts: Mapping[str, int]) -> str | None:
    if len(labels) != 2:
        return None
    named = {label.casefold(): label for label in reversed(labels)}
    yes = next((named[word] for word in _YES if word in named), None)
    return yes or min(reversed(labels), key=lambda label: counts[label])


def _distinct(values: Any) -> tuple[list[Any], Array]:
    """The distinct values and each row's place among them, -1 where missing; by Arrow where the column is Arrow's."""
    if hasattr(values, "dictionary_encode"):
        import pyarrow.compute as pc

        distinct = pc.unique(values).drop_null()
        places = pc.fill_null(pc.index_in(values, value_set=distinct), -1)
        return distinct.to_pylist(), places.to_numpy().astype(np.int64)
    seen: dict[tuple[type, Any], int] = {}
    # By type too: 1, 1.0 and True are equal in Python, yet True is another label.
    found = [seen.setdefault((type(value), value), len(seen)) for value in values]
    return [value for _, value in seen], np.asarray(found, dtype=np.int64)
