"""The documents of an expert, written as one folder; which of them are incomplete, and which are out of date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

from metier import __version__, files
from metier.errors import RecordError, UsageError
from metier.govern.documents import answers as people
from metier.govern.documents import bill, pdf
from metier.govern.documents.basis import Basis
from metier.govern.documents.dossier import ANSWERS, DATA_CHANGE, LEDGER, Dossier, check
from metier.govern.documents.law import LAW
from metier.govern.documents.layout import laid_out
from metier.govern.documents.markdown import markdown
from metier.govern.documents.pieces import Document
from metier.govern.documents.questions import QUESTIONS
from metier.govern.ledger.entry import Act
from metier.pages.page import render
from metier.tasks.contract import Section

MANIFEST = "documents.json"
FORMATS = ("md", "html", "pdf")
_FORMAT = "metier-documents-1"
# Document -> where it is written; each module has `write(basis) -> Document`, or None where it has nothing to say.
WRITERS: Mapping[str, str] = {
    "card": "card",
    "data-sheet": "data_sheet",
    "annex-iv": "annex_iv",
    "model-risk": "bank",
    "nist-ai-rmf": "nist",
    "iso-42001": "iso",
    "dpia": "dpia",
    "bill": "bill",
    "changes": "changes",
}


@dataclass(frozen=True)
class Written:
    """The folder of documents, its files' names in order, and what documents.json holds."""

    folder: Path
    files: tuple[str, ...]
    manifest: Mapping[str, Any] = field(repr=False)

    def act(self) -> Act:
        """What the ledger keeps of it: which expert, and the hash that stands for all of the documents."""
        release, name = self.manifest["release"], self.manifest["name"]
        subject = f"release:{name}@{release['version']}" if release else f"expert:{name}"
        gaps = len(self.manifest["gaps"])
        details = {"root": self.manifest["expert"], "sha256": files.sha256(self.folder / MANIFEST), "gaps": gaps}
        return Act("documented", subject, "", details)


def documents(
    dossier: Dossier,
    output: str | Path,
    formats: Sequence[str] = ("md", "html"),
    answers: str | Path | None = None,
    today: date | None = None,
) -> Written:
    """Write every document as one folder, all or nothing; a folder of documents already there is replaced.

    `answers` is a file of people's answers (see `answers.read`). Raises RecordError where a source was altered or
    speaks of another expert, UsageError for answers or formats that cannot be, ResourceError for PDF without its
    libraries.
    """
    wanted = _formats(formats)
    files.check_folder(output, marker=MANIFEST)
    basis = _basis(dossier, answers, today)
    drawn = list(_drawn(basis))
    with files.write_folder(output, marker=MANIFEST) as folder:
        written = {document.name: _write(document, basis, folder, wanted) for document in drawn}
        files.write_bytes(folder / bill.FILE, bill.bom(basis))
        written["bill"].append(bill.FILE)
        made = {name: source for name, source in basis.sources.items() if source.made}
        for name, source in made.items():
            files.write_bytes(folder / name, files.pretty(source.data))
        manifest = _manifest(basis, drawn, {name: _hashes(folder, names) for name, names in written.items()})
        files.write_json(folder / MANIFEST, manifest)
    names = (MANIFEST, *(name for some in written.values() for name in some), *made)
    return Written(Path(output), names, manifest)


def missing(
    dossier: Dossier, which: Iterable[str] = (), answers: str | Path | None = None
) -> dict[str, list[dict[str, str]]]:
    """Document -> its gaps, for those of `which` (all if empty) that are incomplete.

    A gap is `{"id", "kind", "text", "who"}`: a question to a person, or a measurement and the command that makes it.
    Raises as `documents` does.
    """
    basis = _basis(dossier, answers, None)
    names = _named(which)
    found = {document.name: _gaps(document, basis) for document in _drawn(basis, names)}
    return {name: gaps for name, gaps in found.items() if gaps}


def questions(dossier: Dossier, answers: str | Path | None = None) -> dict[str, Any]:
    """All open questions of all documents, as an answers file to fill in."""
    basis = _basis(dossier, answers, None)
    ids = dict.fromkeys(id for document in _drawn(basis) for id in document.questions())
    return people.skeleton({id: basis.named(QUESTIONS[id].role) for id in ids})


def stale(folder: str | Path, dossier: Dossier) -> list[str]:
    """What speaks against these documents, one sentence each: altered files, and sources that are others by now.

    Empty where every document is as it was written and drawn from what lies there now. The ledger may have grown, and
    the version before is looked at only where the dossier names it. Raises RecordError where the folder holds no
    documents.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    now = {name: source.sha256 for name, source in dossier.sources().items()}
    if ANSWERS in manifest["sources"] and (folder / ANSWERS).is_file():
        now[ANSWERS] = files.sha256(folder / ANSWERS)
    was = {name: sha256 for name, sha256 in manifest["sources"].items() if not _aside(name, dossier)}
    now = {name: sha256 for name, sha256 in now.items() if not _aside(name, dossier)}
    new = sorted(set(now) - set(was))
    found = []
    for document in manifest["documents"]:
        for name, sha256 in document["files"].items():
            if not (folder / name).is_file():
                found.append(f"{name} is missing.")
            elif files.sha256(folder / name) != sha256:
                found.append(f"{name} was altered since it was written.")
        for name in document["sources"]:
            if name in was and now.get(name) != was[name]:
                then = f"{name} with SHA-256 {was[name][:12]}"
                today = f"has {now[name][:12]}" if name in now else "is gone"
                found.append(f"{document['name']} was drawn from {then}, which now {today}.")
    if new:
        found.append(f"All were drawn without {', '.join(new)}, which {'is' if len(new) == 1 else 'are'} there now.")
    return found


# ------------------------------------------------------------------------------------------------------------- pieces


def _basis(dossier: Dossier, answers: str | Path | None, today: date | None) -> Basis:
    check(dossier)
    found = dossier.sources()
    if answers is not None:
        found[ANSWERS] = people.read(answers)
    return Basis(dossier, found, today or date.today())


def _aside(name: str, dossier: Dossier) -> bool:
    """Whether a source may differ without a document being out of date."""
    if name.removeprefix("previous/") == LEDGER:
        return True
    return dossier.previous is None and (name.startswith("previous/") or name == DATA_CHANGE)


def _drawn(basis: Basis, names: Iterable[str] = ()) -> Iterator[Document]:
    wanted = set(names) or set(WRITERS)
    for name, module in WRITERS.items():
        if name in wanted:
            document = import_module(f"metier.govern.documents.{module}").write(basis)
            if document is not None:
                yield document


def _named(which: Iterable[str]) -> list[str]:
    names = list(which)
    unknown = [name for name in names if name not in WRITERS]
    if unknown:
        raise UsageError(
            "no-such-document",
            "A document is asked for by its name.",
            found=", ".join(unknown),
            fix=f"One or more of {', '.join(WRITERS)}.",
        )
    return names


def _formats(formats: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        raise UsageError(
            "no-such-format",
            "Documents are written as md, html or pdf.",
            found=", ".join(unknown) or "no format",
            fix="--format md --format html",
        )
    if "pdf" in formats:
        pdf.check()
    return tuple(name for name in FORMATS if name in formats)


def _write(document: Document, basis: Basis, folder: Path, formats: Sequence[str]) -> list[str]:
    parts, facts = laid_out(document, basis), _facts(document, basis)
    names = [f"{document.name}.{format}" for format in formats]
    if "md" in formats:
        text = markdown(document.title, document.lead, facts, parts, document.front)
        files.write_text(folder / f"{document.name}.md", text)
    if "html" in formats or "pdf" in formats:
        sections = [Section("document", part["title"], {"blocks": part["blocks"]}, part["lead"]) for part in parts]
        page = render(document.title, sections, lead=document.lead, facts=facts)
        if "html" in formats:
            files.write_text(folder / f"{document.name}.html", page)
        if "pdf" in formats:
            files.write_bytes(folder / f"{document.name}.pdf", pdf.pdf(page))
    return names


def _facts(document: Document, basis: Basis) -> list[tuple[str, str]]:
    gaps = len(document.questions()), len(document.lacking())
    open_ = f"{gaps[0]} questions, {gaps[1]} records" if any(gaps) else "none"
    root = str(basis.get("expert/manifest.json", "/root"))
    return [("Drawn on", basis.today.isoformat()), ("Expert's seal", root[:12]), ("Still missing", open_)]


def _gaps(document: Document, basis: Basis) -> list[dict[str, str]]:
    asked = [
        {"id": id, "kind": "question", "text": QUESTIONS[id].text, "who": basis.named(QUESTIONS[id].role)}
        for id in document.questions()
    ]
    lacking = [{"id": one.id, "kind": "record", "text": one.text, "who": one.fix} for one in document.lacking()]
    return asked + lacking


def _manifest(basis: Basis, drawn: Sequence[Document], hashes: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    entries: list[dict[str, Any]] = []
    gaps: dict[str, dict[str, Any]] = {}
    for document in drawn:
        own = _gaps(document, basis)
        for gap in own:
            gaps.setdefault(gap["id"], {**gap, "documents": []})["documents"].append(document.name)
        entries.append(
            {
                "name": document.name,
                "title": document.title,
                "files": dict(hashes[document.name]),
                "sources": list(dict.fromkeys(one.source for one in document.evidence())),
                "laws": list(document.laws),
                "gaps": [gap["id"] for gap in own],
                "complete": not own,
            }
        )
    left_out = {} if basis.dossier.previous else {"changes": "There is no version before this one to compare with."}
    return {
        "format": _FORMAT,
        "name": basis.dossier.name,
        "release": basis.dossier.release,
        "expert": basis.get("expert/manifest.json", "/root"),
        "version": __version__,
        "on": basis.today.isoformat(),
        "sources": {name: source.sha256 for name, source in basis.sources.items()},
        "documents": entries,
        "gaps": list(gaps.values()),
        "left_out": left_out,
        "laws": {name: LAW[name].told() for name in dict.fromkeys(law for one in drawn for law in one.laws)},
    }


def _hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    return {name: files.sha256(folder / name) for name in names}


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        found = files.read_json(folder / MANIFEST)
    except ValueError as error:
        raise _no_documents(folder, str(error)) from error
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise _no_documents(folder, "another format")
    return found


def _no_documents(folder: Path, why: str) -> RecordError:
    return RecordError(
        "no-documents",
        f"A folder of documents holds the {MANIFEST} that metier wrote.",
        found=f"{folder}: {why}",
        fix="metier documents RELEASE -o DIR writes them.",
    )
