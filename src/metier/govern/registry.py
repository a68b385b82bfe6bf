"""The registry: releases of experts by name and version, the stage each is in, and what is live now.

Its tables say how things stand; how they came to be is in the ledger, which every change is written to in the same
transaction. `resolve` finds a release by what people type, `live` all that may be served.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metier import files
from metier.errors import RecordError, UsageError
from metier.workspace import Workspace, slug

if TYPE_CHECKING:
    from sqlalchemy import Connection

DRAFT, CANDIDATE, APPROVED, LIVE, RETIRED = STAGES = ("draft", "candidate", "approved", "live", "retired")
CHAMPION = "champion"  # always the live version: no alias of its own that could fall out of step
_REFERENCE = re.compile(r"(?P<name>[a-z0-9][a-z0-9_.-]{0,63})(?:@(?P<which>[a-z0-9][a-z0-9_.-]*))?\Z")
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Release:
    """A version of an expert. `stage` is one of STAGES; `expert` the folder it is loaded from, the registry's own copy.

    `manifest` is the SHA-256 of that folder's manifest.json, `root` that of the run that made it and `run` this run's
    name; `aliases` are words such as champion (the live one) and challenger; `record` is the ledger's record that
    last changed it.
    """

    name: str
    version: int
    stage: str
    expert: Path
    manifest: str
    aliases: tuple[str, ...] = ()
    run: str = ""
    root: str = ""
    record: int = 0

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def subject(self) -> str:
        """What the ledger calls it."""
        return f"release:{self.id}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, as `metier releases --json` lists it."""
        plain = {key: getattr(self, key) for key in ("name", "version", "stage", "manifest", "run", "root", "record")}
        return {"release": self.id, **plain, "aliases": list(self.aliases), "expert": str(self.expert)}


def resolve(reference: str | Path, place: Workspace, *, newest: bool = False) -> Release:
    """The release of this reference: `name`, `name@2`, `name@champion`, `name@challenger`, or an expert's folder.

    A bare name is its live version; where none is live, or with `newest`, the newest that is not retired. A folder is
    the release of the very same content, wherever the folder lies. The release's folder is fetched where artefacts
    are kept elsewhere. Raises RecordError where there is none such, UsageError for what is no reference.

    >>> resolve("banking@champion", Workspace.find()).version  # doctest: +SKIP
    3
    """
    folder = Path(reference)
    if _is_sealed(folder):
        manifest = files.sha256(folder / _MANIFEST)
        found = [release for release in releases(place) if release.manifest == manifest]
        if not found:
            raise _absent(f"none with the content of {folder}", f"metier release {folder} --policy general")
        return here(found[-1], place)
    name, which = parse(reference)
    chosen = _chosen([release for release in releases(place) if release.name == name], name, which, newest)
    return here(chosen, place)


def live(place: Workspace) -> list[Release]:
    """Every release that is live now, by name; at most one of a name."""
    return [here(release, place) for release in releases(place) if release.stage == LIVE]


def releases(place: Workspace) -> list[Release]:
    """All releases, by name and version. Raises ResourceError."""
    from metier.govern import acts
    from metier.store.records import exists

    if not exists(place):
        return []
    with acts.reading(place) as connection:
        return rows(connection, place)


def rows(connection: Connection, place: Workspace) -> list[Release]:
    """All releases as one connection sees them, by name and version."""
    import sqlalchemy

    from metier.store import artefacts
    from metier.store.tables.registry import aliases as words
    from metier.store.tables.registry import releases as table

    named: dict[tuple[str, int], list[str]] = {}
    for row in connection.execute(sqlalchemy.select(words).order_by(words.c.alias)):
        named.setdefault((row.name, row.version), []).append(row.alias)
    return [
        Release(
            name=row.name,
            version=row.version,
            stage=row.stage,
            expert=artefacts.path(place, row.manifest),
            manifest=row.manifest,
            aliases=((CHAMPION,) if row.stage == LIVE else ()) + tuple(named.get((row.name, row.version), ())),
            run=row.run,
            root=row.root,
            record=row.record,
        )
        for row in connection.execute(sqlalchemy.select(table).order_by(table.c.name, table.c.version))
    ]


def parse(reference: str | Path) -> tuple[str, str]:
    """(name, version or alias, "" for none). Raises UsageError."""
    found = _REFERENCE.match(str(reference).strip().lower())
    if found is None:
        raise UsageError(
            "no-reference",
            "A release is named NAME, NAME@VERSION, NAME@ALIAS, or by its expert's folder.",
            found=repr(str(reference)),
            fix="metier releases lists them.",
        )
    return found["name"], found["which"] or ""


def plain_name(name: str) -> str:
    """A release's name from any text: what fits a file, an address and `name@version`.

    >>> plain_name("Café: tickets")
    'cafe-tickets'
    """
    return slug(name)


def here(release: Release, place: Workspace) -> Release:
    """The release with its folder on this machine: fetched, where artefacts are kept elsewhere."""
    from metier.store import artefacts

    artefacts.get(place, release.manifest)
    return release


def _chosen(found: list[Release], name: str, which: str, newest: bool) -> Release:
    if not found:
        raise _absent(f"none is called {name}", "metier release EXPERT --policy general makes one")
    if which:
        for release in found:
            if which in (str(release.version), f"v{release.version}", *release.aliases):
                return release
        raise _absent(f"{name} has {_listed(found)}", "metier releases lists them")
    usable = [release for release in found if release.stage != RETIRED]
    if not usable:
        raise _absent(f"{name} has {_listed(found)}", f"name the version: {name}@{found[-1].version}")
    serving = [release for release in usable if release.stage == LIVE]
    return usable[-1] if newest or not serving else serving[0]


def _is_sealed(folder: Path) -> bool:
    try:
        return (folder / _MANIFEST).is_file()
    except OSError:  # a name too long for a file is none
        return False


def _listed(found: Iterable[Release]) -> str:
    return ", ".join(f"{release.version} ({', '.join((release.stage, *release.aliases))})" for release in found)


def _absent(found: str, fix: str) -> RecordError:
    fix = f"{fix[0].upper()}{fix[1:]}." if not fix.startswith("metier") else f"{fix}."
    return RecordError("no-such-release", "The release must be in the registry.", found=found, fix=fix)
