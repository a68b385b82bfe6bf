"""The pictures and tables that show how an expert on classes answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from metier.evaluate.calibration import ALWAYS_ABSTAIN, answering, reliability
from metier.evaluate.class_metrics import class_metrics
from metier.evaluate.intervals import wilson
from metier.evaluate.metrics import confidences, decisions
from metier.tasks.contract import Array, Evidence, Section, Target

_MOST_LABELS = 12
_MOST_ERRORS = 20


def views(target: Target, evidence: Evidence) -> Iterator[Section]:
    """The sections of a report for classes, in reading order; none where there is no row to show."""
    if len(evidence.truth) == 0:
        return
    guesses, confidence = decisions(evidence.outputs), confidences(evidence.outputs)
    labels: list[str] = target.values(np.arange(target.width))
    matrix = np.bincount(evidence.truth * len(labels) + guesses, minlength=len(labels) ** 2)
    matrix = matrix.reshape(len(labels), len(labels))
    yield _confusion(labels, matrix)
    yield _classes(labels, matrix, evidence.level)
    yield _reliability(evidence)
    yield _answering(evidence, confidence, guesses == evidence.truth)
    yield _errors(target, evidence, guesses, confidence)


def _confusion(labels: list[str], matrix: Array) -> Section:
    mistakes = matrix - np.diag(np.diag(matrix))
    worst = np.argsort(-mistakes, axis=None, kind="stable")
    pairs = [(int(place) // len(labels), int(place) % len(labels)) for place in worst[: int((mistakes > 0).sum())]]
    chosen: list[int] = list(range(len(labels))) if len(labels) <= _MOST_LABELS else []
    for pair in pairs:
        new = [code for code in pair if code not in chosen]
        if len(chosen) + len(new) <= _MOST_LABELS:
            chosen += new
    # In the vocabulary's order a pair that is told apart badly still stands out, and a reader finds a label by name.
    chosen.sort()
    if not pairs:
        lead = "No label was taken for another."
    else:
        truth, guess = pairs[0]
        lead = (
            f"{_rows(mistakes[truth, guess])} of “{labels[truth]}” {_was(mistakes[truth, guess])} taken for "
            f"“{labels[guess]}”, the commonest of {_count(len(pairs), 'kind')} of mistake."
        )
    data = {"labels": [labels[code] for code in chosen], "matrix": matrix[np.ix_(chosen, chosen)].tolist()}
    return Section("confusion", "Which labels are mixed up", data, lead)


def _classes(labels: list[str], matrix: Array, level: float) -> Section:
    """Per label; F1 = 2 J / (1 + J) of J, the share right of all rows that are of the label or were given it.

    J is a share of independent rows, so F1 has Wilson's interval through it: no resampling, and a width where all of a
    label's few rows are right.
    """
    rows: list[dict[str, Any]] = []
    for code, label in enumerate(labels):
        right, true, guessed = (int(each) for each in (matrix[code, code], matrix[code].sum(), matrix[:, code].sum()))
        involved = true + guessed - right
        low, high = wilson(right, involved, level) if involved else (0.0, 1.0)
        rows.append(
            {
                "label": label,
                "rows": true,
                "precision": right / guessed if guessed else None,
                "recall": right / true if true else None,
                "f1": 2 * right / (true + guessed) if involved else None,
                "low": 2 * low / (1 + low),
                "high": 2 * high / (1 + high),
            }
        )
    rows.sort(key=lambda row: (row["f1"] is None, row["f1"], row["label"]))
    shown = [row for row in rows if row["rows"]]
    weakest, best = shown[0], shown[-1]
    lead = (
        f"Weakest on “{weakest['label']}” (F1 {weakest['f1']:.2f} on {_rows(weakest['rows'])}), "
        f"strongest on “{best['label']}” ({best['f1']:.2f})."
    )
    return Section("classes", "How well each label is told", {"rows": rows}, lead)


def _reliability(evidence: Evidence) -> Section:
    bins = reliability(evidence.outputs, evidence.truth)
    error = class_metrics(evidence.outputs.shape[1])["ece"]
    after = error.function(evidence.truth, evidence.outputs)
    before = error.function(evidence.truth, evidence.raw_outputs)
    excess = sum(each.rows * (each.confidence - each.accuracy) for each in bins) / len(evidence.truth)
    leaning = "too sure" if excess > 0 else "too unsure"
    lead = f"The stated confidence is off by {after:.1%} on average"
    lead += f", mostly {leaning} of itself." if abs(excess) > after / 2 and after > 0.02 else "."
    data = {"ece": after, "ece_before": before, "bins": [each.as_json() for each in bins]}
    return Section("reliability", "Whether its confidence can be trusted", data, lead)


def _answering(evidence: Evidence, confidence: Array, right: Array) -> Section:
    threshold = evidence.threshold
    points = answering(confidence, right)
    data = {"threshold": threshold, "points": [point.as_json() for point in points]}
    title = "When it should answer and when a person should"
    if threshold is None:
        half = min(points, key=lambda point: abs(point.answered - 0.5))
        lead = (
            f"It answers every row and is right on {right.mean():.1%}; answering only the surest "
            f"{half.answered:.0%} it would be right on {half.precision:.1%} of them."
        )
    elif threshold >= ALWAYS_ABSTAIN:
        lead = "No confidence was proven to give the precision wished for, so it hands every row to a person."
    else:
        answered = confidence >= threshold
        share = f" and is right on {right[answered].mean():.1%} of them" if answered.any() else ""
        lead = f"It answers {answered.mean():.1%} of the rows{share}; the rest go to a person."
    return Section("answering", title, data, lead)


def _errors(target: Target, evidence: Evidence, guesses: Array, confidence: Array) -> Section:
    wrong = np.flatnonzero(guesses != evidence.truth)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:_MOST_ERRORS]
    truths, answers = target.values(evidence.truth[surest]), target.values(guesses[surest])
    rows = [
        {
            "row": int(evidence.rows[position]),
            "text": evidence.shown(int(position)),
            "picture": evidence.pictured(int(position)),
            "truth": truth,
            "prediction": answer,
            "confidence": float(confidence[position]),
        }
        for position, truth, answer in zip(surest, truths, answers, strict=True)
    ]
    lead = f"None of {_rows(len(guesses))} was answered wrongly."
    if rows:
        lead = (
            f"{len(wrong):,} of {_rows(len(guesses))} {_was(len(wrong))} answered wrongly; the surest mistakes come "
            "first, and are worth reading for labels that are themselves wrong."
        )
    return Section("errors", "Its surest mistakes", {"rows": rows}, lead)


def _rows(count: int) -> str:
    return _count(count, "row")


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
