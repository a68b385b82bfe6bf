"""Where things lie on disk: the workspace, its cache, its runs' folders, and taking up an interrupted run again."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import threading
import time
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from metier import files
from metier.errors import ResourceError

KEY, LOCK, ELAPSED, DONE = "key.json", "lock", "elapsed.json", "done.json"
# What a run keeps for itself while it works; gone or meaningless once it is finished, so never part of the evidence.
BOOKKEEPING = frozenset({LOCK, ELAPSED})
_BEAT = 5.0


@dataclass(frozen=True)
class Workspace:
    """A folder that holds everything metier keeps: `cache/`, `runs/` and, later, the records of a team."""

    root: Path

    @classmethod
    def find(cls, folder: str | Path | None = None) -> Workspace:
        """The workspace named, or that of METIER_HOME, or `./metier`. Nothing is made yet."""
        return cls(Path(folder or os.environ.get("METIER_HOME") or "metier").expanduser().absolute())

    @property
    def cache(self) -> Path:
        """What can be computed again: features by content, tables read from files."""
        return self.root / "cache"

    @property
    def runs(self) -> Path:
        """One folder to a run, `<time>-<name>`."""
        return self.root / "runs"

    def prepare(self) -> None:
        """Make the folders. Raises ResourceError where that is not allowed."""
        with files.guard(self.root):
            if not self.root.exists():
                self.root.mkdir(parents=True)
                # Runs quote the user's own rows: they must not slip into a repository by `git add .`.
                files.write_text(self.root / ".gitignore", "*\n")
            self.runs.mkdir(exist_ok=True)
            if not self.cache.exists():
                self.cache.mkdir(exist_ok=True)
                # The tag that backup programs look for (bford.info/cachedir).
                files.write_text(self.cache / "CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n")

    def finished(self) -> list[Path]:
        """The folders of complete runs, oldest first."""
        return [folder for folder in _folders(self.runs) if (folder / DONE).exists()]

    def open_run(self, key: str, name: str, data: Sequence[str] = ()) -> Run:
        """Take up the newest unfinished run of this key that no process holds, or begin one.

        `key` says what would be computed (a hash of data, plan and version), `name` is for people, `data` are the
        SHA-256 of what it reads, by which it is found should a row of that have to be erased. The run is locked until
        it is released or this process ends, however it ends. Raises ResourceError.
        """
        self.prepare()
        for folder in reversed(_folders(self.runs)):
            if _key(folder) == key and not (folder / DONE).exists():
                run = _take(folder, key)
                if run is not None:
                    return run
        return _begin(self.runs, key, name, data)


@dataclass
class Run:
    """The folder of one run, held by this process alone.

    `resumed` says that earlier attempts were cut short, `elapsed` how many seconds those had spent. Use it as a context
    manager, or call `release`.
    """

    folder: Path
    key: str
    resumed: bool
    elapsed: float
    _lock: BinaryIO = field(repr=False)
    _started: float = field(default_factory=time.monotonic, repr=False)
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _beating: threading.Thread | None = field(default=None, repr=False)

    def seconds(self) -> float:
        """Seconds spent on this run so far, by all attempts."""
        return self.elapsed + time.monotonic() - self._started

    @property
    def finished(self) -> bool:
        """Whether the record has been sealed."""
        return (self.folder / DONE).exists()

    def release(self) -> None:
        """Let go of the folder; it can be taken up again unless it is finished. Calling it twice does no harm."""
        if self._lock.closed:
            return
        self._stop.set()
        if self._beating is not None:
            self._beating.join()
        try:
            if self.finished:
                for name in BOOKKEEPING:
                    (self.folder / name).unlink(missing_ok=True)
            else:
                self._note_time()
        finally:
            self._lock.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _beat(self) -> None:
        # From a thread, so that time spent inside one long native call counts too when the process is killed.
        while not self._stop.wait(_BEAT):
            self._note_time()

    def _note_time(self) -> None:
        # A full disk must not end a run for the sake of its clock; what matters says so itself.
        with suppress(ResourceError):
            files.write_json(self.folder / ELAPSED, {"seconds": round(self.seconds(), 3)}, durable=False)


def slug(name: str) -> str:
    """A name that every file system accepts: a-z, 0-9, `-`, `_`, `.`, at most 60 characters, never empty.

    >>> slug("Café: tickets / 2026")
    'cafe-tickets-2026'
    """
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    safe = re.sub(r"[^a-z0-9_.]+", "-", ascii_only.lower())
    safe = re.sub(r"\.{2,}", ".", safe).strip("-._")[:60].rstrip("-._")
    # Windows keeps these for devices, with any ending.
    if safe and not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", safe):
        return safe
    return f"run-{hashlib.sha256(name.encode('utf-8', 'backslashreplace')).hexdigest()[:8]}"


def _folders(runs: Path) -> list[Path]:
    with files.guard(runs):
        return sorted(item for item in runs.iterdir() if item.is_dir()) if runs.is_dir() else []


def is_held(folder: Path) -> bool:
    """Whether a process works on this run just now."""
    lock = hold(folder)
    if lock is None:
        return True
    lock.close()
    return False


def _key(folder: Path) -> str | None:
    try:
        found = files.read_json(folder / KEY)
    except (ResourceError, ValueError):
        return None
    key = found.get("key") if isinstance(found, dict) else None
    return key if isinstance(key, str) else None


def _begin(runs: Path, key: str, name: str, data: Sequence[str]) -> Run:
    stem = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{slug(name)}"
    number = 1
    while True:
        folder = runs / (stem if number == 1 else f"{stem}-{number}")
        with files.guard(folder):
            try:
                folder.mkdir()
                break
            except FileExistsError:
                number += 1
    lock = hold(folder)
    if lock is None:  # nobody else looks into a folder without a key
        raise ResourceError("run-in-use", "A new run's folder must be free.", found=str(folder), fix="Run it again.")
    # The key is written under the lock: a folder that another process can recognise is always held already.
    files.write_json(folder / KEY, {"key": key, "name": name, **({"data": list(data)} if data else {})})
    return _started(Run(folder, key, resumed=False, elapsed=0.0, _lock=lock))


def _take(folder: Path, key: str) -> Run | None:
    """Hold an unfinished run, or None when another process does or has just finished it."""
    lock = hold(folder)
    if lock is None:
        return None
    if (folder / DONE).exists() or not _still_named(lock, folder / LOCK):
        lock.close()
        return None
    files.sweep(folder)
    return _started(Run(folder, key, resumed=True, elapsed=_seconds(folder), _lock=lock))


def _started(run: Run) -> Run:
    run._beating = threading.Thread(target=run._beat, name="metier-run-clock", daemon=True)
    run._beating.start()
    return run


def _seconds(folder: Path) -> float:
    try:
        return max(0.0, float(files.read_json(folder / ELAPSED)["seconds"]))
    except (ResourceError, ValueError, KeyError, TypeError):
        return 0.0


def hold(folder: Path) -> BinaryIO | None:
    """An exclusive lock that the system itself drops when the process ends; None when another process has it."""
    with files.guard(folder):
        try:
            handle = (folder / LOCK).open("ab")
        except PermissionError:  # somebody else's run in a shared workspace
            return None
        try:
            _lock_file(handle)
        except OSError as error:
            handle.close()
            if isinstance(error, (BlockingIOError, PermissionError)):
                return None
            raise
    return handle


def _still_named(handle: BinaryIO, path: Path) -> bool:
    """Whether the file that was locked is still the one of that name: a finishing run removes its lock."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except OSError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock_file(handle: BinaryIO) -> None:
        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock_file(handle: BinaryIO) -> None:
        fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
