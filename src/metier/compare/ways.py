"""The ways that are held against each other: the kind's own rungs, and its dearest one on an untrained base."""

from __future__ import annotations

from dataclasses import dataclass

from metier.choose.ground import Ground
from metier.errors import UsageError
from metier.plan import Plan
from metier.tasks.contract import Rung
from metier.trunk import base as bases
from metier.trunk.features import Trunk

SCRATCH = "scratch"
# What a manager calls a way; `linear` says itself what it looks at.
_TITLES = {
    "majority": "Commonest answer",
    "generic": "Base as it is",
    "frozen": "Frozen base + head",
    "adapter": "Fine-tuned (adapter)",
    "full": "Fine-tuned (all weights)",
    "trees": "Boosted trees",
    SCRATCH: "From scratch",
}
_NEEDS_A_BASE = ("generic", "frozen", "adapter", SCRATCH)
# Weights that start at random need a larger step than those that only have to be moved a little.
_SCRATCH_RATE = 5e-4


@dataclass(frozen=True)
class Way:
    """One way to a model: a rung of the ladder, on the base or (from scratch) on its untrained shape."""

    name: str
    rung: Rung
    title: str
    scratch: bool = False

    @property
    def dear(self) -> bool:
        """Whether it trains weights of the base, and so takes minutes."""
        return self.rung.trains

    def plan(self, plan: Plan, seed: int) -> Plan:
        """The plan of one fit: its own seed, and from scratch a learning rate for that."""
        update: dict[str, object] = {"seed": seed}
        if self.scratch and plan.training.learning_rate is None:
            update["training"] = plan.training.model_copy(update={"learning_rate": _SCRATCH_RATE})
        return plan.model_copy(update=update)

    def trunk(self, trunk: Trunk, seed: int) -> Trunk:
        """The base that this way starts from; every repeat from scratch starts from other random weights."""
        if not self.scratch:
            return trunk
        name = trunk.base.folder if trunk.base.source != "bundled" else bases.BUNDLED
        untrained = bases.find(f"{name}:random-{seed}", max_tokens=trunk.base.max_tokens)
        return Trunk(untrained, None, trunk.progress)


@dataclass(frozen=True)
class LeftOut:
    """A way that is not compared, and why."""

    way: str
    reason: str


def ways(ground: Ground) -> tuple[list[Way], list[LeftOut]]:
    """The ways of this kind, cheapest first, and those it has not. Raises UsageError for a name it does not know."""
    rungs = ground.rungs()
    trained = [rung for rung in rungs.values() if rung.trains]
    every = [Way(name, rung, _title(rung)) for name, rung in rungs.items()]
    if trained:
        every.append(Way(SCRATCH, trained[-1], _TITLES[SCRATCH], scratch=True))
    asked = ground.plan.compare.ways
    unknown = [name for name in asked if name not in {way.name for way in every}]
    if unknown:
        raise UsageError(
            "no-such-way",
            "--ways must name what this kind of task has.",
            found=", ".join(unknown),
            fix=f"Of {', '.join(way.name for way in every)}.",
        )
    if asked:
        return [way for way in every if way.name in asked], []
    dearer = {rung.name for rung in trained[1:]}
    left_out = [
        LeftOut(name, f"the kind {ground.task.name!r} has no such rung: it reads its rows without a base")
        for name in _NEEDS_A_BASE
        if name not in {way.name for way in every}
    ]
    left_out += [LeftOut(name, f"dearer than {trained[0].name}; --ways {name} adds it") for name in sorted(dearer)]
    return [way for way in every if way.name not in dearer], left_out


def _title(rung: Rung) -> str:
    own = rung.summary.partition(",")[0].partition("(")[0].strip()
    return _TITLES.get(rung.name, own[:1].upper() + own[1:])
