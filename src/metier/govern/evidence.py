"""Evidence for gates: the sealed runs that the ledger knows and that speak of this very expert, and of no other.

A run counts only if its folder is as it was sealed, its root is the one that the ledger holds, and it names the expert
by the hash of its manifest. What does not count is told with the reason, so that nobody wonders where a figure went.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metier import files
from metier.errors import RecordError, ResourceError
from metier.evaluate.gate import at
from metier.govern import acts, record
from metier.govern.ledger.entry import Record
from metier.workspace import DONE, Workspace

if TYPE_CHECKING:
    from sqlalchemy import Connection

EVALUATION, CURATION = "evaluation.json", "curation.json"


@dataclass(frozen=True)
class Sealed:
    """A sealed run that the ledger knows: `act` is the ledger's record of it, `hashes` the SHA-256 of each file."""

    folder: Path
    root: str
    act: Record
    hashes: Mapping[str, str]

    def read(self, file: str) -> Any:
        """What a JSON file of the run holds; {} where it has none of that name."""
        return files.read_json(self.folder / file) if file in self.hashes else {}

    def cite(self, file: str, path: str) -> dict[str, Any]:
        """Where a figure comes from: run, file, path within it, hashes, and the ledger's record."""
        place = {"run": self.folder.name, "file": file, "path": path, "sha256": self.hashes.get(file)}
        return {**place, "root": self.root, "record": self.act.seq}


@dataclass(frozen=True)
class Evidence:
    """All that may be held against a policy.

    `evaluations` are (run, figures), newest first, on rows that the expert was not tuned on; `curation` is of its
    training data; `tuned` the run that made it. `faults` say what did not count and why, by kind of run.
    """

    expert: Path
    about: Mapping[str, Any]
    manifest: str
    tuned: Sealed | None
    evaluations: tuple[tuple[Sealed, Mapping[str, Any]], ...]
    curation: Sealed | None
    faults: Mapping[str, tuple[str, ...]]

    def find(self, path: str) -> tuple[Sealed, Any] | None:
        """The newest evaluation that holds something at this path, and what; a figure that is null was measured."""
        for run, figures in self.evaluations:
            try:
                return run, at(path, figures)
            except KeyError:
                continue
        return None

    def why(self, kind: str) -> str:
        """Why runs of a kind did not count, "" where none was turned away."""
        return "; ".join(self.faults.get(kind, ()))


def gather(connection: Connection, place: Workspace, expert: Path, test_data: tuple[str, ...] = ()) -> Evidence:
    """Everything sealed about an expert. `test_data` names the files (SHA-256) that evaluations must be on, if any."""
    about, manifest = files.read_json(expert / "metier.json"), files.sha256(expert / record.MANIFEST)
    faults: dict[str, list[str]] = {}
    known = acts.of(connection, acts=("tuned", "evaluated", "curated"))
    tuned = _first(_sealed(place, expert, _tuned(known, about), faults), expert, about, manifest, faults)
    evaluated = [one for one in reversed(known) if one.act == "evaluated" and one.facts.get("expert") == manifest]
    evaluations = []
    for run in _sealed(place, expert, evaluated, faults):
        fault = _unfit(run, about, manifest, test_data)
        if fault:
            faults.setdefault("evaluated", []).append(f"{run.folder.name} {fault}")
        else:
            evaluations.append((run, run.read(EVALUATION)))
    curated = [one for one in reversed(known) if one.act == "curated"]
    curation = next((run for run in _sealed(place, expert, curated, {}) if _of_data(run, str(about["data"]))), None)
    told = {kind: tuple(each) for kind, each in faults.items()}
    return Evidence(expert, about, manifest, tuned, tuple(evaluations), curation, told)


def authors(evidence: Evidence) -> tuple[str, ...]:
    """Who tuned the expert, by the ledger."""
    return () if evidence.tuned is None else (evidence.tuned.act.actor,)


def _tuned(known: list[Record], about: Mapping[str, Any]) -> list[Record]:
    return [one for one in reversed(known) if one.act == "tuned" and one.facts.get("run") == about.get("run")]


def _sealed(place: Workspace, expert: Path, known: list[Record], faults: dict[str, list[str]]) -> Iterator[Sealed]:
    """The runs of these acts that are as they were sealed."""
    for act in known:
        name, root = str(act.facts.get("run", "")), str(act.facts.get("root", ""))
        here = [place.runs / name, *(folder for folder in (expert.parent, expert) if folder.name == name)]
        folder = next((each for each in here if (each / DONE).is_file()), None)
        fault = "is not in this workspace" if folder is None else _fault(folder, root)
        if folder is None or fault:
            faults.setdefault(act.act, []).append(f"{name or 'a run without a name'} {fault}")
            continue
        entries = files.read_json(folder / DONE)["files"]
        yield Sealed(folder, root, act, {entry["path"]: entry["sha256"] for entry in entries})


def _fault(folder: Path, root: str) -> str:
    try:
        verdict = record.verify(folder, root=root, inside=True)
    except (RecordError, ResourceError) as error:
        return f"cannot be verified: {error.found}"
    return "" if verdict.ok else f"does not hold: {verdict.problem}"


def _first(
    runs: Iterator[Sealed], expert: Path, about: Mapping[str, Any], manifest: str, faults: dict[str, list[str]]
) -> Sealed | None:
    """The run that made the expert: it holds this very folder, or the one that this was scaled from."""
    for run in runs:
        own = run.folder / "expert" / record.MANIFEST
        if run.hashes.get(f"expert/{record.MANIFEST}") == manifest:
            return run
        if "scaled" in about and own.is_file() and files.read_json(own)["root"] == about["scaled"]["from"]:
            return run
        faults.setdefault("tuned", []).append(f"{run.folder.name} made another expert than {expert}")
    return None


def _unfit(run: Sealed, about: Mapping[str, Any], manifest: str, test_data: tuple[str, ...]) -> str:
    data = run.read("data.json")
    source = str(data["evaluated"]["source"]["sha256"])
    if data.get("manifest", manifest) != manifest:
        return "names another expert"
    if source == about.get("data"):
        return "was made on the rows that the expert was tuned on"
    if test_data and source not in test_data:
        return "was made on other rows than the policy's test_data"
    return ""


def _of_data(run: Sealed, data: str) -> bool:
    """Whether a curation is of the training data: of what it wrote, or of what it read and left as it was."""
    cleaned = run.read(CURATION).get("cleaned", {}).get("sha256")
    return data in (cleaned, run.read("data.json")["train"]["source"]["sha256"])
