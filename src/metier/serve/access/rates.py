"""Limits of rate: a bucket of tokens a caller (a request takes one, time brings them back)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from metier.serve.problems import Refused

_MOST = 10_000  # callers remembered


class Rates:
    """At most `rate` requests a second from each caller, of `rate` seconds' worth at once; None for no limit."""

    def __init__(self, rate: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self._clock = rate, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # caller -> tokens, when counted

    def take(self, caller: str, rate: float | None = None) -> None:
        """One request of a caller with a limit of its own, or the common one. Raises Refused (429)."""
        limit = self.rate if rate is None else rate
        if limit is None:
            return
        now, most = self._clock(), max(1.0, limit)
        tokens, counted = self._buckets.pop(caller, (most, now))
        tokens = min(most, tokens + (now - counted) * limit)
        self._buckets[caller] = (max(tokens - 1, 0.0) if tokens >= 1 else tokens, now)
        while len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        if tokens < 1:
            raise Refused(
                429,
                "rate-limited",
                f"At most {limit:g} requests a second are taken from one caller.",
                found="more than that",
                fix="Send several rows in one request, or ask for a higher limit.",
                retry_after=(1 - tokens) / limit,
            )
