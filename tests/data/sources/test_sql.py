"""Databases: rows as they are, read only, in bounded memory, with no password anywhere."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.data.dataset import Dataset
from metier.data.read import read
from metier.data.sources.sql import checked_query
from metier.errors import DataError, MetierError, ResourceError
from metier.plan import DataPlan, Plan

if TYPE_CHECKING:
    from .conftest import Server

PASSWORD = "p@ss:w/rd#1?x%"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "home" / "cache" / "tables"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """An SQLite database of 20,000 orders and an empty table."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, text TEXT, label TEXT, amount REAL, late INT)")
        rows = [
            (i, f"where is order {i} please", "ab"[i % 2], i / 2, None if i < 9_000 else i % 2) for i in range(20_000)
        ]
        database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", reversed(rows))
        database.execute("CREATE TABLE unfilled (id INTEGER)")
    database.close()
    return path


def ask(place: str | Path, cache: Path, **choices: Any) -> Dataset:
    return read(str(place), DataPlan(**choices), cache)


def refused(place: str | Path, cache: Path, **choices: Any) -> MetierError:
    with pytest.raises(MetierError) as caught:
        ask(place, cache, **choices)
    assert caught.value.fix
    assert caught.value.__cause__ is None
    return caught.value


def everything_written(folder: Path) -> bytes:
    names = b"\n".join(str(path).encode() for path in folder.rglob("*"))
    return names + b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


# ------------------------------------------------------------------------------------------------------------- SQLite


def test_a_table_keeps_its_types_and_comes_in_the_order_of_its_key(shop: Path, cache: Path) -> None:
    dataset = ask(f"sqlite:///{shop}#orders", cache)
    kinds = [pa.int64(), pa.string(), pa.string(), pa.float64(), pa.int64()]
    assert dataset.table.schema.types == kinds
    assert dataset.table["id"].to_pylist() == list(range(20_000))
    assert dataset.table["late"].null_count == 9_000  # no value at all in the first chunk
    assert (dataset.source.format, dataset.source.path) == ("sql", f"sqlite:///{shop}#orders")


def test_the_same_rows_are_the_same_data_and_one_changed_cell_is_not(shop: Path, cache: Path) -> None:
    first, again = ask(f"sqlite:///{shop}#orders", cache), ask(f"sqlite:///{shop}#orders", cache)
    assert first.source == again.source
    assert len(list(cache.glob("*.arrow"))) == 1
    with sqlite3.connect(shop) as database:
        database.execute("UPDATE orders SET label = 'c' WHERE id = 19999")
    database.close()
    changed = ask(f"sqlite:///{shop}#orders", cache)
    assert changed.source.sha256 != first.source.sha256
    assert changed.table["label"][19_999].as_py() == "c"


def test_a_query_may_be_a_choice_or_stand_in_the_address(shop: Path, cache: Path) -> None:
    query = "SELECT text, label FROM orders WHERE text LIKE '%:%' OR id < 6 ORDER BY id;"
    chosen = ask(f"sqlite:///{shop}", cache, query=query)
    typed = ask(f"sqlite:///{shop}#{query}", cache)
    assert len(chosen) == 6
    assert chosen.table.equals(typed.table)
    assert chosen.source.sha256 == typed.source.sha256
    assert (chosen.source.member, ask(f"sqlite:///{shop}#orders", cache).source.member) == (None, "orders")
    assert "row-order" not in [problem.code for problem in chosen.schema.problems]
    loose = ask(f"sqlite:///{shop}", cache, query="SELECT text, label FROM orders LIMIT 6")
    assert "row-order" in [problem.code for problem in loose.schema.problems]


def test_values_of_several_kinds_in_one_column_are_kept(tmp_path: Path, cache: Path) -> None:
    with sqlite3.connect(tmp_path / "odd.db") as database:
        database.execute("CREATE TABLE odd (id INTEGER PRIMARY KEY, mixed, wide, late)")
        database.executemany(
            "INSERT INTO odd VALUES (?, ?, ?, ?)",
            [(i, 7 if i < 9_000 else "seven", i if i < 9_000 else i + 0.5, None) for i in range(9_001)],
        )
    database.close()
    table = ask(f"sqlite:///{tmp_path / 'odd.db'}", cache).table
    assert table.schema.types == [pa.int64(), pa.string(), pa.float64(), pa.string()]
    assert table["mixed"].to_pylist()[8_999:] == ["7", "seven"]
    assert table["wide"].to_pylist()[-1] == 9_000.5


def test_a_database_file_is_never_made_or_changed(shop: Path, cache: Path, tmp_path: Path) -> None:
    before = shop.read_bytes()
    ask(f"sqlite:///{shop}#orders", cache)
    assert refused(f"sqlite:///{tmp_path / 'shp.db'}", cache).code == "no-such-file"
    assert not (tmp_path / "shp.db").exists()
    assert shop.read_bytes() == before


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("DELETE FROM orders", "not-a-query"),
        ("SELECT 1; DROP TABLE orders", "not-a-query"),
        ("WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone", "not-a-query"),
        ("SELECT * INTO other FROM orders", "not-a-query"),
        ("PRAGMA writable_schema = 1", "not-a-query"),
        ("/* SELECT */ UPDATE orders SET label = 'x'", "not-a-query"),
        ("SELECT 1 /*! ; DROP TABLE orders */", "not-a-query"),
        ("SELECT nope FROM orders", "bad-query"),
        ("SELECT * FROM ordres", "no-such-table"),
        ("SELECT a.id, b.id FROM orders a JOIN orders b ON a.id = b.id", "duplicate-columns"),
        ("SELECT * FROM orders WHERE id < 0", "empty-result"),
        ("unfilled", "empty-result"),
    ],
)
def test_what_is_no_query_or_gives_no_table_is_told(shop: Path, cache: Path, query: str, code: str) -> None:
    assert refused(f"sqlite:///{shop}", cache, query=query).code == code


def test_errors_say_what_to_type_next(shop: Path, cache: Path, tmp_path: Path) -> None:
    error = refused(f"sqlite:///{shop}", cache)
    assert (error.code, "#orders" in error.fix, "unfilled" in error.found) == ("which-table", True, True)
    assert "orders" in refused(f"sqlite:///{shop}#ordres", cache).fix
    (tmp_path / "pointer.db").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n")
    error = refused(f"sqlite:///{tmp_path / 'pointer.db'}", cache)
    assert (error.code, "git lfs pull" in error.fix) == ("lfs-pointer", True)
    assert refused(tmp_path / "pointer.db", cache).code == "lfs-pointer"
    (tmp_path / "t.csv").write_text("text,label\nfirst of all,a\nand second,b\n")
    assert refused(f"sqlite:///{tmp_path / 't.csv'}", cache).code == "not-a-database"
    assert refused(tmp_path / "t.csv", cache, query="SELECT 1").code == "query-without-database"
    assert len(ask(tmp_path / "t.csv", cache, query="SELECT 1", test=str(tmp_path / "t.csv"))) == 2
    assert refused("nosuch://anna:topsecret@host/db", cache).code == "unknown-scheme"
    error = refused("snowflake+nosuch://anna:topsecret@host/db", cache)
    assert "topsecret" not in str(error)


def test_words_inside_literals_names_and_comments_count_for_nothing() -> None:
    for query in (
        "SELECT 'delete from x; drop table y' AS a",
        'SELECT "into" FROM t -- ; update t set a = 1',
        "SELECT $tag$ insert into t $tag$",
        "  (SELECT replace(a, 'x', 'y') FROM t)",
        "/* first */ WITH a AS (SELECT 1) SELECT updated_at, created FROM a",
    ):
        assert checked_query(query) == query.strip()


@given(
    st.text("abc '\"-/*;$`", max_size=30), st.sampled_from(["drop table t", "delete from t", "insert into t select 1"])
)
def test_no_text_before_a_second_statement_hides_it(start: str, statement: str) -> None:
    """What SQLite itself takes as one statement that changes nothing is all that may pass."""
    query = f"SELECT {start} ; {statement}"
    try:
        checked_query(query)
    except DataError:
        return
    database = sqlite3.connect(":memory:")
    try:
        database.execute("CREATE TABLE t (a)")
        before = database.total_changes
        try:
            database.execute(query)
        except sqlite3.Error:
            return
        assert database.total_changes == before
        assert database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)
    finally:
        database.close()


# --------------------------------------------------------------------------------------------------------- PostgreSQL


def test_postgresql_types_are_kept(postgres: Server, cache: Path, table_name: str) -> None:
    postgres.run(
        f"CREATE TABLE {table_name} (id bigint PRIMARY KEY, text text, amount numeric(9, 2), ratio real, ok boolean,"
        " day date, at timestamptz, span interval, tags text[], extra jsonb, code uuid, raw bytea)",
        f"INSERT INTO {table_name} SELECT i, 'order ' || i, i / 4.0, i / 2.0, i % 2 = 0, date '2024-01-01' + (i % 300)::int,"
        " timestamptz '2024-01-01 10:00+02', interval '1 day', ARRAY['a', 'b'], '{\"a\": 1}',"
        " '0b5e6f9c-0000-4000-8000-000000000000', '\\x00ff' FROM generate_series(1, 9000) i ORDER BY i DESC",
        f"UPDATE {table_name} SET text = NULL, amount = NULL, day = NULL WHERE id = 3",
    )
    dataset = ask(f"{postgres.url()}#{table_name}", cache)
    kinds = {field.name: str(field.type) for field in dataset.table.schema}
    assert kinds == {
        "id": "int64", "text": "string", "amount": "double", "ratio": "double", "ok": "bool", "day": "date32[day]",
        "at": "timestamp[us, tz=UTC]", "span": "string", "tags": "string", "extra": "string", "code": "string",
        "raw": "binary",
    }  # fmt: skip
    row = dataset.table.slice(2, 1).to_pylist()[0]
    assert (row["id"], row["text"], row["amount"], row["day"], row["ratio"]) == (3, None, None, None, 1.5)
    assert (row["at"].isoformat(), json.loads(row["tags"]), json.loads(row["extra"])) == (
        "2024-01-01T08:00:00+00:00", ["a", "b"], {"a": 1},
    )  # fmt: skip
    assert row["raw"] == b"\x00\xff"
    again = ask(postgres.url(), cache, query=f"SELECT * FROM {table_name} ORDER BY id")
    assert again.source.sha256 == dataset.source.sha256
    assert len(ask(postgres.url(), cache, query=f"SELECT id, text FROM {table_name} WHERE text LIKE '%9%'")) > 9


def test_a_query_that_would_write_is_stopped_by_the_server_too(postgres: Server, cache: Path, table_name: str) -> None:
    postgres.run(
        f"CREATE TABLE {table_name} (id int)",
        f"CREATE FUNCTION {table_name}_f() RETURNS int LANGUAGE sql AS 'INSERT INTO {table_name} VALUES (1) RETURNING id'",
    )
    assert refused(postgres.url(), cache, query=f"SELECT {table_name}_f() AS a").code == "not-a-query"
    assert refused(f"{postgres.url()}#{table_name}", cache).code == "empty-result"


def test_what_a_server_refuses_is_told_without_the_password(postgres: Server, cache: Path, tmp_path: Path) -> None:
    wrong = refused(postgres.url(password="wr@ng-password"), cache, query="SELECT 1 AS a")
    assert (wrong.code, "PGPASSWORD" in wrong.fix) == ("database-login", True)
    assert refused(postgres.url(user="bert"), cache, query="SELECT 1 AS a").code == "database-login"
    assert refused(postgres.url(database="shp"), cache, query="SELECT 1 AS a").code == "no-such-database"
    assert refused(f"{postgres.url()}#nowhere", cache).code == "no-such-table"
    assert refused(postgres.url(), cache, query="SELECT 1 AS a, 2 AS a").code == "duplicate-columns"
    down = refused(f"postgresql://anna:{'wr%40ng-password'}@127.0.0.1:1/shop", cache, query="SELECT 1 AS a")
    assert (down.code, type(down)) == ("database-unreachable", ResourceError)
    for error in (wrong, down):
        assert "***" in error.found
        assert "wr@ng" not in str(error)
        assert "wr%40ng" not in str(error)
    killed = "SELECT pg_terminate_backend(pg_backend_pid()) AS a"
    assert refused(postgres.url(), cache, query=killed).code == "database-lost"
    late = "SELECT i, CASE WHEN i < 30000 THEN 1 ELSE 1 / (i - i) END AS a FROM generate_series(1, 40000) i ORDER BY i"
    broken = refused(postgres.url(), cache, query=late)
    assert (broken.code, "division by zero" in broken.found) == ("bad-query", True)
    hidden = refused("postgresql://anna:***@127.0.0.1/shop", cache, query="SELECT 1 AS a")
    assert hidden.code == "password-hidden"


def test_no_password_is_left_on_disk_or_in_records(postgres: Server, cache: Path, tmp_path: Path) -> None:
    url = postgres.url()
    dataset = ask(url, cache, query="SELECT i AS id, 'text ' || i AS text FROM generate_series(1, 10) i")
    plan = Plan.of(test=url)
    told = repr(dataset.source) + json.dumps(dict(dataset.record())) + plan.model_dump_json()
    written = everything_written(tmp_path)
    for secret in (PASSWORD, url.split(":")[2].split("@")[0], "%23"):
        assert secret not in told
        assert secret.encode() not in written
    assert "anna:***@" in dataset.source.path
    assert plan.data.test == url


def test_memory_is_bounded_by_a_chunk(postgres: Server, cache: Path, table_name: str) -> None:
    """Python's own memory, while 30,000 rows of 1,400 letters pass: 42 MB if they were all held."""
    import tracemalloc

    postgres.run(
        f"CREATE TABLE {table_name} AS SELECT i AS id, repeat('x', 1400) || i AS text FROM generate_series(1, 30000) i"
    )
    ask(postgres.url(), cache, query="SELECT 1 AS a")  # what is imported and kept once
    from metier.data.sources.sql import read_database

    tracemalloc.start()
    try:
        found = read_database(f"{postgres.url()}#{table_name}", DataPlan(), cache)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.stored.table.num_rows == 30_000
    assert peak < 15e6
