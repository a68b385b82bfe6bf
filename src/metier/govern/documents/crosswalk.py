"""Crosswalks: each category of a framework beside the evidence there is for it, or the question that is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from metier.govern.documents import measured, shared
from metier.govern.documents.basis import EVALUATION, Basis, joined, unit
from metier.govern.documents.dossier import LEDGER, REGISTRY
from metier.govern.documents.pieces import Cell, Part, Said, Table, text
from metier.govern.documents.sources import pointer
from metier.pages import words


@dataclass(frozen=True)
class Line:
    """A category or control: its number, what it asks in our own words, and which evidence and questions answer it."""

    code: str
    words: str
    evidence: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


def part(basis: Basis, title: str, lines: Sequence[Line]) -> Part:
    """One part of a crosswalk as a table."""
    rows = tuple((text(line.code), text(line.words), _answer(basis, line)) for line in lines)
    return Part(title, (Table(("Number", "What it asks", "Evidence, or who must answer"), rows),))


def _answer(basis: Basis, line: Line) -> Cell:
    cells = [_ended(EVIDENCE[name](basis)) for name in line.evidence] + [basis.asked(id) for id in line.questions]
    return tuple(piece for cell in cells for piece in cell)


def _ended(cell: Cell) -> Cell:
    """The cell as a sentence: what follows it in the table begins a new one."""
    if not cell or not isinstance(cell[-1], Said) or cell[-1].text.endswith("."):
        return cell
    return (*cell[:-1], replace(cell[-1], text=f"{cell[-1].text}."))


def _accuracy(basis: Basis) -> Cell:
    found = basis.measured_on
    if found is None:
        return basis.measured("evaluation", ())
    figure = basis.figure(found[0], found[1] + pointer(basis.metric), unit(basis.metric))
    return joined(text(f"{basis.metric}:"), figure, text("on"), basis.rows_measured())


def _named(before: str, name: str, place: str, told: Callable[[object], str] = str) -> Callable[[Basis], Cell]:
    return lambda basis: basis.said(name, place, lambda value: f"{before} {told(value)}.")


def _groups(basis: Basis) -> Cell:
    gap = "demographic_parity_difference"
    if basis.get(EVALUATION, "/bias/group") is None:
        return basis.measured("bias", (), "--group COLUMN")
    column = basis.said(EVALUATION, "/bias/group", lambda name: f"Groups compared by {name}.")
    whole = basis.said(
        EVALUATION, pointer("bias", gap), lambda v: f"Largest gap in how often they are called so: {words.number(v)}."
    )
    return column + whole


def _robustness(basis: Basis) -> Cell:
    title = "Worst change of inputs"
    shown = next(cell for name, cell in measured.resilience(basis).rows if name == title)
    return joined(text(f"{title}:"), shown) if isinstance(shown[0], Said) else shown


def _measured(question: str, before: str, place: str, share: str = "") -> Callable[[Basis], Cell]:
    def told(basis: Basis) -> Cell:
        figure = basis.figure(EVALUATION, place, share) or basis.said(EVALUATION, place, _number)
        return basis.measured(question, figure and joined(text(f"{before}:"), figure))

    return told


def _number(value: object) -> str:
    return words.number(value) if isinstance(value, int | float) else str(value)


def _counted(field: str, one: str) -> Callable[[Basis], Cell]:
    def told(basis: Basis) -> Cell:
        return basis.said(REGISTRY, pointer(field), lambda entries: f"{words.plural(len(entries), one)} recorded.")

    return told


# Evidence by name -> a short statement of it.
EVIDENCE: Mapping[str, Callable[[Basis], Cell]] = {
    "accuracy": _accuracy,
    "gain": measured.gain,
    "groups": _groups,
    "robustness": _robustness,
    "privacy": _measured("privacy", "Membership attack, AUC (0.5 is chance)", "/privacy/auc"),
    "calibration": _measured("calibration", "Gap between confidence and truth", "/calibration/ece"),
    "explanation": _measured("explanation", "Most faithful explanation", "/explanation/best"),
    "cost": _measured("cost", "Watt-hours for a million answers", "/cost/expert/watt_hours_per_million"),
    "forgetting": _measured("forgetting", "General ability kept", "/forgetting/general/share", "%"),
    "slices": lambda basis: basis.said(
        EVALUATION, "/slices", lambda found: f"{len(found)} kinds of rows looked at for errors."
    ),
    "seal": _named("The expert's seal:", "expert/manifest.json", "/root"),
    "run": _named("The run's record:", "run/done.json", "/root"),
    "data": _named("SHA-256 of the training data:", shared.ABOUT, "/data"),
    "columns": lambda basis: basis.said(
        "run/data.json", "/train/schema/columns", lambda c: f"{len(c)} columns described in the data sheet."
    ),
    "split": _named("Rows were held out:", "run/split.json", "/method"),
    "curation": lambda basis: basis.said(
        "curation/curation.json", "/summary", _curated, text("The rows were not curated by metier.")
    ),
    "base": _named("Base:", shared.ABOUT, "/base/name"),
    "licence": _named("Licence of the base:", shared.ABOUT, "/base/licence"),
    "method": _named("Rung of the ladder:", shared.ABOUT, "/rung"),
    "machine": _named("Made on:", "run/environment.json", "/cpu/model"),
    "software": _named("Made by metier", "run/environment.json", "/metier"),
    "approvals": _counted("approvals", "approval"),
    "gates": _counted("gates", "gate"),
    "findings": _counted("findings", "finding"),
    "waivers": _counted("waivers", "waiver"),
    "ledger": _named("Ledger's root:", LEDGER, "/root"),
    "documents": lambda _: text(
        "Model card, data sheet, technical file and bill of materials lie beside this document."
    ),
}


def _curated(summary: Mapping[str, int]) -> str:
    return f"Curated: {words.count(sum(summary.values()))} findings of {len(summary)} kinds."
