"""Which version of an expert answers a request: the live one, a canary beside it, a shadow that nobody hears."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from metier.errors import ExpertError, UsageError


@dataclass(frozen=True)
class Version:
    """A version of an expert that is loaded; `reference` says where it came from: a folder or a release."""

    name: str
    version: str
    folder: Path
    reference: str

    @property
    def key(self) -> str:
        """The name the engine knows it by."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Route:
    """Where requests for one name go. `share` (0..1) of them go to the canary; `before` were live earlier, the last
    one last. `followed` says that the registry decides which version is live."""

    live: Version
    canary: Version | None = None
    share: float = 0.0
    shadow: Version | None = None
    before: tuple[Version, ...] = ()
    followed: bool = False

    def chosen(self, request: str) -> tuple[Version, str]:
        """The version for a request's id, and `live` or `canary`; the same one whenever the same id comes again.

        Whoever was in a small share stays in it when it grows.
        """
        if self.canary is not None and place(self.live.name, request) < self.share:
            return self.canary, "canary"
        return self.live, "live"

    def versions(self) -> tuple[Version, ...]:
        """All that must be loaded: those that answer, and the last one before for a rollback."""
        found = (self.live, self.canary, self.shadow, *self.before[-1:])
        return tuple(dict.fromkeys(version for version in found if version is not None))

    def as_json(self) -> dict[str, Any]:
        """What `GET /v1/experts` says of it."""
        return {
            "live": self.live.version,
            "reference": self.live.reference,
            "canary": None if self.canary is None else {"version": self.canary.version, "share": self.share},
            "shadow": None if self.shadow is None else self.shadow.version,
            "before": [version.version for version in self.before],
            "followed": self.followed,
        }


class Traffic:
    """The routes of all names. Readers see one state as a whole; writers change one route at a time."""

    def __init__(self) -> None:
        self._routes: Mapping[str, Route] = {}
        self._lock = threading.Lock()

    def routes(self) -> Mapping[str, Route]:
        """All of them, by name."""
        return self._routes

    def route(self, name: str) -> Route:
        """A name's route. Raises ExpertError where it is not served."""
        found = self._routes.get(name)
        if found is None:
            raise ExpertError(
                "no-such-expert",
                "The expert asked must be one that is served here.",
                found="another name",
                fix="GET /v1/experts lists them.",
            )
        return found

    def promote(self, version: Version, *, followed: bool = False) -> Route:
        """Make a version the live one; a canary or shadow of the same version has done its work."""
        with self._lock:
            old = self._routes.get(version.name)
            if old is None:
                return self._put(Route(version, followed=followed))
            before = old.before if old.live == version else (*(v for v in old.before if v != version), old.live)[-5:]
            canary, share = (None, 0.0) if old.canary == version else (old.canary, old.share)
            shadow = None if old.shadow == version else old.shadow
            return self._put(Route(version, canary, share, shadow, before, followed))

    def canary(self, name: str, version: Version | None, share: float) -> Route:
        """Send a share of requests to another version; None ends it. Raises ExpertError, UsageError."""
        with self._lock:
            old = self.route(name)
            _check_other(old, version)
            return self._put(replace(old, canary=version, share=share if version is not None else 0.0))

    def shadow(self, name: str, version: Version | None) -> Route:
        """Let another version answer everything unheard; None ends it. Raises ExpertError, UsageError."""
        with self._lock:
            old = self.route(name)
            _check_other(old, version)
            return self._put(replace(old, shadow=version))

    def rollback(self, name: str) -> Route:
        """Make the version before the live one; a canary is ended. Raises ExpertError, UsageError where none was."""
        with self._lock:
            old = self.route(name)
            if not old.before:
                raise UsageError(
                    "nothing-before",
                    "A rollback needs a version that was live before.",
                    found=f"only {old.live.key}",
                    fix="Load another version instead.",
                )
            return self._put(replace(old, live=old.before[-1], before=old.before[:-1], canary=None, share=0.0))

    def drop(self, name: str) -> Route:
        """Serve a name no longer. Raises ExpertError."""
        with self._lock:
            old = self.route(name)
            self._routes = {other: route for other, route in self._routes.items() if other != name}
            return old

    def _put(self, route: Route) -> Route:
        self._routes = {**self._routes, route.live.name: route}
        return route


def place(name: str, request: str) -> float:
    """Where a request's id falls in 0..1, evenly, for one name's canaries."""
    digest = hashlib.blake2b(f"{name}\0{request}".encode("utf-8", "backslashreplace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _check_other(route: Route, version: Version | None) -> None:
    if version is not None and version == route.live:
        raise UsageError(
            "same-version",
            "A canary or a shadow must be another version than the live one.",
            found=version.key,
            fix="Name another version.",
        )
