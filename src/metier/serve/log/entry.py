"""What is kept of an answer and of a truth told later: rows as the records hold them."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from metier import files
from metier.curate.privacy import mask
from metier.govern.ledger.entry import plain
from metier.serve.log.sealing import Sealer
from metier.store.records import now

Kept = Literal["hash", "text", "masked", "none"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What all rows of one request share: its id, the expert and version asked, who asked, and when (monotonic)."""

    request: str
    expert: str
    version: str
    share: str
    caller: str
    began: float


@dataclass(frozen=True)
class Policy:
    """What is kept of inputs: their hash, their text, their text with personal data masked, or nothing."""

    inputs: Kept = "hash"
    sealer: Sealer | None = None


class _Ids:
    """Ids in the order in which they are made, also within a millisecond and where the clock goes back."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> str:
        with self._lock:
            # Milliseconds in the upper 48 bits, a counter in the lower 16.
            self._last = max(self._last + 1, time.time_ns() // 1_000_000 << 16)
            return f"{self._last & (1 << 64) - 1:016x}{secrets.token_hex(8)}"


_IDS = _Ids()


def new_id() -> str:
    """An id of 32 hexadecimal digits: when it was made, then 64 random bits. A server's ids sort as they were made."""
    return _IDS.next()


def input_bytes(row: Any) -> bytes:
    """What is hashed of an input: a text's UTF-8, else its canonical JSON."""
    return row.encode("utf-8", "backslashreplace") if isinstance(row, str) else files.canonical(row)


def input_hash(row: Any, sealer: Sealer | None = None) -> str:
    """The hash that the log keeps of an input: SHA-256, or with a key HMAC-SHA-256.

    >>> input_hash("my card is gone")[:16]
    '7a98469cc36d05f8'
    """
    content = input_bytes(row)
    return hashlib.sha256(content).hexdigest() if sealer is None else sealer.digest(content)


def prediction_row(
    id_: str, asked: Asked, answer: Mapping[str, Any], given: Any, policy: Policy, beside: str | None = None
) -> Row:
    """One answer as the records hold it. `answer` has prediction, confidence, abstain, perhaps low, high, summary."""
    said = {name: answer[name] for name in ("prediction", "low", "high") if answer.get(name) is not None}
    row: Row = {
        "id": id_,
        "at": now(),
        "request": asked.request,
        "expert": plain(asked.expert),
        "version": plain(asked.version),
        "share": asked.share,
        "beside": beside,
        "caller": asked.caller,
        "confidence": answer["confidence"],
        "abstain": answer["abstain"],
        "latency_ms": round((time.monotonic() - asked.began) * 1000, 3),
        "summary": None if answer.get("summary") is None else _json(answer["summary"]),
        "input_hash": None if policy.inputs == "none" else input_hash(given, policy.sealer),
        "prediction": None,
        "input": None,
        "sealed": None,
    }
    text = _text(given, policy.inputs)
    if policy.sealer is None:
        return {**row, "prediction": _json(said), "input": text}
    return {**row, "sealed": policy.sealer.seal(id_, {"prediction": said, "input": text})}


def feedback_row(prediction: str, truth: Any, caller: str, experts: frozenset[str] | None, policy: Policy) -> Row:
    """A truth as the records hold it; `experts` are those its teller may speak of, None for all."""
    id_ = new_id()
    row: Row = {
        "id": id_,
        "at": now(),
        "prediction_id": prediction,
        "caller": caller,
        "experts": None if experts is None else _json(sorted(experts)),
        "truth": None,
        "sealed": None,
    }
    if policy.sealer is None:
        return {**row, "truth": _json(truth)}
    return {**row, "sealed": policy.sealer.seal(id_, {"truth": truth})}


def _text(given: Any, kept: Kept) -> str | None:
    if kept not in ("text", "masked"):
        return None
    text = given if isinstance(given, str) else _json(given)
    return plain(mask(text) if kept == "masked" else text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
