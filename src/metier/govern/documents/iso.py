"""Crosswalk to ISO/IEC 42001:2023, Annex A: its 38 controls by number, in our own words."""

from __future__ import annotations

from metier.govern.documents import shared
from metier.govern.documents.basis import Basis
from metier.govern.documents.crosswalk import Line, part
from metier.govern.documents.pieces import Document

CONTROLS: dict[str, tuple[Line, ...]] = {
    "A.2 Policies": (
        Line("A.2.2", "There is a policy on AI", (), ("ai-policy",)),
        Line("A.2.3", "It agrees with the organisation's other policies", (), ("ai-policy",)),
        Line("A.2.4", "It is reviewed", (), ("ai-policy",)),
    ),
    "A.3 Internal organisation": (
        Line("A.3.2", "Roles and responsibilities are set", ("approvals",), ("responsibilities",)),
        Line("A.3.3", "Concerns can be reported", (), ("concerns",)),
    ),
    "A.4 Resources": (
        Line("A.4.2", "Resources are documented", ("run", "documents")),
        Line("A.4.3", "Data", ("data", "columns")),
        Line("A.4.4", "Tools", ("software", "base")),
        Line("A.4.5", "Systems and computing", ("machine",)),
        Line("A.4.6", "People and their skills", (), ("competence",)),
    ),
    "A.5 Impacts": (
        Line("A.5.2", "There is a process to assess impacts", (), ("risk-management",)),
        Line("A.5.3", "Assessments are documented and kept", ("documents",), ("retention",)),
        Line("A.5.4", "Impacts on persons and groups", ("groups", "privacy"), ("users-affected", "foreseeable-harms")),
        Line("A.5.5", "Impacts on society", ("cost",), ("social-impact",)),
    ),
    "A.6 Life cycle": (
        Line("A.6.1.2", "Objectives of responsible development", ("gates",), ("trade-offs",)),
        Line("A.6.1.3", "Processes of responsible design and development", ("method", "gates"), ("risk-management",)),
        Line("A.6.2.2", "Requirements and specification", (), ("intended-use", "metric-choice")),
        Line("A.6.2.3", "Design and development are documented", ("method", "run")),
        Line(
            "A.6.2.4",
            "Verification and validation",
            ("accuracy", "robustness", "slices", "findings"),
            ("validation-conclusion",),
        ),
        Line("A.6.2.5", "Deployment", ("approvals", "seal"), ("deployment",)),
        Line("A.6.2.6", "Operation and monitoring", (), ("monitoring",)),
        Line("A.6.2.7", "Technical documentation", ("documents",), ("instructions",)),
        Line("A.6.2.8", "Events are logged", ("ledger",), ("monitoring",)),
    ),
    "A.7 Data": (
        Line("A.7.2", "Data for development and improvement", ("data", "split")),
        Line("A.7.3", "Acquisition", (), ("data-source", "data-licence")),
        Line("A.7.4", "Quality", ("curation",), ("data-representative",)),
        Line("A.7.5", "Provenance", ("data",), ("data-source",)),
        Line("A.7.6", "Preparation", ("curation",), ("labelling",)),
    ),
    "A.8 Information for others": (
        Line("A.8.2", "Documentation and information for users", ("documents",), ("instructions", "user-interface")),
        Line("A.8.3", "Adverse effects can be reported from outside", (), ("incidents",)),
        Line("A.8.4", "Incidents are told", (), ("incidents",)),
        Line("A.8.5", "Information owed to those concerned", (), ("stakeholders",)),
    ),
    "A.9 Use": (
        Line("A.9.2", "Processes of responsible use", (), ("human-oversight",)),
        Line("A.9.3", "Objectives of responsible use", (), ("intended-use",)),
        Line("A.9.4", "It is used as intended", (), ("out-of-scope-use", "monitoring")),
    ),
    "A.10 Third parties": (
        Line("A.10.2", "Responsibilities are shared out", (), ("third-parties",)),
        Line("A.10.3", "Suppliers", ("base", "licence"), ("third-parties",)),
        Line("A.10.4", "Customers", (), ("stakeholders",)),
    ),
}


def write(basis: Basis) -> Document:
    """Nine groups of controls, in the standard's order."""
    parts = (*(part(basis, title, lines) for title, lines in CONTROLS.items()), shared.laws("iso-42001"))
    lead = "Where the evidence for each control lies, and what is still to be said by a person."
    return Document("iso-42001", f"{basis.dossier.name}: crosswalk to ISO/IEC 42001", lead, parts, ("iso-42001",))
