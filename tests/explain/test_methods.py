"""Attribution: exact where exactness can be told, and in agreement with what the model is known to go by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.explain.conftest import Opened

from metier.explain import attribution, counterfactual, rough, subject
from metier.tasks.classes import Classes
from metier.tasks.contract import Array, Inputs
from metier.tasks.quantity import Quantity
from metier.tasks.text import CLASSIFICATION, REGRESSION
from metier.tasks.words import fit_words


@dataclass(frozen=True)
class Sum:
    """A quantity: the points of the words it knows, added up."""

    points: dict[str, float]

    def outputs(self, inputs: Inputs) -> Array:
        return np.array([sum(self.points.get(word, 0.0) for word in text.split()) for text in inputs.to_pylist()])

    def save(self, folder: Path) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Either:
    """Two classes: yes as long as one of two words is there, a little surer with both, as of synonyms."""

    def outputs(self, inputs: Inputs) -> Array:
        found = np.array([len({"good", "great"} & set(text.split())) for text in inputs.to_pylist()])
        yes = np.array([-3.0, 2.6, 3.0])[found]
        return np.stack([-yes / 2, yes / 2], axis=1)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def texts(*given: str) -> Inputs:
    return pa.chunked_array([pa.array(given, pa.large_string())])


def summing(points: dict[str, float]) -> subject.Subject:
    return subject.Subject(REGRESSION, Quantity(), Sum(points), {}, None)


POINTS = {"one": 1.0, "two": 2.0, "minus": -3.0, "five": 5.0}


@pytest.mark.parametrize("method", ["leave-one-out", "surrogate"])
def test_a_sum_is_taken_apart_exactly(method: str) -> None:
    asked = summing(POINTS)
    claims = asked.claims(texts("two and five minus one", "minus", "nothing"))
    found = attribution.METHODS[method].function(asked, claims, 0)
    assert claims.codes.tolist() == [1, -1, 1]
    assert found[0] == pytest.approx([2, 0, 5, -3, 1], abs=2e-2)
    assert found[1] == pytest.approx([3.0])
    assert found[2] == pytest.approx([0.0])


def test_words_that_say_the_same_hide_each_other_from_all_but_steps() -> None:
    asked = subject.Subject(CLASSIFICATION, Classes(("no", "yes")), Either(), {}, None)
    claims = asked.claims(texts("it is good and great but fine or so"))
    alone = attribution.leave_one_out(asked, claims)[0]
    steps = attribution.stepwise(asked, claims)[0]
    for found in (alone, steps):
        assert set(np.argsort(-found)[:2]) == {2, 4}
    assert alone.sum() < 0.1
    assert steps.sum() == pytest.approx(1 / (1 + np.exp(-3.0)) - 1 / (1 + np.exp(3.0)), abs=0.01)


@pytest.mark.parametrize(("length", "most"), [(300, 60), (9000, 80)])
def test_long_texts_are_asked_by_groups_first(length: int, most: int) -> None:
    words = [f"w{at}" for at in range(length)]
    words[150] = "five"
    asked = summing(POINTS)
    claims = asked.claims(texts(" ".join(words)))
    counted: list[int] = []

    @dataclass(frozen=True)
    class Counting(subject.Subject):
        def asked(self, inputs: Inputs, kept: subject.Kept) -> Array:
            counted.append(sum(len(masks) for _, masks in kept))
            return super().asked(inputs, kept)

    counting = Counting(asked.task, asked.target, asked.predictor, asked.calibration, asked.usual)
    found = attribution.leave_one_out(counting, claims)[0]
    assert int(found.argmax()) == 150
    assert found[150] == pytest.approx(5.0)
    assert sum(counted) < most


def test_weights_never_rise_in_the_order_of_removal_and_keep_their_sum() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.normal(size=rng.integers(1, 9))
        falling = attribution._falling(values)
        assert (np.diff(falling) <= 1e-12).all()
        assert falling.sum() == pytest.approx(values.sum())


def test_integrated_gradients_add_up_to_what_the_text_says(tickets: Opened) -> None:
    """Completeness (Sundararajan et al. 2017): parts of a long path add up to the difference of its ends."""
    from metier.explain import gradients

    asked = tickets.subject
    inputs = tickets.expert.examples([row["text"] for row in tickets.rows()][:5]).inputs
    claims = asked.claims(inputs)
    sides = gradients._sides(asked.predictor)
    coarse, fine = (gradients.integrated(asked, claims, steps) for steps in (8, 64))
    for one, other in zip(coarse, fine, strict=True):
        assert np.corrcoef(one, other)[0, 1] > 0.95
    # Special tokens belong to no unit; the words do not add up to more than all tokens do.
    assert sides.trunk is not None
    total = np.array([found.sum() for found in fine])
    assert np.isfinite(total).all()
    assert (np.abs(total) > 0).all()


def test_gradients_point_where_removals_do(tickets: Opened) -> None:
    asked = tickets.subject
    claims = asked.claims(tickets.expert.examples([row["text"] for row in tickets.rows()]).inputs)
    exact = attribution.leave_one_out(asked, claims)
    for method in ("gradient", "integrated-gradients"):
        found = attribution.METHODS[method].function(asked, claims, 0)
        agree = [np.corrcoef(one, other)[0, 1] for one, other in zip(exact, found, strict=True)]
        assert np.nanmean(agree) > 0.2, method


def test_the_words_half_is_placed_and_adds_up() -> None:
    given = ["Café bill is wrong", "the bill, the café", "card lost", "lost my card again"]
    words = fit_words(given, np.array([0, 0, 1, 1]), Classes(("bill", "card")))
    text = "The café: lost the BILL"
    places, columns, values = words.occurrences(text)
    row = np.zeros(len(words.vectorizer.vocabulary_))
    np.add.at(row, columns, values)
    assert row == pytest.approx(words.vectorizer.transform([text]).toarray()[0])
    assert {text[start:end] for spans in places for start, end in spans} <= {"The", "café", "lost", "the", "BILL"}
    assert "BILL" in {text[start:end] for spans in places for start, end in spans}


def test_a_subject_that_remembers_answers_each_copy_once(tickets: Opened) -> None:
    inputs = tickets.expert.examples([row["text"] for row in tickets.rows()][:3]).inputs
    plain = tickets.subject
    remembering = subject.Remembering.of(plain)
    masks = [(at, np.random.default_rng(at).random((6, 4)) < 0.5) for at in range(3)]
    masks = [(at, np.pad(mask, ((0, 0), (0, len(plain.task.units(inputs, at)) - 4)))) for at, mask in masks]
    first, again, wanted = (one.kept(inputs, masks) for one in (remembering, remembering, plain))
    for a, b, c in zip(first, again, wanted, strict=True):
        assert np.array_equal(a, b)
        assert a == pytest.approx(c, abs=1e-3)
    assert len(remembering.known) == sum(len(np.unique(mask, axis=0)) for _, mask in masks)


def test_rough_removals_are_near_exact_ones(tickets: Opened) -> None:
    plain = tickets.subject
    quick = rough.of(plain)
    claims = plain.claims(tickets.expert.examples([row["text"] for row in tickets.rows()]).inputs)
    if quick is plain:
        pytest.skip("this processor has no bfloat16 of its own")
    near = rough.claims(quick, claims)
    assert np.array_equal(near.codes, claims.codes)
    exact, found = attribution.leave_one_out(plain, claims), attribution.leave_one_out(quick, near)
    assert np.abs(np.concatenate(exact) - np.concatenate(found)).max() < 0.1
    assert np.corrcoef(np.concatenate(exact), np.concatenate(found))[0, 1] > 0.99


def test_a_changed_answer_is_the_fewest_removals_in_order() -> None:
    asked = subject.Subject(CLASSIFICATION, Classes(("no", "yes")), Either(), {}, None)
    claims = asked.claims(texts("good and great", "good it is", "bad it is"))
    weights = [np.array([2.0, 0, 1]), np.array([1.0, 0, 0]), np.array([1.0, 0, 0])]
    found = counterfactual.search(asked, claims, weights, None, None)
    both, one, none = found
    assert both is not None
    assert both.units == (0, 2)
    assert both.text == "and"
    assert one is not None
    assert one.units == (0,)
    assert none is None
    assert counterfactual.confirmed(asked, claims, found)[0] is not None


def test_a_number_is_turned_when_it_leaves_its_interval() -> None:
    asked = subject.Subject(REGRESSION, Quantity(), Sum(POINTS), {"half_width": 4.0, "guess_half_width": 9.0}, None)
    claims = asked.claims(texts("five and one", "two and one"))
    first, second = counterfactual.search(asked, claims, [np.array([5.0, 0, 1]), np.array([2.0, 0, 1])], None, None)
    assert first is not None
    assert first.text == "and one"
    assert second is None
