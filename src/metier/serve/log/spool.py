"""The spool: rows on disk before they are acknowledged, in files that a background thread empties into the records.

A request's rows are one write(2) to the end of a file, so a killed process loses nothing that was acknowledged; its
files are taken over by whichever server next looks. A power cut may cost what the disk had not written yet.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from metier import files
from metier.errors import ResourceError
from metier.serve.log.entry import Row
from metier.workspace import Workspace, hold

_ENDING = ".rows"
_SEGMENT = 4 << 20  # bytes of a file, after which the next is begun
_OLD = 5.0  # seconds after which a file that was emptied so far gives way to the next

Item = tuple[str, Row]  # the table, the row


def folder_of(place: Workspace) -> Path:
    """Where the spools of a workspace lie, a folder to a server."""
    return place.root / "serving" / "spool"


@dataclass
class _File:
    path: Path
    handle: int
    size: int = 0
    began: float = 0.0


class Spool:
    """The files of one server. `append` may be called from any thread."""

    def __init__(self, place: Workspace, most_bytes: int = 1 << 30) -> None:
        self.most_bytes = most_bytes
        self.folder, self._lock_file = _own(folder_of(place))
        self._lock = threading.Lock()
        self._number = 0
        self._file: _File | None = None
        self._closed_bytes = 0

    @property
    def waiting(self) -> int:
        """Bytes in this server's files."""
        return self._closed_bytes + (self._file.size if self._file is not None else 0)

    def append(self, items: Sequence[Item]) -> None:
        """Write rows at once; they are kept when this returns. Raises ResourceError with none of them kept."""
        data = b"".join(map(line, items))
        with self._lock:
            if self.waiting + len(data) > self.most_bytes:
                raise ResourceError(
                    "log-full",
                    "The prediction log must have room until its database takes it.",
                    found=f"{files.amount(self.waiting)} waiting in {self.folder}",
                    fix="See that the database answers, or allow more with --spool-mib.",
                )
            try:
                self._write(data)
            except OSError as error:
                # What was half written is taken back; where that fails too, readers pass over it.
                self._next()
                if error.errno != errno.EFBIG:
                    raise files.refusal(error, self.folder, len(data)) from error
                with files.guard(self.folder, len(data)):
                    self._write(data)

    def turn(self) -> None:
        """Begin a new file where the present one is old, so that what was taken into the records can be removed."""
        with self._lock:
            if self._file is not None and self._file.size and time.monotonic() - self._file.began > _OLD:
                self._next()

    def finish(self) -> None:
        """Close the present file: it will get no more rows."""
        with self._lock:
            self._next()

    def sync(self) -> None:
        """Wait until the disk has what was written."""
        with self._lock:
            handle = None if self._file is None else os.dup(self._file.handle)
        if handle is not None:
            try:
                with suppress(OSError):
                    os.fsync(handle)
            finally:
                os.close(handle)

    def files(self) -> list[tuple[Path, bool]]:
        """(path, whether it may still grow) of this server's files, oldest first."""
        with self._lock:
            growing = None if self._file is None else self._file.path
            return [(path, path == growing) for path in _segments(self.folder)]

    def remove(self, path: Path) -> None:
        """Remove a file that is empty of news."""
        with self._lock:
            with suppress(OSError):
                self._closed_bytes -= path.stat().st_size
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the folder; it goes where nothing is left in it."""
        self.finish()
        if not _segments(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock_file.close()

    def _write(self, data: bytes) -> None:
        file = self._file or self._open()
        begin, written = file.size, 0
        try:
            while written < len(data):
                written += os.write(file.handle, data[written:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(file.handle, begin)
            raise
        file.size += written
        if file.size >= _SEGMENT:
            self._next()

    def _open(self) -> _File:
        self._number += 1
        path = self.folder / f"{self._number:08d}{_ENDING}"
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        self._file = _File(path, handle, 0, time.monotonic())
        return self._file

    def _next(self) -> None:
        if self._file is None:
            return
        with suppress(OSError):
            os.close(self._file.handle)
        if self._file.size:
            self._closed_bytes += self._file.size
        else:
            self._file.path.unlink(missing_ok=True)
        self._file = None


def line(item: Item) -> bytes:
    """A row in a file: its checksum, the table, the row, a line's end."""
    body = json.dumps(item, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return b"%08x " % zlib.crc32(body) + body + b"\n"


def read(path: Path, offset: int, most: int = 1 << 20) -> tuple[list[Item], int, int]:
    """Rows of a file from an offset on, about `most` bytes of them; the next offset; how many lines were broken.

    An unfinished last line is left for later. Raises ResourceError.
    """
    with files.guard(path), path.open("rb") as file:
        file.seek(offset)
        content = file.read(most)
        if b"\n" not in content:
            content += file.readline()
    whole = content[: content.rfind(b"\n") + 1]
    items, broken = _parsed(whole.split(b"\n")[:-1])
    return items, offset + len(whole), broken


def orphans(place: Workspace, own: Path | None) -> Iterator[Path]:
    """Folders of servers that are gone, each held while it is looked at."""
    root = folder_of(place)
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        lock = None
        if folder != own and folder.is_dir():
            with suppress(ResourceError):
                lock = hold(folder)
        if lock is not None:
            with lock:
                yield folder


def segments_of(folder: Path) -> list[Path]:
    """The files of a server that is gone, oldest first."""
    return _segments(folder)


def _parsed(lines: Iterable[bytes]) -> tuple[list[Item], int]:
    items, broken = [], 0
    for each in lines:
        try:
            if int(each[:8], 16) != zlib.crc32(each[9:]):
                raise ValueError("another checksum")
            table, row = json.loads(each[9:])
            items.append((table, row))
        except ValueError:
            broken += 1
    return items, broken


def _segments(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{_ENDING}"))


def _own(root: Path) -> tuple[Path, BinaryIO]:
    """A new folder, held by this process. Raises ResourceError."""
    for _ in range(100):
        folder = root / f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}"
        with files.guard(root):
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(mode=0o700)
        # Another server may take a folder that nobody holds yet for one of a server that is gone.
        with suppress(ResourceError):
            lock = hold(folder)
            if lock is not None and folder.is_dir():
                return folder, lock
    raise ResourceError(
        "no-locks", "The file system must support file locks.", found=str(root), fix="Use a local disk."
    )
