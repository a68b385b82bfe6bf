"""From a name to a Dossier: the registry is asked first, then the disk; what belongs to an expert is found by hash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from metier import files
from metier.errors import MetierError, ResourceError, UsageError
from metier.expert import ABOUT, read_about
from metier.govern import origin, record
from metier.govern.documents.dossier import Dossier
from metier.plan import Plan
from metier.workspace import DONE, Workspace

# A release's name -> `{"expert": folder, "previous": name or None, ...}`, the rest being fields of a Dossier; None for
# a name that the registry does not know.
Registry = Callable[[str], Mapping[str, Any] | None]


def dossier_of(
    reference: str | Path, place: Workspace, *, registry: Registry | None = None, since: str | Path | None = None
) -> Dossier:
    """The dossier of a release, or of an expert's (or its run's) folder where the registry knows no such name.

    `since` names the version before, which the registry knows by itself. Raises UsageError where there is neither.
    """
    found, before = _found(reference, place, registry)
    if since is None and before is None:
        return found
    previous, _ = _found(since or str(before), place, registry)
    return replace(found, previous=previous, data_change=_data_change(previous, found, place))


def _found(reference: str | Path, place: Workspace, registry: Registry | None) -> tuple[Dossier, str | None]:
    """The dossier alone, and what the registry calls the version before it."""
    known = registry(str(reference)) if registry is not None else None
    if known is None:
        return _on_disk(_folder(Path(reference)), place), None
    added = {name: value for name, value in known.items() if name not in ("expert", "previous")}
    return replace(_on_disk(Path(known["expert"]), place), **added), known.get("previous")


def _folder(path: Path) -> Path:
    """The expert's folder that is meant: itself, or the one in a run's folder."""
    for folder in (path, path / "expert"):
        if (folder / ABOUT).is_file():
            return folder
    raise UsageError(
        "no-such-release",
        "Documents are drawn of a release, or of an expert's folder.",
        found=f"{path} is neither",
        fix="Give the folder that metier tune printed, or a name from the registry.",
    )


def _on_disk(expert: Path, place: Workspace) -> Dossier:
    about = read_about(expert)
    manifest = expert / record.MANIFEST
    named = files.sha256(manifest) if manifest.is_file() else ""
    finished = [folder for folder in place.finished() if (folder / "data.json").is_file()]
    evaluations = [folder for folder in finished if _json(folder / "data.json").get("manifest") == named]
    curations = [folder for folder in finished if _cleaned(folder) == about.get("data")]
    return Dossier(
        expert=expert,
        run=origin.run_of(about, expert, place),
        evaluations=tuple(sorted(evaluations, key=_telling, reverse=True)),
        curation=curations[-1] if curations else None,
    )


def _telling(evaluation: Path) -> tuple[bool, int, str]:
    """The evaluation that says most comes first, then the newest; groups of people count before all else."""
    found = _json(evaluation / "evaluation.json")
    bias = found.get("bias")
    return bool(isinstance(bias, Mapping) and bias.get("group")), len(found.get("questions", ())), evaluation.name


def _cleaned(folder: Path) -> str | None:
    if not (folder / "curation.json").is_file() or not (folder / DONE).is_file():
        return None
    cleaned = _json(folder / "curation.json").get("cleaned")
    return cleaned.get("sha256") if isinstance(cleaned, Mapping) else None


def _json(path: Path) -> dict[str, Any]:
    try:
        found = files.read_json(path)
    except (ResourceError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _data_change(old: Dossier, new: Dossier, place: Workspace) -> dict[str, Any] | None:
    """How many rows were added, removed and changed, where the rows of both versions are still here."""
    from metier.data import versions
    from metier.govern import run_records

    hashes = [str(one.about["data"]) for one in (old, new)]
    if new.run is None or hashes[0] == hashes[1]:
        return None
    plan = Plan.load(new.run / "plan.json", run_records.TUNED)
    try:
        a, b = (versions.find(sha256, place, plan) for sha256 in hashes)
        found = versions.diff(a, b, plan).as_json()
    except MetierError:
        return None
    # Only counts and columns: documents go further than the rows may.
    kept = {name: found[name] for name in ("matched_by", "rows", "columns")}
    return {"before": hashes[0], "now": hashes[1], **kept}
