"""A document laid out as plain data: what the Markdown, the page and the PDF all show."""

from __future__ import annotations

from typing import Any

from metier.govern.documents.basis import Basis
from metier.govern.documents.pieces import Asked, Cell, Document, Evidence, Facts, Prose, Said, Table
from metier.govern.documents.questions import QUESTIONS
from metier.pages import words

EVIDENCE, SOURCES = "Evidence", "Sources"


def laid_out(document: Document, basis: Basis) -> list[dict[str, Any]]:
    """Parts as `{"title", "lead", "blocks"}`, with the table of evidence and that of its sources at the end.

    A block is `{"kind": "prose", "cell"}`, `{"kind": "facts", "rows": [[name, cell]]}` or `{"kind": "table", "columns",
    "rows": [[cell]], "strips", "ids"}`; a cell a list of `{"kind", "text", "refs", ...}`.
    """
    numbers = document.evidence()
    parts = [
        {"title": part.title, "lead": part.lead, "blocks": [_block(block, numbers, basis) for block in part.blocks]}
        for part in document.parts
    ]
    return [*parts, _evidence(numbers, basis), _sources(numbers, basis)] if numbers else parts


def _block(block: Facts | Table | Prose, numbers: dict[Evidence, int], basis: Basis) -> dict[str, Any]:
    if isinstance(block, Prose):
        return {"kind": "prose", "cell": _cell(block.cell, numbers, basis)}
    if isinstance(block, Facts):
        return {"kind": "facts", "rows": [[name, _cell(cell, numbers, basis)] for name, cell in block.rows]}
    rows = [[_cell(cell, numbers, basis) for cell in row] for row in block.rows]
    return {"kind": "table", "columns": list(block.columns), "rows": rows, "strips": list(block.strips), "ids": []}


def _cell(cell: Cell, numbers: dict[Evidence, int], basis: Basis) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for piece in cell:
        if isinstance(piece, Said):
            _say(piece, [numbers[one] for one in piece.evidence], shown)
        elif isinstance(piece, Asked):
            asked = QUESTIONS[piece.id]
            shown.append({"kind": "asked", "text": asked.text, "id": piece.id, "for": basis.named(asked.role)})
        else:
            shown.append({"kind": "lacking", "text": piece.text, "id": piece.id, "fix": piece.fix})
    return shown


def _say(piece: Said, refs: list[int], shown: list[dict[str, Any]]) -> None:
    """Add a statement; parts of one sentence become one, with their evidence at its end."""
    said, by = words.clean(piece.text), words.clean(piece.by)
    last = shown[-1] if shown and shown[-1]["kind"] == "said" else None
    if last is not None and not last["by"] and not by and not last["text"].endswith((".", "?", "!")):
        last["text"] += f" {said}"
        last["refs"] = list(dict.fromkeys((*last["refs"], *refs)))
    else:
        shown.append({"kind": "said", "text": said, "refs": refs, "by": by})


def _evidence(numbers: dict[Evidence, int], basis: Basis) -> dict[str, Any]:
    rows = []
    for one, number in numbers.items():
        digits = basis.sources[one.source].sha256[:12]
        rows.append([_plain(str(number)), _plain(one.source), _plain(one.pointer or "the whole file"), _plain(digits)])
    columns = ["No.", "File", "Place in it (JSON pointer)", "SHA-256, first 12 digits"]
    table = {
        "kind": "table",
        "columns": columns,
        "rows": rows,
        "strips": [],
        "ids": [f"e{n}" for n in numbers.values()],
    }
    lead = "Every figure above carries the number of its line here."
    return {"title": EVIDENCE, "lead": lead, "blocks": [table]}


def _sources(numbers: dict[Evidence, int], basis: Basis) -> dict[str, Any]:
    rows = []
    for name in dict.fromkeys(one.source for one in numbers):
        source = basis.sources[name]
        where = "beside this document" if source.made else source.path.parent.name
        rows.append([_plain(name), _plain(where), _plain(source.sha256)])
    table = {"kind": "table", "columns": ["File", "Lies in", "SHA-256"], "rows": rows, "strips": [], "ids": []}
    return {
        "title": SOURCES,
        "lead": "Files in folders of that name; run, evaluation and curation are in the workspace.",
        "blocks": [table],
    }


def _plain(text: str) -> list[dict[str, Any]]:
    return [{"kind": "said", "text": words.clean(text), "refs": [], "by": ""}]
