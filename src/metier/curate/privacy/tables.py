"""Words and phrases in the text files beside this one: `[section]`, then words, or phrases between bars."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path


@cache
def sections(file: str) -> dict[str, str]:
    """The sections of a file, each as one line of text."""
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    parts = re.split(r"^\[(.+)\]$", text, flags=re.MULTILINE)
    return {name: " ".join(body.split()) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def words(section: str) -> frozenset[str]:
    """A list of single words of `words.txt`."""
    return frozenset(sections("words.txt")[section].split())


def phrases(file: str, section: str) -> frozenset[str]:
    """A list of phrases, the blanks in them single."""
    return frozenset(phrase.strip() for phrase in sections(file)[section].split("|")) - {""}
