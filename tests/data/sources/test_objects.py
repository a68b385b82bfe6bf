"""Files that lie elsewhere: a store in memory, and a web server of the tests' own on the loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from metier.data.read import read
from metier.data.sources import masked, name_of
from metier.data.sources.addresses import divided, is_address
from metier.errors import MetierError, UsageError
from metier.plan import DataPlan, Plan

CSV = b"text,label\n" + b"".join(b"my card %d is lost,card\nwhat is fee %d for,fee\n" % (at, at) for at in range(9))


def opened(place: str, tmp_path: Path) -> Any:
    return read(place, DataPlan(), tmp_path / "tables")


def refused(place: str, tmp_path: Path) -> MetierError:
    with pytest.raises(MetierError) as caught:
        opened(place, tmp_path)
    assert caught.value.fix
    assert caught.value.__cause__ is None
    return caught.value


@pytest.fixture
def store() -> Iterator[Any]:
    import fsspec

    found = fsspec.filesystem("memory")
    yield found
    found.rm("/bucket", recursive=True) if found.exists("/bucket") else None


class _Handler(SimpleHTTPRequestHandler):
    fetched: list[str]

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.fetched.append(self.path)
        if "private" in self.path:
            self.send_error(403)
        else:
            super().do_GET()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """(address, folder, what was fetched)."""
    pytest.importorskip("aiohttp", reason="the extra metier[http] is not installed")
    folder, fetched = tmp_path / "web", list[str]()
    folder.mkdir()
    handler = type("Handler", (_Handler,), {"fetched": fetched})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder, fetched
        server.shutdown()
        thread.join()


def test_a_file_of_a_store_is_read_as_a_file_is(store: Any, tmp_path: Path) -> None:
    store.pipe("/bucket/in/tickets.csv", CSV)
    dataset = opened("memory://bucket/in/tickets.csv", tmp_path)
    assert (len(dataset), dataset.source.path, dataset.source.format) == (18, "memory://bucket/in/tickets.csv", "csv")
    (tmp_path / "tickets.csv").write_bytes(CSV)
    here = opened((tmp_path / "tickets.csv").as_uri(), tmp_path)
    assert here.source.sha256 == dataset.source.sha256
    store.pipe("/bucket/in/tickets.csv", CSV + b"one more of them,fee\n")
    assert len(opened("memory://bucket/in/tickets.csv", tmp_path)) == 19
    assert refused("memory://bucket/in/none.csv", tmp_path).code == "no-such-file"


def test_a_folder_of_a_store_is_read_as_a_folder_is(store: Any, tmp_path: Path) -> None:
    for label in ("a", "b"):
        for at in range(3):
            store.pipe(f"/bucket/mail/{label}/{at}.txt", f"words {label} {at} here".encode())
    assert opened("memory://bucket/mail", tmp_path).table["label"].to_pylist() == ["a"] * 3 + ["b"] * 3
    store.rm("/bucket/mail/b/2.txt")
    assert len(opened("memory://bucket/mail", tmp_path)) == 5


def test_a_web_file_is_fetched_once_until_it_changes(web: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    address, folder, fetched = web
    (folder / "tickets.csv").write_bytes(CSV)
    place = f"{address}/tickets.csv?token=topsecret"
    dataset = opened(place, tmp_path)
    assert (len(dataset), dataset.source.path) == (18, f"{address}/tickets.csv?token=***")
    before = len(fetched)
    opened(place, tmp_path)
    assert len(fetched) == before  # only its head was asked for
    (folder / "tickets.csv").write_bytes(CSV + b"one more of them,fee\n")
    assert len(opened(place, tmp_path)) == 19
    written = [path for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents]
    assert not [path for path in written if b"topsecret" in path.read_bytes() or "topsecret" in str(path)]


def test_what_a_web_server_refuses_is_told(web: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    address, folder, _ = web
    assert refused(f"{address}/none.csv", tmp_path).code == "no-such-file"
    (folder / "pointer.csv").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n")
    assert refused(f"{address}/pointer.csv", tmp_path).code == "lfs-pointer"
    down = refused("http://127.0.0.1:1/x.csv?sig=topsecret", tmp_path)
    assert (down.code, "topsecret" in str(down)) == ("store-unreachable", False)


@pytest.mark.parametrize(
    ("scheme", "module", "extra"), [("s3", "s3fs", "s3"), ("gs", "gcsfs", "gcs"), ("az", "adlfs", "azure")]
)
def test_a_missing_driver_names_its_extra(scheme: str, module: str, extra: str, tmp_path: Path) -> None:
    import importlib.util

    if importlib.util.find_spec(module):
        pytest.skip(f"{module} is installed")
    error = refused(f"{scheme}://bucket/key.csv", tmp_path)
    assert (error.code, f"metier[{extra}]" in error.fix, type(error)) == ("driver-missing", True, UsageError)


# ----------------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("place", "shown", "name"),
    [
        ("data/tickets.csv", "data/tickets.csv", "tickets"),
        ("postgresql://anna:s3cret@host:5432/shop", "postgresql://anna:***@host:5432/shop", "shop"),
        (
            "postgresql://anna:s3@cret/x@host/shop#public.orders",
            "postgresql://anna:***@host/shop#public.orders",
            "orders",
        ),
        ("postgresql://anna:s3cret@host", "postgresql://anna:***@host", "host"),
        ("postgresql://anna@host/shop?password=s3cret&a=b", "postgresql://anna@host/shop?password=***&a=b", "shop"),
        ("postgresql://anna:s3cret#1@host/shop", "postgresql://anna:***@host/shop", "shop"),
        (
            "sqlite:///C:/data/shop.db#select a from t where b='x@y'",
            "sqlite:///C:/data/shop.db#select a from t where b='x@y'",
            "shop",
        ),
        ("https://anna:s3cret@host/a:b@c.csv", "https://anna:***@host/a:b@c.csv", "a:b@c"),
        ("https://s3cret@host/t.csv", "https://***@host/t.csv", "t"),
        ("https://host/t.csv.gz?X-Amz-Signature=s3cret&n=1", "https://host/t.csv.gz?X-Amz-Signature=***&n=1", "t"),
        ("s3://key:s3cret@bucket/t.parquet", "s3://key:***@bucket/t.parquet", "t"),
    ],
)
def test_addresses_are_shown_without_secrets(place: str, shown: str, name: str) -> None:
    assert masked(place) == shown
    assert masked(masked(place)) == shown
    assert name_of(place).rpartition("@")[2] == name.rpartition("@")[2]
    assert "s3cret" not in name_of(place)
    assert "s3cret" not in Plan.of(test=place).model_dump_json()


def test_what_is_an_address_and_what_stands_after_its_hash() -> None:
    assert [is_address(place) for place in ("a/b.csv", "C:\\x.csv", "s3://b/k", "simplecache::s3://b/k")] == [
        False, False, True, True,
    ]  # fmt: skip
    assert divided("sqlite:///a.db#SELECT 1 -- #2") == ("sqlite:///a.db", "SELECT 1 -- #2")
    assert divided("sqlite:///a.db#my table") == ("sqlite:///a.db", "my table")
    assert divided("sqlite:///a.db") == ("sqlite:///a.db", None)
