"""What a database refused, said so that a person knows what to type next; never with a password in it."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from metier.data.sources.addresses import divided, masked, without_secrets
from metier.errors import DataError, MetierError, ResourceError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import URL

# Database -> what to install; the first is an extra of metier's own.
_DRIVERS = {
    "postgresql": "pip install 'metier[postgres]'",
    "mysql": "pip install pymysql, and begin the address with mysql+pymysql://",
    "mariadb": "pip install pymysql, and begin the address with mariadb+pymysql://",
    "mssql": "pip install pyodbc, and begin the address with mssql+pyodbc://",
    "oracle": "pip install oracledb, and begin the address with oracle+oracledb://",
    "duckdb": "pip install duckdb-engine",
    "snowflake": "pip install snowflake-sqlalchemy",
}
_LOGIN = ("authentication failed", "access denied", "login failed", "no password supplied", "role .* does not exist")
_NO_TABLE = ("no such table", "undefinedtable", "relation .* does not exist", "table .* doesn't exist")
_GONE = ("server closed the connection", "connection .*lost", "terminating connection", "has gone away", "ssl syscall")


def refusal(
    error: Exception,
    place: str,
    when: Literal["connect", "ask", "read"],
    statement: str = "",
    tables: Sequence[str] = (),
) -> MetierError:
    """The error a driver raised, in plain words."""
    if isinstance(error, MetierError):
        return error
    shown = masked(divided(place)[0])
    cause = getattr(error, "orig", None) or error
    said = without_secrets(" ".join(str(cause).split()), place)[:400]
    if when == "connect":
        return _unconnected(said, shown)
    if _says(said, _GONE) or getattr(error, "connection_invalidated", False):
        return ResourceError(
            "database-lost",
            "The database must stay reachable until the last row.",
            found=f"{shown}: {said}",
            fix="Run it again; a query with ORDER BY ... LIMIT reads less.",
        )
    if _says(f"{type(cause).__name__} {said}", _NO_TABLE):
        return _no_table(said, shown, tables)
    if "permission denied" in said.lower():
        return DataError(
            "database-permission",
            "The user must be allowed to read what is asked for.",
            found=f"{shown}: {said}",
            fix="Ask for GRANT SELECT on the table, or name another user in the address.",
        )
    if "read-only transaction" in said or "readonly database" in said:
        return not_a_query(f"the database said: {said}")
    return DataError(
        "bad-query",
        "The database must understand the query.",
        found=f"{said} in {' '.join(statement.split())[:200]}",
        fix="Try it in the database's own client (psql, sqlite3) first.",
    )


def _says(said: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, said, re.IGNORECASE) for pattern in patterns)


def _unconnected(said: str, shown: str) -> MetierError:
    if _says(said, _LOGIN):
        return DataError(
            "database-login",
            "The database must accept the user and the password.",
            found=f"{shown}: {said}",
            fix="Correct them in the address (write @ as %40, : as %3A, / as %2F in a password), or leave the password "
            "out and set PGPASSWORD (PostgreSQL) or a password file.",
        )
    if re.search(r"database .* (does not exist|doesn't exist)|unknown database", said, re.IGNORECASE):
        return DataError(
            "no-such-database",
            "The database must exist on the server.",
            found=f"{shown}: {said}",
            fix="Correct the name after the last / of the address; psql -l lists what there is.",
        )
    return ResourceError(
        "database-unreachable",
        "The database must answer.",
        found=f"{shown}: {said}",
        fix="Check that the server runs, and the host and port in the address.",
    )


def _no_table(said: str, shown: str, tables: Sequence[str]) -> DataError:
    wanted = re.search(r"(?:no such table:|relation|table) [\"'`]?([\w.]+)", said, re.IGNORECASE)
    near = difflib.get_close_matches(wanted[1].rpartition(".")[2], tables, n=3, cutoff=0.5) if wanted else []
    there = f"; there are {', '.join(sorted(tables)[:20])}" if tables else "; there is no table at all"
    return DataError(
        "no-such-table",
        "The table must exist in the database.",
        found=f"{shown}: {said.partition(' LINE ')[0]}{there}",
        fix=f"Did you mean {' or '.join(near)}?" if near else "Name one of these, with its schema where it has one.",
    )


def which_table(tables: Sequence[str], shown: str) -> DataError:
    """The error for a database of which it was not said what to read."""
    there = ", ".join(sorted(tables)[:20]) + (f" and {len(tables) - 20} more" if len(tables) > 20 else "")
    first = sorted(tables)[0] if tables else "TABLE"
    return DataError(
        "which-table",
        "It must be said which rows of the database to read.",
        found=f"{shown} has {len(tables)} tables" + (f": {there}" if tables else ""),
        fix=f"Name a table, '{shown}#{first}', or ask: --query 'SELECT ... FROM {first}'."
        if tables
        else "Check the address: this database, or this user's part of it, is empty.",
    )


def repeated_names(names: Sequence[str]) -> DataError:
    """The error for a query that gives two columns one name."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    return DataError(
        "duplicate-columns",
        "Every column of the result must have a name of its own.",
        found=", ".join(f"{name!r} {names.count(name)} times" for name in twice[:5]),
        fix=f"Rename all but one in the query: SELECT a.{twice[0]} AS a_{twice[0]}, ...",
    )


def not_a_query(found: str) -> DataError:
    """The error for a statement that is not one query."""
    return DataError(
        "not-a-query",
        "The query must be one SELECT (or WITH, TABLE, VALUES) that changes nothing: databases are only read.",
        found=found,
        fix="Give the SELECT alone. A column or table of such a name is written in double quotes.",
    )


def driver_missing(url: URL, error: Exception) -> UsageError:
    """The error for a database whose driver is not installed."""
    name = url.get_backend_name() if isinstance(error, ImportError) else url.drivername.partition("+")[0]
    fix = _DRIVERS.get(name)
    if not isinstance(error, ImportError) and fix is None:
        return UsageError(
            "unknown-scheme",
            "The address must be a database's or a store's, by what stands before its ://.",
            found=f"{url.drivername}://, which neither SQLAlchemy nor fsspec knows here",
            fix="Databases: postgresql://, mysql://, sqlite:///. Stores: s3://, gs://, az://, https://, file://. "
            "Others need their driver installed first.",
        )
    missing = getattr(error, "name", None) or url.drivername
    return UsageError(
        "driver-missing",
        f"Reading from {name} needs a driver.",
        found=f"{missing} is not installed",
        fix=f"{fix or 'Install it with pip'}.",
    )


def bad_address(address: str) -> UsageError:
    """The error for what is no database's address."""
    return UsageError(
        "bad-address",
        "A database's address is dialect://user:password@host:port/database, or sqlite:///path/to/file.db.",
        found=masked(address),
        fix="Correct it; @ : / in a password are written %40 %3A %2F.",
    )
