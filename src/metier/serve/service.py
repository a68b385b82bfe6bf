"""Service: all that the routes work with, and answering itself: which version, within what limits, kept how."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metier.answering import Prediction
from metier.errors import MetierError
from metier.plan import Plan
from metier.serve.access.caller import Caller
from metier.serve.access.denials import Denials
from metier.serve.access.gate import Gate
from metier.serve.engine.batcher import Batcher, Busy
from metier.serve.engine.engine import Ask, Engine
from metier.serve.journal import say
from metier.serve.log.book import Book
from metier.serve.log.entry import Asked
from metier.serve.metrics import Metrics
from metier.serve.problems import Refused
from metier.serve.traffic import Traffic, Version
from metier.workspace import Workspace

_MOST_SLOW = 8  # explanations that may wait
_MOST_SHADOWS = 32  # requests that a shadow may be behind


@dataclass(frozen=True)
class Request:
    """What is known of a request beside its body: its id, who sent it, when it came (monotonic)."""

    id: str
    caller: Caller
    began: float


@dataclass
class Service:
    """One server's parts. Its methods run on the event loop, except where they say otherwise."""

    plan: Plan
    place: Workspace
    engine: Engine
    batcher: Batcher
    traffic: Traffic
    gate: Gate
    denials: Denials
    book: Book
    metrics: Metrics
    folders: tuple[Path, ...] = ()  # experts' folders named when the server was started: operators may load them again
    closing: bool = False
    answering: Counter[str] = field(default_factory=Counter)  # asks under way, by the engine's name of the version
    operating: asyncio.Lock = field(default_factory=asyncio.Lock)
    _shadows: set[asyncio.Task[None]] = field(default_factory=set)
    _slow: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "metier-explain"))
    _slow_waiting: int = 0

    def allow(self, caller: Caller, role: str, expert: str | None = None) -> None:
        """Raise Refused where a caller may not act so; it is counted."""
        try:
            caller.require(role, expert)
        except Refused as error:
            self.denials.count(caller.name, f"{error.code}: {role}")
            raise

    async def predict(self, request: Request, expert: str, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """An answer a row, kept before it is given. Raises MetierError."""
        self.allow(request.caller, "predict", expert)
        self.check_rows(rows)
        route = self.traffic.route(expert)
        version, share = route.chosen(request.id)
        answers = await self._answered(version, rows)
        asked = Asked(request.id, expert, version.version, share, request.caller.name, request.began)
        ids = self.book.answers(asked, answers, rows)
        self.metrics.answered(expert, version.version, share, answers)
        if route.shadow is not None and route.shadow != version:
            self._in_the_shadow(request, route.shadow, rows, ids)
        told = [_told(answer) for answer in answers]
        return [{"id": id_, **answer, "version": version.version} for id_, answer in zip(ids, told, strict=True)]

    async def slowly(self, work: Callable[..., Any], *words: Any, **choices: Any) -> Any:
        """What takes long, one at a time beside the answering. Raises MetierError, Refused (429) where many wait."""
        if self._slow_waiting >= _MOST_SLOW:
            raise Refused(
                429,
                "busy",
                f"At most {_MOST_SLOW} explanations wait at a time.",
                found="as many",
                fix="Ask again in 5 seconds.",
                retry_after=5,
            )
        self._slow_waiting += 1
        future = self._slow.submit(work, *words, **choices)
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.is_closed() or loop.call_soon_threadsafe(self._slow_done))
        seconds = self.plan.request.answer_seconds
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        except TimeoutError as error:
            raise Refused(
                504,
                "too-slow",
                f"An answer must be there within {seconds:g} seconds.",
                found="no answer yet",
                fix="Ask again later, or allow more with --answer-seconds.",
            ) from error

    def check_rows(self, rows: Sequence[Any]) -> None:
        """Raise Refused (413) for more rows, or longer ones, than a request may hold."""
        limits = self.plan.request
        if len(rows) > limits.max_rows:
            raise Refused(
                413,
                "too-many-rows",
                f"A request holds at most {limits.max_rows} rows.",
                found=f"{len(rows)} rows",
                fix="Send them in several requests.",
            )
        for at, row in enumerate(rows):
            size = _size(row)
            if size > limits.max_characters:
                raise Refused(
                    413,
                    "row-too-long",
                    f"A row holds at most {limits.max_characters} characters.",
                    found=f"{size} in inputs.{at}",
                    fix="Shorten it; a base reads a few hundred words anyway.",
                )

    def ready(self) -> str:
        """Why the server is not ready, "" where it is."""
        if self.closing:
            return "it is closing"
        if not self.traffic.routes():
            return "no expert is served"
        if self.book.full and self.book.on_failure == "refuse":
            return "the prediction log cannot be written"
        return ""

    async def settle(self) -> None:
        """Unload versions that no route needs and nobody waits for any more."""
        async with self.operating:
            needed = {version.key for route in self.traffic.routes().values() for version in route.versions()}
            for key in set(self.engine.loaded()) - needed:
                if not self.answering[key]:
                    await asyncio.to_thread(self.engine.unload, key)

    async def close(self, seconds: float) -> None:
        """Answer what was accepted, keep what was answered, and let go."""
        self.closing = True
        began = time.monotonic()
        if not await self.batcher.close(seconds):
            say("not everything that waited could be answered in time")
        if self._shadows:
            await asyncio.wait(self._shadows, timeout=1.0)
        self._slow.shutdown(wait=False, cancel_futures=True)
        left = max(2.0, seconds - (time.monotonic() - began))
        if not await asyncio.to_thread(self.book.drain.stop, left):
            say("the rest of the prediction log waits on disk; the next server takes it", bytes=self.book.spool.waiting)
        self.book.spool.close()

    # ------------------------------------------------------------------------------------------------------ inside

    async def _answered(self, version: Version, rows: Sequence[Any]) -> list[dict[str, Any]]:
        self.answering[version.key] += 1
        try:
            found = await self.batcher.submit(Ask(version.key, rows), self.plan.request.answer_seconds)
        finally:
            self.answering[version.key] -= 1
        return [_as_kept(answer) for answer in found]

    def _in_the_shadow(self, request: Request, version: Version, rows: Sequence[Any], ids: Sequence[str]) -> None:
        """Let a shadow answer after the one that was heard, as long as that takes nobody's turn."""
        waiting = self.batcher.facts()["waiting_rows"]
        if len(self._shadows) >= _MOST_SHADOWS or waiting > self.plan.request.waiting_rows / 2:
            self.metrics.shadow_dropped.inc(len(rows))
            return
        task = asyncio.get_running_loop().create_task(self._shadow(request, version, rows, ids))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _shadow(self, request: Request, version: Version, rows: Sequence[Any], ids: Sequence[str]) -> None:
        asked = Asked(request.id, version.name, version.version, "shadow", request.caller.name, time.monotonic())
        try:
            answers = await self._answered(version, rows)
            self.book.answers(asked, answers, rows, beside=ids)
            self.metrics.answered(version.name, version.version, "shadow", answers)
        except Busy:
            self.metrics.shadow_dropped.inc(len(rows))
        except MetierError as error:
            self.metrics.shadow_dropped.inc(len(rows))
            say("a shadow could not answer", expert=version.key, code=error.code)

    def _slow_done(self) -> None:
        self._slow_waiting -= 1


def _as_kept(answer: Prediction) -> dict[str, Any]:
    """An engine's answer as the log takes it, with what the engine says of its features."""
    return {**answer.as_json(), "summary": answer.summary}


def _told(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "summary"}


def _size(row: Any) -> int:
    if isinstance(row, str):
        return len(row)
    return sum(len(name) + (len(value) if isinstance(value, str) else 24) for name, value in row.items())
