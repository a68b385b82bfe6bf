"""Dossier: all that is known of one expert, with what the registry adds, and the proof that it belongs together.

A dossier is only made of sources that are as they were sealed and that speak of this very expert.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metier.errors import RecordError
from metier.expert import read_about
from metier.govern import record
from metier.govern.documents import sources
from metier.govern.documents.sources import Source

REGISTRY, LEDGER, DATA_CHANGE, ANSWERS = "registry.json", "ledger.json", "data-change.json", "answers.json"
_RUN = ("data.json", "split.json", "plan.json", "environment.json", "base.json", "evaluation.json", "done.json")
_EVALUATION = ("data.json", "plan.json", "environment.json", "evaluation.json", "done.json")
_CURATION = ("data.json", "plan.json", "curation.json", "datasheet.json", "done.json")
# What the registry adds, by the field of the same name.
_ADDED = ("release", "approvals", "gates", "waivers", "findings", "review")


@dataclass(frozen=True)
class Dossier:
    """One expert with its run, its evaluations (newest first) and, where its data was curated, the curation's run.

    The rest is what the registry knows, as plain data: `release` `{"name", "version", "stage", "id"}`, `approvals`
    `[{"name", "role", "decision", "reason", "at", "hashes", "signature"}]`, `gates` `[{"gate", "wanted", "found",
    "low", "high", "passed", "evidence"}]`, `waivers` `[{"gate", "name", "reason", "until"}]`, `findings` `[{"id",
    "severity", "text", "by", "at", "closing", "closed_by", "closed_at"}]`, `review` the answers of the ethical review's
    form by their ids, `ledger` `{"records", "root"}`. `previous` is the version before, `data_change` what `metier data
    diff` says between the two versions' rows.
    """

    expert: Path
    run: Path | None = None
    evaluations: tuple[Path, ...] = ()
    curation: Path | None = None
    release: Mapping[str, Any] | None = None
    approvals: Sequence[Mapping[str, Any]] = ()
    gates: Sequence[Mapping[str, Any]] = ()
    waivers: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[Mapping[str, Any]] = ()
    review: Mapping[str, Any] = field(default_factory=dict)
    ledger: Mapping[str, Any] | None = None
    previous: Dossier | None = None
    data_change: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """What it is called: the release's name, or the expert's."""
        return str((self.release or {}).get("name") or self.about["name"])

    @property
    def about(self) -> Mapping[str, Any]:
        """What the expert's metier.json holds."""
        return read_about(self.expert)

    @property
    def derived(self) -> bool:
        """Whether the expert was scaled, merged or exported from the one that its run made."""
        return bool({"scaled", "merged_from", "runtime"} & set(self.about))

    @property
    def uses_base(self) -> bool:
        """Whether the expert answers through its base; a linear model or trees stand beside it."""
        return (self.expert / "head.safetensors").is_file()

    def sources(self) -> dict[str, Source]:
        """Every record this dossier holds, by name, as it lies there now. Raises RecordError, ResourceError."""
        found = {f"expert/{name}": sources.read(self.expert / name) for name in ("metier.json", "manifest.json")}
        for label, folder, names in self._folders():
            found |= {f"{label}/{name}": sources.read(folder / name) for name in names if (folder / name).is_file()}
        added = {name: value for name in _ADDED if (value := getattr(self, name))}
        if added:
            found[REGISTRY] = sources.made(REGISTRY, added)
        if self.ledger is not None:
            found[LEDGER] = sources.made(LEDGER, self.ledger)
        if self.data_change is not None:
            found[DATA_CHANGE] = sources.made(DATA_CHANGE, self.data_change)
        if self.previous is not None:
            found |= {f"previous/{name}": source for name, source in self.previous.sources().items()}
        return found

    def _folders(self) -> Iterator[tuple[str, Path, tuple[str, ...]]]:
        if self.run is not None:
            yield "run", self.run, _RUN
        for number, folder in enumerate(self.evaluations, 1):
            yield "evaluation" if number == 1 else f"evaluation-{number}", folder, _EVALUATION
        if self.curation is not None:
            yield "curation", self.curation, _CURATION


def check(dossier: Dossier) -> None:
    """Hold every source against its seal and against the expert. Raises RecordError naming the first fault."""
    _sealed("expert", dossier.expert)
    for label, folder, _ in dossier._folders():
        _sealed(label, folder)
    about, found = dossier.about, dossier.sources()
    _same("run/data.json", found.get("run/data.json"), "/train/source/sha256", about["data"], "was tuned on")
    _same("run/base.json", found.get("run/base.json"), "/sha256", _base(about, found), "stands on")
    if dossier.run is not None and not dossier.derived:
        own = sources.read(dossier.run / "expert" / record.MANIFEST)
        _same(
            "the run's expert/manifest.json", own, "/root", found["expert/manifest.json"].data["root"], "is sealed by"
        )
    manifest = found["expert/manifest.json"].sha256
    for label, _, _ in dossier._folders():
        if label.startswith("evaluation"):
            _same(f"{label}/data.json", found.get(f"{label}/data.json"), "/manifest", manifest, "is named by")
    _same(
        "curation/curation.json", found.get("curation/curation.json"), "/cleaned/sha256", about["data"], "was tuned on"
    )
    if dossier.previous is not None:
        check(dossier.previous)


def _base(about: Mapping[str, Any], found: Mapping[str, Source]) -> str:
    """The hash of the base the run was made from; a merged expert is a base of its own."""
    if "merged_from" in about:
        return str(sources.get(found.get("run/base.json"), "/sha256"))
    return str(about["base"]["sha256"])


def _sealed(label: str, folder: Path) -> None:
    # The data and the base outside the folders may rightly have moved: only what is sealed in them is asked.
    verdict = record.verify(folder)
    if not verdict.ok:
        raise RecordError(
            "altered-source",
            "Documents are drawn only from records that are as they were sealed.",
            found=f"{label} ({folder}): {verdict.problem}",
            fix=f"metier verify {folder} says what differs; bring the sealed file back, or tune and evaluate again.",
        )


def _same(name: str, source: Source | None, place: str, wanted: str, how: str) -> None:
    if source is None:
        return
    found = sources.get(source, place)
    if found != wanted:
        raise RecordError(
            "contradictory-sources",
            f"Every source must speak of the expert at hand, which {how} {_short(wanted)}.",
            found=f"{name} says {_short(found)} at {place}",
            fix="Give the run and the evaluations of this expert; metier evaluate EXPERT DATA makes a new one.",
        )


def _short(hashed: object) -> str:
    return f"{str(hashed)[:12]}..." if hashed else "nothing"
