"""The data sheet (Gebru et al. 2021) of the rows an expert was tuned on; what curation said stands in it."""

from __future__ import annotations

from metier.curate.sheet import TITLES
from metier.govern.documents import shared
from metier.govern.documents.basis import Basis, joined
from metier.govern.documents.pieces import Document, Facts, Part, Prose, Table, text
from metier.govern.documents.sources import pointer
from metier.pages import words

_DATA, _CURATION = "run/data.json", "curation/curation.json"
_MOST_COLUMNS = 200


def write(basis: Basis) -> Document:
    """The sheet of the training data; the seven sections of Gebru et al. in their order."""
    parts = (
        Part("Motivation", (shared.asked(basis, data_purpose="Purpose", data_creator="Made by"),)),
        Part(
            "Composition",
            (
                shared.data(basis),
                _columns(basis),
                _problems(basis),
                shared.asked(basis, data_representative="Representative for"),
            ),
        ),
        Part(
            "Collection", (shared.asked(basis, data_source="Source", consent="Consent", lawful_basis="Legal ground"),)
        ),
        Part("Preprocessing, cleaning and labelling", (shared.asked(basis, labelling="Labels"), *_curated(basis))),
        Part(
            "Uses",
            (
                shared.asked(
                    basis,
                    intended_use="What the expert tuned on it is for",
                    out_of_scope_use="What it must not be used for",
                ),
            ),
        ),
        Part("Distribution", (shared.asked(basis, data_licence="Licence"),)),
        Part("Maintenance", (shared.asked(basis, data_maintenance="Kept up to date by", retention="Kept for"),)),
        shared.laws("datasheet"),
    )
    lead = "What the expert learnt from, where it comes from and what was done to it."
    return Document("data-sheet", f"{basis.dossier.name}: data sheet", lead, parts, ("datasheet",))


def _columns(basis: Basis) -> Table | Prose:
    """Columns by role; no cell is shown, since a sheet goes further than its data."""
    rows = []
    for at, _ in list(basis.listed(_DATA, "/train/schema/columns"))[:_MOST_COLUMNS]:
        place = pointer("train", "schema", "columns", at)
        rows.append(
            (
                basis.said(_DATA, place + "/name"),
                joined(
                    basis.said(_DATA, place + "/role"), basis.said(_DATA, place + "/reason", lambda why: f"({why})")
                ),
                basis.said(_DATA, place + "/missing", words.count),
                basis.said(_DATA, place + "/distinct", words.count),
            )
        )
    return (
        Table(("Column", "Role, and why", "Empty cells", "Different values"), tuple(rows))
        if rows
        else Prose(text("No columns are recorded."))
    )


def _problems(basis: Basis) -> Facts:
    place = "/train/schema/problems"
    told = [
        (str(one.get("severity", "note")), basis.said(_DATA, place + pointer(at, "detail")))
        for at, one in basis.listed(_DATA, place)
    ]
    aside = basis.said(
        "run/data.json",
        "/set_aside",
        lambda rows: "; ".join(f"{why}: {words.count(len(r))}" for why, r in rows.items()),
    )
    return shared.facts(*told, ("Rows set aside", aside))


def _curated(basis: Basis) -> tuple[Facts | Prose, ...]:
    if basis.dossier.curation is None:
        return (
            Prose(
                text("The rows were not curated by metier: no copies, wrong labels or personal data were searched for.")
            ),
        )
    sheet = "curation/datasheet.json"
    told = tuple((title, basis.said(sheet, pointer(key), _sentences)) for key, title in TITLES.items())
    counts = tuple(
        (f"Findings of the kind {kind}", basis.said(_CURATION, pointer("summary", kind), words.count))
        for kind in basis.get(_CURATION, "/summary", {})
    )
    fates = tuple(
        (f"Rows {fate.replace('_', ' ')}", basis.said(_CURATION, pointer("fates", fate), words.count))
        for fate in basis.get(_CURATION, "/fates", {})
    )
    return (shared.facts(*told, *counts, *fates),)


def _sentences(value: object) -> str:
    return " ".join(str(part) for part in value) if isinstance(value, list) else str(value)
