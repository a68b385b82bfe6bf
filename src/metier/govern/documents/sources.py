"""Sources: the records a document is drawn from, each a JSON value with the SHA-256 of the file that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metier import files
from metier.errors import RecordError

_MISSING = object()


@dataclass(frozen=True)
class Source:
    """A record: where it lies, the SHA-256 of its bytes, and what it holds.

    `made` says that it is not a file of a run but data handed in, which is written beside the documents.
    """

    path: Path
    sha256: str
    data: Any = field(repr=False)
    made: bool = False


def read(path: Path) -> Source:
    """A JSON file as a Source. Raises RecordError where it cannot be read as one, ResourceError where not at all."""
    with files.guard(path):
        raw = path.read_bytes()
    return from_bytes(path, raw)


def from_bytes(path: Path, raw: bytes, *, made: bool = False) -> Source:
    """These bytes as the Source that lies at `path`. Raises RecordError where they are no JSON."""
    import hashlib
    import json

    try:
        data = json.loads(raw)
    except ValueError as error:
        raise RecordError(
            "unreadable-source", "A record must be JSON, as metier wrote it.", found=f"{path}: {error}"
        ) from error
    return Source(path, hashlib.sha256(raw).hexdigest(), data, made)


def made(name: str, value: Any) -> Source:
    """Plain data that was handed in, as the file of that name which will lie beside the documents."""
    return from_bytes(Path(name), files.pretty(value), made=True)


def pointer(*steps: str | int) -> str:
    """A JSON pointer (RFC 6901) of these steps.

    >>> pointer("metrics", "a/b", 0)
    '/metrics/a~1b/0'
    """
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def at(data: Any, place: str) -> Any:
    """What stands at a JSON pointer. Raises KeyError where nothing does.

    >>> at({"rungs": [{"name": "linear"}]}, "/rungs/0/name")
    'linear'
    """
    found = _walked(data, place)
    if found is _MISSING:
        raise KeyError(place)
    return found


def get(source: Source | None, place: str, otherwise: Any = None) -> Any:
    """What stands at a JSON pointer of a source; `otherwise` where there is no such source or place."""
    found = _MISSING if source is None else _walked(source.data, place)
    return otherwise if found is _MISSING else found


def _walked(data: Any, place: str) -> Any:
    for step in place.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(data, Mapping) and name in data:
            data = data[name]
        elif isinstance(data, list) and name.isdigit() and int(name) < len(data):
            data = data[int(name)]
        else:
            return _MISSING
    return data
