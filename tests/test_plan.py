"""The Plan: every choice is a flag and documented, wrong ones are told together, a saved plan comes back as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from metier.errors import UsageError
from metier.plan import DataPlan, Plan, fields, seconds

ROOT = Path(__file__).parents[1]


COMMANDS = ("tune", "curate", "bases", "compare", "evaluate", "explain", "serve")


def test_every_choice_is_a_flag_of_a_command_and_documented(metier: Any) -> None:
    shown = "".join(metier(command, "--help").out for command in COMMANDS)
    pages = (ROOT / "docs" / "plan.md").read_text(encoding="utf-8")
    names = [name for _, name, _ in fields()]
    assert len(names) == len(set(names)) >= 35
    for _, name, field in fields():
        flag = (field.json_schema_extra or {}).get("flag", name)
        assert f"--{flag.replace('_', '-')}" in shown, name
        assert f"| `{name}` |" in pages, name
        assert field.description is not None
        assert field.description.endswith("."), name


def test_no_section_has_more_choices_than_a_person_can_hold() -> None:
    sections = [section for section, _, _ in fields() if section]
    assert {name: sections.count(name) for name in set(sections) if sections.count(name) > 10} == {}


def test_flat_choices_find_their_sections() -> None:
    plan = Plan.of(target="intent", time_limit="90s", rank=8, seed=4, text=("a", "b"), refit=False)
    assert (plan.data.target, plan.ladder.time_limit, plan.adapter.rank, plan.seed) == ("intent", 90.0, 8, 4)
    assert plan.data.text == ("a", "b")
    assert plan.ladder.refit is False
    assert Plan.of() == Plan()
    assert Plan.of(target=None) == Plan()


def test_all_problems_are_told_together() -> None:
    with pytest.raises(UsageError) as caught:
        Plan.of(rank=0, level=2, header="maybe", tarrget="x", time_limit="soon")
    error = caught.value
    assert error.code == "bad-plan"
    for name in ("rank", "level", "header", "tarrget", "time_limit"):
        assert f"{name}: " in error.found, name
    assert error.fix


def test_unknown_keys_are_refused_everywhere() -> None:
    with pytest.raises(ValidationError):
        DataPlan(targt="x")  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="no such choice"):
        Plan.of(colour="red")


def test_a_plan_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Plan().seed = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2 m ", 120), (45, 45), ("none", None), ("None", None)],
)
def test_durations(text: object, expected: float | None) -> None:
    assert seconds(text) == expected
    assert Plan.of(time_limit=text).ladder.time_limit == (expected if text is not None else 600)


@pytest.mark.parametrize("text", ["soon", "-5", "5d", "", "1h30m", "nan", "1e3"])
def test_what_is_no_duration_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"time_limit: .*duration"):
        Plan.of(time_limit=text)


LIMITS, SEEDS, NAMES = st.floats(1, 1e6), st.integers(0, 2**31), st.text(max_size=20)


@given(LIMITS, SEEDS, NAMES, st.sampled_from(["auto", "yes", "no"]), st.booleans())
def test_a_plan_survives_json(limit: float, seed: int, target: str, header: str, refit: bool) -> None:
    plan = Plan.of(time_limit=round(limit, 3), seed=seed, target=target, header=header, refit=refit)
    assert Plan.model_validate(json.loads(json.dumps(plan.model_dump(mode="json")))) == plan


def test_the_plan_of_a_run_is_read_back_as_it_was(finished: Any, tmp_path: Path) -> None:
    plan = Plan.load(finished.run / "plan.json")
    assert (plan.data.target, plan.ladder.rung, plan.training.epochs, plan.seed) == ("intent", "adapter", 2, 3)
    assert plan.base.base == str(finished.base)
    again = tmp_path / "plan.json"
    again.write_text(json.dumps(plan.model_dump(mode="json")))
    assert Plan.load(again) == plan


def test_no_time_limit_survives_a_file(tmp_path: Path) -> None:
    plan = Plan.of(time_limit="none")
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan.model_dump(mode="json")))
    assert Plan.load(path).ladder.time_limit is None


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"colour": 1}', '{"data": 3}'])
def test_a_file_that_is_no_plan_is_told(content: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content)
    with pytest.raises(UsageError):
        Plan.load(path)


def test_a_plan_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Plan.load(tmp_path / "nothing.json")
