"""How each group is answered: selection, true and false positive rate, precision, errors, and the gaps between groups.

Everything is a function of row weights, as all metrics are, so that resampling and pairing with the generic base come
from `intervals`. A gap's metric reads codes that hold group and truth in one number: `encode`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from metier.data.groups import Groups
from metier.evaluate.metrics import Weighing, decisions, metric, ratio
from metier.tasks.contract import Array, Metric

# As Fairlearn and the literature call them (Hardt, Price & Srebro 2016; Barocas, Hardt & Narayanan 2023).
SHARES = ("selection_rate", "tpr", "fpr", "precision")
_NONE = float("nan")


@dataclass(frozen=True)
class Rates:
    """Shares of each of g groups for each of k labels against the rest, (g, k); NaN where no row counts.

    `above` and `below` are the counts each is made of; `accuracy` (g,) is the share of right answers, whatever label.
    """

    above: Mapping[str, Array]
    below: Mapping[str, Array]
    right: Array
    rows: Array

    def __getitem__(self, name: str) -> Array:
        return ratio(self.above[name], self.below[name])

    @property
    def accuracy(self) -> Array:
        """(g,) share of right answers."""
        return ratio(self.right, self.rows)


def rates(groups: Groups, truth: Array, outputs: Array) -> Rates:
    """The rates of every group from (n,) codes and (n, k) outputs."""
    size, width = len(groups.labels), outputs.shape[1]
    both, true, guessed, rows = _counter(groups.codes, truth, decisions(outputs), size, width)(np.ones((len(truth), 1)))
    above, below = _shares(both, true, guessed, rows)
    flat = {name: np.broadcast_to(value, both.shape)[..., 0] for name, value in below.items()}
    return Rates({name: value[..., 0] for name, value in above.items()}, flat, both.sum(axis=1)[:, 0], rows[:, 0, 0])


def encode(groups: Groups, truth: Array, width: int) -> Array:
    """Group and truth in one (n,) code, which the gaps' metrics take for the truth."""
    return np.asarray(groups.codes * width + truth, dtype=np.int64)


def difference(values: Array) -> Array:
    """Largest minus smallest over the groups (axis 0), those without a value left out; NaN for fewer than two."""
    known = np.isfinite(values)
    spread = np.where(known, values, -np.inf).max(axis=0) - np.where(known, values, np.inf).min(axis=0)
    return np.asarray(np.where(known.sum(axis=0) > 1, spread, _NONE))


def quotient(values: Array) -> Array:
    """Smallest through largest over the groups (axis 0); NaN for fewer than two groups, or where all are 0."""
    known = np.isfinite(values)
    least, most = np.where(known, values, np.inf).min(axis=0), np.where(known, values, -np.inf).max(axis=0)
    enough = (known.sum(axis=0) > 1) & (most > 0)
    return np.asarray(np.where(enough, least, _NONE) / np.where(enough, most, 1.0))


# Gap -> of which shares, and whether the difference or the ratio; of several the worse one counts, as in Fairlearn.
GAP_SHARES: Mapping[str, tuple[tuple[str, ...], bool]] = {
    "demographic_parity_difference": (("selection_rate",), False),
    "demographic_parity_ratio": (("selection_rate",), True),
    "equal_opportunity_difference": (("tpr",), False),
    "equal_opportunity_ratio": (("tpr",), True),
    "equalized_odds_difference": (("tpr", "fpr"), False),
    "equalized_odds_ratio": (("tpr", "fpr"), True),
    "precision_difference": (("precision",), False),
    "accuracy_difference": ((), False),
}
GAPS = tuple(GAP_SHARES)


def gaps(found: Rates) -> dict[str, Array]:
    """Gap -> its value for each label against the rest, (k,); that of accuracy is the same for all."""
    shape = found["tpr"].shape[1:]
    values = {name: _gap(name, lambda share: found[share], found.accuracy[:, None]) for name in GAP_SHARES}
    return {name: np.broadcast_to(value, shape) for name, value in values.items()}


def _gap(name: str, share: Callable[[str], Array], accuracy: Array) -> Array:
    shares, as_ratio = GAP_SHARES[name]
    values = [share(each) for each in shares] or [accuracy]
    each = np.stack([quotient(value) if as_ratio else difference(value) for value in values])
    known = np.isfinite(each)
    worst = np.where(known, each, np.inf).min(axis=0) if as_ratio else np.where(known, each, -np.inf).max(axis=0)
    return np.asarray(np.where(known.any(axis=0), worst, _NONE))


def gap_metric(name: str, groups: int, labels: Array | None, *, worst: bool = False) -> Metric:
    """A gap as a metric of encoded truth and outputs, for `bootstrap` and `paired_gain`.

    `labels` are the codes looked at, all if None: the mean over them, or with `worst` the largest difference.
    """

    def weigh(encoded: Array, outputs: Array) -> Weighing:
        width = outputs.shape[1]
        count = _counter(encoded // width, encoded % width, decisions(outputs), groups, width)
        chosen = np.arange(width) if labels is None else labels

        def weighed(weights: Array) -> Array:
            both, true, guessed, rows = count(weights)
            above, below = _shares(both[:, chosen], true[:, chosen], guessed[:, chosen], rows)
            accuracy = ratio(both.sum(axis=1), rows[:, 0])[:, None]
            found = _gap(name, lambda share: ratio(above[share], below[share]), accuracy)
            return np.asarray(_over_labels(found, worst))

        return weighed

    return metric(name, name, weigh, greater=name.endswith("ratio"), decisions_only=True)


def _over_labels(found: Array, worst: bool) -> Array:
    known = np.isfinite(found)
    if worst:
        return np.where(known.any(axis=0), np.where(known, found, -np.inf).max(axis=0), _NONE)
    return ratio(np.where(known, found, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def _counter(
    groups: Array, truth: Array, guesses: Array, size: int, width: int
) -> Callable[[Array], tuple[Array, Array, Array, Array]]:
    """Row weights (n, r) -> rows right, of the label, answered with the label, (g, k, r), and all rows (g, 1, r)."""
    from scipy.sparse import csr_array

    n = len(truth)

    def indicator(codes: Array, chosen: Array, high: int) -> csr_array:
        return csr_array((np.ones(len(chosen)), (codes[chosen], chosen)), shape=(high, n))

    everywhere, cells = np.arange(n), size * width
    right = indicator(groups * width + truth, np.flatnonzero(truth == guesses), cells)
    true, guessed = (indicator(groups * width + codes, everywhere, cells) for codes in (truth, guesses))
    rows = indicator(groups, everywhere, size)

    def count(weights: Array) -> tuple[Array, Array, Array, Array]:
        r = weights.shape[1]
        both, trues, guesses_ = ((each @ weights).reshape(size, width, r) for each in (right, true, guessed))
        return both, trues, guesses_, (rows @ weights).reshape(size, 1, r)

    return count


def _shares(both: Array, true: Array, guessed: Array, rows: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    above = {"selection_rate": guessed, "tpr": both, "fpr": guessed - both, "precision": both}
    below = {"selection_rate": rows, "tpr": true, "fpr": rows - true, "precision": guessed}
    return above, below
