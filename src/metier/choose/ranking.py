"""Rank bases by successive halving (Jamieson & Talwalkar 2016) of short real probes: all start small, few go on.

A probe is the ladder's own frozen rung on some of the training rows, measured on the held-out rows, which are the same
for every base and every round: those of the split, or where they are few all rows, each held out in turn. A base leaves
when it lies in the lower half and is behind the leader beyond chance.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from metier.choose.candidates import Candidate, Excluded
from metier.choose.family import FormTrunk, relate
from metier.choose.ground import Ground
from metier.choose.transfer import log_evidence
from metier.errors import DataError
from metier.evaluate.evaluation import nested
from metier.evaluate.intervals import Gain, Interval, bootstrap, paired_gain
from metier.progress import Progress
from metier.tasks.contract import Array, Examples, Rung, Work
from metier.tune.stop_rule import pays

RUNG = "frozen"
_MOST_ROWS = 20_000  # a linear head's ranking of bases no longer moves beyond
_FEWEST_ROWS = 300
# With fewer rows a class the frozen rung works by other rules (it leans on label names), which say little of later.
_FEWEST_A_CLASS = 33
_GROWTH = 3
_MOST_STARTERS = 16
_FEWEST_HELD_OUT = 1000  # bases differ by a point or two: fewer rows could not tell them apart
_ONE_ERROR = 0.6827  # the level whose interval is one standard error to each side


@dataclass
class Racer:
    """One base in the race: its trunk, and what its last probe gave."""

    candidate: Candidate
    trunk: FormTrunk
    prior: float = float("nan")
    rows: int = 0
    outputs: Array | None = None
    interval: Interval | None = None
    seconds: float = 0.0
    left: str = ""  # why it is out; empty while it races
    probes: list[tuple[int, float]] = field(default_factory=list)  # (rows, score)

    @property
    def name(self) -> str:
        """What to type after --base."""
        return self.candidate.name


@dataclass(frozen=True)
class Ranking:
    """Bases from the best choice down, those left out, and how much the choice may at most be worth less than another.

    `regret` holds `{"bound", "level", "rows", "against"}`: with this probability no other base that was probed is
    better by more than `bound`, in the metric's units, at so many rows.
    """

    metric: str
    entries: tuple[Mapping[str, Any], ...]
    excluded: tuple[Excluded, ...]
    regret: Mapping[str, Any]
    rounds: tuple[int, ...]
    held_out: int

    @property
    def chosen(self) -> str:
        """The base to start from."""
        return str(self.entries[0]["base"])


def rank(ground: Ground, candidates: Sequence[Candidate], excluded: Sequence[Excluded], progress: Progress) -> Ranking:
    """Probe, halve, and rank. Raises DataError for a kind of task that has no rung on a frozen base."""
    rung = probing_rung(ground)
    folds, started = ground.folds(_FEWEST_HELD_OUT), time.monotonic()
    limit = ground.plan.ladder.time_limit
    racers = [Racer(one, FormTrunk(one.base, ground.place.cache, progress)) for one in candidates]
    relate([racer.trunk for racer in racers])
    sizes = _sizes(min(len(train) for train, _ in folds), ground.examples.target.width)
    _prior(ground, folds, racers, sizes[0])
    truth = np.concatenate([held_out.targets for _, held_out in folds])
    done: list[int] = []
    for size in sizes:
        running = [racer for racer in racers if not racer.left]
        if done and (len(running) == 1 or _out_of_time(limit, started, size, done, running)):
            break
        for racer in running:
            _probe(ground, folds, rung, racer, size, truth, progress)
        done.append(size)
        if size != sizes[-1]:
            _halve(ground, racers, truth, size)
    return _ranked(ground, racers, excluded, truth, tuple(done))


def probing_rung(ground: Ground) -> Rung:
    """The rung that bases are probed with. Raises DataError for a kind that has none: it needs no base."""
    rung = ground.rungs().get(RUNG)
    if rung is None:
        raise DataError(
            "no-bases",
            f"Bases are ranked by the rung '{RUNG}', which the kind {ground.task.name!r} has not: it needs no base.",
            found=f"rungs {', '.join(ground.rungs())}",
            fix="metier tune takes such data as it is; metier compare compares its rungs.",
        )
    return rung


def _sizes(rows: int, classes: int) -> list[int]:
    """Training rows of each round, threefold more from one to the next, all of them (up to 20,000) in the last."""
    sizes = [min(rows, _MOST_ROWS)]
    fewest = max(_FEWEST_ROWS, _FEWEST_A_CLASS * classes)
    while sizes[0] // _GROWTH >= fewest and len(sizes) < 3:
        sizes.insert(0, sizes[0] // _GROWTH)
    return sizes


def _prior(ground: Ground, folds: Sequence[tuple[Examples, Examples]], racers: list[Racer], size: int) -> None:
    """Order the racers by what their features promise; of very many only the most promising start."""
    train = folds[0][0]
    some = train.take(nested(len(train), [size], ground.plan.seed)[0])
    for racer in sorted(racers, key=lambda racer: -racer.candidate.base.layers):
        start = time.monotonic()
        features = ground.task.vectors(some.inputs, racer.trunk)
        racer.prior = log_evidence(features, some.targets, some.target.width)
        racer.seconds += time.monotonic() - start
    racers.sort(key=lambda racer: -racer.prior)
    for racer in racers[_MOST_STARTERS:]:
        racer.left = f"not probed: {_MOST_STARTERS} others promise more (LogME {racer.prior:.3f})"
        racer.trunk.leave()


def _probe(
    ground: Ground,
    folds: Sequence[tuple[Examples, Examples]],
    rung: Rung,
    racer: Racer,
    size: int,
    truth: Array,
    progress: Progress,
) -> None:
    start, outputs = time.monotonic(), []
    for train, held_out in folds:
        work = Work(
            train=train.take(nested(len(train), [min(size, len(train))], ground.plan.seed)[0]),
            validation=held_out,
            plan=ground.plan,
            trunk=racer.trunk,
            metric=ground.metric,
            folder=ground.place.cache / "probes",
            earlier={},
            progress=progress,
        )
        outputs.append(rung.fit(work)[0].outputs(held_out.inputs))
    racer.outputs, racer.rows = np.concatenate(outputs), size
    racer.interval = bootstrap(
        {ground.metric.name: ground.metric},
        truth,
        racer.outputs,
        level=ground.plan.ladder.level,
        seed=ground.plan.seed,
    )[ground.metric.name]
    racer.seconds += time.monotonic() - start
    racer.probes.append((size, racer.interval.value))
    progress.say(f"{racer.name}: {ground.metric.name} {racer.interval.value:.4f} with {size} rows")


def _halve(ground: Ground, racers: list[Racer], truth: Array, size: int) -> None:
    """Those of the lower half that are behind the leader beyond chance are out."""
    running = _best_first(ground, [racer for racer in racers if not racer.left])
    leader = running[0]
    for racer in running[(len(running) + 1) // 2 :]:
        gain = _gain(ground, truth, racer, leader, ground.plan.ladder.level)
        if gain.low > 0:
            racer.left = f"left after {size} rows: {_told(ground, gain)} behind {leader.name}"
            racer.trunk.leave()


def _out_of_time(limit: float | None, started: float, size: int, done: list[int], running: Sequence[Racer]) -> bool:
    """Whether the next round, at the last one's pace, would end after the time limit."""
    spent = time.monotonic() - started
    return limit is not None and spent + sum(racer.seconds for racer in running) * size / sum(done) > limit


def _ranked(
    ground: Ground, racers: list[Racer], excluded: Sequence[Excluded], truth: Array, rounds: tuple[int, ...]
) -> Ranking:
    finalists = _best_first(ground, [racer for racer in racers if not racer.left])
    leader = finalists[0]
    chosen = min([leader, *_ties(ground, truth, leader, finalists[1:])], key=lambda racer: racer.candidate.cost)
    out = [racer for racer in racers if racer.left]
    order = [chosen, *(racer for racer in finalists if racer is not chosen)]
    for rows in sorted({racer.rows for racer in out}, reverse=True):
        order += _best_first(ground, [racer for racer in out if racer.rows == rows and rows])
    order += [racer for racer in out if not racer.rows]
    entries = tuple(_entry(ground, truth, racer, chosen, leader) for racer in order)
    return Ranking(
        metric=ground.metric.name,
        entries=entries,
        excluded=tuple(excluded),
        regret=_regret(ground, truth, chosen, [racer for racer in order[1:] if racer.rows]),
        rounds=rounds,
        held_out=len(truth),
    )


def _ties(ground: Ground, truth: Array, leader: Racer, others: Sequence[Racer]) -> list[Racer]:
    """Bases within one standard error of the leader that the ladder's stop rule, too, would not step up from.

    Among these the quickest and smallest is the better choice.
    """
    plan, target = ground.plan, ground.examples.target

    def worth_more(racer: Racer) -> bool:
        assert racer.outputs is not None
        assert leader.outputs is not None
        sides = (racer.outputs, leader.outputs)
        return pays(ground.metric, target, truth, *sides, level=plan.ladder.level, seed=plan.seed)[1]

    near = [racer for racer in others if _gain(ground, truth, racer, leader, _ONE_ERROR).low <= 0]
    return [racer for racer in near if not worth_more(racer)]


def _regret(ground: Ground, truth: Array, chosen: Racer, others: Sequence[Racer]) -> dict[str, Any]:
    """The upper end of what any other base may be better by, all intervals holding together (Bonferroni)."""
    level = ground.plan.ladder.level
    bound, against, rows = 0.0, None, chosen.rows
    for racer in others:
        gain = _gain(ground, truth, chosen, racer, 1 - (1 - level) / len(others))
        if np.isfinite(gain.high) and gain.high > bound:
            bound, against, rows = gain.high, racer.name, racer.rows
    return {"bound": bound, "level": level, "rows": rows, "against": against}


def _gain(ground: Ground, truth: Array, a: Racer, b: Racer, level: float) -> Gain:
    """How much better b is than a on the same held-out rows, at the last number of rows both were probed with."""
    assert a.outputs is not None
    assert b.outputs is not None
    return paired_gain(ground.metric, truth, a.outputs, b.outputs, level=level, seed=ground.plan.seed)


def _entry(ground: Ground, truth: Array, racer: Racer, chosen: Racer, leader: Racer) -> dict[str, Any]:
    interval = racer.interval or Interval(float("nan"), float("nan"), float("nan"))
    base = racer.candidate.base
    return {
        "base": racer.name,
        **{"score" if name == "value" else name: value for name, value in interval.as_json().items()},
        "seconds": round(racer.seconds + racer.trunk.credit, 3),
        "reason": racer.left or _reason(ground, truth, racer, chosen, leader),
        "rows": racer.rows,
        "latency_ms": round(racer.candidate.latency_ms, 3),
        "bytes": base.bytes,
        "layers": base.layers,
        "licence": base.licence,
        "prior": racer.prior if np.isfinite(racer.prior) else None,
        "probes": [{"rows": rows, "score": score} for rows, score in racer.probes],
    }


def _reason(ground: Ground, truth: Array, racer: Racer, chosen: Racer, leader: Racer) -> str:
    if racer is chosen:
        if racer is leader:
            return f"the best with {racer.rows} rows"
        gain = _gain(ground, truth, racer, leader, ground.plan.ladder.level)
        return (
            f"as good as {leader.name} within one standard error ({_told(ground, gain)} behind), "
            f"and cheaper: {racer.candidate.latency_ms:.1f} ms a text, {racer.candidate.base.bytes >> 20} MiB, where "
            f"that one takes {leader.candidate.latency_ms:.1f} ms, {leader.candidate.base.bytes >> 20} MiB"
        )
    gain = _gain(ground, truth, racer, chosen, ground.plan.ladder.level)
    if gain.low > 0:
        return f"{_told(ground, gain)} behind {chosen.name}"
    ahead = replace(gain, points=-gain.points, low=-gain.high, high=-gain.low)
    if gain.points < 0:
        return f"{_told(ground, ahead)} ahead of {chosen.name}, no more than chance, and dearer"
    return f"{_told(ground, gain)} behind {chosen.name}, within chance"


def _best_first(ground: Ground, racers: Sequence[Racer]) -> list[Racer]:
    sign = 1.0 if ground.metric.greater_is_better else -1.0

    def key(racer: Racer) -> tuple[float, tuple[int, int]]:
        assert racer.interval is not None
        return (-sign * racer.interval.value, racer.candidate.cost)

    return sorted(racers, key=key)


def _told(ground: Ground, gain: Gain) -> str:
    share = ground.examples.target.width > 1 and ground.metric.name not in ("log_loss", "brier")
    if share and ":" not in ground.metric.name:
        return f"{100 * gain.points:.1f} points ({100 * gain.low:.1f} to {100 * gain.high:.1f})"
    return f"{gain.points:.4g} ({gain.low:.4g} to {gain.high:.4g})"
