"""The batcher: asks are answered together, each its own; the queue is bounded, fair, and drained at the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from metier.errors import ExpertError, MetierError, ResourceError
from metier.serve.engine.batcher import Batcher, Busy
from metier.serve.engine.engine import Ask, Engine

Body = Callable[[Batcher], Awaitable[Any]]


class Watched(Engine):
    """A real engine that notes its batches, and waits before each one until it is let on."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[Ask]] = []
        self.go = threading.Event()
        self.go.set()
        self.begun = threading.Event()

    def answer(self, asks: Sequence[Ask]) -> Any:
        self.batches.append(list(asks))
        self.begun.set()
        assert self.go.wait(30)
        return super().answer(asks)


@pytest.fixture(scope="module")
def loaded(served: dict[str, Path]) -> Watched:
    engine = Watched()
    for name in ("adapter", "twin", "frozen"):
        engine.load(name, served[name])
    return engine


@pytest.fixture
def engine(loaded: Watched) -> Iterator[Watched]:
    loaded.batches.clear()
    loaded.begun.clear()
    loaded.go.set()
    yield loaded
    loaded.go.set()


def run(engine: Engine, body: Body, **choices: Any) -> Any:
    async def whole() -> Any:
        batcher = Batcher(engine, **choices)
        try:
            return await body(batcher)
        finally:
            await batcher.close()

    return asyncio.run(whole())


async def started(engine: Watched) -> None:
    assert await asyncio.to_thread(engine.begun.wait, 30)


async def queued(batcher: Batcher, rows: int) -> None:
    while batcher.facts()["waiting_rows"] < rows:
        await asyncio.sleep(0.001)


def test_what_waits_is_answered_together_and_each_gets_its_own(engine: Watched) -> None:
    async def body(batcher: Batcher) -> Any:
        engine.go.clear()
        first = asyncio.create_task(batcher.submit(Ask("adapter", ["card"])))
        await started(engine)
        rest = [
            asyncio.create_task(batcher.submit(Ask(name, [f"the fee {name}", "login"]))) for name in ("twin", "frozen")
        ]
        await queued(batcher, 5)
        engine.go.set()
        return [await task for task in (first, *rest)]

    found = run(engine, body)
    assert [len(batch) for batch in engine.batches] == [1, 2]
    assert [len(one) for one in found] == [1, 2, 2]
    for ask, one in zip((ask for batch in list(engine.batches) for ask in batch), found, strict=True):
        expected = Engine.answer(engine, [ask])[0]
        assert isinstance(expected, list)
        assert [a.prediction for a in one] == [a.prediction for a in expected]


def test_an_error_reaches_the_one_who_asked(engine: Watched) -> None:
    async def body(batcher: Batcher) -> Any:
        asks = [Ask("adapter", ["card"]), Ask("nobody", ["card"]), Ask("adapter", ["\ud800"]), Ask("frozen", ["card"])]
        return await asyncio.gather(*(batcher.submit(ask) for ask in asks), return_exceptions=True)

    good, unknown, unreadable, also = run(engine, body)
    assert isinstance(unknown, ExpertError)
    assert isinstance(unreadable, MetierError)
    assert good[0].prediction
    assert also[0].prediction


def test_beyond_the_queue_a_caller_is_told_when_to_come_again(engine: Watched) -> None:
    async def body(batcher: Batcher) -> Any:
        engine.go.clear()
        tasks = [asyncio.create_task(batcher.submit(Ask("adapter", ["card"] * 3)))]
        await started(engine)
        tasks.append(asyncio.create_task(batcher.submit(Ask("frozen", ["fee"]))))
        await queued(batcher, 4)
        with pytest.raises(Busy) as caught:
            await batcher.submit(Ask("frozen", ["fee"]))
        engine.go.set()
        await asyncio.gather(*tasks)
        after = await batcher.submit(Ask("frozen", ["fee"]))
        return caught.value, after, batcher.facts()

    busy, after, facts = run(engine, body, most_rows=4)
    assert busy.code == "busy"
    assert busy.retry_after >= 1
    assert len(after) == 1
    assert facts["refused"] == 1
    assert facts["waiting_rows"] == 0


def test_one_long_ask_enters_an_empty_queue_and_lets_others_by(engine: Watched) -> None:
    async def body(batcher: Batcher) -> Any:
        engine.go.clear()
        long = asyncio.create_task(batcher.submit(Ask("adapter", [f"card {at}" for at in range(30)])))
        await started(engine)
        batcher.most_rows = 100
        short = asyncio.create_task(batcher.submit(Ask("frozen", ["fee"])))
        await queued(batcher, 31)
        engine.go.set()
        await short
        done_first = not long.done()
        return done_first, await long

    done_first, answers = run(engine, body, most_rows=20, tokens=40)
    assert done_first
    assert len(answers) == 30
    assert len(engine.batches) == 3
    expected = Engine.answer(engine, [Ask("adapter", [f"card {at}" for at in range(30)])])[0]
    assert isinstance(expected, list)
    assert [a.prediction for a in answers] == [a.prediction for a in expected]


def test_objects_are_never_parted(engine: Watched) -> None:
    rows = [{"text": f"card {at}"} for at in range(30)]
    found = run(engine, lambda batcher: batcher.submit(Ask("adapter", rows)), tokens=40)
    assert len(found) == 30
    assert [len(batch[0].rows) for batch in engine.batches] == [30]


def test_too_slow_an_answer_is_an_error_and_is_not_computed(engine: Watched) -> None:
    async def body(batcher: Batcher) -> Any:
        engine.go.clear()
        first = asyncio.create_task(batcher.submit(Ask("adapter", ["card"])))
        await started(engine)
        with pytest.raises(ResourceError) as caught:
            await batcher.submit(Ask("twin", ["fee"]), timeout=0.01)
        engine.go.set()
        await first
        await batcher.submit(Ask("frozen", ["fee"]))
        return caught.value.code, batcher.facts()

    code, facts = run(engine, body)
    assert code == "too-slow"
    assert [ask.expert for batch in engine.batches for ask in batch] == ["adapter", "frozen"]
    assert (facts["timed_out"], facts["waiting_rows"]) == (1, 0)


def test_closing_answers_what_waits_and_takes_no_more(engine: Watched) -> None:
    async def body() -> Any:
        batcher = Batcher(engine)
        engine.go.clear()
        tasks = [asyncio.create_task(batcher.submit(Ask("adapter", ["card"])))]
        await started(engine)
        tasks += [asyncio.create_task(batcher.submit(Ask("frozen", [f"fee {at}"]))) for at in range(5)]
        await queued(batcher, 6)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        with pytest.raises(Busy) as caught:
            await batcher.submit(Ask("frozen", ["late"]))
        engine.go.set()
        return caught.value.code, await closing, [await task for task in tasks]

    code, drained, found = asyncio.run(body())
    assert code == "closing"
    assert drained
    assert [len(one) for one in found] == [1] * 6


def test_who_waits_when_time_is_up_is_told(engine: Watched) -> None:
    async def body() -> Any:
        batcher = Batcher(engine)
        engine.go.clear()
        first = asyncio.create_task(batcher.submit(Ask("adapter", ["card"])))
        await started(engine)
        second = asyncio.create_task(batcher.submit(Ask("frozen", ["fee"])))
        await queued(batcher, 2)
        drained = await batcher.close(0.01)
        engine.go.set()
        return drained, await first, await asyncio.gather(second, return_exceptions=True)

    drained, first, (second,) = asyncio.run(body())
    assert not drained
    assert len(first) == 1
    assert isinstance(second, Busy)


def test_the_thread_outlives_an_engine_that_fails(engine: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(batcher: Batcher) -> Any:
        with monkeypatch.context() as broken:
            broken.setattr(Engine, "answer", lambda self, asks: 1 / 0)
            failed = await asyncio.gather(batcher.submit(Ask("frozen", ["fee"])), return_exceptions=True)
        return failed[0], await batcher.submit(Ask("frozen", ["fee"]))

    failed, answered = run(engine, body)
    assert isinstance(failed, MetierError)
    assert len(answered) == 1
