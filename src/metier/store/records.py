"""The records of a workspace: a database that is brought up to date when it is opened, read and written in turns."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metier import files
from metier.data.sources.addresses import masked
from metier.data.sources.sql_errors import bad_address, driver_missing
from metier.errors import ResourceError
from metier.store import migrations
from metier.store.refusals import refusal
from metier.workspace import Workspace

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ADDRESS = "METIER_DATABASE_URL"
FILE = "metier.db"
_PATIENCE = 60.0  # seconds a writer waits for its turn
_CONNECT = 10  # seconds to wait for a server's first word
_MIGRATING = 0x6D657469657200  # the number of PostgreSQL's lock while tables are made


@dataclass(frozen=True)
class Store:
    """Records in SQL. Open one with `open_store`; `address` is what errors name, with passwords hidden by `masked`."""

    engine: Engine
    address: str

    @property
    def where(self) -> str:
        """The address as it may be shown."""
        return masked(self.address)

    @property
    def postgres(self) -> bool:
        """Whether a PostgreSQL server keeps the records."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the records. Raises ResourceError where the database fails."""
        with self._connected(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection whose changes are all kept when the block ends, none when it raises. One writer at a time on
        SQLite; others wait up to a minute. Raises ResourceError where the database fails."""
        with self._queue(), self._connected(writes=True) as connection:
            yield connection

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    @contextmanager
    def _queue(self) -> Iterator[None]:
        """Writers of one SQLite file stand in line: its own waiting sleeps longer and longer, and many starve."""
        name = self.engine.url.database
        if self.postgres or fcntl is None or not name:
            yield
            return
        with files.guard(f"{name}.turn"):
            line = Path(f"{name}.turn").open("ab")  # noqa: SIM115  closed below, where its errors are not the lock's
        with line:
            until = time.monotonic() + _PATIENCE
            while True:
                try:
                    fcntl.flock(line, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if error.errno not in (errno.EAGAIN, errno.EACCES) or time.monotonic() > until:
                        break  # no locks here, or somebody keeps it: the database's own lock decides
                    time.sleep(0.002)
            yield

    @contextmanager
    def _connected(self, *, writes: bool) -> Iterator[Connection]:
        from sqlalchemy.exc import DBAPIError

        try:
            with self.engine.connect() as connection:
                chosen = connection.execution_options(metier_writes=writes)
                with chosen.begin():
                    yield chosen
        except DBAPIError as error:
            raise refusal(error, self.address) from error


def address_of(place: Workspace) -> str:
    """Where a workspace's records lie: METIER_DATABASE_URL, or a SQLite file in it."""
    return os.environ.get(ADDRESS) or f"sqlite:///{place.root / FILE}"


def exists(place: Workspace) -> bool:
    """Whether there may be records: a server is always asked, a file only where it lies."""
    return bool(os.environ.get(ADDRESS)) or (place.root / FILE).is_file()


def open_store(place: Workspace, address: str | None = None) -> Store:
    """The records of a workspace, their tables made or brought up to date. Raises ResourceError, UsageError.

    >>> open_store(Workspace.find("metier")).where  # doctest: +SKIP
    'sqlite:////home/anna/metier/metier.db'
    """
    place.prepare()
    address = address or address_of(place)
    store = Store(_engine(address), address)
    try:
        _bring_up(store)
    except BaseException:
        store.close()
        raise
    return store


def now() -> str:
    """The time as records hold it: UTC, ISO 8601, microseconds; such texts sort like times."""
    from datetime import UTC, datetime

    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _engine(address: str) -> Engine:
    import sqlalchemy

    try:
        url = sqlalchemy.make_url(address)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        sqlite = url.get_backend_name() == "sqlite"
        if url.get_backend_name() not in ("sqlite", "postgresql"):
            raise ResourceError(
                "database-unknown",
                "Records are kept in SQLite or PostgreSQL.",
                found=f"{url.drivername}:// in {ADDRESS}",
                fix="Give postgresql://user@host/database, or unset it.",
            )
        options: dict[str, Any] = {"timeout": _PATIENCE} if sqlite else {"connect_timeout": _CONNECT}
        engine = sqlalchemy.create_engine(url, hide_parameters=True, connect_args=options, pool_pre_ping=not sqlite)
    except (ImportError, sqlalchemy.exc.NoSuchModuleError) as error:
        raise driver_missing(sqlalchemy.make_url(address), error) from None
    except (sqlalchemy.exc.ArgumentError, TypeError, ValueError):
        raise bad_address(address) from None
    if sqlite:
        _as_sqlite(engine)
    return engine


def _as_sqlite(engine: Engine) -> None:
    """Transactions begin where SQLAlchemy says so; a writer takes its turn at once, readers never wait for it."""
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("metier_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bring_up(store: Store) -> None:
    head = migrations.head()
    if _version(store) == head:
        return
    with store.write() as connection:
        if store.postgres:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
        _refuse_newer(_stamp(connection), head, store)
        _upgrade(connection)


def _version(store: Store) -> str | None:
    with store.read() as connection:
        return _stamp(connection)


def _stamp(connection: Connection) -> str | None:
    import sqlalchemy

    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found


def _refuse_newer(found: str | None, head: str, store: Store) -> None:
    if found is not None and found > head:
        raise ResourceError(
            "newer-database",
            "The records must not be newer than this metier.",
            found=f"{store.where} is at step {found}, this metier knows {head}",
            fix="pip install -U metier",
        )


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
