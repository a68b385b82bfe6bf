"""How well wrong labels are found: noise injected by fixed seeds into real data, features already cached."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks import datasets
from benchmarks.common import WORK, record
from metier.curate.label_audit import audit_classes
from metier.curate.label_views import discriminant, one_hot, whole_folds
from metier.trunk.base import find
from metier.trunk.cache import keys
from metier.trunk.features import Trunk

Array = np.ndarray
_FIRST_SEED = 100  # seeds below it were seen while the method was made
NAMES = ("banking77", "tweeteval_emotion", "ag_news", "sms_spam", "financial_phrasebank", "medical_abstracts")


def most_confused(vectors: Array, labels: Array, width: int) -> Array:
    """(k,) for each label the one that a linear discriminant, out of fold, most often gives in its place."""
    parts = whole_folds(labels, np.arange(len(labels)), 5, 9)
    outputs = discriminant(vectors.astype(np.float32), one_hot(labels, width), parts)
    confusion = np.zeros((width, width))
    np.add.at(confusion, (labels, outputs.argmax(axis=1)), 1)
    np.fill_diagonal(confusion, -1)
    return confusion.argmax(axis=1)


def inject(labels: Array, width: int, kind: str, rate: float, confused: Array, seed: int) -> tuple[Array, Array]:
    """Labels with `rate` of the rows made wrong, and which rows those are."""
    rng = np.random.default_rng(seed)
    wrong = np.zeros(len(labels), bool)
    wrong[rng.choice(len(labels), round(rate * len(labels)), replace=False)] = True
    other = (labels + rng.integers(1, width, size=len(labels))) % width if kind == "symmetric" else confused[labels]
    return np.where(wrong, other, labels), wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["banking77"], help=f"of {', '.join(NAMES)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="*", default=[0.1])
    choices = parser.parse_args()
    for name in choices.names:
        files = datasets.load(name)
        table = datasets.read(files.train)
        column = next(one for one in table[0] if one not in (files.spec.target, "split"))
        texts = [row[column] for row in table]
        labels_of = sorted({row[files.spec.target] for row in table})
        labels = np.array([labels_of.index(row[files.spec.target]) for row in table])
        width = len(labels_of)
        vectors = Trunk(find("minilm"), WORK / "cache").features(texts)
        units = np.unique(keys(" ".join(text.lower().split()) for text in texts), return_inverse=True)[1]
        confused = most_confused(vectors, labels, width)
        for rate in choices.rates:
            for kind in ("symmetric", "confusable"):
                start = time.perf_counter()
                trials = []
                for seed in range(_FIRST_SEED, _FIRST_SEED + choices.seeds):
                    given, wrong = inject(labels, width, kind, rate, confused, seed)
                    trials.append({"seed": seed, **trial(vectors, given, wrong, width, units)})
                means = [key for key in trials[0] if isinstance(trials[0][key], float)]
                mean = {key: float(np.mean([one[key] for one in trials])) for key in means}
                figures = {"rows": len(labels), "labels": width, **mean, "trials": trials}
                seconds = time.perf_counter() - start
                record(f"{name}/{kind}/{rate:g}", figures, seconds=seconds, quick=choices.seeds < 3)


def trial(vectors: Array, given: Array, wrong: Array, width: int, units: Array) -> dict[str, Any]:
    """One audit: how well its scores rank the wrong labels, its estimate of how many there are, and what it took."""
    start, work = time.perf_counter(), time.process_time()
    audit = audit_classes(vectors, given, width, units=units)
    seconds, work = time.perf_counter() - start, time.process_time() - work
    figures: dict[str, Any] = {
        "injected": float(wrong.mean()),
        "estimated": float(audit.rates.overall.value),
        "rate": audit.rates.overall.as_json(),
        "flagged": float(audit.flagged.mean()),
        "audit_seconds": seconds,
        "cpu_seconds": work,
    }
    if wrong.any():
        score = np.nan_to_num(audit.score)
        top = np.argsort(-score, kind="stable")[: wrong.sum()]
        figures |= {
            "auroc": float(roc_auc_score(wrong, score)),
            "ap": float(average_precision_score(wrong, score)),
            "precision_at_k": float(wrong[top].mean()),
        }
    return figures


if __name__ == "__main__":
    main()
