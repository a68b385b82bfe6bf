"""Basis: what the writers of documents read from, and how a figure becomes words with its evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from metier.govern.documents import answers, sources
from metier.govern.documents.dossier import ANSWERS, REGISTRY, Dossier
from metier.govern.documents.pieces import Asked, Cell, Evidence, Lacking, Said
from metier.govern.documents.questions import QUESTIONS
from metier.govern.documents.sources import Source, pointer
from metier.pages import metrics, words

EVALUATION = "evaluation/evaluation.json"
_EVALUATE = "metier evaluate EXPERT DATA"
_EVALUATED = "/evaluated/source/sha256"


@dataclass(frozen=True)
class Basis:
    """A dossier with its sources read once, people's answers among them, and the day the documents are made."""

    dossier: Dossier
    sources: Mapping[str, Source] = field(repr=False)
    today: date

    def get(self, name: str, place: str, otherwise: Any = None) -> Any:
        """What stands at a JSON pointer of a source, or `otherwise`."""
        return sources.get(self.sources.get(self._where(name, place)), place, otherwise)

    def evidence(self, name: str, place: str) -> tuple[Evidence, ...]:
        """The one piece of evidence for what `get` finds there."""
        return (Evidence(self._where(name, place), place),)

    def said(self, name: str, place: str, told: Callable[[Any], str] = str, otherwise: Cell = ()) -> Cell:
        """One value of a source in words, with its evidence; `otherwise` where it is not there, null or empty."""
        value = self.get(name, place)
        if value in (None, "", [], {}):
            return otherwise
        return (Said(told(value), self.evidence(name, place)),)

    def figure(self, name: str, place: str, unit: str = "", otherwise: Cell = ()) -> Cell:
        """A figure `{"value", "low", "high"}` in words: `94.2% (93.4 to 95.1%)`."""
        found = self.get(name, place)
        if not isinstance(found, Mapping) or words.finite(found.get("value")) is None:
            return otherwise
        told = words.figure(found["value"], found.get("low"), found.get("high"), unit)
        return (Said(told, self.evidence(name, place)),)

    def _where(self, name: str, place: str) -> str:
        """Which evaluation on the same rows answers what the first one was not asked."""
        step = place.split("/")[1:2]
        if name != EVALUATION or not step or step[0] in sources.get(self.sources.get(name), "", {}):
            return name
        rows = sources.get(self.sources.get("evaluation/data.json"), _EVALUATED)
        for number in range(2, len(self.dossier.evaluations) + 1):
            other = f"evaluation-{number}"
            same = sources.get(self.sources[f"{other}/data.json"], _EVALUATED) == rows
            if same and step[0] in self.sources[f"{other}/evaluation.json"].data:
                return f"{other}/evaluation.json"
        return name

    def asked(self, id: str) -> Cell:
        """A person's answer to a question, or the question."""
        given = answers.given(self.sources.get(ANSWERS), id)
        if given is not None:
            said, by, on, place = given
            return (Said(said, (Evidence(ANSWERS, place),), by=", ".join(filter(None, (by, on)))),)
        review = self.said(REGISTRY, pointer("review", id))
        return review or self._of_sheet(id) or (Asked(id),)

    def _of_sheet(self, id: str) -> Cell:
        choice = QUESTIONS[id].sheet
        return self.said("curation/plan.json", pointer("sheet", choice)) if choice else ()

    def measured(self, question: str, cell: Cell, needs: str = "") -> Cell:
        """The cell, or that nobody measured this and how to."""
        if cell:
            return cell
        what = QUESTION_WORDS.get(question, question)
        return (Lacking(f"measure-{question}", f"Not measured yet: {what}.", f"{_EVALUATE} {needs}".strip()),)

    @property
    def metric(self) -> str:
        """What the ladder climbed on."""
        return str(self.get("expert/metier.json", "/metric"))

    @property
    def measured_on(self) -> tuple[str, str] | None:
        """(source, pointer) of the best figures there are: an evaluation's, else the test's, else the validation's."""
        for name, place in (
            (EVALUATION, "/metrics"),
            ("run/evaluation.json", "/test"),
            ("run/evaluation.json", "/validation"),
        ):
            if self.get(name, place):
                return name, place
        return None

    @property
    def generic_on(self) -> tuple[str, str] | None:
        """(source, pointer) of the generic base's figures on the same rows."""
        found = self.measured_on
        if found is None:
            return None
        name, place = (
            (found[0], "/generic") if found[0] == EVALUATION else ("run/evaluation.json", "/evaluation/generic")
        )
        return (name, place) if self.get(name, place) else None

    def rows_measured(self) -> Cell:
        """On which rows the best figures were measured, in words."""
        found = self.measured_on
        if found is None:
            return ()
        if found[0] == EVALUATION:
            rows = self.said(EVALUATION, "/rows", lambda rows: f"{words.count(rows)} labelled rows")
            place = "/evaluated/source/path"
            return joined(rows, self.said("evaluation/data.json", place, lambda path: f"of {file_name(path)}"))
        if found[1] == "/test":
            rows = self.said("run/data.json", "/test/rows", lambda rows: f"{words.count(rows)} test rows")
            return joined(rows, self.said("run/data.json", "/test/source/path", lambda path: f"of {file_name(path)}"))
        return self.said("run/split.json", "/rows/validation", lambda rows: f"{words.count(rows)} validation rows")

    def named(self, role: str) -> str:
        """Who has this role by the registry's approvals, or just the role."""
        names = [
            str(entry["name"]) for entry in self.dossier.approvals if entry.get("role") == role and entry.get("name")
        ]
        return f"{names[-1]}, {role}" if names else role

    def listed(self, name: str, place: str) -> Iterator[tuple[int, Any]]:
        """The entries of a list with their numbers; of anything else none."""
        found = self.get(name, place)
        yield from enumerate(found) if isinstance(found, list) else ()


# What an evaluation can tell, and in which words it is missed.
QUESTION_WORDS: Mapping[str, str] = {
    "evaluation": "how it does on rows it has not seen, beside its generic base",
    "bias": "whether groups of people are treated alike",
    "robustness": "how it bears changed inputs",
    "forgetting": "what it has forgotten of the base's general ability",
    "calibration": "whether its confidence can be believed",
    "privacy": "whether it gives away who was in its training rows",
    "cost": "what an answer costs in time, memory and energy",
    "explanation": "how faithful its explanations are",
    "slices": "on which kinds of rows it does worse",
}


def joined(*cells: Cell) -> Cell:
    """Cells as one sentence. Where one is missing, words that only lead from one to the next are left out too."""
    if all(cells):
        return tuple(piece for cell in cells for piece in cell)
    return tuple(piece for cell in cells for piece in cell if not isinstance(piece, Said) or piece.evidence)


def plain(name: str) -> str:
    """A metric as a business reader calls it."""
    return metrics.PLAIN.get(name, name.replace("_", " "))


def unit(name: str) -> str:
    """How a metric is told: % for a share."""
    return "%" if metrics.is_share(name) else ""


def file_name(path: str) -> str:
    """The last part of a path or an address: documents go to people whom this machine's folders do not concern."""
    return str(path).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].split("?")[0]


def yes(value: Any) -> str:
    """A truth value in a word."""
    return "yes" if value else "no"
