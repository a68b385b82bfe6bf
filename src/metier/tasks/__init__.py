"""The kinds of task. A new kind is one file beside this one and one line in `_KINDS`."""

from __future__ import annotations

from importlib import import_module

from metier.data.dataset import Schema
from metier.errors import DataError, UsageError
from metier.tasks.contract import Recognition, Task

# Kind -> where it lives. Modules are opened when asked for: reading a schema needs no trunk.
_KINDS = {
    "text-classification": ("metier.tasks.text", "CLASSIFICATION"),
    "text-regression": ("metier.tasks.text", "REGRESSION"),
    "rows": ("metier.tasks.rows", "ROWS"),
    "image-classification": ("metier.tasks.images", "CLASSIFICATION"),
}


def names() -> tuple[str, ...]:
    """All kinds of task."""
    return tuple(_KINDS)


def get(name: str) -> Task:
    """The kind of that name. Raises UsageError naming those there are."""
    if name not in _KINDS:
        raise UsageError(
            "no-such-kind", "The kind of task must be a known one.", found=name, fix=f"One of {', '.join(_KINDS)}."
        )
    module, attribute = _KINDS[name]
    task: Task = getattr(import_module(module), attribute)
    return task


def of(schema: Schema, kind: str | None) -> Task:
    """The kind named or, where none is, the one that claims this data most surely. Raises MetierError."""
    return get(kind) if kind else recognise(schema)[0]


def recognise(schema: Schema) -> tuple[Task, Recognition]:
    """The kind that claims this data most surely, and why. Raises DataError when none does."""
    claims = [(get(name).recognises(schema), name) for name in _KINDS]
    best, name = max(claims, key=lambda claim: claim[0].score)
    if best.score <= 0:
        raise DataError(
            "no-kind",
            "The data must have a text column, columns of numbers and categories, or pictures, to learn from.",
            found="; ".join(f"{kind}: {claim.why}" for claim, kind in claims),
            fix="Name the columns with --text and --target, or the kind with --kind.",
        )
    return get(name), best
