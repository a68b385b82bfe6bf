"""Slices that are worse are found with their cause, chance alone flags hardly any, and every column has its say."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from tests.conftest import Finished, tickets

from metier import lifecycle
from metier.evaluate import room
from metier.evaluate.case import Case
from metier.evaluate.evaluation import evaluate_outputs
from metier.evaluate.slices import question as slices
from metier.evaluate.slices.slicing import FEWEST, Slice, distinct, divisions
from metier.expert import Expert
from metier.pages.page import render
from metier.plan import Plan
from metier.progress import Silent
from metier.tasks.quantity import Quantity
from metier.workspace import Workspace

ROWS = 360
REGIONS = ("north", "south", "east", "west")


@pytest.fixture(scope="module")
def case(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The finished expert on tickets with columns it does not read: region, age, date, an id and some gaps."""
    path = tmp_path_factory.mktemp("slices") / "tickets.csv"
    rng = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "intent", "region", "age", "received", "ticket_id"])
        for number, (text, intent) in enumerate(tickets(ROWS, seed=21)):
            region = REGIONS[rng.integers(4)] if number % 12 else ""
            day = f"2024-{1 + number // 120:02d}-{1 + number % 28:02d}"
            writer.writerow([text, intent, region, rng.integers(18, 90), day, f"T-{rng.integers(10**9):09d}-{number}"])
    place = Workspace.find(finished.workspace)
    expert = Expert.load(finished.output, cache=place.cache)
    plan = Plan.of(kind=expert.about["task"])
    return room.gather(expert, expert.dataset(lifecycle.read(path, plan, place)), plan, place, Silent())


def answered(case: Case, right: np.ndarray, generic: np.ndarray, metric: str = "accuracy") -> Case:
    """The case with answers that are right (n,) and, for the base, `generic` (n,) right."""
    target, truth = case.expert.target, case.evaluation.truth
    sides = [4.0 * np.eye(target.width)[np.where(good, truth, (truth + 1) % target.width)] for good in (right, generic)]
    calibration = case.expert.about["calibration"], case.expert.about["generic_calibration"]
    evaluation = evaluate_outputs(
        target, truth, *sides, metric=target.metrics()[metric],
        calibration=calibration[0], generic_calibration=calibration[1], level=0.95, seed=0,
    )  # fmt: skip
    return replace(case, evaluation=evaluation, generic_raw=sides[1])


def member(case: Case, by: str, name: str) -> np.ndarray:
    return next(s.member for d in divisions(case) for s in d.slices if (s.by, s.name) == (by, name))


def test_every_column_the_texts_and_the_truth_divide_the_rows(case: Case) -> None:
    found = {division.by: division for division in divisions(case)}
    assert {one.name for one in found["region"].slices} == {*REGIONS, "(missing)"}
    assert [one.name for one in found["received"].slices if one.rows] == ["2024-01", "2024-02", "2024-03"]
    assert len([one for one in found["age"].slices if one.rows]) == 5
    assert sum(one.rows for one in found["age"].slices) == ROWS
    assert sum(one.rows for one in found["length"].slices) == ROWS
    assert {one.name for one in found["truth"].slices} == {"card", "fees", "login", "transfer"}
    assert not found["ticket_id"].slices
    assert "identifier" in found["ticket_id"].left_out


def test_small_slices_and_twins_are_not_looked_at(case: Case) -> None:
    parts = distinct(divisions(case), ROWS)
    assert all(FEWEST <= one.rows <= ROWS - FEWEST for one in parts)
    marks = {one.member.tobytes() for one in parts}
    assert len(marks) == len(parts)


def test_a_slice_that_tuning_left_behind_is_found_with_its_cause(case: Case) -> None:
    north = member(case, "region", "north")
    causes = []
    for trial in range(6):
        rng = np.random.default_rng(trial)
        right = rng.random(ROWS) < np.where(north, 0.55, 0.95)
        answer = slices.ask(answered(case, right, rng.random(ROWS) < 0.6))
        worst = answer.figures["slices"][0]
        assert (worst["by"], worst["slice"], worst["worse"]) == ("region", "north", True)
        causes.append(worst["cause"])
        assert worst["low"] <= worst["value"] <= worst["high"] < 0.9
        assert worst["q"] >= worst["p"]
        assert worst["generic"] == pytest.approx(0.6, abs=0.2)
        assert answer.card is not None
        assert answer.card.standing in ("look", "bad")
    assert causes.count("tuning") >= 4


def test_a_slice_that_was_worse_before_is_told_apart(case: Case) -> None:
    old = member(case, "received", "2024-02")
    told = []
    for trial in range(8):
        rng = np.random.default_rng(trial)
        right, generic = (rng.random(ROWS) < np.where(old, low, high) for low, high in ((0.6, 0.95), (0.2, 0.6)))
        found = slices.ask(answered(case, right, generic)).figures["slices"]
        told += [one["cause"] for one in found if (one["by"], one["slice"]) == ("received", "2024-02")]
    assert told.count("before") >= 6


def test_harm_done_by_tuning_is_bad(case: Case) -> None:
    north, rng = member(case, "region", "north"), np.random.default_rng(3)
    right = rng.random(ROWS) < np.where(north, 0.3, 0.95)
    answer = slices.ask(answered(case, right, rng.random(ROWS) < 0.8))
    assert answer.card is not None
    assert answer.card.standing == "bad"
    assert answer.figures["slices"][0]["gain"]["high"] < 0


def test_chance_alone_flags_a_slice_in_few_evaluations(case: Case) -> None:
    parts = distinct(divisions(case), ROWS)
    flagged = 0
    for trial in range(40):
        rng = np.random.default_rng(trial)
        right = rng.random(ROWS) < 0.85
        played = answered(case, right, right)
        flagged += any(one.worse for one in slices.judge(played, parts, played.metric))
    assert flagged <= 5


def test_examples_are_wrong_rows_of_the_slice_the_surest_first(case: Case) -> None:
    north, rng = member(case, "region", "north"), np.random.default_rng(5)
    answer = slices.ask(answered(case, rng.random(ROWS) < np.where(north, 0.5, 0.98), rng.random(ROWS) < 0.6))
    worst = answer.figures["slices"][0]
    assert len(worst["examples"]) == 3
    regions, texts = case.column("region"), case.column("text")
    for example in worst["examples"]:
        assert example["truth"] != example["prediction"]
        assert regions[example["row"]] == "north"
        assert texts[example["row"]] == example["text"]
    sure = [example["confidence"] for example in worst["examples"]]
    assert sure == sorted(sure, reverse=True)


def test_a_metric_that_is_no_mean_over_rows_gives_way_and_says_so(case: Case) -> None:
    answer = slices.ask(answered(case, np.ones(ROWS, bool), np.ones(ROWS, bool), metric="macro_f1"))
    assert {one["metric"] for one in answer.figures["slices"]} == {"accuracy"}
    assert any("macro_f1" in note for note in answer.notes)
    assert not any(one["worse"] for one in answer.figures["slices"])


def test_the_order_of_the_rows_changes_nothing(case: Case) -> None:
    north, rng = member(case, "region", "north"), np.random.default_rng(6)
    played = answered(case, rng.random(ROWS) < np.where(north, 0.6, 0.95), rng.random(ROWS) < 0.6)
    order = rng.permutation(ROWS)
    turned = replace(case, examples=case.examples.take(order))
    turned = replace(
        turned,
        evaluation=replace(
            played.evaluation,
            truth=played.evaluation.truth[order],
            outputs=played.evaluation.outputs[order],
            raw=played.evaluation.raw[order],
        ),
        generic_raw=played.generic_raw[order],
    )
    first, again = (slices.ask(one).figures["slices"] for one in (played, turned))
    names = ("by", "slice", "rows", "value", "low", "high", "p", "q", "cause")
    assert {tuple(one[name] for name in names) for one in first} == {
        tuple(one[name] for name in names) for one in again
    }


def test_the_real_expert_has_a_page_and_plain_json(case: Case) -> None:
    answer = slices.ask(case)
    text = json.dumps(answer.figures, allow_nan=False)
    found = json.loads(text)["slices"]
    assert len(found) > 15
    assert {"kind", "region", "age", "received", "length", "truth"} == {one["by"] for one in found}
    assert set(found[0]) == {
        "by", "slice", "rows", "metric", "value", "low", "high", "generic", "p", "q", "worse", "cause", "gain", "examples",
    }  # fmt: skip
    assert "Good for everyone?" in render("Slices", answer.sections)


def test_a_number_is_sliced_by_its_misses(case: Case) -> None:
    rng, east = np.random.default_rng(8), member(case, "region", "east")
    truth = rng.normal(50, 10, ROWS)
    sides = [truth + rng.normal(0, np.where(east, 3.0 * wide, wide)) for wide in (1.0, 4.0)]
    target = Quantity.of(truth.tolist())
    evaluation = evaluate_outputs(
        target, truth, *sides, metric=target.metrics()["mae"],
        calibration={}, generic_calibration={}, level=0.95, seed=0,
    )  # fmt: skip
    expert = replace(
        case.expert, target=target, about={**case.expert.about, "calibration": {}, "generic_calibration": {}}
    )
    answer = slices.ask(replace(case, expert=expert, evaluation=evaluation, generic_raw=sides[1]))
    worst = answer.figures["slices"][0]
    assert (worst["by"], worst["slice"], worst["metric"], worst["worse"]) == ("region", "east", "mae", True)
    misses = [abs(example["truth"] - example["prediction"]) for example in worst["examples"]]
    assert misses == sorted(misses, reverse=True)
    assert "truth" in {one["by"] for one in answer.figures["slices"]}
    assert render("Slices", answer.sections)


def test_too_few_rows_have_no_slices(case: Case) -> None:
    few = np.arange(30)
    small = replace(
        case,
        examples=case.examples.take(few),
        evaluation=replace(
            case.evaluation,
            truth=case.evaluation.truth[few],
            outputs=case.evaluation.outputs[few],
            raw=case.evaluation.raw[few],
        ),
        generic_raw=case.generic_raw[few],
    )
    answer = slices.ask(small)
    assert answer.figures == {"slices": []}
    assert answer.card is not None
    assert answer.card.standing == "unknown"


def test_twins_keep_the_first_name() -> None:
    from metier.evaluate.slices.slicing import Division

    half = np.arange(60) < 30
    divided = [Division("a", (Slice("a", "x", half),)), Division("b", (Slice("b", "y", half), Slice("b", "z", ~half)))]
    assert [(one.by, one.name) for one in distinct(divided, 60)] == [("a", "x"), ("b", "z")]
