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
    return metier.tune(
        place / "train.csv", test=str(place / "test.csv"), workspace=place / "home", **{**words, **choices}
    )


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
    even = tuned(place, tiny_base, mitigate="balanced-sampling", mitigate_by=("sex",))
    assert gaps(place, even.expert)["demographic_parity"] < 0.5 * plain["demographic_parity"]
    found = tuned(place, tiny_base, mitigate="group-thresholds", mitigate_by=("sex",))
    assert gaps(place, found.expert)["tpr"] < 0.5 * plain["tpr"]
    alike = tuned(place, tiny_base, mitigate="group-thresholds", mitigate_by=("sex",), equalise="selection")
    assert gaps(place, alike.expert)["demographic_parity"] < 0.3 * plain["demographic_parity"]


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
