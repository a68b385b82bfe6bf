"""Bases that read pictures, and what pixels alone tell: found, refused, run, and kept by what is seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.shapes import shape, shapes

from metier.errors import BaseError
from metier.tasks.image_inputs import drawn
from metier.tasks.images import CLASSIFICATION
from metier.trunk import vision
from metier.trunk.pixels import PIXELS, PixelTrunk, statistics
from metier.trunk.vision import VisionTrunk, summary


def some(count: int = 6, seed: int = 0) -> object:
    made = shapes(count, seed)[:count]
    return drawn([pixels for pixels, _ in made], [str(at) for at in range(count)])


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def test_a_folder_is_found_and_named_by_its_content(tiny_image_base: Path, tmp_path: Path) -> None:
    base = vision.find(str(tiny_image_base))
    assert (base.hidden, base.layers, base.architecture) == (24, 2, "ResNetForImageClassification")
    other = copied(tiny_image_base, tmp_path / "other")
    assert vision.find(str(other)).sha256 == base.sha256
    about = json.loads((other / "preprocessor_config.json").read_text())
    (other / "preprocessor_config.json").write_text(json.dumps({**about, "image_mean": [0, 0, 0]}))
    assert vision.find(str(other)).sha256 != base.sha256, (
        "how pictures are prepared decides what the base makes of them"
    )


def test_what_is_no_image_model_is_refused(tiny_image_base: Path, tiny_base: Path, tmp_path: Path) -> None:
    for at, (change, code) in enumerate(
        (
            (lambda at: (at / "preprocessor_config.json").unlink(), "not-an-image-base"),
            (lambda at: _set(at / "config.json", vision_config={}), "not-an-image-base"),
            (lambda at: _set(at / "preprocessor_config.json", auto_map={"AutoImageProcessor": "x.Y"}), "remote-code"),
            (lambda at: _set(at / "config.json", auto_map={"AutoModel": "x.Y"}), "remote-code"),
            (lambda at: (at / "model.safetensors").rename(at / "model.bin"), "pickled-weights"),
            (lambda at: (at / "config.json").unlink(), "config-missing"),
        )
    ):
        folder = copied(tiny_image_base, tmp_path / str(at))
        change(folder)
        with pytest.raises(BaseError) as refused:
            vision.find(str(folder))
        assert refused.value.code == code
    folder = copied(tiny_image_base, tmp_path / "unstated")
    _set(folder / "config.json", hidden_sizes=None)
    assert vision.find(str(folder)).hidden == 24, "the classifier's own width"
    save_file({"stem": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(BaseError) as refused:
        vision.find(str(folder))
    assert refused.value.code == "config-incomplete"
    for name, code in ((str(tiny_base), "not-an-image-base"), ("nowhere/at/all", "no-such-base")):
        with pytest.raises(BaseError) as refused:
            vision.find(name)
        assert refused.value.code == code


def _set(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_features_are_the_models_own_and_kept_by_what_is_seen(tiny_image_base: Path, tmp_path: Path) -> None:
    base, images = vision.find(str(tiny_image_base)), some()
    trunk = VisionTrunk(base, tmp_path)
    assert trunk.missing(images) == 6
    found = trunk.features(images)
    with torch.inference_mode():
        own = summary(trunk.model, torch.from_numpy(np.stack(trunk.prepared([images.pixels(2)]))))
    assert np.allclose(found[2], own[0].numpy(), atol=2e-3)
    again = VisionTrunk(base, tmp_path)
    again.__dict__["model"] = None  # were it asked, this would fail
    assert np.array_equal(again.features(images.take([4, 2])), found[[4, 2]])
    assert again.missing(some(8)) == 2
    assert VisionTrunk(base, None).missing(images) == 6
    assert np.allclose(VisionTrunk(base).features(images[3:]), found[3:], atol=2e-3), "no matter what goes with it"


def test_nothing_of_a_scratch_is_kept(tiny_image_base: Path, tmp_path: Path) -> None:
    trunk = VisionTrunk(vision.find(str(tiny_image_base)), tmp_path)
    with trunk.scratch():
        trunk.features(some())
        trunk.statistics.features(some())
    assert trunk.missing(some()) == trunk.statistics.missing(some()) == 6


def test_pictures_of_several_shapes_go_through_one_by_one(tiny_image_base: Path) -> None:
    trunk = VisionTrunk(vision.find(str(tiny_image_base)))
    trunk.processor.do_resize = False
    rng = np.random.default_rng(0)
    mixed = [shape("circle", rng, side) for side in (32, 48, 32)]
    together = trunk.look(mixed)
    assert np.allclose(together, np.concatenate([trunk.look([one]) for one in mixed]), atol=2e-3)


@pytest.mark.parametrize("kind", ["ViT", "ConvNext"])
def test_other_architectures_agree_with_their_own_classifiers(kind: str, tmp_path: Path) -> None:
    import transformers as hf

    torch.manual_seed(1)
    if kind == "ViT":
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        model = hf.ViTForImageClassification(hf.ViTConfig(**sizes, image_size=32, patch_size=8, num_labels=5))
    else:
        model = hf.ConvNextForImageClassification(
            hf.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, patch_size=4, num_labels=5)
        )
    model.save_pretrained(tmp_path)
    hf.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    base = vision.find(str(tmp_path))
    trunk = VisionTrunk(base)
    assert trunk.features(some()).shape == (6, 16)
    found = vision.classifier(base, trunk.model)
    assert found is not None
    assert found.weight.shape == (5, 16)
    with torch.no_grad():
        for parameter in trunk.model.parameters():
            parameter.mul_(1.5)
    assert vision.classifier(base, trunk.model) is None, "a classifier that reads something else is no baseline"


def test_a_base_without_its_classifier_has_none(tiny_image_base: Path, tmp_path: Path) -> None:
    from transformers import ResNetModel

    folder = copied(tiny_image_base, tmp_path / "bare")
    ResNetModel.from_pretrained(folder).save_pretrained(folder)
    base = vision.find(str(folder))
    assert vision.classifier(base, VisionTrunk(base).model) is None
    _set(folder / "config.json", architectures=["ResNetForImageClassification"])
    base = vision.find(str(folder))
    assert vision.classifier(base, VisionTrunk(base).model) is None, "its weights would be made up"


def test_without_a_base_the_pixels_speak() -> None:
    assert CLASSIFICATION.base("minilm") == PIXELS
    trunk = CLASSIFICATION.trunk(PIXELS)
    assert isinstance(trunk, PixelTrunk)
    assert trunk.statistics is trunk
    assert trunk.features(some()).shape == (6, trunk.width)
    assert trunk.with_model(None).features(some()).tolist() == trunk.features(some()).tolist()


def test_statistics_tell_colours_places_and_directions() -> None:
    red, blue = np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 255
    lying = np.zeros((64, 64, 3), np.uint8)
    lying[np.arange(64) // 4 % 2 == 0] = 255
    half = np.concatenate([red[:, :30], blue[:, 30:]], axis=1)
    assert float(statistics(red)[:64] @ statistics(blue)[:64]) == 0
    assert np.linalg.norm(statistics(half)[:64] - statistics(half[:, ::-1])[:64]) < 1e-6
    assert np.linalg.norm(statistics(half)[64:112] - statistics(half[:, ::-1])[64:112]) > 0.5
    assert float(statistics(lying)[112:] @ statistics(lying.transpose(1, 0, 2))[112:]) < 0.1
    assert np.isfinite(statistics(np.zeros((1, 1, 3), np.uint8))).all()
