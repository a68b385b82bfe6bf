"""The `trees` rung: gradient-boosted trees (LightGBM), stored as its own text format, never as a pickle."""

from __future__ import annotations

import ctypes
import importlib.util
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from metier.errors import ExpertError, ResourceError
from metier.evaluate.metrics import log_probabilities
from metier.tasks.contract import Inputs, Predictor, Target, Work
from metier.tasks.rows_encoding import Encoding, Slot, fit_encoding, roles
from metier.tasks.rows_folds import (
    Folds,
    choose_shift,
    inner_folds,
    log_shares,
    score,
    shifted,
    widen,
)
from metier.tasks.rows_rungs import encoding_arrays, read_parts, text_seconds, write_parts

if TYPE_CHECKING:
    from metier.trunk.features import Trunk

Array = np.ndarray
_PATIENCE = 60
# Leaves a tree and the share of the columns each tree sees, smallest first. Little data wants many weak, decorrelated
# trees; interactions of a few columns want every column in every tree.
_SMALL = ((4, 0.3), (8, 0.5), (16, 0.5))
_MIDDLE = ((4, 0.3), (8, 0.5), (31, 0.7), (31, 1.0))
_LARGE = ((8, 0.5), (31, 0.7), (31, 1.0), (127, 0.7))


@dataclass(frozen=True)
class TreesPredictor:
    """Boosted trees over the encoded row, as LightGBM's text."""

    encoding: Encoding
    trunk: Trunk | None
    text: str
    present: Array  # (p,) class codes; empty for a quantity
    prior: Array  # (k,) log-shares; empty for a quantity
    shift: float

    @cached_property
    def booster(self) -> Any:
        """The trees, parsed when first needed."""
        lightgbm = import_lightgbm()
        try:
            return lightgbm.Booster(model_str=self.text)
        except lightgbm.basic.LightGBMError as error:
            raise ExpertError(
                "broken-expert",
                "An expert's trees.txt must be the one it was saved with.",
                found=str(error),
                fix="Copy the whole folder again, or tune once more.",
            ) from error

    def outputs(self, inputs: Inputs) -> Array:
        """(n, k) log-probabilities or (n,) values."""
        matrix = self.encoding.tree_matrix(inputs, self.trunk)
        if not len(self.present):
            return np.asarray(self.booster.predict(matrix), dtype=np.float32)
        if len(self.present) == 1:
            raw = np.zeros((len(matrix), 1))
        else:
            raw = _log_probabilities(self.booster.predict(matrix, raw_score=True))
        return shifted(widen(raw, self.present, self.prior), self.prior, self.shift).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write `predictor.json`, `predictor.safetensors` and `trees.txt`."""
        arrays = {f"encoding.{name}": value for name, value in self.encoding.arrays.items()}
        arrays |= {"present": self.present, "prior": self.prior}
        write_parts(folder, {"encoding": self.encoding.record(), "shift": self.shift}, arrays)
        (folder / "trees.txt").write_text(self.text, encoding="utf-8")


class Trees:
    """Gradient-boosted trees (Friedman 2001; Ke et al. 2017); size and rounds chosen by cross-validation."""

    name = "trees"
    summary = "many small decision trees, each correcting the others (gradient boosting)"

    def estimate(self, work: Work) -> float:
        """Seconds, from rows, columns, classes and the texts not embedded yet."""
        kinds = list(roles(work.train.inputs).values())
        slots = len(kinds) + 4 * kinds.count("time") + 31 * kinds.count("text")
        outputs = 1 if work.train.target.width <= 2 else work.train.target.width
        fits = 1 if work.settings is not None else 8 if len(work.train) <= 20_000 else 3
        return 0.5 + fits * outputs * (0.2 + 2e-6 * len(work.train) * slots) + text_seconds(work)

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Fit with the size and rounds that do best across folds of the training rows (or those in `settings`)."""
        train = work.train
        encoding = fit_encoding(train.inputs, work.trunk)
        matrix = encoding.tree_matrix(train.inputs, work.trunk)
        classes = train.target.kind == "classes"
        present, labels = (
            np.unique(train.targets, return_inverse=True) if classes else (np.zeros(0, int), train.targets)
        )
        prior = log_shares(train.targets, train.target.width) if classes else np.zeros(0)
        settings = dict(work.settings) if work.settings is not None else {}
        if not settings:
            settings = _choose(work, matrix, encoding.slots, labels, present, prior)
        text = ""
        if len(present) != 1:
            with work.progress.stage("trees", settings["rounds"], "trees") as stage:
                booster = import_lightgbm().train(
                    _parameters(settings, len(present), work.plan.seed, matrix.shape),
                    _dataset(matrix, labels, encoding.slots),
                    settings["rounds"],
                    callbacks=[lambda _: stage.advance()],
                )
            text = booster.model_to_string()
        return TreesPredictor(encoding, work.trunk, text, present, prior, settings["shift"]), settings

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:  # noqa: ARG002 - the contract's signature
        """Read what `TreesPredictor.save` wrote."""
        record, arrays = read_parts(folder)
        try:
            text = (folder / "trees.txt").read_text(encoding="utf-8")
        except OSError as error:
            raise ExpertError(
                "broken-expert",
                "An expert's folder must hold its trees.txt.",
                found=str(error),
                fix="Copy the whole folder again, or tune once more.",
            ) from error
        encoding = Encoding.of(record["encoding"], encoding_arrays(arrays))
        return TreesPredictor(encoding, trunk, text, arrays["present"], arrays["prior"], record["shift"])


def _choose(
    work: Work, matrix: Array, slots: tuple[Slot, ...], labels: Array, present: Array, prior: Array
) -> dict[str, Any]:
    """Try a few sizes, smallest first, by cross-validation with early stopping; keep the best."""
    if len(present) == 1:
        return {"leaves": 4, "columns": 1.0, "learning_rate": 0.05, "objective": "binary", "rounds": 1, "shift": 0.0}
    train, start = work.train, time.monotonic()
    folds = inner_folds(train, work.plan.seed)
    sample = np.unique(np.concatenate([np.concatenate(pair) for pair in folds]))
    inside = [(np.searchsorted(sample, on), np.searchsorted(sample, compare)) for on, compare in folds]
    data = _dataset(matrix[sample], labels[sample], slots)
    best: tuple[float, dict[str, Any], Array] | None = None
    tried = _candidates(len(train), len(present))
    where = np.concatenate([compare for _, compare in inside])
    truth = train.targets[sample][where]
    with work.progress.stage("trees: size", len(tried), "fits") as stage:
        for settings in tried:
            if best is not None and settings["leaves"] is None:
                settings = settings | {"leaves": best[1]["leaves"], "columns": best[1]["columns"]}
            parameters = _parameters(settings, len(present), work.plan.seed, matrix[sample].shape)
            rounds, raw = _cross_validate(
                parameters, data, matrix[sample], inside, max(100, 4000 // max(1, len(present)))
            )
            outputs = widen(_log_probabilities(raw), present, prior) if len(present) else raw
            found = score(outputs, truth, train.target, work.metric)
            stage.advance(1, score=found)
            if best is None or found > best[0]:
                best = (found, settings | {"rounds": rounds}, outputs)
            # The final fit costs about as much as one candidate: leave time for it.
            spent = time.monotonic() - start
            if work.seconds_left is not None and spent > 0.4 * work.seconds_left:
                break
    assert best is not None
    wanted = work.plan.training.class_weights
    shift = choose_shift(best[2], truth, prior, work.metric, wanted) if len(present) else 0.0
    return best[1] | {"shift": shift}


def _candidates(rows: int, classes: int) -> list[dict[str, Any]]:
    """Sizes to try; `leaves` None repeats the best size so far with another objective."""
    sizes = _SMALL if rows < 2_000 else _MIDDLE if rows < 20_000 else _LARGE
    rate = 0.05 if rows < 20_000 else 0.1
    objective = "regression" if classes == 0 else "binary" if classes == 2 else "multiclass"
    common = {"learning_rate": rate, "objective": objective}
    found: list[dict[str, Any]] = [{"leaves": leaves, "columns": columns} | common for leaves, columns in sizes]
    if classes == 0:
        found.append(common | {"leaves": None, "objective": "regression_l1"})
    return found


def _parameters(settings: dict[str, Any], classes: int, seed: int, shape: tuple[int, ...]) -> dict[str, Any]:
    """LightGBM's parameters; leaf sizes shrink with the table so that a hundred rows can still be split."""
    rows, columns = shape
    weak = settings["leaves"] <= 16
    chosen = {
        "objective": settings["objective"],
        "num_leaves": settings["leaves"],
        "learning_rate": settings["learning_rate"],
        "feature_fraction": min(1.0, max(settings["columns"], 2 / max(1, columns))),
        "bagging_fraction": 0.7 if weak else 0.9,
        "bagging_freq": 1,
        "lambda_l2": 5.0 if weak else 1.0,
        "min_data_in_leaf": int(np.clip(rows // 50, 3, 20)),
        "min_data_per_group": int(np.clip(rows // 100, 5, 100)),
        "seed": seed,
    }
    if classes > 2:
        chosen["num_class"] = classes
    return _COMMON | chosen


_COMMON = {"verbosity": -1, "deterministic": True, "force_row_wise": True, "feature_pre_filter": False}


def _dataset(matrix: Array, labels: Array, slots: tuple[Slot, ...]) -> Any:
    unordered = [index for index, slot in enumerate(slots) if not slot.ordered]
    return import_lightgbm().Dataset(
        matrix, labels, categorical_feature=unordered, params=dict(_COMMON), free_raw_data=False
    )


def _cross_validate(parameters: dict[str, Any], data: Any, matrix: Array, folds: Folds, most: int) -> tuple[int, Array]:
    """The rounds with the best mean loss over the folds, and the raw out-of-fold outputs at that point."""
    lightgbm = import_lightgbm()
    found = lightgbm.cv(
        parameters,
        data,
        most,
        folds=folds,
        stratified=False,
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
        return_cvbooster=True,
    )
    boosters = found["cvbooster"]
    rounds = max(1, boosters.best_iteration)
    raw = [
        booster.predict(matrix[compare], raw_score=True, num_iteration=rounds)
        for booster, (_, compare) in zip(boosters.boosters, folds, strict=True)
    ]
    return rounds, np.concatenate(raw)


def _log_probabilities(raw: Array) -> Array:
    """LightGBM's raw scores, (n,) log-odds or (n, k) logits -> log-probabilities (n, k)."""
    return log_probabilities(np.stack([np.zeros_like(raw), raw], axis=1) if raw.ndim == 1 else raw)


def import_lightgbm() -> Any:
    """LightGBM; where the system has no OpenMP runtime, with the one torch brings. Raises ResourceError."""
    try:
        import lightgbm
    except OSError as error:
        torch = importlib.util.find_spec("torch")
        bundled = Path(cast(str, torch.origin)).parent / "lib" / "libgomp.so.1" if torch and torch.origin else None
        if bundled is None or not bundled.exists():
            raise ResourceError(
                "no-openmp",
                "Boosted trees need the OpenMP runtime on this machine.",
                found=str(error),
                fix="Install it: apt-get install libgomp1 (Debian, Ubuntu), yum install libgomp, brew install libomp.",
            ) from error
        ctypes.CDLL(str(bundled), mode=ctypes.RTLD_GLOBAL)
        import lightgbm
    return lightgbm
