"""Approvals: who answers for a release, for exactly which hashes, and what is still missing.

Four eyes: an author (who tuned the expert or put it forward) approves nothing of it, and nobody approves it twice. An
approval signs the hashes of expert, run, evaluations, policy and documents, and the waivers; it lapses when any of
them changes. Revoking takes an approved or live release back to candidate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metier import files
from metier.errors import RecordError, UsageError
from metier.govern import acts, people, registry, stages
from metier.govern.actor import Actor
from metier.govern.ledger.book import open_ledger
from metier.govern.ledger.entry import Act, Record
from metier.workspace import Workspace

APPROVING = ("validator", "approver", "auditor", "operator", "admin")


@dataclass(frozen=True)
class Approval:
    """A person's yes. `hashes` are what was signed; `lapsed` says that they are no longer those of the release.

    `revoked` is `{"by", "reason", "at", "record"}`.
    """

    release: str
    name: str
    role: str
    reason: str
    at: str
    record: int
    hashes: Mapping[str, Any]
    registered: bool
    signed_by: str
    signature: str
    lapsed: bool = False
    revoked: Mapping[str, Any] | None = None

    @property
    def counts(self) -> bool:
        """Whether it still stands."""
        return not self.lapsed and self.revoked is None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**{name: getattr(self, name) for name in self.__dataclass_fields__}, "counts": self.counts}


def given(records: Sequence[Record], hashes: Mapping[str, Any] | None = None) -> list[Approval]:
    """All approvals of a release, from its records, in order; those that lapsed or were revoked, too.

    `hashes` are those that must have been signed: the ones in force, where left out.
    """
    hashes = hashes or stages.dossier(records)
    revoked = {one.facts["approval"]: one for one in records if one.act == stages.REVOKED}
    found = []
    for one in records:
        if one.act != stages.APPROVED_ACT:
            continue
        facts, taken = one.facts, revoked.get(one.seq)
        back = (
            None if taken is None else {"by": taken.actor, "reason": taken.reason, "at": taken.at, "record": taken.seq}
        )
        told = (one.subject.partition(":")[2], one.actor, one.role, one.reason, one.at, one.seq, facts["hashes"])
        mark = facts[acts.SIGNED]
        lapsed = facts["hashes"] != hashes
        found.append(Approval(*told, facts["registered"], mark["by"], mark["signature"], lapsed, back))
    return found


def missing(
    records: Sequence[Record], policy: Mapping[str, Any], hashes: Mapping[str, Any] | None = None
) -> dict[str, int]:
    """How many approvals of each role a policy still wants, with these hashes signed or those in force."""
    standing = [one for one in given(records, hashes) if one.counts and (one.registered or not policy["registered"])]
    wanted: Mapping[str, int] = policy["approvals"]
    left = {role: count - sum(one.role == role for one in standing) for role, count in wanted.items()}
    return {role: count for role, count in left.items() if count > 0}


def authors(records: Iterable[Record]) -> tuple[str, ...]:
    """Who tuned the expert and who put it forward: they approve nothing of it."""
    names = [name for one in records if one.act == stages.PROPOSED for name in (*one.facts["authors"], one.actor)]
    return tuple(dict.fromkeys(names))


def own_work(actor: Actor, who: Iterable[str], what: str) -> None:
    """Raise RecordError where the actor is one of these authors."""
    if any(people.same(actor.name, name) for name in who):
        raise RecordError(
            "four-eyes",
            "An author never approves their own work.",
            found=f"{actor.name} tuned the expert or put it forward, and would {what}",
            fix="Let a colleague do it: --as NAME.",
        )


def approve(place: Workspace, reference: str, actor: Actor, reason: str, *, key: str | Path | None = None) -> Approval:
    """Approve the newest version (or the one named), in the actor's role. Raises RecordError, UsageError."""
    if actor.role not in APPROVING or not reason.strip():
        raise UsageError(
            "bad-approval",
            f"An approval has a reason and one of the roles {', '.join(APPROVING)}.",
            found=f"role {actor.role!r}, reason {reason!r}",
            fix="metier approve RELEASE --as NAME --role approver --reason TEXT",
        )
    release = registry.resolve(reference, place, newest=True)
    ledger = open_ledger(place)
    try:
        with ledger.turn(actor) as turn:
            people.entitled(turn.connection, actor, (actor.role,), f"approve as {actor.role}")
            records = acts.of(turn.connection, subject=release.subject)
            gated = _may_approve(records, release, actor)
            if gated["policy"]["registered"]:
                people.known(turn.connection, actor, gated["policy"]["name"])
            details: dict[str, Any] = {"hashes": gated["hashes"]}
            left = missing(records, gated["policy"])
            # The approval that completes the number moves the release on, and says so itself.
            complete = not any(count - (role == actor.role) for role, count in left.items())
            if complete and stages.stage(records) == registry.CANDIDATE:
                details["stage"] = registry.APPROVED
            record = people.perform(
                ledger, turn, Act(stages.APPROVED_ACT, release.subject, reason, details), actor, key
            )
            stages.project(turn.connection, record)
            return given([*records, record])[-1]
    finally:
        ledger.store.close()


def revoke(place: Workspace, reference: str, actor: Actor, reason: str, *, key: str | Path | None = None) -> str:
    """Take the actor's approval back; an admin takes back all. Returns what became of the release, in a sentence.

    An approved or live release goes back to candidate; in a live one's place comes the version that was live before
    it, where that is still approved, else nothing. Raises RecordError.
    """
    release = _with_approval(place, reference)
    ledger = open_ledger(place)
    try:
        with ledger.turn(actor) as turn:
            records = acts.of(turn.connection, subject=release.subject)
            person = people.registered(turn.connection).get(people.folded(actor.name))
            admin = person is not None and people.ADMIN in person.roles
            mine = [one for one in given(records) if one.revoked is None and _theirs(one, actor, admin)]
            if not mine:
                raise _nothing_to_revoke(release, actor)
            for one in mine:
                details: dict[str, Any] = {"approval": one.record}
                if stages.stage(records) in (registry.APPROVED, registry.LIVE):
                    details["stage"] = registry.CANDIDATE
                act = Act(stages.REVOKED, release.subject, reason, details)
                record = people.perform(ledger, turn, act, actor, key)
                stages.project(turn.connection, record)
            if stages.stage(records) != registry.LIVE:
                return f"{release.id} is a candidate."
            back = stages.step_back(ledger, turn, release.name, actor, f"{release.id} lost an approval: {reason}", key)
            told = f"{back.id} is live again" if back else f"nothing of {release.name} is live"
            return f"{release.id} is a candidate, and {told}."
    finally:
        ledger.store.close()


def signed_hashes(
    release: str, manifest: str, root: str, evaluations: Sequence[str], policy: str, documents: str | None, waivers: Any
) -> dict[str, Any]:
    """What an approval signs, and what it lapses by."""
    told = {"release": release, "expert": manifest, "run": root, "evaluations": sorted(evaluations), "policy": policy}
    whole = {**told, "documents": documents, "waivers": sorted(waivers)}
    return {**whole, "all": files.digest(whole)}


def _may_approve(records: Sequence[Record], release: registry.Release, actor: Actor) -> Mapping[str, Any]:
    """What the gates found, where the actor may approve it."""
    own_work(actor, authors(records), f"approve {release.id}")
    gated = stages.gated(records)
    if release.stage == registry.RETIRED or gated is None or not gated["passed"]:
        failed = (
            ", ".join(each["gate"] for each in gated["gates"] if stages.in_the_way(each)) if gated else "never asked"
        )
        raise RecordError(
            "gates-failed",
            "Only a release that passes its gates can be approved.",
            found=f"{release.id} is {release.stage}; in the way: {failed or 'its stage'}",
            fix=f"metier release {release.id} tells each gate and what to do.",
        )
    for one in given(records):
        if one.counts and people.same(one.name, actor.name):
            raise RecordError(
                "four-eyes",
                "Nobody approves a release twice, whatever their role.",
                found=f"{one.name} approved {release.id} as {one.role} (record {one.record})",
                fix="Let a colleague approve: --as NAME. Or take the first back with --revoke.",
            )
    return gated


def _theirs(one: Approval, actor: Actor, admin: bool) -> bool:
    return admin or people.same(one.name, actor.name)


def _with_approval(place: Workspace, reference: str) -> registry.Release:
    """The release named; of a bare name the newest version, or the live one where only that was approved."""
    name, which = ("", "x") if Path(reference).is_dir() else registry.parse(reference)
    newest = registry.resolve(reference, place, newest=True)
    if which or newest.stage not in (registry.CANDIDATE, registry.DRAFT):
        return newest
    with acts.reading(place) as connection:
        if any(one.revoked is None for one in given(acts.of(connection, subject=newest.subject))):
            return newest
    return registry.resolve(name, place)


def _nothing_to_revoke(release: registry.Release, actor: Actor) -> RecordError:
    return RecordError(
        "nothing-to-revoke",
        "Only an approval that was given can be taken back, by who gave it or an admin.",
        found=f"none of {actor.name} for {release.id}",
        fix=f"metier releases {release.id} lists its approvals.",
    )
