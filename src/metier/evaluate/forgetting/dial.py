"""The dial between the general base and the expert: the trade's score and general ability with part of the tuning.

WiSE-FT (Wortsman et al. 2022): weights on the line from the base (0) to the tuned ones (1). Nothing is trained; what is
measured at a scale is the very folder that `rescale` writes for it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from metier import files
from metier.errors import ExpertError, UsageError
from metier.evaluate.forgetting.ability import Ability, ability, interval, share_kept
from metier.evaluate.forgetting.recalibrate import Recalibrated, recalibrated
from metier.evaluate.intervals import Interval, bootstrap
from metier.govern import record
from metier.tasks.contract import Array, Inputs, TrainingRung

if TYPE_CHECKING:
    from metier.evaluate.case import Case
    from metier.expert import Expert
    from metier.govern.origin import Origin

SCALES = (0.0, 0.25, 0.5, 0.75, 1.0)
_HALVINGS = 3  # of the gap in which the limit lies: to a thirty-second


@dataclass(frozen=True)
class Point:
    """What one scale gives: the trade's metric on a sample of rows, general ability, and its share of the base's."""

    scale: float
    score: Interval
    general: Interval
    share: Interval | None

    def as_json(self, metric: str) -> dict[str, Any]:
        """`{"scale", "metric", "value", "low", "high", "general", "general_low", "general_high", "share"}`."""
        return {
            "scale": self.scale,
            "metric": metric,
            **self.score.as_json(),
            "general": self.general.value,
            "general_low": self.general.low,
            "general_high": self.general.high,
            "share": self.share and self.share.value,
        }


def training_rung(expert: Expert) -> TrainingRung | None:
    """The rung that made this expert, where it changed weights of the base; None where it did not."""
    for rung in expert.task.rungs(expert.target):
        if rung.name == expert.about["rung"] and rung.trains:
            return cast(TrainingRung, rung)
    return None


def rescale(
    expert: Expert, scale: float, folder: str | Path, origin: Origin | None = None, no_origin: str = ""
) -> Path:
    """Write this expert anew with `scale` (0..1) of its tuning: a whole, sealed expert; nothing is trained.

    The adapter stays in PEFT's layout. With `origin` its confidence and thresholds are calibrated again at this scale,
    on the held-out rows; else they stay as they were. `metier.json` says which, under `scaled`, beside the scale and
    the root of the expert it was made from. Returns the folder. Raises UsageError, ExpertError.
    """
    if not 0 <= scale <= 1:
        raise UsageError("bad-scale", "The scale must lie within 0 and 1.", found=f"{scale:g}", fix="Give 0.5, say.")
    rung = training_rung(expert)
    if rung is None:
        raise ExpertError(
            "nothing-to-scale",
            "Only an expert whose rung changes the base's weights can be turned back toward it: adapter or full.",
            found=f"the rung {expert.about['rung']}",
            fix="Use it as it is: its base is unchanged.",
        )
    with files.write_folder(folder) as building:
        rung.rescale(expert.folder, scale, building, expert.trunk)
        shutil.copytree(expert.folder / "generic", building / "generic")
        whole = expert.about.get("scaled", {}).get("scale", 1.0) * scale
        scaled = {"scale": whole, "from": record.chain(expert.folder, record.MANIFEST)["root"]}
        found = recalibrated(expert, origin, rung, whole) if origin is not None and origin.run else no_origin
        about = {**expert.about, "scaled": {**scaled, **_calibration_of(found)}}
        if isinstance(found, Recalibrated):
            about |= {"calibration": dict(found.calibration), "threshold": found.threshold}
            about |= {"group_thresholds": found.group_thresholds}
        files.write_json(building / "metier.json", about)
        record.seal_expert(building)
    return Path(folder)


def _calibration_of(found: Recalibrated | str) -> dict[str, Any]:
    """What the record says of the calibration: the rows it was found on or, where it stayed, why."""
    if isinstance(found, Recalibrated):
        return {"calibrated_on_rows": found.rows}
    why = f": {found}" if found else ""
    return {"calibrated_on_rows": None, "calibration": f"as it was before scaling{why}"}


def turn(
    case: Case, rung: TrainingRung, before: Ability, after: Ability, limit: float | None
) -> tuple[list[Point], Point | None]:
    """The dial's points by scale, and the furthest one that keeps the share `limit` of the base's general ability.

    `before` and `after` are the abilities at its two ends. The gap in which the limit lies is halved a few times.
    Without a limit, or where the base itself knows no more than chance, no point is chosen.
    """
    ends = {0.0: before, 1.0: after}
    points = {scale: _point(case, rung, scale, ends) for scale in SCALES}
    if limit is None or points[1.0].share is None:
        return [points[scale] for scale in sorted(points)], None

    def kept(scale: float) -> bool:
        share = points[scale].share
        return scale == 0.0 or (share is not None and share.value >= limit)

    for _ in range(_HALVINGS):
        low = max(scale for scale in points if kept(scale))
        if low == 1.0:
            break
        middle = (low + min(scale for scale in points if scale > low)) / 2
        points[middle] = _point(case, rung, middle, ends)
    return [points[scale] for scale in sorted(points)], points[max(scale for scale in points if kept(scale))]


def _point(case: Case, rung: TrainingRung, scale: float, ends: Mapping[float, Ability]) -> Point:
    rows, target, metric = case.sample(), case.expert.target, case.metric
    if scale == 1.0:
        outputs, found = case.evaluation.outputs[rows], ends[1.0]
    else:
        raw, known = _at(case, rung, scale, case.examples.take(rows).inputs, ends.get(scale))
        raw = case.expert.shifted(raw, case.shifts(rows))
        outputs, found = target.calibrated(raw, case.expert.about["calibration"]), known
    truth = case.examples.targets[rows]
    return Point(
        scale,
        bootstrap({metric.name: metric}, truth, outputs, level=case.level, seed=case.seed)[metric.name],
        interval(found, level=case.level, seed=case.seed),
        share_kept(ends[0.0], found, level=case.level, seed=case.seed),
    )


def _at(case: Case, rung: TrainingRung, scale: float, inputs: Inputs, known: Ability | None) -> tuple[Array, Ability]:
    """Raw outputs and general ability at this scale; its folder lies on disk only meanwhile."""
    expert = case.expert
    with tempfile.TemporaryDirectory(prefix="metier-dial-") as folder:
        rung.rescale(expert.folder, scale, Path(folder), expert.trunk)
        predictor = rung.load(Path(folder), expert.trunk, expert.target)
        return predictor.outputs(inputs), known or ability(predictor.trunk)  # type: ignore[attr-defined]
