"""How the tables came to be, step by step (Alembic); `head` is the newest step."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def head() -> str:
    """The newest step's name: `0001` of `versions/0001_ledger.py`."""
    return max(path.name[:4] for path in (FOLDER / "versions").glob("[0-9]*.py"))
