"""Where rows come from besides one file: databases, object stores, folders of documents, data sets on disk.

Each source gives a table in the cache (`Found`), or a file or folder on this machine to go on with.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metier.data.sources.addresses import is_address, is_database, masked, name_of
from metier.errors import UsageError

if TYPE_CHECKING:
    from metier.data.cache import Stored
    from metier.plan import DataPlan

__all__ = ["Found", "find", "is_address", "masked", "name_of"]


@dataclass(frozen=True)
class Found:
    """A table read from a source, the SHA-256 of its content, the bytes that were read, and its name in the cache."""

    stored: Stored
    sha256: str
    bytes: int
    table: str


def find(place: str | Path, plan: DataPlan, cache: Path) -> Found | Path:
    """The table at a database, a folder, a data set on disk or a picture; or the path of a file, fetched if it is away.

    Raises DataError, ResourceError or UsageError, never with a password in it.
    """
    if is_address(place):
        if is_database(str(place)):
            from metier.data.sources.sql import read_database

            return read_database(str(place), plan, cache)
        from metier.data.sources.objects import fetch

        path = fetch(str(place), cache / "downloads")
    else:
        path = Path(place).expanduser()
    if plan.query is not None and str(place) != plan.test:
        raise UsageError(
            "query-without-database",
            "--query asks a database.",
            found=f"{masked(place)} is none",
            fix="Leave --query out, or name a database such as sqlite:///shop.db or postgresql://user@host/shop.",
        )
    from metier.data.pictures import SUFFIXES
    from metier.data.sources import folders, hub

    if not path.is_dir() and path.suffix.lower() not in SUFFIXES:
        return path

    if path.is_file():
        return folders.read_picture(path, cache)
    return hub.read_folder(path, cache) or folders.read_folder(path, cache) or path
