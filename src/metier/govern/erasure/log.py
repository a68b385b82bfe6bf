"""The prediction log's part of an erasure: answers, what was later said of them, and rows that wait to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metier.govern.erasure import quotes
from metier.govern.erasure.records import Logged, logged, purge_log
from metier.govern.erasure.search import Found
from metier.govern.erasure.subject import Subject, quotable
from metier.store.records import Store
from metier.workspace import Workspace

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["Logged", "left", "purge", "search"]


def search(place: Workspace, store: Store, subject: Subject, found: Found) -> Logged:
    """The rows of the log that are the subject's."""
    here = logged(store, subject, found.traces)
    texts = [form for text in filter(quotes.tellable, found.traces.texts) for form in quotes.spellings(text)]
    needles = {form.encode() for form in (*texts, *filter(quotable, found.traces.values))}
    waiting = [
        path.relative_to(place.root).as_posix()
        for path in sorted((place.root / "serving" / "spool").rglob("*"))
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    ]
    return Logged(here.predictions, here.feedback, here.sealed, tuple(waiting))


def purge(connection: Connection, found: Logged) -> None:
    """Take them out, within the turn that records it."""
    purge_log(connection, found)


def left(found: Logged) -> list[tuple[str, str]]:
    """What of the log is still there, and why."""
    out = [(path, "it waits to be written to the log: when it has been, forget again") for path in found.waiting]
    if found.sealed:
        out.append(
            (
                f"{found.sealed} encrypted rows of the prediction log",
                "the key that opens them is not here (METIER_LOG_KEY)",
            )
        )
    return out
