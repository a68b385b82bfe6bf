"""Keys and tokens: what their makers prefix them with, key blocks, and long random words that are called a key."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from metier.curate.privacy.contexts import NEGATIVE, pattern
from metier.curate.privacy.hits import Hit

# literal that wakes it -> (rule, form)
_KNOWN: dict[str, tuple[str, str]] = {
    "AKIA": ("aws", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    "ASIA": ("aws", r"ASIA[A-Z2-7]{16}"),
    "gh": ("github", r"gh[pousr]_[A-Za-z0-9]{36,251}"),
    "github_pat_": ("github", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{50,}"),
    "glpat-": ("gitlab", r"glpat-[\w-]{20,}"),
    "sk": ("secret-key", r"(?:sk|rk)[-_](?:(?:live|test|proj|ant|or|svcacct|admin)[-_])?[A-Za-z0-9][\w-]{18,}"),
    "pk_": ("stripe", r"pk_(?:live|test)_[A-Za-z0-9]{16,}"),
    "xox": ("slack", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "AIza": ("google", r"AIza[\w-]{35}"),
    "ya29.": ("google", r"ya29\.[\w-]{20,}"),
    "GOCSPX-": ("google", r"GOCSPX-[\w-]{20,}"),
    "hf_": ("hugging-face", r"hf_[A-Za-z0-9]{30,}"),
    "npm_": ("npm", r"npm_[A-Za-z0-9]{36}"),
    "pypi-": ("pypi", r"pypi-[\w-]{40,}"),
    "SG.": ("sendgrid", r"SG\.[\w-]{16,}\.[\w-]{30,}"),
    "key-": ("mailgun", r"key-[0-9a-f]{32}"),
    "shpat_": ("shopify", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    "dop_v1_": ("digital-ocean", r"dop_v1_[0-9a-f]{64}"),
    "eyJ": ("jwt", r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]{8,})?"),
    "hooks.slack.com": ("slack", r"https://hooks\.slack\.com/services/[\w/]+"),
}
KNOWN_FORMS = {
    literal: (rule, re.compile(rf"(?<![A-Za-z0-9_])(?:{form})(?![A-Za-z0-9])"))
    for literal, (rule, form) in _KNOWN.items()
}
_BLOCK = re.compile(
    (
        r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END (?:[A-Z]+ )*PRIVATE KEY(?: "
        r"BLOCK)?-----|\Z)"
    ),
    re.DOTALL,
)
_RANDOM = re.compile(r"(?<![\w/+.])[A-Za-z0-9_/+\-]{16,}={0,2}(?![\w/+])")
_SET_TO = re.compile(
    (r"[\"']?\s*(?:is|ist|est|es|è|é|lautet|[:=]|=>)+\s*[\"']?(\S{6,64}?)[\"']?(?=[\s,;)]|\.?\s|\.?$)"), re.IGNORECASE
)
_PASSWORD = re.compile(
    r"(?<![^\W\d_])(?:password|passwd|pwd|passcode|passwort|kennwort|mot de passe|contraseña|wachtwoord"
    r"|hasło|lösenord|lösenordet|senha)(?![^\W\d_])",
    re.IGNORECASE,
)
_WORDS_SET = frozenset(
    [
        "password",
        "passwd",
        "pwd",
        "passcode",
        "passwort",
        "kennwort",
        "passe",
        "contraseña",
        "wachtwoord",
        "hasło",
        "lösenord",
        "lösenordet",
        "senha",
    ]
)


def entropy(text: str) -> float:
    """Shannon entropy of the letters, in bits a letter."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def secrets(text: str, lowered: str, awake: set[str]) -> Iterator[Hit]:
    """Keys, tokens and written-out passwords."""
    for literal, (rule, form) in KNOWN_FORMS.items():
        if literal in text:
            for match in form.finditer(text):
                yield Hit("secret", match.start(), match.end(), 0.99, rule)
    if "PRIVATE KEY" in text:
        for match in _BLOCK.finditer(text):
            yield Hit("secret", match.start(), match.end(), 1.0, "private-key")
    if "secret" in awake:
        yield from _called(text)
        if any(word in lowered for word in _WORDS_SET):
            yield from _passwords(text)


def _called(text: str) -> Iterator[Hit]:
    for context in pattern("secret").finditer(text):
        match = _RANDOM.search(text, context.end(), context.end() + 400)
        if match is None or match.start() > context.end() + 32:
            continue
        word = match[0]
        mixed = any(map(str.isdigit, word)) and any(map(str.isalpha, word))
        spoken = pattern(NEGATIVE).search(text, context.end(), match.start())
        if mixed and spoken is None and entropy(word) >= 3.2 and word.count("-") + word.count("/") < 4:
            yield Hit("secret", match.start(), match.end(), 0.85, "random")


def _passwords(text: str) -> Iterator[Hit]:
    for context in _PASSWORD.finditer(text):
        match = _SET_TO.match(text, context.end())
        if match is None:
            continue
        word = match[1]
        kinds = sum(any(map(test, word)) for test in (str.isdigit, str.isalpha, lambda sign: not sign.isalnum()))
        if kinds >= 2 and any(map(str.isdigit, word)):
            yield Hit("secret", match.start(1), match.end(1), 0.8, "password")
