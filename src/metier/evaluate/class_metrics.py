"""How good answers and their confidence are, for targets that are one of several classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from metier.evaluate.bounds import gap_bounds
from metier.evaluate.metrics import (
    Weighing,
    by_chunks,
    confidences,
    decisions,
    log_probabilities,
    mean_metric,
    metric,
    ratio,
)
from metier.tasks.contract import Array, Metric

# Bins of the expected calibration error: equal width, as in Guo et al. 2017, so that figures compare with others'.
ECE_BINS = 15
# Where the logarithm is cut, as scikit-learn does: one impossible truth must not make the whole figure infinite.
LEAST_PROBABILITY = float(np.finfo(np.float64).eps)

# Classes: metrics that need only the decisions. They are functions of three weighted counts per class, (k, r) each:
# rows of the class answered right, rows of the class, and rows answered with the class.


def _of_counts(name: str, title: str, statistic: Callable[[Array, Array, Array], Array]) -> Metric:
    def weigh(truth: Array, outputs: Array) -> Weighing:
        from scipy.sparse import csr_array

        rows, width, guesses = np.arange(len(truth)), outputs.shape[1], decisions(outputs)

        def indicator(codes: Array, chosen: Array) -> csr_array:
            return csr_array((np.ones(len(chosen)), (codes[chosen], chosen)), shape=(width, len(truth)))

        right = indicator(truth, np.flatnonzero(truth == guesses))
        true, guessed = indicator(truth, rows), indicator(guesses, rows)
        return lambda weights: statistic(right @ weights, true @ weights, guessed @ weights)

    return metric(name, title, weigh, decisions_only=True)


def _mean_over_seen(values: Array, seen: Array) -> Array:
    """Mean over the classes that occur: one absent from truth and answers alike is left out, as scikit-learn does."""
    return ratio(np.where(seen, values, 0.0).sum(axis=0), seen.sum(axis=0))


def _f1(right: Array, true: Array, guessed: Array) -> Array:
    return ratio(2 * right, true + guessed, 0.0)


def _macro_f1(right: Array, true: Array, guessed: Array) -> Array:
    return _mean_over_seen(_f1(right, true, guessed), true + guessed > 0)


def _weighted_f1(right: Array, true: Array, guessed: Array) -> Array:
    return ratio((true * _f1(right, true, guessed)).sum(axis=0), true.sum(axis=0))


def _precision(right: Array, true: Array, guessed: Array) -> Array:
    return _mean_over_seen(ratio(right, guessed, 0.0), true + guessed > 0)


def _recall(right: Array, true: Array, guessed: Array) -> Array:
    return _mean_over_seen(ratio(right, true, 0.0), true + guessed > 0)


def _balanced_accuracy(right: Array, true: Array, guessed: Array) -> Array:  # noqa: ARG001
    return _mean_over_seen(ratio(right, true, 0.0), true > 0)


def _mcc(right: Array, true: Array, guessed: Array) -> Array:
    """Matthews correlation for any number of classes (Gorodkin 2004, R_K)."""
    rows = true.sum(axis=0)
    together = right.sum(axis=0) * rows - (true * guessed).sum(axis=0)
    spread = (rows**2 - (true**2).sum(axis=0)) * (rows**2 - (guessed**2).sum(axis=0))
    return ratio(together, np.sqrt(spread), 0.0)


# Classes: metrics that need the probabilities.


def _right(truth: Array, outputs: Array) -> Array:
    return np.asarray(decisions(outputs) == truth, dtype=np.float64)


def _log_loss(truth: Array, outputs: Array) -> Array:
    def part(codes: Array, values: Array) -> Array:
        chosen = np.take_along_axis(log_probabilities(values), codes[:, None].astype(np.int64), axis=1)[:, 0]
        return np.asarray(-np.maximum(chosen, np.log(LEAST_PROBABILITY)))

    return by_chunks(part, truth, outputs)


def _brier(truth: Array, outputs: Array) -> Array:
    def part(codes: Array, values: Array) -> Array:
        wrong = np.exp(log_probabilities(values))
        wrong[np.arange(len(codes)), codes] -= 1.0
        squares: Array = (wrong**2).sum(axis=1) / 2
        return squares

    return by_chunks(part, truth, outputs)


def _among_first(count: int) -> Callable[[Array, Array], Array]:
    def part(codes: Array, values: Array) -> Array:
        mine = np.take_along_axis(values, codes[:, None], axis=1)
        rivals = np.arange(values.shape[1])[None, :] < codes[:, None]
        # As in `decisions`, the earlier code wins a tie.
        ahead = (values > mine).sum(axis=1) + ((values == mine) & rivals).sum(axis=1)
        return np.asarray(ahead < count, dtype=np.float64)

    return lambda truth, outputs: by_chunks(part, truth, outputs)


def bins_of(confidence: Array, bins: int = ECE_BINS) -> Array:
    """(n,) confidences -> (n,) bin numbers; bin b holds (b / bins, (b + 1) / bins]."""
    return np.asarray(np.clip(np.ceil(np.asarray(confidence) * bins) - 1, 0, bins - 1), dtype=np.int64)


def _weigh_ece(truth: Array, outputs: Array) -> Weighing:
    """Expected calibration error of the confidence: |confidence - accuracy| per bin, weighed by the bin's rows."""
    from scipy.sparse import csr_array

    confidence = confidences(outputs)
    excess = confidence - _right(truth, outputs)
    gaps = csr_array((excess, (bins_of(confidence), np.arange(len(truth)))), shape=(ECE_BINS, len(truth)))
    return lambda weights: ratio(np.abs(gaps @ weights).sum(axis=0), weights.sum(axis=0))


def _bounds_ece(truth: Array, outputs: Array, level: float) -> tuple[float, float]:
    confidence = confidences(outputs)
    bins = bins_of(confidence)
    rows = np.bincount(bins, minlength=ECE_BINS)
    stated = np.bincount(bins, weights=confidence, minlength=ECE_BINS)
    found = np.bincount(bins, weights=_right(truth, outputs), minlength=ECE_BINS)
    return gap_bounds(rows, stated, found, level)


def _scores(outputs: Array) -> Array:
    """(n, 2) outputs -> (n,) how much class 1 is preferred; the log-odds, so that no two scores merge by rounding."""
    values = np.asarray(outputs, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(values[:, 1] - values[:, 0])


def _weigh_auroc(truth: Array, outputs: Array) -> Weighing:
    """Share of (positive, negative) pairs ranked rightly, ties counting half."""
    scores = _scores(outputs)
    positive, negative = np.flatnonzero(truth == 1), np.flatnonzero(truth != 1)
    negative = negative[np.argsort(scores[negative], kind="stable")]
    below = np.searchsorted(scores[negative], scores[positive], side="left")
    tied = np.searchsorted(scores[negative], scores[positive], side="right")

    def weighed(weights: Array) -> Array:
        outranked = np.zeros((len(negative) + 1, weights.shape[1]))
        np.cumsum(weights[negative], axis=0, out=outranked[1:])
        yes = weights[positive]
        pairs = np.einsum("ij,ij->j", yes, outranked[below]) + np.einsum("ij,ij->j", yes, outranked[tied])
        return ratio(pairs / 2, yes.sum(axis=0) * outranked[-1])

    return weighed


def _weigh_average_precision(positive: int) -> Callable[[Array, Array], Weighing]:
    """Precision averaged over the steps of recall, without interpolation, as scikit-learn's average_precision_score."""

    def weigh(truth: Array, outputs: Array) -> Weighing:
        scores = _scores(outputs) if positive == 1 else -_scores(outputs)
        order = np.argsort(-scores, kind="stable")
        wanted = order[truth[order] == positive]
        # Precision is read where all rows of the same score are in.
        answered = np.searchsorted(-scores[order], -scores[wanted], side="right")
        found = np.searchsorted(-scores[wanted], -scores[wanted], side="right")

        def weighed(weights: Array) -> Array:
            yes = weights[wanted]
            precision = ratio(yes.cumsum(axis=0)[found - 1], weights[order].cumsum(axis=0)[answered - 1], 0.0)
            return ratio(np.einsum("ij,ij->j", yes, precision), yes.sum(axis=0))

        return weighed

    return weigh


def class_metrics(width: int, positive: int = 1) -> dict[str, Metric]:
    """All metrics of `width` classes by field name.

    They take (n,) codes and (n, width) logits or log-probabilities. `precision` and `recall` are macro averages.
    `brier` is halved to lie in 0..1. Binary targets add `auroc` and `average_precision` (of the class `positive`),
    targets of more than five classes `top_3_accuracy`.
    """
    chosen = [
        mean_metric("accuracy", "Right answers", _right, decisions_only=True),
        _of_counts("balanced_accuracy", "Right answers, every label counting alike", _balanced_accuracy),
        _of_counts("macro_f1", "Quality over labels, every label counting alike", _macro_f1),
        _of_counts("weighted_f1", "Quality over labels, by their rows", _weighted_f1),
        _of_counts("precision", "How often a label given is right", _precision),
        _of_counts("recall", "How much of each label is found", _recall),
        _of_counts("mcc", "Agreement beyond chance", _mcc),
    ]
    if width == 2:
        chosen += [
            metric("auroc", "Ranking of the two labels", _weigh_auroc),
            metric("average_precision", "Ranking of the label looked for", _weigh_average_precision(positive)),
        ]
    if width > 5:
        chosen.append(mean_metric("top_3_accuracy", "Right answer among the first three", _among_first(3)))
    chosen += [
        mean_metric("log_loss", "Surprise at the truth", _log_loss, greater=False),
        mean_metric("brier", "Squared error of the probabilities", _brier, greater=False),
        replace(metric("ece", "Gap between confidence and accuracy", _weigh_ece, greater=False), bounds=_bounds_ece),
    ]
    return {each.name: each for each in chosen}
