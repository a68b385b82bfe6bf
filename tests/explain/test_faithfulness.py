"""Faithfulness: random order is refused as a method, a planted cause is found, models compare on one scale."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from metier.explain import attribution, faithfulness, subject
from metier.tasks.classes import Classes
from metier.tasks.contract import Array, Inputs
from metier.tasks.text import CLASSIFICATION

VOCABULARY = [f"word{at}" for at in range(40)]


@dataclass(frozen=True)
class Scores:
    """Two classes by the sum of each word's points, times a certainty."""

    points: dict[str, float]
    certainty: float = 1.0

    def outputs(self, inputs: Inputs) -> Array:
        sums = [sum(self.points.get(word, 0.0) for word in text.split()) for text in inputs.to_pylist()]
        yes = self.certainty * np.array(sums)
        return np.stack([-yes / 2, yes / 2], axis=1)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def scored(seed: int, certainty: float = 1.0) -> subject.Subject:
    rng = np.random.default_rng(seed)
    points = dict(zip(VOCABULARY, rng.normal(0, 1.5, len(VOCABULARY)), strict=True))
    return subject.Subject(CLASSIFICATION, Classes(("no", "yes")), Scores(points, certainty), {}, None)


def some(rows: int, seed: int) -> Inputs:
    rng = np.random.default_rng([seed, 1])
    return pa.chunked_array([pa.array([" ".join(rng.choice(VOCABULARY, 10)) for _ in range(rows)], pa.large_string())])


def test_a_random_method_is_refused_in_nearly_all_trials() -> None:
    proven = 0
    for seed in range(60):
        asked = scored(seed)
        claims = asked.claims(some(30, seed))
        rng = np.random.default_rng([seed, 2])
        sides = [faithfulness.judge(asked, claims, [rng.random(count) for count in claims.units]) for _ in range(2)]
        gain = faithfulness.over(*sides, claims.full - claims.least, level=0.95, seed=seed)
        proven += gain.low > 0
    assert proven <= 6  # 2.5% of 60 are 1.5; seven or more come once in a thousand such tests


def test_methods_that_remove_are_proven_and_the_cheapest_of_equals_is_taken() -> None:
    asked = scored(3)
    measured = faithfulness.measure(asked, asked.claims(some(40, 3)), level=0.95, seed=0)
    assert set(measured.methods) == {"random", "leave-one-out", "surrogate", "stepwise"}
    assert all(one.proven for name, one in measured.methods.items() if name != "random")
    assert measured.best == "leave-one-out"
    told = measured.as_json()
    assert told["methods"]["random"]["over_random"] is None
    assert not told["methods"]["stepwise"]["refused"]
    own, random = measured.methods["leave-one-out"], measured.methods["random"]
    assert own.comprehensiveness.low > random.comprehensiveness.high
    assert own.sufficiency.value < random.sufficiency.value
    assert own.curve[0] > own.curve[1] > own.curve[2]


def test_the_scale_does_not_hang_on_how_sure_a_model_is() -> None:
    plain, figures = [], []
    for certainty in (0.25, 4.0):
        asked = scored(5, certainty)
        claims = asked.claims(some(80, 5))
        rows = faithfulness.judge(asked, claims, attribution.leave_one_out(asked, claims))
        whole = claims.full - claims.least
        plain.append(rows.comprehensiveness.mean())
        figures.append(rows.comprehensiveness.sum() / whole.sum())
    assert plain[1] > 1.8 * plain[0]
    assert figures[1] < 1.8 * figures[0]


def test_what_takes_everything_loses_everything() -> None:
    asked = subject.Subject(CLASSIFICATION, Classes(("no", "yes")), Scores({"word1": 50.0}), {}, None)
    claims = asked.claims(pa.chunked_array([pa.array(["word1 word2 word3", "word4 word1"], pa.large_string())]))
    rows = faithfulness.judge(asked, claims, [np.array([1.0, 0, 0]), np.array([0, 1.0])])
    assert rows.comprehensiveness == pytest.approx([0.5, 0.5])
    assert rows.sufficiency == pytest.approx([0.0, 0.0])


def test_a_model_that_reads_nothing_has_no_figure() -> None:
    asked = subject.Subject(CLASSIFICATION, Classes(("no", "yes")), Scores({}), {}, None)
    measured = faithfulness.measure(asked, asked.claims(some(10, 0)), level=0.95, seed=0)
    assert measured.best is None
    assert measured.methods["random"].as_json()["comprehensiveness"]["value"] is None
