"""Which of a room's questions are asked: what `--only` names, in curating and evaluating alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from metier.errors import UsageError


def named(only: Sequence[str], known: Iterable[str], room: str) -> tuple[str, ...]:
    """The questions named, comma lists and repeats alike, in the order of `known`; all where none is named.

    Raises UsageError for names that are no question of the room.
    """
    known = tuple(known)
    asked = {name.strip().lower() for item in only for name in item.split(",") if name.strip()}
    unknown = sorted(asked - set(known))
    if unknown or (only and not asked):
        raise UsageError(
            "no-such-question",
            f"--only must name questions of {room}.",
            found=", ".join(unknown) or "nothing",
            fix=f"One or more of {', '.join(known)}.",
        )
    return tuple(name for name in known if name in asked or not asked)
