"""What routes share: the service and the request they are about, and the errors their documents name."""

from __future__ import annotations

from typing import Any

from fastapi import Request as HttpRequest

from metier.serve.schemas import Problem
from metier.serve.service import Request, Service

# status -> what it means on every route
MEANINGS = {
    400: "The request is not HTTP or JSON that can be read.",
    401: "No key, or one that is unknown, expired or revoked.",
    403: "The key's roles or experts do not allow it.",
    404: "No such expert, version or release.",
    408: "The request was not sent in time.",
    409: "The expert cannot do this, or not now.",
    413: "The request, its rows or one of them are too large.",
    422: "The body is not what this route takes.",
    429: "Too many requests, or too much is waiting: come again after Retry-After seconds.",
    500: "A mistake of the server's; its log says more, by the id given.",
    503: "The server cannot answer now: come again after Retry-After seconds.",
    504: "The answer took too long.",
}
_EVERY = (400, 401, 403, 408, 413, 422, 429, 500, 503)


def problems(*more: int) -> dict[int | str, dict[str, Any]]:
    """The errors a route may answer with, for its document."""
    return {status: {"model": Problem, "description": MEANINGS[status]} for status in sorted({*_EVERY, *more})}


def here(http: HttpRequest) -> tuple[Service, Request]:
    """The service, and what is known of a request."""
    state = http.scope["state"]
    return http.app.state.service, Request(state["request_id"], state["caller"], state["began"])
