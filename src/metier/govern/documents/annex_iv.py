"""The technical file of the EU AI Act's Annex IV: all nine points, each answered from the records or asked."""

from __future__ import annotations

from metier.govern.documents import changes, measured, shared
from metier.govern.documents.basis import Basis
from metier.govern.documents.pieces import Block, Document, Part, Prose, text


def write(basis: Basis) -> Document:
    """The nine points in the annex's order."""
    parts = (
        Part(
            "1. General description of the system",
            (
                shared.identity(basis),
                shared.asked(
                    basis,
                    intended_use="(a) Intended purpose",
                    provider="(a) Provider",
                    risk_class="Class of risk",
                    model_dependencies="(b) Interaction with other systems",
                    deployment="(c), (d), (e) Versions, forms and hardware in service",
                    product_component="(f) Part of a product",
                    user_interface="(g) User interface",
                    instructions="(h) Instructions for use",
                ),
            ),
        ),
        *_development(basis),
        Part(
            "3. Monitoring, functioning and control",
            (
                shared.asked(
                    basis,
                    limitations="Capabilities and limitations",
                    foreseeable_harms="Foreseeable unintended outcomes and sources of risk",
                    human_oversight="Human oversight",
                    fallback="Where it abstains or fails",
                ),
                shared.facts(("Input data", basis.said(shared.ABOUT, "/reads", ", ".join))),
            ),
        ),
        _retitled(measured.groups(basis), "3. Accuracy for persons or groups"),
        Part(
            "4. Appropriateness of the performance metrics",
            (
                shared.facts(("Metric that was optimised", basis.said(shared.ABOUT, "/metric"))),
                shared.asked(basis, metric_choice="Why it is appropriate"),
            ),
        ),
        Part(
            "5. Risk management system (Article 9)",
            (shared.asked(basis, risk_management="Risk management", residual_risk="Residual risk"),),
        ),
        Part("6. Relevant changes through the lifecycle", changes.blocks(basis)),
        Part("7. Harmonised standards and other specifications", (shared.asked(basis, standards="Standards"),)),
        Part("8. EU declaration of conformity (Article 47)", (shared.asked(basis, conformity="Declaration"),)),
        Part(
            "9. Evaluation after it is on the market (Article 72)",
            (shared.asked(basis, post_market_plan="Plan", monitoring="What is watched", incidents="Incidents"),),
        ),
        shared.laws("ai-act"),
    )
    lead = "Technical documentation in the order of Annex IV. It is a draft for the provider, who answers for it."
    return Document("annex-iv", f"{basis.dossier.name}: technical file (EU AI Act, Annex IV)", lead, parts, ("ai-act",))


def _development(basis: Basis) -> tuple[Part, ...]:
    ladder = measured.ladder(basis)
    design: tuple[Block, ...] = (shared.method(basis), *((ladder,) if ladder else ()))
    return (
        Part(
            "2. (a), (b) Development and design",
            (
                *design,
                shared.asked(basis, users_affected="(b) Persons it is meant for", trade_offs="(b) Trade-offs"),
            ),
        ),
        Part("2. (c) Architecture and computing resources", (shared.machine(basis),)),
        Part(
            "2. (d) Data",
            (
                shared.data(basis),
                shared.asked(
                    basis,
                    data_source="Provenance and how it was obtained",
                    data_representative="Scope",
                    labelling="Labelling",
                ),
                Prose(text("Columns, cleaning and what was found in the rows stand in the data sheet.")),
            ),
        ),
        Part(
            "2. (e), (f) Oversight and planned changes",
            (
                shared.asked(
                    basis, human_oversight="(e) Human oversight", predetermined_changes="(f) Predetermined changes"
                ),
            ),
        ),
        _retitled(measured.figures(basis), "2. (g) Validation and testing: accuracy"),
        Part("2. (g) Validation and testing: robustness and more", (measured.resilience(basis),)),
        _retitled(measured.unmeasured(basis), "2. (g) Validation and testing: what could not be seen"),
        _retitled(shared.approvals(basis), "2. (g) Validation and testing: signed by"),
        Part("2. (h) Cybersecurity", (shared.asked(basis, cybersecurity="Measures"),)),
    )


def _retitled(part: Part, title: str) -> Part:
    return Part(title, part.blocks, part.lead)
