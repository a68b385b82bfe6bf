"""What a figure that is wanted is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Figures = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """A figure that is wanted: where its result lies, how it reads, and when it is met (None: nothing to meet)."""

    text: str
    script: str
    figure: str
    shown: Callable[[Figures], str]
    met: Callable[[Figures], bool | None]
    words: str = ""
