"""What stands in the documents: figures with their evidence, all points of the law, a valid bill, changes that are true."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from metier import files
from metier.govern.documents import answers, bill, card, iso, law, measured, nist, room, sources
from metier.govern.documents.basis import Basis
from metier.govern.documents.layout import laid_out
from metier.govern.documents.pieces import Said
from metier.pages import words

TODAY = date(2026, 11, 24)
RELEASED = {
    "release": {"name": "loans", "version": 2, "stage": "candidate", "id": "r2"},
    "approvals": [
        {"name": "Grace Hopper", "role": "validator", "decision": "approve", "reason": "sound", "at": "2026-11-23"}
    ],
    "gates": [{"gate": "accuracy", "wanted": ">= 0.6", "found": 0.75, "low": 0.7, "high": 0.8, "passed": True}],
    "waivers": [{"gate": "privacy", "name": "Ada", "reason": "few rows", "until": "2027-01-01"}],
    "findings": [
        {"id": "F-1", "severity": "low", "text": "Few rows | of the north.", "by": "Grace Hopper", "at": "2026-11-22"}
    ],
    "review": {"limitations": "Only tried on 80 rows."},
    "ledger": {"records": 12, "root": "abcdef"},
}


@pytest.fixture(scope="module")
def basis(loans) -> Basis:
    dossier = replace(loans[1].dossier(since=loans[0].expert), **RELEASED)
    return Basis(dossier, dossier.sources(), TODAY)


@pytest.fixture(scope="module")
def folder(basis, tmp_path_factory) -> Path:
    return room.documents(basis.dossier, tmp_path_factory.mktemp("loans") / "out", today=TODAY).folder


def test_every_evidence_leads_to_something_in_a_file_of_that_hash(basis):
    seen = 0
    for document in room._drawn(basis):
        for one in document.evidence():
            source = basis.sources[one.source]
            assert sources.at(source.data, one.pointer) not in (None, "", [], {}), one
            if not source.made:
                assert files.sha256(source.path) == source.sha256
            seen += 1
    assert seen > 400


def test_numbers_in_the_documents_are_those_of_their_evidence(basis):
    """Whole numbers and figures are told as the evidence holds them; nothing is typed in by hand."""
    seen = 0
    for document in room._drawn(basis):
        for piece in document.pieces():
            if not (isinstance(piece, Said) and len(piece.evidence) == 1):
                continue
            value = sources.at(basis.sources[piece.evidence[0].source].data, piece.evidence[0].pointer)
            if (
                isinstance(value, dict)
                and words.finite(value.get("value")) is not None
                and set(value) <= {"value", "low", "high"}
            ):
                told = {words.figure(value["value"], value["low"], value["high"], unit) for unit in ("", "%")}
                assert piece.text.removesuffix(".") in told
                seen += 1
            elif isinstance(value, int) and not isinstance(value, bool):
                assert (
                    words.count(value) in piece.text
                    or str(value) in piece.text
                    or words.number(value, "MiB") in piece.text
                )
                seen += 1
    assert seen > 100


def test_a_statement_without_evidence_holds_no_figure(basis):
    (document,) = room._drawn(basis, ["card"])
    loose = [piece.text for piece in document.pieces() if isinstance(piece, Said) and not piece.evidence]
    assert len(loose) > 10
    followed = {one.told() for one in law.LAW.values()}
    assert [
        text for text in loose if re.search(r"\d", text.replace("_f1", "").replace(" f1", "")) and text not in followed
    ] == []


def test_the_evidence_table_at_the_end_numbers_every_reference(folder):
    for page in folder.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        used = set(re.findall(r"\(#e(\d+)\)", text))
        listed = re.findall(r'<a id="e(\d+)"></a>(\d+) \| (\S+) \| (.+) \| ([0-9a-f]{12}) \|', text)
        assert used == {number for number, *_ in listed} != set(), page.name
    manifest = json.loads((folder / "documents.json").read_text())
    line = re.search(
        r"</a>\d+ \| evaluation/evaluation.json \| /metrics/accuracy \| ([0-9a-f]{12})",
        (folder / "card.md").read_text(),
    )
    assert line is not None
    assert manifest["sources"]["evaluation/evaluation.json"].startswith(line[1])


def test_pages_are_self_contained_and_their_links_lead_somewhere(folder):
    pages = sorted(folder.glob("*.html"))
    assert len(pages) == 9
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r'(src|href)="(?!#)', text), page.name
        assert "<script" not in text
        assert set(re.findall(r'href="#([^"]+)"', text)) <= set(re.findall(r'id="([^"]+)"', text)), page.name


def test_the_card_is_read_by_the_hub_client(folder, basis):
    from huggingface_hub import ModelCard

    read = ModelCard.load(folder / "card.md").data
    figures = {one.metric_type: one.metric_value for one in read.eval_results}
    assert figures["accuracy"] == basis.get("evaluation/evaluation.json", "/metrics/accuracy/value")
    assert read.eval_results[0].task_type == "tabular-classification"
    assert read.eval_results[0].dataset_revision == basis.get("evaluation/data.json", "/evaluated/source/sha256")
    assert read.license is None  # nobody has said it
    assert read.base_model is None  # a linear model on columns does not stand on a base


def test_what_people_say_goes_into_the_front_matter(basis, tmp_path):
    (tmp_path / "a.json").write_text(
        json.dumps({"by": "Ada", "answers": {"licence": "Apache-2.0", "language": "en, de"}})
    )
    with_answers = replace(basis, sources={**basis.sources, "answers.json": answers.read(tmp_path / "a.json")})
    front = card.front_matter(with_answers)
    assert "license: apache-2.0\n" in front
    assert "language:\n- en\n- de\n" in front
    (tmp_path / "a.json").write_text(json.dumps({"by": "Ada", "answers": {"licence": "only within the bank"}}))
    other = replace(basis, sources={**basis.sources, "answers.json": answers.read(tmp_path / "a.json")})
    assert "license: other\nlicense_name: only within the bank\n" in card.front_matter(other)


def test_a_tuned_base_is_named_by_an_adapter_of_the_hub(texts):
    dossier = texts.dossier()
    assert dossier.uses_base
    assert "base_model" not in card.front_matter(Basis(dossier, dossier.sources(), TODAY))  # a folder has no name there


def test_all_nine_points_of_annex_iv_stand_in_order(folder):
    titles = re.findall(r"^## (\d)\\?\.", (folder / "annex-iv.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert titles == sorted(titles)
    assert set(titles) == set("123456789")


def test_the_crosswalks_hold_every_category_and_control():
    categories = [line.code for lines in (nist.GOVERN, nist.MAP, nist.MEASURE, nist.MANAGE) for line in lines]
    counts = {"GOVERN": 6, "MAP": 5, "MEASURE": 4, "MANAGE": 4}
    assert categories == [f"{name} {number}" for name, many in counts.items() for number in range(1, many + 1)]
    controls = [line.code for lines in iso.CONTROLS.values() for line in lines]
    assert len(controls) == len(set(controls)) == 38
    assert all(line.evidence or line.questions for lines in iso.CONTROLS.values() for line in lines)


def test_statements_of_a_crosswalk_are_sentences(folder):
    text = (folder / "nist-ai-rmf.md").read_text(encoding="utf-8")
    assert re.search(r"accuracy: [\d.]+% \([^)]+\) on 80 labelled rows of test\.csv\. \[", text)


def test_each_document_names_the_dated_text_it_follows(basis):
    for document in room._drawn(basis):
        told = "\n".join(piece.text for piece in document.pieces() if isinstance(piece, Said))
        assert document.laws or document.name == "changes"
        for name in document.laws:
            assert f"{law.LAW[name].title}, as of " in told
    assert "secondary sources" in law.LAW["sr-26-2"].told()


def test_the_registrys_words_stand_in_the_file_of_a_bank(folder):
    text = (folder / "model-risk.md").read_text(encoding="utf-8")
    for words_ in (
        "Grace Hopper",
        "Few rows \\| of the north.",
        "few rows",
        "Only tried on 80 rows.",
        "12 records, root abcdef",
    ):
        assert words_ in text
    assert "`limitations`" not in text


def test_groups_are_told_with_their_intervals(folder, basis):
    text = (folder / "card.md").read_text(encoding="utf-8")
    rate = basis.get("evaluation/evaluation.json", "/bias/intervals/rates/north/accuracy")
    assert words.figure(rate["value"], rate["low"], rate["high"], "%") in text


def test_groups_of_a_few_rows_are_left_out_and_others_compared_too(basis):
    source = basis.sources["evaluation/evaluation.json"]
    bias = source.data["bias"]
    rates = {"north": {**bias["rates"]["north"], "rows": 3}, "south": bias["rates"]["south"]}
    other = {**bias, "group": "district", "others": []}
    changed = {**source.data, "bias": {**bias, "rates": rates, "others": [other]}}
    part = measured.groups(
        replace(basis, sources={**basis.sources, "evaluation/evaluation.json": replace(source, data=changed)})
    )
    first, note, _, second, *_ = part.blocks
    assert [row[0][0].text for row in first.rows] == ["south"]
    assert note.cell[0].text.startswith("1\u00a0group left out")
    assert second.columns[0] == "district"
    assert [row[0][0].text for row in second.rows] == ["north", "south"]


def test_a_second_evaluation_answers_what_the_first_was_not_asked(texts, metier):
    rows = ["--only", "privacy", "--workspace", texts.workspace, "--json"]
    answer = metier("evaluate", texts.expert, texts.test, *rows)
    assert answer.code == 0, answer
    dossier = texts.dossier()
    found = Basis(dossier, dossier.sources(), TODAY)
    (said,) = found.figure("evaluation/evaluation.json", "/privacy/auc")
    assert said.evidence[0].source == "evaluation-2/evaluation.json"
    # Only to be read by others: the second evaluation is taken away again.
    import shutil

    shutil.rmtree(dossier.evaluations[1])


# ------------------------------------------------------------------------------------------------------- the change log


def test_the_change_log_counts_rows_and_names_choices(folder):
    text = (folder / "changes.md").read_text(encoding="utf-8")
    for told in (
        "**Rows added**: 40",
        "**Rows removed**: 0",
        "**Rows as before**: 160",
        "| seed | 1",
        "the same: tiny",
    ):
        assert told in text


def test_the_change_log_compares_row_by_row_where_that_was_done(folder, basis):
    gains = basis.get("evaluation/evaluation.json", "/against/gains")
    gain = next(one for one in gains if one["metric"] == "accuracy")
    text = (folder / "changes.md").read_text(encoding="utf-8")
    assert words.figure(gain["points"], gain["low"], gain["high"], "%") in text
    assert "measure-paired" not in text


def test_versions_that_were_not_paired_say_so(loans):
    dossier = loans[0].dossier(since=loans[1].expert)
    gaps = [gap["id"] for gap in room.missing(dossier, ["changes"])["changes"]]
    assert gaps == ["measure-paired"]


def test_a_version_that_learnt_from_the_same_rows_says_so(loans):
    dossier = loans[0].dossier(since=loans[0].expert)
    (document,) = room._drawn(Basis(dossier, dossier.sources(), TODAY), ["changes"])
    told = [piece.text for piece in document.pieces() if isinstance(piece, Said)]
    assert "Both learnt from the same rows." in told
    assert "Every choice is as it was." in told


def test_rows_that_are_gone_are_not_guessed(loans):
    dossier = replace(loans[1].dossier(since=loans[0].expert), data_change=None)
    assert [gap["id"] for gap in room.missing(dossier, ["changes"])["changes"]] == ["data-change"]


# ----------------------------------------------------------------------------------------------------- bill of materials


def schema():
    """CycloneDX 1.6 as the library ships it, with what it refers to; nothing is fetched."""
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    import cyclonedx.schema

    place = Path(cyclonedx.schema.__file__).parent / "_res"
    load = {
        name: json.loads((place / f"{name}.SNAPSHOT.schema.json").read_text())
        for name in ("bom-1.6", "spdx", "jsf-0.82")
    }
    known = [
        (f"http://cyclonedx.org/schema/{name}{end}.schema.json", load[name])
        for name in ("spdx", "jsf-0.82")
        for end in ("", ".SNAPSHOT")
    ]
    return jsonschema_rs.validator_for(load["bom-1.6"], registry=jsonschema_rs.Registry(known))


def test_the_bill_is_valid_cyclonedx(folder, texts):
    validator = schema()
    dossier = texts.dossier()
    text_bill = json.loads(bill.bom(Basis(dossier, dossier.sources(), TODAY)))
    for found in (json.loads((folder / bill.FILE).read_text()), text_bill):
        assert [error.message for error in validator.iter_errors(found)] == []
    text_bill["metadata"]["component"]["modelCard"]["oops"] = 1
    assert not validator.is_valid(text_bill)


def test_the_bill_names_model_base_data_and_software_by_hash(texts):
    dossier = texts.dossier()
    basis = Basis(dossier, dossier.sources(), TODAY)
    found = json.loads(bill.bom(basis))
    assert found["metadata"]["component"]["hashes"][0]["content"] == basis.sources["expert/manifest.json"].sha256
    kinds = {one["name"]: one for one in found["components"]}
    assert kinds["tiny"]["hashes"][0]["content"] == basis.get("expert/metier.json", "/base/sha256")
    assert kinds["tickets.csv"]["type"] == "data"
    assert kinds["tickets.csv"]["hashes"][0]["content"] == basis.get("expert/metier.json", "/data")
    torch = kinds["torch"]
    assert torch["version"] == basis.get("run/environment.json", "/packages/torch")
    assert torch["purl"].startswith("pkg:pypi/torch@")
    assert {"name": "metier:seen", "value": "run"} in torch["properties"]
    assert any(
        {"name": "metier:seen", "value": "installed"} in one.get("properties", []) for one in found["components"]
    )
    measured = found["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert {one["type"] for one in measured} >= {"accuracy", "macro_f1"}


def test_a_laid_out_document_is_plain_json(basis):
    for document in room._drawn(basis):
        assert json.loads(json.dumps(laid_out(document, basis), allow_nan=False))


# ------------------------------------------------------------------------------------------------------ curated data


@pytest.fixture(scope="module")
def curated(loans) -> Basis:
    """The first version learnt from a curated file."""
    dossier = loans[0].dossier()
    return Basis(dossier, dossier.sources(), TODAY)


def test_the_curation_is_found_by_the_hash_of_what_it_cleaned(curated):
    assert curated.dossier.curation is not None
    assert curated.get("curation/curation.json", "/cleaned/sha256") == curated.get("expert/metier.json", "/data")


def test_the_data_sheet_says_what_curation_found_and_people_said(curated):
    (document,) = room._drawn(curated, ["data-sheet"])
    told = " ".join(piece.text for piece in document.pieces() if isinstance(piece, Said))
    assert "the branches' own books" in told  # --source
    assert "1 row left out" in told
    assert {"data-source", "data-purpose"}.isdisjoint(document.questions())
    assert "data-licence" in document.questions()


def test_data_before_curation_is_in_the_bill(curated):
    found = {one["name"]: one for one in json.loads(bill.bom(curated))["components"]}
    assert {"name": "metier:kind", "value": "data before curation"} in found["raw.csv"]["properties"]


def test_a_curation_of_other_rows_is_refused(curated, loans):
    from metier.errors import RecordError
    from metier.govern.documents.dossier import check

    with pytest.raises(RecordError) as caught:
        check(replace(loans[1].dossier(), curation=curated.dossier.curation))
    assert "curation/curation.json says" in caught.value.found


def test_no_folder_of_this_machine_and_no_cell_of_the_data_is_told(folder, loans):
    for page in (*folder.glob("*.md"), *folder.glob("*.json")):
        text = page.read_text(encoding="utf-8")
        assert str(loans[0].expert.parent) not in text, page.name
        assert "L-00001" not in text, page.name
