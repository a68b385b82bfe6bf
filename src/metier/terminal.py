"""What a person sees while metier works: bars on a terminal, plain lines in a log, tables in both.

Progress and decisions go to stderr, so that stdout holds results only. rich is imported when something is first drawn.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from metier.progress import Stage

# Work shorter than this shows nothing: a bar that flashes by tells nobody anything.
PATIENCE = 2.0


class Terminal:
    """A Progress that draws on stderr (or `stream`): nothing if `quiet`, bars on a terminal, lines elsewhere.

    A stage is shown once it has lasted `patience` seconds. Stages may be nested and come from several threads.
    """

    def __init__(self, quiet: bool = False, *, stream: IO[str] | None = None, patience: float = PATIENCE) -> None:
        self._quiet = quiet
        self._stream = stream
        self._patience = patience
        self._lock = threading.RLock()
        self._live: Any = None  # rich's Progress while at least one bar is up
        self._shown: list[_Stage] = []

    @contextmanager
    def stage(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Stage]:
        """A bar while the block runs, and a line with its length and speed when it ends well."""
        stage = _Stage(_safe(title), total, unit)
        if self._quiet:
            yield stage
            return
        # A timer and not a look at the clock in `advance`: work that never advances must show as well.
        timer = threading.Timer(self._patience, self._show, [stage])
        timer.daemon = True
        timer.start()
        try:
            yield stage
        except BaseException:
            self._hide(stage, timer)
            raise
        if self._hide(stage, timer):
            self.say(stage.summary())

    def say(self, line: str) -> None:
        """One line, above the bars if there are any. Nothing if quiet."""
        if self._quiet:
            return
        with self._lock:
            if self._live is not None:
                # No markup, no colouring: lines quote labels and file names as they are.
                self._live.console.print(_safe(line), markup=False, highlight=False, emoji=False, soft_wrap=True)
            else:
                write(self._out(), _safe(line) + "\n")

    def _out(self) -> IO[str]:
        return self._stream if self._stream is not None else sys.stderr

    def _show(self, stage: _Stage) -> None:
        with self._lock:
            if stage.over:
                return
            stage.shown = True
            if not _draws(self._out()):
                write(self._out(), f"{stage.title} ...\n")
                return
            if self._live is None:
                self._live = _bars(self._out())
                self._live.start()
            self._shown.append(stage)
            stage.attach(self._live)

    def _hide(self, stage: _Stage, timer: threading.Timer) -> bool:
        """Take the stage's bar away; returns whether it had been shown at all."""
        timer.cancel()
        with self._lock:
            stage.over = True
            if stage in self._shown:
                self._shown.remove(stage)
                stage.detach()
                if not self._shown:
                    self._live.stop()
                    self._live = None
        return stage.shown


class _Stage:
    """One piece of work: counts always, draws once it has been attached to a bar."""

    def __init__(self, title: str, total: int | None, unit: str) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.shown = self.over = False
        self._done, self._started = 0, time.monotonic()
        self._figures: dict[str, float] = {}
        self._live: Any = None
        self._task: Any = None

    def advance(self, amount: int = 1, **figures: float) -> None:
        self._done += amount
        self._figures.update(figures)
        live = self._live
        if live is not None:
            with suppress(KeyError):  # a late word from a worker, after the bar was taken away
                live.update(self._task, completed=self._done, counted=self._counted(), figures=_figures(self._figures))

    def attach(self, live: Any) -> None:
        self._task = live.add_task(
            _cut(self.title), total=self.total, completed=self._done, counted=self._counted(), figures=""
        )
        # The first seconds passed unseen: speed and time left must count them.
        live.tasks[-1].start_time = live.get_time() - (time.monotonic() - self._started)
        self._live = live
        self.advance(0)
        live.refresh()

    def detach(self) -> None:
        live, self._live = self._live, None
        live.remove_task(self._task)

    def summary(self) -> str:
        """`Embedding: 9,003 texts in 34 s (265/s), loss 0.12`."""
        seconds = time.monotonic() - self._started
        parts = f"{self.title}: {self._amount()}in {duration(seconds)}"
        if self._done and seconds > 0 and self.unit:
            parts += f" ({self._done / seconds:,.{0 if self._done / seconds >= 10 else 1}f}/s)"
        return ", ".join([parts, *filter(None, [_figures(self._figures)])])

    def _amount(self) -> str:
        return f"{self._done:,} {self.unit} ".replace("  ", " ") if self._done else ""

    def _counted(self) -> str:
        of = f" of {self.total:,}" if self.total is not None else ""
        return f"{self._done:,}{of} {self.unit}".strip() if self._done or self.total else ""


def _bars(stream: IO[str]) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
    from rich.text import Text

    class Pace(ProgressColumn):
        """Units a second and the time left, from the whole stage: steadier than from its last moments."""

        def render(self, task: Task) -> Text:
            elapsed = task.elapsed or 0.0
            speed = task.completed / elapsed if elapsed > 0 else 0.0
            words = [duration(elapsed)]
            if speed > 0:
                words.append(f"{speed:,.{0 if speed >= 10 else 1}f}/s")
            if speed > 0 and task.total is not None:
                words.append(f"{duration(max(0.0, task.total - task.completed) / speed)} left")
            return Text(" · ".join(words), style="cyan")

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[counted]}", markup=False),
        Pace(),
        TextColumn("{task.fields[figures]}", markup=False, style="dim"),
        console=Console(file=stream, force_terminal=True),
        transient=True,
        refresh_per_second=5,
        # Results that are piped must not be caught and drawn above the bar.
        redirect_stdout=bool(sys.stdout.isatty()),
    )


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, stream: IO[str] | None = None) -> None:
    """Write a table to stdout (or `stream`): drawn on a terminal, aligned plain text when piped.

    Columns of numbers are set to the right; None is a dash. Cells are shown as they are, control characters escaped.
    """
    out = stream if stream is not None else sys.stdout
    cells = [[_cell(value) for value in row] for row in rows]
    right = [bool(rows) and all(_is_number(row[place]) for row in rows) for place in range(len(columns))]
    if _draws(out):
        _draw(out, title, columns, cells, right)
    else:
        write(out, _align(title, columns, cells, right))


def _draw(out: IO[str], title: str, columns: Sequence[str], cells: list[list[str]], right: list[bool]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=Text(title) if title else None, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for name, numeric in zip(columns, right, strict=True):
        drawn.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    Console(file=out, force_terminal=True).print(drawn)


def _align(title: str, columns: Sequence[str], cells: list[list[str]], right: list[bool]) -> str:
    grid = [[_safe(name) for name in columns], *cells]
    widths = [max(_width(row[place]) for row in grid) for place in range(len(columns))]
    lines = [title] if title else []
    for row in grid:
        padded = [
            " " * (width - _width(cell)) + cell if numeric else cell + " " * (width - _width(cell))
            for cell, width, numeric in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines) + "\n"


def write(stream: IO[str], text: str) -> None:
    """Write text whatever the stream's encoding: a character it lacks becomes `?` and never an exception."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding, "replace"))
    stream.flush()


def duration(seconds: float) -> str:
    """Seconds in words: `0.4 s`, `34 s`, `12 min 05 s`, `3 h 20 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _draws(stream: IO[str]) -> bool:
    return bool(stream.isatty()) and os.environ.get("TERM", "") not in {"dumb", "unknown"}


def _figures(figures: dict[str, float]) -> str:
    return "  ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in figures.items())


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return _safe(str(value))


def _safe(text: str) -> str:
    """Text without what could move the cursor, recolour or re-order the terminal: escapes stand for it."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _cut(text: str, width: int = 40) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _width(text: str) -> int:
    """Columns a terminal gives to the text: wide East Asian characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
