"""The rungs for pictures: heads on pixels and on a base, the base's own classes, and the adapter."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.shapes import shapes

from metier.data.read import read
from metier.evaluate.metrics import find_metric
from metier.plan import Plan
from metier.progress import Silent
from metier.tasks.classes import Classes
from metier.tasks.contract import Examples, Work
from metier.tasks.image_inputs import drawn
from metier.tasks.image_rungs import FROZEN, GENERIC, LINEAR, matched
from metier.tasks.images import CLASSIFICATION
from metier.trunk import vision
from metier.trunk.features import Trunk
from metier.trunk.pixels import PixelTrunk
from metier.trunk.vision import VisionTrunk
from metier.tune.vision_tuned import ADAPTER, Learner, open_adapter

CIFAR = Path(os.environ.get("METIER_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data") / "cifar10_jpeg"
LABELS = ("circle", "square", "stripes")


def examples(each: int, seed: int = 0, labels: tuple[str, ...] = LABELS) -> Examples:
    made = shapes(each, seed)
    target = Classes(labels)
    images = drawn([pixels for pixels, _ in made], [f"{kind} {at}" for at, (_, kind) in enumerate(made)])
    return Examples(images, np.arange(len(made)) % 3, target, np.arange(len(made)))


def work(trunk: Trunk, folder: Path, *, each: int = 12, settings: Any = None, **choices: Any) -> Work:
    train = examples(each)
    return Work(
        train=train,
        validation=None if settings else examples(8, 1),
        plan=Plan.of(**choices),
        trunk=trunk,
        metric=find_metric("accuracy", train.target),
        folder=folder,
        earlier={},
        progress=Silent(),
        settings=settings,
    )


@pytest.fixture
def trunk(tiny_image_base: Path, tmp_path: Path) -> VisionTrunk:
    return VisionTrunk(vision.find(str(tiny_image_base)), tmp_path / "cache")


def test_pixels_alone_tell_these_shapes_apart(trunk: VisionTrunk, tmp_path: Path) -> None:
    task = work(trunk, tmp_path, each=40)
    predictor, settings = LINEAR.fit(task)
    right = (predictor.outputs(task.validation.inputs).argmax(axis=1) == task.validation.targets).mean()
    assert right > 0.75
    again, _ = LINEAR.fit(work(trunk, tmp_path, each=40, settings=settings))
    assert np.allclose(
        again.outputs(task.validation.inputs), predictor.outputs(task.validation.inputs), rtol=1e-3, atol=1e-3
    )
    plain, _ = LINEAR.fit(work(PixelTrunk(), tmp_path, each=40))
    assert np.array_equal(plain.outputs(task.validation.inputs), predictor.outputs(task.validation.inputs))


@pytest.mark.parametrize("rung", [LINEAR, FROZEN, GENERIC])
def test_a_rung_reads_what_it_wrote(rung: Any, trunk: VisionTrunk, tmp_path: Path) -> None:
    task = work(trunk, tmp_path)
    assert rung.lacks(task.train, trunk) == ""
    assert rung.estimate(task) > 0
    predictor, _ = rung.fit(task)
    (tmp_path / "saved").mkdir()
    predictor.save(tmp_path / "saved")
    found = rung.load(tmp_path / "saved", trunk, task.train.target).outputs(task.validation.inputs)
    assert np.array_equal(found, predictor.outputs(task.validation.inputs))
    assert found.shape == (24, 3)
    assert rung.load(tmp_path / "saved", trunk, task.train.target).outputs(task.validation.inputs[:0]).shape == (0, 3)


def test_the_bases_own_classes_are_added_up(trunk: VisionTrunk, tmp_path: Path) -> None:
    task = work(trunk, tmp_path)
    told = GENERIC.fit(task)[0].outputs(task.validation.inputs)
    from transformers import AutoModelForImageClassification

    whole = AutoModelForImageClassification.from_pretrained(trunk.base.folder).eval()
    shown = np.stack(trunk.prepared([task.validation.inputs.pixels(at) for at in range(24)]))
    with torch.inference_mode():
        logits = whole(pixel_values=torch.from_numpy(shown)).logits.numpy()
    assert np.allclose(told, logits[:, :3], atol=5e-3)


def test_names_are_matched_by_synonym_and_last_word() -> None:
    names = ["tabby, tabby cat", "Siamese cat, Siamese", "fire_truck", "hot dog, red hot", "category"]
    assert matched(["cat", "truck", "Dog", "siamese", "bird"], names) == [[0, 1], [2], [3], [1], []]


def test_what_is_lacking_is_said(trunk: VisionTrunk) -> None:
    others = examples(2, labels=("cat", "square", "dog"))
    assert "'cat'" in GENERIC.lacks(others, trunk)
    assert "'square'" not in GENERIC.lacks(others, trunk)
    numbered = examples(2, labels=("1", "2", "3"))
    assert "these labels" in GENERIC.lacks(numbered, trunk)
    for rung in CLASSIFICATION.rungs(others.target):
        lacks = getattr(rung, "lacks", lambda *_: "")(others, PixelTrunk())
        assert ("--base" in lacks) == (rung.name in ("generic", "frozen", "adapter"))


# -------------------------------------------------------------------------------------------------------- the adapter


@pytest.fixture
def tuned(trunk: VisionTrunk, tmp_path: Path) -> tuple[Work, Any, dict[str, Any]]:
    task = work(trunk, tmp_path / "adapter", epochs=2, rank=4, batch_size=16, scale=1.0)
    task.folder.mkdir()
    return task, *ADAPTER.fit(task)


def test_an_adapter_starts_from_the_frozen_head_and_can_be_turned_back(tuned: Any, tmp_path: Path) -> None:
    task, predictor, settings = tuned
    held_out = task.validation.inputs
    frozen = FROZEN.fit(task)[0].outputs(held_out)
    told = predictor.outputs(held_out)
    assert not np.allclose(told, frozen, atol=0.02), "training moved nothing"
    predictor.save(_made(tmp_path / "saved"))
    assert np.array_equal(ADAPTER.load(tmp_path / "saved", task.trunk, task.train.target).outputs(held_out), told)
    ADAPTER.rescale(tmp_path / "saved", 0.0, _made(tmp_path / "back"), task.trunk)
    back = ADAPTER.load(tmp_path / "back", task.trunk, task.train.target)
    assert np.allclose(back.outputs(held_out), frozen, atol=5e-3)
    assert settings["steps"] == 2 * 3
    assert settings["scale"] == 1.0


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
def test_the_merged_weights_answer_as_pefts_own_layers(tuned: Any) -> None:
    from peft import PeftModel
    from transformers import AutoModel

    task, predictor, _ = tuned
    shown = torch.from_numpy(np.stack(task.trunk.prepared([task.validation.inputs.pixels(at) for at in range(4)])))
    layered = PeftModel.from_pretrained(AutoModel.from_pretrained(task.trunk.base.folder), predictor.folder).eval()
    with torch.inference_mode():
        assert torch.allclose(
            vision.summary(layered.base_model.model, shown), vision.summary(predictor.trunk.model, shown), atol=1e-4
        )
        assert not torch.allclose(
            vision.summary(task.trunk.model, shown), vision.summary(predictor.trunk.model, shown), atol=1e-4
        )


def test_an_adapter_is_the_same_twice_and_refits_as_it_was_chosen(
    tuned: Any, trunk: VisionTrunk, tmp_path: Path
) -> None:
    task, predictor, settings = tuned
    other = work(trunk, _made(tmp_path / "again"), epochs=2, rank=4, batch_size=16, scale=1.0)
    ADAPTER.fit(other)
    one, two = (load_file(at / "weights" / "adapter_model.safetensors") for at in (task.folder, other.folder))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert len(one) == 2 * 6, "six convolutions, two halves each"
    final = work(trunk, _made(tmp_path / "final"), settings=settings, rank=4, batch_size=16)
    _, kept = ADAPTER.fit(final)
    assert (kept["epochs"], kept["steps"], kept["scale"]) == (2, 6, 1.0)
    # With no time for a new training, one more pass goes on from where the climb stood.
    hurried = work(trunk, _made(tmp_path / "hurried"), settings=settings, rank=4, batch_size=16)
    hurried = Work(**{**vars(hurried), "earlier": {"adapter": predictor}, "seconds_left": 0.0})
    _, kept = ADAPTER.fit(hurried)
    assert (kept["epochs"], kept["steps"]) == (1, 3)


def test_the_bases_running_statistics_stay_as_they_were(trunk: VisionTrunk) -> None:
    from metier.tune.heads import Head

    opened = open_adapter(trunk.model, 0.5, rank=2, alpha=4, seed=0)
    layers = {name.partition(".lora_")[0] for name, p in opened.named_parameters() if p.requires_grad}
    assert len(layers) == 3, "the upper half of six"
    learner = Learner(trunk.model, Head(torch.zeros(3, 24), torch.zeros(3)), dropout=0.5)
    learner.train()
    assert learner.dropout.training
    kept = {name: value.clone() for name, value in trunk.model.named_buffers()}
    learner(torch.rand(4, 3, 32, 32))
    assert all(torch.equal(value, kept[name]) for name, value in trunk.model.named_buffers())


@pytest.mark.skipif(not CIFAR.is_dir(), reason="the data set is not here")
def test_photographs_in_a_table_are_told_apart_by_their_pixels(tmp_path: Path) -> None:
    plan = Plan.of(target="label_name", ignore=("label",))
    read_ = read(CIFAR / "test_10000.parquet", plan.data, tmp_path)
    some = np.random.default_rng(0).permutation(len(read_))[:900]
    found = CLASSIFICATION.prepare(replace(read_, table=read_.table.take(np.sort(some))), plan)
    assert len(found) == 900
    order = np.random.default_rng(1).permutation(900)
    train, held_out = found.take(order[:600]), found.take(order[600:])
    task = Work(train, held_out, plan, PixelTrunk(), find_metric("accuracy", found.target), tmp_path, {}, Silent())
    outputs = LINEAR.fit(task)[0].outputs(held_out.inputs)
    assert (outputs.argmax(axis=1) == held_out.targets).mean() > 0.3, "of ten kinds of things"
