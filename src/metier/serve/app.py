"""The application: routes, errors, documents, and what begins and ends with it.

Other sets of routes join it as routers: `application(service, routers=(mine,))`. They get what the native ones get:
callers let in, limits, ids, one shape of error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from metier import __version__
from metier.errors import MetierError
from metier.serve import problems
from metier.serve.edge import Edge
from metier.serve.routes import about, answers, operate
from metier.serve.routes.about import OPEN

if TYPE_CHECKING:
    from metier.serve.service import Service

_ABOUT = (
    "Experts behind HTTP. Send Authorization: Bearer KEY. Every error has one shape: a code for programs, what must "
    "hold, what was found, what to do next."
)
Alive = Callable[[], AbstractAsyncContextManager[None]]


def application(service: Service, *, routers: Sequence[APIRouter] = (), alive: Alive | None = None) -> FastAPI:
    """The ASGI application of a service; `alive` is entered while it runs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if alive is None:
            yield
            return
        async with alive():
            yield

    app = FastAPI(
        title="metier",
        version=__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.service = service
    for router in (about.router, answers.router, operate.router, *routers):
        app.include_router(router)
    app.add_exception_handler(MetierError, problems.on_refusal)
    app.add_exception_handler(HTTPException, problems.on_http)
    app.add_exception_handler(RequestValidationError, problems.on_validation)
    app.add_middleware(Edge, service=service)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: made once, with the bearer key and our shape of error for bodies that are refused."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        made.setdefault("components", {})["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, methods in made["paths"].items():
            for about_ in methods.values():
                about_["security"] = [] if path in OPEN else [{"key": []}]
        app.openapi_schema = made
    return app.openapi_schema
