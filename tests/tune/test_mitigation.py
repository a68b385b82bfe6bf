"""Mitigations: rows drawn as said, thresholds that close the gap, in tuning, predicting, evaluating and explaining."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metier
from metier.data.groups import Groups
from metier.errors import DataError, UsageError
from metier.expert import Expert
from metier.govern import origin
from metier.tasks.classes import Classes
from metier.tasks.contract import Examples
from metier.tune import mitigation
from metier.workspace import Workspace


def test_mitigations_draw_what_they_say() -> None:
    rng = np.random.default_rng(0)
    codes = (rng.random(400) < 0.3).astype(int)
    truth = (rng.random(400) < np.where(codes == 1, 0.7, 0.3)).astype(int)
    groups = Groups("sex", ("f", "m"), codes, ("sex",))
    examples = Examples(None, truth, Classes(("no", "yes")), np.arange(400))
    drawn = mitigation.reweighed(examples, groups, 0)
    shares = [truth[drawn][codes[drawn] == code].mean() for code in (0, 1)]
    assert shares[0] == pytest.approx(shares[1], abs=0.01)
    assert truth[drawn].mean() == pytest.approx(truth.mean(), abs=0.01)
    even = mitigation.balanced(examples, groups, 0)
    table = np.array([[(truth[even][codes[even] == code] == label).sum() for label in (0, 1)] for code in (0, 1)])
    assert np.abs(table[0] - table[1]).max() <= 1
    scores = rng.normal(size=400) + codes
    found = mitigation.thresholds(scores, truth == 1, groups, of_true=False)
    selected = [(scores - found[codes] > 0)[codes == code].mean() for code in (0, 1)]
    assert selected[0] == pytest.approx(selected[1], abs=0.02)


def loans(rows: int, seed: int) -> list[tuple[Any, ...]]:
    """Income decides for men; women of the same income are refused more often. The part of town gives sex away."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(rows):
        sex = str(rng.choice(["female", "male"]))
        part = sex[0] if rng.random() < 0.9 else str(rng.choice(["f", "m"]))
        income = rng.normal(50, 15)
        lean = (income - 50) / 8 - (3 if sex == "female" else 0)
        out.append((sex, part, round(income, 1), "yes" if rng.random() < 1 / (1 + np.exp(-lean)) else "no"))
    return out


def write(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sex", "part", "income", "granted"])
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lending")
    write(folder / "train.csv", loans(800, 1))
    write(folder / "test.csv", loans(500, 2))
    return folder


def tuned(place: Path, tiny_base: Path, **choices: Any) -> metier.Tuned:
    """Tuned without reading sex, which the part of town gives away."""
    words = {"target": "granted", "kind": "rows", "rung": "linear", "ignore": ("sex",), "base": str(tiny_base)}
    words |= {"test": str(place / "test.csv"), "workspace": place / "home"}
    return metier.tune(place / "train.csv", **{**words, **choices})


def gaps(place: Path, expert: Path) -> Mapping[str, Any]:
    found = metier.evaluate(
        expert, place / "test.csv", groups=("sex",), questions=("bias",), workspace=place / "home"
    ).figures["bias"]
    return {name: found[f"{name}_difference"] for name in ("demographic_parity", "equalized_odds")} | {
        "tpr": abs(found["rates"]["female"]["tpr"] - found["rates"]["male"]["tpr"])
    }


def test_each_mitigation_narrows_the_gap_it_is_for_on_unseen_rows(place: Path, tiny_base: Path) -> None:
    plain = gaps(place, tuned(place, tiny_base).expert)
    assert plain["demographic_parity"] > 0.25
    drawn = tuned(place, tiny_base, mitigate="reweighting", mitigate_by=("sex",))
    assert gaps(place, drawn.expert)["demographic_parity"] < 0.5 * plain["demographic_parity"]
    told = drawn.figures["mitigation"]
    assert (told["mitigation"], told["group"], told["groups"]) == ("reweighting", "sex", ["female", "male"])
    assert "reweighting by sex" in drawn.report.read_text(encoding="utf-8")
    assert told["different_rows"] < told["rows"] == pytest.approx(800, abs=4)
    assert narrower(told, "demographic_parity_difference")
    assert told["brought"]["how"].startswith("held-out rows; the rung linear")
    even = tuned(place, tiny_base, mitigate="balanced-sampling", mitigate_by=("sex",))
    assert gaps(place, even.expert)["demographic_parity"] < 0.5 * plain["demographic_parity"]
    found = tuned(place, tiny_base, mitigate="group-thresholds", mitigate_by=("sex",))
    assert gaps(place, found.expert)["tpr"] < 0.5 * plain["tpr"]
    assert narrower(found.figures["mitigation"], "equalized_odds_difference")
    brought = found.figures["mitigation"]["brought"]
    # With thresholds the same model answers the test rows: what is told of it is what `evaluate` finds there.
    asked = metier.evaluate(
        found.expert, place / "test.csv", groups=("sex",), questions=("bias",), workspace=place / "home"
    ).figures["bias"]
    assert brought["rows"] == 500
    assert brought["equalized_odds_difference"]["with"]["value"] == pytest.approx(asked["equalized_odds_difference"])
    for sex, rates in asked["rates"].items():
        told_of = brought["rates"][sex]
        assert {name: told_of[name]["with"]["value"] for name in ("selection_rate", "tpr", "fpr")} == {
            name: pytest.approx(rates[name]) for name in ("selection_rate", "tpr", "fpr")
        }
    alike = tuned(place, tiny_base, mitigate="group-thresholds", mitigate_by=("sex",), equalise="selection")
    assert gaps(place, alike.expert)["demographic_parity"] < 0.3 * plain["demographic_parity"]


def narrower(told: Mapping[str, Any], gap: str) -> bool:
    """Whether the gap is told to be narrower with the mitigation, beyond chance, and the figures agree."""
    found = told["brought"][gap]
    change = found["with"]["value"] - found["without"]["value"]
    assert found["change"]["value"] == pytest.approx(change)
    return bool(found["change"]["high"] < 0)


def test_what_a_mitigation_brought_is_told_on_held_out_rows(place: Path, tiny_base: Path) -> None:
    words = {"test": None, "mitigate_by": ("sex",), "equalise": "selection"}
    made = tuned(place, tiny_base, mitigate="group-thresholds", **words)
    told = made.figures["mitigation"]
    assert narrower(told, "demographic_parity_difference")
    assert "found on the other half" in told["brought"]["how"]
    page = made.report.read_text(encoding="utf-8")
    assert "What group-thresholds by sex brought" in page
    assert "Group-thresholds narrows the difference in how often it is given" in page
    # Nothing that was drawn is held to rows that it chose: the score's change is its own.
    score = told["brought"]["score"]
    assert score["change"]["value"] == pytest.approx(score["with"]["value"] - score["without"]["value"])


def test_what_would_cost_too_much_to_measure_is_said_and_how_to_do_it(
    tmp_path: Path, tiny_base: Path, metier: Any
) -> None:
    rows = [(f"my {thing} of town {part} is gone {at}", thing, part) for at in range(30)
            for thing in ("card", "login") for part in "fm"]  # fmt: skip
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "intent", "part"), *rows])
    words = ["tune", tmp_path / "t.csv", "--target", "intent", "--ignore", "part", "--rung", "adapter", "--epochs", "1"]
    words += ["--mitigate", "balanced-sampling", "--mitigate-by", "part", "--base", tiny_base]
    done = metier(*words, "--workspace", tmp_path / "home", "--json")
    assert done.code == 0
    told = done.json["mitigation"]
    assert told["brought"] is None
    assert "adapter" in told["not_measured"]
    page = Path(done.json["report"]).read_text(encoding="utf-8").replace("<wbr>", "")
    assert "metier evaluate EXPERT ROWS --group part" in page


def test_rows_that_were_not_drawn_count_as_not_learnt(place: Path, tiny_base: Path) -> None:
    drawn = tuned(place, tiny_base, mitigate="reweighting", mitigate_by=("sex",))
    home = Workspace.find(place / "home")
    found, why = origin.find(Expert.load(drawn.expert), home)
    assert found is not None, why
    assert found.learnt.sum() == drawn.figures["mitigation"]["different_rows"] < len(found.learnt)


def test_an_expert_with_thresholds_answers_by_group_everywhere_alike(place: Path, tiny_base: Path) -> None:
    made = tuned(place, tiny_base, mitigate="group-thresholds", mitigate_by=("sex",))
    expert = Expert.load(made.expert)
    rows = [{"part": "f", "income": 54.0, "sex": sex} for sex in ("female", "male", None, "unheard")]
    woman, man, unknown, unheard = expert.predict(rows)
    assert woman != man
    assert unknown == unheard
    told = metier.explain(made.expert, json.dumps(rows[0]), workspace=place / "home").figures
    assert (told["prediction"], told["confidence"]) == (woman.prediction, pytest.approx(woman.confidence, abs=1e-6))
    with pytest.raises(DataError) as caught:
        expert.predict([{"part": "f", "income": 54.0}])
    assert caught.value.code == "missing-columns"
    assert "sex" in caught.value.found or "sex" in caught.value.problem
    # What tune measured on the test file is what evaluate finds there.
    again = metier.evaluate(
        made.expert, place / "test.csv", questions=("comparison", "robustness", "privacy"), workspace=place / "home"
    )
    assert again.figures["metrics"]["accuracy"]["value"] == made.figures["test"]["accuracy"]["value"]


@pytest.mark.parametrize(
    ("choices", "code"),
    [
        ({"mitigate": "reweighting"}, "no-group"),
        ({"mitigate_by": ("sex",)}, "no-mitigation"),
        ({"mitigate": "reweighting", "mitigate_by": ("sx",)}, "no-such-column"),
        ({"mitigate": "group-thresholds", "mitigate_by": ("income",)}, "bands-of-numbers"),
        ({"mitigate": "reweighting", "mitigate_by": ("sex",), "target": "income"}, "no-mitigation"),
        ({"mitigate": "group-thresholds", "mitigate_by": ("granted",), "target": "income"}, "no-mitigation"),
    ],
)
def test_what_cannot_be_mitigated_is_refused_before_a_run_is_made(
    place: Path, tiny_base: Path, choices: dict[str, Any], code: str
) -> None:
    before = set((place / "home").glob("runs/*"))
    with pytest.raises(UsageError) as caught:
        tuned(place, tiny_base, **choices)
    assert caught.value.code == code
    assert caught.value.fix
    assert set((place / "home").glob("runs/*")) == before
