"""Forgetting: the dial's ends are the base and the expert, its points are experts on disk, and a gap is found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metier import lifecycle
from metier.data.split import input_hashes
from metier.errors import ExpertError, UsageError
from metier.evaluate import room
from metier.evaluate.case import Case
from metier.evaluate.forgetting import dial, overfitting
from metier.evaluate.forgetting import question as forgetting
from metier.evaluate.forgetting.ability import ability
from metier.expert import Expert
from metier.govern import record
from metier.pages.page import render
from metier.plan import Plan
from metier.progress import Silent
from metier.workspace import Workspace


def case_of(folder: Path, test: Path, home: Path, **choices: Any) -> Case:
    place = Workspace.find(home)
    loaded = Expert.load(folder, cache=place.cache)
    plan = Plan.of(kind=loaded.about["task"], **choices)
    return room.gather(loaded, loaded.dataset(lifecycle.read(test, plan, place)), plan, place, Silent())


@pytest.fixture(scope="module")
def case(finished) -> Case:
    """The finished adapter on 40 tickets."""
    return case_of(finished.output, finished.test, finished.workspace)


@pytest.fixture(scope="module")
def answer(case):
    return forgetting.ask(case)


def test_the_dial_runs_from_the_base_to_the_expert(case, answer):
    found = answer.figures["forgetting"]
    assert [point["scale"] for point in found["dial"]] == list(dial.SCALES)
    first, last = found["dial"][0], found["dial"][-1]
    assert first["general"] == pytest.approx(found["general"]["generic"])
    assert last["general"] == pytest.approx(found["general"]["value"])
    whole = case.evaluation.metrics[case.metric.name].value
    assert last["value"] == pytest.approx(whole)  # 40 rows: the sample is all of them
    assert found["kept"] is None
    json.dumps(answer.figures, allow_nan=False)
    assert "<svg" in render("Evidence", list(answer.sections))


def test_what_tuning_moved_is_seen_in_the_geometry(answer):
    found = answer.figures["forgetting"]
    assert 0 < found["neighbour_overlap"]["value"] < 1
    assert 0 < found["cka"]["value"] < 1
    assert found["general"]["difference"]["low"] <= found["general"]["difference"]["points"]


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0])
def test_a_scaled_expert_is_whole_and_lies_between(scale, case, tmp_path):
    folder = dial.rescale(case.expert, scale, tmp_path / "scaled")
    assert record.verify(folder, base=case.expert.about["base_is"]).ok
    scaled, inputs = Expert.load(folder), case.examples.inputs
    assert scaled.about["scaled"]["scale"] == scale
    assert scaled.about["scaled"]["from"] == json.loads((case.expert.folder / "manifest.json").read_text())["root"]
    meaning = ability(scaled.predictor.trunk).vectors
    if scale == 1.0:
        np.testing.assert_array_equal(scaled.outputs(inputs), case.expert.outputs(inputs))
    elif scale == 0.0:
        np.testing.assert_allclose(meaning, ability(case.expert.trunk).vectors, atol=1e-3)
        assert not np.allclose(scaled.outputs(inputs), case.expert.outputs(inputs))
    else:
        np.testing.assert_array_equal(
            dial.rescale(scaled, 1.0, tmp_path / "again").joinpath("head.safetensors").read_bytes(),
            (folder / "head.safetensors").read_bytes(),
        )
        assert Expert.load(dial.rescale(scaled, 0.5, tmp_path / "less")).about["scaled"]["scale"] == 0.25


def test_confidence_is_calibrated_again_at_the_scale_that_was_chosen(case, tmp_path):
    assert case.origin is not None
    about = case.expert.about
    whole = Expert.load(dial.rescale(case.expert, 1.0, tmp_path / "whole", case.origin)).about
    # At full scale the climb's own fits say what they said when the expert was first calibrated.
    assert whole["calibration"] == pytest.approx(about["calibration"], rel=1e-3)
    assert whole["scaled"]["calibrated_on_rows"] > 0
    half = Expert.load(dial.rescale(case.expert, 0.5, tmp_path / "half", case.origin)).about
    assert half["calibration"] != pytest.approx(about["calibration"], rel=1e-3)
    quarter = Expert.load(dial.rescale(Expert.load(tmp_path / "half"), 0.5, tmp_path / "quarter", case.origin)).about
    straight = Expert.load(dial.rescale(case.expert, 0.25, tmp_path / "straight", case.origin)).about
    assert quarter["calibration"] == straight["calibration"]


def test_what_was_measured_on_halves_is_calibrated_on_them_again(tiny_base: Path, tmp_path: Path) -> None:
    things = {"card": "bank card", "login": "pass word", "fees": "high price", "post": "lost letter"}
    lines = [f"my {name} is gone {n} times,{label}" for n in range(12) for label, name in things.items()]
    table = tmp_path / "few.csv"
    table.write_text("\n".join(["text,label", *lines]) + "\n")
    place = tmp_path / "home"
    made = lifecycle.tune(
        table, target="label", base=str(tiny_base), rung="adapter", layers=1, time_limit="none", workspace=place
    )
    assert next(rung for rung in made.figures["rungs"] if rung["name"] == "adapter")["folds"] == 2
    few = case_of(made.expert, table, place)
    whole = Expert.load(dial.rescale(few.expert, 1.0, tmp_path / "whole", few.origin)).about
    assert whole["scaled"]["calibrated_on_rows"] == 48
    assert whole["calibration"] == pytest.approx(few.expert.about["calibration"], rel=1e-3)


def test_where_the_held_out_rows_are_not_at_hand_the_record_says_so(case, tmp_path):
    kept = Expert.load(dial.rescale(case.expert, 0.5, tmp_path / "kept", None, "the file has moved")).about
    assert kept["calibration"] == case.expert.about["calibration"]
    assert kept["scaled"]["calibrated_on_rows"] is None
    assert kept["scaled"]["calibration"].endswith("the file has moved")
    gone = replace(case.origin, run=tmp_path)
    about = Expert.load(dial.rescale(case.expert, 0.5, tmp_path / "gone", gone)).about
    assert "no longer in its run's folder" in about["scaled"]["calibration"]


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing")
def test_peft_itself_reads_a_scaled_adapter(case, tmp_path):
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModel

    folder = dial.rescale(case.expert, 0.5, tmp_path / "scaled")
    PeftModel.from_pretrained(AutoModel.from_pretrained(case.expert.about["base_is"]), folder)
    whole, half = (load_file(one / "adapter_model.safetensors") for one in (case.expert.folder, folder))
    for name, tensor in whole.items():
        np.testing.assert_allclose(half[name], (0.5 if ".lora_B." in name else 1.0) * tensor, rtol=1e-6)


def test_the_limit_chooses_the_furthest_point_that_keeps_it(case):
    rung = dial.training_rung(case.expert)
    before, after = ability(case.expert.trunk), ability(case.expert.predictor.trunk)
    # The tiny base knows next to nothing of the suite: as a stand-in for knowledge, scores are raised alike.
    raise_ = {name: scores + 2.0 for name, scores in before.parts.items()}
    lower = {name: scores + 1.0 for name, scores in after.parts.items()}
    knowing = replace(before, parts=raise_)
    points, kept = dial.turn(case, rung, knowing, replace(after, parts=lower), limit=1.01)
    assert kept is not None
    assert kept.scale == 0.0
    assert len(points) == len(dial.SCALES) + 3
    assert min(point.scale for point in points if point.scale > 0) == pytest.approx(1 / 32)
    _, every = dial.turn(case, rung, knowing, replace(after, parts=lower), limit=0.01)
    assert every is not None
    assert every.scale == 1.0


def test_a_frozen_base_has_forgotten_nothing(finished, tmp_path, metier):
    words = [*finished.words, "--rung", "frozen", "--workspace", tmp_path / "home", "-o", tmp_path / "frozen"]
    assert metier(*words).code == 0
    case = case_of(tmp_path / "frozen", finished.test, tmp_path / "home")
    answer = forgetting.ask(case)
    found = answer.figures["forgetting"]
    assert found["neighbour_overlap"]["value"] == found["cka"]["value"] == 1
    assert found["general"]["difference"]["points"] == 0
    assert found["dial"] == []
    assert "nothing" in answer.notes[0]
    assert answer.card is not None
    assert answer.card.standing == "good"
    with pytest.raises(ExpertError):
        dial.rescale(case.expert, 0.5, tmp_path / "no")


def test_a_scale_outside_the_dial_is_refused(case, tmp_path):
    with pytest.raises(UsageError):
        dial.rescale(case.expert, 1.5, tmp_path / "no")
    assert not (tmp_path / "no").exists()


class Remembering:
    """A predictor that is right on the rows it has seen and answers the others at random."""

    def __init__(self, examples: Any) -> None:
        self.rng = np.random.default_rng(0)
        self.known = dict(zip(input_hashes(examples.inputs).tolist(), examples.targets.tolist(), strict=True))

    def outputs(self, inputs: Any) -> np.ndarray:
        out = self.rng.normal(0, 1, (len(inputs), 4)).astype(np.float32)
        for row, key in enumerate(input_hashes(inputs).tolist()):
            if key in self.known:
                out[row, self.known[key]] += 20
        return out


def test_learning_by_heart_is_told_from_learning(case):
    honest = overfitting.fitting(case)
    assert honest is not None
    assert honest.gap.low <= 0 <= honest.gap.high
    by_heart = Remembering(case.origin.examples)
    raw = by_heart.outputs(case.examples.inputs)
    outputs = case.expert.target.calibrated(raw, {})
    spoiled = replace(
        case,
        expert=replace(case.expert, predictor=by_heart),
        evaluation=replace(case.evaluation, raw=raw, outputs=outputs),
    )
    found = overfitting.fitting(spoiled)
    assert found is not None
    assert found.gap.low > 0.3
    assert "learnt from" in found.words()


def test_without_the_training_rows_the_gap_is_not_told(case):
    answer = forgetting.ask(replace(case, origin=None, no_origin="the run is gone"))
    assert answer.figures["forgetting"]["train_test_gap"] is None
    assert any("the run is gone" in note for note in answer.notes)
