"""Which language is each text in, and which texts are in one that does not belong? Precision first: short texts lie."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from metier.curate.columns import TextColumn
from metier.curate.findings import Finding
from metier.curate.material import Side
from metier.errors import UsageError

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_READ = 400  # characters that are enough to know a language by
_DOMINANT = 0.6  # share of the commonest language from which the others are asked about at all
_CERTAIN = 0.9  # probability of another language, for a text of few letters
_LIKELY = 0.7  # the same for a text of many
_LONG = 60  # letters that are many
_SHORTEST = 8  # letters below which nothing is said, unless the script itself is foreign
_FEW = 3  # letters that show a script
_SCRIPT = 0.99  # how sure a foreign script is
_KNOWN = 0.5  # a text of which more than this share of words is the data's own vocabulary is no foreign text
_UNSURE = 0.6
# What no detector tells apart in a short text counts as one: dialects, creoles, and standards of one language.
_KIN = {"pcm": "en", "nn": "no", "bs": "hr", "sr": "hr", "gcf": "fr", "gcr": "fr", "wuu": "zh", "yue": "zh",
        "ary": "ar", "arz": "ar", "ext": "es", "an": "es", "uzs": "uz", "hbo": "he", "grc": "el",
        "sdh": "ku"}  # fmt: skip
_NONE = "zxx"  # the detector's own word for no language at all
_WORD = re.compile(r"[^\W\d_]+")
_NOISE = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|[@#]\w+|\b[A-Z]{4,}\b|\d+")
_OTHER_SCRIPT = re.compile("[\u0370-\u1dff\u2c80-\u2dff\u3040-\ud7ff\uf900-\ufdff]")


def look(column: TextColumn, side: Side, wanted: Sequence[str] = ()) -> tuple[list[Finding], dict[str, Any]]:
    """Findings and facts (share per language) of one text column.

    `wanted` are the languages that belong (en, de, ...); left out, the commonest one if at least 60% of the texts that
    could be told are in it, else all. The detector is a naive Bayes over byte n-grams (Lui and Baldwin, "langid.py",
    ACL 2012, in its living fork py3langid), whose word is taken only where the letters suffice, and never against the
    vocabulary of the texts that are surely in a language that belongs. Raises UsageError for a language nobody knows.
    """
    asked = tuple(_KIN.get(code.lower(), code.lower()) for code in wanted)
    _check(asked)
    told: list[str] = []
    sure: list[float] = []
    for _, texts in column.pieces():
        for text in texts:
            language, probability = identify(text)
            told.append(language)
            sure.append(probability)
    counts = Counter(language for language, p in zip(told, sure, strict=True) if language and p >= _UNSURE)
    known = sum(counts.values())
    if not known:
        return [], {"share": {}, "unsure": 1.0, "expected": list(asked), "rows": 0}
    commonest, most = counts.most_common(1)[0]
    expected = asked or ((commonest,) if most >= _DOMINANT * known else ())
    findings = _foreign(column, side, told, sure, expected) if expected else []
    share = {language: round(count / known, 5) for language, count in counts.most_common(20)}
    facts = {"share": share, "unsure": round(1 - known / max(len(told), 1), 5), "expected": list(expected)}
    return findings, facts | {"rows": len(findings)}


def identify(text: str) -> tuple[str, float]:
    """The language of a text as an ISO code and its probability; ("", 0) where there is nothing to tell it by."""
    plain = _NOISE.sub(" ", text[:_READ]).strip()
    if not plain or not any(letter.isalpha() for letter in plain):
        return "", 0.0
    shares: dict[str, float] = {}
    for language, probability in _detector().rank(plain)[:6]:
        kin = _KIN.get(language, language)
        shares[kin] = shares.get(kin, 0.0) + probability
    language = max(shares, key=shares.__getitem__)
    return ("", 0.0) if language == _NONE else (language, shares[language])


def _foreign(
    column: TextColumn, side: Side, told: list[str], sure: list[float], expected: tuple[str, ...]
) -> list[Finding]:
    vocabulary, scripts = _own(column, told, sure, expected)
    found = []
    for start, texts in column.pieces():
        for at, text in enumerate(texts, start):
            language, probability = told[at], sure[at]
            if not language or language in expected:
                continue
            plain = _NOISE.sub(" ", text[:_READ])
            letters = sum(letter.isalpha() for letter in plain)
            foreign = _script(plain) not in scripts and letters >= _FEW
            if not foreign and not _is_other(plain, letters, probability, vocabulary):
                continue
            probability = max(probability, _SCRIPT) if foreign else probability
            detail = f"Written in {language} rather than {' or '.join(expected)}, as far as {letters} letters tell."
            if foreign:
                detail = f"Written in letters that {' or '.join(expected)} does not use; most like {language}."
            row = int(side.examples.rows[at])
            facts = {"language": language, "probability": round(probability, 4)}
            found.append(
                Finding("wrong_language", row, side.file, probability, detail, None, "review", column.name, (), facts)
            )
    return found


def _is_other(text: str, letters: int, probability: float, vocabulary: set[str]) -> bool:
    """Whether the detector may be believed: it is sure enough for so few letters, and the words are not the data's."""
    if letters < _SHORTEST or probability < _UNSURE:
        return False
    if probability >= (_LIKELY if letters >= _LONG else _CERTAIN):
        return _share_known(text, vocabulary) <= _KNOWN
    return _strange(text, vocabulary)


def _own(
    column: TextColumn, told: list[str], sure: list[float], expected: tuple[str, ...]
) -> tuple[set[str], set[str]]:
    """The words that stand in several texts surely in a language that belongs, and the scripts of those texts."""
    words: Counter[str] = Counter()
    scripts: Counter[str] = Counter()
    for start, texts in column.pieces():
        for at, text in enumerate(texts, start):
            if told[at] in expected and sure[at] >= _UNSURE:
                plain = _NOISE.sub(" ", text[:_READ])
                words.update({word.lower() for word in _WORD.findall(plain)})
                scripts[_script(plain)] += 1
    enough = max(2, 0.01 * sum(scripts.values()))
    return {word for word, count in words.items() if count > 1}, {s for s, count in scripts.items() if count >= enough}


def _share_known(text: str, vocabulary: set[str]) -> float:
    words = [word.lower() for word in _WORD.findall(text)]
    return sum(word in vocabulary for word in words) / max(len(words), 1)


def _strange(text: str, vocabulary: set[str]) -> bool:
    """Whether several words stand here and almost none of them is the data's own: then a likely language is enough."""
    words = {word.lower() for word in _WORD.findall(text) if len(word) > 1}
    return len(words) >= 4 and sum(word in vocabulary for word in words) <= 0.25 * len(words)


def _script(text: str) -> str:
    """LATIN, CYRILLIC, GREEK, ...: the script of most letters; LATIN where there is none."""
    if not _OTHER_SCRIPT.search(text):
        return "LATIN"
    names = Counter(unicodedata.name(letter, "").split(" ")[0] for letter in text[:100] if letter.isalpha())
    return names.most_common(1)[0][0] if names else "LATIN"


def _check(asked: tuple[str, ...]) -> None:
    if not asked:
        return
    known = {_KIN.get(code, code) for code in _detector().labels} - {_NONE}
    unknown = [code for code in asked if code not in known]
    if unknown:
        raise UsageError(
            "unknown-language",
            "--languages takes ISO codes of languages that can be told.",
            found=", ".join(unknown),
            fix=f"For example en, de or fr; known are {', '.join(sorted(known))}.",
        )


@cache
def _detector() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
