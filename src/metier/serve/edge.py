"""The edge of the application: every request gets an id, is let in or not, is read within its limits and in time, and
is answered with our shape of error whatever happens inside."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from metier import files
from metier.errors import MetierError
from metier.serve.journal import say
from metier.serve.problems import Refused, response, status_of, unexpected
from metier.serve.routes.about import OPEN
from metier.serve.service import Service

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ID = re.compile(rb"[A-Za-z0-9._\-]{1,64}")
_SLACK = 5.0  # seconds for sending an answer, beside those for reading and answering
_ALWAYS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class Edge:
    """ASGI middleware around all routes."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service
        limits = service.plan.request
        self._seconds = limits.read_seconds + limits.answer_seconds + _SLACK
        self._most = limits.max_body_kib * 1024

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        metrics = self.service.metrics
        metrics.open.inc()
        try:
            async with asyncio.timeout(self._seconds):
                await self._answer(scope, receive, exchange)
        except TimeoutError:
            await exchange.refuse(_too_slow(), close=True)
        finally:
            metrics.open.dec()
            seconds = time.monotonic() - exchange.began
            route = getattr(scope.get("route"), "path", "other")
            metrics.requests.labels(route, str(exchange.status)).inc()
            metrics.seconds.labels(route).observe(seconds)
            if self.service.plan.prediction_log.access_log:
                _access(scope, route, exchange, seconds)

    async def _answer(self, scope: Scope, receive: Receive, exchange: _Exchange) -> None:
        try:
            headers = dict(scope["headers"])
            if self.service.closing:
                raise _closing()
            scope["state"] |= {"request_id": exchange.id, "began": exchange.began, "caller": None}
            if scope["path"] not in OPEN:
                scope["state"]["caller"] = await self.service.gate.identify(headers)
            body = await self._body(headers, receive)
            exchange.read = True
        except MetierError as error:
            await exchange.refuse(error, close=not exchange.read)
            return
        try:
            await self.app(scope, _replayed(body, receive), exchange.send)
        except MetierError as error:
            await exchange.refuse(error)
        except (asyncio.CancelledError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001  a mistake of ours is told by an id, never by a trace
            say("a request failed", request=exchange.id, error=error)
            await exchange.refuse(unexpected(exchange.id), close=True)

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The whole body. Raises Refused where it is too large or too slow."""
        told = headers.get(b"content-length", b"0")
        if told.isdigit() and int(told[:20]) > self._most:
            raise self._too_large()
        parts, size = [], 0
        seconds = self.service.plan.request.read_seconds
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise Refused(
                            400,
                            "cut-short",
                            "A request must come whole.",
                            found="the client went away",
                            fix="Send again.",
                        )
                    part = message.get("body", b"")
                    size += len(part)
                    if size > self._most:
                        raise self._too_large()
                    parts.append(part)
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise Refused(
                408,
                "sent-too-slowly",
                f"A request must be sent within {seconds:g} seconds.",
                found=f"{size} bytes so far",
                fix="Send it again, faster.",
            ) from None

    def _too_large(self) -> Refused:
        return Refused(
            413,
            "request-too-large",
            f"A request must be at most {files.amount(self._most)}.",
            found="a larger one",
            fix="Send fewer rows at a time.",
        )


class _Exchange:
    """One request and its response, as far as it is sent."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope, self._send = scope, send
        self.began = time.monotonic()
        self.id = _id(scope)
        self.status = 0
        self.read = False  # whether the whole body was read

    async def send(self, message: Message) -> None:
        """Send a part of the response, with the headers that all of ours have."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            ours = [(b"x-request-id", self.id.encode()), *_ALWAYS]
            message = {**message, "headers": [*message.get("headers", ()), *ours]}
        await self._send(message)

    async def refuse(self, error: MetierError, *, close: bool = False) -> None:
        """Answer with an error, if no answer has begun; `close` ends the connection, with what was not read yet."""
        if self.status:
            return
        if status_of(error) >= 500 and not isinstance(error, Refused):
            say("refused", request=self.id, code=error.code, found=error.found)
        answer = response(error, {"connection": "close"} if close else None)
        await answer(self.scope, _nothing, self.send)


def _id(scope: Scope) -> str:
    """The id that the client gave in X-Request-Id, if it is one that can be logged; else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            given: str = value.decode("ascii")
            return given
    return secrets.token_hex(12)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body that was read, once more; then whatever the client does."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _access(scope: Scope, route: str, exchange: _Exchange, seconds: float) -> None:
    caller: Any = scope["state"].get("caller")
    say(
        "request",
        request=exchange.id,
        method=scope["method"][:10],
        route=route,
        status=exchange.status,
        ms=round(seconds * 1000, 1),
        caller=None if caller is None else caller.name,
    )


def _closing() -> Refused:
    return Refused(
        503,
        "closing",
        "The server is closing and takes no new requests.",
        found="a new request",
        fix="Ask again in a moment: another server may have its place.",
        retry_after=2,
    )


def _too_slow() -> Refused:
    return Refused(
        504,
        "too-slow",
        "A request must be read, answered and sent in time.",
        found="more than that",
        fix="Send fewer rows at a time, and read the answer at once.",
    )
