"""The records' database: made, brought up to date, shared, and its refusals told clearly."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from metier.errors import MetierError, ResourceError
from metier.store import migrations
from metier.store.records import open_store
from metier.store.tables import metadata
from metier.workspace import Workspace


def test_the_migrations_make_the_tables_the_code_knows(workspace: Workspace) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    import metier.store.tables.erasure
    import metier.store.tables.ledger
    import metier.store.tables.registry
    import metier.store.tables.serving  # noqa: F401  tables are known once their file is read

    store = open_store(workspace)
    with store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == migrations.head()
    store.close()


def test_opening_twice_changes_nothing(workspace: Workspace) -> None:
    for _ in range(2):
        store = open_store(workspace)
        with store.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM ledger").scalar() == 0
        store.close()


def test_what_fails_half_way_is_not_kept(workspace: Workspace) -> None:
    store = open_store(workspace)

    def half() -> None:
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'zzzz'")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == migrations.head()
    store.close()


def test_newer_records_are_refused(workspace: Workspace) -> None:
    store = open_store(workspace)
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(ResourceError) as error:
        open_store(workspace)
    assert error.value.code == "newer-database"


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("mysql://anna@127.0.0.1/x", "database-unknown"),
        ("postgresql://anna:secret@127.0.0.1:1/x", "database-unreachable"),
        ("no address", "bad-address"),
    ],
)
def test_a_wrong_address_is_told_without_its_password(tmp_path: Path, address: str, code: str) -> None:
    with pytest.raises(MetierError) as error:
        open_store(Workspace(tmp_path), address)
    assert error.value.code == code
    assert "secret" not in str(error.value)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "metier.db").write_bytes(b"not a database at all, but long enough to look at" * 50)
    with pytest.raises(ResourceError) as error:
        open_store(Workspace(tmp_path))
    assert error.value.code == "database-broken"


def test_a_locked_database_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metier.store.records._PATIENCE", 0.05)
    store = open_store(Workspace(tmp_path))
    other = sqlite3.connect(tmp_path / "metier.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ResourceError) as error, store.write():
        pass
    assert error.value.code == "database-locked"
    other.close()
    store.close()
