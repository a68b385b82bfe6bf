"""The model card (Mitchell et al. 2019), with the front matter that the Hugging Face hub reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from metier.govern.documents import measured, shared
from metier.govern.documents.basis import EVALUATION, Basis, file_name, plain
from metier.govern.documents.pieces import Document, Facts, Part, Prose, Said
from metier.pages import words
from metier.workspace import slug

# What the bundled base is called on the hub; its weights are checked against the publisher's hash when it is opened.
_BUNDLED = "sentence-transformers/all-MiniLM-L6-v2"
# What the hub calls the tasks: (kind of task, kind of target).
_TASKS: Mapping[tuple[str, str], str] = {
    ("text-classification", "classes"): "text-classification",
    ("rows", "classes"): "tabular-classification",
    ("rows", "quantity"): "tabular-regression",
}


def write(basis: Basis) -> Document:
    """The card of one expert."""
    ladder = measured.ladder(basis)
    parts = (
        Part("Which model this is", (shared.identity(basis),)),
        Part(
            "Use",
            (
                shared.asked(
                    basis,
                    provider="Provider",
                    intended_use="Intended use",
                    out_of_scope_use="Not for",
                    users_affected="Whom it affects",
                    licence="Licence",
                    language="Languages",
                ),
            ),
        ),
        Part("How it was made", (shared.method(basis), *((ladder,) if ladder else ()))),
        Part("The data", (shared.data(basis),)),
        measured.figures(basis),
        measured.groups(basis),
        measured.slices(basis),
        Part("What else was measured", (measured.resilience(basis),)),
        Part(
            "Limits and oversight",
            (
                shared.asked(
                    basis,
                    limitations="Limitations",
                    human_oversight="Human oversight",
                    foreseeable_harms="Harms that can be foreseen",
                    trade_offs="Trade-offs",
                ),
                _abstains(basis),
            ),
        ),
        measured.unmeasured(basis),
        shared.approvals(basis),
        Part(
            "How to use it",
            (Prose((Said("metier predict EXPERT DATA, or in Python: Expert.load(folder).predict(rows)."),)),),
        ),
        shared.laws("model-card"),
    )
    kind, target = basis.get(shared.ABOUT, "/task"), basis.get(shared.ABOUT, "/target_column")
    lead = f"An expert of the kind {kind} that predicts {target}, tuned and measured by metier."
    return Document("card", f"{basis.dossier.name}: model card", lead, parts, ("model-card",), front_matter(basis))


def front_matter(basis: Basis) -> str:
    """The YAML block the hub reads: only what the records or a named person say."""
    from huggingface_hub import EvalResult, ModelCardData

    task = _task(basis)
    name = slug(basis.dossier.name)
    results = [
        EvalResult(
            task_type=task,
            dataset_type=slug(file),
            dataset_name=file,
            dataset_revision=revision,
            metric_type=metric,
            metric_name=plain(metric),
            metric_value=value,
        )
        for metric, value, file, revision in _results(basis)
    ]
    data = ModelCardData(
        language=_languages(basis),
        license=_licence(basis)[0],
        license_name=_licence(basis)[1],
        library_name="metier",
        tags=["metier", task, str(basis.get(shared.ABOUT, "/rung"))],
        **_base(basis),
        datasets=[slug(file_name(path))] if (path := basis.get("run/data.json", "/train/source/path")) else None,
        pipeline_tag=task if task in _TASKS.values() else None,
        metrics=sorted({metric for metric, *_ in _results(basis)}) or None,
        model_name=name,
        eval_results=results or None,
    )
    return str(data.to_yaml())


def _results(basis: Basis) -> list[tuple[str, float, str, str]]:
    """(metric, value, data file, its SHA-256): only figures on rows that nothing was chosen on."""
    found = basis.measured_on
    if found is None or found[1] == "/validation":
        return []
    source, place = (
        ("evaluation/data.json", "/evaluated/source") if found[0] == EVALUATION else ("run/data.json", "/test/source")
    )
    file, revision = file_name(basis.get(source, place + "/path", "")), str(basis.get(source, place + "/sha256", ""))
    figures = [(name, words.finite(one.get("value"))) for name, one in basis.get(*found).items()]
    return [(name, value, file, revision) for name, value in figures if value is not None]


def _task(basis: Basis) -> str:
    kind = str(basis.get(shared.ABOUT, "/task"))
    return _TASKS.get((kind, str(basis.get(shared.ABOUT, "/target/kind"))), kind)


def _answer(basis: Basis, id: str) -> str:
    piece = basis.asked(id)[0]
    return piece.text.strip() if isinstance(piece, Said) else ""


def _languages(basis: Basis) -> list[str] | None:
    codes = [code for code in re.split(r"[,\s]+", _answer(basis, "language")) if re.fullmatch(r"[a-z]{2,3}", code)]
    return codes or None


def _licence(basis: Basis) -> tuple[str | None, str | None]:
    """(the hub's licence, its own name where the hub has none for it)."""
    said = _answer(basis, "licence")
    if not said:
        return None, None
    return (said.lower(), None) if re.fullmatch(r"[A-Za-z0-9.+-]+", said) else ("other", said)


def _base(basis: Basis) -> dict[str, Any]:
    """The base by its name on the hub, and how the expert comes from it; nothing where the hub has no such base."""
    base: Mapping[str, Any] = basis.get(shared.ABOUT, "/base", {})
    name = _BUNDLED if base.get("source") == "bundled" else base.get("name") if base.get("source") == "hub" else None
    if name is None or not basis.dossier.uses_base:
        return {}
    adapter = (basis.dossier.expert / "adapter_config.json").is_file()
    return {"base_model": str(name), "base_model_relation": "adapter" if adapter else "finetune"}


def _abstains(basis: Basis) -> Facts:
    never = (Said("Never: it answers every row it can read."),)
    return shared.facts(("Abstains below the confidence", basis.said(shared.ABOUT, "/threshold", words.number, never)))
