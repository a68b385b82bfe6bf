"""What scikit-learn gives with its own defaults on the same files: the bar a ladder has to clear."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import polars as pl
from sklearn.base import is_classifier
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, f1_score, log_loss, mean_absolute_error, r2_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from benchmarks import datasets
from benchmarks.common import record


def run(files: datasets.Files, rows: int | None = None) -> dict[str, Any]:
    """`{model: {"test": {metric: value}, "seconds"}}` for one data set; `rows` keeps the first so many (a trial)."""
    train, test = _frame(files.train, rows), _frame(files.test, rows)
    target = files.spec.target
    y, truth = (frame[target].to_numpy() for frame in (train, test))
    if files.spec.kind == datasets.NUMBER:
        y, truth = y.astype(float), truth.astype(float)
    else:
        y, truth = y.astype(str), truth.astype(str)
    models, x, x_test = _rows(train, test, target) if files.spec.kind == datasets.TABLE else _texts(train, test, files)
    figures = {}
    for name, model in models.items():
        start = time.perf_counter()
        model.fit(x, y)
        figures[name] = {"test": _score(model, x_test, truth), "seconds": round(time.perf_counter() - start, 2)}
    return figures


def _frame(path: Any, rows: int | None) -> pl.DataFrame:
    frame = pl.read_csv(path, infer_schema_length=None)
    return frame if rows is None else frame.sample(min(rows, len(frame)), seed=0)


def _texts(
    train: pl.DataFrame, test: pl.DataFrame, files: datasets.Files
) -> tuple[dict[str, Any], list[str], list[str]]:
    column = next(name for name in train.columns if name not in (files.spec.target, "split"))
    last = Ridge() if files.spec.kind == datasets.NUMBER else LogisticRegression(max_iter=1000)
    model = make_pipeline(TfidfVectorizer(), last)
    return {f"tfidf + {type(last).__name__}": model}, train[column].to_list(), test[column].to_list()


def _rows(train: pl.DataFrame, test: pl.DataFrame, target: str) -> tuple[dict[str, Any], Any, Any]:
    """Columns whose every value differs are row numbers, not evidence: a person drops them, so they are left out."""
    kept = [
        name for name in train.columns
        if name not in (target, "patient_nbr") and (train[name].dtype.is_float() or train[name].n_unique() < len(train))
    ]  # fmt: skip
    words = [at for at, name in enumerate(kept) if not train[name].dtype.is_numeric()]
    numbers = [at for at in range(len(kept)) if at not in words]
    x, x_test = (_objects(frame.select(kept)) for frame in (train, test))
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, max_categories=255)
    plain = FunctionTransformer(_floats)
    scaled = make_pipeline(FunctionTransformer(_floats), SimpleImputer(), StandardScaler())
    models = {
        "HistGradientBoosting": make_pipeline(
            make_column_transformer((one_hot, words), (plain, numbers)), HistGradientBoostingClassifier()
        ),
        "LogisticRegression": make_pipeline(
            make_column_transformer((OneHotEncoder(handle_unknown="ignore"), words), (scaled, numbers)),
            LogisticRegression(max_iter=1000),
        ),
    }
    return models, x, x_test


def _objects(frame: pl.DataFrame) -> np.ndarray:
    texts = [name for name in frame.columns if not frame[name].dtype.is_numeric()]
    filled = frame.with_columns(pl.col(name).cast(pl.String).fill_null("missing") for name in texts)
    columns = [np.array(filled[name].to_list(), dtype=object) for name in filled.columns]
    return np.stack(columns, axis=1)


def _floats(columns: np.ndarray) -> np.ndarray:
    return columns.astype(float)  # None becomes NaN


def _score(model: Any, x: Any, truth: np.ndarray) -> dict[str, float]:
    guess = model.predict(x)
    if not is_classifier(model):
        return {"r2": r2_score(truth, guess), "mae": mean_absolute_error(truth, guess)}
    shares = model.predict_proba(x)
    figures = {"accuracy": accuracy_score(truth, guess), "macro_f1": f1_score(truth, guess, average="macro")}
    if set(truth) <= set(model.classes_):
        figures["log_loss"] = log_loss(truth, shares, labels=model.classes_)
    if len(model.classes_) == 2:
        figures["auroc"] = roc_auc_score(truth == model.classes_[1], shares[:, 1])
    return {name: float(value) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(datasets.SPECS))
    parser.add_argument("--rows", type=int, help="only so many rows of each file: a trial, not a figure")
    choices = parser.parse_args()
    for files in datasets.available(choices.names):
        start = time.perf_counter()
        figures = run(files, choices.rows)
        record(files.spec.name, figures, seconds=time.perf_counter() - start, quick=choices.rows is not None)


if __name__ == "__main__":
    main()
