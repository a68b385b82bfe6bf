"""Crosswalk to the NIST AI Risk Management Framework 1.0: its nineteen categories, in our own words."""

from __future__ import annotations

from metier.govern.documents import shared
from metier.govern.documents.basis import Basis
from metier.govern.documents.crosswalk import Line, part
from metier.govern.documents.pieces import Document

GOVERN = (
    Line(
        "GOVERN 1",
        "Policies and processes for the risks of AI are in place and followed",
        ("gates", "ledger"),
        ("ai-policy", "risk-management"),
    ),
    Line(
        "GOVERN 2", "People are accountable, empowered and trained", ("approvals",), ("responsibilities", "competence")
    ),
    Line("GOVERN 3", "Diverse views decide on risks through the life of the system", (), ("people-consulted",)),
    Line("GOVERN 4", "Teams think about risk and talk about it", ("findings",), ("concerns",)),
    Line("GOVERN 5", "Those concerned outside are heard", (), ("stakeholders",)),
    Line(
        "GOVERN 6",
        "Risks from third-party software, data and models are handled",
        ("base", "licence", "documents"),
        ("third-parties",),
    ),
)
MAP = (
    Line(
        "MAP 1", "The context is understood: purpose, users, law", (), ("intended-use", "users-affected", "risk-class")
    ),
    Line(
        "MAP 2", "The system is categorised: task, method, limits", ("method", "split", "explanation"), ("limitations",)
    ),
    Line(
        "MAP 3",
        "Abilities, benefits, costs and oversight are known beside a benchmark",
        ("gain", "cost"),
        ("human-oversight",),
    ),
    Line(
        "MAP 4",
        "Risks and benefits of all components are mapped, third parties' too",
        ("base", "licence", "software"),
        (),
    ),
    Line(
        "MAP 5",
        "Impacts on people, groups and society are characterised",
        ("groups",),
        ("foreseeable-harms", "social-impact"),
    ),
)
MEASURE = (
    Line(
        "MEASURE 1",
        "Metrics and methods are chosen and fit the risks",
        ("accuracy",),
        ("metric-choice", "validation-scope"),
    ),
    Line(
        "MEASURE 2",
        "Trustworthiness is measured: validity, safety, security, privacy, fairness, explanations, environment",
        ("accuracy", "calibration", "robustness", "groups", "privacy", "explanation", "cost", "forgetting"),
        ("cybersecurity",),
    ),
    Line("MEASURE 3", "Risks are tracked over time", (), ("monitoring",)),
    Line("MEASURE 4", "How well measuring works is asked of those who know", ("findings",), ("validation-conclusion",)),
)
MANAGE = (
    Line(
        "MANAGE 1", "Risks are ranked, answered and decided upon", ("gates", "waivers", "approvals"), ("residual-risk",)
    ),
    Line(
        "MANAGE 2",
        "Benefits are sustained, and the system can be switched off",
        ("gain",),
        ("fallback", "decommissioning"),
    ),
    Line("MANAGE 3", "Risks from third parties are managed", ("base", "seal"), ("third-parties",)),
    Line(
        "MANAGE 4",
        "Treatment, recovery and communication are planned and watched",
        ("ledger",),
        ("monitoring", "incidents"),
    ),
)


def write(basis: Basis) -> Document:
    """The four functions with all of their categories."""
    parts = (
        part(basis, "Govern", GOVERN),
        part(basis, "Map", MAP),
        part(basis, "Measure", MEASURE),
        part(basis, "Manage", MANAGE),
        shared.laws("nist-ai-rmf"),
    )
    lead = "Where the evidence for each category lies, and what is still to be said by a person."
    return Document("nist-ai-rmf", f"{basis.dossier.name}: crosswalk to NIST AI RMF 1.0", lead, parts, ("nist-ai-rmf",))
