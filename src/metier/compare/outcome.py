"""What the fits add up to: curves with bands, costs, labels needed, forecasts, and which way is the one to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from metier.compare import forecast
from metier.compare.curves import Field, Fit, Skipped, scores
from metier.compare.ways import LeftOut, Way
from metier.evaluate.intervals import Gain, Interval, bootstrap, paired_gain
from metier.tasks.contract import Array
from metier.tune.stop_rule import pays


@dataclass(frozen=True)
class Standing:
    """One way at the largest number of labels it was fitted on; `gain` is how far `best` is ahead of it there."""

    way: Way
    rows: int
    interval: Interval
    seconds: float
    watt_hours: float
    seconds_per_prediction: float | None
    cost_per_million: float | None
    gain: Gain | None


@dataclass(frozen=True)
class Outcome:
    """Everything that the page, the terminal and `compare --json` tell."""

    field: Field
    ways: tuple[Way, ...]
    points: tuple[Mapping[str, Any], ...]
    standings: tuple[Standing, ...]  # best first
    recommended: str
    goal: float
    needed: tuple[Mapping[str, Any], ...]
    forecasts: tuple[Mapping[str, Any], ...]
    skipped: tuple[Skipped, ...]
    left_out: tuple[LeftOut, ...]
    energy_measured: bool

    @property
    def rows(self) -> int:
        """Labels there are to learn from."""
        return len(self.field.pool)

    def way(self, name: str) -> Way:
        """The way of that name."""
        return next(way for way in self.ways if way.name == name)

    def standing(self, name: str) -> Standing | None:
        """Where that way stands; None where it was never fitted."""
        return next((one for one in self.standings if one.way.name == name), None)


def add_up(
    field: Field,
    ways: Sequence[Way],
    fits: Sequence[Fit],
    skipped: Sequence[Skipped],
    left_out: Sequence[LeftOut],
    *,
    energy_measured: bool,
) -> Outcome:
    """All figures from all fits. Ways that were never fitted have no standing and no curve."""
    fitted = [way for way in ways if scores(fits, way.name)]
    points = [point for way in fitted for point in _points(field, fits, way)]
    standings = _standings(field, fitted, fits, points)
    curves = {way.name: _curve(field, fits, way) for way in fitted}
    recommended = _recommended(field, ways, standings, fits)
    goal = _goal(field, standings, recommended)
    return Outcome(
        field=field,
        ways=tuple(ways),
        points=tuple(points),
        standings=tuple(standings),
        recommended=recommended,
        goal=goal,
        needed=tuple(_needed(field, name, curve, goal) for name, curve in curves.items()),
        forecasts=tuple(found for name, curve in curves.items() if (found := _forecast(field, name, curve))),
        skipped=tuple(skipped),
        left_out=tuple(left_out),
        energy_measured=energy_measured,
    )


def _points(field: Field, fits: Sequence[Fit], way: Way) -> list[dict[str, Any]]:
    """The learning curve of one way, each point with a band for both the held-out rows and the repeats."""
    points, curve = [], _curve(field, fits, way)
    freedom = sum(len(found) - 1 for found in curve.values)
    apart = dict(zip(curve.rows.tolist(), forecast.spread(curve), strict=True))
    for rows, found in scores(fits, way.name).items():
        own = [fit for fit in fits if fit.job.way.name == way.name and fit.job.rows == rows]
        interval = band(field, [fit.outputs for fit in own], found, apart[rows], freedom)
        points.append(
            {
                "way": way.name,
                "rows": rows,
                "metric": field.metric.name,
                **interval.as_json(),
                "seconds": round(float(np.mean([fit.seconds for fit in own])), 3),
                "watt_hours": float(np.mean([fit.watt_hours for fit in own])),
                "repeats": [float(score) for score in found],
            }
        )
    return points


def band(field: Field, outputs: Sequence[Array], found: Array, apart: float, freedom: int) -> Interval:
    """The mean of the repeats, with an interval for what other held-out rows and other repeats would give.

    The two sources are independent, so their half-widths add as squares: the bootstrap's over the rows, and Student's
    over the repeats. How far repeats lie apart is known from all sizes of the way together: `apart` is their standard
    deviation here, `freedom` the repeats it comes from beyond the first of each size; with none the rows alone count.
    """
    from scipy.stats import t

    level, metric, truth = field.plan.ladder.level, field.metric, field.held_out.targets
    ends = [
        bootstrap({metric.name: metric}, truth, one, level=level, replicates=300, seed=field.plan.seed)[metric.name]
        for one in outputs
    ]
    mean = float(np.mean(found))
    below, above = (float(np.mean([abs(getattr(end, side) - end.value) for end in ends])) for side in ("low", "high"))
    repeats = 0.0
    if freedom:
        repeats = float(t.ppf((1 + level) / 2, freedom) * apart / np.sqrt(len(found)))
    low, high = mean - np.hypot(below, repeats), mean + np.hypot(above, repeats)
    best = forecast.best_score(list(found), metric.greater_is_better)
    if best is not None:
        low, high = (max(low, 0.0), min(high, best)) if metric.greater_is_better else (max(low, best), high)
    return Interval(mean, float(low), float(high))


def _standings(
    field: Field, ways: Sequence[Way], fits: Sequence[Fit], points: Sequence[Mapping[str, Any]]
) -> list[Standing]:
    sign = 1.0 if field.metric.greater_is_better else -1.0
    last = {way.name: max((p for p in points if p["way"] == way.name), key=lambda p: p["rows"]) for way in ways}
    full = max(point["rows"] for point in last.values())
    in_full = [name for name, point in last.items() if point["rows"] == full]
    best = max(in_full, key=lambda name: sign * last[name]["value"])
    found = []
    for way in ways:
        point, own = last[way.name], _of(fits, way.name, last[way.name]["rows"])
        rival = _of(fits, best, point["rows"])
        gain = _mean_gain(field, own, rival) if way.name != best and rival else None
        timed = [fit.seconds_per_prediction for fit in own if fit.seconds_per_prediction is not None]
        price = field.plan.compare.price_per_hour
        found.append(
            Standing(
                way=way,
                rows=point["rows"],
                interval=Interval(
                    *(float(point[key] if point[key] is not None else "nan") for key in ("value", "low", "high"))
                ),
                seconds=point["seconds"],
                watt_hours=point["watt_hours"],
                seconds_per_prediction=timed[0] if timed else None,
                cost_per_million=timed[0] * 1e6 / 3600 * price if timed and price is not None else None,
                gain=gain,
            )
        )
    return sorted(found, key=lambda one: (-one.rows, -sign * one.interval.value))


def _of(fits: Sequence[Fit], way: str, rows: int) -> list[Fit]:
    return [fit for fit in fits if fit.job.way.name == way and fit.job.rows == rows]


def _mean_gain(field: Field, own: Sequence[Fit], rival: Sequence[Fit]) -> Gain:
    """How far the rival is ahead: the middle repeat of the paired gains, so that no lucky draw decides."""
    pairs = [(a, b) for a in own for b in rival if a.job.repeat == b.job.repeat]
    gains = [
        paired_gain(
            field.metric,
            field.held_out.targets,
            a.outputs,
            b.outputs,
            level=field.plan.ladder.level,
            replicates=500,
            seed=field.plan.seed,
        )
        for a, b in pairs
    ]
    return sorted(gains, key=lambda gain: gain.points)[(len(gains) - 1) // 2]


def _recommended(field: Field, ways: Sequence[Way], standings: Sequence[Standing], fits: Sequence[Fit]) -> str:
    """Where the ladder's stop rule would stand: from the cheapest way up, a dearer one only when it pays.

    Each pair is judged on the repeat whose gain is the middle one.
    """
    full = standings[0].rows
    here: list[Fit] = []
    for way in ways:
        own = _of(fits, way.name, full)
        if own and (not here or _pays(field, here, own)):
            here = own
    return here[0].job.way.name


def _pays(field: Field, here: Sequence[Fit], dearer: Sequence[Fit]) -> bool:
    pairs = [(a, b) for a in here for b in dearer if a.job.repeat == b.job.repeat]
    if not pairs:
        return False
    sign = 1.0 if field.metric.greater_is_better else -1.0
    a, b = sorted(pairs, key=lambda pair: sign * (pair[1].score - pair[0].score))[(len(pairs) - 1) // 2]
    target, ladder = field.held_out.target, field.plan.ladder
    truth = field.held_out.targets
    return pays(field.metric, target, truth, a.outputs, b.outputs, level=ladder.level, seed=field.plan.seed)[1]


def _curve(field: Field, fits: Sequence[Fit], way: Way) -> forecast.Curve:
    found = scores(fits, way.name)
    every = [float(score) for fit in fits for score in [fit.score]]
    return forecast.Curve(
        np.array(list(found)),
        tuple(found.values()),
        field.metric.greater_is_better,
        forecast.best_score(every, field.metric.greater_is_better),
    )


def _goal(field: Field, standings: Sequence[Standing], recommended: str) -> float:
    """The score asked about: the plan's, or what the recommended way reaches."""
    if field.plan.compare.goal is not None:
        return field.plan.compare.goal
    return next(one.interval.value for one in standings if one.way.name == recommended)


def _needed(field: Field, way: str, curve: forecast.Curve, goal: float) -> dict[str, Any]:
    """Labels this way needs for the goal; null where the laws do not get there within twenty times the labels."""
    future = forecast.future(curve, seed=field.plan.seed)
    if future is None:
        return {"way": way, "goal": goal, "rows": None, "low": None, "high": None, "known": False}
    found = future.needed(goal, field.plan.ladder.level).as_json()
    rounded = {key: None if value is None else _rounded(value) for key, value in found.items()}
    rows = {"rows": rounded["value"], "low": rounded["low"], "high": rounded["high"]}
    return {"way": way, "goal": goal, **rows, "known": True}


def _rounded(rows: float) -> int:
    """Two digits: no forecast knows more."""
    digits = max(0, len(str(int(rows))) - 2)
    return round(round(rows, -digits))


def _forecast(field: Field, way: str, curve: forecast.Curve) -> dict[str, Any] | None:
    """What more labels would bring this way to, and the same forecast put to the test on the largest size."""
    future = forecast.future(curve, seed=field.plan.seed)
    if future is None or float(np.ptp(curve.means)) == 0:
        return None
    level, more = field.plan.ladder.level, field.plan.compare.more_labels
    here = int(curve.rows[-1])
    far = np.geomspace(here, here + more, 6)
    return {
        "way": way,
        "rows": here,
        "more": more,
        **future.interval(here + more, level).as_json(),
        "gain": future.gain(more, level).as_json(),
        "path": [{"rows": round(float(at)), **future.interval(float(at), level).as_json()} for at in far],
        "hindcast": forecast.hindcast(curve, level, seed=field.plan.seed),
    }


def figures(outcome: Outcome) -> dict[str, Any]:
    """The shape of `compare --json`, without its advice and its places."""
    return {
        "curves": [dict(point) for point in outcome.points],
        "recommended": outcome.recommended,
        "metric": outcome.field.metric.name,
        "rows": outcome.rows,
        "held_out_rows": len(outcome.field.held_out),
        "standings": [
            {
                "way": one.way.name,
                "title": one.way.title,
                "rows": one.rows,
                **one.interval.as_json(),
                "seconds": one.seconds,
                "watt_hours": one.watt_hours,
                "seconds_per_prediction": one.seconds_per_prediction,
                "cost_per_million": one.cost_per_million,
                "behind": None if one.gain is None else one.gain.as_json(outcome.standings[0].way.name),
            }
            for one in outcome.standings
        ],
        "goal": outcome.goal,
        "needed": [dict(one) for one in outcome.needed],
        "forecasts": [dict(one) for one in outcome.forecasts],
        "energy": "measured (RAPL)" if outcome.energy_measured else "estimated",
        "not_run": [asdict(one) for one in outcome.skipped],
        "left_out": [asdict(one) for one in outcome.left_out],
    }
