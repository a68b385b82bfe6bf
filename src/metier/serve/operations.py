"""What operators do to a running server; each act is in the ledger, with who did it."""

from __future__ import annotations

import asyncio
from typing import Any

from metier.errors import UsageError
from metier.govern.actor import Actor
from metier.govern.ledger.entry import Act
from metier.govern.ledger.note import note
from metier.serve import opening
from metier.serve.journal import say
from metier.serve.service import Request, Service
from metier.serve.traffic import Route, Version

# A shadow's answers are never heard, so a candidate may be one; whatever answers people is approved.
_SHADOW_STAGES = ("candidate", "approved", "live")


async def load(service: Service, request: Request, name: str, reference: str) -> Route:
    """Make a version live. Raises MetierError."""
    async with service.operating:
        old = service.traffic.routes().get(name)
        if old is not None and old.followed:
            raise _followed(name)
        version = await _loaded(service, name, reference)
        route = service.traffic.promote(version)
    await _note(service, request, "loaded", version)
    return route


async def unload(service: Service, request: Request, name: str) -> Route:
    """Serve a name no longer. Raises MetierError."""
    async with service.operating:
        if service.traffic.route(name).followed:
            raise _followed(name)
        route = service.traffic.drop(name)
    await _note(service, request, "unloaded", route.live)
    return route


async def canary(service: Service, request: Request, name: str, reference: str | None, share: float) -> Route:
    """Send a share of requests to a version, or end that. Raises MetierError."""
    async with service.operating:
        service.traffic.route(name)
        version = None if reference is None else await _loaded(service, name, reference)
        route = service.traffic.canary(name, version, share)
    await _note(
        service, request, "canary begun" if version else "canary ended", version or route.live, share=route.share
    )
    return route


async def shadow(service: Service, request: Request, name: str, reference: str | None) -> Route:
    """Let a version answer unheard, or end that. Raises MetierError."""
    async with service.operating:
        service.traffic.route(name)
        version = None if reference is None else await _loaded(service, name, reference, _SHADOW_STAGES)
        route = service.traffic.shadow(name, version)
    await _note(service, request, "shadow begun" if version else "shadow ended", version or route.live)
    return route


async def rollback(service: Service, request: Request, name: str) -> Route:
    """Make the version before the live one; of a release that is followed in the registry, too. Raises MetierError."""
    async with service.operating:
        old = service.traffic.route(name).live
        if service.traffic.route(name).followed:
            version = await asyncio.to_thread(_rolled_back, service, request, name)
            return service.traffic.promote(version, followed=True)
        route = service.traffic.rollback(name)
    await _note(service, request, "rolled back", route.live, instead_of=old.version)
    return route


def noted(version: Version, act: str, reason: str = "", **details: Any) -> Act:
    """An act about a version that is served: of the release where it is one, else of the expert."""
    kind = "expert" if opening.is_folder(version.reference) else "release"
    return Act(act, f"{kind}:{version.key}", reason, {"folder": str(version.folder), **details})


def _rolled_back(service: Service, request: Request, name: str) -> Version:
    """The version that the registry goes back to, loaded. Its own act is in the ledger."""
    from metier.govern import moves

    release = moves.rollback(service.place, name, _actor(request), reason=f"over HTTP, request {request.id}")
    version = Version(release.name, str(release.version), release.expert, release.id)
    opening.load(service.engine, version)
    return version


async def _loaded(
    service: Service, name: str, reference: str, stages: tuple[str, ...] = ("approved", "live")
) -> Version:
    """The version of a reference, loaded. Raises UsageError where it is of another name."""

    def find() -> Version:
        if opening.is_folder(reference):
            version = opening.from_folder(reference, within=(service.place.root, *service.folders))
            version = Version(name, version.version, version.folder, version.reference)
        else:
            version = opening.from_registry(reference, service.place, stages=stages)
        if version.name != name:
            raise UsageError(
                "other-name",
                "A version must be of the expert that the address names.",
                found=version.name,
                fix="Ask the address of that expert.",
            )
        opening.load(service.engine, version)
        return version

    return await asyncio.to_thread(find)


async def _note(service: Service, request: Request, act: str, version: Version, **details: Any) -> None:
    say(act, expert=version.key, caller=request.caller.name)
    written = noted(version, act, caller=request.caller.name, request=request.id, **details)
    await asyncio.to_thread(note, service.place, written, actor=_actor(request))


def _actor(request: Request) -> Actor:
    return Actor(request.caller.shown or request.caller.name, "operator")


def _followed(name: str) -> UsageError:
    return UsageError(
        "followed",
        "What is live of a release is decided in the registry.",
        found=f"{name} follows it",
        fix=f"metier rollback {name}, or metier approve another version; a running server follows in seconds.",
    )
