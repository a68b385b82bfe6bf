"""Who asks, and what they may."""

from __future__ import annotations

from dataclasses import dataclass

from metier.serve.problems import Refused


@dataclass(frozen=True)
class Caller:
    """Somebody who was let in: `grants` are (role, expert), expert None for all of them.

    `name` goes into records and logs: a key's id, a token's subject as a hash, or `local`.
    """

    name: str
    grants: frozenset[tuple[str, str | None]]
    rate: float | None = None
    shown: str = ""

    def may(self, role: str, expert: str | None = None) -> bool:
        """Whether they may act in a role for an expert; with None: whether for any at all."""
        if ("admin", None) in self.grants:
            return True
        if expert is None:
            return any(held == role for held, _ in self.grants)
        return bool({(role, None), (role, expert), ("admin", expert)} & self.grants)

    def sees(self, expert: str) -> bool:
        """Whether they may know of an expert."""
        return any(named in (None, expert) for _, named in self.grants)

    def experts(self, role: str) -> frozenset[str] | None:
        """The experts they may act for in a role, None for all."""
        named = {expert for held, expert in self.grants if held in (role, "admin")}
        return None if None in named else frozenset(expert for expert in named if expert is not None)

    def require(self, role: str, expert: str | None = None) -> None:
        """Raise Refused where they may not."""
        if self.may(role, expert):
            return
        held = ", ".join(sorted({held for held, _ in self.grants})) or "none"
        raise Refused(
            403,
            "not-allowed",
            f"The role {role} is needed{'' if expert is None else ' for the expert asked'}.",
            found=f"the caller {self.shown or self.name} has {held}",
            fix=f"Ask with another key; metier keys add NAME --role {role} makes one.",
        )


def of_roles(roles: tuple[str, ...], experts: tuple[str, ...] | None) -> frozenset[tuple[str, str | None]]:
    """Every role for every expert."""
    named: tuple[str | None, ...] = (None,) if experts is None else experts
    return frozenset((role, expert) for role in roles for expert in named)
