"""How labels go wrong: which label is given in place of which, how often, and so how likely each label is wrong.

The model of Dawid and Skene (1979) with one annotator: given label ~ T[true label], T learned by EM from out-of-fold
probabilities of the true label. Noise that always takes one label for a certain other is told from noise at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from metier.evaluate.intervals import Interval, wilson
from metier.evaluate.metrics import log_probabilities
from metier.tasks.contract import Array

# Rows' worth of belief that a label's mistakes fall evenly on all other labels.
_BELIEF = 200.0
# The same belief weaker and stronger: how far the estimate hangs on it is part of its interval.
_BELIEFS = (20.0, 500.0)
# Rates of wrong labels that EM starts from; it climbs to the nearest top, and the highest is taken.
_STARTS = (0.02, 0.1, 0.2, 0.35)
_CHANCE = 1.92  # in log-likelihood, at 95%
_ROUNDS = 10
_STEPS = 5  # of EM a round
_MOST_ROWS = 10_000  # enough to learn T and the temperature from
_CHUNK = 16_384


@dataclass(frozen=True)
class Noise:
    """How given labels come about: `transition` (k, k), row true, column given; and the model's `temperature`."""

    transition: Array
    temperature: float

    def posterior(self, outputs: Array, given: Array) -> Array:
        """Out-of-fold outputs (n, k) and given codes (n,) -> log P(true label | inputs, given label), (n, k)."""
        spread = np.log(self.transition).T.astype(np.float32)
        out = np.empty(outputs.shape, np.float32)
        for at in range(0, len(outputs), _CHUNK):
            some = outputs[at : at + _CHUNK] / self.temperature
            out[at : at + _CHUNK] = log_probabilities(some + spread[given[at : at + _CHUNK]])
        return out

    def wrong(self, outputs: Array, given: Array) -> Array:
        """The probability (n,) that each given label is wrong; of a long table nothing else is held."""
        out = np.empty(len(given))
        for at in range(0, len(given), _CHUNK):
            some = slice(at, at + _CHUNK)
            out[some] = 1 - given_probability(self.posterior(outputs[some], given[some]), given[some])
        return out


def fit_noise(outputs: Array, given: Array, *, seed: int = 0) -> tuple[Noise, ...]:
    """Learn T and the temperature of the outputs together: the fits that can't be told apart, the one to use first.

    Outputs (n, k) out-of-fold, up to a constant; given codes (n,). The temperature is the one under which the *given*
    labels are likeliest once T has had its say: fitted on the given labels alone, a good model would be blurred until
    it believed in their mistakes. Few or hard rows leave it open whether a model is unsure or the labels are wrong: of
    fits whose likelihoods differ by less than chance (Wilks 1938) the first is the one that fits the rows the model is
    surest of, whose labels should all be right (anchor points; Liu & Tao 2016).
    """
    if len(given) > _MOST_ROWS:
        some = np.random.default_rng(seed).choice(len(given), _MOST_ROWS, replace=False)
        outputs, given = outputs[some], given[some]
    outputs = log_probabilities(np.asarray(outputs, np.float64))
    found = [_settled(outputs, given, start, _BELIEF) for start in _STARTS]
    least = min(loss for loss, _ in found)
    near = [noise for loss, noise in found if (loss - least) * len(given) < _CHANCE]
    wanted = _anchored_rate(outputs, given)
    near.sort(key=lambda noise: abs(_rate(noise, outputs, given) - wanted))
    others = [_settled(outputs, given, float(np.mean(1 - np.diag(near[0].transition))), one)[1] for one in _BELIEFS]
    return (*near, *others)


def _rate(noise: Noise, outputs: Array, given: Array) -> float:
    return float(np.mean(1 - given_probability(noise.posterior(outputs, given), given)))


def _anchored_rate(outputs: Array, given: Array) -> float:
    """How often the given label is another than the model's, among the fifth of each label it is surest of."""
    top, sure = outputs.argmax(axis=1), outputs.max(axis=1)
    wrong = 0.0
    for label in np.unique(top):
        rows = np.flatnonzero(top == label)
        surest = rows[np.argsort(-sure[rows], kind="stable")][: max(len(rows) // 5, 1)]
        wrong += float((given[surest] != label).mean()) * len(rows)
    return wrong / len(top)


def _settled(outputs: Array, given: Array, rate: float, belief: float) -> tuple[float, Noise]:
    """EM from an even spread of this rate: how unlikely the given labels are in the end, and T."""
    transition, sharpness, loss = _even(outputs.shape[1], rate), 1.0, np.inf
    for number in range(_ROUNDS):
        reach = 16.0 if number == 0 else 1.5
        sharpness, now = _sharpness(outputs, given, transition, (sharpness / reach, sharpness * reach))
        true = np.exp(log_probabilities(outputs * sharpness))
        for _ in range(_STEPS):
            transition = _updated(true, given, transition, belief)
        if loss - now < 1e-5:
            break
        loss = now
    return now, Noise(transition, 1 / sharpness)


def _even(width: int, rate: float) -> Array:
    transition = np.full((width, width), rate / max(width - 1, 1))
    np.fill_diagonal(transition, 1 - rate)
    return transition


def _sharpness(outputs: Array, given: Array, transition: Array, bounds: tuple[float, float]) -> tuple[float, float]:
    from scipy.optimize import minimize_scalar

    spread = transition.T[given]

    def loss(log_sharpness: float) -> float:
        true = np.exp(log_probabilities(outputs * np.exp(log_sharpness)))
        return float(-np.log((true * spread).sum(axis=1)).mean())

    found = minimize_scalar(loss, bounds=np.log(bounds), method="bounded", options={"xatol": 0.02})
    return float(np.exp(found.x)), float(found.fun)


def _updated(true: Array, given: Array, transition: Array, belief: float) -> Array:
    """One step of EM: T again from the expected counts, each row drawn to an even spread of the overall rate."""
    joint = true * transition.T[given]
    joint /= joint.sum(axis=1, keepdims=True)
    width = len(transition)
    order = np.argsort(given, kind="stable")
    present, starts = np.unique(given[order], return_index=True)
    counts = np.zeros((width, width))
    counts[:, present] = np.add.reduceat(joint[order], starts, axis=0).T
    rate = float(np.clip(1 - np.trace(counts) / counts.sum(), 1e-4, 0.9))
    return np.asarray((counts + belief * _even(width, rate)) / (counts.sum(axis=1, keepdims=True) + belief))


@dataclass(frozen=True)
class Rates:
    """The share of wrong labels: overall, and among the rows given each label (NaN where none was judged)."""

    overall: Interval
    by_label: tuple[Interval, ...]


def noise_rates(outputs: Array, given: Array, fits: Sequence[Noise], judged: Array | None = None) -> Rates:
    """The estimated share of wrong labels with 95% intervals.

    `fits` are those of `fit_noise`. The interval covers the rows drawn (Wilson
    1927) and how far the fits lie apart. It can't cover
    what no model of these inputs can see: labels wrong in a way that looks right.
    `judged` (n,) marks the rows that count.
    """
    width = outputs.shape[1]
    rows = np.ones(len(given), bool) if judged is None else judged
    wrong = [fitted.wrong(outputs, given)[rows] for fitted in fits]
    counts = np.bincount(given[rows], minlength=width)
    sums = np.array([np.bincount(given[rows], weights=some, minlength=width) for some in wrong])
    overall = _interval(sums.sum(axis=1), int(counts.sum()))
    return Rates(overall, tuple(_interval(sums[:, label], int(counts[label])) for label in range(width)))


def _interval(sums: Array, rows: int) -> Interval:
    if rows == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = wilson(float(sums.min()), rows)[0], wilson(float(sums.max()), rows)[1]
    return Interval(float(sums[0]) / rows, low, high)


def given_probability(posterior: Array, given: Array) -> Array:
    """Log-probabilities (n, k) and codes (n,) -> the probability of each row's own label, float64 (n,)."""
    return np.asarray(np.exp(posterior[np.arange(len(given)), given].astype(np.float64)))


def log_odds_wrong(posterior: Array, given: Array) -> Array:
    """Log P(wrong) / P(right) of each given label, (n,): keeps the order where the probabilities are all near 1."""
    return np.concatenate([np.zeros(0), *_odds(posterior, given)])


def _odds(posterior: Array, given: Array) -> Iterator[Array]:
    for at in range(0, len(given), _CHUNK):
        some = posterior[at : at + _CHUNK].astype(np.float64)
        rows, codes = np.arange(len(some)), given[at : at + _CHUNK]
        right = some[rows, codes].copy()
        some[rows, codes] = -np.inf
        yield np.logaddexp.reduce(some, axis=1) - right
