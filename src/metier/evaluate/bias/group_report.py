"""The figures of groups as JSON, the same keys for every column and crossing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.curate.balance import holm
from metier.data.groups import Groups
from metier.evaluate.bias import group_errors, group_gaps
from metier.evaluate.bias.group_rates import GAPS, SHARES, Rates
from metier.evaluate.case import Case
from metier.evaluate.intervals import Gain, Interval, bootstrap, wilson
from metier.tasks.contract import Array, Target
from metier.tune import mitigation

_FEWEST_FOR_CALIBRATION = 20
_TESTED = ("selection", "errors", "accuracy")
_SHOWN_LABELS = 20
# Test -> the difference a person is told of it.
GAP_OF = {
    "selection": "demographic_parity_difference",
    "errors": "equalized_odds_difference",
    "accuracy": "accuracy_difference",
    "mean_error": "mean_error_difference",
    "mean_absolute_error": "mean_absolute_error_difference",
}


@dataclass(frozen=True)
class Compared:
    """Groups of one column or crossing, and all that is told of them: `p` holds for all tests of all columns together.

    `called` are the tests whose gap is beyond chance; `caused` those of them whose gap tuning made larger.
    """

    groups: Groups
    figures: Mapping[str, Any]
    p: Mapping[str, float]
    called: tuple[str, ...]
    caused: tuple[str, ...]


def compare(case: Case, all_groups: Sequence[Groups]) -> list[Compared]:
    """Every column and crossing, with Holm's correction (1979) over all their tests."""
    look = _shares_of if case.classes else _errors_of
    found = [look(case, groups) for groups in all_groups]
    raw = [p for _, tests, _ in found for p in tests.values()]
    held = iter(holm(raw).tolist() if raw else [])
    out = []
    for groups, (figures, tests, tuning) in zip(all_groups, found, strict=True):
        p = {name: next(held) for name in tests}
        called = tuple(name for name, value in p.items() if value < 1 - case.level)
        caused = tuple(name for name in called if tuning[GAP_OF[name]].high < 0)
        told = {
            "p": p,
            "called": list(called),
            "caused_by_tuning": bool(caused),
            "change_by_tuning": {name: group_gaps.as_json(gain) for name, gain in tuning.items()},
        }
        out.append(Compared(groups, {**figures, **told}, p, called, caused))
    return out


def positive(target: Target) -> Array:
    """The codes of the labels looked at: the one looked for where there are two, else each against the rest."""
    return np.array([mitigation.positive(target)]) if target.width == 2 else np.arange(target.width)


Found = tuple[dict[str, Any], dict[str, float], Mapping[str, Gain]]


def _shares_of(case: Case, groups: Groups) -> Found:
    truth, outputs, level = case.evaluation.truth, case.evaluation.outputs, case.level
    gaps = group_gaps.measure(
        groups, truth, outputs, case.generic_outputs, positive(case.expert.target), level=level, seed=case.seed
    )
    names = case.expert.target.values(np.arange(case.expert.target.width))
    rates, intervals = shares_json(groups, gaps.rates, gaps.label, level)
    calibration = _calibration(case, groups)
    for name, found in calibration.items():
        rates[name]["calibration_error"] = None if found is None else found.value
        intervals[name]["calibration_error"] = None if found is None else found.as_json()
    figures = {
        "group": groups.name,
        "positive": names[gaps.label],
        "rates": rates,
        **{name: _plain(gaps.intervals[name].value) for name in GAPS},
        "worst_group": _worst(groups, gaps.rates.accuracy, np.argmin),
        "rows": len(truth),
        "intervals": {"rates": intervals, **{name: gaps.intervals[name].as_json() for name in GAPS}},
        "generic": {
            "rates": shares_json(groups, gaps.generic, gaps.label, level)[0],
            **{name: _plain(value) for name, value in gaps.generic_gaps.items()},
        },
    }
    if len(gaps.labels) > 1:
        figures["over_labels"] = {
            name: {
                "worst": _plain(value),
                "worst_label": names[label],
                "macro": gaps.macro[name].as_json(),
            }
            for name, (label, value) in gaps.worst.items()
        }
    return figures, {name: gaps.p[name] for name in _TESTED}, gaps.tuning


def shares_json(groups: Groups, found: Rates, label: int, level: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Group -> its shares as plain numbers, and the same with their intervals (Wilson's)."""
    plain: dict[str, Any] = {}
    intervals: dict[str, Any] = {}
    for at, name in enumerate(groups.labels):
        shares = {each: _share(found.above[each][at, label], found.below[each][at, label], level) for each in SHARES}
        shares["accuracy"] = _share(found.right[at], found.rows[at], level)
        plain[name] = {each: _plain(share.value) for each, share in shares.items()} | {"rows": int(found.rows[at])}
        intervals[name] = {each: share.as_json() for each, share in shares.items()}
    return plain, intervals


def _share(above: float, below: float, level: float) -> Interval:
    if below <= 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    return Interval(float(above / below), *wilson(float(above), float(below), level))


def _calibration(case: Case, groups: Groups) -> dict[str, Interval | None]:
    metric = case.expert.target.metrics()["ece"]
    out: dict[str, Interval | None] = {}
    for code, name in enumerate(groups.labels):
        rows = np.flatnonzero(groups.codes == code)
        if len(rows) < _FEWEST_FOR_CALIBRATION:
            out[name] = None
            continue
        truth, outputs = case.evaluation.truth[rows], case.evaluation.outputs[rows]
        found = bootstrap({"ece": metric}, truth, outputs, level=case.level, replicates=400, seed=case.seed)
        out[name] = found["ece"]
    return out


def _errors_of(case: Case, groups: Groups) -> Found:
    errors = group_errors.measure(
        groups,
        case.evaluation.truth,
        case.evaluation.outputs,
        case.generic_outputs,
        level=case.level,
        seed=case.seed,
    )
    absolute = np.array([each.value for each in errors.by_group["mean_absolute_error"]])
    rates = {
        name: {measure: _plain(errors.by_group[measure][at].value) for measure in group_errors.MEASURES}
        | {"rows": int(groups.sizes[at])}
        for at, name in enumerate(groups.labels)
    }
    figures = {
        "group": groups.name,
        "positive": None,
        "rates": rates,
        # They are of labels; a quantity has the gaps of its errors instead.
        "demographic_parity_difference": None,
        "equalized_odds_difference": None,
        **{GAP_OF[name]: _plain(gap.value) for name, gap in errors.gap.items()},
        "worst_group": _worst(groups, absolute, np.argmax),
        "rows": len(case.evaluation.truth),
        "intervals": {
            "rates": {
                name: {measure: errors.by_group[measure][at].as_json() for measure in group_errors.MEASURES}
                for at, name in enumerate(groups.labels)
            },
            **{GAP_OF[name]: gap.as_json() for name, gap in errors.gap.items()},
        },
        "generic": {
            "rates": {
                name: {measure: _plain(errors.generic[measure][at]) for measure in group_errors.MEASURES}
                for at, name in enumerate(groups.labels)
            },
            **{GAP_OF[name]: _plain(value) for name, value in errors.generic_gap.items()},
        },
    }
    return figures, dict(errors.p), {GAP_OF[name]: gain for name, gain in errors.tuning.items()}


def _worst(groups: Groups, values: Array, pick: Any) -> dict[str, Any]:
    at = int(pick(values))
    return {"group": groups.labels[at], "value": _plain(values[at]), "rows": int(groups.sizes[at])}


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
