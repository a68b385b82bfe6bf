"""The spool: what was appended is read again, whatever was torn off its end; a full disk keeps nothing by halves."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metier.errors import ResourceError
from metier.serve.log import spool
from metier.serve.log.spool import Spool, line, read
from metier.workspace import Workspace

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["predictions", "feedback"]),
        st.dictionaries(st.text(max_size=8), st.text() | st.integers() | st.none(), max_size=4),
    ),
    max_size=8,
)


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "home")


def item(number: int) -> spool.Item:
    return "predictions", {"id": f"{number:032x}", "text": "x" * 100}


def everything(own: Spool) -> list[spool.Item]:
    return [found for path, _ in own.files() for found in read(path, 0)[0]]


@given(ROWS, st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_file_cut_anywhere_gives_the_rows_before_the_cut(tmp_path: Path, rows: list, data: st.DataObject) -> None:
    lines = [line(row) for row in rows]
    content = b"".join(lines)
    cut = data.draw(st.integers(0, len(content)))
    path = tmp_path / "cut.rows"
    path.write_bytes(content[:cut])
    found, offset, broken = read(path, 0)
    whole = next(at for at in range(len(lines), -1, -1) if len(b"".join(lines[:at])) <= cut)
    assert found == rows[:whole]
    assert (offset, broken) == (len(b"".join(lines[:whole])), 0)


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_rubbish_between_rows_is_passed_over_and_counted(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "rubbish.rows"
    path.write_bytes(line(item(1)) + rubbish + b"\n" + line(item(2)))
    found, offset, broken = read(path, 0)
    assert found == [item(1), item(2)]
    assert offset == path.stat().st_size
    assert broken == rubbish.count(b"\n") + 1


def test_rows_are_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "many.rows"
    path.write_bytes(b"".join(line(item(number)) for number in range(50)))
    found, offset = [], 0
    while True:
        some, after, _ = read(path, offset, most=300)
        if after == offset:
            break
        found, offset = found + some, after
    assert found == [item(number) for number in range(50)]


def test_what_is_appended_is_on_disk_when_it_returns(place: Workspace) -> None:
    own = Spool(place)
    own.append([item(1), item(2)])
    own.append([item(3)])
    assert everything(own) == [item(1), item(2), item(3)]
    assert own.waiting == sum(path.stat().st_size for path, _ in own.files())
    assert oct(own.folder.stat().st_mode & 0o777) == "0o700"
    own.finish()
    own.append([item(4)])
    assert [growing for _, growing in own.files()] == [False, True]
    for path, _ in own.files()[:1]:
        own.remove(path)
    assert everything(own) == [item(4)]
    own.close()
    assert own.folder.exists(), "rows are still in it"


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_at_its_limit_gives_way_to_the_next(place: Workspace) -> None:
    own = Spool(place)
    with file_limit(1000):
        for number in range(20):
            own.append([item(number)])
    assert everything(own) == [item(number) for number in range(20)]
    assert len(own.files()) > 2
    own.close()


def test_a_disk_that_takes_nothing_keeps_no_half_of_it_and_goes_on_when_it_can(place: Workspace) -> None:
    own = Spool(place)
    own.append([item(1)])
    with file_limit(200), pytest.raises(ResourceError):
        own.append([item(2), item(3)])
    assert everything(own) == [item(1)]
    own.append([item(4)])
    assert everything(own) == [item(1), item(4)]
    assert all(read(path, 0)[2] == 0 for path, _ in own.files())
    own.close()


def test_it_grows_no_further_than_it_may(place: Workspace) -> None:
    own = Spool(place, most_bytes=1000)
    fitting = 1000 // len(line(item(0)))
    for number in range(fitting):
        own.append([item(number)])
    with pytest.raises(ResourceError) as error:
        own.append([item(fitting)])
    assert error.value.code == "log-full"
    assert own.waiting <= 1000
    for path, _ in own.files():
        own.finish()
        own.remove(path)
    own.append([item(1)])
    own.close()


def test_a_folder_that_is_held_is_nobody_elses(place: Workspace) -> None:
    one, other = Spool(place), Spool(place)
    one.append([item(1)])
    assert list(spool.orphans(place, other.folder)) == []
    one.close()
    assert list(spool.orphans(place, other.folder)) == [one.folder]
    other.close()
    assert not other.folder.exists()
    assert list(spool.folder_of(place).iterdir()) == [one.folder]
