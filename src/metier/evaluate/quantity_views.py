"""The pictures and tables that show how far an expert on a quantity misses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from metier.tasks.contract import Array, Evidence, Section, Target

_MOST_POINTS = 1000
_MOST_ERRORS = 20


def views(target: Target, evidence: Evidence, unit: str) -> Iterator[Section]:
    """The sections of a report for a quantity, in reading order; none where there is no row to show."""
    if len(evidence.truth) == 0:
        return
    guesses = np.asarray(evidence.outputs, dtype=np.float64).reshape(-1)
    misses = np.abs(guesses - evidence.truth)
    yield _scatter(evidence, guesses, misses, unit)
    if "half_width" in evidence.calibration:
        yield _intervals(misses, evidence.calibration["half_width"], unit)
    yield _errors(target, evidence, guesses, misses, unit)


def _scatter(evidence: Evidence, guesses: Array, misses: Array, unit: str) -> Section:
    chosen = np.arange(len(guesses))
    if len(chosen) > _MOST_POINTS:
        chosen = np.sort(np.random.default_rng(evidence.seed).choice(chosen, _MOST_POINTS, replace=False))
    points = np.stack([evidence.truth[chosen], guesses[chosen]], axis=1).tolist()
    lead = f"Half of all predictions miss by less than {_amount(float(np.median(misses)), unit)}."
    return Section("scatter", "Prediction against truth", {"points": points, "unit": unit}, lead)


def _intervals(misses: Array, half_width: float, unit: str) -> Section:
    from metier.tasks.quantity import COVERAGE

    # A miss of exactly the half-width is inside: leave rounding no say in it.
    held = float((misses <= half_width * (1 + 1e-9)).mean())
    lead = (
        f"Predictions are given give or take {_amount(half_width, unit)}; "
        f"{held:.0%} of the true values lay within, where {COVERAGE:.0%} should."
    )
    data = {"coverage": held, "wanted": COVERAGE, "half_width": half_width}
    return Section("intervals", "Whether its intervals can be trusted", data, lead)


def _errors(target: Target, evidence: Evidence, guesses: Array, misses: Array, unit: str) -> Section:
    largest = np.argsort(-misses, kind="stable")[:_MOST_ERRORS]
    sure = target.decode(guesses[largest], evidence.calibration, None).confidence
    rows = [
        {
            "row": int(evidence.rows[position]),
            "text": evidence.shown(int(position)),
            "picture": evidence.pictured(int(position)),
            "truth": float(evidence.truth[position]),
            "prediction": float(guesses[position]),
            "confidence": float(confidence),
        }
        for position, confidence in zip(largest, sure, strict=True)
    ]
    lead = f"The largest miss is {_amount(float(misses[largest[0]]), unit)}; the largest are worth reading first."
    return Section("errors", "Its largest misses", {"rows": rows}, lead)


def _amount(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".rstrip()
