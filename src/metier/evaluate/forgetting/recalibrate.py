"""Honest confidence of an expert turned back toward its base: calibrated again, on rows its weights have not seen.

The expert's own weights were last fitted on all rows, so nothing can be calibrated on them. The fits of the climb still
lie in the run that made it, each beside rows it never saw: turned back as far, they stand in for the expert, as they
did when it was first calibrated.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metier import files
from metier.data.split import split
from metier.tasks.contract import Array, TrainingRung
from metier.tune import folds, ladder, mitigation, private

if TYPE_CHECKING:
    from metier.expert import Expert
    from metier.govern.origin import Origin


@dataclass(frozen=True)
class Recalibrated:
    """What turns raw outputs into honest confidence at the new scale, and the held-out rows that told it."""

    calibration: Mapping[str, float]
    threshold: float | None
    group_thresholds: Mapping[str, Any] | None
    rows: int


def recalibrated(expert: Expert, origin: Origin, rung: TrainingRung, scale: float) -> Recalibrated | str:
    """The calibration, the confidence under which to abstain, and groups' thresholds at `scale`; or why not.

    `scale` counts from the base to the weights as they were tuned.
    """
    plan, examples, target = origin.plan, origin.examples, expert.target
    parts = split(examples, plan)
    if not np.array_equal(np.sort(parts.validation), np.flatnonzero(origin.held_out)):
        return "the rows that were held out cannot be told again"
    tried = folds.folds_of(examples, parts.train, parts.validation, plan.seed, once=private.asked(plan))
    if len(tried) > 2 and _fits(origin, rung) == 2:
        tried = folds.halves(tried)
    held_out = [part for _, part in tried]
    places = [ladder.fit_folder(_rungs(origin), rung, fold, len(tried)) for fold in range(len(tried))]
    if not all((place / ladder.FINISHED).is_file() for place in places):
        return "the fits that its confidence was measured with are no longer in its run's folder"
    outputs = np.concatenate(
        [_outputs(expert, rung, place, scale, part.inputs) for place, part in zip(places, held_out, strict=True)]
    )
    every = held_out[0] if len(held_out) == 1 else folds.joined(held_out)
    eased = mitigation.chosen(origin.dataset, examples, plan)
    moved = None if eased is None else eased.thresholds(outputs, every)
    if moved is not None:
        outputs = moved.applied(outputs, moved.of(origin.dataset.table, every.rows), target)
    calibration = target.calibrate(outputs, every.targets)
    threshold = target.threshold(target.calibrated(outputs, calibration), every.targets, plan)
    return Recalibrated(calibration, threshold, None if moved is None else moved.record(), len(every))


def _rungs(origin: Origin) -> Path:
    assert origin.run is not None
    return origin.run / "rungs"


def _fits(origin: Origin, rung: TrainingRung) -> int | None:
    """The number of fits that this rung was measured with, as its record says; None where it is gone."""
    told = _rungs(origin) / rung.name / "metrics.json"
    return files.read_json(told).get("folds") if told.is_file() else None


def _outputs(expert: Expert, rung: TrainingRung, place: Path, scale: float, inputs: Any) -> Array:
    with tempfile.TemporaryDirectory(prefix="metier-dial-") as folder:
        rung.rescale(place, scale, Path(folder), expert.trunk)
        return rung.load(Path(folder), expert.trunk, expert.target).outputs(inputs)
