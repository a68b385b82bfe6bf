"""Climb only while it pays: every rung measured on the same held-out rows, the next one taken only on proof."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from metier import files
from metier.errors import UsageError
from metier.evaluate.intervals import Gain, Interval, bootstrap
from metier.plan import Plan
from metier.progress import Progress
from metier.tasks.contract import (
    Array,
    Examples,
    Metric,
    NeedyRung,
    Predictor,
    Rung,
    SparingRung,
    StandingRung,
    Target,
    Work,
)
from metier.trunk.features import Trunk
from metier.tune import folds
from metier.tune.stop_rule import pays, room_left

# From one split, the last fit on all rows takes at least this share of the fit before it.
_LAST_PASS_COST = 0.4
FINISHED = "finished.json"  # written last into the folder of a fit
_SHOWN = ("accuracy", "macro_f1", "mae", "rmse")


@dataclass(frozen=True)
class Step:
    """What became of one rung; `outputs` are its answers for the held-out rows, None when it was not tried.

    `folds` is the number of fits they come from: a spared rung has two, each on one half of the rows.
    """

    name: str
    validation: Mapping[str, float]
    interval: Interval | None
    gain: Gain | None
    over: str | None
    seconds: float
    taken: bool
    reason: str
    settings: Mapping[str, Any]
    outputs: Array | None
    folds: int = 0

    def record(self) -> dict[str, Any]:
        """The rung as `tune --json` and `rungs/<name>/metrics.json` tell it; gains in points of the metric."""
        return {
            "name": self.name,
            "validation": dict(self.validation),
            "interval": self.interval and self.interval.as_json(),
            "gain": self.gain and self.gain.as_json(self.over or ""),
            "seconds": round(self.seconds, 3),
            "taken": self.taken,
            "reason": self.reason,
            "settings": dict(self.settings),
            "folds": self.folds,
        }


@dataclass(frozen=True)
class Climb:
    """All steps in order, the one stood on at the end, and the rows they were held against."""

    steps: tuple[Step, ...]
    chosen: Step
    truth: Array
    held_out: Examples
    folds: int
    predictors: Mapping[str, Predictor]  # the first fold's


@dataclass(frozen=True)
class Final:
    """The chosen rung, fitted for good."""

    predictor: Predictor
    settings: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True)
class Course:
    """What a climb needs; `held_out` and `training` are fold by fold, `clock` gives the seconds left or None."""

    rungs: tuple[Rung, ...]
    folds: tuple[tuple[Examples, Examples], ...]
    plan: Plan
    trunk: Trunk
    metric: Metric
    folder: Path
    progress: Progress
    clock: Callable[[], float | None]

    def work(self, train: Examples, held_out: Examples | None, folder: Path, **more: Any) -> Work:
        """What a rung is given to be fitted with; `more` are `Work`'s other fields."""
        about = {"earlier": {}, **more}
        return Work(train, held_out, self.plan, self.trunk, self.metric, folder, progress=self.progress, **about)


def climb(course: Course) -> Climb:
    """Try rung after rung and stand on the last one that paid; with `plan.ladder.rung` stand on that one."""
    truth = np.concatenate([held_out.targets for _, held_out in course.folds])
    steps: list[Step] = []
    here: Step | None = None
    stopped = ""
    wanted = forced(course.rungs, course.plan)
    earlier: list[dict[str, Predictor]] = [{} for _ in course.folds]
    for rung in course.rungs:
        if stopped or (wanted and rung is not wanted and rung.trains):
            steps.append(_untried(rung, stopped or f"--rung {wanted.name if wanted else ''} was asked for"))
            continue
        lack = _lack(rung, course.folds[0][0], course.trunk)
        if lack:
            steps.append(_untried(rung, lack))
            course.progress.say(f"{rung.name}: not tried, {lack}")
            continue
        refused = "" if rung is wanted else _not_worth_trying(course, rung, here, truth)
        if refused:
            steps.append(_untried(rung, refused))
            stopped = refused if rung.trains else ""
            continue
        step = _try(course, rung, earlier, truth, _kept_back(course, rung, here))
        below = here and _fitted_alike(course, rung, here)
        step = _judge(course, step, below, truth, forced=rung is wanted, stands=_stands(course, rung))
        files.write_json(course.folder / rung.name / "metrics.json", step.record())
        course.progress.say(f"{rung.name}: {_told(course.metric, step)}")
        steps.append(step)
        here = step if step.taken or here is None else here
        if rung is wanted:
            stopped = f"--rung {rung.name} was asked for"
        elif rung.trains and not step.taken:
            stopped = f"{rung.name} did not pay, and this rung costs more"
    assert here is not None
    held_out = course.folds[0][1] if len(course.folds) == 1 else folds.joined([part for _, part in course.folds])
    return Climb(tuple(steps), here, truth, held_out, len(course.folds), earlier[0])


def finish(course: Course, climb: Climb, train: Examples) -> Final:
    """Fit the chosen rung once more, with the settings it had, on training and validation rows together.

    Its validation figures remain those of the fit that had not seen the validation rows. Without `plan.ladder.refit`
    that very fit is the outcome.
    """
    chosen = climb.chosen
    rung = next(rung for rung in course.rungs if rung.name == chosen.name)
    if not course.plan.ladder.refit and climb.folds == 1:
        return Final(climb.predictors[chosen.name], chosen.settings, 0.0)
    folder = course.folder / rung.name / "all-rows"
    earlier = climb.predictors if climb.folds == 1 else {}
    work = course.work(train, None, folder, earlier=earlier, seconds_left=course.clock(), settings=chosen.settings)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    predictor, settings = rung.fit(work)
    return Final(predictor, settings, time.monotonic() - started)


def fit_folder(rungs: Path, rung: Rung, fold: int, folds: int) -> Path:
    """Where the fit of a rung on one of so many folds lies, within the run's folder of rungs."""
    return rungs / rung.name / (f"fold-{fold}" if folds > 1 else "fit")


def baseline(climb: Climb) -> tuple[str, Predictor, Array]:
    """What the expert is held against: the generic base as it is, or the floor where a kind has no such rung."""
    tried = [step for step in climb.steps if step.outputs is not None]
    step = next((step for step in tried if step.name == "generic"), tried[0])
    assert step.outputs is not None
    return step.name, climb.predictors[step.name], step.outputs


# ------------------------------------------------------------------------------------------------------------- one rung


def _try(course: Course, rung: Rung, earlier: list[dict[str, Predictor]], truth: Array, kept_back: float = 0.0) -> Step:
    """Fit on every fold's training rows and answer its held-out rows; what is on disk already is read."""
    target = course.folds[0][0].target
    outputs, settings = [], []
    spent = 0.0
    parts = _parts(course, rung)
    if len(parts) != len(course.folds):
        # What was fitted on the folds has seen rows that are held out here.
        earlier = [{} for _ in parts]
    for fold, (train, held_out) in enumerate(parts):
        folder = fit_folder(course.folder, rung, fold, len(parts))
        finished = folder / FINISHED
        started = time.monotonic()
        if finished.is_file():
            about = files.read_json(finished)
            predictor = rung.load(folder, course.trunk, target)
            found = files.read_array(folder / "held-out.npy")
        else:
            left = course.clock()
            left = None if left is None else left - kept_back
            left = _share(left, course, len(parts) - fold)
            work = course.work(train, held_out, folder, earlier=dict(earlier[fold]), seconds_left=left)
            folder.mkdir(parents=True, exist_ok=True)
            predictor, chosen = rung.fit(work)
            found = predictor.outputs(held_out.inputs)
            about = {"settings": chosen, "seconds": time.monotonic() - started}
            predictor.save(folder)
            files.write_array(folder / "held-out.npy", found)
            files.write_json(finished, about)
        earlier[fold][rung.name] = predictor
        outputs.append(found)
        settings.append(about["settings"])
        spent += about["seconds"]
    together = np.concatenate(outputs)
    return Step(
        name=rung.name,
        validation={name: metric.function(truth, together) for name, metric in _shown(course, target).items()},
        interval=bootstrap(
            {course.metric.name: course.metric}, truth, together, level=course.plan.ladder.level, seed=course.plan.seed
        )[course.metric.name],
        gain=None,
        over=None,
        seconds=spent,
        taken=False,
        reason="",
        settings=_agreed(settings),
        outputs=together,
        folds=len(parts),
    )


def _stands(course: Course, rung: Rung) -> str:
    """Why this rung needs no proof here, or an empty string."""
    spared = _spared(course, rung)
    if spared:
        return f"{spared}; both were fitted on one half of the rows and held against the other, in turn"
    return rung.stands(_asking(course)) if isinstance(rung, StandingRung) else ""


def _spared(course: Course, rung: Rung) -> str:
    """Why this rung is measured on halves, or an empty string."""
    return rung.spared(_asking(course)) if len(course.folds) > 2 and isinstance(rung, SparingRung) else ""


def _parts(course: Course, rung: Rung) -> tuple[tuple[Examples, Examples], ...]:
    """The (training, held-out) examples that this rung is measured on: the folds', or two halves made of them.

    The held-out rows are the same in the same order, whichever it is.
    """
    return folds.halves(course.folds) if _spared(course, rung) else course.folds


def _fitted_alike(course: Course, rung: Rung, here: Step) -> Step:
    """The step stood on, its outputs those of fits on the very rows that a spared rung is fitted on."""
    own = next(one for one in course.rungs if one.name == here.name)
    if not _spared(course, rung) or _spared(course, own):
        return here
    parts = _parts(course, rung)
    outputs = []
    for half, (train, held_out) in enumerate(parts):
        folder = course.folder / own.name / f"half-{half}"
        folder.mkdir(parents=True, exist_ok=True)
        predictor, _ = own.fit(course.work(train, held_out, folder))
        outputs.append(predictor.outputs(held_out.inputs))
    return replace(here, outputs=np.concatenate(outputs))


def _judge(course: Course, step: Step, here: Step | None, truth: Array, *, forced: bool, stands: str) -> Step:
    """Whether to step up from `here`, and the words for it; a rung that `stands` is taken unless it is proven worse."""
    if here is None:
        return replace(step, taken=True, reason="the floor")
    assert step.outputs is not None
    assert here.outputs is not None
    ladder, target = course.plan.ladder, course.folds[0][0].target
    gain, proven, why = pays(
        course.metric, target, truth, here.outputs, step.outputs, level=ladder.level, seed=course.plan.seed
    )
    if forced:
        return replace(
            step, gain=gain, over=here.name, taken=True, reason=f"asked for with --rung; over {here.name}, {why}"
        )
    if stands and not proven and gain.high >= 0:
        return replace(step, gain=gain, over=here.name, taken=True, reason=f"over {here.name}, {why}; {stands}")
    return replace(step, gain=gain, over=here.name, taken=proven, reason=f"over {here.name}, {why}")


def _not_worth_trying(course: Course, rung: Rung, here: Step | None, truth: Array) -> str:
    """Why this rung is not even tried, or an empty string."""
    if here is None or here.outputs is None:
        return ""
    refused = rung.refuses(_asking(course)) if isinstance(rung, SparingRung) else ""
    if refused:
        return refused
    ladder = course.plan.ladder
    if rung.trains and not room_left(course.metric, truth, here.outputs, level=ladder.level, seed=course.plan.seed):
        return f"even a perfect rung could not be told from {here.name} on these {len(truth)} rows"
    left = course.clock()
    # What an interrupted run had begun was found to fit; refusing it now would waste it and change the outcome.
    if left is None or (course.folder / rung.name).is_dir():
        return ""
    parts = _parts(course, rung)
    needed = sum(rung.estimate(course.work(*part, course.folder)) for part in parts)
    needed += _last_fit(course) * needed / len(parts)
    left -= _kept_back(course, rung, here)
    if rung.trains and needed > left:
        return f"it would take about {needed:.0f} s and {max(0, left):.0f} s of --time-limit are left"
    if not rung.trains and left <= 0:
        return "--time-limit is used up"
    return ""


def _asking(course: Course) -> Work:
    """The first fold's work, to ask a rung about."""
    return course.work(*course.folds[0], course.folder)


def _kept_back(course: Course, rung: Rung, here: Step | None) -> float:
    """Seconds that a rung which trains weights may not touch.

    Should it not pay, the rung stood on still wants to be trained once more, on all rows, if it trains weights too.
    """
    if here is None or not rung.trains or not any(one.trains for one in course.rungs if one.name == here.name):
        return 0.0
    return here.seconds / (1 - course.plan.ladder.validation)


def _share(left: float | None, course: Course, fits: int) -> float | None:
    """Of the seconds left, what the next of so many fits may use: the last fit on all rows wants its share too."""
    if left is None:
        return None
    return 0.92 * left / (fits + _last_fit(course))


def _last_fit(course: Course) -> float:
    """What the last fit on all rows costs at least, in fits: from one split a pass, from folds a new training."""
    if not course.plan.ladder.refit:
        return 0.0
    return _LAST_PASS_COST if len(course.folds) == 1 else 1.0


def forced(rungs: Sequence[Rung], plan: Plan) -> Rung | None:
    """The rung that `--rung` names, None where it is left out. Raises UsageError when there is no such rung."""
    wanted = plan.ladder.rung
    if wanted is None:
        return None
    for rung in rungs:
        if rung.name == wanted:
            return rung
    raise UsageError(
        "no-such-rung",
        "--rung must name a rung of this kind's ladder.",
        found=wanted,
        fix="One of " + ", ".join(rung.name for rung in rungs) + ".",
    )


def possible(rungs: Sequence[Rung], plan: Plan, examples: Examples, trunk: Trunk) -> Rung | None:
    """The rung that `--rung` names. Raises UsageError where it cannot be had with this base and these labels."""
    wanted = forced(rungs, plan)
    lack = _lack(wanted, examples, trunk) if wanted is not None else ""
    if wanted is not None and lack:
        raise UsageError(
            "rung-lacks",
            f"The rung {wanted.name} must have all it reads through.",
            found=lack,
            fix="Name a base with --base, or leave --rung out.",
        )
    return wanted


def _lack(rung: Rung, train: Examples, trunk: Trunk) -> str:
    return rung.lacks(train, trunk) if isinstance(rung, NeedyRung) else ""


def _untried(rung: Rung, reason: str) -> Step:
    return Step(rung.name, {}, None, None, None, 0.0, False, reason, {}, None)


def _shown(course: Course, target: Target) -> dict[str, Metric]:
    known = {name: metric for name, metric in target.metrics().items() if name in _SHOWN}
    return known | {course.metric.name: course.metric}


def _agreed(settings: list[dict[str, Any]]) -> dict[str, Any]:
    """One fold's settings stand for all: those of the fold whose choices are the middle ones."""
    if len(settings) == 1:
        return settings[0]
    keys = [
        key for key, value in settings[0].items() if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    if not keys:
        return settings[0]
    table = np.array([[float(found.get(key) or 0) for key in keys] for found in settings])
    return settings[int(np.abs(table - np.median(table, axis=0)).sum(axis=1).argmin())]


def _told(metric: Metric, step: Step) -> str:
    value = step.validation[metric.name]
    return f"{metric.name} {value:.4f} in {step.seconds:.1f} s; {'taken' if step.taken else 'not taken'}: {step.reason}"
