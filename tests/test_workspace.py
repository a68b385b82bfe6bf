from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier import files, workspace
from metier.errors import ResourceError
from metier.workspace import Workspace, slug

HOLD = """
    import json, sys, time
    from metier import workspace
    workspace._BEAT = 0.05
    run = workspace.Workspace(workspace.Path(sys.argv[1])).open_run(sys.argv[2], "tickets")
    print(json.dumps([run.folder.name, run.resumed, run.elapsed]), flush=True)
    sys.stdin.read()
    """


@contextmanager
def another_process(root: Path, key: str) -> Iterator[tuple[subprocess.Popen[str], str, bool, float]]:
    """A real second process that holds a run until it is killed."""
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(root), key]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name, resumed, elapsed = json.loads(process.stdout.readline())
        try:
            yield process, name, resumed, elapsed
        finally:
            process.kill()


# ---------------------------------------------------------------------------------------------------- the workspace


def test_the_workspace_is_the_one_named_or_the_users_or_the_folder_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("METIER_HOME", raising=False)
    assert Workspace.find().root == tmp_path / "metier"
    monkeypatch.setenv("METIER_HOME", str(tmp_path / "home"))
    assert Workspace.find().root == tmp_path / "home"
    assert Workspace.find("named").root == tmp_path / "named"
    assert list(tmp_path.iterdir()) == []


def test_a_new_workspace_keeps_itself_out_of_repositories_and_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    Workspace(tmp_path / "new").prepare()
    Workspace(tmp_path / "new").prepare()
    assert (tmp_path / "new" / ".gitignore").read_text() == "*\n"
    Workspace(tmp_path).prepare()
    assert not (tmp_path / ".gitignore").exists()
    assert Workspace(tmp_path).runs.is_dir()


def test_a_file_in_the_workspaces_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "metier").write_text("a file")
    with pytest.raises(ResourceError) as caught:
        Workspace(tmp_path / "metier").open_run("k", "n")
    assert str(tmp_path / "metier") in caught.value.found


def test_finished_runs_are_listed_oldest_first(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    assert place.finished() == []
    for name in ("b", "a", "c"):
        folder = place.runs / f"2026010{'bac'.index(name)}-000000-{name}"
        folder.mkdir(parents=True)
        if name != "c":
            (folder / "done.json").write_text("{}")
    assert [folder.name[-1] for folder in place.finished()] == ["b", "a"]


# -------------------------------------------------------------------------------------------------------- resuming


def test_a_new_run_is_named_by_time_and_name_and_knows_its_key(tmp_path: Path) -> None:
    with Workspace(tmp_path).open_run("k", "Käse & Co") as run:
        assert re.fullmatch(r"\d{8}-\d{6}-kase-co", run.folder.name)
        assert files.read_json(run.folder / "key.json") == {"key": "k", "name": "Käse & Co"}
        assert (run.resumed, run.elapsed) == (False, 0.0)


def test_an_unfinished_run_of_the_same_key_is_taken_up_with_its_time_and_its_files(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    with place.open_run("k", "n") as first:
        files.write_text(first.folder / "rungs" / "checkpoint", "kept")
        first._started -= 100
    with place.open_run("k", "n") as second:
        assert second.folder == first.folder
        assert second.resumed
        assert 100 <= second.elapsed < 160
        assert second.seconds() >= second.elapsed
        assert (second.folder / "rungs" / "checkpoint").read_text() == "kept"
        second._started -= 50
    with place.open_run("k", "n") as third:
        assert 150 <= third.elapsed < 210


def test_another_key_begins_another_run(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    with place.open_run("k", "n") as first:
        pass
    with place.open_run("other", "n") as second:
        assert second.folder != first.folder
        assert not second.resumed


def test_a_finished_run_is_never_taken_up_and_keeps_nothing_but_its_evidence(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    with place.open_run("k", "n") as first:
        first._note_time()
        files.write_json(first.folder / "done.json", {})
        assert first.finished
    assert sorted(item.name for item in first.folder.iterdir()) == ["done.json", "key.json"]
    with place.open_run("k", "n") as second:
        assert second.folder != first.folder


def test_what_a_killed_writer_left_is_swept_when_the_run_is_taken_up(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    with place.open_run("k", "n") as first:
        (first.folder / "rungs").mkdir()
        (first.folder / "rungs" / f"{files.TEMPORARY}half").write_text("half")
    with place.open_run("k", "n") as second:
        assert list(second.folder.rglob(f"{files.TEMPORARY}*")) == []


@pytest.mark.parametrize("elapsed", ["", "null", "[1]", '{"seconds": "x"}', '{"seconds": -5}', '{"seconds": {}}'])
def test_a_damaged_clock_counts_as_no_time(elapsed: str, tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    with place.open_run("k", "n") as first:
        pass
    (first.folder / "elapsed.json").write_text(elapsed)
    with place.open_run("k", "n") as second:
        assert second.resumed
        assert second.elapsed == 0.0


@pytest.mark.parametrize("key", ["", "[]", '{"key": 3}', "{"])
def test_a_folder_without_a_readable_key_is_nobodys_run(key: str, tmp_path: Path) -> None:
    strange = Workspace(tmp_path).runs / "99990101-000000-strange"
    files.write_text(strange / "key.json", key)
    with Workspace(tmp_path).open_run("k", "n") as run:
        assert run.folder != strange


def test_releasing_twice_does_no_harm(tmp_path: Path) -> None:
    run = Workspace(tmp_path).open_run("k", "n")
    run.release()
    run.release()
    with Workspace(tmp_path).open_run("k", "n") as again:
        assert again.folder == run.folder


# ---------------------------------------------------------------------------------------------------- two processes


def test_a_run_held_by_a_living_process_is_left_to_it_and_taken_up_once_it_is_killed(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    with another_process(tmp_path, "k") as (process, theirs, resumed, _):
        assert not resumed
        with place.open_run("k", "tickets") as mine:
            assert mine.folder.name != theirs
            assert not mine.resumed
            files.write_json(mine.folder / "done.json", {})
        while not (place.runs / theirs / "elapsed.json").exists():
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        with place.open_run("k", "tickets") as taken:
            assert taken.folder.name == theirs
            assert taken.resumed
            assert taken.elapsed > 0


def test_many_that_begin_at_once_never_share_a_folder(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: place.open_run("k", "n"), range(24)))
    assert len({run.folder for run in runs}) == 24
    for run in runs:
        run.release()
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(lambda _: place.open_run("k", "n"), range(24)))
    assert {run.folder for run in again} == {run.folder for run in runs}
    assert all(run.resumed for run in again)
    for run in again:
        run.release()


# ------------------------------------------------------------------------------------------------------------- names


@settings(deadline=None)
@given(st.text())
def test_a_slug_is_safe_on_every_file_system(name: str) -> None:
    made = slug(name)
    assert re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]{0,58}[a-z0-9_])?", made) or re.fullmatch(r"run-[0-9a-f]{8}", made)
    assert ".." not in made
    assert slug(made) == made
    assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", made)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("Tickets 2026", "tickets-2026"),
        ("../../etc/pass", "etc-pass"),
        ("a" * 99, "a" * 60),
        ("Zürich.v2", "zurich.v2"),
    ],
)
def test_slugs_stay_readable(name: str, made: str) -> None:
    assert slug(name) == made


def test_names_without_a_latin_letter_stay_distinct() -> None:
    assert slug("客户工单") != slug("発注書")
    assert slug("").startswith("run-")
    assert slug("NUL").startswith("run-")


def test_what_a_run_keeps_for_itself_is_named_once() -> None:
    assert {"lock", "elapsed.json"} == workspace.BOOKKEEPING
