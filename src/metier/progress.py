"""How long work tells a person where it stands. Rooms call this; only the terminal knows how it is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Stage(Protocol):
    """One piece of work with a known or unknown length."""

    def advance(self, amount: int = 1, **figures: float) -> None:
        """Move on by `amount` units; `figures` (loss, accuracy, ...) are shown beside the bar."""


class Progress(Protocol):
    """Where a run reports to."""

    @contextmanager
    def stage(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Stage]:
        """A bar while the block runs."""

    def say(self, line: str) -> None:
        """One line of what was decided."""


class _Still:
    def advance(self, amount: int = 1, **figures: float) -> None:
        return None


class Silent:
    """A Progress that shows nothing."""

    @contextmanager
    def stage(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Stage]:
        """Run the block and show nothing."""
        yield _Still()

    def say(self, line: str) -> None:
        """Say nothing."""
