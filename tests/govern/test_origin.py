"""The rows an expert was tuned on are found again, and never others in their place."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from metier.expert import Expert
from metier.govern import origin
from metier.workspace import Workspace


def test_they_are_found_through_the_run_of_the_workspace(finished: Any) -> None:
    found, why = origin.find(Expert.load(finished.output), Workspace.find(finished.workspace))
    assert why == ""
    assert found is not None
    assert len(found.examples) == 300
    assert found.run == finished.run
    assert found.learnt.all()
    assert 0 < found.held_out.sum() < 300
    assert np.array_equal(np.flatnonzero(found.held_out), np.load(finished.run / "split.npy"))


def test_they_are_found_where_the_expert_lies_in_its_run(finished: Any, tmp_path: Path) -> None:
    found, _ = origin.find(Expert.load(finished.run / "expert"), Workspace.find(tmp_path / "elsewhere"))
    assert found is not None


def test_without_the_run_nothing_is_claimed(finished: Any, tmp_path: Path) -> None:
    found, why = origin.find(Expert.load(finished.output), Workspace.find(tmp_path / "elsewhere"))
    assert found is None
    assert "not in the workspace" in why


def test_a_changed_file_is_not_taken_for_the_old_one(finished: Any, tmp_path: Path) -> None:
    changed = tmp_path / "tickets.csv"
    shutil.copyfile(finished.data, changed)
    place = Workspace.find(finished.workspace)
    assert origin.find(Expert.load(finished.output), place, changed)[0] is not None
    changed.write_text(changed.read_text() + "one more,card\n")
    found, why = origin.find(Expert.load(finished.output), place, changed)
    assert found is None
    assert "no longer what the expert was tuned on" in why


def test_a_file_that_is_gone_is_told(finished: Any, tmp_path: Path) -> None:
    place = Workspace.find(finished.workspace)
    found, why = origin.find(Expert.load(finished.output), place, tmp_path / "gone.csv")
    assert found is None
    assert "cannot be read again" in why
