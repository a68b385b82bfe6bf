"""Rooms that are verbs too: `metier.tune` is a package, and calling it does what `lifecycle.tune` does.

Python binds a package's name on its parent when any file in it is opened, so a function of the same name would come
and go. Making the package itself callable keeps `metier.tune("tickets.csv")` and `metier.tune.ladder` both true.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    def __call__(self, *given: Any, **choices: Any) -> Any:
        from metier import lifecycle

        return getattr(lifecycle, self.__name__.rpartition(".")[2])(*given, **choices)


def verb(name: str) -> None:
    """Let the package of this name be called: `verb(__name__)` in its `__init__`."""
    sys.modules[name].__class__ = _Room
