"""A US bank's model-risk file: the inventory's fields and the validation's pack (SR 26-2, OCC Bulletin 2026-13)."""

from __future__ import annotations

from metier.govern.documents import changes, measured, shared
from metier.govern.documents.basis import Basis
from metier.govern.documents.pieces import Document, Part


def write(basis: Basis) -> Document:
    """Inventory, development, validation, monitoring, governance."""
    ladder = measured.ladder(basis)
    parts = (
        Part(
            "Inventory",
            (
                shared.asked(
                    basis,
                    model_id="Identifier",
                    model_owner="Owner and users",
                    intended_use="Purpose",
                    out_of_scope_use="Restrictions on use",
                    materiality="Materiality and tier",
                    model_dependencies="Upstream and downstream models",
                    third_parties="Vendors and third parties",
                    deployment="Where it runs",
                ),
                shared.identity(basis),
            ),
        ),
        Part(
            "Development: conceptual soundness",
            (
                shared.method(basis),
                *((ladder,) if ladder else ()),
                shared.asked(
                    basis,
                    conceptual_soundness="The validator's judgement",
                    metric_choice="Choice of the metric",
                    trade_offs="Trade-offs",
                ),
            ),
        ),
        Part(
            "Development: data",
            (
                shared.data(basis),
                shared.asked(basis, data_source="Source", data_representative="Representative for"),
            ),
        ),
        Part(
            "Validation: scope and conclusion",
            (shared.asked(basis, validation_scope="Scope", validation_conclusion="Conclusion"),),
        ),
        measured.figures(basis),
        measured.slices(basis),
        measured.groups(basis),
        Part("Sensitivity and stress", (measured.resilience(basis),)),
        measured.unmeasured(basis),
        Part(
            "Limitations and assumptions",
            (shared.asked(basis, limitations="Limitations", residual_risk="Residual risk"),),
        ),
        shared.findings(basis),
        Part(
            "Ongoing monitoring and outcomes",
            (
                shared.asked(
                    basis,
                    monitoring="Monitoring",
                    outcomes_analysis="Outcomes analysis",
                    revalidation="Next validation",
                ),
            ),
        ),
        Part("Changes", changes.blocks(basis)),
        shared.approvals(basis),
        Part("Governance", (shared.asked(basis, responsibilities="Accountability", fallback="Fallback"),)),
        shared.laws("sr-26-2"),
    )
    lead = "What a bank's inventory and its independent validation ask of a model, as far as records and people say it."
    return Document("model-risk", f"{basis.dossier.name}: model-risk file", lead, parts, ("sr-26-2",))
