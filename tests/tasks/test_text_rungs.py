"""The rungs on texts that train no base weights: they learn, repeat themselves, and come back from their folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from metier.evaluate.metrics import find_metric
from metier.plan import Plan
from metier.progress import Silent
from metier.tasks import text_rungs
from metier.tasks.blend import Blend
from metier.tasks.classes import Classes
from metier.tasks.contract import Examples, Predictor, Rung, Work
from metier.tasks.quantity import Quantity
from metier.tasks.text import CLASSIFICATION, REGRESSION
from metier.trunk.base import find
from metier.trunk.features import Trunk

THINGS = {
    "card": ["card", "plastic", "visa card", "bank card"],
    "transfer": ["transfer", "wire", "standing order", "remittance"],
    "login": ["login", "password", "sign in", "pin code"],
    "fees": ["fee", "charge", "cost", "price"],
}
FRAMES = ["my {} does not work", "please help with the {}", "the {} is wrong again", "is the {} free of trouble"]
CLASSES = Classes(tuple(THINGS))
CHEAP = ["majority", "linear", "generic", "frozen"]
BOTH = [(name, False) for name in CHEAP] + [(name, True) for name in CHEAP if name != "generic"]


def examples(rows: int, seed: int = 0, quantity: bool = False, scale: float = 1.0, shift: float = 0.0) -> Examples:
    rng = np.random.default_rng(seed)
    codes = np.arange(rows) % 4
    texts = [rng.choice(FRAMES).format(rng.choice(THINGS[list(THINGS)[code]])) for code in codes]
    inputs = pa.chunked_array([pa.array(texts, pa.large_string())])
    if quantity:
        values = scale * (10.0 * codes + rng.normal(0, 1, rows)) + shift
        return Examples(inputs, values, Quantity.of(values), np.arange(rows))
    return Examples(inputs, codes, CLASSES, np.arange(rows))


@pytest.fixture(scope="module")
def trunk(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Trunk:
    return Trunk(find(str(tiny_base)), tmp_path_factory.mktemp("cache"))


MakeWork = Callable[..., Work]


@pytest.fixture
def make_work(trunk: Trunk, tmp_path: Path) -> MakeWork:
    def make(rows: int = 160, quantity: bool = False, plan: Any = None, metric: Any = None, **fields: Any) -> Work:
        train = examples(rows, 0, quantity)
        about: dict[str, Any] = {
            "train": train,
            "validation": examples(60, 1, quantity),
            "plan": Plan.of(**{"seed": 3, **(plan or {})}),
            "trunk": trunk,
            "metric": find_metric(metric, train.target),
            "folder": tmp_path / "fit",
            "earlier": {},
            "progress": Silent(),
        }
        return Work(**{**about, **fields})

    return make


def rung(name: str, quantity: bool = False) -> Rung:
    kind = REGRESSION if quantity else CLASSIFICATION
    return next(one for one in kind.rungs(CLASSES) if one.name == name)


def score(work: Work, predictor: Predictor) -> float:
    assert work.validation is not None
    value = work.metric.function(work.validation.targets, predictor.outputs(work.validation.inputs))
    return value if work.metric.greater_is_better else -value


# ------------------------------------------------------------------------------------------------------------- every rung


@pytest.mark.parametrize(("name", "quantity"), BOTH)
def test_outputs_have_the_targets_shape_and_come_back_from_disk(
    name: str, quantity: bool, make_work: MakeWork, trunk: Trunk, tmp_path: Path
) -> None:
    work = make_work(quantity=quantity)
    predictor, settings = rung(name, quantity).fit(work)
    assert json.loads(json.dumps(settings)) == settings
    inputs = work.train.inputs[:33]
    found = predictor.outputs(inputs)
    assert found.shape == ((33,) if quantity else (33, 4))
    assert np.isfinite(found).all()
    assert predictor.outputs(inputs[:0]).shape == ((0,) if quantity else (0, 4))
    (tmp_path / "saved").mkdir()
    predictor.save(tmp_path / "saved")
    again = rung(name, quantity).load(tmp_path / "saved", trunk, work.train.target)
    np.testing.assert_allclose(again.outputs(inputs), found, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "quantity"), BOTH)
def test_a_fit_repeats_itself_and_its_settings_repeat_it(name: str, quantity: bool, make_work: MakeWork) -> None:
    work = make_work(quantity=quantity)
    one, settings = rung(name, quantity).fit(work)
    other, _ = rung(name, quantity).fit(work)
    inputs = work.train.inputs[:40]
    np.testing.assert_allclose(one.outputs(inputs), other.outputs(inputs), rtol=1e-5, atol=1e-5)
    alone = replace(work, validation=None, settings=settings)
    repeated, same = rung(name, quantity).fit(alone)
    assert same == settings
    np.testing.assert_allclose(repeated.outputs(inputs), one.outputs(inputs), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "quantity"), [("linear", False), ("frozen", False), ("linear", True), ("frozen", True)]
)
def test_rungs_that_learn_are_better_than_the_floor(name: str, quantity: bool, make_work: MakeWork) -> None:
    work = make_work(quantity=quantity)
    floor, learned = (score(work, rung(one, quantity).fit(work)[0]) for one in ("majority", name))
    assert learned > (0.85 if not quantity else 0.5 * floor)


@pytest.mark.parametrize(("name", "quantity"), BOTH)
def test_an_estimate_is_a_number_of_seconds(name: str, quantity: bool, make_work: MakeWork) -> None:
    work = make_work(quantity=quantity)
    assert 0 <= rung(name, quantity).estimate(work) < 60


# ------------------------------------------------------------------------------------------------------------- one by one


def test_the_floor_answers_the_commonest_label_or_the_mean(make_work: MakeWork) -> None:
    work = make_work()
    skewed = work.train.take(np.flatnonzero((work.train.targets == 2) | (np.arange(160) < 8)))
    predictor, _ = rung("majority").fit(replace(work, train=skewed))
    shares = np.exp(predictor.outputs(work.train.inputs[:1])[0])
    assert shares.argmax() == 2
    assert shares.sum() == pytest.approx(1)
    assert shares.min() > 0
    quantity = make_work(quantity=True)
    predictor, _ = rung("majority", True).fit(quantity)
    np.testing.assert_allclose(predictor.outputs(quantity.train.inputs[:2]), quantity.train.targets.mean(), rtol=1e-6)


def test_the_generic_base_finds_a_labels_own_name_nearest(make_work: MakeWork) -> None:
    predictor, settings = rung("generic").fit(make_work())
    assert settings == {}
    assert predictor.outputs(pa.array(list(THINGS))).argmax(1).tolist() == [0, 1, 2, 3]


def test_label_names_are_read_as_words(trunk: Trunk) -> None:
    assert text_rungs.label_words(Classes(("card_lost", "top-up"))) == ["card lost", "top up"]
    assert text_rungs.label_words(Classes(("1", "2"))) == []
    assert text_rungs.label_words(Quantity()) == []
    np.testing.assert_array_equal(
        text_rungs.name_features(trunk, Classes(("card_lost", "pin"))), trunk.features(["card lost", "pin"])
    )
    assert text_rungs.name_features(trunk, Classes(("1", "2"))).shape == (2, trunk.width)


@pytest.mark.parametrize("labels", [tuple(THINGS), ("1", "2", "3", "4")])
def test_with_few_labels_nothing_is_chosen_on_held_out_rows(make_work: MakeWork, labels: tuple[str, ...]) -> None:
    work = make_work(rows=40)
    work = replace(work, train=replace(work.train, target=Classes(labels)))
    predictor, settings = rung("frozen").fit(work)
    assert settings["few"]
    blind, same = rung("frozen").fit(replace(work, validation=None))
    assert same == settings
    np.testing.assert_allclose(blind.outputs(work.train.inputs), predictor.outputs(work.train.inputs), atol=1e-5)
    assert score(work, predictor) > 0.4
    _, many = rung("frozen").fit(make_work(rows=160))
    assert not many["few"]


def test_the_frozen_head_takes_the_linear_rungs_words_along(make_work: MakeWork, trunk: Trunk, tmp_path: Path) -> None:
    work = make_work()
    words, _ = rung("linear").fit(work)
    predictor, settings = rung("frozen").fit(replace(work, earlier={"linear": words}))
    assert settings["blend"]["share"] > 0
    assert isinstance(predictor, Blend)
    alone = replace(work, validation=None, earlier={}, settings=settings)
    repeated, _ = rung("frozen").fit(alone)
    inputs = work.train.inputs[:20]
    np.testing.assert_allclose(repeated.outputs(inputs), predictor.outputs(inputs), atol=1e-3)
    (tmp_path / "saved").mkdir()
    predictor.save(tmp_path / "saved")
    again = rung("frozen").load(tmp_path / "saved", trunk, work.train.target)
    np.testing.assert_allclose(again.outputs(inputs), predictor.outputs(inputs), rtol=1e-5, atol=1e-5)


def test_a_quantity_in_other_units_is_predicted_alike(make_work: MakeWork) -> None:
    work = make_work(quantity=True)
    assert work.validation is not None
    inputs = work.validation.inputs
    for name in ("linear", "frozen"):
        plain, _ = rung(name, True).fit(work)
        other = replace(
            work,
            train=examples(160, 0, True, 1000.0, 5e4),
            validation=examples(60, 1, True, 1000.0, 5e4),
        )
        scaled, _ = rung(name, True).fit(other)
        np.testing.assert_allclose((scaled.outputs(inputs) - 5e4) / 1000, plain.outputs(inputs), atol=1.0)


# ------------------------------------------------------------------------------------------------------------ short of time


def test_with_little_time_as_many_rows_are_embedded_as_it_allows(make_work: MakeWork, tiny_base: Path) -> None:
    work = make_work(trunk=Trunk(find(str(tiny_base))), rows=400)
    work.trunk.tokens_per_second = 1000.0
    whole = text_rungs.embedding_seconds(work)
    assert whole > 1
    for left, rows in ((10 * whole, 400), (whole / 0.7 / 4, 100), (0.0, 8), (-5.0, 8)):
        assert len(text_rungs._affordable(replace(work, seconds_left=left))) == pytest.approx(rows, abs=1)
    _, settings = rung("frozen").fit(replace(work, seconds_left=whole / 0.7 / 2))
    assert settings["rows"] == pytest.approx(200, abs=1)
    repeated = text_rungs._affordable(replace(work, settings=settings))
    np.testing.assert_array_equal(
        repeated.rows, text_rungs._affordable(replace(work, seconds_left=whole / 0.7 / 2)).rows
    )


def test_what_is_cached_costs_no_time(make_work: MakeWork) -> None:
    work = make_work()
    work.trunk.features(work.train.inputs)
    assert work.validation is not None
    work.trunk.features(work.validation.inputs)
    assert text_rungs.embedding_seconds(work) == 0


def test_rows_are_drawn_evenly_and_in_order() -> None:
    some = text_rungs._at_most(examples(400), 100, seed=1)
    assert len(some) == 100
    assert (np.diff(some.rows) > 0).all()
    assert 150 < some.rows.mean() < 250
    assert text_rungs._at_most(examples(4), 100, seed=1).rows.tolist() == [0, 1, 2, 3]


# --------------------------------------------------------------------------------------------------- weights and judging


@pytest.mark.parametrize(
    ("choice", "metric", "power"),
    [
        ("none", "macro_f1", None),
        ("auto", "accuracy", None),
        ("auto", "macro_f1", 0.5),
        ("balanced", "accuracy", 1.0),
    ],
)
def test_class_weights_follow_plan_and_metric(
    make_work: MakeWork, choice: str, metric: str, power: float | None
) -> None:
    work = make_work(plan={"class_weights": choice}, metric=metric)
    counts = np.array([20, 10, 5, 1])
    rows = np.concatenate([np.flatnonzero(work.train.targets == code)[:count] for code, count in enumerate(counts)])
    found = text_rungs.class_weights(replace(work, train=work.train.take(rows)))
    if power is None:
        assert found is None
        return
    weights = np.asarray(found)
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights[3] / weights[0], (20 / 1) ** power, rtol=1e-5)


def test_a_quantity_has_no_class_weights(make_work: MakeWork) -> None:
    assert text_rungs.class_weights(make_work(quantity=True, plan={"class_weights": "balanced"})) is None


def test_the_judge_goes_by_the_metric_and_by_likelihood_among_equals(make_work: MakeWork) -> None:
    work = make_work()
    assert work.validation is not None
    truth = work.validation.targets
    sure, unsure, wrong = (np.zeros((60, 4), np.float32) for _ in range(3))
    sure[np.arange(60), truth], unsure[np.arange(60), truth], wrong[np.arange(60), truth] = 5, 1, 5
    wrong[0] = np.roll(wrong[0], 1)
    judge = text_rungs.judge_of(work)
    assert judge(sure) > judge(unsure) > judge(wrong)


def test_one_lucky_row_does_not_outweigh_a_better_likelihood(make_work: MakeWork) -> None:
    work = make_work()
    assert work.validation is not None
    truth = work.validation.targets
    lucky, likely = (np.random.default_rng(0).normal(0, 1, (60, 4)).astype(np.float32) for _ in range(2))
    lucky[np.arange(60), truth] += 1
    likely[np.arange(60), truth] += 4
    right, other = np.flatnonzero(lucky.argmax(1) == truth), (truth + 1) % 4
    # Made to be right once less often, by a hair, and far likelier elsewhere.
    gone = np.flatnonzero(likely.argmax(1) == truth)[len(right) - 1 :]
    likely[gone, other[gone]] = likely[gone, truth[gone]] + 0.01
    assert (likely.argmax(1) == truth).sum() == len(right) - 1
    judge = text_rungs.judge_of(work)
    assert judge(likely) > judge(lucky)


def test_smaller_misses_are_judged_better(make_work: MakeWork) -> None:
    work = make_work(quantity=True)
    assert work.validation is not None
    truth = work.validation.targets
    judge = text_rungs.judge_of(work)
    assert judge(truth) > judge(truth + 1) > judge(truth + 2)


@pytest.mark.parametrize(("metric", "weighs"), [("accuracy", False), ("macro_f1", True)])
def test_the_worth_of_rows_follows_the_metric(make_work: MakeWork, metric: str, weighs: bool) -> None:
    work = make_work(metric=metric)
    assert work.validation is not None
    rows = np.concatenate([np.flatnonzero(work.validation.targets == code)[:n] for code, n in enumerate([9, 3, 2, 1])])
    held_out = work.validation.take(rows)
    worth = text_rungs.worth_of(replace(work, validation=held_out))(np.eye(4)[held_out.targets])
    assert worth.mean() == pytest.approx(1)
    assert (worth[-1] > worth[0]) == weighs
    wrong = text_rungs.worth_of(replace(work, validation=held_out))(np.eye(4)[(held_out.targets + 1) % 4])
    assert (wrong == 0).all()


def test_one_column_of_outputs_is_a_plain_column() -> None:
    assert text_rungs.shaped(np.zeros((5, 1))).shape == (5,)
    assert text_rungs.shaped(np.zeros((5, 2))).shape == (5, 2)
    assert text_rungs.shaped(np.zeros(5)).shape == (5,)


def test_with_few_labels_the_frozen_rung_needs_no_proof(make_work: MakeWork) -> None:
    rung, work = text_rungs.FrozenRung(), make_work()
    codes = np.arange(96) % 3
    few = Examples(None, codes, Classes(("a", "b", "c")), np.arange(96))
    assert "so few labels" in rung.stands(replace(work, train=few))
    many = Examples(None, np.arange(99) % 3, Classes(("a", "b", "c")), np.arange(99))
    assert rung.stands(replace(work, train=many)) == ""
