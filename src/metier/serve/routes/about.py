"""The routes about the server itself: is it well, is it ready, how much it does, and the page of all routes."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest

from metier.serve.page import page
from metier.serve.problems import Refused
from metier.serve.routes.common import here, problems
from metier.serve.schemas import ExpertsAnswer, Status

router = APIRouter()
# Asked by load balancers and people before they have a key; nothing in them is anybody's secret.
OPEN = frozenset({"/health", "/ready", "/docs", "/openapi.json"})
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@router.get("/health", tags=["server"], response_model=Status, responses=problems())
async def health() -> Status:
    """Whether the server runs; needs no key."""
    return Status(status="ok")


@router.get("/ready", tags=["server"], response_model=Status, responses=problems())
async def ready(http: HttpRequest) -> Status:
    """Whether the server can answer now (503 where it can't); needs no key."""
    why = http.app.state.service.ready()
    if why:
        raise Refused(
            503,
            "not-ready",
            "The server must be able to answer.",
            found=why,
            fix="Wait, or see the server's log.",
            retry_after=5,
        )
    return Status(status="ready")


@router.get(
    "/metrics",
    tags=["server"],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems()},
)
async def metrics(http: HttpRequest) -> Response:
    """Counters and gauges for Prometheus; needs the role operator."""
    service, request = here(http)
    service.allow(request.caller, "operator")
    return Response(service.metrics.page(), headers={"content-type": _TEXT})


@router.get("/v1/experts", tags=["answers"], response_model=ExpertsAnswer, responses=problems())
async def experts(http: HttpRequest) -> ExpertsAnswer:
    """The experts that the caller may know of, with the versions that answer; needs any valid key."""
    service, request = here(http)
    loaded = service.engine.loaded()
    found = []
    for name, route in sorted(service.traffic.routes().items()):
        if request.caller.sees(name):
            facts = loaded.get(route.live.key, {})
            told = {key: facts.get(key) for key in ("title", "task", "rung", "base", "mib")}
            found.append({"name": name, **route.as_json(), **told})
    return ExpertsAnswer(experts=found)


@router.get(
    "/docs",
    tags=["server"],
    response_class=Response,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}, **problems()},
)
async def documents(http: HttpRequest) -> Response:
    """All routes on one page that needs no script and no network; needs no key."""
    headers = {"content-security-policy": _PAGE_POLICY}
    return Response(page(http.app.openapi()), media_type="text/html", headers=headers)
