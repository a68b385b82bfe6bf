"""The data sheet: valid by the published context, true to the file, and nothing in it that nobody said."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metier import files, tasks
from metier.curate import export, sheet
from metier.curate.fates import resolve
from metier.curate.findings import Finding
from metier.curate.material import Material, Side
from metier.data.read import read
from metier.plan import Plan
from metier.trunk import base
from metier.trunk.features import Trunk

# What of schema.org is used; everything else must be in the context or carry one of its prefixes.
SCHEMA = {"name", "description", "datePublished", "version", "license", "creator", "usageInfo", "isBasedOn"}
SCHEMA |= {"distribution", "contentUrl", "contentSize", "encodingFormat", "sha256"}
SAID = {
    "source": "the help desk's export",
    "purpose": "routing of tickets",
    "lawful_basis": "contract",
    "retention": "two years",
    "consent": "not needed",
    "licence": "CC0-1.0",
    "creator": "Desk GmbH",
}


@pytest.fixture
def made(tmp_path: Path, tiny_base: Path) -> Any:
    """Makes a sheet of a small table of five findings, with what a person said of it."""

    def make(**choices: str) -> sheet.Sheet:
        lines = [f"2026-0{1 + n % 9}-15,the card number {n},{'card' if n % 3 else 'fees'},{n}.5\n" for n in range(30)]
        (tmp_path / "tickets.csv").write_text("date,text,intent,amount\n" + "".join(lines) + "2026-02-02,,card,1.5\n")
        plan = Plan.of(target="intent", text=("text",), base=str(tiny_base), **choices)
        data = read(tmp_path / "tickets.csv", plan.data, tmp_path / "cache")
        task = tasks.get("text-classification")
        material = Material(task, Side(data, task.prepare(data, plan)), None, Trunk(base.find(str(tiny_base))), plan)
        file = material.train.file
        findings = [
            Finding("duplicate", 4, file, 1.0, "The same.", 3, "drop"),
            Finding("label_error", 5, file, 0.9, "Looks like fees.", "fees", "relabel"),
            Finding(
                "personal_data", 6, file, 0.9, "A name.", "[name]", "rewrite", "text", facts={"types": {"name": 2}}
            ),
            Finding("imbalance", None, file, 0.9, "card has two thirds of the rows."),
            Finding("off_topic", 9, file, 0.4, "Far from all others."),
        ]
        settled = resolve(findings, file=file, rows=31, set_aside={30: "empty text"}, apply=True)
        words = np.array(["train", "validation"] * 15 + [None], object)
        written = export.write(data, settled, tmp_path / "clean.csv", words)
        noise = {"value": 0.05, "low": 0.03, "high": 0.08}
        return sheet.Sheet(
            material, findings, settled, {}, noise, written, here=True, split=True, asked=("labels", "privacy")
        )

    return make


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {*value, *(key for item in value.values() for key in keys(item))}
    return {key for item in value for key in keys(item)} if isinstance(value, list) else set()


def test_every_property_means_something_in_the_published_context(made: Any) -> None:
    document = sheet.croissant(made(**SAID))
    context = document.pop("@context")
    assert (context["cr"], context["rai"]) == (
        "http://mlcommons.org/croissant/",
        "http://mlcommons.org/croissant/RAI/",
    )
    assert context["@vocab"] == "https://schema.org/"
    unknown = {key for key in keys(document) - set(context) - SCHEMA if not key.startswith(("@", "rai:"))}
    assert unknown == set()
    assert document["conformsTo"] == [
        "http://mlcommons.org/croissant/1.0",
        "http://mlcommons.org/croissant/RAI/1.0",
    ]
    assert document["@type"] == "sc:Dataset"
    assert json.loads(files.pretty(document)) == document


def test_the_file_is_the_one_described(made: Any, tmp_path: Path) -> None:
    document = sheet.croissant(made())
    (file,) = document["distribution"]
    assert file["sha256"] == files.sha256(tmp_path / "clean.csv")
    assert file["contentSize"] == f"{(tmp_path / 'clean.csv').stat().st_size} B"
    assert (file["contentUrl"], file["encodingFormat"]) == ("clean.csv", "text/csv")
    head = (tmp_path / "clean.csv").read_text().splitlines()[0].split(",")
    (records,) = document["recordSet"]
    assert [field["name"] for field in records["field"]] == head
    assert {field["source"]["fileObject"]["@id"] for field in records["field"]} == {file["@id"]}
    types = {field["name"]: field["dataType"] for field in records["field"]}
    assert types == {
        "date": "sc:Date", "text": "sc:Text", "intent": ["sc:Text", "cr:Label"], "amount": "sc:Float", "split": "sc:Text",
    }  # fmt: skip


def test_what_a_person_said_stands_where_the_standard_has_it(made: Any) -> None:
    document = sheet.croissant(made(**SAID))
    assert document["rai:dataCollection"] == "the help desk's export"
    assert document["rai:dataUseCases"] == "routing of tickets"
    assert document["rai:dataReleaseMaintenancePlan"] == "two years"
    assert document["usageInfo"] == "Lawful basis: contract. Consent: not needed."
    assert (document["license"], document["creator"]["name"]) == ("CC0-1.0", "Desk GmbH")


def test_nothing_is_invented(made: Any) -> None:
    document = sheet.croissant(made())
    absent = {
        "license",
        "creator",
        "usageInfo",
        "rai:dataCollection",
        "rai:dataUseCases",
        "rai:dataReleaseMaintenancePlan",
    }
    assert absent & set(document) == set()
    assert None not in document.values()


def test_what_was_found_and_done_is_told(made: Any) -> None:
    document = sheet.croissant(made())
    assert document["rai:dataManipulationProtocol"].startswith(
        "1 row left out; 1 row given another label; 1 row with rewritten text; all others as they were. 1 row "
        "without a text or a label."
    )
    assert "5.0% (3.0% to 8.0%)" in document["rai:dataAnnotationAnalysis"]
    assert document["rai:dataBiases"] == ["card has two thirds of the rows."]
    assert document["rai:personalSensitiveInformation"] == [
        "Found: name (2); in 1 row, 1 of them hidden, changed or left out."
    ]
    assert document["rai:dataCollectionMissingData"] == "Empty cells: text (1 row)."
    assert document["rai:dataCollectionTimeframe"] == ["2026-01-15T00:00:00", "2026-09-15T00:00:00"]
    assert document["rai:machineAnnotationTools"][0].endswith("relabelled 1 row from out-of-fold probabilities.")
    assert document["rai:dataLimitations"] == ["1 finding of the kind off_topic, still in it."]


def test_where_nobody_looked_for_personal_data_it_says_so(made: Any) -> None:
    from dataclasses import replace

    document = sheet.croissant(replace(made(), asked=("labels",)))
    assert document["rai:personalSensitiveInformation"] == ["Personal data was not looked for."]


def test_the_page_names_what_is_still_to_be_said_and_the_flag_for_it(made: Any) -> None:
    page = html.unescape(re.sub(r"<wbr>|<[^>]+>", "", sheet.page(made(purpose="routing of tickets"))))
    assert "routing of tickets" in page
    for flag in ("--source", "--lawful-basis", "--consent", "--retention", "--licence", "--creator"):
        assert f"Add {flag} TEXT." in page
    assert "Add --purpose" not in page
