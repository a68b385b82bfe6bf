"""Releasing an expert: put it forward, hold it against its policy, and put it live once nothing stands in the way.

The same command is typed again after every step: it tells what is still waited for, and goes live when nothing is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metier import files
from metier.errors import RecordError, UsageError
from metier.govern import acts, approvals, documented, people, registry, stages
from metier.govern import evidence as evidences
from metier.govern import policy as policies
from metier.govern.actor import Actor, who
from metier.govern.gates import Gate, measured, runs_used
from metier.govern.gates_records import Docket, of_records, waived
from metier.govern.ledger.book import Ledger, open_ledger
from metier.govern.ledger.entry import Act, Record
from metier.govern.policy import Policy
from metier.govern.registry import Release
from metier.store import artefacts
from metier.workspace import Workspace

if TYPE_CHECKING:
    from metier.govern.evidence import Evidence

EXIT = 3  # as of `metier evaluate` where a limit is missed: neither an error (1) nor wrong usage (2)
_ATTEMPTS = 5
_GOING_LIVE = (people.OPERATOR, people.ADMIN)


@dataclass(frozen=True)
class Waiver:
    """A gate that somebody answers for, until a day (inclusive)."""

    gate: str
    until: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of it: the release as it stands, every gate, and what is still waited for, in the order to do it."""

    release: Release
    policy: str
    gates: tuple[Mapping[str, Any], ...]
    waiting_for: tuple[str, ...]
    hashes: Mapping[str, Any]

    @property
    def released(self) -> bool:
        """Whether it is live."""
        return self.release.stage == registry.LIVE

    @property
    def clear(self) -> bool:
        """Whether it is live and no gate is failed: exit code 0."""
        return self.released and not any(stages.in_the_way(gate) for gate in self.gates)

    def as_json(self) -> dict[str, Any]:
        """What `metier release --json` prints."""
        about = {"release": self.release.id, "stage": self.release.stage, "policy": self.policy, "hashes": self.hashes}
        return {"released": self.released, "gates": list(self.gates), "waiting_for": list(self.waiting_for), **about}


def release(
    expert: str | Path,
    place: Workspace,
    *,
    policy: str | Path | None = None,
    name: str | None = None,
    waive: Waiver | None = None,
    hold: bool = False,
    actor: Actor | None = None,
    key: str | Path | None = None,
) -> Outcome:
    """Put an expert (a folder, or a release's name) forward, ask its gates, and put it live when nothing is waited for.

    `policy` is a file or one that ships; left out, the one that was asked last, or general. `hold` stops at approved.
    A live release is only looked at anew: what was signed stays in force. Raises MetierError.
    """
    actor = actor or who()
    wanted = None if policy is None else policies.load(policy)
    ledger = open_ledger(place)
    try:
        found = _put_forward(ledger, expert, name, actor, key)
        records = _records(ledger, found)
        chosen = wanted or _in_force(records) or policies.load("general")
        if waive is not None:
            _waive(ledger, found, chosen, waive, actor, key)
        for _ in range(_ATTEMPTS):
            outcome = _decide(ledger, found, chosen, actor, hold, key)
            if outcome is not None:
                return outcome
        raise RecordError(
            "release-in-use",
            "A release is decided by one at a time.",
            found=f"{found.id} was changed by others while its gates were asked",
            fix="Try again.",
        )
    finally:
        ledger.store.close()


def waivers(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """The waivers that hold today, by gate: `{"by", "reason", "until", "record"}`; an expired one does not."""
    today = datetime.now(UTC).date().isoformat()
    found: dict[str, dict[str, Any]] = {}
    for one in records:
        if one.act == stages.WAIVED:
            told = {"by": one.actor, "reason": one.reason, "until": one.facts["until"], "record": one.seq}
            found[one.facts["gate"]] = told
    return {gate: each for gate, each in found.items() if each["until"] >= today}


# ------------------------------------------------------------------------------------------------------ putting forward


def _put_forward(ledger: Ledger, expert: str | Path, name: str | None, actor: Actor, key: str | Path | None) -> Release:
    """The release of this expert; a new version where its content was never put forward under this name."""
    folder = Path(expert)
    if not folder.is_dir():
        return _usable(registry.resolve(expert, ledger.place, newest=True))
    from metier.expert import ABOUT

    if not (folder / ABOUT).is_file() or not (folder / "manifest.json").is_file():
        raise RecordError(
            "no-expert",
            "What is released is an expert's folder, or a release by its name.",
            found=f"no {ABOUT} and manifest.json in {folder}",
            fix="metier tune DATA --target COLUMN prints where its expert lies.",
        )
    about = files.read_json(folder / ABOUT)
    called, manifest = registry.plain_name(name or about["name"]), artefacts.put(ledger.place, folder)
    with ledger.turn(actor) as turn:
        known = [each for each in registry.rows(turn.connection, ledger.place) if each.name == called]
        same = next((each for each in known if each.manifest == manifest), None)
        if same is not None:
            return registry.here(_usable(same), ledger.place)
        evidence = evidences.gather(turn.connection, ledger.place, folder)
        version = known[-1].version + 1 if known else 1
        tuned = evidence.tuned
        details = {"stage": registry.DRAFT, "manifest": manifest, "authors": list(evidences.authors(evidence))}
        details |= {"run": str(about.get("run", "")), "root": tuned.root if tuned else "", "folder": str(folder)}
        record = people.perform(
            ledger, turn, Act(stages.PROPOSED, f"release:{called}@{version}", "", details), actor, key
        )
        stages.project(turn.connection, record)
        known = registry.rows(turn.connection, ledger.place)
        return registry.here(next(each for each in known if each.subject == record.subject), ledger.place)


def _usable(found: Release) -> Release:
    if found.stage == registry.RETIRED:
        raise RecordError(
            "retired-release",
            "A retired version is not released again.",
            found=f"{found.id} is retired",
            fix="Tune a new one: metier tune DATA --target COLUMN.",
        )
    return found


def _in_force(records: Sequence[Record]) -> Policy | None:
    gated = stages.gated(records)
    return None if gated is None else policies.read(gated["policy"], "the policy in force")


def _waive(ledger: Ledger, found: Release, policy: Policy, waive: Waiver, actor: Actor, key: str | Path | None) -> None:
    """Record a waiver; by an approver or admin who is no author."""
    _sensible(waive)
    with ledger.turn(actor) as turn:
        people.entitled(turn.connection, actor, ("approver", people.ADMIN), "waive a gate")
        records = acts.of(turn.connection, subject=found.subject)
        approvals.own_work(actor, approvals.authors(records), f"waive a gate of {found.id}")
        asked = [gate.gate for gate in _gates(ledger, found, policy, records)[0]]
        if waive.gate not in asked:
            raise UsageError(
                "no-such-gate",
                "A waiver names a gate that the policy asks.",
                found=waive.gate,
                fix=f"One of {', '.join(asked)}.",
            )
        details = {"gate": waive.gate, "until": waive.until}
        people.perform(ledger, turn, Act(stages.WAIVED, found.subject, waive.reason, details), actor, key)


def _sensible(waive: Waiver) -> None:
    try:
        past = date.fromisoformat(waive.until) < datetime.now(UTC).date()
    except ValueError:
        past = True
    if past or len(waive.until) != 10 or not waive.reason.strip():
        raise UsageError(
            "bad-waiver",
            "A waiver has a reason and a last day that is not past.",
            found=f"reason {waive.reason!r}, until {waive.until!r}",
            fix="--waive GATE --until 2027-01-31 --reason TEXT --as NAME",
        )


# ------------------------------------------------------------------------------------------------------------ deciding


def _decide(
    ledger: Ledger, found: Release, policy: Policy, actor: Actor, hold: bool, key: str | Path | None
) -> Outcome | None:
    """Ask the gates and move the release; None where somebody else changed it meanwhile."""
    before = _records(ledger, found)
    gates, evidence = _gates(ledger, found, policy, before)
    with ledger.turn(actor) as turn:
        records = acts.of(turn.connection, subject=found.subject)
        if [one.seq for one in records] != [one.seq for one in before]:
            return None
        now = stages.stage(records)
        details = _gated(found, policy, gates, evidence, records)
        if now == registry.LIVE:
            people.perform(ledger, turn, Act(stages.CHECKED, found.subject, "", details), actor, key)
            return _told(turn.connection, ledger, found, details, ())
        after = _stage_after(details, records, policy)
        act = Act(stages.GATED, found.subject, "", {**details, "stage": after})
        record = people.perform(ledger, turn, act, actor, key)
        stages.project(turn.connection, record)
        records = [*records, record]
        waiting = _waiting(turn.connection, found, gates, records, policy, actor)
        if not waiting and not hold:
            grounds = [one.record for one in approvals.given(records) if one.counts]
            live = {"stage": registry.LIVE, "gates": record.seq, "approvals": grounds, "manifest": found.manifest}
            stages.go_live(ledger, turn, found, Act(stages.RELEASED, found.subject, "", live), actor, key)
        elif not waiting:
            waiting = [f"metier release {found.id} without --hold puts it live"]
        return _told(turn.connection, ledger, found, details, waiting)


def _gates(ledger: Ledger, found: Release, policy: Policy, records: Sequence[Record]) -> tuple[list[Gate], Evidence]:
    with ledger.store.read() as connection:
        evidence = evidences.gather(connection, ledger.place, found.expert, policy.test_data)
    docket = Docket(ledger, policy, evidence, found.id, tuple(records))
    return waived([*of_records(docket), *measured(policy, evidence)], waivers(records)), evidence


def _gated(
    found: Release, policy: Policy, gates: list[Gate], evidence: Evidence, records: Sequence[Record]
) -> dict[str, Any]:
    """What is recorded of the gates: the policy itself, every row, and the hashes that approvals sign."""
    roots = {run.root for run, _ in evidence.evaluations} & set(runs_used(gates))
    documents = documented.basis(documented.newest(records)) if policy.documents else None
    used = [gate.waived["record"] for gate in gates if gate.waived is not None]
    hashes = approvals.signed_hashes(
        found.id, found.manifest, found.root, sorted(roots), policy.digest(), documents, used
    )
    rows = [gate.as_json() for gate in gates]
    passed = not any(gate.open for gate in gates)
    return {"policy": policy.model_dump(mode="json"), "hashes": hashes, "gates": rows, "passed": passed}


def _stage_after(details: Mapping[str, Any], records: Sequence[Record], policy: Policy) -> str:
    if not details["passed"]:
        return registry.DRAFT
    left = approvals.missing(records, policy.model_dump(mode="json"), details["hashes"])
    return registry.CANDIDATE if left else registry.APPROVED


def _waiting(
    connection: Any,
    found: Release,
    gates: list[Gate],
    records: Sequence[Record],
    policy: Policy,
    actor: Actor,
) -> list[str]:
    """What is still to be done before it goes live, each with what to type."""
    waiting = [f"gate {gate.gate}: {gate.next}" if gate.next else f"gate {gate.gate}" for gate in gates if gate.open]
    for role, count in approvals.missing(records, policy.model_dump(mode="json")).items():
        many = "an approval" if count == 1 else f"{count} approvals"
        waiting.append(f"{many} by the role {role}: metier approve {found.id} --as NAME --role {role} --reason TEXT")
    try:
        people.entitled(connection, actor, _GOING_LIVE, "put a release live")
    except RecordError:
        waiting.append(f"an operator: metier release {found.id} --as NAME")
    return waiting


def _told(
    connection: Any,
    ledger: Ledger,
    found: Release,
    details: Mapping[str, Any],
    waiting: Sequence[str],
) -> Outcome:
    stands = next(each for each in registry.rows(connection, ledger.place) if each.subject == found.subject)
    return Outcome(stands, details["policy"]["name"], tuple(details["gates"]), tuple(waiting), details["hashes"])


def _records(ledger: Ledger, found: Release) -> list[Record]:
    with ledger.store.read() as connection:
        return acts.of(connection, subject=found.subject)
