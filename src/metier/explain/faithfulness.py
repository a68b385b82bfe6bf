"""Does an explanation name what the model really went by? Measured by taking away what it names, on this very expert.

Comprehensiveness and sufficiency are those of ERASER (DeYoung et al. 2020), averaged over shares of the units; both are
divided by all that there is to lose (after Carton, Rathore & Tan 2020), so that models of different certainty compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metier.evaluate.intervals import Gain, Interval, bootstrap, paired_gain
from metier.explain import attribution
from metier.explain.attribution import METHODS, RANDOM
from metier.explain.subject import Claims, Remembering, Subject
from metier.progress import Progress, Silent
from metier.tasks.contract import Array, Metric

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
CURVE = (0.0, 0.1, 0.2, 0.5, 1.0)
_CLOSE = 0.05  # behind the best in normalised comprehensiveness, a cheaper method may be taken
_LEAST = 0.01  # mean support that there must be to lose, or there is nothing to share out


@dataclass(frozen=True)
class Rows:
    """One method on n examples: support lost without (`comprehensiveness`) and with only (`sufficiency`) what it names.

    (n,) each, before normalising; `curve` (n, len(CURVE)) is the support left when these shares of the units are gone.
    """

    comprehensiveness: Array
    sufficiency: Array
    curve: Array


@dataclass(frozen=True)
class Faithful:
    """One method's figures, normalised: 1 means that what is named carries all that the whole example carries."""

    method: str
    comprehensiveness: Interval
    sufficiency: Interval
    over_random: Gain | None  # in comprehensiveness, paired; None for random order itself
    curve: Sequence[float]

    @property
    def proven(self) -> bool:
        """Whether it is better than random order beyond chance."""
        return self.over_random is not None and self.over_random.low > 0

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        gain = self.over_random
        return {
            "method": self.method,
            "comprehensiveness": self.comprehensiveness.as_json(),
            "sufficiency": self.sufficiency.as_json(),
            "over_random": None if gain is None else {"points": gain.points, "low": gain.low, "high": gain.high},
            "curve": [float(value) for value in self.curve],
            "refused": gain is not None and not self.proven,
        }


@dataclass(frozen=True)
class Measured:
    """All methods on the same rows, random order among them; `best` is the default, None where none is proven."""

    rows: int
    methods: Mapping[str, Faithful]
    best: str | None
    attributions: Mapping[str, attribution.Weights] = field(default_factory=dict, repr=False)

    def as_json(self) -> dict[str, Any]:
        """What is stored of it, and shown."""
        told = {name: one.as_json() for name, one in self.methods.items()}
        return {"rows": self.rows, "best": self.best, "methods": told, "shares": list(SHARES), "curve": list(CURVE)}


def measure(subject: Subject, claims: Claims, *, level: float, seed: int, progress: Progress | None = None) -> Measured:
    """Every method that applies to the subject, on these examples; the cheapest of the best becomes the default.

    The best is the method of the greatest normalised comprehensiveness; a cheaper one takes its place that is hardly
    worse, and not beyond chance. METHODS stand in the order of their cost.
    """
    subject = Remembering.of(subject)
    names = [name for name, method in METHODS.items() if method.applies(subject)]
    weights: dict[str, attribution.Weights] = {}
    rows: dict[str, Rows] = {}
    with (progress or Silent()).stage("faithfulness", len(names) + 1, "methods") as stage:
        for name in (RANDOM, *names):
            function = attribution.at_random if name == RANDOM else METHODS[name].function
            weights[name] = function(subject, claims, seed)
            rows[name] = judge(subject, claims, weights[name])
            stage.advance(1)
    whole = claims.full - claims.least
    found = {name: _figures(name, rows, whole, level, seed) for name in rows}
    return Measured(len(claims), found, _best(found, rows, whole, level, seed), weights)


def judge(subject: Subject, claims: Claims, weights: Sequence[Array]) -> Rows:
    """Remove, and keep alone, the greatest weights of each example, and see what becomes of its claim."""
    plans, kept = [], []
    for at, found in enumerate(weights):
        count = len(found)
        order = np.argsort(-found, kind="stable")
        ranks = np.empty(count, np.int64)
        ranks[order] = np.arange(count)
        sizes = [_size(share, count) for share in (*SHARES, *CURVE)]
        kept.append((at, np.stack([ranks >= size for size in sizes] + [ranks < size for size in sizes[: len(SHARES)]])))
        plans.append(sizes)
    comprehensive, sufficient, curves = [], [], []
    most = len(SHARES)
    for at, told in enumerate(subject.kept(claims.inputs, kept)):
        left = subject.support(told, claims.codes[at])
        comprehensive.append(claims.full[at] - left[:most].mean())
        sufficient.append(claims.full[at] - left[-most:].mean())
        curves.append(left[most:-most])
    return Rows(np.asarray(comprehensive), np.asarray(sufficient), np.asarray(curves))


def _size(share: float, count: int) -> int:
    return int(np.ceil(share * count - 1e-9))


def _figures(name: str, rows: Mapping[str, Rows], whole: Array, level: float, seed: int) -> Faithful:
    own, metric = rows[name], normalised(float(np.mean(whole)))
    comprehensive = bootstrap({"": metric}, whole, own.comprehensiveness, level=level, seed=seed)[""]
    sufficient = bootstrap({"": metric}, whole, own.sufficiency, level=level, seed=seed)[""]
    gain = None if name == RANDOM else over(rows[RANDOM], own, whole, level=level, seed=seed)
    return Faithful(name, comprehensive, sufficient, gain, own.curve.mean(axis=0).tolist())


def over(one: Rows, other: Rows, whole: Array, *, level: float, seed: int) -> Gain:
    """How much more comprehensive the second is than the first on the same examples, normalised."""
    metric = normalised(float(np.mean(whole)))
    return paired_gain(metric, whole, one.comprehensiveness, other.comprehensiveness, level=level, seed=seed)


def normalised(mean: float) -> Metric:
    """Support lost over what there is to lose, both summed over the examples.

    A ratio of sums: single examples that an empty text decides alike would make a mean of ratios jump.
    """
    usable = mean > _LEAST

    def weigh(whole: Array, lost: Array) -> Any:
        def weighed(weights: Array) -> Array:
            below = whole @ weights
            return np.where(below > 0, lost @ weights, np.nan) / np.where(below > 0, below, 1.0)

        return weighed if usable else lambda weights: np.full(weights.shape[1], np.nan)

    def function(whole: Array, lost: Array) -> float:
        return float(weigh(whole, lost)(np.ones((len(whole), 1)))[0])

    return Metric("normalised", function, weigh=weigh)


def _best(found: Mapping[str, Faithful], rows: Mapping[str, Rows], whole: Array, level: float, seed: int) -> str | None:
    proven = [name for name, one in found.items() if one.proven]
    if not proven:
        return None
    best = max(proven, key=lambda name: found[name].comprehensiveness.value)
    for name in proven:
        behind = over(rows[name], rows[best], whole, level=level, seed=seed)
        if name == best or (behind.low <= 0 and behind.points < _CLOSE):
            return name
    return best
