"""Membership: rows learnt by heart are found, honest ones are not, and equal rows are no evidence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metier import lifecycle
from metier.data.split import input_hashes
from metier.evaluate import room
from metier.evaluate.case import Case
from metier.evaluate.privacy import question as membership
from metier.expert import Expert
from metier.pages.page import render
from metier.plan import Plan
from metier.progress import Silent
from metier.workspace import Workspace


def write_tickets(path: Path, rows: int, seed: int) -> Path:
    """Tickets with numbers in them, so that few are alike."""
    rng = np.random.default_rng(seed)
    things = {"card": "card plastic visa", "transfer": "transfer wire payment", "login": "login password pin"}
    lines = ["text,intent"]
    for row in range(rows):
        label = list(things)[row % 3]
        lines.append(f"my {rng.choice(things[label].split())} number {rng.integers(10**6)} fails,{label}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def case(tiny_base, tmp_path_factory, metier) -> Case:
    """A frozen expert of 600 tickets on 300 others, 20 of which stand in both files."""
    place = tmp_path_factory.mktemp("membership")
    train, test = write_tickets(place / "train.csv", 600, 0), write_tickets(place / "test.csv", 300, 1)
    test.write_text(test.read_text() + "\n".join(train.read_text().splitlines()[1:21]) + "\n")
    words = ["tune", train, "--target", "intent", "--base", tiny_base, "--rung", "frozen", "--name", "t"]
    assert metier(*words, "--workspace", place / "home", "-o", place / "expert", "--json").code == 0
    home = Workspace.find(place / "home")
    loaded = Expert.load(place / "expert", cache=home.cache)
    plan = Plan.of(kind=loaded.about["task"])
    return room.gather(loaded, loaded.dataset(lifecycle.read(test, plan, home)), plan, home, Silent())


class Remembering:
    """A predictor somewhat surer of the rows it has seen than of others like them."""

    def __init__(self, examples: Any, by: float, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.known = dict(zip(input_hashes(examples.inputs).tolist(), examples.targets.tolist(), strict=True))
        self.by = by

    def outputs(self, inputs: Any) -> np.ndarray:
        out = self.rng.normal(0, 1, (len(inputs), 3)).astype(np.float32)
        for row, key in enumerate(input_hashes(inputs).tolist()):
            if key in self.known:
                out[row, self.known[key]] += self.by
        return out


def spoiled(case: Case, by: float, seed: int = 0) -> Case:
    predictor = Remembering(case.origin.examples, by, seed)
    raw, calibration = predictor.outputs(case.examples.inputs), case.expert.about["calibration"]
    return replace(
        case,
        expert=replace(case.expert, predictor=predictor),
        evaluation=replace(case.evaluation, raw=raw, outputs=case.expert.target.calibrated(raw, calibration)),
    )


def test_the_sides_are_alike_and_share_no_row(case):
    sides, origin = membership.matched(case), case.origin.examples
    assert sides is not None
    assert len(sides.members) == len(sides.others) >= 200
    labels = [np.bincount(t, minlength=3) for t in (origin.targets[sides.members], case.examples.targets[sides.others])]
    np.testing.assert_array_equal(*labels)
    ours, theirs = input_hashes(origin.inputs), input_hashes(case.examples.inputs)
    assert not np.isin(ours[sides.members], theirs).any()
    assert not np.isin(theirs[sides.others], ours).any()
    assert not np.isin(ours[sides.reference], ours[sides.members]).any()
    assert len(sides.reference) >= 200


def test_rows_learnt_by_heart_are_found(case):
    answer = membership.ask(spoiled(case, 3.0))
    found = answer.figures["privacy"]
    assert isinstance(found["membership_auc"], float)
    assert found["auc"]["low"] > 0.8
    assert found["tpr_at_1%_fpr"]["value"] > 0.05
    assert answer.card is not None
    assert answer.card.standing == "bad"
    learnt = set(case.origin.examples.rows.tolist())
    assert {one["row"] for one in found["exposed"]} <= learnt
    assert all(set(one) == {"row", "score", "unseen_above"} for one in found["exposed"])
    json.dumps(answer.figures, allow_nan=False)
    assert "fails" not in render("Evidence", list(answer.sections))  # no text of a row


def test_who_remembers_nothing_gives_nothing_away(case):
    found = [membership.ask(spoiled(case, 0.0, seed)).figures["privacy"]["auc"] for seed in range(12)]
    assert sum(one["low"] <= 0.5 <= one["high"] for one in found) >= 10
    assert np.mean([one["value"] for one in found]) == pytest.approx(0.5, abs=0.02)


def test_held_out_rows_are_no_members_where_they_were_not_learnt(case):
    origin = replace(case.origin, plan=Plan.of(refit=False))
    sides = membership.matched(replace(case, origin=origin))
    assert sides is not None
    assert not origin.held_out[sides.members].any()
    assert not origin.held_out[sides.reference].any()


def test_few_rows_are_said_to_be_too_few(case):
    answer = membership.ask(case)
    assert answer.figures["privacy"]["tpr_at_0.1%_fpr"] is None
    assert any("too few" in note for note in answer.notes)


def test_without_the_training_rows_nothing_is_known(case):
    answer = membership.ask(replace(case, origin=None, no_origin="the run is gone"))
    assert answer.figures["privacy"]["membership_auc"] is None
    assert answer.card is not None
    assert answer.card.standing == "unknown"
    assert "the run is gone" in answer.notes[0]


def test_a_promise_of_privacy_stands_beside_the_figure(case):
    private = {"epsilon": 7.99, "delta": 1e-5, "covers": "One row."}
    about = {**case.expert.about, "settings": {"private": private}}
    answer = membership.ask(replace(case, expert=replace(case.expert, about=about)))
    assert answer.figures["privacy"]["private"] == private
    assert "epsilon 7.99" in render("Evidence", list(answer.sections))
