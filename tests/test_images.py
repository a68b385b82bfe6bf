"""Pictures from end to end: a folder is tuned on, evaluated, explained, predicted on and verified, by its commands."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.conftest import Command
from tests.shapes import write_shapes

import metier as metier_package
from metier import Expert
from metier.errors import ExpertError
from metier.export import export
from metier.govern import origin
from metier.workspace import Workspace


@dataclass(frozen=True)
class Shapes:
    """A finished tuning on a folder of drawn pictures, and a folder of others."""

    told: dict[str, Any]
    expert: Path
    data: Path
    test: Path
    home: Path


@pytest.fixture(scope="module")
def tuned(tiny_image_base: Path, tmp_path_factory: pytest.TempPathFactory, metier: Command) -> Shapes:
    place = tmp_path_factory.mktemp("shapes")
    data, test = write_shapes(place / "data", 60), write_shapes(place / "test", 12, seed=5)
    (data / "circle" / "torn.png").write_bytes((data / "circle" / "000.png").read_bytes()[:200])
    (test / "square" / "empty.jpg").touch()
    words = ["tune", data, "--test", test, "--base", tiny_image_base, "--validation", "0.5", "--no-refit"]
    answer = metier(*words, "--rung", "frozen", "--workspace", place / "home", "-o", place / "expert", "--json")
    assert answer.code == 0, answer
    return Shapes(answer.json, place / "expert", data, test, place / "home")


@pytest.fixture(scope="module")
def plain(tuned: Shapes, metier: Command) -> dict[str, Any]:
    """The same without a base."""
    words = ["tune", tuned.data, "--validation", "0.5", "--workspace", tuned.home, "-o", tuned.home / "plain", "--json"]
    answer = metier(*words)
    assert answer.code == 0, answer
    return answer.json


def test_the_folder_is_seen_for_what_it_is(tuned: Shapes, metier: Command) -> None:
    found = metier("inspect", tuned.data, "--workspace", tuned.home, "--json").json
    assert (found["task"], found["target"], found["rows"]) == ("image-classification", "label", 181)


def test_the_ladder_tells_every_rung(tuned: Shapes) -> None:
    assert tuned.told["task"] == "image-classification"
    assert [rung["name"] for rung in tuned.told["rungs"]] == ["majority", "linear", "generic", "frozen", "adapter"]
    assert tuned.told["base"]["architecture"] == "ResNetForImageClassification"
    aside = json.loads((Path(tuned.told["run"]) / "data.json").read_text())["set_aside"]
    assert {reason: len(rows) for reason, rows in aside.items()} == {"the picture cannot be read": 1}
    page = Path(tuned.told["report"]).read_text()
    assert "data:image/jpeg;base64," in page
    assert re.findall(r'<img[^>]+src="(?!data:)', page) == []


def test_without_a_base_it_says_what_one_would_add(plain: dict[str, Any]) -> None:
    assert plain["base"]["name"] == "pixels"
    assert plain["chosen"] == "linear"
    assert plain["validation"]["accuracy"]["value"] > 0.7
    for rung in plain["rungs"][2:]:
        assert "--base" in rung["reason"]


def test_evaluation_answers_for_pictures(tuned: Shapes, plain: dict[str, Any], metier: Command) -> None:
    asked = ["--only", "robustness", "--only", "forgetting", "--only", "explanation", "--sample", "36"]
    found = metier("evaluate", plain["expert"], tuned.test, "--workspace", tuned.home, *asked, "--json").json
    assert found["rows"] == 36
    assert {one["perturbation"] for one in found["robustness"]} == {"blur", "noise", "crop", "brightness", "JPEG"}
    assert "reads none" in found["forgetting"]["note"]
    assert not [word for word in found["notes"] if "explanation: not" in word]
    assert "data:image/jpeg;base64," in Path(found["report"]).read_text()


def test_regions_explain_and_are_drawn(tuned: Shapes, plain: dict[str, Any], metier: Command) -> None:
    whole = metier("explain", plain["expert"], tuned.test, "--workspace", tuned.home, "--json").json
    assert whole["rows"] == 37
    first = whole["explanations"][0]
    assert [set(part) for part in first["attribution"]] == [{"token", "start", "end", "weight", "place"}] * 25
    assert first["attribution"][0]["place"] == {"left": 0.0, "top": 0.0, "width": 0.2, "height": 0.2}
    assert "mostly for “" in first["sentence"] or "no single part" in first["sentence"]
    turned = [one for one in whole["explanations"] if one["counterfactual"]]
    assert turned, "no answer turned, whatever was covered"
    assert "Had it not shown “" in turned[0]["sentence"]
    assert "without" in turned[0]["counterfactual"]["text"]
    unread = [one for one in whole["explanations"] if one["prediction"] is None]
    assert len(unread) == 1
    page = Path(whole["report"]).read_text()
    assert page.count('<div class="shown">') == 36
    one = metier(
        "explain", plain["expert"], tuned.test / "circle" / "000.png", "--workspace", tuned.home, "--json"
    ).json
    again = one["explanations"][0]["attribution"]
    assert [part["weight"] for part in again] == pytest.approx(
        [part["weight"] for part in first["attribution"]], abs=1e-4
    )


def test_every_row_is_answered_and_what_cannot_be_read_abstains(tuned: Shapes, metier: Command, tmp_path: Path) -> None:
    answer = metier("predict", tuned.expert, tuned.test, "--workspace", tuned.home, "-o", tmp_path / "out.csv")
    assert answer.code == 0, answer
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "image,label,prediction,confidence,abstain"
    assert len(lines) == 1 + 37
    assert "square/empty.jpg,square,,0.0,true" in lines
    expert = Expert.load(tuned.expert)
    told = expert.predict([str(tuned.test / "circle" / "000.png"), "nowhere.png"])
    assert [one.abstain for one in told] == [False, True]
    assert lines[1].split(",")[2] == told[0].prediction


def test_the_record_holds(tuned: Shapes, metier: Command) -> None:
    for place in (tuned.expert, Path(tuned.told["run"])):
        assert metier("verify", place, "--workspace", tuned.home).code == 0


def test_pictures_that_were_changed_beside_their_table_are_noticed(tmp_path: Path) -> None:
    folder = write_shapes(tmp_path / "in", 12)
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    rows = "".join(f"{path},{path.split('/')[0]}\n" for path in paths)
    (folder / "list.csv").write_text(f"picture,kind\n{rows}", encoding="utf-8")
    tuned = metier_package.tune(folder / "list.csv", target="kind", rung="linear", workspace=tmp_path / "home")
    place = Workspace.find(tmp_path / "home")
    expert = Expert.load(tuned.expert)
    assert origin.find(expert, place)[1] == ""
    assert expert.about["reads"] == ["picture"]
    (piece,) = metier_package.predict(tuned.expert, folder / paths[0], workspace=tmp_path / "home")
    assert piece[1][0].prediction is not None, "one picture's file is read, whatever the table called its column"
    with Image.open(folder / paths[0]) as image:
        turned = image.rotate(180)
    turned.save(folder / paths[0])
    found, why = origin.find(expert, place)
    assert found is None
    assert "no longer" in why


def test_a_merged_expert_answers_alike_without_its_base(tuned: Shapes, plain: dict[str, Any], tmp_path: Path) -> None:
    expert = Expert.load(tuned.expert)
    merged = Expert.load(expert.merge(tmp_path / "merged"))
    rows = [str(path) for path in sorted(tuned.test.rglob("*.png"))[:6]]
    assert [one.prediction for one in merged.predict(rows)] == [one.prediction for one in expert.predict(rows)]
    assert merged.about["base_is"] == "."
    with pytest.raises(ExpertError) as refused:
        Expert.load(plain["expert"]).merge(tmp_path / "none")
    assert refused.value.code == "nothing-to-merge"


def test_what_pictures_do_not_lend_themselves_to_is_refused(
    tuned: Shapes, tiny_image_base: Path, metier: Command, tmp_path: Path
) -> None:
    with pytest.raises(ExpertError) as refused:
        export(tuned.expert, tmp_path / "onnx")
    assert refused.value.code == "nothing-to-export"
    where = ["--workspace", tuned.home, "--json"]
    for words, code in (
        (["tune", tuned.data, "--rung", "frozen", *where], "rung-lacks"),
        (["tune", tuned.data, "--base", tiny_image_base, "--epsilon", "3", *where], "not-private"),
        (["bases", tuned.data, *where], "not-compared"),
        (["compare", tuned.data, *where], "not-compared"),
        (["tune", tuned.data, "--base", tmp_path, *where], "config-missing"),
    ):
        answer = metier(*words)
        assert (answer.code, answer.json["error"]["code"]) == (1, code), words
