"""What a request is refused with: one shape on every route, `{"error": {"code", "problem", "found", "fix"}}`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from metier.errors import DataError, MetierError, ResourceError, UsageError

if TYPE_CHECKING:
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException
    from starlette.responses import Response

_STATUS = {
    "no-such-expert": 404,
    "no-such-release": 404,
    "no-training-rows": 409,
    "not-entitled": 403,
    "own-key-needed": 403,
    "closing": 503,
    "busy": 429,
    "too-slow": 504,
}
_RETRY = {429, 503}
_LONGEST = 300  # characters of what was found that are sent back


class Refused(MetierError):  # noqa: N818  not an error of anybody's
    """A request is refused; `status` is HTTP's, `retry_after` says in how many seconds it may be tried again.

    `caller` is who was refused, where that is known although nobody was let in.
    """

    def __init__(
        self,
        status: int,
        code: str,
        problem: str,
        *,
        found: str = "",
        fix: str = "",
        retry_after: float | None = None,
        caller: str | None = None,
    ) -> None:
        super().__init__(code, problem, found=found, fix=fix)
        self.status, self.retry_after, self.caller = status, retry_after, caller


def status_of(error: MetierError) -> int:
    """HTTP's status for an error."""
    if isinstance(error, Refused):
        return error.status
    if error.code in _STATUS:
        return _STATUS[error.code]
    if isinstance(error, ResourceError):
        return 503
    return 422 if isinstance(error, (DataError, UsageError)) else 409


def headers_of(error: MetierError) -> dict[str, str]:
    """The headers an error is sent with."""
    status = status_of(error)
    headers = {}
    if status in _RETRY:
        headers["retry-after"] = str(max(1, round(getattr(error, "retry_after", None) or 1)))
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="metier"'
    return headers


def body_of(error: MetierError) -> bytes:
    """An error's body."""
    told = {name: text[:_LONGEST] for name, text in error.as_json()["error"].items()}
    return json.dumps({"error": told}, ensure_ascii=True).encode("ascii")


def response(error: MetierError, headers: Mapping[str, str] | None = None) -> Response:
    """An error as it is sent."""
    from starlette.responses import Response

    return Response(
        body_of(error), status_of(error), {**(headers or {}), **headers_of(error)}, media_type="application/json"
    )


def unexpected(request_id: str) -> Refused:
    """What is told of a mistake of our own: an id by which the server's log has the rest, never a trace."""
    return Refused(
        500,
        "internal-error",
        "The server must know what to do with every request; it did not with this one.",
        found=f"request {request_id}",
        fix="Give this id to whoever runs the server: its log says more.",
    )


async def on_refusal(_: Request, error: Exception) -> Response:
    """Any of our own errors."""
    assert isinstance(error, MetierError)
    return response(error)


async def on_http(request: Request, error: Exception) -> Response:
    """What the router refuses."""
    found: HTTPException = error  # type: ignore[assignment]
    if found.status_code == 404:
        told = Refused(
            404,
            "no-such-route",
            "The address must be one of this server's routes.",
            found=_shown(request.url.path),
            fix="GET /docs lists them.",
        )
    elif found.status_code == 405:
        told = Refused(
            405,
            "method-not-allowed",
            "A route must be asked with its own method.",
            found=_shown(request.method),
            fix="GET /docs lists the routes with their methods.",
        )
    else:
        told = Refused(
            found.status_code,
            "bad-request",
            "A request must be one that HTTP and this route allow.",
            found=_shown(str(found.detail)),
            fix="GET /docs shows what each route takes.",
        )
    return response(told, found.headers)


async def on_validation(_: Request, error: Exception) -> Response:
    """A body that is not what the route takes: which fields and why, never their content."""
    found: RequestValidationError = error  # type: ignore[assignment]
    return response(invalid([(list(item["loc"]), item["msg"]) for item in found.errors()]))


def invalid(problems: list[tuple[list[Any], str]]) -> Refused:
    """A body that is not what the route takes."""
    told = []
    for place, what in problems[:5]:
        # A name that the client made up may itself be what must not be repeated.
        where = ".".join(str(part)[:40] for part in place if part != "body")
        told.append(f"{where or 'body'}: {what}")
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return Refused(
        422,
        "bad-body",
        "The body must be the JSON object that the route takes.",
        found="; ".join(told) + more,
        fix="GET /docs shows what each route takes.",
    )


def _shown(text: str) -> str:
    """A client's words as they may be sent back and logged: short, printable, nothing personal or secret in them."""
    from metier.serve.journal import harmless

    return harmless(text[:120])
