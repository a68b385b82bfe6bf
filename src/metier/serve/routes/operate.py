"""The routes that change what is served: load, unload, canary, shadow, rollback. Every change goes into the ledger."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi import Request as HttpRequest

from metier.serve import operations
from metier.serve.routes.common import here, problems
from metier.serve.schemas import CanaryRequest, LoadRequest, RouteAnswer, ShadowRequest

router = APIRouter(prefix="/v1/admin/experts/{name}", tags=["operate"])
Name = Annotated[str, Path(min_length=1, max_length=200)]
_ERRORS = problems(404, 409)


@router.post("/load", response_model=RouteAnswer, responses=_ERRORS)
async def load(name: Name, body: LoadRequest, http: HttpRequest) -> RouteAnswer:
    """Load a version and make it the live one, without a pause; needs the role operator."""
    service, request = here(http)
    service.allow(request.caller, "operator", name)
    return RouteAnswer(expert=name, **(await operations.load(service, request, name, body.reference)).as_json())


@router.post("/unload", response_model=RouteAnswer, responses=_ERRORS)
async def unload(name: Name, http: HttpRequest) -> RouteAnswer:
    """Serve this expert no longer; what was accepted is still answered. Needs the role operator."""
    service, request = here(http)
    service.allow(request.caller, "operator", name)
    gone = await operations.unload(service, request, name)
    return RouteAnswer(expert=name, **{**gone.as_json(), "live": None})


@router.post("/canary", response_model=RouteAnswer, responses=_ERRORS)
async def canary(name: Name, body: CanaryRequest, http: HttpRequest) -> RouteAnswer:
    """Send a share of requests to another version, or end that; needs the role operator."""
    service, request = here(http)
    service.allow(request.caller, "operator", name)
    route = await operations.canary(service, request, name, body.reference, body.share)
    return RouteAnswer(expert=name, **route.as_json())


@router.post("/shadow", response_model=RouteAnswer, responses=_ERRORS)
async def shadow(name: Name, body: ShadowRequest, http: HttpRequest) -> RouteAnswer:
    """Let another version answer everything unheard, or end that; needs the role operator."""
    service, request = here(http)
    service.allow(request.caller, "operator", name)
    route = await operations.shadow(service, request, name, body.reference)
    return RouteAnswer(expert=name, **route.as_json())


@router.post("/rollback", response_model=RouteAnswer, responses=_ERRORS)
async def rollback(name: Name, http: HttpRequest) -> RouteAnswer:
    """Make the version before the live one again, at once; needs the role operator."""
    service, request = here(http)
    service.allow(request.caller, "operator", name)
    return RouteAnswer(expert=name, **(await operations.rollback(service, request, name)).as_json())
