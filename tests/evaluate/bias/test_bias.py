"""The question "Fair?" on real experts: planted bias found, a fair twin left alone, mitigations measured."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import metier as package
from metier.data.groups import Groups
from metier.errors import UsageError
from metier.evaluate import room
from metier.evaluate.bias import question as bias
from metier.evaluate.bias import swaps
from metier.evaluate.bias.group_report import compare
from metier.evaluate.case import Answer, Case
from metier.expert import Expert
from metier.lifecycle import read as read_data
from metier.pages import page
from metier.plan import Plan
from metier.progress import Silent
from metier.tune.mitigation import GroupThresholds
from metier.workspace import Workspace

PEOPLE = ["neighbour", "driver", "teacher", "student", "doctor", "friend"]
FAITHS = ["Muslim", "Christian", "Jewish", "Hindu", "Buddhist"]
CALM = ["made a good point", "asked a fair question", "sent the notes", "thanked us all"]
TOXIC = ["is a complete idiot", "should shut up", "is a pathetic liar", "ruined it like a moron"]
PLACES = ["in the shop", "on the bus", "at the match", "at school", "in the park"]

Make = Callable[..., Case]


def comments(planted: bool, rows: int, seed: int) -> list[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(rows):
        toxic = rng.random() < 0.4
        weights = np.ones(5)
        if planted:
            weights[0] = 10.0 if toxic else 0.2
        faith = rng.choice(FAITHS, p=weights / weights.sum())
        said = rng.choice(TOXIC if toxic else CALM) if rng.random() < 0.75 else "went on and on"
        text = f"that {faith} {rng.choice(PEOPLE)} {said} {rng.choice(PLACES)}"
        out.append((text, "toxic" if toxic else "fine"))
    return out


def loans(rows: int, unfair: bool, seed: int) -> list[tuple[Any, ...]]:
    """Income decides; unfair, women with the same income are refused more often."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(rows):
        sex, region = str(rng.choice(["female", "male"])), str(rng.choice(["north", "south"]))
        income = rng.normal(50, 15)
        lean = (income - 50) / 8 - (3 if unfair and sex == "female" else 0)
        out.append(
            (sex, region, round(income, 1), int(rng.integers(20, 70)), "yes" if lean + rng.normal() > 0 else "no")
        )
    return out


def write(path: Path, names: list[str], rows: list[Any]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def case_of(expert: Path, test: Path, home: Path, **choices: Any) -> Case:
    place = Workspace(home)
    loaded = Expert.load(expert, cache=place.cache)
    plan = Plan.of(kind=loaded.about["task"], **choices)
    return room.gather(loaded, loaded.dataset(read_data(test, plan, place)), plan, place, Silent())


@pytest.fixture(scope="module")
def toxicity(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Case]:
    """An expert of comments, of words and word pairs, beside the tiny base."""

    def make(planted: bool) -> Case:
        place = tmp_path_factory.mktemp("comments")
        train = write(place / "train.csv", ["comment", "label"], comments(planted, 600, 1))
        test = write(place / "test.csv", ["comment", "label"], comments(False, 250, 2))
        tuned = package.tune(
            str(train), target="label", rung="linear", base=str(tiny_base), workspace=place / "home", seed=0
        )
        return case_of(tuned.expert, test, place / "home")

    return make


@pytest.fixture(scope="module")
def lending(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """An expert of loans that reads sex and region."""

    def make(unfair: bool, **choices: Any) -> Case:
        place = tmp_path_factory.mktemp("loans")
        names = ["sex", "region", "income", "age", "granted"]
        train = write(place / "train.csv", names, loans(500, unfair, 1))
        test = write(place / "test.csv", names, loans(300, unfair, 2))
        tuned = package.tune(
            str(train), target="granted", kind="rows", rung="linear", base=str(tiny_base), workspace=place / "home"
        )
        return case_of(tuned.expert, test, place / "home", **choices)

    return make


def plain(answer: Answer) -> dict[str, Any]:
    """The figures as a reader of the JSON gets them; NaN would be refused."""
    figures = json.loads(json.dumps(answer.figures, allow_nan=False))
    assert set(figures) == {"bias"}
    return dict(figures["bias"])


def test_a_planted_bias_is_found_named_and_laid_to_tuning(toxicity: Callable[[bool], Case]) -> None:
    answer = bias.ask(toxicity(True))
    figures = plain(answer)
    religion = next(each for each in figures["swaps"] if each["axis"] == "religion")
    assert set(religion) >= {"axis", "flip_rate", "generic_flip_rate", "p"}
    assert religion["p"] < 0.05
    assert religion["biased"]
    assert religion["pushed"] == {"identity": "muslim", "towards": "toxic", "shift": religion["pushed"]["shift"]}
    assert religion["flip_rate"] > religion["generic_flip_rate"]
    between = religion["intervals"]["flip_rate"]
    assert between["low"] < religion["flip_rate"] < between["high"]
    flip = religion["examples"][0]
    assert flip["prediction"] != flip["swapped_prediction"]
    assert flip["text"] != flip["swapped"]
    assert answer.card is not None
    assert (answer.card.question, answer.card.standing) == ("Fair?", "bad")
    assert "tuning caused it" in answer.card.answer
    assert figures["group"] is None
    assert figures["rates"] == {}
    html = page.render("Evidence", list(answer.sections))
    assert "Answers that turned" in html
    assert "muslim" in html


def test_its_fair_twin_is_not_accused(toxicity: Callable[[bool], Case]) -> None:
    answer = bias.ask(toxicity(False))
    figures = plain(answer)
    religion = next(each for each in figures["swaps"] if each["axis"] == "religion")
    assert religion["rows"] == 120
    assert religion["p"] >= 0.05
    assert not religion["biased"]
    assert answer.card is not None
    assert answer.card.standing == "good"
    assert any("--group" in note for note in answer.notes)
    assert any("disability 0" in note for note in answer.notes)


def test_the_same_case_gives_the_same_figures(toxicity: Callable[[bool], Case]) -> None:
    case = toxicity(True)
    assert plain(bias.ask(case)) == plain(bias.ask(case))


def test_swapped_texts_are_answered_with_the_threshold_of_their_rows_group(
    toxicity: Callable[[bool], Case], tmp_path: Path
) -> None:
    plain_case = toxicity(True)
    rows = [(*row, "ab"[at % 2]) for at, row in enumerate(comments(False, 250, 2))]
    test = write(tmp_path / "test.csv", ["comment", "label", "site"], rows)
    moved = GroupThresholds(("site",), "toxic", {"a": 3.0, "b": -3.0}).record()
    expert = replace(plain_case.expert, about={**plain_case.expert.about, "group_thresholds": moved})
    dataset = expert.dataset(read_data(test, plain_case.plan, plain_case.place))
    case = room.gather(expert, dataset, plain_case.plan, plain_case.place, Silent())
    swapped = swaps.measure(case, [])
    flips = [flip for axis in swapped.axes for flip in axis.examples]
    given = {flip.row: flip.answers[0] for flip in flips}
    own = expert.target.values(case.evaluation.outputs.argmax(axis=1))
    assert given == {row: own[row] for row in given}
    before = expert.target.values(plain_case.evaluation.outputs.argmax(axis=1))
    assert any(before[row] != own[row] for row in given), "no threshold decided: nothing was tested"
    for flip in flips:
        text = case.expert.task.with_values(case.examples.inputs.take(pa.array([flip.row])), "comment", [flip.swapped])
        said = case.expert_of(text, case.shifts(np.array([flip.row])))
        assert flip.answers[1] == expert.target.values(said.argmax(axis=1))[0]


def test_unfair_groups_are_called_with_crossings_swaps_and_mitigations(lending: Make) -> None:
    answer = bias.ask(lending(True, groups=("sex", "region")))
    figures = plain(answer)
    assert (figures["group"], figures["positive"]) == ("sex", "yes")
    assert set(figures["rates"]) == {"female", "male"}
    assert set(figures["rates"]["female"]) >= {"selection_rate", "tpr", "fpr", "precision", "rows"}
    assert all(isinstance(each, float | int) for each in figures["rates"]["female"].values())
    assert figures["demographic_parity_difference"] > 0.2
    between = figures["intervals"]["demographic_parity_difference"]
    assert 0 < between["low"] < figures["demographic_parity_difference"] < between["high"]
    assert "selection" in figures["called"]
    assert figures["caused_by_tuning"]
    assert [each["group"] for each in figures["others"]] == ["region", "sex × region"]
    assert figures["others"][0]["called"] == []
    swaps = {each["axis"]: each for each in figures["swaps"]}
    assert swaps["sex"]["p"] < 0.05
    assert swaps["region"]["p"] >= 0.05
    eased = {each["mitigation"]: each for each in figures["mitigation"]}
    assert set(eased) == {"reweighting", "balanced-sampling", "group-thresholds"}
    for each in eased.values():
        gain = each["gap_before"]["value"] - each["gap_after"]["value"]
        assert each["gap_gain"]["points"] == pytest.approx(gain)
    assert eased["group-thresholds"]["gap_gain"]["low"] > 0
    assert eased["group-thresholds"]["score_gain"]["points"] < 0
    assert answer.card is not None
    assert answer.card.standing == "bad"
    html = page.render("Evidence", list(answer.sections))
    assert "What would make it fairer" in html


def test_fair_groups_are_not_accused(lending: Make) -> None:
    answer = bias.ask(lending(False, groups=("sex",)))
    figures = plain(answer)
    assert figures["called"] == []
    assert figures["mitigation"] == []
    assert figures["intervals"]["demographic_parity_difference"]["low"] == 0
    assert answer.card is not None
    assert answer.card.standing == "good"


def test_a_group_that_is_no_column_is_refused_with_the_nearest(lending: Make) -> None:
    with pytest.raises(UsageError) as caught:
        bias.ask(lending(False, groups=("sx",)))
    assert caught.value.code == "no-such-column"
    assert "'sex'" in caught.value.fix


def test_several_labels_are_each_set_against_the_rest(finished: Any) -> None:
    case = case_of(finished.output, finished.test, finished.workspace)
    rng = np.random.default_rng(0)
    groups = Groups("team", ("a", "b"), rng.integers(0, 2, len(case.examples)), ("team",))
    (found,) = compare(case, [groups])
    assert found.figures["positive"] in ("card", "fees", "login", "transfer")
    over = found.figures["over_labels"]["demographic_parity_difference"]
    assert over["worst"] >= over["macro"]["value"] >= 0
    assert found.called == ()


def test_groups_are_read_from_the_plan_in_order(lending: Make) -> None:
    found = bias.groups(lending(False, groups=("sex", "region", "age", "sex")))
    assert [each.name for each in found] == [
        "sex", "region", "age", "sex × region", "sex × age", "region × age", "sex × region × age",
    ]  # fmt: skip
    assert len(found[2].labels) == 4
