"""What was erased stays erased: rows that come back in a file are recognised and blanked before anything reads them.

A tombstone is a keyed hash (BLAKE2b) of a text, or of a column's name and a value in it; the key lies outside the
database, in `keys/erasure.key` or where METIER_ERASURE_KEY says, so that tombstones alone tell nothing. A blanked row
keeps its place, with no value in any cell: row numbers that records hold still mean the same rows.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from metier import files
from metier.data import cache as tables
from metier.data.cache import Reading, Stored
from metier.data.dataset import Problem
from metier.errors import RecordError, ResourceError

if TYPE_CHECKING:
    from metier.data.dataset import Schema

KEY_FILE = "METIER_ERASURE_KEY"
CODE = "erased"
_FOLDER, _NAME = "erasure", "tombstones.json"


@dataclass(frozen=True)
class Tombstones:
    """What must not come back: digests of texts, and for each column (in lower case) digests of its values."""

    secret: bytes
    texts: frozenset[str]
    values: Mapping[str, frozenset[str]]

    def __bool__(self) -> bool:
        return bool(self.texts or self.values)

    def hits(self, table: pa.Table, text_columns: Sequence[str]) -> np.ndarray:
        """(n,) which rows hold an erased text, in one cell or over all text columns, or an erased value."""
        found = np.zeros(table.num_rows, bool)
        for name in table.column_names:
            values = self.values.get(name.lower(), frozenset())
            if values:
                found |= matching(table.column(name), partial(self._holds_value, name, values))
            if self.texts and is_text(table.column(name).type):
                found |= matching(table.column(name), self._holds_text)
        if self.texts and len(text_columns) > 1:
            found |= matching(joined(table, text_columns), self._holds_text)
        return found

    def _holds_text(self, cell: str) -> bool:
        return text_of(self.secret, cell) in self.texts

    def _holds_value(self, column: str, values: frozenset[str], cell: str) -> bool:
        return value_of(self.secret, column, cell) in values


def normal(text: str) -> str:
    """A text without what makes no difference here: case, forms of one character, and how it is spaced."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def text_of(secret: bytes, text: str) -> str:
    """The tombstone of a text."""
    return _digest(secret, "text", normal(text))


def value_of(secret: bytes, column: str, value: str) -> str:
    """The tombstone of a value in a column."""
    return _digest(secret, "value", column.lower(), value.strip())


def joined(table: pa.Table, columns: Sequence[str]) -> pa.ChunkedArray:
    """Text columns as the one text that an expert reads."""
    cells = [table.column(name).cast(pa.large_string()).to_pylist() for name in columns if name in table.column_names]
    rows = zip(*cells, strict=True)
    return pa.chunked_array([pa.array(["\n".join(cell for cell in row if cell) for row in rows], pa.large_string())])


def root_of(cache: Path) -> Path | None:
    """The workspace whose tables lie in this folder; None where it is no workspace's."""
    return cache.parent.parent if (cache.parent.name, cache.name) == ("cache", "tables") else None


def file_of(root: Path) -> Path:
    """Where a workspace's tombstones lie, beside those in the database."""
    return root / _FOLDER / _NAME


def secret_of(root: Path, *, make: bool = False) -> bytes | None:
    """The key of the tombstones; None where there is none yet and none is to be made. Raises RecordError."""
    named = os.environ.get(KEY_FILE)
    path = Path(named) if named else root / "keys" / "erasure.key"
    if not path.exists():
        if not make:
            return None
        _make(path)
    with files.guard(path):
        text = path.read_text(encoding="ascii", errors="replace").strip()
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise RecordError(
            "bad-erasure-key",
            "The key of the tombstones is 32 bytes in hexadecimal.",
            found=str(path),
            fix="Put the key back that was made with the first erasure: without it erased rows are not recognised.",
        )
    return found


def known(root: Path) -> Tombstones | None:
    """The tombstones of a workspace, those that its team's database holds among them; None where there are none."""
    from metier.store.records import ADDRESS

    entries = written(root)
    if os.environ.get(ADDRESS):
        with suppress(ResourceError):  # away: what was last seen of it counts
            entries = _refreshed(root, entries)
    if not entries:
        return None
    secret = secret_of(root)
    if secret is None:
        raise RecordError(
            "no-erasure-key",
            "Erased rows can be recognised with their key alone.",
            found=f"tombstones in {file_of(root)} and no key",
            fix=f"Put keys/erasure.key of the workspace that erased back, or name it in {KEY_FILE}.",
        )
    values: dict[str, set[str]] = {}
    for entry in entries:
        if entry["column"]:
            values.setdefault(entry["column"], set()).add(entry["digest"])
    texts = frozenset(entry["digest"] for entry in entries if not entry["column"])
    return Tombstones(secret, texts, {name: frozenset(some) for name, some in values.items()})


def written(root: Path) -> list[dict[str, str]]:
    """The tombstones in the workspace's own file: `{"digest", "column", "erasure"}`, column "" for a text."""
    path = file_of(root)
    if not path.is_file():
        return []
    try:
        return [{name: str(entry[name]) for name in ("digest", "column", "erasure")} for entry in files.read_json(path)]
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(
            "broken-tombstones",
            "The file of what was erased must be what metier wrote.",
            found=f"{path}: {error}",
            fix="Put a backup in its place: without it erased rows are not recognised.",
        ) from error


def write(root: Path, entries: Iterable[Mapping[str, str]]) -> None:
    """Add tombstones to the workspace's own file."""
    together = {(entry["digest"], entry["column"]): dict(entry) for entry in (*entries, *written(root))}
    files.write_json(file_of(root), sorted(together.values(), key=lambda entry: (entry["erasure"], entry["digest"])))


def set_aside(stored: Stored, cache: Path, name: str, schema: Schema) -> Stored:
    """The table with every erased row blanked, in the cache too; a counted problem says how many there are."""
    root = root_of(cache)
    tombstones = known(root) if root is not None else None
    if not tombstones:
        return stored
    hits = tombstones.hits(stored.table, schema.named("text"))
    return blanked(stored, cache, name, hits) if hits.any() else stored


def blanked(stored: Stored, cache: Path, name: str, hits: np.ndarray) -> Stored:
    """The stored table without a value in these rows (n,), written anew under its name."""
    before = sum(problem.rows for problem in stored.problems if problem.code == CODE)
    rows = int(hits.sum()) + before
    word = "row holds" if rows == 1 else "rows hold"
    problem = Problem(CODE, "warning", f"{rows:,} {word} what was erased and is left out.", rows=rows)
    columns = pa.schema([field.with_nullable(True) for field in stored.table.schema], stored.table.schema.metadata)
    problems = [problem, *(one for one in stored.problems if one.code != CODE)]
    batches = iter(_blank(stored.table, hits, columns))
    return tables.store(cache, name, Reading(columns, batches, dict(stored.facts), problems, list(stored.misfits)))


def without(table: pa.Table, hits: np.ndarray) -> pa.Table:
    """The table without these rows (n,)."""
    return table.filter(pa.array(~hits))


def _blank(table: pa.Table, hits: np.ndarray, columns: pa.Schema) -> Iterable[pa.RecordBatch]:
    at = 0
    for batch in table.to_batches():
        here = hits[at : at + batch.num_rows]
        at += batch.num_rows
        if here.any():
            places = pa.array(np.arange(len(here)), mask=here)
            batch = pa.record_batch([column.take(places) for column in batch.columns], schema=columns)
        yield pa.record_batch(batch.columns, schema=columns)


def matching(column: pa.ChunkedArray, wanted: Callable[[str], bool]) -> np.ndarray:
    """(n,) which cells are wanted; each distinct value is asked once."""
    found = np.zeros(len(column), bool)
    asked: dict[str, bool] = {}
    for at, cell in enumerate(column.to_pylist()):
        if cell is None:
            continue
        text = cell if isinstance(cell, str) else str(cell)
        answer = asked.get(text)
        if answer is None:
            answer = asked[text] = wanted(text)
        found[at] = answer
    return found


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _digest(secret: bytes, *parts: str) -> str:
    message = b"\0".join(part.encode("utf-8", "surrogatepass") for part in parts)
    return hashlib.blake2b(message, key=secret, digest_size=32).hexdigest()


def _refreshed(root: Path, entries: list[dict[str, str]]) -> list[dict[str, str]]:
    """What the database holds, kept in the file as well for when it is away."""
    from metier.store.records import open_store
    from metier.store.tables.erasure import tombstones
    from metier.workspace import Workspace

    store = open_store(Workspace(root))
    try:
        with store.read() as connection:
            rows = connection.execute(tombstones.select()).mappings().all()
    finally:
        store.close()
    seen = {(entry["digest"], entry["column"]) for entry in entries}
    new = [{name: row[name] for name in ("digest", "column", "erasure")} for row in rows]
    if any((entry["digest"], entry["column"]) not in seen for entry in new):
        write(root, new)
        return written(root)
    return entries


def _make(path: Path) -> None:
    """Write a new key; where another process was faster, its key stays."""
    with files.guard(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        building = path.with_name(f"{files.TEMPORARY}{os.getpid()}-{os.urandom(4).hex()}")
        try:
            with os.fdopen(os.open(building, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(building, path)
        finally:
            building.unlink(missing_ok=True)
