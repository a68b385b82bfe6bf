"""Packing an expert, verifying a pack, and opening one for use."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from metier import files
from metier.errors import ExpertError, UsageError
from metier.govern import record, redaction, signing
from metier.govern.packing import openssf
from metier.govern.packing.layout import (
    BASE,
    EXPERT,
    FORMAT,
    LIST,
    MOST_BYTES,
    MOST_FILES,
    OPENSSF,
    entry,
    layout_fault,
)
from metier.workspace import Workspace

if TYPE_CHECKING:
    from metier.govern.verify import Verdict

TRUSTED = "METIER_TRUSTED_KEYS"
_LARGEST_LIST = 1 << 26
_BLOCK = 1 << 20
_SIGNED = ("format", "name", "expert", "base", "files")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Pack:
    """A pack whose every byte has been checked; `listed` is its signed list, `sha256` the file's hash."""

    listed: Mapping[str, Any]
    sha256: str
    openssf: bool

    @property
    def key(self) -> str:
        """The fingerprint of the key that signed it."""
        return signing.fingerprint(str(self.listed["key"]))


def pack(
    expert: str | Path,
    output: str | Path,
    *,
    with_base: bool = False,
    openssf_key: str | Path | None = None,
    workspace: str | Path | None = None,
) -> dict[str, Any]:
    """Write an expert's folder as one signed file; returns `{"file", "sha256", "bytes", "key", "expert", "base"}`.

    `with_base` packs the base too; `openssf_key` is an elliptic-curve key (PEM) for a second signature. Raises
    ExpertError for an expert that is not what its manifest says, UsageError, ResourceError.
    """
    folder, place = Path(expert), Workspace.find(workspace)
    about = _checked(folder)
    signer = signing.signer(place)
    sources = dict(sorted(_sources(folder, about, with_base).items()))
    if sum(path.stat().st_size for path in sources.values()) > MOST_BYTES // 2 or len(sources) > MOST_FILES - 2:
        raise UsageError(
            "pack-too-large",
            "A packed expert holds 2 GiB and 65,532 files at most.",
            found=f"{len(sources)} files",
            fix="Leave --with-base out: the base is found by its hash where the expert is unpacked.",
        )
    listed = [
        {"path": name, "sha256": files.sha256(path), "bytes": path.stat().st_size} for name, path in sources.items()
    ]
    content = {
        "format": FORMAT,
        "name": about["name"],
        "expert": files.sha256(folder / record.MANIFEST),
        "base": any(name.startswith(f"{BASE}/") for name in sources),
        "files": listed,
    }
    whole = {**content, "key": signer.public, "signature": signer.sign(files.canonical(content))}
    second = openssf.sign(folder, openssf_key) if openssf_key is not None else None
    with files.open_new(output) as out, zipfile.ZipFile(out, "w", allowZip64=False) as archive:
        archive.writestr(entry(LIST), files.pretty(whole))
        for name, path in sources.items():
            with archive.open(entry(name, path.stat().st_size), "w") as into, path.open("rb") as source:
                shutil.copyfileobj(source, into, _BLOCK)
        if second is not None:
            archive.writestr(entry(OPENSSF), second)
    target = Path(output)
    return {
        "file": str(target),
        "sha256": files.sha256(target),
        "bytes": target.stat().st_size,
        "key": signer.fingerprint,
        "expert": content["expert"],
        "base": content["base"],
        "openssf": second is not None,
    }


def is_one(path: Path) -> bool:
    """Whether a file is meant as a packed expert: a zip that begins with the signed list, or what is left of one."""
    with files.guard(path), path.open("rb") as file:
        start = file.read(64)
    return LIST.encode() in start or (path.suffix == ".metier" and start[:2] == b"PK")


def check(path: str | Path) -> Pack:
    """The pack, when no byte of it was altered. Raises ExpertError naming the first entry that was."""
    place = Path(path)
    with _opened(place) as (file, archive):
        infos = archive.infolist()
        name, fault = layout_fault(file, infos, archive.start_dir)
        if fault:
            raise _altered(name, fault)
        listed = _list(archive)
        wanted = {one["path"]: one for one in listed["files"]}
        names = [info.filename for info in infos]
        expected = [LIST, *wanted, *([OPENSSF] if OPENSSF in names else [])]
        if names != expected:
            odd = next((one for one in [*names, *expected] if (one in names) != (one in expected)), names[-1])
            raise _altered(
                odd, "it is missing" if odd not in names else "the signed list does not know it, or not here"
            )
        for info in infos:
            one = wanted.get(info.filename)
            if one is not None and (info.file_size != one["bytes"] or _hash(archive, info) != one["sha256"]):
                raise _altered(info.filename, "its content is not what was signed")
            if one is None and info.filename != LIST:
                _hash(archive, info)  # its checksum must hold, its signature is asked for by name
        if files.pretty(listed) != archive.read(LIST):
            raise _altered(LIST, "it is not spelt as it was written")
        return Pack(listed, files.sha256(place), OPENSSF in names)


def verdict(path: Path, key: str | None = None) -> Verdict:
    """What `metier verify FILE` says of a pack; `key` is a public key, a fingerprint, or a PEM file for OpenSSF."""
    from metier.govern.verify import Verdict

    try:
        found = check(path)
        notes = [f"Signed by the key {found.key}: compare it with the one you were told."]
        if key is not None and Path(key).is_file():
            _second(path, found, Path(key))
            notes = [f"The OpenSSF signature is that of {key}."]
        elif key is not None and key.lower() not in (found.listed["key"], found.key):
            return Verdict(False, f"It was signed by the key {found.key}, not by {key[:16]}.", LIST, (), 0, "files")
        elif key is not None:
            notes = []
    except ExpertError as error:
        return Verdict(False, f"{error.problem} {error.found}.", error.found.partition(":")[0], (), 0, "files")
    return Verdict(True, "", None, tuple(notes), len(found.listed["files"]), "files", found.listed["expert"])


def unpacked(path: str | Path, place: Workspace, key: str | None = None) -> Path:
    """The expert's folder out of a pack, in the workspace's cache: to be loaded, served and verified as any other.

    It must be signed by this workspace's key, by one of METIER_TRUSTED_KEYS (fingerprints, with commas), or by `key`.
    Raises ExpertError for a pack that was altered or signed by somebody else.
    """
    found = check(path)
    _trust(found, place, key)
    place.prepare()
    target = place.cache / "packs" / found.sha256
    if target.is_dir() and record.verify(target / EXPERT, inside=True).ok:
        return target / EXPERT
    with files.write_folder(target, marker=None) as building, _opened(Path(path)) as (_, archive):
        for one in found.listed["files"]:
            (building / one["path"]).parent.mkdir(parents=True, exist_ok=True)
            with archive.open(one["path"]) as source, (building / one["path"]).open("xb") as into:
                shutil.copyfileobj(source, into, _BLOCK)
            if files.sha256(building / one["path"]) != one["sha256"]:  # the file was changed between the two readings
                raise _altered(one["path"], "its content is not what was signed")
    return target / EXPERT


def _trust(found: Pack, place: Workspace, key: str | None) -> None:
    trusted = {one.strip().lower() for one in os.environ.get(TRUSTED, "").split(",") if one.strip()}
    trusted |= {key.lower()} if key is not None else {signing.signer(place).fingerprint}
    if not trusted & {found.key, str(found.listed["key"])}:
        raise ExpertError(
            "unknown-signer",
            "A packed expert must be signed by a key that is trusted here.",
            found=f"the key {found.key}",
            fix=f"Compare it with the one you were told, then set {TRUSTED}={found.key}.",
        )


def _checked(folder: Path) -> dict[str, Any]:
    """What an expert says of itself, once it has been verified."""
    if not (folder / record.MANIFEST).is_file():
        raise ExpertError(
            "no-expert",
            f"An expert is a folder with {record.MANIFEST}.",
            found=str(folder),
            fix="metier tune DATA --target COLUMN makes one.",
        )
    verdict = record.verify(folder, inside=True)
    if not verdict.ok:
        raise ExpertError(
            "altered-expert", "An expert must be what its manifest says to be packed.", found=verdict.problem,
            fix=f"metier verify {folder}",
        )  # fmt: skip
    about: dict[str, Any] = files.read_json(folder / "metier.json")
    return about


def _sources(folder: Path, about: Mapping[str, Any], with_base: bool) -> dict[str, Path]:
    """Entry -> file, the manifest among them; links are followed, for their content is what was sealed."""
    names = [one["path"] for one in files.read_json(folder / record.MANIFEST)["files"]]
    names += [redaction.FILE] if (folder / redaction.FILE).is_file() else []
    out = {f"{EXPERT}/{name}": folder / name for name in (*names, record.MANIFEST) if (folder / name).is_file()}
    if with_base and about["base_is"] != ".":
        from metier.expert import base_of, manner

        base = base_of(manner(folder))
        below = Path(base.folder)
        wanted = ("*.safetensors", "*.json", "1_Pooling/config.json", "README.md", "vocab.txt")
        out |= {f"{BASE}/{path.relative_to(below).as_posix()}": path for each in wanted for path in below.glob(each)}
    return out


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], zipfile.ZipFile]]:
    with files.guard(path), path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield file, archive
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            EOFError,
            RuntimeError,
            ValueError,
            UnicodeDecodeError,
        ) as error:
            raise _altered(path.name, f"it is not a whole pack: {error}") from error


def _list(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The signed list, its signature checked before anything else of the file is believed."""
    infos = archive.infolist()
    if not infos or infos[0].filename != LIST or infos[0].file_size > _LARGEST_LIST or infos[0].compress_type:
        raise _altered(LIST, "it must stand first")
    try:
        found = json.loads(archive.read(infos[0]))
        content = {name: found[name] for name in _SIGNED}
        sound = set(found) == {*_SIGNED, "key", "signature"} and content["format"] == FORMAT
        entries = content["files"]
        sound = sound and all(
            set(one) == {"path", "sha256", "bytes"} and isinstance(one["path"], str) and isinstance(one["bytes"], int)
            and _HASH.fullmatch(one["sha256"]) for one in entries
        ) and [one["path"] for one in entries] == sorted({one["path"] for one in entries})  # fmt: skip
        if not sound:
            raise ValueError(f"it is no list of a {FORMAT}")
        if not signing.signed(found["key"], files.canonical(content), found["signature"]):
            raise ValueError("the signature is not that of its content")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _altered(LIST, str(error)) from error
    return dict(found)


def _hash(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    try:
        with archive.open(info) as source:
            return hashlib.file_digest(source, "sha256").hexdigest()  # type: ignore[arg-type]
    except zipfile.BadZipFile as error:
        raise _altered(info.filename, str(error)) from error


def _second(path: Path, found: Pack, key: Path) -> None:
    """Raise ExpertError unless the pack carries an OpenSSF signature by this public key."""
    if not found.openssf:
        raise _altered(OPENSSF, "it is missing: the pack was not signed so")
    with tempfile.TemporaryDirectory(prefix="metier-verify-") as aside, _opened(path) as (_, archive):
        for one in found.listed["files"]:
            if one["path"].startswith(f"{EXPERT}/"):
                (Path(aside) / one["path"]).parent.mkdir(parents=True, exist_ok=True)
                (Path(aside) / one["path"]).write_bytes(archive.read(one["path"]))
        problem = openssf.fault(Path(aside) / EXPERT, archive.read(OPENSSF), key)
    if problem:
        raise _altered(OPENSSF, problem)


def _altered(name: str, problem: str) -> ExpertError:
    return ExpertError(
        "altered-pack",
        "A packed expert must be as it was signed.",
        found=f"{name}: {problem}",
        fix="Fetch the file again from where it was packed.",
    )
