"""Batcher: between request handlers that wait and the one thread that answers, so that what waits is answered together.

While the engine is idle an ask is answered at once; what arrives while it works makes the next batch. The queue is
bounded: beyond it a caller is told when to come again, instead of memory growing.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from metier.answering import Prediction
from metier.errors import MetierError, ResourceError
from metier.serve.engine.engine import Ask, Engine, told
from metier.trunk.batches import TOKENS_PER_BATCH

_BUDGET_MS = 2.0
_MOST_ROWS = 2048  # waiting
_MOST_BYTES = 32 << 20  # of waiting text
_TIMEOUT = 30.0
_LEAST_RETRY, _MOST_RETRY = 1.0, 60.0
_CHARACTERS_A_TOKEN = 4
_MOST_TOKENS = 512  # of a row: longer ones are cut by every base, sooner or later
_LAST = 0.2  # share of the last batch in the speed that waiting times are reckoned from


class Busy(ResourceError):  # noqa: N818  it is no error, only too much at once
    """Too much is waiting, or the server is closing; `retry_after` says in how many seconds to ask again."""

    def __init__(self, code: str, problem: str, retry_after: float, *, found: str = "") -> None:
        super().__init__(code, problem, found=found, fix=f"Ask again in {retry_after:.0f} seconds.")
        self.retry_after = retry_after


@dataclass(eq=False)
class _Waiting:
    """An ask in the queue: `rows` still to be answered, `answers` so far. Touched by one thread at a time."""

    ask: Ask
    future: asyncio.Future[list[Prediction]]
    loop: asyncio.AbstractEventLoop
    rows: Sequence[Any]
    sizes: list[int]  # tokens of each row, about
    size: int  # bytes of text, about
    gone: bool = False  # nobody waits for the answer any more
    answers: list[Prediction] = field(default_factory=list)


class Batcher:
    """Micro-batches for an engine. `budget_ms` is how long an ask waits for company while others keep coming.

    A batch holds about `tokens` tokens: asks in the order of their coming, long ones a part at a time, so that nobody
    waits for the whole of somebody else's thousand rows. At most `most_rows` rows wait; an ask's answer is awaited for
    `timeout` seconds. `threads` are torch's in the answering thread, as configured elsewhere if None.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        budget_ms: float = _BUDGET_MS,
        tokens: int = TOKENS_PER_BATCH,
        most_rows: int = _MOST_ROWS,
        timeout: float = _TIMEOUT,
        threads: int | None = None,
    ) -> None:
        self.engine = engine
        self.budget, self.tokens, self.most_rows, self.timeout = budget_ms / 1000, tokens, most_rows, timeout
        self._threads = threads
        self._queue: deque[_Waiting] = deque()
        self._change = threading.Condition()
        self._rows = self._bytes = 0  # of all that waits or is being answered
        self._closing = False
        self._last_asks = 1
        self._speed = 0.0  # rows a second
        self._counts = {"asks": 0, "rows": 0, "batches": 0, "refused": 0, "timed_out": 0}
        self._thread = threading.Thread(target=self._work, name="metier-engine", daemon=True)
        self._thread.start()

    async def submit(self, ask: Ask, timeout: float | None = None) -> list[Prediction]:
        """The answers to an ask, one a row. Raises Busy, the expert's MetierError, or ResourceError `too-slow`."""
        loop = asyncio.get_running_loop()
        rows = list(ask.rows)
        sizes = [_characters(row) for row in rows]
        one = _Waiting(ask, loop.create_future(), loop, rows, [_tokens(size) for size in sizes], 4 * sum(sizes))
        self._enter(one)
        seconds = self.timeout if timeout is None else timeout
        try:
            return await asyncio.wait_for(one.future, seconds)
        except TimeoutError as error:
            self._counts["timed_out"] += 1
            raise ResourceError(
                "too-slow",
                f"An answer must be there within {seconds:g} seconds.",
                found=f"{self._rows} rows waiting",
                fix="Send fewer rows at a time, allow more time, or give the server more cores.",
            ) from error
        finally:
            one.gone = True

    async def close(self, seconds: float = 10.0) -> bool:
        """Take no more asks and answer what waits, within so many seconds; whether all was answered."""
        with self._change:
            self._closing = True
            self._change.notify()
        await asyncio.to_thread(self._thread.join, seconds)
        with self._change:
            left = list(self._queue)
            self._queue.clear()
        for one in left:
            self._deliver([(one, Busy("closing", "The server is closing.", _LEAST_RETRY))])
        return not left and not self._thread.is_alive()

    def facts(self) -> dict[str, float]:
        """Counts since the start, what waits now, and the speed of late, for metrics."""
        return {**self._counts, "waiting_rows": self._rows, "rows_per_second": round(self._speed, 1)}

    # ------------------------------------------------------------------------------------------------- the queue

    def _enter(self, one: _Waiting) -> None:
        with self._change:
            if self._closing:
                raise Busy("closing", "The server is closing and takes no more questions.", _LEAST_RETRY)
            full = self._rows + len(one.rows) > self.most_rows or self._bytes + one.size > _MOST_BYTES
            # However long an ask is, it may enter an empty queue: its size is for the request limits to judge.
            if full and self._rows:
                self._counts["refused"] += 1
                raise Busy(
                    "busy",
                    f"At most {self.most_rows} rows wait for an answer at a time.",
                    self._retry_after(),
                    found=f"{self._rows} rows waiting",
                )
            self._queue.append(one)
            self._rows += len(one.rows)
            self._bytes += one.size
            self._counts["asks"] += 1
            self._change.notify()

    def _retry_after(self) -> float:
        seconds = self._rows / self._speed if self._speed else _LEAST_RETRY
        return float(min(max(seconds, _LEAST_RETRY), _MOST_RETRY))

    def _gather(self) -> list[tuple[_Waiting, Ask]] | None:
        """Wait for asks, then take a batch of them; None when there will be no more."""
        with self._change:
            self._change.wait_for(lambda: self._queue or self._closing)
            if not self._queue:
                return None
            # After a batch of many their askers come back one by one: a moment later they make a batch again.
            if self._last_asks > 1 and not self._closing:
                self._change.wait_for(lambda: len(self._queue) >= self._last_asks or self._closing, self.budget)
            batch: list[tuple[_Waiting, Ask]] = []
            left = self.tokens
            while self._queue and left > 0:
                one = self._queue.popleft()
                if one.gone:
                    self._rows -= len(one.rows)
                    self._bytes -= one.size
                    continue
                count = _fitting(one, left, alone=not batch)
                if count < 0:
                    self._queue.appendleft(one)
                    break
                batch.append((one, replace(one.ask, rows=one.rows[:count])))
                left -= sum(one.sizes[:count])
                one.rows, one.sizes = one.rows[count:], one.sizes[count:]
            return batch

    # -------------------------------------------------------------------------------------------- the one thread

    def _work(self) -> None:
        if self._threads is not None:
            import torch

            torch.set_num_threads(self._threads)
        while (batch := self._gather()) is not None:
            if not batch:
                continue
            began = time.perf_counter()
            answers = self._answers([ask for _, ask in batch])
            seconds = time.perf_counter() - began
            self._deliver(self._settled(batch, answers, seconds))

    def _answers(self, asks: Sequence[Ask]) -> Sequence[list[Prediction] | MetierError]:
        """The engine's answers. Should it fail itself, those who asked are told, and the next batch has its turn."""
        try:
            return self.engine.answer(asks)
        except Exception as error:  # noqa: BLE001  this thread must outlive whatever goes wrong in one batch
            return [told(error)] * len(asks)

    def _settled(
        self,
        batch: Sequence[tuple[_Waiting, Ask]],
        answers: Sequence[list[Prediction] | MetierError],
        seconds: float,
    ) -> list[tuple[_Waiting, list[Prediction] | MetierError]]:
        """Count a batch that took so many seconds; gives the asks that are answered now, all their rows or none."""
        done: list[tuple[_Waiting, list[Prediction] | MetierError]] = []
        rows = sum(len(ask.rows) for _, ask in batch)
        with self._change:
            self._rows -= rows
            for (one, _), answer in zip(batch, answers, strict=True):
                if isinstance(answer, MetierError):
                    # What failed in one part is not asked any further.
                    self._rows -= len(one.rows)
                elif one.rows:
                    # What is left of a long ask queues up again, behind those that came meanwhile.
                    one.answers += answer
                    self._queue.append(one)
                    continue
                else:
                    answer = one.answers + answer
                self._bytes -= one.size
                done.append((one, answer))
            self._last_asks = len(batch)
            speed = rows / max(seconds, 1e-6)
            self._speed = speed if not self._speed else (1 - _LAST) * self._speed + _LAST * speed
            self._counts["batches"] += 1
            self._counts["rows"] += rows
        return done

    def _deliver(self, done: Sequence[tuple[_Waiting, list[Prediction] | MetierError]]) -> None:
        """Hand answers to the loops that wait for them, one call a loop."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Any]]] = {}
        for one, answer in done:
            by_loop.setdefault(one.loop, []).append((one, answer))
        for loop, mine in by_loop.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, mine)


def _settle(done: Sequence[tuple[_Waiting, Any]]) -> None:
    for one, answer in done:
        if one.future.done():
            continue
        if isinstance(answer, MetierError):
            one.future.set_exception(answer)
        else:
            one.future.set_result(answer)


def _fitting(one: _Waiting, tokens: int, *, alone: bool) -> int:
    """How many rows of an ask fit into so many tokens, -1 for none of them; something must go where it is `alone`.

    Objects stay together, for the types of their columns hang on all of them.
    """
    ends = list(itertools.accumulate(one.sizes))
    if not ends or ends[-1] <= tokens:
        return len(ends)
    if isinstance(one.rows[0], Mapping):
        return len(ends) if alone else -1
    return bisect.bisect_right(ends, tokens) or (1 if alone else -1)


def _characters(row: Any) -> int:
    if isinstance(row, Mapping):
        return sum(len(str(value)) for value in row.values())
    return len(str(row))


def _tokens(characters: int) -> int:
    return 2 + min(characters // _CHARACTERS_A_TOKEN, _MOST_TOKENS)
