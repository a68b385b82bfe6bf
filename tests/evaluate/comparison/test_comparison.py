"""Two experts on the same rows: gains in every metric, what is proven of them, and what could not have been seen."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.conftest import Finished

from metier import lifecycle
from metier.errors import UsageError
from metier.evaluate import room
from metier.evaluate.case import Case
from metier.evaluate.comparison import question as comparison
from metier.expert import Expert
from metier.pages.page import render
from metier.plan import Plan
from metier.progress import Silent
from metier.tasks.classes import Classes
from metier.tasks.quantity import Quantity
from metier.workspace import Workspace


@pytest.fixture(scope="module")
def case(finished: Finished) -> Case:
    place = Workspace.find(finished.workspace)
    expert = Expert.load(finished.output, cache=place.cache)
    plan = Plan.of(kind=expert.about["task"])
    return room.gather(expert, expert.dataset(lifecycle.read(finished.test, plan, place)), plan, place, Silent())


def other(case: Case, **changes: object) -> Expert:
    """Another expert on the same base: the case's generic one, as if it were a tuned one."""
    about = {**case.expert.about, "name": "rival", "calibration": case.expert.about["generic_calibration"]}
    return replace(case.expert, predictor=case.expert.generic, about=about, **changes)  # type: ignore[arg-type]


def test_the_json_has_the_shape_that_is_relied_on(case: Case) -> None:
    against = json.loads(json.dumps(comparison.compare(case, other(case)).figures, allow_nan=False))["against"]
    assert set(against) == {"expert", "manifest", "rows", "gains", "equivalent", "non_inferior", "margin", "power"}
    assert against["expert"] == "rival"
    assert against["rows"] == len(case.examples)
    assert {gain["metric"] for gain in against["gains"]} == set(case.expert.target.metrics())
    for gain in against["gains"]:
        assert set(gain) == {"metric", "points", "low", "high", "p", "p_holm"}
        assert gain["p_holm"] >= gain["p"]
    assert set(against["power"]) == {"metric", "rows", "disagreement", "detectable", "power", "sentence"}


def test_against_its_generic_base_as_an_expert_it_gains_what_the_evaluation_says(case: Case) -> None:
    rival, own = comparison.compare(case, other(case)).figures["against"], comparison.with_generic(case).figures
    assert rival["gains"] == own["gains"]
    main = next(gain for gain in own["gains"] if gain["metric"] == case.metric.name)
    assert (main["points"], main["low"], main["high"]) == pytest.approx(
        (case.evaluation.gain.points, case.evaluation.gain.low, case.evaluation.gain.high)
    )


def test_an_expert_is_as_good_as_itself_under_another_name(case: Case) -> None:
    twin = replace(case.expert, about={**case.expert.about, "name": "twin"})
    answer = comparison.compare(case, twin)
    against = answer.figures["against"]
    assert all(gain["points"] == 0 and gain["p_holm"] == 1 for gain in against["gains"])
    assert against["non_inferior"] or len(case.examples) < 200  # forty rows prove little
    assert "not to be told from twin" in answer.sections[0].lead


def test_labels_in_another_order_are_the_same_labels(case: Case) -> None:
    rival = other(case)
    plain = comparison.compare(case, rival).figures["against"]
    order = np.array([2, 0, 3, 1])
    target = case.expert.target
    assert isinstance(target, Classes)

    class Turned:
        """The rival's answers with its labels in another order."""

        def outputs(self, inputs: object) -> np.ndarray:
            return rival.predictor.outputs(inputs)[:, order]

        def save(self, folder: object) -> None:
            raise NotImplementedError

    labels = tuple(target.labels[at] for at in order)
    turned = replace(rival, target=replace(target, labels=labels), predictor=Turned())
    again = comparison.compare(case, turned).figures["against"]
    assert again == plain


def test_experts_on_other_things_are_not_compared(case: Case) -> None:
    for target in (Classes(("card", "fees", "login", "else")), Quantity()):
        with pytest.raises(UsageError) as caught:
            comparison.compare(case, other(case, target=target))
        assert caught.value.code == "other-target"


def test_a_margin_that_is_asked_for_decides(case: Case) -> None:
    truth, ours, theirs = case.evaluation.truth, case.evaluation.outputs, case.generic_outputs
    wide = comparison.compared(case, truth, theirs, ours, margin=0.99)
    narrow = comparison.compared(case, truth, theirs, ours, margin=0.001)
    assert wide.equivalence.non_inferior
    assert not narrow.equivalence.equivalent


def test_the_page_says_what_was_found(case: Case) -> None:
    answer = comparison.with_generic(case)
    page = render("Gains", answer.sections)
    assert "you could not see less than" in page
    assert "better than the generic base" in page
