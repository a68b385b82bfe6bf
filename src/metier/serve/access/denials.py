"""The audit of denied calls: counted by caller, reason and minute, and written to the ledger a minute at a time.

Callers that are nobody are counted as one, so that what an attacker sends can't fill the disk.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from metier.govern.actor import Actor
from metier.govern.ledger.entry import Act
from metier.govern.ledger.note import note
from metier.serve.journal import say
from metier.store.records import now
from metier.workspace import Workspace

NOBODY = "nobody"
_MOST = 200  # records a writing; what is beyond is one record


class Denials:
    """Counts denied calls; `flush` writes those of minutes that are over."""

    def __init__(self, place: Workspace, minute: Callable[[], str] = lambda: now()[:16] + "Z") -> None:
        self._place, self._minute = place, minute
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()

    def count(self, caller: str, reason: str) -> None:
        """A call of a caller (a key's id, or NOBODY) was denied."""
        key = (self._minute(), caller, reason)
        with self._lock:
            first = key not in self._counts
            self._counts[key] += 1
        if first:
            say("denied", caller=caller, reason=reason)

    def flush(self, *, all_: bool = False) -> int:
        """Write what was counted, of this minute too with `all_`; how many records. Blocks while the ledger does."""
        current = self._minute()
        with self._lock:
            ready = {key: count for key, count in self._counts.items() if all_ or key[0] != current}
            for key in ready:
                del self._counts[key]
        if not ready:
            return 0
        ranked = sorted(ready.items(), key=lambda item: -item[1])
        acts = [
            Act("denied", f"caller:{caller}", reason, {"minute": minute, "calls": calls})
            for (minute, caller, reason), calls in ranked[:_MOST]
        ]
        if ranked[_MOST:]:
            rest = sum(count for _, count in ranked[_MOST:])
            acts.append(Act("denied", "caller:others", "many reasons", {"calls": rest, "kinds": len(ranked) - _MOST}))
        note(self._place, *acts, actor=Actor("metier serve", "server"))
        return len(acts)
