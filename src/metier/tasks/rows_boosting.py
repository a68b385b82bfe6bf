"""Gradient-boosted trees by LightGBM: parameters, cross-validated choices, loading it where OpenMP is missing."""

from __future__ import annotations

import ctypes
import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metier.errors import ResourceError
from metier.evaluate.metrics import log_probabilities
from metier.tasks.rows_encoding import MOST_LEVELS, Slot
from metier.tasks.rows_folds import Folds

Array = np.ndarray
_PATIENCE = 60
_MOST_TREES = 4000
# Leaves a tree and the share of the columns each tree sees, smallest first. Little data wants many weak, decorrelated
# trees; interactions of a few columns want every column in every tree.
_SMALL = ((4, 0.3), (8, 0.5), (16, 0.5))
_MIDDLE = ((4, 0.3), (8, 0.5), (31, 0.7), (31, 1.0))
_LARGE = ((8, 0.3), (31, 0.3), (31, 1.0), (127, 0.5))
_COMMON = {"verbosity": -1, "deterministic": True, "force_row_wise": True, "feature_pre_filter": False}


@dataclass(frozen=True)
class Encoded:
    """What trees are fitted to: the matrix (n, slots), its columns, and labels (n,); `classes` is 0 for a quantity."""

    matrix: Array
    slots: tuple[Slot, ...]
    labels: Array
    classes: int

    def take(self, positions: Array) -> Encoded:
        """The rows at these positions."""
        return Encoded(self.matrix[positions], self.slots, self.labels[positions], self.classes)

    def dataset(self) -> Any:
        """The same for LightGBM; levels are categories to it, ordered codes such as months are numbers."""
        unordered = [index for index, slot in enumerate(self.slots) if not slot.ordered]
        return import_lightgbm().Dataset(
            self.matrix, self.labels, categorical_feature=unordered, params=dict(_COMMON), free_raw_data=False
        )


def candidates(rows: int, classes: int) -> list[dict[str, Any]]:
    """Settings to try, in order; `leaves` 0 means the best size so far with another loss."""
    sizes = _SMALL if rows < 2_000 else _MIDDLE if rows < 20_000 else _LARGE
    rate = 0.05 if rows < 20_000 else 0.1
    found: list[dict[str, Any]] = [{"leaves": leaves, "columns": part, "learning_rate": rate} for leaves, part in sizes]
    if classes == 0:
        found = [one | {"loss": "squares"} for one in found]
        found.append({"leaves": 0, "learning_rate": rate, "loss": "absolute"})
    return found


def fit(encoded: Encoded, settings: Mapping[str, Any], seed: int, deadline: float, advance: Callable[[], None]) -> Any:
    """A booster of `settings["rounds"]` rounds, fewer when `deadline` (of time.monotonic) comes first."""

    def told(_environment: Any) -> None:
        advance()

    return import_lightgbm().train(
        _parameters(settings, encoded, seed),
        encoded.dataset(),
        settings["rounds"],
        callbacks=[told, _until(deadline)],
    )


def cross_validate(
    encoded: Encoded, data: Any, settings: Mapping[str, Any], folds: Folds, seed: int, deadline: float
) -> tuple[int, Array]:
    """The rounds with the best mean loss over the folds, and the outputs there for all compared rows, fold by fold.

    Outputs are log-probabilities (n, classes) or values (n,). `data` is `encoded.dataset()`, made once for all.
    """
    lightgbm = import_lightgbm()
    found = lightgbm.cv(
        _parameters(settings, encoded, seed),
        data,
        max(100, _MOST_TREES // max(1, encoded.classes)),
        folds=folds,
        stratified=False,
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False), _until(deadline)],
        return_cvbooster=True,
    )
    boosters = found["cvbooster"]
    rounds = max(1, boosters.best_iteration)
    parts = [
        booster_outputs(booster, encoded.matrix[compare], encoded.classes, rounds)
        for booster, (_, compare) in zip(boosters.boosters, folds, strict=True)
    ]
    return rounds, np.concatenate(parts)


def booster_outputs(booster: Any, matrix: Array, classes: int, rounds: int | None = None) -> Array:
    """(n, classes) log-probabilities, or (n,) values where `classes` is 0."""
    raw = np.asarray(booster.predict(matrix, raw_score=True, num_iteration=rounds))
    if classes == 0:
        return raw
    return log_probabilities(np.stack([np.zeros_like(raw), raw], axis=1) if raw.ndim == 1 else raw)


def _parameters(settings: Mapping[str, Any], encoded: Encoded, seed: int) -> dict[str, Any]:
    """LightGBM's parameters; leaf sizes shrink with the table so that a hundred rows can still be split."""
    rows, columns = encoded.matrix.shape
    weak = settings["leaves"] <= 16
    loss = {"squares": "regression", "absolute": "regression_l1"}.get(settings.get("loss", ""))
    chosen = {
        "objective": loss or ("binary" if encoded.classes == 2 else "multiclass"),
        "num_leaves": settings["leaves"],
        "learning_rate": settings["learning_rate"],
        "feature_fraction": min(1.0, max(settings["columns"], 2 / max(1, columns))),
        "bagging_fraction": 0.7 if weak else 0.9,
        "bagging_freq": 1,
        "lambda_l2": 5.0 if weak else 1.0,
        "min_data_in_leaf": int(np.clip(rows // 50, 3, 20)),
        # One level against all others: the default, sorted groups of levels, overfits columns of many levels.
        "max_cat_to_onehot": MOST_LEVELS + 2,
        "seed": seed,
    }
    if encoded.classes > 2:
        chosen["num_class"] = encoded.classes
    return _COMMON | chosen


def _until(deadline: float) -> Callable[[Any], None]:
    """A callback that ends boosting when the clock has passed `deadline`."""
    stop = import_lightgbm().callback.EarlyStopException

    def callback(environment: Any) -> None:
        if time.monotonic() > deadline:
            raise stop(environment.iteration, environment.evaluation_result_list or [])

    callback.order = 40  # type: ignore[attr-defined]  # after early stopping, which knows the best round
    return callback


def import_lightgbm() -> Any:
    """LightGBM; where the system has no OpenMP runtime, with the one torch brings. Raises ResourceError."""
    try:
        import lightgbm
    except OSError as error:
        torch = importlib.util.find_spec("torch")
        origin = torch.origin if torch is not None else None
        bundled = Path(origin).parent / "lib" / "libgomp.so.1" if origin else None
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
