"""What `metier serve` and the operators' routes name: a release, or an expert's folder; found, checked and loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from metier import files
from metier.errors import ExpertError, UsageError
from metier.expert import folder_of
from metier.serve.engine.engine import Ask, Engine
from metier.serve.engine.opening import verified
from metier.serve.traffic import Version
from metier.workspace import Workspace, slug

_ABOUT = "metier.json"
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.\-]{0,63})=(.+)", re.DOTALL)
_SERVABLE = ("approved", "live")


def is_folder(reference: str) -> bool:
    """Whether a reference names a folder or a packed expert (`banking=folder`, `./folder`, or one that is there)."""
    there = (Path(reference) / _ABOUT).is_file() or Path(reference).is_file()
    return bool(_NAMED.fullmatch(reference)) or "/" in reference or there


def from_folder(reference: str, within: Sequence[Path] = (), place: Workspace | None = None) -> Version:
    """The version in a folder, `FOLDER` or `NAME=FOLDER`; its number is the start of the hash it was sealed with.

    With `place` a packed expert may stand for its folder: it is verified, and unpacked there. With `within`, only a
    folder inside one of those. Raises ExpertError, UsageError.
    """
    match = _NAMED.fullmatch(reference)
    name, folder = (match[1], Path(match[2])) if match else ("", Path(reference))
    folder = folder.expanduser().resolve()
    if place is not None:
        folder = folder_of(folder, place)
    if within and not any(folder.is_relative_to(place.resolve()) for place in within):
        raise UsageError(
            "outside-workspace",
            "Over HTTP an expert's folder must lie in the server's workspace.",
            found="another folder",
            fix="Release it (metier release), or name it when the server is started.",
        )
    if not (folder / _ABOUT).is_file():
        raise ExpertError(
            "no-expert",
            f"An expert is a folder with {_ABOUT}.",
            found=f"none in {folder}",
            fix="metier tune DATA --target COLUMN -o FOLDER makes one.",
        )
    root = verified(folder)
    if not name:
        with files.guard(folder):
            name = slug(str(json.loads((folder / _ABOUT).read_text(encoding="utf-8"))["name"]))
    return Version(name, root[:12], folder, str(folder))


def from_registry(reference: str, place: Workspace, *, stages: tuple[str, ...] = _SERVABLE) -> Version:
    """The version of a release in one of these stages. Raises RecordError where there is none, UsageError."""
    from metier.govern.registry import resolve

    release = resolve(reference, place)
    if release.stage not in stages:
        raise UsageError(
            "not-approved",
            f"A release that is served must be {' or '.join(stages)}.",
            found=f"{release.name}@{release.version} is {release.stage}",
            fix=f"metier approve {release.name}@{release.version}",
        )
    return Version(release.name, str(release.version), release.expert, f"{release.name}@{release.version}")


def load(engine: Engine, version: Version) -> None:
    """Load a version into the engine, if it is not there. Raises MetierError. Takes as long as it takes."""
    if version.key not in engine.loaded():
        engine.load(version.key, version.folder)
        # What is made at the first answer is made now; an expert of tables will not read this, and that is well.
        engine.answer([Ask(version.key, ["warm"])])
