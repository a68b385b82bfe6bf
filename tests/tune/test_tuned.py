"""The rungs adapter and full: they learn, repeat themselves, come back from disk, and go on where they were stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metier.errors import UsageError
from metier.evaluate.metrics import find_metric
from metier.tasks.classes import Classes
from metier.tasks.contract import Predictor, Work
from metier.tasks.text_rungs import FrozenRung, LinearRung
from metier.trunk.base import find
from metier.trunk.features import Trunk
from metier.tune import loop, sizing
from metier.tune.tuned import ADAPTER, FULL, TunedRung

MakeWork = Callable[..., Work]
RUNGS = {"adapter": ADAPTER, "full": FULL}
PLAN = {"layers": 2, "learning_rate": 5e-3}
PAIRS_PLAN = {**PLAN, "epochs": None}
WEIGHTS = {"adapter": "adapter_model.safetensors", "full": "model.safetensors"}


class Stopping:
    """A Progress that stops the run at a step of a stage, and keeps which stages there were."""

    def __init__(self, at: int = -1) -> None:
        self.at = at
        self.stages: list[str] = []

    @contextmanager
    def stage(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Stopping]:
        self.stages.append(title)
        yield self

    def advance(self, amount: int = 1, **figures: float) -> None:
        if "loss" in figures:
            self.at -= 1
            if self.at == 0:
                raise KeyboardInterrupt

    def say(self, line: str) -> None:
        raise AssertionError(line)


def rows_equal(one: Predictor, other: Predictor, inputs: Any) -> None:
    np.testing.assert_allclose(one.outputs(inputs), other.outputs(inputs), rtol=1e-5, atol=1e-5)


def same_weights(one: Path, other: Path, name: str) -> bool:
    files = [WEIGHTS[name], "head.safetensors"]
    return all((one / file).read_bytes() == (other / file).read_bytes() for file in files)


@pytest.fixture(scope="module", params=["adapter", "full"])
def fitted(
    request: pytest.FixtureRequest, make_work: MakeWork, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TunedRung, Work, Predictor, dict[str, Any]]:
    """Each rung fitted once: (rung, work, predictor, settings)."""
    rung = RUNGS[request.param]
    work = make_work(tmp_path_factory.mktemp(request.param), plan=PLAN)
    return (rung, work, *rung.fit(work))


Fitted = tuple[TunedRung, Work, Predictor, dict[str, Any]]


def test_it_learns_and_tells_plain_settings(fitted: Fitted) -> None:
    rung, work, predictor, settings = fitted
    assert work.validation is not None
    outputs = predictor.outputs(work.validation.inputs)
    assert outputs.shape == (60, 4)
    assert (outputs.argmax(1) == work.validation.targets).mean() > 0.6
    assert json.loads(json.dumps(settings)) == settings
    assert settings["layers"] == 2
    assert settings["trained_parameters"] > 0
    assert settings["best_step"] <= settings["steps"] == 10
    assert settings["examples_per_second"] > 0
    left = {path.name for path in work.folder.iterdir()}
    assert left == {"weights"}, "no checkpoint, states or notes are left behind"
    assert rung.estimate(work) > 0


def test_it_comes_back_from_disk_as_it_was(fitted: Fitted, trunk: Trunk, tmp_path: Path) -> None:
    rung, work, predictor, _ = fitted
    (tmp_path / "one").mkdir()
    predictor.save(tmp_path / "one")
    inputs = work.train.inputs[:40]
    again = rung.load(tmp_path / "one", trunk, work.train.target)
    rows_equal(again, predictor, inputs)
    # Also among other files, as a rung's folder of an earlier run is when it is taken up again.
    (tmp_path / "one" / "weights").mkdir()
    (tmp_path / "two").mkdir()
    again.save(tmp_path / "two")
    rows_equal(rung.load(tmp_path / "two", trunk, work.train.target), predictor, inputs)
    fresh = Trunk(find(trunk.base.folder))
    rows_equal(rung.load(tmp_path / "two", fresh, work.train.target), predictor, inputs)


def test_the_base_itself_is_not_changed(fitted: Fitted, trunk: Trunk) -> None:
    _, work, predictor, _ = fitted
    inputs = work.train.inputs[:8]
    np.testing.assert_array_equal(trunk.features(inputs), Trunk(find(trunk.base.folder)).features(inputs))
    tuned = predictor.trunk.features(inputs)  # type: ignore[attr-defined]
    assert np.abs(tuned[:, :32] - trunk.features(inputs)[:, :32]).max() > 0.002
    np.testing.assert_allclose(tuned[:, 32:], trunk.features(inputs)[:, 32:], atol=1e-3)


def test_a_second_fit_in_the_same_folder_trains_nothing(fitted: Fitted) -> None:
    rung, work, predictor, settings = fitted
    progress = Stopping()
    again, same = rung.fit(replace(work, progress=progress))
    assert rung.name not in progress.stages
    assert same == settings
    rows_equal(again, predictor, work.train.inputs[:20])


def test_the_same_plan_gives_the_same_weights_and_another_seed_others(
    fitted: Fitted, make_work: MakeWork, tmp_path: Path
) -> None:
    rung, work, _, _ = fitted
    again = make_work(tmp_path / "again", plan=PLAN)
    rung.fit(again)
    assert same_weights(again.folder / "weights", work.folder / "weights", rung.name)
    other = make_work(tmp_path / "other", plan={**PLAN, "seed": 4})
    rung.fit(other)
    assert not same_weights(other.folder / "weights", work.folder / "weights", rung.name)


@pytest.mark.parametrize("step", [1, 6, 10])
def test_a_fit_that_was_stopped_goes_on_to_the_same_weights(
    fitted: Fitted, make_work: MakeWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    rung, work, _, _ = fitted
    stopped = make_work(tmp_path, plan=PLAN, progress=Stopping(step))
    with pytest.raises(KeyboardInterrupt):
        rung.fit(stopped)
    rung.fit(replace(stopped, progress=Stopping()))
    assert same_weights(tmp_path / "weights", work.folder / "weights", rung.name)


def test_what_was_decided_in_time_holds_when_less_time_is_left(make_work: MakeWork, tmp_path: Path) -> None:
    ample = make_work(tmp_path / "ample", plan={"epochs": None}, rows=40)
    hurried = replace(ample, folder=tmp_path / "hurried", seconds_left=0.0)
    decided = sizing.settings("adapter", ample)
    assert sizing.settings("adapter", hurried) != decided
    with pytest.raises(KeyboardInterrupt):
        ADAPTER.fit(replace(ample, progress=Stopping(3)))
    _, settings = ADAPTER.fit(replace(ample, seconds_left=0.0, plan=ample.plan))
    assert {name: settings[name] for name in ("layers", "rank")} == {n: decided[n] for n in ("layers", "rank")}
    assert settings["steps"] >= 2 * decided["epochs"] / 3


@pytest.fixture(scope="module")
def paired(make_work: MakeWork, tmp_path_factory: pytest.TempPathFactory) -> tuple[Work, list[str]]:
    """An adapter for ten labels a class, and the stages it went through."""
    progress = Stopping()
    work = make_work(tmp_path_factory.mktemp("paired"), rows=40, plan=PAIRS_PLAN, progress=progress)
    predictor, settings = ADAPTER.fit(work)
    assert settings["contrastive"]
    assert (settings["epochs"], settings["scale"], settings["blend"]) == (0, 1.0, {})
    assert settings["steps"] == 17, "44 texts and names, twelve times each"
    stages = list(progress.stages)
    alone = make_work(tmp_path_factory.mktemp("alone"), rows=40, plan=PAIRS_PLAN, validation=None, settings=settings)
    again, _ = ADAPTER.fit(alone)
    rows_equal(again, predictor, work.train.inputs[:20])
    return work, stages


def test_with_few_labels_pairs_come_first_unless_the_plan_says_otherwise(
    paired: tuple[Work, list[str]], make_work: MakeWork, tmp_path: Path
) -> None:
    work, stages = paired
    trained = [stage for stage in stages if stage.startswith("adapter")]
    assert trained == ["adapter, pairs"], "of few labels nothing more is learnt"
    assert {path.name for path in work.folder.iterdir()} == {"weights"}
    progress = Stopping()
    ADAPTER.fit(make_work(tmp_path, rows=40, plan={**PLAN, "contrastive": "no"}, progress=progress))
    assert "adapter, pairs" not in progress.stages
    assert not same_weights(tmp_path / "weights", work.folder / "weights", "adapter")


def test_pairs_that_are_asked_for_are_followed_by_passes_over_the_rows(make_work: MakeWork, tmp_path: Path) -> None:
    progress = Stopping()
    _, settings = ADAPTER.fit(make_work(tmp_path, plan={**PLAN, "contrastive": "yes"}, progress=progress))
    assert [stage for stage in progress.stages if stage.startswith("adapter")] == ["adapter, pairs", "adapter"]
    assert settings["epochs"] == 2


def test_an_adapter_from_pairs_is_spared_and_neither_it_nor_full_is_always_tried(
    make_work: MakeWork, tmp_path: Path
) -> None:
    few, fewer = (make_work(tmp_path, rows=rows, plan={"epochs": None}) for rows in (40, 36))
    assert "unless proven worse" in ADAPTER.spared(few)
    assert ADAPTER.refuses(few) == ""
    assert "fewer than 10" in ADAPTER.refuses(fewer)
    assert "adapter" in FULL.refuses(few)
    for other in ({"contrastive": "no"}, {"contrastive": "yes"}, {"epochs": 3}):
        asked = make_work(tmp_path, rows=36, plan={"epochs": None, **other})
        assert (ADAPTER.spared(asked), ADAPTER.refuses(asked), FULL.refuses(asked)) == ("", "", "")
    many = make_work(tmp_path, rows=160, plan={"epochs": None})
    # Few a label, but with the 40 names more texts than can be seen twelve times.
    wide = replace(many, train=replace(many.train, target=Classes(tuple(f"label {at}" for at in range(40)))))
    for one in (many, wide):
        assert (ADAPTER.spared(one), ADAPTER.refuses(one), FULL.refuses(one)) == ("", "", "")


@pytest.mark.parametrize("step", [5, 17])
def test_a_start_from_pairs_goes_on_to_the_same_weights_when_stopped(
    paired: tuple[Work, list[str]], make_work: MakeWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    stopped = make_work(tmp_path, rows=40, plan=PAIRS_PLAN, progress=Stopping(step))
    with pytest.raises(KeyboardInterrupt):
        ADAPTER.fit(stopped)
    ADAPTER.fit(replace(stopped, progress=Stopping()))
    assert same_weights(tmp_path / "weights", paired[0].folder / "weights", "adapter")


def test_less_time_gives_fewer_layers_and_epochs(make_work: MakeWork, tmp_path: Path) -> None:
    work = make_work(tmp_path, plan={"epochs": None})
    work.trunk.tokens_per_second = 1000.0
    try:
        asked = [sizing.settings("adapter", replace(work, seconds_left=left)) for left in (None, 30.0, 0.0)]
        costs = [sizing.seconds("adapter", work, found["layers"], found["epochs"]) for found in asked]
        assert costs[0] > costs[1] >= costs[2]
        assert costs[1] <= 30
        assert asked[2]["layers"] == 2
        assert ADAPTER.estimate(work) >= costs[2]
    finally:
        work.trunk.tokens_per_second = None


def test_more_layers_than_there_are_is_a_clear_error(make_work: MakeWork, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        ADAPTER.fit(make_work(tmp_path, plan={"layers": 5}))
    assert caught.value.code == "too-many-layers"
    assert "4" in caught.value.fix


@pytest.mark.parametrize("name", RUNGS)
def test_scale_zero_is_the_frozen_rung(name: str, make_work: MakeWork, tmp_path: Path) -> None:
    work = make_work(tmp_path, plan={"layers": 2, "scale": 0.0, "epochs": 1})
    frozen, _ = FrozenRung().fit(work)
    found, settings = RUNGS[name].fit(replace(work, earlier={"frozen": frozen}))
    assert settings["scale"] == 0
    inputs = work.train.inputs[:50]
    np.testing.assert_allclose(found.outputs(inputs), frozen.outputs(inputs), atol=1e-4)


@pytest.mark.parametrize("name", RUNGS)
def test_the_settings_repeat_the_fit_without_a_validation_set(name: str, make_work: MakeWork, tmp_path: Path) -> None:
    work = make_work(tmp_path / "climb", plan={"layers": 2})
    work = replace(work, earlier={"linear": LinearRung().fit(work)[0]})
    _, settings = RUNGS[name].fit(work)
    kept = json.loads(json.dumps(settings))
    found = []
    for at in ("one", "two"):
        alone = replace(work, folder=tmp_path / at, validation=None, earlier={}, settings=settings)
        predictor, repeated = RUNGS[name].fit(alone)
        found.append(predictor.outputs(work.train.inputs[:30]))
        assert {key: repeated[key] for key in ("layers", "scale", "blend")} == {
            key: kept[key] for key in ("layers", "scale", "blend")
        }
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-5)
    assert settings == kept, "a fit does not change the settings it was given"
    assert same_weights(tmp_path / "one" / "weights", tmp_path / "two" / "weights", name)


def test_the_last_pass_on_all_rows_goes_on_from_the_climb(fitted: Fitted, make_work: MakeWork, tmp_path: Path) -> None:
    rung, work, climbed, settings = fitted
    everything = make_work(tmp_path, rows=220).train
    for at in ("one", "two"):
        last = replace(
            work,
            train=everything,
            validation=None,
            folder=tmp_path / at,
            earlier={rung.name: climbed},
            settings=settings,
        )
        found, told = rung.fit(last)
    weights = work.folder / "weights"
    assert same_weights(tmp_path / "one" / "weights", tmp_path / "two" / "weights", rung.name)
    assert not same_weights(tmp_path / "one" / "weights", weights, rung.name)
    assert told["steps"] == -(-220 // 32)
    inputs = everything.inputs[:60]
    before, after = climbed.outputs(inputs), found.outputs(inputs)
    assert np.abs(after - before).mean() > 0
    assert (after.argmax(1) == before.argmax(1)).mean() > 0.5, "one pass at a low rate leaves most answers"


def test_the_last_fit_on_all_rows_is_a_new_training_where_time_allows(
    fitted: Fitted, make_work: MakeWork, tmp_path: Path
) -> None:
    rung, work, climbed, settings = fitted
    frozen, _ = FrozenRung().fit(work)
    last = replace(
        work,
        train=make_work(tmp_path, rows=220).train,
        validation=None,
        folder=tmp_path / "all",
        earlier={"frozen": frozen, rung.name: climbed},
        settings=settings,
    )
    _, told = rung.fit(last)
    assert told["steps"] == settings["epochs"] * -(-220 // 32)
    _, short = rung.fit(replace(last, folder=tmp_path / "short", seconds_left=0.0))
    assert short["steps"] == -(-220 // 32)


def test_whether_the_last_fit_is_a_new_training_is_decided_once(fitted: Fitted, tmp_path: Path) -> None:
    rung, work, _, settings = fitted
    ample = replace(work, folder=tmp_path, seconds_left=1e6)
    assert rung._anew(ample, settings)
    assert rung._anew(replace(ample, seconds_left=0.0), settings), "a run taken up again decides as it did"
    assert not rung._anew(replace(ample, folder=tmp_path / "other", seconds_left=0.0), settings)


def test_without_room_for_states_the_whole_base_runs(make_work: MakeWork, tmp_path: Path) -> None:
    plan = {"layers": 2, "epochs": 1, "dropout": 0.0}
    progress = Stopping()
    work = make_work(tmp_path / "states", plan=plan, progress=progress)
    ADAPTER.fit(work)
    assert progress.stages.count("frozen layers") == 2
    other = Stopping()
    ADAPTER.fit(make_work(tmp_path / "none", plan={**plan, "hidden_cache_mib": 0}, progress=other))
    assert "frozen layers" not in other.stages
    assert "adapter" in other.stages


@pytest.mark.parametrize("name", RUNGS)
def test_a_quantity_is_tuned_too(name: str, make_work: MakeWork, tmp_path: Path, trunk: Trunk) -> None:
    work = make_work(tmp_path / "fit", quantity=True, plan={"layers": 1, "epochs": 1})
    found, _ = RUNGS[name].fit(work)
    assert work.validation is not None
    outputs = found.outputs(work.validation.inputs)
    assert outputs.shape == (60,)
    miss = find_metric("mae", work.train.target).function(work.validation.targets, outputs)
    assert miss < 0.7 * np.abs(work.validation.targets - work.train.targets.mean()).mean()
    (tmp_path / "saved").mkdir()
    found.save(tmp_path / "saved")
    rows_equal(RUNGS[name].load(tmp_path / "saved", trunk, work.train.target), found, work.validation.inputs)


def test_no_texts_have_no_outputs(fitted: Fitted) -> None:
    _, work, predictor, _ = fitted
    assert predictor.outputs(work.train.inputs[:0]).shape == (0, 4)
