"""Support for a data protection impact assessment: the points of Article 35(7) of the GDPR."""

from __future__ import annotations

from metier.govern.documents import measured, shared
from metier.govern.documents.basis import EVALUATION, Basis
from metier.govern.documents.pieces import Cell, Document, Facts, Part, Prose, text
from metier.govern.documents.sources import pointer
from metier.pages import words

_SHEET = "curation/datasheet.json"


def write(basis: Basis) -> Document:
    """Points (a) to (d), and what Article 35(2), (9) and (11) add."""
    parts = (
        Part(
            "(a) The processing and its purposes",
            (
                shared.asked(
                    basis,
                    intended_use="Purpose of the expert",
                    data_purpose="Purpose of the data",
                    lawful_basis="Legal ground",
                    data_source="Source",
                    retention="Retention",
                    deployment="Where it is processed",
                ),
                shared.data(basis),
                _read(basis),
            ),
        ),
        Part(
            "(b) Necessity and proportionality",
            (
                shared.asked(
                    basis, necessity="Necessity", consent="Information and consent", rights="Rights of the people"
                ),
            ),
        ),
        Part(
            "(c) Risks to the people",
            (shared.asked(basis, users_affected="Whom it affects", foreseeable_harms="Harms"), _privacy(basis)),
        ),
        measured.groups(basis),
        Part(
            "(d) Measures",
            (
                _measures(basis),
                shared.asked(
                    basis,
                    risk_measures="Further measures",
                    human_oversight="Human oversight",
                    cybersecurity="Security",
                    residual_risk="Residual risk",
                ),
            ),
        ),
        Part(
            "Advice, views and review",
            (shared.asked(basis, people_consulted="Views of the people (35(9))", revalidation="Review (35(11))"),),
        ),
        shared.laws("gdpr"),
    )
    lead = "Facts for the assessment, which the controller makes: nothing here says that the processing is lawful."
    return Document(
        "dpia", f"{basis.dossier.name}: support for the data protection impact assessment", lead, parts, ("gdpr",)
    )


def _read(basis: Basis) -> Facts:
    return shared.facts(
        ("Columns it reads", basis.said(shared.ABOUT, "/reads", ", ".join)),
        ("Columns that identify", _identifying(basis)),
        (
            "Personal data found by curation",
            basis.said(
                _SHEET,
                "/rai:personalSensitiveInformation",
                _sentence,
                text("The rows were not searched by metier for personal data."),
            ),
        ),
    )


def _identifying(basis: Basis) -> Cell:
    place = "/train/schema/columns"
    cells = [
        basis.said("run/data.json", place + pointer(at, "name"))
        for at, one in basis.listed("run/data.json", place)
        if one.get("role") in ("id", "group")
    ]
    return tuple(piece for cell in cells for piece in cell)


def _privacy(basis: Basis) -> Facts:
    attack = basis.figure(EVALUATION, "/privacy/auc")
    return shared.facts(
        ("Membership attack (AUC; 0.5 is chance)", basis.measured("privacy", attack)),
        ("Training rows given away at 1% false alarms", basis.figure(EVALUATION, "/privacy/tpr_at_1%_fpr", "%")),
        ("Rows compared", basis.said(EVALUATION, "/privacy/rows/members", words.count)),
    )


def _measures(basis: Basis) -> Facts | Prose:
    private = basis.said(
        "run/plan.json", "/private/epsilon", lambda e: f"trained with differential privacy, epsilon {e:g}"
    )
    masked = basis.said("curation/plan.json", "/privacy/privacy", ", ".join)
    eased = (
        () if basis.get("run/plan.json", "/fair/mitigate") == "none" else basis.said("run/plan.json", "/fair/mitigate")
    )
    found = shared.facts(
        ("Private training", private), ("Personal data", masked), ("Against gaps between groups", eased)
    )
    return (
        found
        if found.rows
        else Prose(text("No technical measure is recorded: no private training, no hiding of personal data."))
    )


def _sentence(value: object) -> str:
    return " ".join(str(part) for part in value) if isinstance(value, list) else str(value)
