from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier import terminal
from metier.terminal import Terminal, duration, table

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def on_a_terminal(work: Callable[[io.TextIOWrapper], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """What `work` writes to a real pseudo-terminal of 120 columns."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    ours, theirs = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                return
            if not piece:
                return
            seen.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        assert stream.isatty()
        work(stream)
    reader.join()
    os.close(ours)
    return b"".join(seen).decode()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "nothing was drawn"
        time.sleep(0.01)


# ------------------------------------------------------------------------------------------------- where it is piped


def test_short_work_shows_nothing() -> None:
    out = io.StringIO()
    with Terminal(stream=out).stage("reading", 3, "rows") as stage:
        stage.advance(3)
    assert out.getvalue() == ""


def test_long_work_is_two_plain_lines_in_a_log() -> None:
    out = io.StringIO()
    with Terminal(stream=out, patience=0.01).stage("embedding", 3, "texts") as stage:
        wait_for(lambda: out.getvalue() != "")
        stage.advance(1, loss=0.5)
        stage.advance(2, loss=0.25, macro_f1=0.5)
    first, last = out.getvalue().splitlines()
    assert first == "embedding ..."
    assert re.fullmatch(r"embedding: 3 texts in [\d.]+ .*s \([\d.,]+/s\), loss 0\.25  macro f1 0\.5", last)


def test_work_that_never_advances_shows_as_well() -> None:
    out = io.StringIO()
    with Terminal(stream=out, patience=0.01).stage("loading"):
        wait_for(lambda: out.getvalue() != "")
    assert re.fullmatch(r"loading \.\.\.\nloading: in [\d.]+ .*s\n", out.getvalue())


def test_work_that_fails_does_not_say_that_it_was_done() -> None:
    out = io.StringIO()

    def fail() -> None:
        with Terminal(stream=out, patience=0.01).stage("loading"):
            wait_for(lambda: out.getvalue() != "")
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail()
    assert out.getvalue() == "loading ...\n"


def test_quiet_says_nothing_and_the_stage_still_counts() -> None:
    out = io.StringIO()
    quiet = Terminal(True, stream=out, patience=0.0)
    with quiet.stage("loading", 3) as stage:
        stage.advance(3, loss=1.0)
        time.sleep(0.02)
    quiet.say("decided")
    assert out.getvalue() == ""


def test_it_speaks_on_stderr_and_rich_is_imported_only_to_draw() -> None:
    code = """if True:
        import sys
        from metier.terminal import Terminal, table
        Terminal().say("to people")
        with Terminal(patience=0).stage("work"):
            pass
        table("title", ["a"], [[1]])
        assert not any(name.split(".")[0] in {"rich", "torch", "numpy"} for name in sys.modules)
        """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "title\na\n1\n"
    assert done.stderr.startswith("to people\n")


# ---------------------------------------------------------------------------------------------------- on a terminal


def test_a_bar_shows_what_is_done_how_fast_what_is_left_and_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(stream: io.TextIOWrapper) -> None:
        screen = Terminal(stream=stream, patience=0.01)
        with screen.stage("embedding [bold]", 4000, "texts") as stage:
            stage.advance(1000, loss=0.125)
            wait_for(lambda: screen._live is not None)
            screen.say("a line [red]above[/red]")
        assert screen._live is None

    drawn = ESCAPES.sub("", on_a_terminal(work, monkeypatch))
    assert "embedding [bold]" in drawn
    assert "1,000 of 4,000 texts" in drawn
    assert re.search(r"\d/s · [\d.]+ .*left", drawn)
    assert "loss 0.125" in drawn
    assert "a line [red]above[/red]" in drawn
    assert re.search(r"embedding \[bold\]: 1,000 texts in \d", drawn)


def test_stages_may_be_nested_and_come_from_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(stream: io.TextIOWrapper) -> None:
        screen = Terminal(stream=stream, patience=0.01)

        def one(number: int) -> None:
            with screen.stage(f"outer {number}", 10) as outer, screen.stage(f"inner {number}") as inner:
                wait_for(lambda: outer.shown and inner.shown)
                for _ in range(10):
                    inner.advance(1)

        threads = [threading.Thread(target=one, args=[number]) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert screen._live is None
        assert screen._shown == []

    drawn = ESCAPES.sub("", on_a_terminal(work, monkeypatch))
    for number in range(3):
        assert f"outer {number}: " in drawn
        assert f"inner {number}: " in drawn


def test_the_cursor_is_given_back_when_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(stream: io.TextIOWrapper) -> None:
        screen = Terminal(stream=stream, patience=0.01)

        def fail() -> None:
            with screen.stage("loading"):
                wait_for(lambda: screen._live is not None)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()

    drawn = on_a_terminal(work, monkeypatch)
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")


def test_results_on_stdout_are_not_caught_by_a_bar_on_stderr(tmp_path: Path) -> None:
    code = """if True:
        import sys, time
        from metier.terminal import Terminal
        screen = Terminal(patience=0.01)
        with screen.stage("work"):
            while screen._live is None:
                time.sleep(0.01)
            sys.stdout.write("result\\\\n")
        """.replace("\\\\n", "\\n")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, text=True, check=True, env=environment
    )
    os.close(theirs)
    os.close(ours)
    assert done.stdout == "result\n"


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(stream: io.TextIOWrapper) -> None:
        os.environ["TERM"] = "dumb"
        table("t", ["a"], [["x"]], stream=stream)

    assert on_a_terminal(work, monkeypatch).splitlines() == ["t", "a", "x"]


# ----------------------------------------------------------------------------------------------------------- tables


def test_a_piped_table_is_aligned_plain_text() -> None:
    out = io.StringIO()
    table("Rungs", ["rung", "accuracy", "taken"], [["frozen", 0.93051, True], ["客户", None, False]], stream=out)
    assert out.getvalue().splitlines() == [
        "Rungs",
        "rung    accuracy  taken",
        "frozen    0.9305  yes",
        "客户           -  no",
    ]


def test_a_drawn_table_shows_cells_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(stream: io.TextIOWrapper) -> None:
        table("[b]Rungs[/b]", ["rung", "rows"], [["[red]x[/red] :smile:", 12345]], stream=stream)

    drawn = ESCAPES.sub("", on_a_terminal(work, monkeypatch))
    for piece in ("[b]Rungs[/b]", "[red]x[/red] :smile:", "12,345"):
        assert piece in drawn


def test_data_cannot_steer_the_terminal() -> None:
    out = io.StringIO()
    table("", ["label"], [["a\x1b[2Jb\nc\u202ed"]], stream=out)
    Terminal(stream=out).say("x\x1b]0;title\x07\r")
    assert out.getvalue().splitlines() == ["label", r"a\x1b[2Jb\nc\u202ed", r"x\x1b]0;title\x07\r"]


def test_a_table_without_rows_still_has_its_head() -> None:
    out = io.StringIO()
    table("none", ["a", "b"], [], stream=out)
    assert out.getvalue() == "none\na  b\n"


@settings(deadline=None)
@given(st.lists(st.lists(st.text() | st.none() | st.integers() | st.floats(), min_size=2, max_size=2), max_size=5))
def test_any_cells_make_one_line_a_row(rows: list[list[object]]) -> None:
    out = io.StringIO()
    table("", ["a", "b"], rows, stream=out)
    assert len(out.getvalue().splitlines()) == len(rows) + 1


def test_a_stream_that_lacks_a_character_gets_a_question_mark() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    terminal.write(stream, "Käse 客\n")
    assert raw.getvalue() == b"K?se ?\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (725, "12 min 05 s"),
        (12_000, "3 h 20 min"),
    ],
)
def test_durations_are_written_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
