"""Which texts are damaged, and what they would be whole: wrong encodings, markup, quoted mail, mash, nothing left."""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import ftfy
import numpy as np

from metier.curate.columns import TextColumn
from metier.curate.findings import Action, Finding
from metier.curate.material import Side

_TAGS = (
    "a|abbr|article|b|blockquote|body|br|button|center|code|div|em|font|footer|form|h[1-6]|head|header|hr|html|i|iframe"
    "|img|input|label|li|link|meta|ol|option|p|pre|script|section|select|small|span|strong|style|sub|sup|table|tbody"
    "|td|th|thead|tr|u|ul"
)
_TAG = rf"</?(?:{_TAGS})(?:\s[^<>]*)?/?>"
_BLOCK = re.compile(r"(?is)<(script|style)\b[^>]*>.*?</\1\s*>|<!--.*?-->")
_BREAK = re.compile(r"(?i)<(?:br|hr)\s*/?>|</(?:p|div|li|tr|h[1-6]|blockquote)>")
_ANY_TAG = re.compile(rf"(?i){_TAG}")
_ENTITY = re.compile(r"&(?:#\d{2,6}|#x[0-9a-fA-F]{2,5}|[A-Za-z]{2,8}\d?);")
_CUT_ENTITY = re.compile(r"(?<![&\w])#(\d{2,4});")  # an entity that lost its ampersand
_BB = re.compile(r"(?i)\[/?(?:b|i|u|s|url|img|quote|code|color|size|list|\*)(?:=[^\]\n]*)?\]")
_LINK = re.compile(r"!?\[([^\[\]\n]*)\]\((?:https?://|www\.)[^()\s]*\)")
_BOLD = re.compile(r"(?<![\w*])\*\*(?=[^\s*])(.+?)(?<=[^\s*])\*\*(?![\w*])")
_FENCE = re.compile(r"(?m)^\s*```\w*\s*$")
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"']+")
_TRACKING = re.compile(r"(?i)^(?:utm_\w+|gclid|fbclid|msclkid|mc_[ce]id|igshid|yclid|dclid|_hsenc|_hsmi)$")
_HIDDEN = re.compile("[\u200b\u2060\ufeff\u00ad]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_REPLY = re.compile(
    r"(?im)^(?:>\s*)?"
    r"(?:-{2,}\s*(?:original message|forwarded message|ursprüngliche nachricht|message d'origine)\s*-{2,}"
    r"|(?:on|am|le|el)\s[^\n]{6,120}\s(?:wrote|schrieb[^\n]{0,60}|a écrit|escribió)\s?:\s*$"
    r"|from:[^\n]+\n(?:sent|date|to):[^\n]+\n)"
)
_QUOTED = re.compile(r"(?m)^>.*(?:\n|$)")
_SPACES = re.compile(r"[ \t\xa0]{2,}")
_LINES = re.compile(r"\n{3,}")
_JSON = re.compile(r"""(?s)^\s*(?:\{\s*["'][^"'\n]+["']\s*:.*\}|\[\s*\{.*\}\s*\])\s*$""")
_LOG = re.compile(
    r"(?m)^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\n]{0,40}\b(?:TRACE|DEBUG|INFO|WARN(?:ING)?|ERROR|FATAL)\b"
    r"|^Traceback \(most recent call last\):|^\s+at [\w$.]+\([\w$]+\.java:\d+\)"
)
_REPEATED = re.compile(r"([^\W\d_])\1{9,}|([^\w\s])\2{29,}|\b(\w+)(?:\W+\3\b){5,}", re.IGNORECASE)
_SAME = re.compile(r"(?s)^\s*(\S)(?:\s*\1){4,}\s*$")
_WORD = re.compile(r"[^\W\d_]{2,}")
_FIX = ftfy.TextFixerConfig(
    unescape_html=False, uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False, normalization="NFC"
)
# What RE2 looks for in all rows; only what it finds is looked at closely.
_MARKUP = (
    rf"(?i){_TAG}|<!--|&#?\w{{2,8}};|(?:^|[^&\w])#\d{{2,4}};|\[/?(?:b|i|u|s|url|img|quote|code|color|size|list|\*)[=\]]"
    r"|\]\((?:https?://|www\.)|\*\*\S|```|[?&](?:utm_|gclid|fbclid|msclkid|mc_[ce]id|igshid|yclid)"
)
_SUSPECT = (
    r"[\x{80}-\x{9f}\x{a0}\x{ad}\x{200b}\x{2060}\x{feff}\x{fffd}]|[ÂÃâðÐÑÅÎØãäåæçèéï][\x{80}-\x{bf}\x{2013}-\x{2122}\x{20ac}\x{0152}-\x{0192}\x{02c6}\x{02dc}]"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
_MAIL = (
    r"(?im)^>|-{2,}\s*(?:original|forwarded|ursprüngliche|message d)"
    r"|(?:wrote|schrieb.{0,60}|a écrit|escribió)\s?:\s*$|^from:"
)
_FRAGMENT = r"""(?s)^\s*[\{\[]|\d\d:\d\d:\d\d.{0,40}(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL)|Traceback|\.java:\d"""
_NO_LETTER = r"^[^\pL]*$|^\s*(?:https?://|www\.)\S+\s*$"
_PICTURES = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]|[:;=8][-']?[()DPpO3]|<3")
_MASH_FEWEST = 2_000  # letters of a language's own habits, below which nobody can say what is not a word


@dataclass(frozen=True)
class Defect:
    """One kind of damage: how sure it is one, what to do, in words."""

    name: str
    score: float
    action: Action
    detail: str


def clean(text: str) -> str:
    """The text without what machines left in it; a whole text comes back unchanged.

    Wrong encodings and control characters are mended (ftfy), tags, BBCode and link markup are removed with their words
    kept, entities are read, trackers are cut out of addresses, quoted mail is dropped unless nothing else is there.
    """
    out = _HIDDEN.sub("", ftfy.fix_text(text, _FIX)) if not text.isascii() or _CONTROL.search(text) else text
    out = _addresses(_unmarked(out))
    own = _QUOTED.sub("", _before_reply(out))
    out = own if own.strip() else out
    if out == text:
        return text
    return _LINES.sub("\n\n", "\n".join(_SPACES.sub(" ", line).strip() for line in out.split("\n"))).strip()


def defects(text: str) -> list[Defect]:
    """What is wrong with one text, worst first; empty for a whole one."""
    found: list[Defect] = []
    left = clean(text)
    if not left.strip():
        return [Defect("empty", 0.95, "drop", "Nothing is left of it once markup and invisible characters are gone.")]
    lost = text.count("\ufffd")
    if lost:
        detail = f"{lost} characters were lost to a wrong encoding and cannot be restored; read the source again."
        found.append(Defect("lost_characters", min(0.99, 0.7 + lost / len(text)), "review", detail))
    if not text.isascii() or _CONTROL.search(text):
        mended = ftfy.fix_encoding(text)
        if mended != text:
            found.append(
                Defect("mojibake", 0.95, "rewrite", "Letters garbled by a wrong encoding; they can be mended.")
            )
        elif ftfy.badness.badness(text) > 1:
            found.append(Defect("mojibake", 0.7, "review", "Letters look garbled by a wrong encoding."))
        if _CONTROL.search(text) or _HIDDEN.search(text):
            found.append(Defect("control_characters", 0.9, "rewrite", "Control or invisible characters."))
    if _unmarked(text) != text or _addresses(text) != text:
        found.append(Defect("markup", 0.9, "rewrite", "Tags, entities or other markup between the words."))
    if _QUOTED.sub("", _before_reply(text)) != text:
        found.append(Defect("quoted_mail", 0.8, "rewrite" if left != text else "review", "Quotes an earlier message."))
    return found + _not_prose(text)


def look(column: TextColumn, side: Side) -> tuple[list[Finding], dict[str, Any]]:
    """Findings and facts (rows of each kind of damage) of one text column."""
    patterns = (_MARKUP, _SUSPECT, _MAIL, _FRAGMENT, _NO_LETTER)
    at = np.unique(np.concatenate([*(column.matching(pattern) for pattern in patterns), _repeating(column)]))
    findings: list[Finding] = []
    counted: Counter[str] = Counter()
    for start in range(0, len(at), 4096):
        some = at[start : start + 4096]
        for position, text in zip(some, column.texts(some), strict=True):
            wrong = defects(text) if text.strip() else []
            counted.update(defect.name for defect in wrong)
            if wrong:
                findings.append(_told(column.name, side, int(position), text, wrong))
    mashed = _mash(column)
    counted["mash"] = len(mashed)
    for position, score in mashed.items():
        mash = Defect(
            "mash", score, "review", "Looks like keys pressed at random: no word of it stands in another row."
        )
        findings.append(_told(column.name, side, position, "", [mash]))
    return findings, {"rows": len(findings), "kinds": {name: n for name, n in counted.items() if n}}


def _told(column: str, side: Side, position: int, text: str, wrong: list[Defect]) -> Finding:
    worst = max(wrong, key=lambda defect: (defect.action == "drop", defect.action == "review", defect.score))
    # A sure repair is offered even beside damage that only a person can judge.
    mended = clean(text) if any(defect.action == "rewrite" for defect in wrong) else None
    return Finding(
        "broken", int(side.examples.rows[position]), side.file, max(defect.score for defect in wrong),
        " ".join(defect.detail for defect in wrong),
        suggestion=mended, action=worst.action, column=column,
        facts={"defects": [defect.name for defect in wrong]},
    )  # fmt: skip


def _not_prose(text: str) -> list[Defect]:
    found = []
    if _JSON.match(text):
        found.append(Defect("structured", 0.8, "review", "A piece of JSON rather than a text."))
    elif _LOG.search(text):
        found.append(Defect("structured", 0.7, "review", "A piece of a program's log rather than a text."))
    bare = _URL.sub(" ", text)
    if not any(letter.isalpha() for letter in bare) and not _PICTURES.search(bare):
        found.append(Defect("no_words", 0.8, "review", "Only digits, punctuation or addresses, not one word."))
    repeated = _REPEATED.search(text)
    if _SAME.match(text) or (repeated and len(repeated[0]) > 0.3 * len(text)):
        found.append(Defect("repeated", 0.7, "review", "Mostly the same character or word over and over."))
    return found


def _unmarked(text: str) -> str:
    out = _ANY_TAG.sub("", _BREAK.sub("\n", _BLOCK.sub(" ", text))) if "<" in text else text
    if ";" in out:
        read = _ENTITY.sub(lambda found: html.unescape(found[0]), out)
        read = _CUT_ENTITY.sub(lambda found: chr(int(found[1])) if int(found[1]) > 31 else found[0], read)
        if read != out:
            # Tags that were written as entities are tags as well.
            out = _ANY_TAG.sub("", _BREAK.sub("\n", read))
    if "[" in out:
        # Without a closing one they are no tags: x[i], [s].
        out = _LINK.sub(r"\1", _BB.sub("", out) if "[/" in out else out)
    if "**" in out:
        out = _BOLD.sub(r"\1", out)
    return _FENCE.sub("", out) if "```" in out else out


def _addresses(text: str) -> str:
    return _URL.sub(lambda found: _untracked(found[0]), text) if "?" in text and "=" in text else text


def _untracked(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    kept = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.match(key)]
    if len(kept) == len(parse_qsl(parts.query, keep_blank_values=True)):
        return address
    return urlunsplit(parts._replace(query=urlencode(kept)))


def _before_reply(text: str) -> str:
    found = _REPLY.search(text)
    return text[: found.start()] if found else text


def _repeating(column: TextColumn) -> np.ndarray:
    """Positions of texts with long runs of one character or word; RE2 has no back references, so Python looks."""
    found = [start + i for start, texts in column.pieces() for i, text in enumerate(texts) if _runs(text)]
    return np.array(found, np.int64)


def _runs(text: str) -> bool:
    if len(set(text)) <= 3 and len(text) >= 5:
        return True
    words = text.lower().split()
    return (len(words) >= 6 and len(set(words)) <= len(words) // 2) or bool(re.search(r"([^\W\d_])\1{9,}", text))


def _mash(column: TextColumn) -> dict[int, float]:
    """Position -> score of texts whose words are in no other row and whose letters never follow each other so.

    Letter pairs are counted over the column's distinct words. Only ASCII words are judged: other scripts have too many
    letters for their pairs to be known from one table.
    """
    seen: Counter[str] = Counter()
    for _, texts in column.pieces():
        for text in texts:
            seen.update(set(_WORD.findall(text.lower())))
        if len(seen) > 2_000_000:
            seen = Counter({word: count for word, count in seen.items() if count > 1})
    common = [word for word, count in seen.items() if count > 1 and word.isascii()]
    pairs = np.ones((27, 27))
    for word in common:
        codes = _codes(word)
        np.add.at(pairs, (codes[:-1], codes[1:]), 1)
    if pairs.sum() - pairs.size < _MASH_FEWEST:
        return {}
    chance = np.log(pairs / pairs.sum(1, keepdims=True))
    usual = np.array([_likely(word, chance) for word in common if len(word) >= 5])
    if len(usual) < 50:
        return {}
    limit = float(np.quantile(usual, 0.002))
    found = {}
    for start, texts in column.pieces():
        for i, text in enumerate(texts):
            words = _WORD.findall(text.lower()) if len(text) < 80 else []
            if not words or len(words) > 5 or any(seen[word] > 1 or not word.isascii() for word in words):
                continue
            odd = [word for word in words if len(word) >= 5]
            if odd and all(_likely(word, chance) < limit for word in odd):
                found[start + i] = 0.6
    return found


def _codes(word: str) -> np.ndarray:
    return np.array([0, *(ord(letter) - 96 for letter in word if "a" <= letter <= "z"), 0])


def _likely(word: str, chance: np.ndarray) -> float:
    codes = _codes(word)
    return float(chance[codes[:-1], codes[1:]].mean())
