"""What a fix is worth: told by a paired interval on rows nothing was done to, and by nothing those rows told."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metier import tasks
from metier.curate import worth
from metier.curate.findings import Finding
from metier.curate.material import Material, Side
from metier.data.read import read
from metier.plan import Plan
from metier.trunk import base
from metier.trunk.features import Trunk

Ask = Callable[[Material], Sequence[Finding]]
LABELS = ("card", "fees", "login")


class Desk:
    """Tickets of three labels that single words give away, a share of the training labels wrong; and who knows which."""

    def __init__(self, folder: Path, tiny_base: Path, rows: int, wrong: float, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.true = [LABELS[n % 3] for n in range(rows)]
        texts = [f"{rng.choice(['my', 'the', 'a'])} {label} {rng.integers(10**6)}" for label in self.true]
        self.given = list(self.true)
        self.wrong = np.flatnonzero(rng.random(rows) < wrong)
        for row in self.wrong:
            self.given[row] = LABELS[(LABELS.index(self.true[row]) + 1 + int(rng.integers(2))) % 3]
        self.path = folder / f"{rows}-{seed}.csv"
        with self.path.open("w", newline="") as file:
            csv.writer(file).writerows([("text", "intent"), *zip(texts, self.given, strict=True)])
        self.plan = Plan.of(target="intent", text=("text",), header="yes", base=str(tiny_base), seed=seed)
        self.trunk = Trunk(base.find(str(tiny_base)), folder / "cache")
        self.seen: list[set[int]] = []
        self.folder = folder

    def side(self) -> Side:
        task = tasks.get("text-classification")
        data = read(self.path, self.plan.data, self.folder / "tables")
        return Side(data, task.prepare(data, self.plan))

    def material(self, test: Side | None = None) -> Material:
        return Material(tasks.get("text-classification"), self.side(), test, self.trunk, self.plan)

    def oracle(self, material: Material) -> list[Finding]:
        """Knows every wrong label among the rows it is shown."""
        self.seen.append(set(material.train.examples.rows.tolist()))
        return [
            Finding("label_error", row, material.train.file, 0.9, "Wrong.", self.true[row], "relabel")
            for row in self.wrong.tolist()
            if row in self.seen[-1]
        ]

    def vandal(self, material: Material) -> list[Finding]:
        """Gives every row one of two labels, whatever it says."""
        rows = material.train.examples.rows.tolist()
        return [Finding("label_error", row, material.train.file, 0.9, "", LABELS[row % 2], "relabel") for row in rows]


def fixes(found: worth.Worth) -> dict[str, worth.Fix]:
    return {fix.name: fix for fix in found.fixes}


@pytest.fixture(scope="module")
def clean_test(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Side:
    return Desk(tmp_path_factory.mktemp("test"), tiny_base, 240, 0.0, seed=9).side()


def test_mended_labels_are_worth_something_and_ruined_ones_cost(
    tmp_path: Path, tiny_base: Path, clean_test: Side
) -> None:
    desk = Desk(tmp_path, tiny_base, 180, 0.45, seed=1)
    material = desk.material(clean_test)
    found = worth.measure(material, desk.oracle(material), desk.oracle, tmp_path / "worth")
    mended = fixes(found)["relabel"]
    assert mended.gain.low > 0
    assert mended.rows == len(desk.wrong)
    assert mended.value.value == pytest.approx(found.base.value + mended.gain.points)
    assert (found.held_out, found.rows, found.doubted, found.metric) == ("test", 240, 0, "accuracy")
    ruined = worth.measure(material, desk.vandal(material), desk.vandal, tmp_path / "worth")
    assert fixes(ruined)["relabel"].gain.high < 0


def test_without_a_test_file_the_questions_never_see_the_held_out_rows(tmp_path: Path, tiny_base: Path) -> None:
    desk = Desk(tmp_path, tiny_base, 240, 0.2)
    material = desk.material()
    findings = desk.oracle(material)
    found = worth.measure(material, findings, desk.oracle, tmp_path / "worth")
    everything, part = desk.seen
    assert part < everything
    assert found.held_out == "validation"
    assert found.rows == len(everything) - len(part)
    assert found.train_rows == len(part)
    assert found.doubted == len([row for row in desk.wrong.tolist() if row not in part])
    assert any("doubtful labels themselves" in note for note in found.notes)
    assert fixes(found)["relabel"].apart is not None


def test_a_fix_that_does_nothing_proves_nothing(tmp_path: Path, tiny_base: Path, clean_test: Side) -> None:
    desk = Desk(tmp_path, tiny_base, 120, 0.0)
    material = desk.material(clean_test)
    same = [Finding("label_error", row, material.train.file, 0.9, "", desk.true[row], "relabel") for row in range(9)]
    found = worth.measure(material, same, lambda _: same, tmp_path / "worth")
    gain = fixes(found)["relabel"].gain
    assert gain.points == 0
    assert gain.low <= 0 <= gain.high


def test_each_fix_stands_alone_and_all_of_them_together_come_last(
    tmp_path: Path, tiny_base: Path, clean_test: Side
) -> None:
    desk = Desk(tmp_path, tiny_base, 120, 0.2)
    material = desk.material(clean_test)
    file = material.train.file
    sound = [row for row in range(120) if row not in desk.wrong.tolist()]
    findings = [
        *desk.oracle(material),
        *(Finding("duplicate", row, file, 1.0, "", 0, "drop") for row in sound[:5]),
        *(Finding("off_topic", row, file, 0.9, "", None, "review") for row in sound[5:9]),
        Finding("personal_data", sound[9], file, 0.9, "", "the [name] card", "rewrite", "text"),
        Finding("leakage", 3, str(clean_test.file), 1.0, "", None, "drop"),
    ]
    found = worth.measure(material, findings, lambda _: findings, tmp_path / "worth")
    assert [(fix.name, fix.rows) for fix in found.fixes] == [
        ("drop copies", 5),
        ("relabel", len(desk.wrong)),
        ("drop what would be relabelled", len(desk.wrong)),
        ("hide personal data", 1),
        ("everything proposed", len(desk.wrong) + 6),
    ]
    told = found.as_json()["fixes"][0]
    assert set(told) == {"fix", "rows", "value", "low", "high", "gain", "gain_undoubted"}
    assert told["gain"]["over"] == "as it is"


def test_the_table_itself_is_not_changed(tmp_path: Path, tiny_base: Path, clean_test: Side) -> None:
    desk = Desk(tmp_path, tiny_base, 90, 0.3)
    material = desk.material(clean_test)
    before = material.train.dataset.table.to_pydict()
    worth.measure(material, desk.oracle(material), desk.oracle, tmp_path / "worth")
    assert material.train.dataset.table.to_pydict() == before
    assert np.array_equal(replace(material).train.examples.targets, material.train.examples.targets)
