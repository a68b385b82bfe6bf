"""The `trees` rung: gradient-boosted trees, stored as LightGBM's own text, never as a pickle."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metier import files
from metier.tasks.contract import Examples, Inputs, Predictor, Target, Work
from metier.tasks.rows_boosting import Encoded, booster_outputs, candidates, cross_validate, fit, import_lightgbm
from metier.tasks.rows_encoding import Encoding, fit_encoding, roles
from metier.tasks.rows_folds import at_most, choose_shift, in_pieces, inner_folds, log_shares, score, shifted, widen
from metier.tasks.rows_rungs import broken, encoding_arrays, read_parts, text_seconds, write_parts

if TYPE_CHECKING:
    from metier.trunk.features import Trunk

Array = np.ndarray
_MOST_ROWS = 1_000_000
_END = "end of parameters"  # among the last lines of LightGBM's text


@dataclass(frozen=True)
class TreesPredictor:
    """Boosted trees over the encoded row, as LightGBM's text."""

    encoding: Encoding
    trunk: Trunk | None
    text: str  # empty when only one class was seen
    present: Array  # (p,) class codes; empty for a quantity
    prior: Array  # (k,) log-shares; empty for a quantity
    shift: float

    @cached_property
    def booster(self) -> Any:
        """The trees, parsed when first needed."""
        return import_lightgbm().Booster(model_str=self.text)

    def outputs(self, inputs: Inputs) -> Array:
        """(n, k) log-probabilities or (n,) values."""
        return in_pieces(self._outputs, inputs)

    def _outputs(self, inputs: Inputs) -> Array:
        matrix = self.encoding.tree_matrix(inputs, self.trunk)
        if len(matrix) == 0:
            return np.zeros((0, len(self.prior)) if len(self.prior) else 0)
        if not len(self.present):
            return booster_outputs(self.booster, matrix, 0)
        one = len(self.present) == 1
        known = np.zeros((len(matrix), 1)) if one else booster_outputs(self.booster, matrix, len(self.present))
        return shifted(widen(known, self.present, self.prior), self.prior, self.shift)

    def save(self, folder: Path) -> None:
        """Write `predictor.json`, `predictor.safetensors` and `trees.txt`."""
        arrays = {f"encoding.{name}": value for name, value in self.encoding.arrays.items()}
        arrays |= {"present": self.present, "prior": self.prior}
        write_parts(folder, {"encoding": self.encoding.record(), "shift": self.shift}, arrays)
        files.write_text(folder / "trees.txt", self.text)


class Trees:
    """Gradient-boosted trees (Friedman 2001; Ke et al. 2017); size and rounds chosen by cross-validation."""

    name = "trees"
    trains = False
    summary = "many small decision trees, each correcting the others (gradient boosting)"

    def estimate(self, work: Work) -> float:
        """Seconds, from rows, columns, classes and the texts not embedded yet."""
        kinds = list(roles(work.train.inputs).values())
        slots = len(kinds) + 4 * kinds.count("time") + 31 * kinds.count("text")
        outputs = 1 if work.train.target.width <= 2 else work.train.target.width
        fits = 1 if work.settings is not None else 8 if len(work.train) <= 20_000 else 3
        rows = min(len(work.train), _MOST_ROWS)
        return 0.5 + fits * outputs * (0.2 + 2e-6 * rows * slots) + text_seconds(work)

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Fit with the size and rounds that do best across folds of the training rows (or those in `settings`)."""
        start, left = time.monotonic(), math.inf if work.seconds_left is None else work.seconds_left
        train = at_most(work.train, _MOST_ROWS, work.plan.seed)
        encoding = fit_encoding(train.inputs, work.trunk)
        classes = train.target.kind == "classes"
        present, labels = (
            np.unique(train.targets, return_inverse=True) if classes else (np.zeros(0, int), train.targets)
        )
        prior = log_shares(train.targets, train.target.width) if classes else np.zeros(0)
        if len(present) == 1:
            return TreesPredictor(encoding, work.trunk, "", present, prior, 0.0), dict(work.settings or {})
        encoded = Encoded(encoding.tree_matrix(train.inputs, work.trunk), encoding.slots, labels, len(present))
        settings = dict(work.settings or {}) or _choose(work, train, encoded, present, prior, start + 0.45 * left)
        with work.progress.stage("trees", settings["rounds"], "trees") as stage:
            booster = fit(encoded, settings, work.plan.seed, start + 0.9 * left, stage.advance)
        if booster.best_iteration > 0:  # the clock ended it
            settings["rounds"] = booster.best_iteration
        predictor = TreesPredictor(encoding, work.trunk, booster.model_to_string(), present, prior, settings["shift"])
        return predictor, settings

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:
        """Read what `TreesPredictor.save` wrote."""
        record, arrays = read_parts(folder)
        encoding = Encoding.of(record["encoding"], encoding_arrays(arrays))
        try:
            text = (folder / "trees.txt").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise broken(folder, error) from error
        # LightGBM can end the whole process over a torn text, so wholeness is asked before it reads.
        if text and _END not in text:
            raise broken(folder, ValueError("trees.txt is cut short"))
        return TreesPredictor(encoding, trunk, text, arrays["present"], arrays["prior"], record["shift"])


def _choose(
    work: Work, train: Examples, encoded: Encoded, present: Array, prior: Array, deadline: float
) -> dict[str, Any]:
    """Try a few sizes, smallest first, by cross-validation with early stopping; keep the best."""
    folds = inner_folds(train, work.plan.seed)
    sample = np.unique(np.concatenate([np.concatenate(pair) for pair in folds]))
    inside = [(np.searchsorted(sample, on), np.searchsorted(sample, compare)) for on, compare in folds]
    part = encoded.take(sample)
    truth = train.targets[np.concatenate([compare for _, compare in folds])]
    data = part.dataset()
    best: tuple[float, dict[str, Any], Array] | None = None
    tried = candidates(len(train), len(present))
    with work.progress.stage("trees: size", len(tried), "fits") as stage:
        for settings in tried:
            if best is not None and time.monotonic() > deadline:
                break
            if best is not None and not settings["leaves"]:
                settings = settings | {"leaves": best[1]["leaves"], "columns": best[1]["columns"]}
            rounds, outputs = cross_validate(part, data, settings, inside, work.plan.seed, deadline)
            outputs = widen(outputs, present, prior) if len(present) else outputs
            found = score(outputs, truth, train.target, work.metric)
            stage.advance(1, score=found)
            if best is None or found > best[0]:
                best = (found, settings | {"rounds": rounds}, outputs)
    assert best is not None
    wanted = work.plan.training.class_weights
    shift = choose_shift(best[2], truth, prior, work.metric, wanted) if len(present) else 0.0
    return best[1] | {"shift": shift}
