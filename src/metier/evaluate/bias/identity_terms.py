"""Identity terms: which words say who somebody is, and what may stand in their place.

An axis (religion) has identities (muslim, christian), each with terms by slot. A slot is a place in a sentence that all
of its terms fit alike: a subject, a possessive, an adjective. `neutral` terms fit the same slots and name no identity:
how much an answer hangs on them is what chance looks like. One file an axis and language in `identities/`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from metier.errors import UsageError

_FOLDER = Path(__file__).with_name("identities")
_NEUTRAL = "neutral"
_ONLY = "term"
_FORM = '{"religion": {"muslim": ["Muslim"], "christian": ["Christian"], "neutral": ["tall", "local"]}}'

Slots = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Found:
    """A term in a text: where, of which identity, in which slot, and the how-manieth of its slot's terms it is."""

    start: int
    end: int
    identity: str
    slot: str
    index: int


@dataclass(frozen=True)
class Terms:
    """The terms of one axis in one language; `language` is empty where they belong to any."""

    axis: str
    title: str
    language: str
    identities: Mapping[str, Slots]
    neutral: Slots

    @cached_property
    def _places(self) -> Mapping[str, tuple[tuple[str, str, int], ...]]:
        """Term in lower case -> its (identity, slot, index): several where a word has several uses, as `her`."""
        places: dict[str, tuple[tuple[str, str, int], ...]] = {}
        for identity, slots in self.identities.items():
            for slot, terms in slots.items():
                for index, term in enumerate(terms):
                    places[term.lower()] = (*places.get(term.lower(), ()), (identity, slot, index))
        return places

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self._places, key=lambda term: (-len(term), term))
        words = "|".join(re.escape(term).replace(r"\ ", r"\s+") for term in longest_first)
        return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)

    def find(self, text: str) -> list[Found]:
        """All terms in a text, from left to right; whole words only, in any case."""
        found = []
        for match in self._pattern.finditer(text):
            uses = self._places[" ".join(match[0].lower().split())]
            identity, slot, index = uses[0] if len(uses) == 1 else _fitting(uses, text[match.end() :])
            found.append(Found(match.start(), match.end(), identity, slot, index))
        return found

    @property
    def words(self) -> set[str]:
        """All words of its terms, in lower case."""
        return {word for term in self._places for word in re.findall(r"\w+", term)}

    def written(self, found: Found, text: str) -> str:
        """The term as the list spells it, which tells whether it is a proper name."""
        return self.identities[found.identity][found.slot][found.index]


# English words that may follow `her` and `his` where no noun does: "saw her yesterday", "the fault is his and mine".
_NO_NOUN = re.compile(
    r"(?:a|about|after|again|all|always|an|and|are|as|at|because|before|but|by|for|from|had|has|have|he|here|how|i|if|in|into|"
    r"is|it|just|later|nor|not|now|of|on|or|our|out|over|she|since|so|than|that|the|their|them|then|there|these|they|"
    r"this|to|today|tomorrow|too|under|until|up|was|we|were|what|when|where|which|while|who|why|will|with|yesterday|you|your)"
)
_BEFORE_NOUN = ("possessive",)


def _fitting(uses: Sequence[tuple[str, str, int]], after: str) -> tuple[str, str, int]:
    """Which use of a word is meant, from the word that follows: `her book` or `saw her`."""
    following = re.match(r"\s+([^\W\d_]+)", after)
    noun = following is not None and _NO_NOUN.fullmatch(following[1].lower()) is None
    return next((use for use in uses if (use[1] in _BEFORE_NOUN) == noun), uses[0])


def shipped() -> list[Terms]:
    """The axes that come with the package."""
    return [_file_terms(path) for path in sorted(_FOLDER.glob("*.json"))]


def load(path: str | Path | None) -> list[Terms]:
    """The axes that ship, and those of the user's own file, which take the place of shipped ones of the same name.

    Raises UsageError `bad-swaps` where the file is not of the form axis -> identity -> [terms].
    """
    own = [] if path is None else _user_terms(Path(path))
    named = {terms.axis for terms in own}
    return own + [terms for terms in shipped() if terms.axis not in named]


def _file_terms(path: Path) -> Terms:
    plain = json.loads(path.read_text(encoding="utf-8"))
    identities = {name: _slots(slots) for name, slots in plain["identities"].items()}
    return Terms(plain["axis"], plain["title"], plain["language"], identities, _slots(plain["neutral"]))


def _slots(plain: Mapping[str, Sequence[str]]) -> Slots:
    return {slot: tuple(terms) for slot, terms in plain.items()}


def _user_terms(path: Path) -> list[Terms]:
    try:
        plain = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise _bad(f"{path}: {error}") from error
    problems: list[str] = []
    if not isinstance(plain, dict) or not plain:
        raise _bad(f"{path} holds {_kind(plain)}")
    for axis, identities in plain.items():
        if not isinstance(identities, dict):
            problems.append(f"{axis}: {_kind(identities)} instead of identities")
            continue
        problems += [
            f"{axis}: {name}: {why}" for name, given in identities.items() if (why := _wrong(given)) is not None
        ]
        if len(set(identities) - {_NEUTRAL}) < 2:
            problems.append(f"{axis}: fewer than two identities to swap")
    if not problems:
        problems = [each for axis, identities in plain.items() for each in _shared(axis, identities)]
    if problems:
        raise _bad("; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else ""))
    return [_user_axis(axis, identities) for axis, identities in plain.items()]


def _user_axis(axis: str, plain: Mapping[str, Any]) -> Terms:
    """Lists of one length are read side by side: the third term of one is swapped for the third of another."""
    given = {name: terms for name, terms in plain.items() if name != _NEUTRAL}
    neutral = plain.get(_NEUTRAL, {})
    lists = [terms for terms in given.values() if isinstance(terms, list)]
    aligned = len(lists) == len(given) and len({len(terms) for terms in lists}) == 1 and len(lists[0]) > 1
    if aligned:
        identities = {name: _slots({str(at): [term] for at, term in enumerate(terms)}) for name, terms in given.items()}
        slots = [str(at) for at in range(len(lists[0]))]
    else:
        forms = {name: terms if isinstance(terms, dict) else {_ONLY: terms} for name, terms in given.items()}
        identities = {name: _slots(each) for name, each in forms.items()}
        slots = sorted({slot for each in identities.values() for slot in each})
    if isinstance(neutral, list):
        neutral = dict.fromkeys(slots, neutral)
    return Terms(axis, axis[:1].upper() + axis[1:], "", identities, _slots(neutral))


def _wrong(given: Any) -> str | None:
    lists = list(given.values()) if isinstance(given, dict) else [given]
    for terms in lists:
        if not isinstance(terms, list) or not terms:
            return f"{_kind(terms)} instead of a list of terms"
        for term in terms:
            if not isinstance(term, str) or not term.strip():
                return f"{term!r} is no term"
    return None if lists else "no terms"


def _shared(axis: str, identities: Mapping[str, Any]) -> list[str]:
    """Terms that stand for two identities: swapping them could say nothing."""
    owner: dict[str, str] = {}
    problems = []
    for name, given in identities.items():
        if name == _NEUTRAL:
            continue
        lists = list(given.values()) if isinstance(given, dict) else [given]
        for term in {term.lower() for terms in lists for term in terms}:
            if owner.setdefault(term, name) != name:
                problems.append(f"{axis}: {term!r} is both {owner[term]} and {name}")
    return problems


def _kind(value: Any) -> str:
    if isinstance(value, list | dict):
        name = "list" if isinstance(value, list) else "object"
        return f"a {name}" if value and name == "list" else f"an {name}" if value else f"an empty {name}"
    return "a text" if isinstance(value, str) else "null" if value is None else "a number"


def _bad(found: str) -> UsageError:
    return UsageError(
        "bad-swaps",
        "--swaps must name a JSON file of axes, their identities, and the terms of each.",
        found=found,
        fix=f"Write it as {_FORM}.",
    )
