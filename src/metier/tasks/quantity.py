"""Quantity: the target that is a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metier.tasks.contract import Array, Evidence, Metric, Predictions, Section

if TYPE_CHECKING:
    from metier.plan import Plan

# The share of new values that should lie within the interval given with a prediction.
COVERAGE = 0.9


@dataclass(frozen=True)
class Quantity:
    """A number, in `unit` (a word for people; empty where unknown). Outputs are (n,) values in that unit.

    `spread` is the size of a usual difference, which the training loss is measured in: 1 where outputs are already
    standardised.
    """

    unit: str = ""
    spread: float = 1.0
    default_metric: str = "mae"
    kind: str = "quantity"
    width: int = 1

    @classmethod
    def of(cls, values: Sequence[Any], unit: str = "") -> Quantity:
        """A quantity whose loss is measured in the standard deviation of these values."""
        found = cls().encode(values)
        spread = float(np.nanstd(found)) if np.isfinite(found).any() else 1.0
        return cls(unit, spread or 1.0)

    def record(self) -> dict[str, Any]:
        """Plain JSON; the reverse is `from_record`."""
        return {"kind": self.kind, "unit": self.unit, "spread": self.spread, "default_metric": self.default_metric}

    def encode(self, values: Sequence[Any]) -> Array:
        """Cells of a table (a sequence, or a pyarrow column) -> (n,) float64, NaN where missing or not a number."""
        if hasattr(values, "to_pylist"):
            values = values.to_pylist()
        return np.asarray([_number(value) for value in values], dtype=np.float64)

    def values(self, codes: Array) -> list[Any]:
        """(n,) values -> plain numbers, None for NaN."""
        return [None if np.isnan(value) else float(value) for value in np.asarray(codes, dtype=np.float64)]

    def metrics(self) -> dict[str, Metric]:
        """All metrics by field name: see `evaluate.quantity_metrics`."""
        from metier.evaluate.quantity_metrics import quantity_metrics

        return quantity_metrics()

    def loss(self, outputs: Any, targets: Any, *, smoothing: float, weights: Any | None) -> Any:
        """Huber's loss (1964) of (n,) or (n, 1) outputs in units of `spread`; a few wild values do not rule it."""
        from torch.nn import functional

        return functional.huber_loss(outputs.reshape(-1) / self.spread, targets.to(outputs.dtype) / self.spread)

    def calibrate(self, outputs: Array, truth: Array) -> dict[str, float]:
        """`{"half_width", "guess_half_width"}` of intervals that hold nine values in ten, from held-out rows.

        Split-conformal (Lei et al. 2018): the 90% quantile of the misses, with the place of one new row kept free; on
        new rows of the same kind coverage is at least 90% on average. Under 9 rows the largest miss has to do.
        `guess_half_width` is the same for always answering the middle value: what the width is compared with.
        """
        truth = np.asarray(truth, dtype=np.float64)
        known = np.isfinite(truth)
        if not known.any():
            return {"half_width": 0.0, "guess_half_width": 0.0}
        wanted = truth[known]
        return {
            "half_width": _conformal(np.abs(_flat(outputs)[known] - wanted)),
            "guess_half_width": _conformal(np.abs(wanted - np.median(wanted))),
        }

    def calibrated(self, outputs: Array, calibration: Mapping[str, float]) -> Array:
        """The outputs as they are: calibration gives the width of their interval."""
        return np.asarray(outputs)

    def threshold(self, outputs: Array, truth: Array, plan: Plan) -> float | None:
        """None: all predictions of a quantity are equally sure, so there is none to hand to a person first."""
        return None

    def decode(self, outputs: Array, calibration: Mapping[str, float], threshold: float | None) -> Predictions:
        """(n,) outputs -> values with their 90% interval.

        `confidence` is how much narrower the interval is than one drawn without a model: 0 is no better than always
        answering the middle value, 1 is exact. Before calibration it is 0 and there is no interval.
        """
        values = _flat(outputs)
        half, guess = calibration.get("half_width"), calibration.get("guess_half_width", 0.0)
        sure = float(np.clip(1 - half / guess, 0, 1)) if half is not None and guess > 0 else 0.0
        interval = None if half is None else np.stack([values - half, values + half], axis=1)
        abstain = np.full(len(values), threshold is not None and sure < threshold)
        return Predictions(values.tolist(), np.full(len(values), sure), abstain, interval)

    def views(self, evidence: Evidence) -> Iterator[Section]:
        """Prediction against truth, how wide the intervals are and what they hold, and the largest misses."""
        from metier.evaluate.quantity_views import views

        return views(self, evidence, self.unit)


def from_record(record: Mapping[str, Any]) -> Quantity:
    """The Quantity that gave this record."""
    chosen = {name: record[name] for name in ("unit", "spread", "default_metric") if name in record}
    return Quantity(**chosen)


def _flat(outputs: Array) -> Array:
    return np.asarray(outputs, dtype=np.float64).reshape(-1)


def _conformal(misses: Array) -> float:
    """The ceil((n + 1) * 0.9)-th smallest miss, or the largest where n is too small for that."""
    place = min(int(np.ceil((len(misses) + 1) * COVERAGE)), len(misses))
    return float(np.partition(misses, place - 1)[place - 1])


def _number(value: Any) -> float:
    try:
        return float(value) if value is not None else float("nan")
    except (TypeError, ValueError):
        return float("nan")
