"""Which labels look wrong, from plain arrays: three views of each row, none of which has seen its own label.

A kernel ridge (squared loss shrugs off wrong labels), a shrunken linear discriminant and the vote of the nearest rows,
taken together; see `label_views`. Labels of several kinds at once and of tokens are judged from outputs given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.curate.label_views import (
    FOLDS,
    NEAREST,
    OneHot,
    UnitScale,
    discriminant,
    kernel_ridge,
    neighbours,
    some_of,
    votes,
    whole_folds,
)
from metier.curate.noise import Noise, Rates, fit_noise, given_probability, log_odds_wrong, noise_rates
from metier.evaluate.calibration import temperature
from metier.evaluate.metrics import log_probabilities
from metier.tasks.contract import Array

_SMOOTH = 0.05  # of a vote that goes evenly to all labels
_WEIGHTS = (2.0, 1.0, 2.0)  # ridge, discriminant, neighbours
_ROUNDS = 2
_FEWEST = 4  # rows of a label, under which no fold can have learned it
_ROWS = 16_384  # of outputs, at once


@dataclass(frozen=True)
class Audit:
    """What was found of n rows with k labels.

    `score` (n,) is P(the given label is wrong), NaN where it can't be judged; `suggested` (n,) the likeliest label and
    `sure` (n,) its probability; `nearest` (n, up to 40) row positions, -1 where there are fewer.
    """

    score: Array
    suggested: Array
    sure: Array
    flagged: Array
    nearest: Array
    rates: Rates
    noise: Noise
    outputs: Array  # (n, k) out-of-fold log-probabilities, all views together


def audit_classes(vectors: Array, given: Array, width: int, *, units: Array | None = None, seed: int = 0) -> Audit:
    """Vectors (n, d) and given codes (n,) of `width` labels -> an Audit; rows of one unit (n,) never judge each other.

    Confident learning (Northcutt et al. 2021) in a softer form: the out-of-fold probabilities and a learned table of
    which label is given for which (see `noise`) make a posterior for every row.
    """
    units = np.arange(len(given)) if units is None else units
    scaled = UnitScale.of(vectors)
    parts = whole_folds(given, units, min(FOLDS, len(np.unique(units))), seed)
    nearest, near = neighbours(scaled, units, NEAREST, seed)
    ridge = _calibrated(kernel_ridge(scaled, OneHot(given, width), parts, given, seed), given, seed)
    judged = np.bincount(given, minlength=width)[given] >= _FEWEST
    known = np.flatnonzero(judged)
    trust = np.ones(len(given), np.float32)
    for _ in range(_ROUNDS):
        # What looked wrong in the round before counts less as an example and as a neighbour.
        outputs = _calibrated(discriminant(scaled, OneHot(given, width, trust), parts), given, seed)
        _joined(outputs, ridge, _Voted(nearest, near, given, width, trust), given, seed)
        some = some_of(known, seed)
        fits = fit_noise(outputs[some], given[some], seed=seed)
        posterior = fits[0].posterior(outputs, given)
        trust = given_probability(posterior, given).astype(np.float32)
    score = np.where(judged, 1 / (1 + np.exp(-np.clip(log_odds_wrong(posterior, given), -500, 500))), np.nan)
    suggested = posterior.argmax(axis=1)
    return Audit(
        score=score,
        suggested=suggested,
        sure=given_probability(posterior, suggested),
        flagged=judged & (suggested != given) & (score > 0.5),
        nearest=nearest,
        rates=noise_rates(outputs, given, fits, judged),
        noise=fits[0],
        outputs=outputs,
    )


@dataclass(frozen=True)
class _Voted:
    """The log of the neighbours' votes, counted some rows at a time; see `votes`."""

    nearest: Array
    near: Array
    given: Array
    width: int
    trust: Array

    def __getitem__(self, rows: Any) -> Array:
        counted = votes(self.nearest[rows], self.near[rows], self.given, self.width, self.trust)
        return np.asarray(np.log((1 - _SMOOTH) * counted + _SMOOTH / self.width))


def _calibrated(outputs: Array, given: Array, seed: int) -> Array:
    """Outputs (n, k) -> calibrated log-probabilities, in place."""
    some = some_of(np.arange(len(given)), seed)
    warmth = temperature(outputs[some], given[some])
    for rows in _slices(len(outputs)):
        outputs[rows] = log_probabilities(outputs[rows] / warmth)
    return outputs


def _joined(outputs: Array, ridge: Array, voted: _Voted, given: Array, seed: int) -> None:
    """All three views together, in place of the discriminant's in `outputs`."""
    some = some_of(np.arange(len(given)), seed)
    warmth = temperature(voted[some], given[some])
    first, second, third = _WEIGHTS
    for rows in _slices(len(outputs)):
        votes_here = log_probabilities(voted[rows] / warmth).astype(np.float32)
        outputs[rows] = first * ridge[rows] + second * outputs[rows] + third * votes_here
    _calibrated(outputs, given, seed)


def _slices(rows: int) -> Iterator[slice]:
    for at in range(0, rows, _ROWS):
        yield slice(at, at + _ROWS)


def audit_multilabel(outputs: Array, given: Array) -> tuple[Array, Array]:
    """Out-of-fold probabilities and a 0/1 matrix, both (n, k) -> (score per row (n,), score per label (n, k)).

    Each label is a yes-or-no question of its own, with its own noise. A row's score weighs its labels by how suspect
    they are (a softmax at temperature 0.1, as Thyagarajan et al. 2022 recommend), so that one wrong label among many
    right ones shows and many doubtful ones do too.
    """
    odds = np.log(np.clip(outputs, 1e-6, 1 - 1e-6))
    against = np.log(np.clip(1 - outputs, 1e-6, 1 - 1e-6))
    single = np.empty(given.shape)
    for label in range(given.shape[1]):
        pair = np.stack([against[:, label], odds[:, label]], axis=1)
        codes = given[:, label].astype(np.int64)
        single[:, label] = 1 - given_probability(fit_noise(pair, codes)[0].posterior(pair, codes), codes)
    return _worst(single, np.arange(len(given)).repeat(given.shape[1]), len(given)), single


def audit_tokens(outputs: Array, given: Array, sentence: Array) -> tuple[Array, Array]:
    """Flattened out-of-fold probabilities (t, k), codes (t,) and each token's sentence (t,) from 0.

    Gives (score per sentence, score per token (t,)); a sentence is as suspect as its worst tokens
    (Wang & Mueller 2022).
    """
    logs = np.log(np.clip(outputs, 1e-9, None))
    single = 1 - given_probability(fit_noise(logs, given)[0].posterior(logs, given), given)
    return _worst(single[:, None], sentence, int(sentence.max(initial=-1)) + 1), single


def _worst(single: Array, owner: Array, count: int) -> Array:
    """The softmax-weighted mean of each owner's scores; 0 where it has none."""
    scores = single.ravel()
    weight = np.exp((scores - 1) / 0.1)
    total = np.bincount(owner, weights=weight, minlength=count)
    return np.asarray(np.bincount(owner, weights=weight * scores, minlength=count) / np.maximum(total, 1e-300))
