"""Connections that are patient within limits: a head must come in time, and there are only so many at once."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from metier.serve.problems import Refused, body_of


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which by itself waits for ever for a request's first lines, and counts no connections."""

    head_seconds = 10.0
    most = 512

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, or refuse one connection too many."""
        super().connection_made(transport)
        self._head: asyncio.TimerHandle | None = None
        if len(self.connections) > self.most:
            self._refuse(503, "busy", f"At most {self.most} connections are open at a time.", "as many")
            return
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """A head that has begun must end in time; uvicorn itself watches connections between requests."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            if self._head is None:
                self._wait_for_head()
        else:
            self._forget_head()

    def shutdown(self) -> None:
        """Let go of a connection between requests. A client of https that does not listen would hold it for long."""
        idle = self.cycle is None or self.cycle.response_complete
        if idle and not self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._forget_head()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is told so in our shape."""
        self._forget_head()
        self._refuse(400, "bad-http", "A request must be HTTP/1.1, its head at most 16 KiB.", "something else")

    def _wait_for_head(self) -> None:
        self._head = self.loop.call_later(self.head_seconds, self._too_slow)

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _too_slow(self) -> None:
        self._head = None
        if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
            self._refuse(
                408, "sent-too-slowly", f"A head must be sent within {self.head_seconds:g} seconds.", "no head"
            )

    def _refuse(self, status: int, code: str, problem: str, found: str) -> None:
        body = body_of(Refused(status, code, problem, found=found, fix="Connect again."))
        head: list[tuple[str, Any]] = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        if status == 503:
            head.append(("retry-after", "1"))
        try:
            for event in (h11.Response(status_code=status, headers=head), h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            pass
        self.transport.close()
