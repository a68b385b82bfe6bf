"""The ladder: it climbs on proof alone, keeps to its time, and takes up what was done."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier.errors import UsageError
from metier.evaluate.metrics import find_metric
from metier.plan import Plan
from metier.progress import Silent
from metier.tasks.classes import Classes
from metier.tasks.contract import Array, Examples, Predictor, Work
from metier.tune import ladder as ladders
from metier.tune.curve import learning_curve
from metier.tune.folds import folds_of, halves, joined
from metier.tune.ladder import Climb, Course, baseline, climb, finish

TARGET = Classes(("a", "b", "c"))


@dataclass(frozen=True)
class Recall:
    """Answers each row right or wrong as its number says: `quality` of the rows are answered right."""

    quality: float
    rows: int

    def outputs(self, inputs: Any) -> Array:
        rows = np.array([int(text) for text in inputs.to_pylist()])
        # Every rung errs on rows of its own: a fixed shuffle by the quality itself.
        luck = np.random.default_rng(round(1000 * self.quality)).random(10_000)[rows]
        out = np.zeros((len(rows), 3), np.float32)
        out[np.arange(len(rows)), np.where(luck < self.quality, rows % 3, (rows + 1) % 3)] = 2.0
        return out

    def save(self, folder: Path) -> None:
        (folder / "recall.json").write_text(json.dumps([self.quality, self.rows]))


@dataclass
class Fake:
    """A rung of a given quality; it counts its fits."""

    name: str
    quality: float
    trains: bool = False
    seconds: float = 0.1
    summary: str = "answers a share of the rows right"
    works: list[Work] = field(default_factory=list)

    def estimate(self, work: Work) -> float:
        return self.seconds

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        self.works.append(work)
        return Recall(self.quality, len(work.train)), {"rows": len(work.train), "l2": 0.1}

    def load(self, folder: Path, trunk: Any, target: Any) -> Predictor:
        return Recall(*json.loads((folder / "recall.json").read_text()))


class Saying(Silent):
    """A Progress that keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def numbered(rows: int, groups: Array | None = None, assigned: Array | None = None) -> Examples:
    """Rows whose text is their own number and whose label is that number modulo three."""
    inputs = pa.chunked_array([pa.array([str(row) for row in range(rows)], pa.large_string())])
    return Examples(inputs, np.arange(rows) % 3, TARGET, np.arange(rows), groups, assigned)


def course(
    folder: Path, rungs: Sequence[Fake], *, rows: int = 1000, left: float | None = None, **choices: Any
) -> Course:
    examples = numbered(rows)
    train, validation = np.arange(0, rows // 2), np.arange(rows // 2, rows)
    return Course(
        rungs=tuple(rungs),
        folds=folds_of(examples, train, validation, 0),
        plan=Plan.of(**choices),
        trunk=None,  # type: ignore[arg-type]  these rungs read no texts
        metric=find_metric(None, TARGET),
        folder=folder,
        progress=Saying(),
        clock=lambda: left,
    )


def told(found: Climb) -> dict[str, tuple[bool, bool]]:
    """Rung -> (tried, taken)."""
    return {step.name: (step.outputs is not None, step.taken) for step in found.steps}


LADDER = (("majority", 0.33), ("linear", 0.6), ("frozen", 0.8), ("adapter", 0.9), ("full", 0.9))


def ladder(*qualities: tuple[str, float]) -> list[Fake]:
    return [Fake(name, quality, trains=name in ("adapter", "full")) for name, quality in qualities or LADDER]


# ------------------------------------------------------------------------------------------------------------- the climb


def test_the_climb_takes_what_pays_and_stops_where_tuning_does_not(tmp_path: Path) -> None:
    rungs = ladder(*LADDER[:3], ("adapter", 0.9), ("full", 0.901), ("more", 0.99))
    found = climb(course(tmp_path, rungs, rows=2000))
    assert found.chosen.name == "adapter"
    assert told(found) == {
        "majority": (True, True),
        "linear": (True, True),
        "frozen": (True, True),
        "adapter": (True, True),
        "full": (True, False),
        "more": (False, False),
    }
    reasons = {step.name: step.reason for step in found.steps}
    assert reasons["majority"] == "the floor"
    assert "over frozen" in reasons["adapter"]
    assert "better beyond chance" in reasons["adapter"]
    assert "full did not pay" in reasons["more"]
    assert [len(rung.works) for rung in rungs] == [1, 1, 1, 1, 1, 0]
    assert set(rungs[3].works[0].earlier) == {"majority", "linear", "frozen"}


def test_a_cheap_rung_that_does_not_pay_is_passed_over(tmp_path: Path) -> None:
    found = climb(course(tmp_path, ladder(("majority", 0.33), ("linear", 0.8), ("generic", 0.4), ("frozen", 0.9))))
    assert told(found)["generic"] == (True, False)
    assert found.chosen.name == "frozen"
    assert found.chosen.over == "linear"


def test_figures_and_outputs_of_a_step_belong_together(tmp_path: Path) -> None:
    one = course(tmp_path, ladder())
    found = climb(one)
    for step in found.steps:
        assert step.outputs is not None
        accuracy = float((step.outputs.argmax(1) == found.truth).mean())
        assert step.validation["accuracy"] == pytest.approx(accuracy)
        assert step.interval is not None
        assert step.interval.low <= accuracy <= step.interval.high
        record = json.loads((tmp_path / step.name / "metrics.json").read_text())
        assert record == json.loads(json.dumps(step.record()))
        assert set(record) >= {"name", "validation", "gain", "seconds", "taken", "reason"}
    assert found.steps[0].record()["gain"] is None
    assert found.steps[1].record()["gain"]["over"] == "majority"
    assert len(one.progress.lines) == 5  # type: ignore[attr-defined]


def test_a_forced_rung_is_taken_whether_it_pays_or_not(tmp_path: Path) -> None:
    rungs = ladder(("majority", 0.33), ("frozen", 0.9), ("adapter", 0.5), ("full", 0.95))
    found = climb(course(tmp_path, rungs, rung="adapter"))
    assert found.chosen.name == "adapter"
    assert told(found)["full"] == (False, False)
    assert "--rung" in found.steps[2].reason
    assert "worse" in found.steps[2].reason


def test_a_dearer_rung_than_the_forced_one_is_left_out_and_a_trained_one_below_it_too(tmp_path: Path) -> None:
    rungs = ladder()
    found = climb(course(tmp_path, rungs, rung="full"))
    assert told(found)["adapter"] == (False, False)
    assert found.chosen.name == "full"
    assert not rungs[3].works
    found = climb(course(tmp_path / "two", ladder(), rung="linear"))
    assert found.chosen.name == "linear"
    assert [step.outputs is not None for step in found.steps] == [True, True, False, False, False]


def test_a_forced_rung_is_tried_also_when_no_time_is_left(tmp_path: Path) -> None:
    rungs = ladder()
    rungs[3].seconds = 1e6
    assert climb(course(tmp_path, rungs, rung="adapter", left=1.0)).chosen.name == "adapter"


def test_a_rung_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        climb(course(tmp_path, ladder(), rung="lora"))
    assert caught.value.code == "no-such-rung"
    assert "adapter" in caught.value.fix


def test_a_rung_beyond_the_time_limit_is_not_tried_and_says_so(tmp_path: Path) -> None:
    rungs = ladder()
    rungs[3].seconds = 80.0
    found = climb(course(tmp_path, rungs, left=100.0))
    assert found.chosen.name == "frozen"
    assert not rungs[3].works
    # The estimate and two fifths of it: to climb, and one more pass on all rows.
    assert re.search(r"about 112 s and 100 s", found.steps[3].reason)
    assert found.steps[4].outputs is None
    assert climb(course(tmp_path / "two", ladder(), left=100.0, refit=False)).chosen.name == "adapter"


def test_time_is_kept_back_to_train_the_rung_stood_on_once_more(tmp_path: Path) -> None:
    rungs = [replace(rung, trains=rung.name in ("adapter", "full")) for rung in ladder()]
    where = course(tmp_path, rungs, left=1000.0)
    steps = {step.name: replace(step, seconds=80.0) for step in climb(where).steps}
    kept = ladders._kept_back
    assert kept(where, rungs[4], steps["adapter"]) == pytest.approx(100.0)
    assert kept(where, rungs[4], steps["frozen"]) == kept(where, rungs[1], steps["adapter"]) == 0


def test_with_no_time_left_only_the_floor_stands(tmp_path: Path) -> None:
    rungs = ladder()
    found = climb(course(tmp_path, rungs, left=-1.0))
    assert found.chosen.name == "majority"
    assert [len(rung.works) for rung in rungs] == [1, 0, 0, 0, 0]
    assert "--time-limit" in found.steps[1].reason


def test_a_fit_is_given_its_share_of_the_time(tmp_path: Path) -> None:
    rungs = ladder()
    climb(course(tmp_path, rungs, left=100.0))
    assert rungs[3].works[0].seconds_left == pytest.approx(0.92 * 100 / 1.4)
    rungs = ladder()
    climb(course(tmp_path / "two", rungs))
    assert rungs[3].works[0].seconds_left is None


def test_tuning_is_not_tried_where_even_perfection_could_not_be_told(tmp_path: Path) -> None:
    rungs = ladder(("majority", 0.33), ("frozen", 0.998), ("adapter", 1.0), ("full", 1.0))
    found = climb(course(tmp_path, rungs, rows=600))
    assert found.chosen.name == "frozen"
    assert not rungs[2].works
    assert "even a perfect rung could not be told from frozen" in found.steps[2].reason
    assert "300 rows" in found.steps[2].reason


# ----------------------------------------------------------------------------------------------------- folds, few rows


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(6, 120), share=st.floats(0.1, 0.5), seed=st.integers(0, 50), grouped=st.booleans())
def test_with_few_rows_each_is_held_out_once(rows: int, share: float, seed: int, grouped: bool) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, max(6, rows // 3), rows) if grouped else None
    order = rng.permutation(rows)
    cut = max(1, int(share * rows))
    unused = max(1, rows // 20)
    train, validation = order[cut:-unused], order[:cut]
    examples = numbered(rows, groups)
    folds = folds_of(examples, train, validation, seed)
    held = np.concatenate([held_out.rows for _, held_out in folds])
    assert sorted(held) == sorted(np.concatenate([train, validation]))
    for training, held_out in folds:
        assert not set(training.rows) & set(held_out.rows)
        assert sorted([*training.rows, *held_out.rows]) == sorted(held)
        if grouped and len(np.unique(examples.groups[np.sort(held)])) >= 5:  # type: ignore[index]
            assert not set(training.groups) & set(held_out.groups)  # type: ignore[arg-type]


def test_folds_hold_every_label_in_its_share() -> None:
    folds = folds_of(numbered(120), np.arange(96), np.arange(96, 120), 0)
    assert len(folds) == 5
    for training, held_out in folds:
        assert np.bincount(held_out.targets).tolist() == [8, 8, 8]
        assert np.bincount(training.targets).tolist() == [32, 32, 32]


def test_enough_held_out_rows_or_a_split_of_the_tables_own_are_kept() -> None:
    train, validation = np.arange(0, 300), np.arange(300, 450)
    ((training, held_out),) = folds_of(numbered(450), train, validation, 0)
    assert (training.rows.tolist(), held_out.rows.tolist()) == (train.tolist(), validation.tolist())
    assert len(folds_of(numbered(450), train, validation[:-1], 0)) == 5
    own = numbered(30, assigned=np.array(["train"] * 20 + ["validation"] * 10))
    assert len(folds_of(own, np.arange(20), np.arange(20, 30), 0)) == 1


def test_with_folds_a_rung_is_judged_on_all_rows(tmp_path: Path) -> None:
    rungs = ladder(("majority", 0.33), ("linear", 0.9))
    found = climb(course(tmp_path, rungs, rows=200))
    assert found.folds == 5
    assert len(rungs[1].works) == 5
    assert sorted(found.held_out.rows) == list(range(200))
    assert found.held_out.targets.tolist() == found.truth.tolist()
    for step in found.steps:
        assert step.outputs is not None
        np.testing.assert_array_equal(
            step.outputs, Recall(dict(LADDER, linear=0.9)[step.name], 0).outputs(found.held_out.inputs)
        )
    assert [len(work.earlier) for work in rungs[1].works] == [1] * 5


class Standing(Fake):
    """A rung that is known to be the better one."""

    def stands(self, work: Work) -> str:
        return "it is known to be better"


@dataclass
class Sparing(Fake):
    """A rung that is measured on halves, and not tried on some rows."""

    fewest: int = 0

    def refuses(self, work: Work) -> str:
        return "" if len(work.train) >= self.fewest else "too few rows for it"

    def spared(self, work: Work) -> str:
        return "it is dear"


@pytest.mark.parametrize(("quality", "taken"), [(0.62, True), (0.60, True), (0.58, True), (0.30, False)])
def test_a_rung_that_stands_is_taken_unless_proven_worse(tmp_path: Path, quality: float, taken: bool) -> None:
    found = climb(course(tmp_path, [Fake("generic", 0.6), Standing("frozen", quality)], rows=200))
    assert found.steps[1].taken is taken
    assert ("it is known to be better" in found.steps[1].reason) is taken
    plain = climb(course(tmp_path / "plain", [Fake("generic", 0.6), Fake("frozen", quality)], rows=200))
    assert not plain.steps[1].taken


@pytest.mark.parametrize(("quality", "taken"), [(0.58, True), (0.30, False)])
def test_a_rung_that_is_spared_is_measured_on_halves_and_taken_unless_proven_worse(
    tmp_path: Path, quality: float, taken: bool
) -> None:
    frozen, dear = Fake("frozen", 0.6), Sparing("adapter", quality, trains=True)
    dearer = Fake("full", 0.99, trains=True)
    found = climb(course(tmp_path, [frozen, dear, dearer], rows=200))
    step = found.steps[1]
    assert step.taken is taken
    assert ("both were fitted on one half of the rows" in step.reason) is taken
    assert (found.steps[0].folds, step.folds, found.steps[2].folds) == (5, 2, 5 if taken else 0)
    assert [len(work.train) for work in frozen.works[:7]] == [160] * 5 + [len(work.train) for work in dear.works]
    assert [len(work.train) + len(work.validation or ()) for work in dear.works] == [200, 200]
    np.testing.assert_array_equal(step.outputs, Recall(quality, 0).outputs(found.held_out.inputs))  # type: ignore[arg-type]
    assert all(not work.earlier for work in dear.works), "what was fitted on the folds has seen the other half"
    again = climb(course(tmp_path, [Fake("frozen", 0.6), dear, dearer], rows=200))
    assert (len(dear.works), again.steps[1].record()) == (2, step.record())
    one_split = Sparing("adapter", 0.58, trains=True)
    split = climb(course(tmp_path / "split", [Fake("frozen", 0.6), one_split]))
    assert (len(one_split.works), split.steps[1].taken) == (1, False)


def test_a_rung_that_refuses_is_tried_only_when_asked_for(tmp_path: Path) -> None:
    def rungs() -> list[Fake]:
        return [Fake("frozen", 0.6), Sparing("adapter", 0.9, trains=True, fewest=1000), Fake("full", 0.99, trains=True)]

    found = climb(course(tmp_path, rungs(), rows=200))
    assert told(found) == {"frozen": (True, True), "adapter": (False, False), "full": (False, False)}
    assert found.steps[1].reason == "too few rows for it"
    asked = climb(course(tmp_path / "asked", rungs(), rows=200, rung="adapter"))
    assert asked.chosen.name == "adapter"


@pytest.mark.parametrize("grouped", [False, True])
def test_halves_hold_out_every_row_once_and_train_on_the_other_half(grouped: bool) -> None:
    groups = np.arange(120) // 4 if grouped else None
    folds = folds_of(numbered(120, groups), np.arange(96), np.arange(96, 120), 0)
    parts = halves(folds)
    assert (
        np.concatenate([held_out.rows for _, held_out in parts]).tolist() == joined([h for _, h in folds]).rows.tolist()
    )
    for training, held_out in parts:
        assert sorted([*training.rows, *held_out.rows]) == list(range(120))
        assert not grouped or not set(training.groups) & set(held_out.groups)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------ taken up again


@pytest.mark.parametrize("rows", [1000, 200])
def test_a_rung_finished_on_disk_is_not_fitted_again(tmp_path: Path, rows: int) -> None:
    first = climb(course(tmp_path, ladder(), rows=rows))
    rungs = ladder()
    again = climb(course(tmp_path, rungs, rows=rows))
    assert [len(rung.works) for rung in rungs] == [0] * 5
    assert [replace(step, outputs=None) for step in again.steps] == [replace(s, outputs=None) for s in first.steps]
    for one, other in zip(first.steps, again.steps, strict=True):
        np.testing.assert_array_equal(one.outputs, other.outputs)  # type: ignore[arg-type]


def test_a_rung_half_done_is_finished_although_time_has_run_short(tmp_path: Path) -> None:
    class Stopped(Fake):
        def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
            raise KeyboardInterrupt

    rungs: list[Fake] = [*ladder()[:3], Stopped("adapter", 0.9, trains=True, seconds=30)]
    with pytest.raises(KeyboardInterrupt):
        climb(course(tmp_path, rungs, left=100.0))
    rungs = ladder()[:4]
    rungs[3].seconds = 30
    found = climb(course(tmp_path, rungs, left=40.0))
    assert found.chosen.name == "adapter"
    assert [len(rung.works) for rung in rungs] == [0, 0, 0, 1]


# ------------------------------------------------------------------------------------------- the last fit, base and curve


def test_the_chosen_rung_is_fitted_once_more_on_all_rows_with_its_settings(tmp_path: Path) -> None:
    rungs = ladder()
    one = course(tmp_path, rungs)
    found = climb(one)
    final = finish(one, found, numbered(1000))
    assert found.chosen.name == "adapter"
    work = rungs[3].works[-1]
    assert (len(work.train), work.validation, work.settings) == (1000, None, found.chosen.settings)
    assert work.earlier["adapter"] is found.predictors["adapter"]
    assert isinstance(final.predictor, Recall)
    assert final.predictor.rows == 1000
    assert work.folder == tmp_path / "adapter" / "all-rows"


def test_without_a_refit_the_climbs_own_fit_is_the_outcome(tmp_path: Path) -> None:
    rungs = ladder()
    one = course(tmp_path, rungs, refit=False)
    found = climb(one)
    final = finish(one, found, numbered(1000))
    assert final.predictor is found.predictors["adapter"]
    assert len(rungs[3].works) == 1


def test_folds_are_always_followed_by_a_fit_on_all_rows(tmp_path: Path) -> None:
    rungs = ladder(("majority", 0.33), ("linear", 0.9))
    one = course(tmp_path, rungs, rows=200, refit=False)
    final = finish(one, climb(one), numbered(200))
    assert isinstance(final.predictor, Recall)
    assert final.predictor.rows == 200
    assert rungs[1].works[-1].earlier == {}


def test_the_baseline_is_the_generic_base_or_the_floor(tmp_path: Path) -> None:
    found = climb(course(tmp_path, ladder(("majority", 0.33), ("generic", 0.5), ("frozen", 0.9))))
    name, predictor, outputs = baseline(found)
    assert name == "generic"
    assert isinstance(predictor, Recall)
    assert predictor.quality == 0.5
    np.testing.assert_array_equal(outputs, found.steps[1].outputs)  # type: ignore[arg-type]
    assert baseline(climb(course(tmp_path / "two", ladder(("majority", 0.33), ("frozen", 0.9)))))[0] == "majority"


def test_the_learning_curve_is_drawn_from_the_dearest_rung_that_trains_no_weights(tmp_path: Path) -> None:
    rungs = ladder()
    one = course(tmp_path, rungs)
    found = learning_curve(one, climb(one))
    assert (found["rung"], found["metric"]) == ("frozen", "accuracy")
    sizes = [point["rows"] for point in found["points"]]
    assert sizes == sorted(sizes)
    assert sizes[-1] == 500
    assert [len(work.train) for work in rungs[2].works[1:]] == sizes
    assert all(work.validation is None for work in rungs[2].works[1:])
    assert all(point["low"] <= point["value"] <= point["high"] for point in found["points"])


def test_no_learning_curve_is_drawn_where_there_is_no_time_or_nothing_to_draw(tmp_path: Path) -> None:
    one = course(tmp_path, ladder(("majority", 0.33), ("generic", 0.5)))
    assert learning_curve(one, climb(one))["points"]  # the floor itself is a rung that can be fitted again
    rungs = ladder()
    two = course(tmp_path / "two", rungs)
    found = climb(two)
    assert learning_curve(replace(two, clock=lambda: -1.0), found)["points"] == []
