"""The server's own log, on stderr: one line an event, without secrets and with personal data masked."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from typing import Any

from metier.curate.privacy import mask

NAME = "metier.serve"
_SECRETS = re.compile(
    r"mtr_[a-z0-9]{12}_[A-Za-z0-9_\-]+"  # our keys
    r"|eyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*)?"  # tokens (JWT)
    r"|(?i:bearer|basic|token)\s+[A-Za-z0-9._~+/=\-]{8,}"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # a password in an address
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

log = logging.getLogger(NAME)


def without_secrets(text: str) -> str:
    """The text with keys, tokens and passwords in addresses taken out."""
    return _SECRETS.sub("[SECRET]", text)


def harmless(text: str) -> str:
    """The text as it may be logged or sent back: one line, no secrets, personal data masked."""
    return mask(_CONTROL.sub(" ", without_secrets(text)))


class Lines(logging.Formatter):
    """One JSON object a line: time, level, what happened, and the facts given as `extra={"facts": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; of an exception its kind, its words made harmless, and where it was raised."""
        line: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "event": harmless(record.getMessage()),
        }
        facts: dict[str, Any] = getattr(record, "facts", {})
        line |= {name: harmless(value) if isinstance(value, str) else value for name, value in facts.items()}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            places = traceback.extract_tb(error.__traceback__)
            line["error"] = f"{type(error).__name__}: {harmless(str(error)[:500])}"
            line["where"] = [f"{place.filename}:{place.lineno} {place.name}" for place in places]
        return json.dumps(line, ensure_ascii=False)


def start(*, level: int = logging.INFO) -> None:
    """Send our lines and uvicorn's to stderr, in one form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    for name, least in ((NAME, level), ("uvicorn", logging.WARNING), ("asyncio", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(least)
        logger.propagate = False
    harmless("call 555 0123")  # the lists of names are read now, not by the first request that is refused


def say(event: str, *, level: int = logging.INFO, error: BaseException | None = None, **facts: Any) -> None:
    """One line."""
    log.log(level, event, extra={"facts": facts}, exc_info=error)
