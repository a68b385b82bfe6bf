"""The thread that empties the spool into the records: each row exactly once, whenever the database is there."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metier import files
from metier.errors import ResourceError
from metier.govern.actor import Actor
from metier.govern.ledger.entry import Act
from metier.govern.ledger.note import note
from metier.serve.journal import say
from metier.serve.log import spool
from metier.serve.log.spool import Item, Spool
from metier.store.records import Store
from metier.workspace import Workspace

if TYPE_CHECKING:
    from sqlalchemy import Connection

_EVERY = 0.5  # seconds between two looks
_AGAIN = (1.0, 2.0, 4.0, 8.0, 15.0)  # seconds to wait after failures one after the other
_RETENTION = 3600.0
_JUMP = 600.0  # seconds by which a clock that is trusted may have gone astray
_REJECTED = "rejected.jsonl"
_PIECE = 5000  # rows deleted at a time


class Drain:
    """Empties this server's spool, and those of servers that are gone. `keep_days` is how long rows are kept."""

    def __init__(self, place: Workspace, store: Store, own: Spool, keep_days: int | None = None) -> None:
        self._place, self._store, self._own, self.keep_days = place, store, own, keep_days
        self._offsets: dict[Path, int] = {}
        self._stop = threading.Event()
        self._failures = 0
        self._pruned = -_RETENTION
        self._clock = time.time() - time.monotonic()
        self.rows = self.broken = self.rejected = 0
        self._thread = threading.Thread(target=self._work, name="metier-log", daemon=True)

    @property
    def failing(self) -> bool:
        """Whether the records could not be written last time."""
        return self._failures > 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Empty what can be emptied in so many seconds, and end; whether all was. The rest waits on disk."""
        self._stop.set()
        self._thread.join(seconds)
        return not self._thread.is_alive() and not self._own.files()

    def once(self) -> int:
        """Take everything that is there into the records; how many rows. Raises ResourceError."""
        count = 0
        for path, growing in self._own.files():
            count += self._take(path)
            if not growing:
                self._own.remove(path)
                self._offsets.pop(path, None)
        for folder in spool.orphans(self._place, self._own.folder):
            for path in spool.segments_of(folder):
                count += self._take(path)
                self._offsets.pop(path, None)
                path.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
        self._own.turn()
        return count

    def prune(self) -> int:
        """Delete rows older than `keep_days`; how many. Raises ResourceError."""
        if self.keep_days is None:
            return 0
        if abs(time.time() - time.monotonic() - self._clock) > _JUMP:
            say("nothing was deleted by age: the clock has jumped since the server started")
            return 0
        before = (datetime.now(UTC) - timedelta(days=self.keep_days)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        count = sum(_prune(self._store, table, before) for table in ("feedback", "predictions"))
        if count:
            act = Act("erased", "log:predictions", "kept long enough", {"rows": count, "before": before})
            note(self._place, act, actor=Actor("metier serve", "server"))
        return count

    def _work(self) -> None:
        while True:
            ending = self._stop.is_set()
            if ending:
                self._own.finish()
            self._carefully(self.once)
            if ending:
                return
            if not self.failing and time.monotonic() - self._pruned >= _RETENTION:
                self._pruned = time.monotonic()
                self._carefully(self.prune)
            wait = _AGAIN[min(self._failures, len(_AGAIN)) - 1] if self._failures else _EVERY
            self._stop.wait(wait)

    def _carefully(self, work: Callable[[], int]) -> None:
        try:
            work()
            if self._failures:
                say("the records are written again", rows=self.rows)
            self._failures = 0
        except ResourceError as error:
            if not self._failures:
                say("the prediction log waits on disk until its database is back", code=error.code, found=error.found)
            self._failures += 1
            self._own.sync()
        except Exception as error:  # noqa: BLE001  the thread must live: rows wait on disk meanwhile
            self._failures += 1
            say("the prediction log could not be written to the records", error=error)

    def _take(self, path: Path) -> int:
        """Take what is new in a file into the records."""
        count = 0
        while True:
            items, offset, broken = spool.read(path, self._offsets.get(path, 0))
            if offset == self._offsets.get(path, 0):
                return count
            if broken:
                say("lines of the prediction log were torn and passed over", lines=broken, file=path.name)
            self._insert(items)
            self._offsets[path] = offset
            self.broken += broken
            self.rows += len(items)
            count += len(items)

    def _insert(self, items: Sequence[Item]) -> None:
        """All rows together; where one can't be kept by this database, it alone is put aside."""
        from sqlalchemy.exc import DataError, IntegrityError, StatementError

        if not items:
            return
        try:
            with self._store.write() as connection:
                for table in ("predictions", "feedback"):
                    rows = [row for name, row in items if name == table]
                    if rows:
                        insert(connection, table, rows)
        except (ResourceError, StatementError) as error:
            cause = error.__cause__ if isinstance(error, ResourceError) else error
            if isinstance(error, ResourceError) and not isinstance(cause, (DataError, IntegrityError)):
                raise
            if len(items) == 1:
                self._reject(items[0], type(cause).__name__)
                return
            for half in (items[: len(items) // 2], items[len(items) // 2 :]):
                self._insert(half)

    def _reject(self, item: Item, why: str) -> None:
        self.rejected += 1
        path = spool.folder_of(self._place).parent / _REJECTED
        say("a row of the prediction log was refused by the database and put aside", why=why, file=str(path))
        with files.guard(path), path.open("ab") as file:
            file.write(spool.line(item))


def insert(connection: Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Rows into predictions or feedback; those already there stay as they are."""
    from sqlalchemy.dialects import postgresql, sqlite

    from metier.store.tables import serving

    target = getattr(serving, table)
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(make(target).on_conflict_do_nothing(index_elements=["id"]), list(rows))


def _prune(store: Store, name: str, before: str) -> int:
    """Delete rows of a table from before a time, in pieces that let other writers in."""
    import sqlalchemy

    from metier.store.tables import serving

    table, count = getattr(serving, name), 0
    old = sqlalchemy.select(table.c.id).where(table.c.at < before).limit(_PIECE)
    while True:
        with store.write() as connection:
            deleted = connection.execute(table.delete().where(table.c.id.in_(old))).rowcount
        count += deleted
        if deleted < _PIECE:
            return count
        with suppress(InterruptedError):
            time.sleep(0.01)
