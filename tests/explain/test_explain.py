"""`metier explain`: one text, a row, a file; the JSON's shape, the page, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.explain.conftest import Opened

import metier as package
from metier.errors import MetierError, UsageError
from metier.explain import choice, neighbours
from metier.explain.attribution import METHODS
from metier.govern import record
from metier.progress import Silent

KEYS = {"prediction", "confidence", "method", "attribution", "because", "counterfactual", "sentence", "faithfulness"}


def shaped(item: dict[str, Any], text: str) -> None:
    """The shape that is relied on."""
    assert set(item) - {"row"} == KEYS
    for part in item["attribution"]:
        assert set(part) == {"token", "start", "end", "weight"}
        assert text[part["start"] : part["end"]] == part["token"]
    for row in item["because"]:
        assert set(row) == {"row", "text", "label", "weight"}
    assert item["counterfactual"] is None or set(item["counterfactual"]) == {"text", "prediction"}
    assert set(item["faithfulness"]) == {"comprehensiveness", "sufficiency", "random"}
    assert set(item["faithfulness"]["comprehensiveness"]) == {"value", "low", "high"}


def test_one_text(tickets: Opened, metier: Any) -> None:
    text = "the password is wrong again 7"
    answer = metier(
        "explain", tickets.expert.folder, text, "--workspace", tickets.place.root, "--json", "--examples", 3
    )
    assert answer.code == 0, answer
    item = answer.json
    shaped(item, text)
    assert item["prediction"] == tickets.expert.predict([text])[0].prediction
    assert item["confidence"] == pytest.approx(tickets.expert.predict([text])[0].confidence, abs=2e-3)
    assert len(item["because"]) == 3
    with (tickets.place.runs / tickets.expert.about["run"] / "data.json").open() as file:
        path = json.load(file)["train"]["source"]["path"]
    rows = Path(path).read_text(encoding="utf-8").splitlines()[1:]
    for row in item["because"]:
        assert rows[row["row"]] == f"{row['text']},{row['label']}"
    assert max(item["attribution"], key=lambda part: part["weight"])["token"] in item["sentence"]


def test_a_counterfactual_is_true(tickets: Opened) -> None:
    explainer = tickets.explainer()
    texts = [row["text"] for row in tickets.rows()]
    found = explainer.explain(tickets.expert.examples(texts).inputs)
    turned = [(text, item) for text, item in zip(texts, found, strict=True) if item["counterfactual"]]
    assert len(turned) >= 0.5 * len(texts)
    for text, item in turned:
        other = item["counterfactual"]
        assert other["text"] != text
        assert other["prediction"] != item["prediction"]
        assert tickets.expert.predict([other["text"]])[0].prediction == other["prediction"]
        assert f"“{other['prediction']}”" in item["sentence"]


def test_explanations_do_not_hang_on_their_company(tickets: Opened) -> None:
    explainer = tickets.explainer(method="leave-one-out")
    texts = [row["text"] for row in tickets.rows()][:6]
    together = explainer.explain(tickets.expert.examples(texts).inputs)
    alone = [explainer.explain(tickets.expert.examples([text]).inputs)[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert one["prediction"] == other["prediction"]
        pairs = zip(one["attribution"], other["attribution"], strict=True)
        assert all(a["weight"] == pytest.approx(b["weight"], abs=5e-3) for a, b in pairs)


def test_a_file_leaves_a_sealed_run_with_a_page(table: Opened, metier: Any) -> None:
    folder, home = table.expert.folder, table.place.root
    answer = metier("explain", folder, table.test, "--workspace", home, "--json", "--quiet")
    assert answer.code == 0, answer
    told = answer.json
    assert [item["row"] for item in told["explanations"]] == list(range(60))
    text = table.expert.task.render(table.expert.examples(table.rows()).inputs, 0)
    shaped(told["explanations"][0], text)
    run = Path(told["run"])
    assert record.verify(run).ok
    lines = [json.loads(line) for line in (run / "explanations.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines == told["explanations"]
    page = Path(told["report"]).read_text(encoding="utf-8")
    assert "<mark" in page
    assert "Can the explanations be believed?" in page
    assert "<script" not in page
    assert record.verify(folder).ok, "explaining must not touch the expert"


def test_the_columns_that_mean_something_carry_the_answers(table: Opened) -> None:
    explainer = table.explainer()
    found = explainer.explain(table.expert.examples(table.rows()).inputs)
    size = {"debt": 0.0, "purpose": 0.0, "colour": 0.0}
    for item in found:
        for part in item["attribution"]:
            size[part["token"].partition(":")[0]] += abs(part["weight"])
    assert size["colour"] < 0.1 * size["debt"]
    assert size["purpose"] > size["colour"]


def test_a_row_as_json(table: Opened, metier: Any) -> None:
    row = json.dumps({"debt": 200, "purpose": "rocket"})
    answer = metier("explain", table.expert.folder, row, "--workspace", table.place.root)
    assert answer.code == 0, answer
    assert "“purpose: rocket”" in answer.out  # never seen in training
    refused = metier("explain", table.expert.folder, "a text", "--workspace", table.place.root, "--json")
    assert refused.code == 1
    assert refused.json["error"]["code"] == "no-row"


def test_a_missing_file_is_no_text(tickets: Opened) -> None:
    with pytest.raises(MetierError):
        package.explain(tickets.expert.folder, "nowhere.csv", workspace=tickets.place.root)


def test_a_method_that_is_none_or_does_not_apply_is_refused(table: Opened) -> None:
    for method in ("tea-leaves", "integrated-gradients"):
        with pytest.raises(UsageError) as error:
            table.explainer(method=method)
        assert error.value.code == "no-such-method"
        assert "leave-one-out" in error.value.fix


def test_a_method_no_better_than_random_is_refused(tickets: Opened, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    told = {"comprehensiveness": None, "sufficiency": None}
    good = {**told, "refused": False, "over_random": {"points": 0.5, "low": 0.4, "high": 0.6}}
    bad = {**told, "refused": True, "over_random": {"points": 0.01, "low": -0.1, "high": 0.1}}
    methods = {name: bad if name == "gradient" else good for name in METHODS}
    choice.store(tickets.expert, cache, {"rows": 30, "best": "stepwise", "methods": {**methods, "random": told}})

    def chosen(asked: str | None) -> choice.Choice:
        given: dict[str, Any] = {"asked": asked, "seed": 0, "progress": Silent()}
        return choice.chosen(tickets.expert, tickets.subject, None, cache, **given)

    with pytest.raises(UsageError) as error:
        chosen("gradient")
    assert error.value.code == "unfaithful-method"
    assert "stepwise" in error.value.fix
    assert chosen(None).method == "stepwise"
    assert chosen("surrogate").method == "surrogate"


def test_what_lies_far_from_all_rows_is_told(tickets: Opened) -> None:
    explainer = tickets.explainer()
    known, strange = explainer.explain(tickets.expert.examples([tickets.rows()[0]["text"], "zyx wvu tsr"]).inputs)
    assert "Nothing it learnt from has “zyx”" in strange["sentence"]
    assert "Nothing it learnt from" not in known["sentence"]


def test_without_its_training_rows_an_expert_still_explains(tickets: Opened, tmp_path: Path, metier: Any) -> None:
    answer = metier("explain", tickets.expert.folder, "my card does not work", "--workspace", tmp_path, "--json")
    # The expert lies in its own run's folder, so its rows are found there; a copy elsewhere has none.
    assert answer.code == 0
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(tickets.expert.folder, copy)
    answer = metier("explain", copy, "my card does not work", "--workspace", tmp_path / "home", "--json")
    assert answer.code == 0, answer
    assert answer.json["because"] == []
    assert answer.json["faithfulness"] == {"comprehensiveness": None, "sufficiency": None, "random": None}
    assert answer.json["method"] == "leave-one-out"


def test_what_was_measured_is_kept_by_the_experts_hash(tickets: Opened) -> None:
    tickets.explainer()
    kept = choice.stored(tickets.expert, tickets.place.cache)
    assert kept is not None
    assert set(kept["methods"]) == {"random", *METHODS}
    assert (
        neighbours.root_of(tickets.expert)
        == json.loads((tickets.expert.folder / "manifest.json").read_text())["root"][:32]
    )


def test_nothing_half_deleted_stays_in_the_feature_cache(tune: Any) -> None:
    rows = [{"text": f"{thing} number {n}", "label": thing} for n in range(40) for thing in ("card", "fee", "login")]
    opened = tune(rows, rows[:6], target="label", rung="frozen")
    explainer = opened.explainer()
    before = sorted(path.name for path in (opened.place.cache / "features").rglob("*.seg"))
    explainer.explain(opened.expert.examples(["card or fee, who knows"]).inputs)
    assert sorted(path.name for path in (opened.place.cache / "features").rglob("*.seg")) == before
    assert before


def test_the_words_that_were_planted_are_found(tickets: Opened) -> None:
    things = {"card", "plastic", "transfer", "wire", "remittance", "login", "password", "fee", "charge", "price"}
    texts = [row["text"] for row in tickets.rows() if things & set(row["text"].split())]
    found = tickets.explainer().explain(tickets.expert.examples(texts).inputs)
    hits = [max(item["attribution"], key=lambda part: part["weight"])["token"] in things for item in found]
    assert np.mean(hits) >= 0.6


def test_no_text_is_an_error_and_not_the_folder_one_stands_in(finished: Any, metier: Any, tmp_path: Path) -> None:
    answer = metier("explain", finished.output, " ", "--json", "--workspace", tmp_path)
    assert answer.code == 1
    assert answer.json["error"]["code"] == "nothing-left"
