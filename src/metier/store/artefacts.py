"""Folders kept by their content: in the workspace's `artefacts/`, or wherever METIER_ARTEFACTS says (fsspec).

A folder's name is the SHA-256 of its manifest.json, which holds the hash of every other file in it. The manifest is
written last: a folder without one is not there yet.
"""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metier import files
from metier.data.sources.addresses import masked
from metier.errors import ExpertError, MetierError, RecordError, ResourceError
from metier.workspace import Workspace

PLACE = "METIER_ARTEFACTS"
_MANIFEST = "manifest.json"


def put(place: Workspace, folder: Path) -> str:
    """Keep a copy of a sealed folder, and return its name: the SHA-256 of its manifest. Twice is once.

    Raises ExpertError where the folder is not what its manifest says, ResourceError where the store refuses.
    """
    check(folder)
    name = files.sha256(folder / _MANIFEST)
    remote = os.environ.get(PLACE, "")
    if "://" in remote:
        _upload(remote, folder, name)
        return name
    target = _local(place, name)
    if not target.is_dir():
        with files.write_folder(target, marker=None) as building:
            with files.guard(folder):
                shutil.copytree(folder, building, dirs_exist_ok=True)
            check(building, name)
    return name


def get(place: Workspace, name: str) -> Path:
    """The folder on this machine, fetched first where the store is elsewhere. Raises ExpertError, ResourceError."""
    remote, target = os.environ.get(PLACE, ""), path(place, name)
    if "://" in remote and not target.is_dir():
        place.prepare()
        with files.write_folder(target, marker=None) as building:
            _download(remote, name, building)
            check(building, name)
    return target


def path(place: Workspace, name: str) -> Path:
    """Where `get` leaves the folder; it need not be there yet."""
    return place.cache / "artefacts" / name if "://" in os.environ.get(PLACE, "") else _local(place, name)


def check(folder: Path, name: str | None = None) -> None:
    """Raise ExpertError where a folder is not what its manifest says, or its manifest is not the one named."""
    from metier.govern import record

    found = ""
    try:
        verdict = record.verify(folder, inside=True)
        found = verdict.problem
        if verdict.ok and name is not None and files.sha256(folder / _MANIFEST) != name:
            found = f"{folder / _MANIFEST} is sound, but not the one that was kept"
    except (RecordError, ResourceError) as error:
        found = f"{error.problem} {error.found}"
    if found:
        raise ExpertError(
            "altered-expert",
            "An expert's folder must be what its manifest says.",
            found=found,
            fix=f"metier verify {folder} names the first file that differs; bring the whole folder back.",
        )


def _local(place: Workspace, name: str) -> Path:
    return Path(os.environ.get(PLACE) or place.root / "artefacts") / name[:2] / name


def _upload(remote: str, folder: Path, name: str) -> None:
    with _reached(remote) as (system, root):
        target = posixpath.join(root, name[:2], name)
        if system.exists(f"{target}/{_MANIFEST}"):
            return
        paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        for path in (*(each for each in paths if each != _MANIFEST), _MANIFEST):
            system.makedirs(posixpath.dirname(f"{target}/{path}"), exist_ok=True)
            system.put_file(str(folder / path), f"{target}/{path}")


def _download(remote: str, name: str, building: Path) -> None:
    with _reached(remote) as (system, root):
        source = posixpath.join(root, name[:2], name)
        system.get_file(f"{source}/{_MANIFEST}", str(building / _MANIFEST))
        # Its paths are followed only once it is known to be the one that was kept.
        if files.sha256(building / _MANIFEST) != name:
            return
        for entry in files.read_json(building / _MANIFEST)["files"]:
            (building / entry["path"]).parent.mkdir(parents=True, exist_ok=True)
            system.get_file(f"{source}/{entry['path']}", str(building / entry["path"]))


@contextmanager
def _reached(remote: str) -> Iterator[tuple[Any, str]]:
    """The file system of an address, and the path in it; whatever it refuses is told as a ResourceError."""
    import fsspec

    try:
        yield fsspec.core.url_to_fs(remote)
    except MetierError:
        raise
    except ImportError as error:
        raise ResourceError(
            "artefacts-driver", f"{PLACE} needs the library of its store.", found=str(error), fix="pip install it."
        ) from error
    except Exception as error:  # every store has errors of its own
        raise ResourceError(
            "artefacts-unreachable",
            "The store of the artefacts must answer.",
            found=f"{masked(remote)}: {type(error).__name__}",
            fix=f"Check {PLACE} and its credentials; unset it to keep artefacts in the workspace.",
        ) from error
