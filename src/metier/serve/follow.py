"""Following the registry: what becomes live there answers here, seconds later and without a pause."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from metier.errors import MetierError
from metier.govern.actor import Actor
from metier.govern.ledger.note import note
from metier.serve import opening
from metier.serve.journal import say
from metier.serve.operations import noted
from metier.serve.service import Service
from metier.serve.traffic import Version

SERVER = Actor("metier serve", "server")


@dataclass
class Follower:
    """Keeps the routes of these names as the registry says; of all that is live with `everything`."""

    service: Service
    names: frozenset[str] = frozenset()
    everything: bool = False
    _told: dict[str, str] = field(default_factory=dict)  # version that could not be loaded -> why

    async def once(self) -> None:
        """Look once. A registry that can't be read, or an expert that can't be loaded, changes nothing."""
        if not self.names and not self.everything:
            return
        try:
            live, known = await asyncio.to_thread(self._live)
        except MetierError as error:
            self._tell("registry", error)
            return
        self._told.pop("registry", None)
        routes = self.service.traffic.routes()
        for name, version in live.items():
            if name not in routes or routes[name].live != version:
                await self._promote(version)
        for name, route in routes.items():
            # A name that the registry does not know at all was not taken back: its database is another, or gone.
            if route.followed and name not in live and name in known:
                self.service.traffic.drop(name)
                await self._note("unloaded", route.live, "it is not live any more")

    def _live(self) -> tuple[dict[str, Version], set[str]]:
        """The live versions by name, and all names that the registry knows."""
        from metier.govern.registry import live, releases

        found = {
            release.name: Version(release.name, str(release.version), release.expert, release.id)
            for release in live(self.service.place)
            if self.everything or release.name in self.names
        }
        return found, {release.name for release in releases(self.service.place)}

    async def _promote(self, version: Version) -> None:
        service = self.service
        async with service.operating:
            try:
                await asyncio.to_thread(opening.load, service.engine, version)
            except MetierError as error:
                self._tell(version.key, error)
                return
            old = service.traffic.routes().get(version.name)
            if old is not None and not old.followed:
                return  # a folder of the same name was asked for by hand
            service.traffic.promote(version, followed=True)
        self._told.pop(version.key, None)
        instead = {} if old is None else {"instead_of": old.live.version}
        await self._note("served", version, "the registry says it is live", **instead)

    async def _note(self, act: str, version: Version, reason: str, **details: str) -> None:
        say(act, expert=version.key, reason=reason)
        await asyncio.to_thread(note, self.service.place, noted(version, act, reason, **details), actor=SERVER)

    def _tell(self, what: str, error: MetierError) -> None:
        """Once for each error, not every few seconds."""
        if self._told.get(what) != error.code:
            self._told[what] = error.code
            say("could not follow the registry", what=what, code=error.code, found=error.found)
