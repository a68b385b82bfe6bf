"""The question of an evaluation: figures, the card, the sections that can be drawn, and what is kept for later."""

from __future__ import annotations

from typing import Any

import pytest
from tests.explain.conftest import Opened

from metier import lifecycle
from metier.evaluate import room
from metier.evaluate.case import Case
from metier.explain import choice, whole
from metier.pages.page import render
from metier.plan import Plan
from metier.progress import Silent


def case_of(opened: Opened, **choices: Any) -> Case:
    plan = Plan.of(kind=opened.expert.about["task"], **choices)
    dataset = opened.expert.dataset(lifecycle.read(opened.test, plan, opened.place))
    return room.gather(opened.expert, dataset, plan, opened.place, Silent())


@pytest.mark.parametrize("which", ["tickets", "table"])
def test_the_question_is_answered(which: str, request: pytest.FixtureRequest) -> None:
    opened: Opened = request.getfixturevalue(which)
    case = case_of(opened, sample=30)
    answer = whole.ask(case)
    told = answer.figures["explanation"]
    assert told["best"] is not None
    assert answer.card is not None
    assert answer.card.question == "Can it say why?"
    assert answer.card.standing == "good"
    assert answer.card.low is not None
    assert answer.card.low <= answer.card.value <= answer.card.high  # type: ignore[operator]
    assert choice.stored(opened.expert, opened.place.cache)["best"] == told["best"]  # type: ignore[index]
    page = render("Why", answer.sections)
    assert "<svg" in page
    assert "What drives each answer" in page
    assert whole.ask(case).figures == answer.figures


def test_what_drives_an_answer_is_what_was_planted(table: Opened) -> None:
    drivers = whole.ask(case_of(table, sample=60)).figures["explanation"]["drivers"]
    assert drivers["after"]["yes"][0]["name"] == "debt"
    assert all(one["rows"] > 0 for label in drivers["after"].values() for one in label)
