"""Versions: every data set this workspace has read or written, and how two of them differ.

One small file per version in the workspace's `versions/`, written when the data is first read. `name@2` is the second
content that was read under that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from dataclasses import field as field_of
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metier import files
from metier.data import cache as tables
from metier.data import erased
from metier.data.dataset import Dataset, Source
from metier.data.difference import Difference, diff
from metier.data.schema import infer_schema
from metier.data.sources.addresses import is_address, name_of
from metier.errors import DataError, ResourceError
from metier.plan import Plan

if TYPE_CHECKING:
    from metier.workspace import Workspace

__all__ = ["Difference", "Version", "diff", "find", "note", "versions"]


@dataclass(frozen=True)
class Version:
    """One content of a data set: `name@number`, where it came from, what is in it, and whether its rows are here."""

    name: str
    number: int
    path: str
    sha256: str
    rows: int
    bytes: int
    format: str
    columns: Mapping[str, str]  # name -> type
    target: str | None
    when: str  # first read, ISO 8601 in UTC
    curated_from: str | None = None  # the SHA-256 of what it was made from
    kept: bool = False  # its rows lie in the workspace's cache
    table: str | None = field_of(default=None, repr=False)

    @property
    def reference(self) -> str:
        """How it is named on the command line."""
        return f"{self.name}@{self.number}"

    def as_json(self) -> dict[str, Any]:
        """One entry of `data list --json`."""
        about = asdict(self)
        del about["table"]
        return {"version": self.reference, **about}


def note(dataset: Dataset, cache: Path, table: str | None = None, curated_from: str | None = None) -> None:
    """Remember a data set that was read or written; `cache` is the folder of tables, `table` its name there.

    `curated_from` is the SHA-256 of the data it was made from. A workspace that may not be written to is left alone.
    """
    source = dataset.source
    key = sha256(f"{source.path}\n{source.sha256}".encode("utf-8", "backslashreplace")).hexdigest()[:24]
    registry = _registry(cache)
    if registry is None:
        return
    path = registry / f"{key}.json"
    known = _entry(path)
    if known is not None and (curated_from is None or known.get("curated_from") == curated_from):
        if table is None or known.get("table") == table:
            return
        known = {**known, "table": table}
    entry = known or {
        "name": name_of(source.path),
        "path": source.path,
        "sha256": source.sha256,
        "rows": len(dataset),
        "bytes": source.bytes,
        "format": source.format,
        "columns": {field.name: str(field.type) for field in dataset.table.schema},
        "target": dataset.schema.target,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "table": table,
    }
    try:
        files.write_json(path, {**entry, "curated_from": curated_from or entry.get("curated_from")}, durable=False)
    except ResourceError:
        return


def versions(workspace: Workspace) -> list[Version]:
    """Every data set this workspace has read, by name and then by age; those of finished runs as well."""
    cache = workspace.cache / "tables"
    entries = [
        entry for path in sorted((workspace.root / "versions").glob("*.json")) if (entry := _entry(path)) is not None
    ]
    entries += list(_of_runs(workspace, {(entry["name"], entry["sha256"]) for entry in entries}))
    entries.sort(key=lambda entry: (entry["name"], entry["when"], entry["sha256"]))
    found: dict[tuple[str, str], Version] = {}
    last: dict[str, int] = {}
    for entry in entries:
        key = (entry["name"], entry["sha256"])
        table = entry.pop("table", None)
        here = table is not None and (cache / f"{table}.json").exists()
        if key in found:
            if here and not found[key].kept:
                found[key] = Version(**{**entry, "number": found[key].number, "kept": here, "table": table})
            continue
        last[entry["name"]] = last.get(entry["name"], 0) + 1
        found[key] = Version(**entry, number=last[entry["name"]], kept=here, table=table)
    return list(found.values())


def find(reference: str, workspace: Workspace, plan: Plan) -> Dataset:
    """The data set of a path, an address, `name@2`, `name` (its newest) or the first 6 or more digits of a SHA-256.

    Raises DataError where there is none, several, or where its rows are gone.
    """
    from metier.data.read import read

    cache = workspace.cache / "tables"
    if is_address(reference) or Path(reference).expanduser().exists():
        return read(reference, plan.data, cache)
    known = versions(workspace)
    matching = [item for item in known if item.reference == reference]
    if not matching and re.fullmatch(r"[0-9a-f]{6,64}", reference):
        matching = [item for item in known if item.sha256.startswith(reference)]
    if not matching:
        matching = [item for item in known if item.name == reference][-1:]
    if len({item.sha256 for item in matching}) > 1:
        raise DataError(
            "several-versions",
            "A SHA-256 must be given with as many digits as tell one version.",
            found=f"{reference} begins {', '.join(item.reference for item in matching[:5])}",
            fix=f"Name one of these, such as {matching[0].reference}.",
        )
    if not matching:
        return _unknown(reference, known, plan, cache)
    return _loaded(matching[0], plan, cache)


def _unknown(reference: str, known: list[Version], plan: Plan, cache: Path) -> Dataset:
    from metier.data.read import read

    if Path(reference).suffix and "@" not in reference:
        return read(reference, plan.data, cache)  # which says what is wrong with the path
    told = ", ".join(item.reference for item in known[-10:])
    raise DataError(
        "no-such-version",
        "A version is a path, a name from `metier data list` such as tickets@2, or the start of a SHA-256.",
        found=f"{reference!r}" + (f"; there are {told}" if told else "; this workspace has read nothing yet"),
        fix="metier data list",
    )


def _loaded(version: Version, plan: Plan, cache: Path) -> Dataset:
    stored = tables.load(cache, version.table) if version.table else None
    if stored is not None:
        schema = infer_schema(stored.table, plan.data)
        stored = erased.set_aside(stored, cache, str(version.table), schema)
        return Dataset(
            stored.table,
            infer_schema(stored.table, plan.data),
            Source(version.path, version.sha256, version.bytes, **stored.facts),
        )
    from metier.data.read import read

    if "***" not in version.path and (is_address(version.path) or Path(version.path).expanduser().exists()):
        dataset = read(version.path, plan.data, cache)
        if dataset.source.sha256 == version.sha256:
            return dataset
    raise DataError(
        "version-gone",
        "A version's rows must lie in the workspace's cache, or unchanged where they were read.",
        found=f"{version.reference}, read from {version.path} on {version.when[:10]}, is in neither place",
        fix="Name another version, or a path where that content still is.",
    )


def _registry(cache: Path) -> Path | None:
    """The `versions/` of the workspace whose tables lie here; None where the folder is no workspace's."""
    return cache.parent.parent / "versions" if (cache.parent.name, cache.name) == ("cache", "tables") else None


def _entry(path: Path) -> dict[str, Any] | None:
    try:
        found = files.read_json(path)
    except (ResourceError, ValueError):
        return None
    return found if isinstance(found, dict) and {"name", "sha256", "when"} <= set(found) else None


def _of_runs(workspace: Workspace, known: set[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """What runs have recorded in their data.json and the registry does not have."""
    for path in sorted(workspace.runs.glob("*/data.json")):
        try:
            record = files.read_json(path)
            when = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
            sides = [side for side in (record.get("train"), record.get("test")) if side]
            entries = [_of_record(side, when) for side in sides]
        except (ResourceError, OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        for entry in entries:
            if (entry["name"], entry["sha256"]) not in known:
                known.add((entry["name"], entry["sha256"]))
                yield entry


def _of_record(side: Mapping[str, Any], when: str) -> dict[str, Any]:
    source, schema = side["source"], side["schema"]
    return {
        "name": name_of(source["path"]),
        "path": source["path"],
        "sha256": source["sha256"],
        "rows": side["rows"],
        "bytes": source["bytes"],
        "format": source["format"],
        "columns": {column["name"]: column["content"] for column in schema["columns"]},
        "target": schema["target"],
        "when": when,
    }
