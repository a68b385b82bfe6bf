"""Where a table's bytes come from: a plain file, or what lies in a gzip or zip archive, opened within limits."""

from __future__ import annotations

import difflib
import errno
import gzip
import hashlib
import io
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from metier.data.dataset import Problem
from metier.data.header import words
from metier.errors import DataError, MetierError, ResourceError

# An archive is refused when what comes out is this many times what went in, or larger than this.
# Tables of text compress 3 to 60 times; DEFLATE reaches 1032 only on constant bytes.
MAX_RATIO = 200
MAX_BYTES = 64 * 2**30
FREE_BYTES = 16 * 2**20  # below this size the ratio is not judged

DATA_SUFFIXES = words(
    ".csv .tsv .tab .txt .data .dat .json .jsonl .ndjson .parquet .pq .arrow .feather .ipc .xlsx .xlsm .xls"
)
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_PAPERWORK = ("readme", "license", "licence", "changelog", "notice")


@dataclass(frozen=True)
class Content:
    """Bytes that can be opened again and again from the start; `name` is that of the innermost file."""

    path: Path
    name: str
    opener: Callable[[], BinaryIO]
    compression: str | None = None
    member: str | None = None
    problems: tuple[Problem, ...] = ()

    def open(self) -> BinaryIO:
        """A fresh stream of the uncompressed bytes; the caller closes it."""
        return self.opener()

    def head(self, size: int) -> bytes:
        """The first `size` bytes, or all there are."""
        with self.open() as stream:
            return read_exactly(stream, size)

    @property
    def suffix(self) -> str:
        """The innermost file's suffix, in lower case."""
        return Path(self.name).suffix.lower()

    def seekable(self, folder: Path) -> Path:
        """A path that holds these bytes, for formats read from their end; archives are unpacked into `folder`."""
        if self.compression is None:
            return self.path
        target = folder / "unpacked"
        with self.open() as stream, target.open("wb") as out:
            shutil.copyfileobj(stream, out, 2**20)
        return target


def read_exactly(stream: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes; fewer only at the end of the stream."""
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def locate(path: str | Path) -> Path:
    """The file at `path`, checked to be one that can be read; DataError or ResourceError otherwise."""
    file = Path(path).expanduser()
    try:
        if file.is_dir():
            inside = sorted(
                item.name for item in file.iterdir() if item.suffix.lower() in DATA_SUFFIXES | {".gz", ".zip"}
            )
            raise DataError(
                "is-a-folder",
                "The data must be one file.",
                found=f"{file} is a folder" + (f" that holds {_listed(inside)}" if inside else ""),
                fix=f"Name one of its files, such as {file / inside[0]}." if inside else "Name a file.",
            )
        if not file.exists():
            raise _missing(file)
        if not file.is_file():
            raise DataError(
                "not-a-file", "The data must be a file.", found=f"{file} is a device or pipe", fix="Save it."
            )
        with file.open("rb") as stream:
            head = stream.read(64)
    except PermissionError:
        raise ResourceError(
            "no-permission", f"{file} must be readable.", found="permission denied", fix=f"chmod u+r '{file}'"
        ) from None
    if not head:
        raise empty_file(file)
    if head.startswith(_LFS_POINTER):
        raise DataError(
            "lfs-pointer",
            "The file must be the data itself.",
            found=f"{file} is a Git LFS pointer, a note on where the data lies",
            fix=f"Fetch it: git lfs pull --include '{file.name}'",
        )
    return file


def empty_file(path: Path) -> DataError:
    """The error for a file that holds nothing."""
    return DataError(
        "empty-file", "The file must hold rows.", found=f"{path} is empty", fix="Check that its export ran to the end."
    )


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_content(path: Path) -> Content:
    """Look inside the file and, where it is gzip or zip, inside the archive.

    Excel workbooks are zip files too; they are left whole. Raises DataError for archives that are encrypted, broken,
    nested, empty of data or bombs.
    """
    with path.open("rb") as stream:
        magic = stream.read(4)
    if magic[:2] == b"\x1f\x8b":
        content = _gzip(path)
    elif magic in (b"PK\x03\x04", b"PK\x05\x06"):
        content = _zip(path)
    else:
        return Content(path, path.name, lambda: path.open("rb"))
    if content.compression and content.head(4)[:2] == b"\x1f\x8b":
        raise _refuse(path, "nested-archive", "An archive must hold a table, not another archive.", content.name)
    return content


def _gzip(path: Path) -> Content:
    name = path.name[:-3] if path.suffix.lower() in (".gz", ".gzip") else path.name
    packed = path.stat().st_size

    def opener() -> BinaryIO:
        return _guarded(cast(BinaryIO, gzip.open(path, "rb")), path, packed)

    return Content(path, name, opener, "gzip", None)


def _zip(path: Path) -> Content:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _broken(path, error) from None
    names = {info.filename for info in infos}
    if "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names):
        _check_workbook(path, infos)
        return Content(path, path.name, lambda: path.open("rb"))
    info, others = _member(path, infos)
    if info.flag_bits & 1:
        raise _refuse(
            path, "encrypted-archive", "The archive must not be encrypted.", f"{info.filename} needs a password"
        )
    _check_size(path, info.file_size, info.compress_size)

    def opener() -> BinaryIO:
        try:
            stream = zipfile.ZipFile(path).open(info.filename)  # noqa: SIM115  the caller closes it
        except (zipfile.BadZipFile, RuntimeError, ValueError, KeyError, EOFError, struct.error) as error:
            raise _broken(path, error) from None
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise _broken(path, error) from None  # its directory leads to before the file's start
        return _guarded(cast(BinaryIO, stream), path, info.compress_size)

    problems: tuple[Problem, ...] = ()
    if others:
        problems = (
            Problem(
                "several-files",
                "note",
                f"The archive holds {len(others) + 1} tables; the largest, {info.filename}, is read.",
                fix=f"To read another, unpack it first: {_listed(others)}.",
            ),
        )
    return Content(path, Path(info.filename).name, opener, "zip", info.filename, problems)


def _member(path: Path, infos: list[zipfile.ZipInfo]) -> tuple[zipfile.ZipInfo, list[str]]:
    """The member to read, the largest that looks like a table, and the names of the other tables."""
    files = [info for info in infos if not info.is_dir() and not _hidden(info.filename)]
    tables = [info for info in files if Path(info.filename).suffix.lower() in DATA_SUFFIXES]
    plain = [info for info in tables if not Path(info.filename).name.lower().startswith(_PAPERWORK)]
    chosen = sorted(plain or tables or files, key=lambda info: (-info.file_size, info.filename))
    if not chosen or chosen[0].file_size == 0:
        raise _refuse(path, "empty-archive", "The archive must hold a table.", f"{len(files)} files, none with rows")
    return chosen[0], [info.filename for info in chosen[1:]]


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _check_workbook(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    """A workbook is unpacked by a library that trusts its sizes, so every member is counted here first."""
    _check_size(path, sum(info.file_size for info in infos), path.stat().st_size)
    if sum(info.file_size for info in infos) <= FREE_BYTES and all(info.compress_size < 2**16 for info in infos):
        return
    with zipfile.ZipFile(path) as archive:
        for info in infos:
            with _guarded(cast(BinaryIO, archive.open(info)), path, path.stat().st_size) as stream:
                while stream.read(2**20):
                    pass


def _check_size(path: Path, unpacked: int, packed: int) -> None:
    if unpacked > MAX_BYTES or (unpacked > FREE_BYTES and unpacked > MAX_RATIO * max(packed, 1)):
        raise _refuse(
            path,
            "archive-bomb",
            f"An archive may unpack to at most {MAX_RATIO} times its size and {MAX_BYTES // 2**30} GiB.",
            f"{packed:,} bytes that unpack to {unpacked:,} or more",
            "If you trust the file, unpack it yourself and read what comes out.",
        )


class _Guard(io.RawIOBase):
    """Passes on what an archive gives, and stops when it gives too much."""

    def __init__(self, stream: BinaryIO, path: Path, packed: int) -> None:
        self._stream, self._path, self._packed, self._unpacked = stream, path, packed, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._stream.read(len(view))
        except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, RuntimeError) as error:
            raise _broken(self._path, error) from None
        view[: len(data)] = data
        self._unpacked += len(data)
        _check_size(self._path, self._unpacked, self._packed)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _guarded(stream: BinaryIO, path: Path, packed: int) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Guard(stream, path, packed), 2**18))


def _missing(file: Path) -> MetierError:
    near: list[str] = []
    if file.parent.is_dir():
        names = [item.name for item in file.parent.iterdir()]
        folded = {name.lower(): name for name in names}
        near = [folded[name] for name in difflib.get_close_matches(file.name.lower(), folded, n=3, cutoff=0.5)]
        near += [name for name in names if Path(name).stem == file.stem and name not in near]
    return DataError(
        "no-such-file",
        "The data file must exist.",
        found=f"{file} does not" if file.parent.is_dir() else f"there is no folder {file.parent}",
        fix=f"Did you mean {_listed(near[:3], 'or')}?" if near else "Check the path.",
    )


def _refuse(path: Path, code: str, problem: str, found: str, fix: str = "") -> DataError:
    return DataError(code, problem, found=f"{path.name}: {found}", fix=fix or "Unpack it and name the file inside.")


def _broken(path: Path, error: Exception) -> DataError:
    return DataError(
        "broken-archive",
        "The archive must be whole.",
        found=f"{path.name}: {error}",
        fix="Copy or download it again, and check its size.",
    )


def _listed(names: list[str], last: str = "and") -> str:
    shown = names[:5]
    if len(names) > 5:
        return ", ".join(shown) + f" and {len(names) - 5} more"
    return f" {last} ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
