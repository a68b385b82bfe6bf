"""The prediction log as the routes use it: what is kept of an answer, and what happens where it can't be kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from metier.errors import ResourceError
from metier.serve.journal import say
from metier.serve.log.drain import Drain
from metier.serve.log.entry import Asked, Policy, feedback_row, new_id, prediction_row
from metier.serve.log.spool import Item, Spool
from metier.serve.problems import Refused

OnFailure = Literal["refuse", "serve"]
_REMEMBERED = 65_536


class Book:
    """Keeps answers and truths. `on_failure`: is an answer that can't be kept refused, or given all the same?"""

    def __init__(self, spool: Spool, drain: Drain, policy: Policy, on_failure: OnFailure = "refuse") -> None:
        self.spool, self.drain, self.policy, self.on_failure = spool, drain, policy, on_failure
        self.lost = 0
        self.full = False  # whether the last attempt to keep something failed
        self._given: OrderedDict[str, str] = OrderedDict()  # id -> expert, the last ones
        self._lock = threading.Lock()

    def answers(
        self, asked: Asked, answers: Sequence[Mapping[str, Any]], given: Sequence[Any], beside: Sequence[str] = ()
    ) -> list[str]:
        """Keep a request's answers, one an input; their ids. Raises Refused where they must be kept and can't be."""
        ids = [new_id() for _ in answers]
        others: Sequence[str | None] = beside or [None] * len(ids)
        rows = [
            prediction_row(id_, asked, answer, row, self.policy, other)
            for id_, answer, row, other in zip(ids, answers, given, others, strict=True)
        ]
        try:
            self._append([("predictions", row) for row in rows])
        except Refused:
            if self.on_failure == "refuse":
                raise
            self.lost += len(rows)
        if not beside:
            with self._lock:
                self._given.update(dict.fromkeys(ids, asked.expert))
                while len(self._given) > _REMEMBERED:
                    self._given.popitem(last=False)
        return ids

    def truth(self, prediction: str, truth: Any, caller: str, experts: frozenset[str] | None) -> str:
        """Keep what was true; the row's id. Raises Refused where it can't be kept: nothing lost is acknowledged."""
        row = feedback_row(prediction, truth, caller, experts, self.policy)
        self._append([("feedback", row)])
        return str(row["id"])

    def expert_of(self, prediction: str) -> str | None:
        """The expert that gave an answer lately, None where this server does not remember it."""
        return self._given.get(prediction)

    def _append(self, items: Sequence[Item]) -> None:
        try:
            self.spool.append(items)
        except ResourceError as error:
            if not self.full:
                say("the prediction log cannot be written", code=error.code, found=error.found)
            self.full = True
            raise Refused(
                503,
                "log-full",
                "What is answered must be kept, and the disk of the prediction log refuses it.",
                found=error.code,
                fix="Try again later; whoever runs the server must free some space.",
                retry_after=5,
            ) from error
        if self.full:
            say("the prediction log is written again", lost=self.lost)
            self.full = False
