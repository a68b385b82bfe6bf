"""What a network knows a person by: e-mail, IP and MAC addresses, links to a person, user names, coordinates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address

from metier.curate.privacy.contexts import MINE, NEGATIVE, NOBODYS, pattern, said
from metier.curate.privacy.hits import Hit

_LOCAL = r"[^\W_](?:[\w.!#$%&'*+/=?^`{|}~\-]{0,62}[\w+\-])?"
_EMAIL = re.compile(
    rf"(?<![\w.+\-@])[\w+]?{_LOCAL}@(?:[^\W_](?:[\w\-]{{0,61}}[^\W_])?\.)+([^\W\d_]{{2,24}})(?![\w@])(?!-\w)"
)
_SPELT = re.compile(
    r"(?<![\w.@])[\w.+\-]{2,40}\s?(?:[\[({<]\s?(?:at|@|ät"
    r"|arroba)\s?[\])}>])\s?[\w\-]+(?:(?:\s?[\[({<]\s?(?:dot|\.|punkt|punto|point|ponto)\s?[\])}>]\s?"
    r"|\.)[\w\-]+)*(?:\s?[\[({<]\s?(?:dot|\.|punkt|punto|point|ponto)\s?[\])}>]\s?|\.)[a-z]{2,12}\b"
    r"|(?<![\w.@])[\w.+\-]{2,40} at [\w\-]+ dot [a-z]{2,12}\b",
    re.IGNORECASE,
)
_FILES = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "bmp",
        "pdf",
        "js",
        "css",
        "ts",
        "py",
        "json",
        "xml",
        "html",
        "htm",
        "txt",
        "csv",
        "zip",
        "exe",
        "dll",
        "so",
        "md",
    ]
)

_IPV4 = re.compile(
    r"(?<![\w.])(?<!\d-)(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d"
    r"|[1-9]?\d)){3}(?![\w])(?!\.\d)(?!-[A-Za-z])"
)
_IPV6 = re.compile(
    r"(?<![\w.])(?<!::)(?<!\b[0-9A-Fa-f]:)(?<!\b[0-9A-Fa-f]{2}:)(?<!\b[0-9A-Fa-f]{3}:)(?<!\b[0-9A-Fa-f]{4}:)("
    r"?=[0-9A-Fa-f:.]*[0-9])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:(?:\.\d{1,3}){3})?(?:%\w+)?(?![\w:])"
)
_MAC = re.compile(
    r"(?<![\w.\-])(?<!\b[0-9A-Fa-f]{2}:)(?:[0-9A-Fa-f]{2}([:\-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}"
    r"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![\w:\-])(?!\.\w)"
)

_URL = re.compile(
    (
        r"(?<![\w@])(?:https?|ftp|s3|ssh)://[^\s<>\"'\])}]+"
        r"|(?<![\w@./])(?:www\.)?[\w\-]+(?:\.[\w\-]+)*\.[a-z]{2,12}/[^\s<>\"'\])}]+|(?<![\w@./])t\.me/[\w]+"
    ),
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"^\w+://[^/\s@]+@")
_PERSONAL_KEY = re.compile(
    (
        r"[?&;](?:e-?mail|mail|user(?:_?name|_?id)?|login|uid|phone|tel|token|access_token|api_?key|key"
        r"|session(?:_?id)?|sid|auth|password|pwd|name|first_?name|last_?name|customer(?:_?id)?|account|dob"
        r"|ssn)=[^&\s]+"
    ),
    re.IGNORECASE,
)
_PROFILE = re.compile(
    r"^(?:https?://)?(?:www\.|m\.|[a-z]{2}\.)?(?:(?:linkedin\.com/(?:in|pub)|youtube\.com/(?:@|user/"
    r"|channel/|c/)|reddit\.com/u(?:ser)?|xing\.com/profile|tiktok\.com/@|medium\.com/@"
    r"|steamcommunity\.com/id)/?"
    r"|(?:facebook|fb|instagram|twitter|x|github|gitlab|pinterest|vk|threads|snapchat|soundcloud"
    r"|twitch)\.(?:com|net|tv)/@?(?!(?:help|about|home|login|signup|search|explore|settings|privacy|terms"
    r"|legal|business|pages|groups|watch|policies|features|pricing|security|orgs|topics|hashtag|p|reel"
    r"|events|marketplace|intent|share|sharer)(?:[/?#.]|$))"
    r"|(?:t|wa|paypal)\.me/(?:@|paypalme/)?|paypal\.com/paypalme/)[\w.\-]{2,}",
    re.IGNORECASE,
)

_HANDLE = re.compile(r"(?<![\w@./#&=:\-])@[A-Za-z_](?:[\w.\-]{0,28}\w)?(?![\w@/])")
_NOT_HANDLES = frozenset(
    [
        "user",
        "users",
        "username",
        "home",
        "work",
        "school",
        "all",
        "here",
        "everyone",
        "channel",
        "override",
        "media",
        "import",
        "property",
        "param",
        "return",
        "returns",
        "todo",
        "staticmethod",
        "classmethod",
        "dataclass",
        "test",
        "the",
        "my",
        "a",
        "an",
        "least",
        "most",
        "first",
        "last",
        "night",
        "noon",
        "gmail",
        "hotmail",
        "yahoo",
        "outlook",
        "app",
        "component",
        "injectable",
        "input",
        "output",
        "angular",
    ]
)
_USER = re.compile(
    (
        r"[\s\"'«„“(\[<]*(?:(?:is|ist|lautet|est|es|è|e|é|to|är|eh|was|be|jest|named|called)\b|[:=#]"
        r"|->)*[\s\"'«„“(\[<]*(@?[A-Za-z](?:[\w.\-]{1,38}\w))(?![\w@])"
    ),
    re.IGNORECASE,
)
_USER_LATER = re.compile(
    r"(?<![\w@./])@?[A-Za-z][A-Za-z._\-]*\d[\w.\-]*\w(?![\w@])|(?<![\w@./])[A-Za-z]+[_][\w.\-]*\w(?![\w@])"
    r"|(?<![\w@./])@[A-Za-z]\w{2,}"
)

_DEGREES = re.compile(
    r"(?<![\w.,])(?<!\d[,;]\s)(-?\d{1,2}\.\d{2,})\s?°?\s?[NSns]?\s?[,;/| "
    r"]\s?(-?\d{1,3}\.\d{2,})(?:\s?°?\s?[EWOewo]\b)?(?!\.?\d)(?!\s?[,;]\s?-?\d+\.\d)"
)
_MINUTES = re.compile(
    r"(?<![\w.])\d{1,2}\s?°\s?(?:\d{1,2}(?:\.\d+)?\s?['′’]\s?(?:\d{1,2}(?:\.\d+)?\s?(?:\"|″|''"
    r"|”)\s?)?)?[NS][,;/ ]{0,3}\d{1,3}\s?°\s?(?:\d{1,2}(?:\.\d+)?\s?['′’]\s?(?:\d{1,2}(?:\.\d+)?\s?(?:\""
    r"|″|''|”)\s?)?)?[EWO]\b"
)
_LABELLED = re.compile(
    r"\blat(?:itude)?\b\W{0,4}(-?\d{1,2}\.\d+)\W{1,6}(?:lon|lng|long|longitude)\b\W{0,4}(-?\d{1,3}\.\d+)", re.IGNORECASE
)


def emails(text: str) -> Iterator[Hit]:
    """Mail addresses, also spelt out as `name [at] example [dot] com`."""
    if "@" in text:
        for match in _EMAIL.finditer(text):
            local_git = match[0].startswith("git@") and text[match.end() : match.end() + 1] == ":"
            if match[1].lower() not in _FILES and not local_git:
                yield Hit("email", match.start(), match.end(), 0.99, "email")


def spelt_emails(text: str) -> Iterator[Hit]:
    """Mail addresses written to be read aloud."""
    for match in _SPELT.finditer(text):
        yield Hit("email", match.start(), match.end(), 0.85, "spelt")


def ip_addresses(text: str, awake: set[str]) -> Iterator[Hit]:
    """IP addresses of both versions; loopback, unspecified and version numbers are none."""
    if text.count(".") >= 3:
        for match in _IPV4.finditer(text):
            parts = [int(part) for part in match[0].split(".")]
            words = said(text, match.start(), match.end(), "ip", awake)
            nobody = parts[0] in {0, 127, 255} or (words != MINE and max(parts) < 10)
            if words != NOBODYS and not nobody:
                yield Hit("ip", match.start(), match.end(), 0.95, "ipv4")
    if text.count(":") >= 2:
        for match in _IPV6.finditer(text):
            bare = match[0].split("%")[0]
            groups = [group for group in bare.split(":") if group]
            try:
                IPv6Address(bare)
            except AddressValueError:
                continue
            if len(groups) >= 3 or (len(groups) == 2 and any(map(str.isdigit, groups[0])) and len(groups[0]) == 4):
                yield Hit("ip", match.start(), match.end(), 0.95, "ipv6")


def mac_addresses(text: str, awake: set[str]) -> Iterator[Hit]:
    """Hardware addresses in pairs or in Cisco's groups of four."""
    if text.count(":") < 5 and text.count("-") < 5 and text.count(".") < 2:
        return
    for match in _MAC.finditer(text):
        letters = any(map(str.isalpha, match[0]))
        if letters or ":" in match[0] or said(text, match.start(), match.end(), "mac", awake) == MINE:
            yield Hit("mac", match.start(), match.end(), 0.96, "mac")


def links(text: str) -> Iterator[Hit]:
    """Links that name a person: with user data in them, or to a profile; other links are not personal."""
    for match in _URL.finditer(text):
        link = match[0].rstrip(".,;:!?")
        if _USER_INFO.match(link) or _PERSONAL_KEY.search(link) or _PROFILE.match(link):
            yield Hit("url", match.start(), match.start() + len(link), 0.992, "link")


def handles(text: str) -> Iterator[Hit]:
    """User names written with an @."""
    for match in _HANDLE.finditer(text):
        word = match[0][1:]
        if len(word) >= 3 and word.lower() not in _NOT_HANDLES:
            yield Hit("username", match.start(), match.end(), 0.8, "handle")


def usernames(text: str) -> Iterator[Hit]:
    """User names that are called so."""
    for context in pattern("username").finditer(text):
        match = _USER.match(text, context.end())
        word = match[1].lstrip("@") if match else ""
        explicit = match is not None and any(sign in text[context.end() : match.start(1)] for sign in ":=\"'«„")
        if match is None or not (any(sign in "0123456789_" for sign in word) or ("." in word and explicit)):
            match = _USER_LATER.search(text, context.end(), context.end() + 100)
            if match is None or match.start() > context.end() + 32 or match[0].lstrip("@").lower() in _NOT_HANDLES:
                continue
            if pattern(NEGATIVE).search(text, context.end(), match.start()):
                continue
            yield Hit("username", match.start(), match.end(), 0.8, "called")
        else:
            yield Hit("username", match.start(1), match.end(1), 0.9, "called")


def coordinates(text: str, awake: set[str]) -> Iterator[Hit]:
    """A latitude and a longitude side by side."""
    if "." in text:
        for match in _DEGREES.finditer(text):
            decimals = min(len(part.partition(".")[2]) for part in match.groups())
            within = abs(float(match[1])) <= 90 and abs(float(match[2])) <= 180
            degrees = decimals >= 4 and max(abs(float(part)) for part in match.groups()) >= 10
            fine = degrees or "°" in match[0] or "coordinates" in awake
            if within and fine and said(text, match.start(), match.end(), "coordinates", awake) != NOBODYS:
                yield Hit("coordinates", match.start(), match.end(), 0.97 if decimals >= 4 else 0.8, "decimal")
        if "at" in text.lower():
            for match in _LABELLED.finditer(text):
                yield Hit("coordinates", match.start(), match.end(), 0.95, "labelled")
    if "°" in text:
        for match in _MINUTES.finditer(text):
            yield Hit("coordinates", match.start(), match.end(), 0.97, "degrees")
