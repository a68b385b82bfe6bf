"""A finished run with people in its rows, copied for each test that erases from it."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import tickets

from metier import lifecycle
from metier.workspace import Workspace

PERSON = "C-4711-77"
TEXT = "Dear bank, this is Ada & I lost the blue card 9981 on the tram to Zell"


@dataclass(frozen=True)
class Desk:
    """A workspace with one tuned expert, and the two files it read; row 1 of the data is the person's."""

    place: Workspace
    data: Path
    test: Path
    run: Path


def write(path: Path, rows: int, seed: int, text: str | None = None) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["customer", "text", "intent"])
        for at, (words, intent) in enumerate(tickets(rows, seed)):
            mine = text is not None and at == 1
            writer.writerow([PERSON if mine else f"C-{1000 + at}-{seed}", text if mine else words, intent])
    return path


@pytest.fixture(scope="session")
def tuned_desk(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    data, test = write(folder / "people.csv", 240, 0, TEXT), write(folder / "test.csv", 60, 9)
    found = lifecycle.tune(
        data,
        workspace=folder / "metier",
        target="intent",
        text=("text",),
        test=str(test),
        base=str(tiny_base),
        rung="frozen",
    )
    return Desk(Workspace(folder / "metier"), data, test, found.run)


@pytest.fixture
def desk(tuned_desk: Desk, tmp_path: Path) -> Desk:
    """The desk, to be changed: its workspace and its data are this test's own."""
    shutil.copytree(tuned_desk.place.root, tmp_path / "metier", copy_function=shutil.copy2)
    place = Workspace(tmp_path / "metier")
    return Desk(place, tuned_desk.data, tuned_desk.test, place.runs / tuned_desk.run.name)
