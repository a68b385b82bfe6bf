"""Fit every way on growing numbers of labels, several times each, within the time there is, and measure it.

The rows a way is measured on are never those it chooses on: of the n labels a fit gets, it holds some out itself, as
the ladder does, and is then fitted to all n at the settings it chose. A time limit is shared out among the fits that
train weights, by what each is expected to take; repeats are the first to go.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from metier import files
from metier.compare.counted import Counted
from metier.compare.energy import Meter
from metier.compare.ways import Way
from metier.data.split import split
from metier.errors import DataError
from metier.plan import Plan
from metier.progress import Progress
from metier.tasks.contract import Array, Examples, Metric, Predictor, Work
from metier.trunk.features import Trunk

_FEWEST = 20
_SMALLEST = 1 / 20  # the first size, as a share of all rows
_LAST_FIT = 1.4  # a fit and the one more pass over all rows, in fits
_TIMED = 48  # held-out rows that the time of a prediction is measured on


@dataclass(frozen=True)
class Job:
    """One fit: a way, a number of labels, and which repeat."""

    way: Way
    rows: int
    repeat: int


@dataclass(frozen=True)
class Fit:
    """What one fit gave: held-out outputs, its score, seconds (embedding counted even if cached) and energy."""

    job: Job
    outputs: Array
    score: float
    seconds: float
    watt_hours: float
    seconds_per_prediction: float | None


@dataclass(frozen=True)
class Skipped:
    """Fits that were not run, and why."""

    way: str
    rows: int
    repeats: int
    reason: str


@dataclass(frozen=True)
class Field:
    """What is measured on: `pool` are the labels that may be learnt from, `held_out` those that are measured on."""

    pool: Examples
    held_out: Examples
    trunk: Trunk
    metric: Metric
    plan: Plan
    folder: Path
    progress: Progress
    clock: Callable[[], float | None]  # seconds left, or None


def sizes(rows: int, classes: int, wished: int) -> list[int]:
    """Numbers of labels, each the same factor more than the last, from a twentieth (or one a class) to all."""
    first = min(rows, max(_FEWEST, classes, round(rows * _SMALLEST)))
    return sorted({round(size) for size in np.geomspace(first, rows, wished)})


def measure(field: Field, ways: Sequence[Way], wished: Sequence[int]) -> tuple[list[Fit], list[Skipped]]:
    """Every way at every size, `plan.compare.repeats` times: the quick ones first, then those that train weights."""
    repeats = range(field.plan.compare.repeats)
    cheap = [Job(way, rows, at) for at in repeats for rows in wished for way in ways if not way.dear]
    dear = [Job(way, rows, at) for at in repeats for rows in wished for way in ways if way.dear]
    # What matters most comes first: tuning on all labels, then its curve, then the curve from scratch, then repeats.
    dear.sort(key=lambda job: (job.repeat, job.way.scratch, job.rows != wished[-1], job.rows))
    fits: list[Fit] = []
    refused: list[tuple[Job, str]] = []
    with field.progress.stage("comparing", len(cheap) + len(dear), "fits") as stage:
        for job in cheap:
            _within(field, job, field.clock(), None, fits, refused)
            stage.advance()
        needed = {job: _needed(field, job) for job in dear}
        admitted, over = _admitted(dear, needed, field.clock())
        refused += [(job, f"about {needed[job]:.0f} s did not fit into what --time-limit left") for job in over]
        stage.advance(len(over))
        for at, job in enumerate(admitted):
            left = field.clock()
            ahead = max(sum(needed[later] for later in admitted[at:]), 1e-9)
            share = None if left is None else left * needed[job] / ahead
            _within(field, job, left, share, fits, refused)
            stage.advance()
    return fits, _gathered(refused)


def _within(
    field: Field,
    job: Job,
    left: float | None,
    share: float | None,
    fits: list[Fit],
    refused: list[tuple[Job, str]],
) -> None:
    """Run the job if it fits into the seconds left; `share` of them are its own."""
    needed = 0.0 if left is None else _needed(field, job)
    if left is not None and (left <= 0 or needed > left):
        refused.append((job, f"it would take about {needed:.0f} s and {max(0, left):.0f} s were left"))
    else:
        _run(field, job, share, fits, refused)


def _admitted(jobs: Sequence[Job], needed: dict[Job, float], left: float | None) -> tuple[list[Job], list[Job]]:
    """The jobs whose least times fit together, first repeats before second ones, and those that do not fit."""
    if left is None:
        return list(jobs), []
    admitted: list[Job] = []
    over: list[Job] = []
    total = 0.0
    for job in jobs:
        fits = total + needed[job] <= left
        total += needed[job] if fits else 0.0
        (admitted if fits else over).append(job)
    return admitted, over


def _gathered(refused: Sequence[tuple[Job, str]]) -> list[Skipped]:
    """The same way at the same size is told once, with how many repeats of it were not run."""
    found: dict[tuple[str, int], tuple[int, str]] = {}
    for job, reason in refused:
        count, first = found.get((job.way.name, job.rows), (0, reason))
        found[job.way.name, job.rows] = (count + 1, first)
    return [Skipped(way, rows, count, reason) for (way, rows), (count, reason) in found.items()]


def _run(field: Field, job: Job, seconds: float | None, fits: list[Fit], refused: list[tuple[Job, str]]) -> None:
    try:
        fit = _fit(field, job, seconds)
    except DataError as error:
        refused.append((job, f"{error.problem} {error.found}"))
        return
    fits.append(fit)
    field.progress.say(
        f"{job.way.name}, {job.rows} labels, repeat {job.repeat + 1}: "
        f"{field.metric.name} {fit.score:.4f} in {fit.seconds:.1f} s"
    )


def _fit(field: Field, job: Job, seconds: float | None) -> Fit:
    """Fit and measure; what lies on disk from an earlier attempt is read."""
    folder = field.folder / job.way.name / f"{job.rows}-{job.repeat}"
    done = folder / "fit.json"
    if not done.is_file():
        _compute(field, job, seconds, folder)
    about, outputs = files.read_json(done), files.read_array(folder / "outputs.npy")
    return Fit(
        job,
        outputs,
        field.metric.function(field.held_out.targets, outputs),
        about["seconds"],
        about["watt_hours"],
        about["seconds_per_prediction"],
    )


def _compute(field: Field, job: Job, seconds: float | None, folder: Path) -> None:
    meter = Meter(field.plan.compare.watts_per_core)
    work, whole = _works(field, job, folder, seconds and seconds / _LAST_FIT)
    counted = None if job.way.scratch else Counted(work.trunk)
    work = work if counted is None else replace(work, trunk=counted)
    predictor, settings = job.way.rung.fit(work)
    if field.plan.ladder.refit:
        (folder / "all").mkdir(parents=True, exist_ok=True)
        last = replace(work, train=whole, validation=None, settings=settings, folder=folder / "all", seconds_left=None,
                       earlier={job.way.rung.name: predictor})  # fmt: skip
        predictor, _ = job.way.rung.fit(last)
    spent, watt_hours = meter.read()
    spared = 0.0 if counted is None else counted.spared_seconds
    outputs = predictor.outputs(field.held_out.inputs)
    per_prediction = None
    if job.repeat == 0 and (job.way.dear or job.rows == len(field.pool)):
        per_prediction = _prediction_seconds(field, job, predictor, work.trunk, folder / "saved")
    # What was spared would have kept the processor as busy as the rest did.
    watt_hours *= 1 + spared / max(spent, 1e-9)
    shutil.rmtree(folder)
    folder.mkdir(parents=True)
    files.write_array(folder / "outputs.npy", outputs)
    files.write_json(
        folder / "fit.json",
        {
            "seconds": spent + spared,
            "watt_hours": watt_hours,
            "seconds_per_prediction": per_prediction,
            "settings": settings,
        },
    )


def _works(field: Field, job: Job, folder: Path, seconds: float | None) -> tuple[Work, Examples]:
    """The work of one fit, its labels cut into those to learn from and those to choose on; and all its labels."""
    order = np.random.default_rng([field.plan.seed, job.repeat]).permutation(len(field.pool))
    whole = replace(field.pool, assigned=None).take(np.sort(order[: job.rows]))
    plan = job.way.plan(field.plan, field.plan.seed + job.repeat)
    parts = split(whole, plan)
    (folder / "first").mkdir(parents=True, exist_ok=True)
    work = Work(
        train=whole.take(parts.train),
        validation=whole.take(parts.validation),
        plan=plan,
        trunk=job.way.trunk(field.trunk, plan.seed),
        metric=field.metric,
        folder=folder / "first",
        earlier={},
        progress=field.progress,
        seconds_left=seconds,
    )
    return work, whole


def _needed(field: Field, job: Job) -> float:
    """Seconds this fit takes at the least."""
    folder = field.folder / job.way.name / f"{job.rows}-{job.repeat}"
    if (folder / "fit.json").is_file():
        return 0.0
    try:
        work, _ = _works(field, job, folder, None)
    except DataError:
        return 0.0
    if job.way.scratch:
        # The untrained base is as quick as the trained one, which has been timed already.
        untrained = Trunk(field.trunk.base, None, field.progress)
        untrained.tokens_per_second = field.trunk.speed()
        work = replace(work, trunk=untrained)
    return job.way.rung.estimate(work) * _LAST_FIT


def _prediction_seconds(field: Field, job: Job, predictor: Predictor, trunk: Trunk, folder: Path) -> float:
    """Seconds to answer one row that was never seen, by the model as it would be served: read from disk, no cache."""
    folder.mkdir(parents=True, exist_ok=True)
    predictor.save(folder)
    served = job.way.rung.load(folder, Trunk(trunk.base), field.held_out.target)
    some = field.held_out.inputs[: min(_TIMED, len(field.held_out))]
    served.outputs(some[:1])
    start = time.perf_counter()
    served.outputs(some)
    return (time.perf_counter() - start) / len(some)


def scores(fits: Sequence[Fit], way: str) -> dict[int, Array]:
    """Labels -> the scores of the repeats, ascending."""
    found: dict[int, list[float]] = {}
    for fit in fits:
        if fit.job.way.name == way:
            found.setdefault(fit.job.rows, []).append(fit.score)
    return {rows: np.array(found[rows]) for rows in sorted(found)}
