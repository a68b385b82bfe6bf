"""What several documents say alike: which expert it is, how it was made, from which data, who approved it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metier.govern.documents.basis import Basis, file_name, joined, yes
from metier.govern.documents.dossier import LEDGER, REGISTRY
from metier.govern.documents.law import LAW
from metier.govern.documents.pieces import Cell, Facts, Part, Prose, Table, text
from metier.govern.documents.sources import pointer
from metier.pages import words

ABOUT = "expert/metier.json"
_DIGITS = 12  # of a hash, enough to know it again


def identity(basis: Basis) -> Facts:
    """Which expert this is, exactly: names, versions, hashes."""
    release = basis.said(REGISTRY, "/release/name")
    version = basis.said(REGISTRY, "/release/version", lambda number: f"version {number}")
    stage = basis.said(REGISTRY, "/release/stage", lambda name: f"({name})")
    draft = text("A draft: the registry knows of no release of it.")
    return facts(
        ("Release", joined(release, version, stage) if release else draft),
        ("Expert", basis.said(ABOUT, "/name")),
        ("Its seal", basis.said("expert/manifest.json", "/root")),
        ("Made by", basis.said(ABOUT, "/version", lambda number: f"metier {number}")),
        ("Made in the run", basis.said(ABOUT, "/run")),
        ("The run's seal", basis.said("run/done.json", "/root")),
        (
            "Ledger",
            joined(
                basis.said(LEDGER, "/records", lambda records: f"{words.count(records)} records,"),
                basis.said(LEDGER, "/root", lambda root: f"root {root}"),
            ),
        ),
    )


def method(basis: Basis) -> Facts:
    """How it was made: the base, the rung, the choices."""
    base = ABOUT, "/base"
    return facts(
        ("Task", joined(basis.said(ABOUT, "/task"), _labels(basis))),
        ("Reads", basis.said(ABOUT, "/reads", ", ".join)),
        ("Predicts", basis.said(ABOUT, "/target_column")),
        (
            "Base model",
            joined(
                basis.said(*_at(base, "name")),
                basis.said(*_at(base, "architecture"), lambda name: f"({name},"),
                basis.said(*_at(base, "parameters"), lambda number: f"{words.count(number)} parameters)"),
            ),
        ),
        ("Answers through the base", text(yes(basis.dossier.uses_base))),
        ("Licence of the base", basis.said(*_at(base, "licence"), otherwise=text("None is named in its folder."))),
        ("SHA-256 of the base", basis.said(*_at(base, "sha256"))),
        ("Rung of the ladder", joined(basis.said(ABOUT, "/rung"), _reason(basis))),
        ("Optimised for", basis.said(ABOUT, "/metric")),
        ("Seed", basis.said(ABOUT, "/seed")),
        (
            "Trained privately",
            basis.said("run/plan.json", "/private/epsilon", lambda e: f"yes, epsilon {e:g}", text("no")),
        ),
        ("Done about gaps between groups", basis.said("run/plan.json", "/fair/mitigate")),
    )


def data(basis: Basis) -> Facts:
    """The data it learnt from and was measured on, by hash."""
    return facts(
        (
            "Training data",
            joined(
                basis.said("run/data.json", "/train/source/path", file_name),
                basis.said("run/data.json", "/train/rows", lambda n: f"({words.count(n)} rows)"),
            ),
        ),
        ("Its SHA-256", basis.said(ABOUT, "/data")),
        (
            "Curated from",
            basis.said("curation/data.json", "/train/source/sha256", otherwise=text("Not curated by metier.")),
        ),
        (
            "Test data",
            basis.said("run/data.json", "/test/source/path", file_name, text("None was given to the tuning.")),
        ),
        ("Its SHA-256 (test)", basis.said("run/data.json", "/test/source/sha256")),
        (
            "Evaluated on",
            basis.measured("evaluation", basis.said("evaluation/data.json", "/evaluated/source/path", file_name)),
        ),
        ("Its SHA-256 (evaluation)", basis.said("evaluation/data.json", "/evaluated/source/sha256")),
        (
            "How rows were held out",
            joined(
                basis.said("run/split.json", "/method"),
                basis.said("run/split.json", "/rows/train", lambda n: f"({words.count(n)} to learn from,"),
                basis.said("run/split.json", "/rows/validation", lambda n: f"{words.count(n)} held out)"),
            ),
        ),
    )


def machine(basis: Basis) -> Facts:
    """What it was made with."""
    place = "run/environment.json"
    return facts(
        (
            "Processor",
            joined(basis.said(place, "/cpu/model"), basis.said(place, "/cpu/cores", lambda n: f"({n} cores)")),
        ),
        ("Memory", basis.said(place, "/memory_mib", lambda mib: words.number(mib, "MiB"))),
        ("System", joined(basis.said(place, "/platform/system"), basis.said(place, "/platform/machine"))),
        ("Python", basis.said(place, "/python")),
        ("metier", basis.said(place, "/metier")),
        ("torch", basis.said(place, "/packages/torch")),
        ("transformers", basis.said(place, "/packages/transformers")),
        ("Time of tuning", basis.said("run/evaluation.json", "/seconds", words.seconds)),
        (
            "Most memory in tuning",
            basis.said("run/evaluation.json", "/peak_memory_mib", lambda mib: words.number(mib, "MiB")),
        ),
    )


def approvals(basis: Basis) -> Part:
    """Who decided what, after which gates; what was waived; what a validator found."""
    blocks: list[Facts | Table | Prose] = []
    if basis.dossier.gates:
        blocks.append(_table(basis, "gates", ("gate", "wanted", "found", "passed")))
    if basis.dossier.approvals:
        blocks.append(_table(basis, "approvals", ("name", "role", "decision", "reason", "at", "hashes", "signature")))
    if basis.dossier.waivers:
        blocks.append(_table(basis, "waivers", ("gate", "name", "reason", "until")))
    if not blocks:
        # No gap: whether the documents are complete is itself asked before anybody approves.
        blocks.append(Prose(text("No gate and no approval is recorded yet.")))
    return Part("Gates and approvals", tuple(blocks))


def findings(basis: Basis) -> Part:
    """What the independent validation found, and how it was closed."""
    title = "Findings of the validation"
    if not basis.dossier.findings:
        return Part(title, (Prose(text("No finding is recorded.")),))
    columns = ("id", "severity", "text", "by", "at", "closing", "closed_by")
    return Part(title, (_table(basis, "findings", columns),))


def laws(*names: str) -> Part:
    """Which texts were followed, and as of when."""
    return Part("What this document follows", tuple(Prose(text(LAW[name].told())) for name in names))


def asked(basis: Basis, **titles: str) -> Facts:
    """Questions by id (with `_` for `-`) under short titles, each with a person's answer or open."""
    return Facts(tuple((title, basis.asked(id.replace("_", "-"))) for id, title in titles.items()))


def facts(*rows: tuple[str, Cell]) -> Facts:
    """Facts without those of which nothing is recorded."""
    return Facts(tuple((name, cell) for name, cell in rows if cell))


def _table(basis: Basis, field: str, columns: tuple[str, ...]) -> Table:
    rows = []
    for at, _ in enumerate(getattr(basis.dossier, field)):
        rows.append(tuple(basis.said(REGISTRY, pointer(field, at, column), _word) for column in columns))
    return Table(tuple(column.replace("_", " ") for column in columns), tuple(rows))


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return yes(value)
    if isinstance(value, float):
        return words.number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_word(item)[:_DIGITS]}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(_word(item)[:_DIGITS] for item in value)
    return str(value)


def _at(place: tuple[str, str], step: str) -> tuple[str, str]:
    return place[0], place[1] + pointer(step)


def _labels(basis: Basis) -> Cell:
    return basis.said(ABOUT, "/target/labels", lambda labels: f"with {len(labels)} labels")


def _reason(basis: Basis) -> Cell:
    chosen = basis.get(ABOUT, "/rung")
    for at, step in basis.listed("run/evaluation.json", "/rungs"):
        if step.get("name") == chosen:
            return basis.said("run/evaluation.json", pointer("rungs", at, "reason"), lambda why: f"({why})")
    return ()
