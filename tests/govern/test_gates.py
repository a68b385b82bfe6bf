"""Gates hold sealed evidence against a policy, and nothing that is not sealed, known and about this expert."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from tests.govern.conftest import FIGURES, OPEN, Desk

from metier import files
from metier.errors import UsageError
from metier.govern import acts, evidence, record
from metier.govern import policy as policies
from metier.govern.actor import Actor
from metier.govern.gates import Gate, measured
from metier.govern.ledger.entry import Act
from metier.govern.ledger.note import note
from metier.govern.release import Outcome, release

WHOLE: dict[str, Any] = {
    **FIGURES,
    "bias": {
        "group": "region",
        "equalized_odds_difference": 0.04,
        "accuracy_difference": 0.02,
        "intervals": {"equalized_odds_difference": {"value": 0.04, "low": 0.0, "high": 0.08}},
        "others": [
            {
                "equalized_odds_difference": 0.06,
                "intervals": {"equalized_odds_difference": {"value": 0.06, "low": 0.01, "high": 0.2}},
            }
        ],
    },
    "robustness": [
        {"perturbation": "typos", "severity": 0.1, "drop": 0.01, "drop_low": 0.0, "drop_high": 0.02},
        {"perturbation": "typos", "severity": 0.3, "drop": 0.04, "drop_low": 0.01, "drop_high": 0.07},
        {"perturbation": "typos", "severity": 0.9, "drop": 0.5, "drop_low": 0.4, "drop_high": 0.6},
        {"perturbation": "case", "severity": 1.0, "drop": 0.02, "drop_low": 0.0, "drop_high": 0.03},
    ],
    "forgetting": {"general": {"value": 0.8, "share": {"value": 0.97, "low": 0.95, "high": 0.99}}},
    "privacy": {"membership_auc": 0.53, "auc": {"value": 0.53, "low": 0.5, "high": 0.56}},
    "calibration": {"ece": 0.02},
    "conformal": {"level": 0.9, "coverage": 0.91, "low": 0.89, "high": 0.93},
}


def asked(desk: Desk, expert: Path, **gates: Any) -> dict[str, dict[str, Any]]:
    found = ask(desk, expert, **gates)
    return {gate["gate"]: dict(gate) for gate in found.gates}


def ask(desk: Desk, expert: Path, **gates: Any) -> Outcome:
    return release(expert, desk.place, policy=desk.policy({**OPEN, **gates}), actor=Actor("anna"), hold=True)


# gate, its bound, whether it is passed, the figure found
HELD: list[tuple[str, dict[str, Any], bool, float]] = [
    ("gain", {"min": 0.05}, True, 0.1),
    ("gain", {"min": 0.06}, False, 0.1),
    ("gain", {"min": 0.1, "bound": "value"}, True, 0.1),
    ("group_gap", {"max": 0.2}, True, 0.06),
    ("group_gap", {"max": 0.1}, False, 0.06),
    ("group_gap", {"max": 0.06, "bound": "value"}, True, 0.06),
    ("group_gap", {"max": 0.5, "of": "accuracy"}, False, 0.02),  # it has no interval to hold
    ("robustness_loss", {"max": 0.07}, True, 0.04),
    ("robustness_loss", {"max": 0.06}, False, 0.04),
    ("forgetting", {"min": 0.95}, True, 0.97),
    ("forgetting", {"min": 0.96}, False, 0.97),
    ("membership_auc", {"max": 0.56}, True, 0.53),
    ("membership_auc", {"max": 0.55}, False, 0.53),
    ("calibration_error", {"max": 0.04}, True, 0.02),
    ("calibration_error", {"max": 0.03}, False, 0.02),
    ("conformal_coverage", {"min": 0.89}, True, 0.91),
    ("conformal_coverage", {"min": 0.9}, False, 0.91),
]


def test_a_figure_is_held_at_the_worse_end(small_desk: Desk) -> None:
    expert = small_desk.expert()
    small_desk.evaluated(expert, WHOLE)
    with acts.reading(small_desk.place) as connection:
        found = evidence.gather(connection, small_desk.place, expert)
    for gate, bound, passed, figure in HELD:
        row = measured(policies.read({**OPEN, gate: bound}, "here"), found)[0]
        assert (row.gate, row.passed, row.found) == (gate, passed, figure), bound


def test_any_figure_can_be_asked_by_its_path(small_desk: Desk) -> None:
    expert = small_desk.expert()
    run = small_desk.evaluated(expert, WHOLE)
    figures = {
        "accuracy.low": {"min": 0.9},
        "accuracy": {"min": 0.91},
        "calibration.ece": {"max": 0.01},
        "robustness.0.drop": {"max": 0.01},
        "metrics.recall.low": {"min": 0.1},
    }
    found = asked(small_desk, expert, figures=figures, rows=401)
    assert [found[name]["passed"] for name in figures] == [True, False, False, True, False]
    assert (found["accuracy"]["found"], found["accuracy"]["low"]) == (0.93, 0.9)
    assert not found["rows"]["passed"]
    cited = found["accuracy.low"]["evidence"]
    assert cited["sha256"] == files.sha256(run / "evaluation.json")
    assert (cited["run"], cited["file"], cited["path"]) == (run.name, "evaluation.json", "metrics.accuracy.low")
    assert "metier evaluate" in found["metrics.recall.low"]["next"]


def test_what_was_never_measured_names_its_command(small_desk: Desk) -> None:
    expert = small_desk.expert()
    found = asked(small_desk, expert, group_gap={"max": 0.1}, membership_auc={"max": 0.6}, evaluation_days=3, rows=5)
    for name, flag in (("group_gap", "--only bias --group COLUMN"), ("membership_auc", "--only privacy")):
        assert found[name]["found"] is None
        assert not found[name]["passed"]
        assert flag in found[name]["next"]
    assert not found["evaluation_days"]["passed"]
    assert not found["rows"]["passed"]


def test_an_altered_evaluation_is_no_evidence(small_desk: Desk) -> None:
    expert = small_desk.expert()
    run = small_desk.evaluated(expert)
    better = copy.deepcopy(FIGURES)
    better["metrics"]["accuracy"]["low"] = 0.99
    files.write_json(run / "evaluation.json", better)
    row = asked(small_desk, expert, figures={"accuracy.low": {"min": 0.5}})["accuracy.low"]
    assert not row["passed"]
    assert "evaluation.json was altered" in row["next"]
    record.seal(run)  # sealed anew: whole in itself, but not what the ledger knows
    row = asked(small_desk, expert, figures={"accuracy.low": {"min": 0.5}})["accuracy.low"]
    assert not row["passed"]
    assert "written anew" in row["next"]


def test_an_evaluation_of_another_expert_or_on_training_rows_is_no_evidence(small_desk: Desk) -> None:
    expert, other = small_desk.expert(1), small_desk.expert(2)
    small_desk.evaluated(other)
    small_desk.evaluated(expert, data=files.read_json(expert / "metier.json")["data"])
    small_desk.evaluated(expert, manifest="0" * 64)
    row = asked(small_desk, expert, gain={"min": 0})["gain"]
    assert row["found"] is None
    assert "rows that the expert was tuned on" in row["next"]
    assert "names another expert" in row["next"]


def test_a_policy_can_name_the_test_data(small_desk: Desk) -> None:
    expert = small_desk.expert()
    small_desk.evaluated(expert, data="a" * 64)
    assert asked(small_desk, expert, gain={"min": 0}, test_data=["a" * 64])["gain"]["passed"]
    assert not asked(small_desk, expert, gain={"min": 0}, test_data=["b" * 64])["gain"]["passed"]


def test_the_newest_evaluation_that_measured_it_counts(small_desk: Desk) -> None:
    expert = small_desk.expert()
    small_desk.evaluated(expert, WHOLE)
    worse = copy.deepcopy(FIGURES)
    worse["gain"]["low"] = -0.2
    small_desk.evaluated(expert, worse)
    found = asked(small_desk, expert, gain={"min": 0}, membership_auc={"max": 0.6})
    assert not found["gain"]["passed"]
    assert found["membership_auc"]["passed"]


def test_an_expert_from_nowhere_fails_its_origin(small_desk: Desk, tmp_path: Path) -> None:
    import shutil

    expert = small_desk.expert()
    shutil.copytree(expert, tmp_path / "other")
    about = files.read_json(tmp_path / "other" / "metier.json")
    files.write_json(tmp_path / "other" / "metier.json", {**about, "threshold": 0.1})
    record.seal_expert(tmp_path / "other")
    origin = asked(small_desk, tmp_path / "other")["origin"]
    assert not origin["passed"]
    assert "made another expert" in origin["found"]
    # A scaled expert says of which it is; that one the run made.
    own = files.read_json(expert / "manifest.json")["root"]
    files.write_json(tmp_path / "other" / "metier.json", {**about, "scaled": {"scale": 0.5, "from": own}})
    record.seal_expert(tmp_path / "other")
    assert asked(small_desk, tmp_path / "other")["origin"]["passed"]


def curated(
    desk: Desk, expert: Path, proposals: list[dict[str, Any]], questions: tuple[str, ...] = ("leakage",)
) -> None:
    run = desk.place.runs / f"20260103-{len(list(desk.place.runs.iterdir())):06d}-curate-tickets"
    run.mkdir()
    sha256 = files.read_json(expert / "metier.json")["data"]
    files.write_json(run / "data.json", {"train": {"source": {"sha256": sha256}}})
    about = {"questions": dict.fromkeys(questions, 0.1), "proposals": proposals, "findings": []}
    files.write_json(run / "curation.json", {**about, "cleaned": {"sha256": "c" * 64}})
    note(desk.place, Act("curated", "data:tickets", "", {"run": run.name, "root": record.seal(run)["root"]}))


def test_leaks_and_findings_left_are_counted(small_desk: Desk) -> None:
    expert = small_desk.expert()
    assert "metier curate" in asked(small_desk, expert, leakage=0)["leakage"]["next"]
    curated(small_desk, expert, [], questions=("labels",))
    assert asked(small_desk, expert, leakage=0)["leakage"]["found"] is None
    curated(small_desk, expert, [{"row": 1, "kinds": ["leakage"]}, {"row": 2, "kinds": ["label_error"]}])
    found = asked(small_desk, expert, leakage=0, findings=2)
    assert (found["leakage"]["found"], found["leakage"]["passed"]) == (1, False)
    assert (found["findings"]["found"], found["findings"]["passed"]) == (2, True)


def test_base_data_and_machine_are_looked_at(small_desk: Desk) -> None:
    expert = small_desk.expert()
    small_desk.evaluated(expert)
    found = asked(small_desk, expert, licences=["mit"], data_days=1, evaluation_days=1, security=True)
    assert not found["licences"]["passed"]
    assert found["data_days"]["passed"]
    assert found["evaluation_days"]["passed"]
    assert found["security"]["passed"]
    (small_desk.place.root / "keys" / "signing.pem").chmod(0o644)
    assert "read by others" in asked(small_desk, expert, security=True)["security"]["found"]


def test_old_data_and_old_evaluations_fail(small_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from metier.govern.ledger import book

    monkeypatch.setattr(book, "now", lambda: "2020-01-01T00:00:00.000000Z")
    expert = small_desk.expert()
    small_desk.evaluated(expert)
    monkeypatch.undo()
    monkeypatch.delenv("METIER_DATABASE_URL", raising=False)
    found = asked(small_desk, expert, data_days=365, evaluation_days=90)
    assert not found["data_days"]["passed"]
    assert not found["evaluation_days"]["passed"]


# ------------------------------------------------------------------------------------------------------------ policies


def test_the_policies_that_ship_are_sound() -> None:
    assert policies.names() == ["finance", "general", "health"]
    for name in policies.names():
        found = policies.load(name)
        assert found.name == name
        assert sum(found.approvals.values()) >= 1
        assert found.security
    assert policies.load("finance").registered
    assert policies.load("health").approvals["approver"] == 2


def test_every_problem_of_a_policy_is_told(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('name = "x"\nfigurez = 1\nrows = 0\n[gain]\n[approvals]\nauthor = 1\n')
    with pytest.raises(UsageError) as error:
        policies.load(path)
    assert all(word in error.value.found for word in ("figurez", "rows", "gain", "approvals.author"))


@pytest.mark.parametrize("body", ["", "[", '{"name": 1}', "null"])
def test_what_is_no_policy_is_told(tmp_path: Path, body: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(body)
    with pytest.raises(UsageError):
        policies.load(path)
    with pytest.raises(UsageError, match="ships with metier"):
        policies.load("nowhere")


def test_a_gate_is_told_with_these_names() -> None:
    assert set(Gate("gain", ">= 0", 1, True).as_json()) >= {
        "gate",
        "wanted",
        "found",
        "low",
        "high",
        "passed",
        "evidence",
    }


def test_documents_with_gaps_or_of_another_expert_are_not_complete(small_desk: Desk) -> None:
    expert = small_desk.expert()
    assert "metier documents" in asked(small_desk, expert, documents=True)["documents"]["next"]
    root = files.read_json(expert / "manifest.json")["root"]
    for details, found in (
        ({"root": root, "gaps": 2}, "2 gaps"),
        ({"root": "0" * 64, "gaps": 0}, "of another expert"),
        ({"root": root, "gaps": 0}, "complete"),
    ):
        note(small_desk.place, Act("documented", "release:tickets@1", "", {**details, "sha256": "d" * 64}))
        told = ask(small_desk, expert, documents=True)
        row = next(gate for gate in told.gates if gate["gate"] == "documents")
        assert (row["found"], row["passed"]) == (found, found == "complete")
        assert told.hashes["documents"] == "d" * 64
