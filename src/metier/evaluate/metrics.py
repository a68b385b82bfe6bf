"""What metrics are made of, and the user's own metric.

Each metric is written once, as a function of row weights: weights of one give the figure itself, a thousand columns of
resampling counts give its bootstrap distribution in a few matrix products.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from metier.errors import UsageError
from metier.tasks.contract import Array, Metric, Target

_CHUNK = 65_536

Weighing = Callable[[Array], Array]


def decisions(outputs: Array) -> Array:
    """(n, k) outputs -> (n,) codes of the largest; the first one wins a tie."""
    return np.asarray(outputs).argmax(axis=1) if len(outputs) else np.zeros(0, dtype=np.int64)


def log_probabilities(outputs: Array) -> Array:
    """(n, k) logits or log-probabilities -> (n, k) float64 log-probabilities; -inf stays -inf."""
    values = np.asarray(outputs, dtype=np.float64)
    shifted = values - values.max(axis=1, keepdims=True)
    normalised: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised


def confidences(outputs: Array) -> Array:
    """(n, k) logits or log-probabilities -> (n,) probability of the largest, in bounded memory."""
    return by_chunks(lambda part: np.exp(log_probabilities(part).max(axis=1)), outputs)


def by_chunks(function: Callable[..., Array], *arrays: Array) -> Array:
    """Apply a row-wise function to 65,536 rows at a time: a million rows of 77 float64 would be 616 MB."""
    starts = range(0, max(len(arrays[0]), 1), _CHUNK)
    return np.concatenate([function(*(array[start : start + _CHUNK] for array in arrays)) for start in starts])


def metric(
    name: str,
    title: str,
    weigh: Callable[[Array, Array], Weighing],
    *,
    greater: bool = True,
    per_row: Callable[[Array, Array], Array] | None = None,
    decisions_only: bool = False,
) -> Metric:
    """A metric from its weighed form; its plain form is the same with weights of one."""

    def function(truth: Array, outputs: Array) -> float:
        if len(truth) == 0:
            return float("nan")
        return float(weigh(np.asarray(truth), np.asarray(outputs))(np.ones((len(truth), 1)))[0])

    return Metric(name, function, greater, per_row, title, weigh, decisions_only)


def mean_metric(
    name: str,
    title: str,
    per_row: Callable[[Array, Array], Array],
    *,
    greater: bool = True,
    decisions_only: bool = False,
) -> Metric:
    """A metric that is the mean of one number a row."""

    def weigh(truth: Array, outputs: Array) -> Weighing:
        contributions = per_row(truth, outputs)
        return lambda weights: ratio(contributions @ weights, weights.sum(axis=0))

    return metric(name, title, weigh, greater=greater, per_row=per_row, decisions_only=decisions_only)


def ratio(above: Array, below: Array, otherwise: float = float("nan")) -> Array:
    """above / below, and `otherwise` where nothing lies below."""
    safe = np.where(below == 0, 1.0, below)
    quotient: Array = np.where(below == 0, otherwise, above / safe)
    return quotient


def find_metric(name: str | None, target: Target) -> Metric:
    """The target's metric of that name, its default for None, or the user's own for `module:function`.

    Raises UsageError `no-such-metric`, naming the near ones.
    """
    known = target.metrics()
    chosen = name or target.default_metric
    if ":" in chosen:
        return load_metric(chosen, target)
    if chosen not in known:
        near = difflib.get_close_matches(chosen, known, n=3) or sorted(known)
        raise UsageError(
            "no-such-metric",
            "The metric must be one of this target's, or your own as module:function.",
            found=chosen,
            fix=f"Use one of: {', '.join(near)}.",
        )
    return known[chosen]


def load_metric(name: str, target: Target) -> Metric:
    """The user's own metric, `module:function`, found on the import path or in the current folder.

    The function gets two lists, the true and the predicted values (label names, or numbers), and returns a number. With
    a third parameter it also gets the list of confidences (0..1). More is better unless the function carries
    `greater_is_better = False`. Raises UsageError `no-such-metric` when it can't be imported; the metric raises
    UsageError `metric-failed` when the function raises or returns no number.
    """
    function = _import(name)
    takes_confidences = _takes_confidences(function)

    def measured(truth: Array, outputs: Array) -> float:
        predicted = target.decode(outputs, {}, None)
        lists = [target.values(truth), predicted.values]
        if takes_confidences:
            lists.append(predicted.confidence.tolist())
        return _number(name, function, lists)

    return Metric(
        name,
        measured,
        bool(getattr(function, "greater_is_better", True)),
        title=name.partition(":")[2],
        # Without confidences nothing but the class answered can matter; a quantity has no such thing.
        decisions_only=not takes_confidences and target.width > 1,
    )


def _import(name: str) -> Callable[..., Any]:
    module_name, _, function_name = name.partition(":")
    fix = f"Write it as module:function; {module_name or 'module'}.py may lie in {Path.cwd()}."
    if not module_name or not function_name:
        raise UsageError("no-such-metric", "A metric of your own must be named module:function.", found=name, fix=fix)
    try:
        with _current_folder_first():
            importlib.invalidate_caches()
            found: Any = importlib.import_module(module_name)
    except Exception as error:  # the user's module may raise anything while it is read
        raise UsageError(
            "no-such-metric",
            f"The module {module_name} of the metric must be importable.",
            found=f"{type(error).__name__}: {error}",
            fix=fix,
        ) from error
    for part in function_name.split("."):
        found = getattr(found, part, None)
    if not callable(found) or isinstance(found, ModuleType):
        raise UsageError(
            "no-such-metric",
            f"The module {module_name} must hold a function {function_name}.",
            found=f"{function_name} is {'missing' if found is None else 'a ' + type(found).__name__}",
            fix=fix,
        )
    function: Callable[..., Any] = found
    return function


@contextmanager
def _current_folder_first() -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before


def _takes_confidences(function: Callable[..., Any]) -> bool:
    """Whether a third positional parameter must be given, or is named confidences."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some built-in functions do not tell
        return False
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if len(positional) < 3:
        return False
    return positional[2].default is inspect.Parameter.empty or positional[2].name == "confidences"


def _number(name: str, function: Callable[..., Any], lists: list[list[Any]]) -> float:
    try:
        answer = function(*lists)
    except Exception as error:  # the user's function may raise anything
        raise UsageError(
            "metric-failed",
            f"The metric {name} must return a number for two lists of equal length.",
            found=f"{type(error).__name__}: {error}",
            fix="Call it on two short lists of labels in Python to see where it fails.",
        ) from error
    if isinstance(answer, np.ndarray) and answer.ndim == 0:
        answer = answer.item()
    if not isinstance(answer, Real):
        raise UsageError(
            "metric-failed",
            f"The metric {name} must return a number.",
            found=f"{type(answer).__name__} {answer!r}"[:200],
            fix="Return one float, such as a mean over the rows.",
        )
    return float(answer)
