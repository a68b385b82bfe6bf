"""A small client that keeps a server busy: `python -m benchmarks.serve_load URL FILE ...` prints one JSON object.

FILE holds one request body a line. Closed loop: as many connections as told, each asks again once it is answered.
Open loop (`--rate`): requests leave at their own times (Poisson), whatever the server does, and wait where they must.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np


class Connection:
    """One connection that is kept open."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)

    async def ask(self, request: bytes) -> int:
        """Send a request and read its answer; the status."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        await self.reader.readexactly(length)
        return int(head[9:12])


def requests(path: str, file: Path) -> list[bytes]:
    made = []
    for line in file.read_bytes().splitlines():
        head = (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(line)}"
        )
        made.append(head.encode() + b"\r\n\r\n" + line)
    return made


async def load(
    url: str, bodies: list[bytes], seconds: float, connections: int, rate: float | None
) -> dict[str, object]:
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    open_ = [Connection(address.hostname, address.port) for _ in range(connections)]
    await asyncio.gather(*(one.open() for one in open_))
    times: list[float] = []
    statuses: dict[int, int] = {}
    numbers = iter(range(10**9))
    rng = random.Random(0)
    end = time.perf_counter() + seconds
    due: asyncio.Queue[float] = asyncio.Queue()

    async def closed(one: Connection) -> None:
        while (began := time.perf_counter()) < end:
            note(await one.ask(bodies[next(numbers) % len(bodies)]), began)

    async def served(one: Connection) -> None:
        while True:
            began = await due.get()
            note(await one.ask(bodies[next(numbers) % len(bodies)]), began)
            due.task_done()

    def note(status: int, began: float) -> None:
        times.append(time.perf_counter() - began)
        statuses[status] = statuses.get(status, 0) + 1

    began = time.perf_counter()
    if rate is None:
        await asyncio.gather(*(closed(one) for one in open_))
    else:
        workers = [asyncio.create_task(served(one)) for one in open_]
        at = time.perf_counter()
        while at < end:
            at += rng.expovariate(rate)
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            due.put_nowait(at)
        await due.join()
        for worker in workers:
            worker.cancel()
    took = time.perf_counter() - began
    good = np.array(times) * 1000
    return {
        "requests": len(times),
        "statuses": statuses,
        "per_second": round(statuses.get(200, 0) / took, 1),
        "p50_ms": round(float(np.percentile(good, 50)), 2),
        "p95_ms": round(float(np.percentile(good, 95)), 2),
        "p99_ms": round(float(np.percentile(good, 99)), 2),
    }


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("bodies", type=Path)
    parser.add_argument("--path", default="/v1/predict")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    made = requests(given.path, given.bodies)
    print(json.dumps(asyncio.run(load(given.url, made, given.seconds, given.connections, given.rate))))


if __name__ == "__main__":
    run()
