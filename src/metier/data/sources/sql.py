"""Rows of a database: one query, read only, streamed in chunks. Any database SQLAlchemy has a driver for.

`postgresql://user@host/shop` with --query, or `URL#table`, or `URL#SELECT ...`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from metier.data import cache as tables
from metier.data.archives import locate
from metier.data.cache import Reading, temporary
from metier.data.dataset import Problem
from metier.data.schema import check_names
from metier.data.sources import Found
from metier.data.sources.addresses import HIDDEN, divided, masked
from metier.data.sources.spool import Spool
from metier.data.sources.sql_errors import (
    bad_address,
    driver_missing,
    not_a_query,
    refusal,
    repeated_names,
    which_table,
)
from metier.errors import DataError
from metier.plan import DataPlan

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Inspector

_FIRST, _MOST, _BYTES = 2**8, 2**13, 2**22  # rows fetched at once: at first, at most; and what they may hold
_PATIENCE = 10  # seconds to wait for a server's first word

# Literals, quoted names and comments, so that a word inside them counts for nothing.
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|/\*(?!!).*?\*/|\$(\w*)\$.*?\$\1\$""", re.DOTALL)
_ASKS = re.compile(r"\s*\(*\s*(select|with|table|values)\b", re.IGNORECASE)
_CHANGES = re.compile(
    r"\b(insert\s+into|delete\s+from|merge\s+into|update\s+\S+(\s+as)?(\s+\w+)?\s+set|into)\b|/\*!", re.IGNORECASE
)
# What opens a transaction that can only read, where a connection's own option can't.
_READ_ONLY = {
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
}


def read_database(place: str, plan: DataPlan, cache: Path) -> Found:
    """Ask a database for rows and keep them under `cache`, named by their content; types stay as the database has them.

    What is asked is `plan.query` (but not of the test rows' own address), else what stands after the # of `place`,
    else the only table. Memory holds one chunk of rows. The SHA-256 is over the rows: the same rows are the same data.
    Raises DataError or ResourceError.
    """
    address, inside = divided(place)
    asked = plan.query if plan.query is not None and place != plan.test else inside
    if asked is not None and _is_query(asked):
        asked = checked_query(asked)
    with temporary(cache) as work, _connected(address) as connection:
        statement, table, problems = _statement(connection, asked, place)
        with _answered(connection, statement, place) as result:
            names = list(map(str, result.keys()))
            if len(set(names)) < len(names):
                raise repeated_names(names)
            check_names(names)
            with Spool(names, work) as spool:
                wanted = _FIRST
                while rows := _fetched(result, wanted, place, statement):
                    held = spool.add(list(zip(*rows, strict=True)))
                    wanted = max(1, min(_MOST, _BYTES * len(rows) // max(held, 1)))
        if not spool.rows:
            raise DataError(
                "empty-result",
                "The query must give rows.",
                found=f"none from {masked(address)} for {_short(statement)}",
                fix="Loosen its WHERE, or check that the table is filled.",
            )
        digest, size = spool.identity()
        name = tables.key(digest, {"source": masked(address), "query": statement})
        stored = tables.load(cache, name)
        if stored is None:
            facts = {"format": "sql", "member": table}
            stored = tables.store(cache, name, Reading(spool.schema, spool.batches(), facts, problems))
    return Found(stored, digest, size, name)


def checked_query(text: str) -> str:
    """The query without a closing semicolon; DataError where it is not one query that only reads."""
    query = text.strip().rstrip(";").strip()
    bare = _bare(query)
    if not _ASKS.match(bare):
        raise not_a_query(f"it begins with {(bare.split() or ['nothing'])[0]!r}")
    if ";" in bare:
        raise not_a_query("a semicolon, after which another statement stands")
    changes = _CHANGES.search(bare)
    if changes:
        raise not_a_query(f"{changes[0].strip()!r}, which changes the database")
    return query


def _bare(query: str) -> str:
    """The query with comments gone and every literal and quoted name a lone quote."""
    return _QUOTED.sub(lambda match: " " if match[0].startswith(("--", "/*")) else " ' ", query)


def _is_query(text: str) -> bool:
    return len(text.split()) > 1 or ";" in text


def _statement(connection: Connection, asked: str | None, place: str) -> tuple[str, str | None, list[Problem]]:
    """What is sent to the database, the table's name where it is all of one, and what a person should know of it."""
    if asked is not None and _is_query(asked):
        problems = [] if re.search(r"\border\s+by\b", _bare(asked), re.IGNORECASE) else [_unordered()]
        return asked, None, problems
    import sqlalchemy

    inspector = sqlalchemy.inspect(connection)
    present = [*inspector.get_table_names(), *inspector.get_view_names()]
    if asked is None:
        if len(present) != 1:
            raise which_table(present, masked(divided(place)[0]))
        asked = present[0]
    schema, _, table = asked.rpartition(".") if asked not in present else ("", "", asked)
    statement, problems = _whole(connection, inspector, schema or None, table)
    return statement, table, problems


def _whole(connection: Connection, inspector: Inspector, schema: str | None, table: str) -> tuple[str, list[Problem]]:
    """All rows of a table, in the order of its primary key so that the same rows come in the same order."""
    quoted = connection.dialect.identifier_preparer.quote
    statement = "SELECT * FROM " + (f"{quoted(schema)}." if schema else "") + quoted(table)
    keys = []
    if inspector.has_table(table, schema=schema):
        keys = inspector.get_pk_constraint(table, schema=schema).get("constrained_columns") or []
    if not keys:
        return statement, [_unordered()]
    return f"{statement} ORDER BY {', '.join(map(quoted, keys))}", []


def _unordered() -> Problem:
    return Problem(
        "row-order",
        "note",
        "The query does not say in which order rows come: another time it may be another, and row numbers with it.",
        fix="End the query in ORDER BY and a column that is different in every row.",
    )


@contextmanager
def _connected(address: str) -> Iterator[Connection]:
    """A connection that can only read, closed afterwards with nothing changed."""
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    url, options = _url(address)
    try:
        engine = sqlalchemy.create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=options)
    except (ImportError, sqlalchemy.exc.NoSuchModuleError) as error:
        raise driver_missing(url, error) from None
    except (sqlalchemy.exc.ArgumentError, TypeError, ValueError):
        raise bad_address(address) from None
    try:
        try:
            connection = engine.connect()
        except ImportError as error:
            raise driver_missing(url, error) from None
        except Exception as error:  # noqa: BLE001  every driver has errors of its own
            raise refusal(error, address, "connect") from None
        with connection:
            if url.get_backend_name() == "postgresql":
                connection = connection.execution_options(postgresql_readonly=True)
            elif url.get_backend_name() in _READ_ONLY:
                connection.exec_driver_sql(_READ_ONLY[url.get_backend_name()])
            yield connection
            connection.rollback()
    finally:
        engine.dispose()


def _url(address: str) -> tuple[URL, dict[str, Any]]:
    """The address as SQLAlchemy takes it, and what its driver is told: to open read-only, not to wait for ever."""
    import sqlalchemy

    try:
        url = sqlalchemy.make_url(address)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise bad_address(address) from None
    if url.password == HIDDEN:
        raise DataError(
            "password-hidden",
            "The database's address must hold the password itself, or none.",
            found=f"{masked(address)}, as records show it",
            fix="Type the password, or leave it out and set PGPASSWORD (PostgreSQL) or a password file.",
        )
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "postgresql":
        waiting = url.get_driver_name() == "psycopg" and "connect_timeout" not in url.query
        return url, {"connect_timeout": _PATIENCE} if waiting else {}
    if url.get_backend_name() == "sqlite" and url.get_driver_name() in ("pysqlite", "sqlite"):
        return _sqlite(url), {}
    return url, {}


def _sqlite(url: URL) -> URL:
    """A SQLite file opened read-only, so that a wrong path makes no new database."""
    name = url.database or ""
    if name.startswith("file:"):
        name = name[5:]
    if not name or name == ":memory:":
        raise bad_address("sqlite://")
    file = locate(name)
    with file.open("rb") as stream:
        head = stream.read(16)
    if head != b"SQLite format 3\0":
        raise DataError(
            "not-a-database",
            "A sqlite:// address must lead to an SQLite database.",
            found=f"{file} is none, or it is encrypted",
            fix=f"Read it as a file: {file}",
        )
    return url.set(database="file:" + quote(str(file.absolute())), query={"mode": "ro", "uri": "true"})


@contextmanager
def _answered(connection: Connection, statement: str, place: str) -> Iterator[Any]:
    """The result as the database begins to give it, through a cursor on its side where it has one."""
    asked = connection.execution_options(stream_results=True, max_row_buffer=1, no_parameters=True)
    try:
        result = asked.exec_driver_sql(statement)
    except Exception as error:  # noqa: BLE001  every driver has errors of its own
        raise refusal(error, place, "ask", statement, _names(connection)) from None
    with result:
        yield result


def _names(connection: Connection) -> list[str]:
    """The tables and views there are, for a message; none where even that can't be asked."""
    import sqlalchemy

    try:
        connection.rollback()
        inspector = sqlalchemy.inspect(connection)
        return [*inspector.get_table_names(), *inspector.get_view_names()]
    except sqlalchemy.exc.SQLAlchemyError:
        return []


def _fetched(result: Any, wanted: int, place: str, statement: str) -> list[Any]:
    try:
        return list(result.fetchmany(wanted))
    except Exception as error:  # noqa: BLE001  every driver has errors of its own
        raise refusal(error, place, "read", statement) from None


def _short(statement: str) -> str:
    flat = " ".join(statement.split())
    return flat if len(flat) <= 200 else flat[:199] + "…"
