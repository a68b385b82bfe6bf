"""Answers that people gave to the documents' questions: a small JSON file, checked before anything is written.

`{"by": "Ada Lovelace", "on": "2026-11-20", "answers": {"intended-use": "...", "licence": {"answer": "...", "by": "...",
"on": "..."}}}`; an empty answer is none.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from metier.errors import MetierError, UsageError
from metier.govern.documents import sources
from metier.govern.documents.dossier import ANSWERS
from metier.govern.documents.questions import QUESTIONS
from metier.govern.documents.sources import Source

_TOP, _ONE = {"by", "on", "answers"}, {"answer", "by", "on", "question", "for"}


def read(path: str | Path) -> Source:
    """The answers in a file, as the copy that will lie beside the documents. Raises UsageError, naming all faults."""
    try:
        source = sources.read(Path(path))
    except MetierError as error:
        raise _bad([f"{path} cannot be read as JSON: {error.found}"]) from error
    if problems := _problems(source.data):
        raise _bad(problems)
    return sources.made(ANSWERS, source.data)


def given(source: Source | None, id: str) -> tuple[str, str, str, str] | None:
    """(answer, by whom, on which day, JSON pointer) for a question; None where nobody has answered it."""
    entry = sources.get(source, sources.pointer("answers", id))
    if source is None or entry is None:
        return None
    whole = entry if isinstance(entry, Mapping) else {"answer": entry}
    place = sources.pointer("answers", id, *(["answer"] if isinstance(entry, Mapping) else []))
    said = str(whole.get("answer") or "").strip()
    by, on = (str(whole.get(key) or source.data.get(key) or "") for key in ("by", "on"))
    return (said, by, on, place) if said else None


def skeleton(open_ids: Mapping[str, str]) -> dict[str, Any]:
    """A file to fill in: every open question's id -> whom it is for, in the form that `read` takes."""
    asked = {id: {"question": QUESTIONS[id].text, "for": role, "answer": ""} for id, role in open_ids.items()}
    return {"by": "", "on": "", "answers": asked}


def _problems(found: Any) -> list[str]:
    if not isinstance(found, Mapping) or not isinstance(found.get("answers"), Mapping):
        return ["there is no object `answers`"]
    problems = [f"{name!r} is not known beside `answers`" for name in sorted(set(found) - _TOP)]
    problems += _signature("the file", found)
    for id, entry in found["answers"].items():
        if id not in QUESTIONS:
            near = difflib.get_close_matches(id, QUESTIONS, 1)
            problems.append(f"{id!r} is no question" + (f"; did you mean {near[0]!r}?" if near else ""))
        elif isinstance(entry, Mapping):
            problems += [f"{id}: {name!r} is not known" for name in sorted(set(entry) - _ONE)]
            problems += [] if isinstance(entry.get("answer", ""), str) else [f"{id}: `answer` is no text"]
            problems += _signature(id, {**found, **{k: v for k, v in entry.items() if v}}, entry.get("answer"))
        elif not isinstance(entry, str):
            problems.append(f"{id}: neither a text nor an object with `answer`")
        else:
            problems += _signature(id, found, entry)
    return problems


def _signature(what: str, entry: Mapping[str, Any], answer: object = None) -> list[str]:
    problems = []
    if answer and not (isinstance(entry.get("by"), str) and entry["by"].strip()):
        problems.append(f"{what}: an answer needs `by`, the name of who gave it")
    on = entry.get("on")
    if on:
        try:
            date.fromisoformat(str(on))
        except ValueError:
            problems.append(f"{what}: `on` is {on!r}, not a day such as 2026-11-20")
    return problems


def _bad(problems: list[str]) -> UsageError:
    return UsageError(
        "bad-answers",
        "An answers file is one JSON object with the answers of named people to known questions.",
        found="; ".join(dict.fromkeys(problems[:8])),
        fix="metier documents RELEASE --questions --json > answers.json writes one to fill in.",
    )
