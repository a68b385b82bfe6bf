"""Tables on disk: batches go into an Arrow file as they come and are memory-mapped from it; whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from metier import files
from metier.data.dataset import Problem
from metier.errors import ResourceError

# Part of every key: raise it when the same bytes would be read into another table.
VERSION = 1


@dataclass
class Reading:
    """A table on its way in: its columns, its batches, and what is learned of it while they pass."""

    columns: pa.Schema
    batches: Iterator[pa.RecordBatch]
    facts: dict[str, Any]  # format, encoding, delimiter, header, member
    problems: list[Problem] = field(default_factory=list)
    misfits: list[int] = field(default_factory=lambda: [0, 0])  # records set aside, lines they span


@dataclass(frozen=True)
class Stored:
    """A table in the cache."""

    table: pa.Table
    facts: dict[str, Any]
    problems: tuple[Problem, ...]
    misfits: tuple[int, int]


def key(sha256: str, options: dict[str, Any]) -> str:
    """The name under which a file read in one way is kept."""
    text = json.dumps([VERSION, sha256, options], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def load(folder: Path, name: str) -> Stored | None:
    """The table of that name, or None where there is none or it is not whole."""
    try:
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        with pa.memory_map(str(folder / f"{name}.arrow")) as source:
            table = pa.ipc.open_file(source).read_all()
        problems = tuple(Problem(**problem) for problem in facts["problems"])
        if table.num_rows != facts["rows"]:
            return None
        return Stored(table, facts["facts"], problems, (facts["misfits"][0], facts["misfits"][1]))
    except (OSError, ValueError, KeyError, TypeError):  # ArrowInvalid is a ValueError
        return None


def store(folder: Path, name: str, reading: Reading) -> Stored:
    """Write a table as it comes and map it; memory holds one batch at a time.

    The description is written last, so that a table without one is not whole. Raises ResourceError where the disk is
    full or may not be written to.
    """
    with _refused(folder), temporary(folder) as work:
        rows = 0
        draft = work / "table.arrow"
        with pa.OSFile(str(draft), "wb") as sink, pa.ipc.new_file(sink, reading.columns) as writer:
            for batch in reading.batches:
                rows += batch.num_rows
                writer.write_batch(batch)
        facts = {
            "rows": rows,
            "facts": reading.facts,
            "problems": [asdict(problem) for problem in reading.problems],
            "misfits": reading.misfits,
        }
        (work / "table.json").write_text(json.dumps(facts), encoding="utf-8")
        os.replace(draft, folder / f"{name}.arrow")  # noqa: PTH105
        os.replace(work / "table.json", folder / f"{name}.json")  # noqa: PTH105
    stored = load(folder, name)
    if stored is None:
        raise ResourceError(
            "cache-lost", "What was written to the cache must be readable.", found=str(folder), fix="Run it again."
        )
    return stored


def forget(folder: Path, name: str) -> None:
    """Remove the table of that name, if there is one."""
    for suffix in ("json", "arrow"):
        (folder / f"{name}.{suffix}").unlink(missing_ok=True)


@contextlib.contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """A folder of our own beside the tables, removed afterwards."""
    with _refused(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
            raise ResourceError(
                "no-workspace",
                "The workspace must be a folder, or a place where one can be made.",
                found=f"{folder}: {error.strerror}",
                fix="Choose another with --workspace.",
            ) from None
        holder = tempfile.TemporaryDirectory(dir=folder, prefix=".reading-", ignore_cleanup_errors=True)
    with holder as name:
        yield Path(name)


@contextlib.contextmanager
def _refused(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise ResourceError(
                "no-permission",
                "The workspace must be writable.",
                found=f"{folder}: {error.strerror}",
                fix="Choose another with --workspace.",
            ) from None
        if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO):
            raise files.refusal(error, folder) from error
        raise
