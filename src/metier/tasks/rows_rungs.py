"""The ladder for tables: `majority` (or the average), `linear` (one-hot, ridge penalty), `trees` (rows_trees.py)."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metier import files
from metier.errors import ExpertError, ResourceError
from metier.evaluate.metrics import log_probabilities
from metier.tasks.contract import Examples, Inputs, Predictor, Target, Work
from metier.tasks.rows_encoding import Encoding, fit_encoding, roles, text_of
from metier.tasks.rows_folds import (
    at_most,
    choose_shift,
    in_pieces,
    inner_folds,
    log_shares,
    out_of_fold,
    score,
    shifted,
    widen,
)

if TYPE_CHECKING:
    from metier.trunk.features import Trunk

Array = np.ndarray
# Inverse penalties of logistic regression, and ridge penalties per row, strongest first.
_CLASS_STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 10.0)
_MOST_ROWS = 300_000  # a weighted sum learns little more from the millionth row
_RIDGE_STRENGTHS = (1.0, 0.1, 0.01, 0.001, 0.0001)


@dataclass(frozen=True)
class Constant:
    """A predictor that looks at nothing: the same outputs (k,) for every row."""

    values: tuple[float, ...]
    width: int

    def outputs(self, inputs: Inputs) -> Array:
        """(n, k) log-shares or (n,) the average."""
        rows = np.tile(np.array(self.values, dtype=np.float32), (len(inputs), 1))
        return rows[:, 0] if self.width == 1 else rows

    def save(self, folder: Path) -> None:
        """Write `predictor.json`."""
        write_parts(folder, {"values": list(self.values), "width": self.width}, {})


class Majority:
    """The commonest label; for a quantity the mean or the median, whichever the metric likes better."""

    name = "majority"
    trains = False
    summary = "always the commonest label, or the average: what any model must beat"

    def estimate(self, work: Work) -> float:
        """Practically nothing."""
        return 0.05

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Count the training labels, or average them."""
        target, truth = work.train.target, work.train.targets
        if target.kind == "classes":
            return Constant(tuple(log_shares(truth, target.width).tolist()), target.width), {}
        averages = {"mean": float(truth.mean()), "median": float(np.median(truth))}
        chosen = (work.settings or {}).get("average") or max(
            averages, key=lambda name: score(np.full(len(truth), averages[name]), truth, target, work.metric)
        )
        return Constant((averages[chosen],), 1), {"average": chosen}

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:
        """Read what `Constant.save` wrote."""
        record, _ = read_parts(folder)
        return Constant(tuple(record["values"]), record["width"])


@dataclass(frozen=True)
class LinearPredictor:
    """`coefficients` (p, d) and `intercept` (p,) over the encoded row; p classes that were seen, or one quantity."""

    encoding: Encoding
    trunk: Trunk | None
    coefficients: Array
    intercept: Array
    present: Array  # (p,) class codes; empty for a quantity
    prior: Array  # (k,) log-shares; empty for a quantity
    shift: float

    def outputs(self, inputs: Inputs) -> Array:
        """(n, k) log-probabilities or (n,) values."""
        return in_pieces(self._outputs, inputs)

    def _outputs(self, inputs: Inputs) -> Array:
        values = self.encoding.linear_matrix(inputs, self.trunk) @ self.coefficients.T + self.intercept
        if not len(self.present):
            return np.asarray(values[:, 0])
        return shifted(widen(log_probabilities(values), self.present, self.prior), self.prior, self.shift)

    def save(self, folder: Path) -> None:
        """Write `predictor.json` and `predictor.safetensors`."""
        names = ("coefficients", "intercept", "present", "prior")
        arrays = {name: getattr(self, name) for name in names}
        arrays |= {f"encoding.{name}": value for name, value in self.encoding.arrays.items()}
        write_parts(folder, {"encoding": self.encoding.record(), "shift": self.shift}, arrays)


class Linear:
    """Logistic or ridge regression on standardised numbers and one-hot levels, its penalty cross-validated."""

    name = "linear"
    trains = False
    summary = "a weighted sum of the columns (logistic or ridge regression)"

    def estimate(self, work: Work) -> float:
        """Seconds, from rows, columns and the texts not embedded yet."""
        kinds = list(roles(work.train.inputs).values())
        passes = 1 if work.settings is not None else 1 + len(_CLASS_STRENGTHS)
        work_units = min(len(work.train), _MOST_ROWS) * (
            20 * kinds.count("category") + len(kinds) + 800 * kinds.count("text")
        )
        return 0.3 + 3e-8 * passes * work_units * work.train.target.width + text_seconds(work)

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Fit at the penalty that does best across folds of the training rows (or the one in `settings`)."""
        train = at_most(work.train, _MOST_ROWS, work.plan.seed)
        encoding = fit_encoding(train.inputs, work.trunk)
        matrix = encoding.linear_matrix(train.inputs, work.trunk)
        classes = train.target.kind == "classes"
        prior = log_shares(train.targets, train.target.width) if classes else np.zeros(0)
        settings = dict(work.settings) if work.settings is not None else _choose(work, train, matrix, prior)
        with work.progress.stage("linear model", 1, "fit") as stage:
            parts = _solve(matrix, train.targets, settings["strength"], classes, work.plan.seed)
            stage.advance()
        return LinearPredictor(encoding, work.trunk, *parts, prior, settings["shift"]), settings

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:
        """Read what `LinearPredictor.save` wrote."""
        record, arrays = read_parts(folder)
        encoding = Encoding.of(record["encoding"], encoding_arrays(arrays))
        return LinearPredictor(
            encoding,
            trunk,
            arrays["coefficients"],
            arrays["intercept"],
            arrays["present"],
            arrays["prior"],
            record["shift"],
        )


def _choose(work: Work, train: Examples, matrix: Any, prior: Array) -> dict[str, Any]:
    """The penalty with the best out-of-fold score, then the shift the metric asks for."""
    classes, start = train.target.kind == "classes", time.monotonic()
    folds = inner_folds(train, work.plan.seed, most=30_000)
    best: tuple[float, float, Array, Array] | None = None
    strengths = _CLASS_STRENGTHS if classes else _RIDGE_STRENGTHS
    with work.progress.stage("linear model: penalty", len(strengths), "fits") as stage:
        for strength in strengths:

            def fit(on: Array, compare: Array, strength: float = strength) -> Array:
                weights, intercept, present = _solve(matrix[on], train.targets[on], strength, classes, work.plan.seed)
                values = matrix[compare] @ weights.T + intercept
                return widen(log_probabilities(values), present, prior) if classes else values[:, 0]

            where, outputs = out_of_fold(folds, fit)
            found = score(outputs, train.targets[where], train.target, work.metric)
            stage.advance(1, score=found)
            if best is None or found > best[0]:
                best = (found, strength, where, outputs)
            elif classes:
                break  # the likelihood has one peak along the penalty
            if work.seconds_left is not None and time.monotonic() - start > 0.3 * work.seconds_left:
                break
    assert best is not None
    wanted = work.plan.training.class_weights
    shift = choose_shift(best[3], train.targets[best[2]], prior, work.metric, wanted) if classes else 0.0
    return {"strength": best[1], "shift": shift}


def _solve(matrix: Any, truth: Array, strength: float, classes: bool, seed: int) -> tuple[Array, Array, Array]:
    """Coefficients (p, d), intercepts (p,) and the class codes (p,) they stand for (none for a quantity)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    if not classes:
        ridge = Ridge(alpha=strength * len(truth), random_state=seed).fit(matrix, truth)
        return _plain(ridge.coef_[None, :]), _plain(np.atleast_1d(ridge.intercept_)), np.zeros(0, dtype=np.int64)
    present = np.unique(truth)
    if len(present) == 1:
        return np.zeros((1, matrix.shape[1]), np.float32), np.zeros(1, np.float32), present
    with warnings.catch_warnings():
        # A fit cut short by its iteration limit is a little more regularised, which is harmless here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=strength, max_iter=200, random_state=seed).fit(matrix, truth)
    weights, intercept = model.coef_, model.intercept_
    if len(present) == 2:
        weights, intercept = np.vstack([0 * weights, weights]), np.concatenate([0 * intercept, intercept])
    return _plain(weights), _plain(intercept), present


def _plain(values: Array) -> Array:
    return np.ascontiguousarray(values, dtype=np.float32)


def text_seconds(work: Work) -> float:
    """Seconds to embed the text cells no rung has embedded yet, by the trunk's own speed."""
    texts = [text_of(work.train.inputs, name) for name, role in roles(work.train.inputs).items() if role == "text"]
    if not texts or any(name != "majority" for name in work.earlier):
        return 0.0
    sample = [str(text) for column in texts for text in column.slice(0, 200).to_pylist()]
    tokens = float(work.trunk.lengths(sample).mean()) if sample else 0.0
    return sum(work.trunk.missing(column) for column in texts) * tokens / work.trunk.speed()


def write_parts(folder: Path, record: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Write a predictor: `predictor.json`, and `predictor.safetensors` where there are arrays."""
    from safetensors.numpy import save

    files.write_json(folder / "predictor.json", record)
    if arrays:
        plain = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
        files.write_bytes(folder / "predictor.safetensors", save(plain))


def read_parts(folder: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read what `write_parts` wrote. Raises ExpertError when a file is missing or torn."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    weights = folder / "predictor.safetensors"
    try:
        return files.read_json(folder / "predictor.json"), load_file(weights) if weights.exists() else {}
    except (OSError, ValueError, ResourceError, SafetensorError) as error:
        raise broken(folder, error) from error


def broken(folder: Path, error: Exception) -> ExpertError:
    """The error for a predictor's folder that does not hold what was saved."""
    return ExpertError(
        "broken-expert",
        "An expert's folder must hold every file as it was saved.",
        found=f"{folder}: {' '.join(str(error).split())}",
        fix="Copy the whole folder again, or tune once more.",
    )


def encoding_arrays(arrays: dict[str, Array]) -> dict[str, Array]:
    """The encoding's own arrays out of a predictor's."""
    return {name.removeprefix("encoding."): value for name, value in arrays.items() if name.startswith("encoding.")}
