"""Who acts: a name and a role, for the ledger. `--as NAME`, METIER_USER, or the user of this machine."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass

USER = "METIER_USER"


@dataclass(frozen=True)
class Actor:
    """Who did something, and in which role where it mattered."""

    name: str
    role: str = ""


def who(name: str | None = None, role: str = "") -> Actor:
    """The actor named, or that of METIER_USER, or this machine's user."""
    return Actor(name or os.environ.get(USER) or _system(), role)


def _system() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
