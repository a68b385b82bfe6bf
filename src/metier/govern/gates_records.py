"""Gates on records rather than figures: where the expert comes from, its data, base, documents, reviews, and safety."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from metier import files
from metier.govern import acts, documented, validation
from metier.govern.evidence import CURATION, Evidence
from metier.govern.gates import Gate, days_since
from metier.govern.ledger.book import Ledger
from metier.govern.ledger.entry import Record
from metier.govern.policy import Policy

ORIGIN = "origin"
# What an expert's folder may hold: nothing that a loader would run.
_SAFE = frozenset({"json", "safetensors", "txt", "md", "onnx", "model", "npy", "npz", "arrow"})


@dataclass(frozen=True)
class Docket:
    """What gates look at beside the evidence: the ledger, the policy, and all records of the release, in order."""

    ledger: Ledger
    policy: Policy
    evidence: Evidence
    release: str
    records: tuple[Record, ...]


def of_records(docket: Docket) -> list[Gate]:
    """The gate on the expert's origin, which no policy can leave out, then those the policy asks."""
    policy = docket.policy
    asked: Iterable[tuple[bool, Callable[[Docket], Gate]]] = (
        (True, _origin),
        (policy.leakage is not None, _leakage),
        (policy.findings is not None, _findings),
        (bool(policy.licences), _licence),
        (policy.data_days is not None, _data_age),
        (policy.documents, _documents),
        (policy.validation, _validation),
        (policy.ethical_review, _ethics),
        (policy.security, _security),
    )
    return [ask(docket) for wanted, ask in asked if wanted]


def _origin(docket: Docket) -> Gate:
    evidence = docket.evidence
    wanted = "made by a sealed run that the ledger holds"
    if evidence.tuned is None:
        why = evidence.why("tuned") or "the ledger has no run of it"
        told = f"tune it in this workspace, or bring its run's folder back into runs/ ({why})"
        return Gate(ORIGIN, wanted, why, False, next=told)
    run = evidence.tuned
    return Gate(ORIGIN, wanted, run.folder.name, True, evidence=run.cite("expert/manifest.json", ""))


def _leakage(docket: Docket) -> Gate:
    return _curated(docket, "leakage", docket.policy.leakage or 0, ("leakage",))


def _findings(docket: Docket) -> Gate:
    return _curated(docket, "findings", docket.policy.findings or 0, ())


def _curated(docket: Docket, gate: str, most: int, kinds: tuple[str, ...]) -> Gate:
    """What the data room proposed for the training data and nobody did; of a whole column, what it found."""
    run, wanted = docket.evidence.curation, f"<= {most} unresolved"
    source = _training(docket.evidence)
    command = f"metier curate {shlex.quote(source)}, then tune on the cleaned file"
    if run is None:
        return Gate(gate, wanted, None, False, next=command)
    found = run.read(CURATION)
    absent = [kind for kind in kinds if kind not in found.get("questions", {})]
    if absent:
        return Gate(gate, wanted, None, False, evidence=run.cite(CURATION, "questions"), next=command)
    proposed = [one for one in found["proposals"] if not kinds or set(kinds) & set(one["kinds"])]
    columns = [one for one in found["findings"] if one["row"] is None and (not kinds or one["kind"] in kinds)]
    count = len(proposed) + len(columns)
    told = "" if count <= most else f"metier curate {shlex.quote(source)} --apply, or decide in its review.csv"
    return Gate(gate, wanted, count, count <= most, evidence=run.cite(CURATION, "proposals"), next=told)


def _training(evidence: Evidence) -> str:
    source = evidence.tuned.read("data.json")["train"]["source"] if evidence.tuned else {}
    return str(source.get("path", "DATA"))


def _licence(docket: Docket) -> Gate:
    allowed = {name.lower() for name in docket.policy.licences}
    run, wanted = docket.evidence.tuned, f"one of {', '.join(docket.policy.licences)}"
    stated = docket.evidence.about.get("base", {}).get("licence")
    passed = str(stated).lower() in allowed
    told = "" if passed else "tune on a base whose licence the policy allows: metier bases DATA lists them"
    cited = run.cite("base.json", "licence") if run is not None and "base.json" in run.hashes else None
    return Gate("licences", wanted, stated, passed, evidence=cited, next=told)


def _data_age(docket: Docket) -> Gate:
    """Days since this very data was first read here: it is at least so old."""
    most = docket.policy.data_days or 0.0
    wanted = f"<= {most:g} days"
    sha256 = docket.evidence.about.get("data")
    with docket.ledger.store.read() as connection:
        first = next((one for one in acts.of(connection, acts=("read",)) if one.facts.get("sha256") == sha256), None)
    if first is None:
        return Gate(
            "data_days", wanted, None, False, next="tune again: the ledger does not tell when the data was read"
        )
    age = round(max(0.0, days_since(first.at)), 2)
    told = "" if age <= most else "tune again on newer data"
    cited = {"record": first.seq, "sha256": sha256, "path": "at"}
    return Gate("data_days", wanted, age, age <= most, evidence=cited, next=told)


def _documents(docket: Docket) -> Gate:
    """The newest documents of this release: drawn of this very expert, with no gap that a person must fill."""
    wanted = "complete"
    command = f"metier documents {docket.release} -o DIR --answers FILE"
    made = documented.newest(docket.records)
    if made is None:
        return Gate("documents", wanted, None, False, next=command)
    own = files.read_json(docket.evidence.expert / "manifest.json")["root"]
    gaps = int(made.facts["gaps"])
    found = "of another expert" if made.facts["root"] != own else f"{gaps} gaps" if gaps else "complete"
    cited = {"record": made.seq, "sha256": documented.basis(made)}
    passed = found == "complete"
    return Gate("documents", wanted, found, passed, evidence=cited, next="" if passed else command)


def _validation(docket: Docket) -> Gate:
    left = [each for each in validation.findings(docket.records) if each.closed is None]
    told = "; ".join(f"metier findings close {docket.release} {each.number} --reason TEXT" for each in left[:3])
    cited = {"record": left[0].record} if left else None
    return Gate("validation", "no open finding", len(left), not left, evidence=cited, next=told)


def _ethics(docket: Docket) -> Gate:
    review = validation.reviewed(docket.records, docket.evidence.manifest)
    wanted = "done for this expert, nothing refused"
    command = f"metier ethics {docket.release} -o FORM.json, fill it in, then --form FORM.json --as NAME"
    if review is None:
        return Gate("ethical_review", wanted, None, False, next=command)
    refused = review.facts["refused"]
    found = f"refused: {', '.join(refused)}" if refused else "done"
    cited = {"record": review.seq, "sha256": review.facts["form_sha256"]}
    return Gate("ethical_review", wanted, found, not refused, evidence=cited, next=command if refused else "")


def _security(docket: Docket) -> Gate:
    """The ledger holds, the key is its owner's alone, the base is the recorded one, no file of the expert runs code."""
    wanted = "base, ledger and key sound, no file that runs code"
    problems = [*_unsafe(docket), *_key_open(docket), *_base_changed(docket.evidence)]
    verdict = docket.ledger.verify()
    problems += [] if verdict.ok else [verdict.problem]
    found = "; ".join(problems) or "sound"
    return Gate("security", wanted, found, not problems, next="metier verify says more" if problems else "")


def _unsafe(docket: Docket) -> list[str]:
    paths = [path for path in docket.evidence.expert.rglob("*") if path.is_file()]
    odd = sorted(path.name for path in paths if path.suffix.lower().lstrip(".") not in _SAFE)
    return [f"files of a kind that may run code: {', '.join(odd)}"] if odd else []


def _key_open(docket: Docket) -> list[str]:
    path = docket.ledger.place.root / "keys" / "signing.pem"
    if path.is_file() and path.stat().st_mode & 0o077:
        return [f"{path} can be read by others: chmod 600"]
    return []


def _base_changed(evidence: Evidence) -> list[str]:
    from metier.govern import record

    verdict = record.verify(evidence.expert)
    return [] if verdict.ok else [verdict.problem]


def wording(gates: Iterable[Gate]) -> str:
    """The gates that stand in the way, in a line."""
    return ", ".join(gate.gate for gate in gates if gate.open)


def waived(gates: Iterable[Gate], waivers: Mapping[str, Mapping[str, Any]]) -> list[Gate]:
    """The gates with their waivers; what a waiver covers is still told as not passed."""
    from dataclasses import replace

    return [
        replace(gate, waived=waivers[gate.gate]) if not gate.passed and gate.gate in waivers else gate for gate in gates
    ]
