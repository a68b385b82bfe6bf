"""Addresses such as postgresql://... and s3://...: which kind they are, and how they are shown without secrets."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(::[^/]*)?://")
# What comes after # is a table's name or a whole query; anything else is part of the address (a password, say).
_FRAGMENT = re.compile(r"#\s*((?:select|with|table|values)\b.*|[^@/?#:]+)$", re.IGNORECASE | re.DOTALL)
_LOGIN = re.compile(r"(://[^:/@]*):(.*)@", re.DOTALL)
_WEB_LOGIN = re.compile(r"(://[^:/@]*):([^/]*)@")
_WEB_TOKEN = re.compile(r"(?<=://)([^/:@]+)(?=@)")
_SECRET = re.compile(
    r"([?&;][^=&#;]*(?:passw|pwd|secret|token|sig|credential|auth|key|odbc_connect)[^=&#;]*=)([^&#]*)", re.IGNORECASE
)
HIDDEN = "***"


def is_address(place: object) -> bool:
    """Whether this is an address with a scheme and not a path."""
    return isinstance(place, str) and _SCHEME.match(place) is not None


def scheme(place: str) -> str:
    """`s3` of `s3://bucket/key`, in lower case; of a chain such as `simplecache::s3://` the first one."""
    match = _SCHEME.match(place)
    return match[1].lower() if match else ""


def is_database(place: str) -> bool:
    """Whether the address is a database's: every scheme that fsspec does not know is taken as SQLAlchemy's."""
    from fsspec import available_protocols

    return scheme(place) not in available_protocols()


def divided(place: str) -> tuple[str, str | None]:
    """A database's address and what stands after its #: a table's name or a query, None without."""
    match = _FRAGMENT.search(place)
    return (place[: match.start()], match[1].strip()) if match else (place, None)


def masked(place: str | Path) -> str:
    """The address or path as it may be recorded and shown: passwords, tokens and signatures as ***."""
    return _hide(place)[0] if isinstance(place, str) and is_address(place) else str(place)


def without_secrets(text: str, place: str) -> str:
    """A message with the address's secrets blotted out, as they were typed and as they were sent."""
    for secret in sorted({*_hide(place)[1], *map(unquote, _hide(place)[1])}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def name_of(place: str | Path) -> str:
    """A short name for people: the table's, else the file's or the database's, without its endings."""
    shown = masked(place)
    if not is_address(shown):
        return Path(place).name.split(".")[0]
    address, inside = divided(shown)
    if inside is not None and re.fullmatch(r"[\w.$ -]+", inside) and len(inside.split()) == 1:
        return inside.rpartition(".")[2]
    path = re.sub(r"[?#].*", "", address.partition("://")[2], flags=re.DOTALL).rpartition("@")[2]
    return PurePosixPath(path).name.split(".")[0] or scheme(shown)


def _hide(place: str) -> tuple[str, list[str]]:
    """The address without its secrets, and the secrets."""
    address, fragment = divided(place)
    web = scheme(place) in ("http", "https")
    secrets: list[str] = []

    def blot(match: re.Match[str]) -> str:
        secrets.append(match[2])
        return f"{match[1]}:{HIDDEN}@"

    def blot_value(match: re.Match[str]) -> str:
        secrets.append(match[2])
        return match[1] + HIDDEN

    def blot_token(match: re.Match[str]) -> str:
        secrets.append(match[1])
        return HIDDEN

    address = (_WEB_LOGIN if web else _LOGIN).sub(blot, address, count=1)
    if web and not secrets:
        address = _WEB_TOKEN.sub(blot_token, address, count=1)
    address = _SECRET.sub(blot_value, address)
    hidden = address if fragment is None else f"{address}#{fragment}"
    return hidden, [secret for secret in secrets if secret and secret != HIDDEN]
