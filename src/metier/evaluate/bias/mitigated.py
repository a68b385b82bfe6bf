"""What a mitigation that was chosen brought: rates and gaps of the groups without it and with it, on the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from metier.evaluate.bias import group_gaps
from metier.evaluate.bias.group_intervals import gap_interval
from metier.evaluate.bias.group_report import positive, shares_json
from metier.evaluate.intervals import Gain, Interval, bootstrap, paired_gain
from metier.tasks.contract import Array, Metric, Target
from metier.tune.answers import Answers, Tested
from metier.tune.ladder import Climb, Course
from metier.tune.mitigation import Mitigation
from metier.tune.unmitigated import Folds, Sides, sides

GAPS = ("demographic_parity_difference", "equalized_odds_difference")


def told(
    mitigation: Mitigation, course: Course, climb: Climb, plain: Folds, answers: Answers, test: Tested | None
) -> dict[str, Any]:
    """`brought`, or None for it and why that is not known (`not_measured`): what `tune --json` adds of a mitigation."""
    with course.progress.stage("what the mitigation brought"):
        found = sides(mitigation, course, climb, plain, answers, test)
        if isinstance(found, str):
            return {"brought": None, "not_measured": found}
        level, seed = course.plan.ladder.level, course.plan.seed
        return {"brought": brought(found, climb.held_out.target, course.metric, level=level, seed=seed)}


def brought(found: Sides, target: Target, metric: Metric, *, level: float, seed: int) -> dict[str, Any]:
    """The figures of `tune --json`, `mitigation.brought`; a change below 0 is a narrower gap.

    Of several labels the one is looked at whose errors differed most without the mitigation.
    """
    groups, truth = found.groups, found.truth

    def measured(one: Array, other: Array, labels: Array) -> group_gaps.Gaps:
        return group_gaps.measure(groups, truth, one, other, labels, level=level, seed=seed)

    without = measured(found.before, found.after, positive(target))
    label = without.label
    changed = measured(found.after, found.before, np.array([label]))
    score = [
        bootstrap({metric.name: metric}, truth, side, level=level, seed=seed)[metric.name]
        for side in (found.before, found.after)
    ]
    gain = paired_gain(metric, truth, found.before, found.after, level=level, seed=seed)
    rates = [shares_json(groups, each, label, level)[1] for each in (without.rates, changed.rates)]
    return {
        "rows": len(truth),
        "how": found.how,
        "label": target.values(np.array([label]))[0],
        **{
            name: {
                **_both(*(Interval(*gap_interval(name, each.rates, label, level)) for each in (without, changed))),
                "change": group_gaps.as_json(changed.tuning[name]),
            }
            for name in GAPS
        },
        "rates": {
            group: {
                share: {"without": rates[0][group][share], "with": rates[1][group][share]}
                for share in ("selection_rate", "tpr", "fpr")
            }
            | {"rows": int(changed.rates.rows[at])}
            for at, group in enumerate(groups.labels)
        },
        "metric": metric.name,
        "score": {**_both(*score), "change": _change(gain, metric)},
    }


def _both(without: Interval, with_it: Interval) -> dict[str, Any]:
    return {"without": without.as_json(), "with": with_it.as_json()}


def _change(gain: Gain, metric: Metric) -> dict[str, float | None]:
    """How much the score itself grew: of a metric that falls as it gets better, below 0 is better."""
    sign = 1 if metric.greater_is_better else -1
    low, high = sorted((sign * gain.low, sign * gain.high))
    told = {"value": sign * gain.points, "low": low, "high": high, "p": gain.p}
    return {name: float(value) if np.isfinite(value) else None for name, value in told.items()}
