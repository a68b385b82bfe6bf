"""Finished runs the documents are drawn from: an adapter on texts, and two versions of a small expert on rows."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from metier.govern.documents.dossier import Dossier
from metier.govern.documents.find import dossier_of
from metier.workspace import Workspace


@dataclass(frozen=True)
class Place:
    """A workspace with an expert's runs in it."""

    expert: Path
    workspace: Path
    test: Path

    def dossier(self, **more: object) -> Dossier:
        return dossier_of(self.expert, Workspace(self.workspace), **more)


@pytest.fixture(scope="session")
def texts(finished, metier, tmp_path_factory) -> Place:
    """The shared adapter, evaluated in a workspace of its own."""
    home = tmp_path_factory.mktemp("texts") / "home"
    expert = finished.run / "expert"
    words = ["--only", "comparison,calibration,slices", "--workspace", home, "--json"]
    answer = metier("evaluate", expert, finished.test, *words)
    assert answer.code == 0, answer
    return Place(expert, home, finished.test)


def write_loans(path: Path, rows: int, seed: int) -> Path:
    """Loans whose default depends on debt; a region as a group; the first rows are the same for every `rows`."""
    rng = np.random.default_rng(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["loan_id", "debt", "income", "limit", "days", "region", "default"])
        for number in range(rows):
            debt, income = rng.uniform(0, 1), int(rng.integers(20_000, 90_000))
            bad = debt + rng.normal(0, 0.25) > 0.6
            others = (
                income,
                int(rng.integers(1_000, 9_000)),
                int(rng.integers(30, 3_000)),
                ("north", "south")[number % 2],
            )
            writer.writerow([f"L-{number:05}", f"{debt:.6f}", *others, "yes" if bad else "no"])
    return path


def curated(data: Path, home: Path, metier) -> Path:
    """The rows as they come out of the data room, which was given one of them twice."""
    raw = data.with_name("raw.csv")
    lines = data.read_text().splitlines()
    raw.write_text("\n".join([*lines, lines[-1]]) + "\n")
    words = ["--target", "default", "--only", "duplicates", "--apply", "--source", "the branches' own books"]
    words += ["--purpose", "to decide on loans", "-o", data, "--workspace", home, "--json"]
    answer = metier("curate", raw, *words)
    assert answer.code == 0, answer
    return data


@pytest.fixture(scope="session")
def loans(tiny_base, metier, tmp_path_factory) -> tuple[Place, Place]:
    """A first version, and a second with rows added, another seed, and an evaluation against the first."""
    place = tmp_path_factory.mktemp("loans")
    home, test = place / "home", write_loans(place / "test.csv", 80, seed=9)
    made: list[Place] = []
    for number, rows in enumerate((160, 200), 1):
        data = write_loans(place / f"loans-{number}.csv", rows, seed=1)
        data = data if made else curated(data, home, metier)
        words = ["--target", "default", "--base", tiny_base, "--rung", "linear", "--seed", number, "--name", "loans"]
        expert = place / f"expert-{number}"
        answer = metier("tune", data, *words, "--workspace", home, "-o", expert, "--json")
        assert answer.code == 0, answer
        against = ["--against", made[0].expert] if made else []
        only = ["--only", "comparison,bias,privacy", "--group", "region"]
        answer = metier("evaluate", expert, test, *only, *against, "--workspace", home, "--json")
        assert answer.code == 0, answer
        made.append(Place(expert, home, test))
    return made[0], made[1]
