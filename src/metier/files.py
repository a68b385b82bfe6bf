"""Writing to disk so that nothing half-written is ever seen, and saying clearly why a disk refused.

Every file is built under a temporary name in its own folder, flushed to the disk and renamed into place; a folder too.
Whoever looks finds the old content or the new, whatever happens to this process or to the power.
"""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import hashlib
import io
import json
import math
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from metier.errors import ResourceError

if TYPE_CHECKING:
    import numpy as np

TEMPORARY = ".metier-tmp-"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_ROOM = {errno.ENOSPC, errno.EDQUOT}

# errno -> (code, what must hold, what to do next)
_REFUSALS: dict[int, tuple[str, str, str]] = {
    errno.EACCES: ("no-permission", "You must have permission to read and write here.", "change the folder's owner"),
    errno.EPERM: ("no-permission", "You must have permission to read and write here.", "change the folder's owner"),
    errno.EROFS: ("read-only", "The disk must be writable.", "mount it writable"),
    errno.ENAMETOOLONG: ("name-too-long", "The file system must accept the name.", "use a shorter name or path"),
    errno.EFBIG: ("file-too-large", "The file must fit under the size limit set here.", "raise it (ulimit -f)"),
    errno.EISDIR: ("is-a-folder", "A file is written here, and a folder of that name exists.", "use another name"),
    errno.ENOTDIR: ("not-a-folder", "Every part of the path before the last must be a folder.", "correct the path"),
    errno.EEXIST: ("not-a-folder", "A folder is needed here, and a file of that name exists.", "use another name"),
    errno.ENOENT: ("no-such-file", "The file must exist.", "correct the path"),
    errno.EMFILE: ("too-many-files", "The process must be allowed to open enough files.", "raise it (ulimit -n)"),
    errno.ENOLCK: ("no-locks", "The file system must support file locks.", "use a local disk"),
    errno.EOPNOTSUPP: ("no-locks", "The file system must support file locks.", "use a local disk"),
}


def amount(size: float) -> str:
    """Bytes in words a person reads: `731 bytes`, `12.4 MiB`."""
    if size < 1024:
        return f"{size:.0f} bytes"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"


def free(path: Path) -> int | None:
    """Bytes free for this user on the disk that holds `path` (which need not exist yet); None when it can't be told."""
    for folder in (path, *path.parents):
        with suppress(OSError):
            return shutil.disk_usage(folder).free
    return None


def out_of_room(error: BaseException) -> bool:
    """Whether the disk was full, also where a library wrapped the system's error in its own."""
    if isinstance(error, OSError) and error.errno in _ROOM:
        return True
    return isinstance(error, Exception) and os.strerror(errno.ENOSPC) in str(error)


def refusal(error: BaseException, path: Path, needed: int | None = None) -> ResourceError:
    """What the system said about `path`, in plain words; `needed` is how many bytes were to be written."""
    if out_of_room(error):
        left = free(path)
        room = "an unknown amount" if left is None else amount(left)
        wanted = "" if needed is None else f"{amount(needed)} needed, "
        return ResourceError(
            "disk-full",
            "The disk must have room for what is written.",
            found=f"{wanted}{room} free at {path}",
            fix="Free some space there, or name another disk with --workspace or -o.",
        )
    number = error.errno if isinstance(error, OSError) else None
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    code, problem, fix = _REFUSALS.get(
        number or 0, ("disk-error", "The disk must do what is asked.", "check the disk and the path")
    )
    # The last words say where else to go, since what blocks a path is often not the user's to change.
    return ResourceError(
        code, problem, found=f"{path}: {said}", fix=f"{fix[0].upper()}{fix[1:]}, or name another place."
    )


@contextmanager
def guard(path: str | Path, needed: int | None = None) -> Iterator[None]:
    """Turn any OSError of the block into a ResourceError about `path`."""
    try:
        yield
    except OSError as error:
        raise refusal(error, Path(path), needed) from error


def write_bytes(path: str | Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file at once; folders above it are made. `durable=False` skips the wait for the disk.

    Raises ResourceError, with the old content still in place.
    """
    with open_new(path, needed=len(data), durable=durable) as file:
        file.write(data)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text at once. Lone surrogates (from broken input) become their `\\udcxx` escape."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: str | Path, value: Any, *, durable: bool = True) -> None:
    """Write JSON a person can read, keys in the order given; a figure that is not a number becomes null."""
    write_bytes(path, pretty(value), durable=durable)


@contextmanager
def open_new(path: str | Path, *, needed: int | None = None, durable: bool = True) -> Iterator[BinaryIO]:
    """A binary file to write to, which takes its place at `path` when the block ends well and vanishes otherwise.

    `needed` is the size in bytes, when it is known, for the message of a full disk. Raises ResourceError.
    """
    target = Path(os.path.realpath(path))
    if _is_device(target):
        # /dev/stdout, /dev/null or a pipe must be written to: a rename would replace the device itself.
        with guard(target):
            device = target.open("wb")
        with _body_guard(target, needed), device:
            yield device
        return
    with guard(target, needed):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(target)
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)
    with _body_guard(target, needed), _gone_on_failure(temporary):
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        with guard(target):
            temporary.replace(target)
            if durable:
                _flush_folder(target.parent)


@contextmanager
def write_folder(path: str | Path, *, marker: str | None = "manifest.json") -> Iterator[Path]:
    """A folder to build in, which takes its place at `path` when the block ends well and vanishes otherwise.

    A folder already there is replaced whole, and only if it is empty or holds a file named `marker`: nobody's own
    folder is ever lost to a wrong path. `marker=None` says that `path` is metier's own, whatever is in it.
    Raises ResourceError, with the old folder still in place.
    """
    target = Path(os.path.realpath(path))
    with guard(target):
        _refuse_strange(target, marker)
        # A folder that is a disk of its own (a container's volume) cannot be renamed over: build inside it.
        inside = target.is_dir() and os.path.ismount(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        building = target / f"{TEMPORARY}{secrets.token_hex(8)}" if inside else _temporary(target)
        building.mkdir()
    with _body_guard(target, None), _gone_on_failure(building):
        yield building
        flush_tree(building)
        with guard(target):
            if inside:
                _pour(building, target, marker)
            else:
                _take_place(building, target)
            _flush_folder(target.parent)


def check_folder(path: str | Path, *, marker: str | None = "manifest.json") -> None:
    """Raise ResourceError where `write_folder` would refuse this path: to be asked before hours of work, not after."""
    target = Path(os.path.realpath(path))
    with guard(target):
        _refuse_strange(target, marker)
        nearest = next(folder for folder in target.parents if folder.exists())
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(nearest))


def sweep(folder: Path) -> None:
    """Remove what killed writers left under `folder`. Only for a folder nobody else is writing to."""
    for left in sorted(folder.rglob(f"{TEMPORARY}*"), reverse=True):
        with guard(left):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)


def flush_tree(folder: Path) -> None:
    """Wait until every file under `folder` has reached the disk."""
    for parent, _, names in os.walk(folder):
        for name in names:
            handle = os.open(Path(parent, name), os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        _flush_folder(Path(parent))


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal, read in constant memory. Raises ResourceError."""
    with guard(path), Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_array(path: str | Path, array: np.ndarray) -> None:
    """Write a numpy array at once, as `read_array` reads it; no pickle."""
    import numpy

    body = io.BytesIO()
    numpy.save(body, array, allow_pickle=False)
    write_bytes(path, body.getvalue())


def read_array(path: str | Path) -> np.ndarray:
    """The array `write_array` wrote. Raises ResourceError when it can't be read, ValueError when it isn't one."""
    import numpy

    with guard(path):
        found: np.ndarray = numpy.load(path, allow_pickle=False)
    return found


def read_json(path: str | Path) -> Any:
    """What a JSON file holds. Raises ResourceError when it can't be read, ValueError when it isn't JSON."""
    with guard(path):
        data = Path(path).read_bytes()
    return json.loads(data)


def pretty(value: Any) -> bytes:
    """JSON a person can read, as `write_json` writes it: same value, same bytes."""
    text = json.dumps(_plain(value, strict=False), indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def canonical(value: Any) -> bytes:
    """JSON with one spelling for each value: sorted keys, no spaces, ASCII, and 1.0 written as 1.

    Raises ValueError for NaN and infinities, TypeError for what JSON has no form for.
    """
    return json.dumps(
        _plain(value, strict=True), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def digest(value: Any) -> str:
    """The SHA-256 of `canonical(value)`, in hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _plain(value: Any, *, strict: bool) -> Any:
    """JSON types only. Dataclasses, plans, paths and arrays have an obvious form; anything else is a TypeError."""
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return _number(float(value), strict=strict)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, strict=strict) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, strict=strict) for item in value]
    if isinstance(value, os.PathLike):
        return Path(value).as_posix()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name), strict=strict) for item in dataclasses.fields(value)}
    for convert in ("tolist", "model_dump", "isoformat"):  # numpy and torch, pydantic, dates
        if hasattr(value, convert) and not isinstance(value, type):
            return _plain(getattr(value, convert)(), strict=strict)
    raise TypeError(f"{type(value).__name__} has no form in JSON: {value!r}")


def _number(value: float, *, strict: bool) -> float | int | None:
    if not strict:
        return value if math.isfinite(value) else None
    # Readers of JSON differ on whether 600.0 is 600; the hash must not.
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _temporary(target: Path) -> Path:
    return target.parent / f"{TEMPORARY}{secrets.token_hex(8)}"


def _is_device(target: Path) -> bool:
    try:
        mode = target.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextmanager
def _body_guard(target: Path, needed: int | None) -> Iterator[None]:
    """Translate only refusals to write: the block may also read other files, whose errors are not about `target`."""
    try:
        yield
    except Exception as error:
        if out_of_room(error) or (isinstance(error, OSError) and error.errno in {errno.EFBIG, errno.EIO}):
            raise refusal(error, target, needed) from error
        raise


@contextmanager
def _gone_on_failure(temporary: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with suppress(OSError):
                temporary.unlink()
        raise


def _refuse_strange(target: Path, marker: str | None) -> None:
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    if marker is None or not target.is_dir() or (target / marker).exists():
        return
    strangers = sorted(item.name for item in target.iterdir() if not item.name.startswith(TEMPORARY))
    if strangers:
        raise ResourceError(
            "folder-in-use",
            "The folder written to must be new, empty, or one that metier wrote.",
            found=f"{target} holds {', '.join(strangers[:3])}{' and more' if len(strangers) > 3 else ''}",
            fix="Name a new folder.",
        )


def _take_place(building: Path, target: Path) -> None:
    """Rename `building` to `target`; an old folder there is gone afterwards."""
    if not target.exists():
        building.rename(target)
        return
    if not _exchange(building, target):
        aside = _temporary(target)
        target.rename(aside)
        try:
            building.rename(target)
        except OSError:
            aside.rename(target)
            raise
        building = aside
    shutil.rmtree(building, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step where the system can (Linux, renameat2(2)); False where it can't."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    done: int = rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return done == 0


def _pour(building: Path, target: Path, marker: str | None) -> None:
    """Move what was built into `target`, its marker last, so that a marker always stands for a whole folder."""
    if marker is not None:
        (target / marker).unlink(missing_ok=True)
    for old in target.iterdir():
        if old == building:
            continue
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink()
    for item in sorted(building.iterdir(), key=lambda item: item.name == marker):
        item.rename(target / item.name)
    building.rmdir()


def _flush_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems cannot flush a folder; the file itself has been flushed already.
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
