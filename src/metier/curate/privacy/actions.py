"""What is done with what was found: keep, mask, replace by a pseudonym, or drop the row; type by type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from metier.curate.privacy.hits import TYPES, Hit
from metier.curate.privacy.pseudonyms import pseudonym
from metier.errors import UsageError

Treatment = Literal["keep", "mask", "pseudonym", "drop"]
TREATMENTS: tuple[Treatment, ...] = get_args(Treatment)
DEFAULT: Treatment = "mask"
_ALL = "all"


def treatments(choices: Sequence[str]) -> dict[str, Treatment]:
    """`("email=pseudonym", "card=drop")` -> what is done with every type; `all=...` sets those not named.

    Comma lists are taken apart. Raises UsageError naming every choice that is none.

    >>> treatments(["card=drop"])["card"], treatments(["card=drop"])["email"]
    ('drop', 'mask')
    """
    chosen: dict[str, Treatment] = {}
    problems: list[str] = []
    for choice in (part.strip() for item in choices for part in item.split(",") if part.strip()):
        type_, _, word = (part.strip().lower() for part in choice.partition("="))
        treatment = next((one for one in TREATMENTS if one == word), None)
        if type_ not in TYPES and type_ != _ALL:
            problems.append(f"{choice}: no such type")
        elif treatment is None:
            problems.append(f"{choice}: no such action")
        elif chosen.setdefault(type_, treatment) != treatment:
            problems.append(f"{choice}: {type_} has two actions")
    if problems:
        raise UsageError(
            "bad-privacy",
            "--privacy must say what is done with a type of personal data, as email=mask.",
            found="; ".join(problems),
            fix=f"Types: {', '.join(TYPES)}, or {_ALL}. Actions: {', '.join(TREATMENTS)}.",
        )
    rest = chosen.get(_ALL, DEFAULT)
    return {type_: chosen.get(type_, rest) for type_ in TYPES}


def exemptions(patterns: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    """Regular expressions of what is never personal here. Raises UsageError naming every one that cannot be read."""
    compiled, problems = [], []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            problems.append(f"{pattern}: {error}")
    if problems:
        raise UsageError(
            "bad-pattern",
            "--exempt must be a regular expression.",
            found="; ".join(problems),
            fix=r"For example --exempt 'ORD-\d+'; put a \ before signs that are meant as such.",
        )
    return tuple(compiled)


def label(type_: str) -> str:
    """What stands in the place of a masked value: `[EMAIL]`."""
    return f"[{type_.upper()}]"


def rewrite(text: str, hits: Sequence[Hit], actions: Mapping[str, Treatment], key: bytes | None = None) -> str:
    """The text with each hit treated as its type's action says; types without an action are masked.

    `hits` as `detect` gives them. A type to be dropped is masked: that its row goes is the caller's to do. Pseudonyms
    need the `key`; the same value becomes the same pseudonym wherever the key is the same.
    """
    pieces, at = [], 0
    for hit in hits:
        action, value = actions.get(hit.type, DEFAULT), text[hit.start : hit.end]
        if action == "keep":
            continue
        new = label(hit.type)
        if action == "pseudonym":
            if key is None:
                raise ValueError("a pseudonym needs a key: see metier.curate.privacy.keys")
            new = pseudonym(value, hit.type, hit.rule, key)
        pieces += [text[at : hit.start], new]
        at = hit.end
    return "".join(pieces) + text[at:]
