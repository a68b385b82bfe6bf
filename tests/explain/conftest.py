"""Experts opened for explaining: an adapter on tickets (shared), a table's linear model and a quantity of texts."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metier.expert import Expert
from metier.explain import room, subject
from metier.plan import Plan
from metier.progress import Silent
from metier.workspace import Workspace


@dataclass(frozen=True)
class Opened:
    """An expert, its workspace and its test file."""

    expert: Expert
    place: Workspace
    test: Path

    @property
    def subject(self) -> subject.Subject:
        """The expert as an explanation asks it."""
        return subject.of(self.expert, self.expert.task.usual(self.expert.examples(self.rows()).inputs))

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the test file."""
        with self.test.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def explainer(self, **choices: Any) -> room.Explainer:
        """Opened for explaining."""
        return room.load(self.expert, self.place, Plan.of(kind=self.expert.about["task"], **choices), Silent())


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A CSV of these rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def loans(rows: int, seed: int) -> list[dict[str, Any]]:
    """Loans that fail by debt and by one purpose; the colour of the form means nothing."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(rows):
        debt, purpose = float(rng.normal(50, 20)), ["car", "boat", "house"][rng.integers(3)]
        bad = debt / 20 + 2.0 * (purpose == "boat") + rng.normal(0, 0.3) > 3.2
        colour = ["red", "blue"][rng.integers(2)]
        out.append({"debt": round(debt, 1), "purpose": purpose, "colour": colour, "failed": "yes" if bad else "no"})
    return out


@pytest.fixture(scope="session")
def tickets(finished: Any) -> Opened:
    """The shared adapter; its run is in its workspace."""
    place = Workspace.find(finished.workspace)
    return Opened(Expert.load(finished.run / "expert", cache=place.cache), place, finished.test)


Tune = Callable[..., Opened]


@pytest.fixture(scope="session")
def tune(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Tune:
    """Tune on rows and open what comes of it."""
    import metier

    def run(rows: list[dict[str, Any]], test: list[dict[str, Any]], **choices: Any) -> Opened:
        folder = tmp_path_factory.mktemp("tuned")
        data, held = write(folder / "data.csv", rows), write(folder / "test.csv", test)
        place = Workspace.find(folder / "home")
        tuned = metier.tune(data, workspace=place.root, base=str(tiny_base), seed=1, **choices)
        return Opened(Expert.load(tuned.expert, cache=place.cache), place, held)

    return run


@pytest.fixture(scope="session")
def table(tune: Tune) -> Opened:
    """Boosted trees on loans."""
    return tune(loans(300, 0), loans(60, 1), target="failed", rung="trees", time_limit="20s")
