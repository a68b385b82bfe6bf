"""Adapters and trained blocks: what is opened, what is saved, and that PEFT reads what we write."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import nn

from metier.tasks.classes import Classes
from metier.trunk.base import load_model
from metier.trunk.encoder import Encoder, blocks
from metier.trunk.features import Trunk
from metier.tune import adapters
from metier.tune.heads import Head

TEXTS = ["my card does not work", "pin", "please help with the transfer today, it is wrong again"]


@pytest.fixture
def head() -> Head:
    generator = torch.Generator().manual_seed(0)
    return Head(torch.randn(4, 64, generator=generator), torch.randn(4, generator=generator))


def opened(trunk: Trunk, first: int = 2, seed: int = 0, stir: bool = True) -> tuple[nn.Module, nn.Module]:
    """(the model, the PeftModel around it), the update's upper half no longer zero when stirred."""
    model = copy.deepcopy(trunk.model)
    wrapped = adapters.open_adapter(model, first, rank=4, alpha=8, seed=seed)
    if stir:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, parameter in wrapped.named_parameters():
                if ".lora_B." in name:
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) / 10)
    return model, wrapped


def meaning(trunk: Trunk, model: nn.Module) -> torch.Tensor:
    ids, mask = (torch.from_numpy(part) for part in trunk.tokens(TEXTS).pad(np.arange(len(TEXTS))))
    with torch.inference_mode():
        return Encoder(model.eval(), 0, "mean")(ids, mask)


def test_only_the_adapter_and_the_head_are_trained(trunk: Trunk, head: Head) -> None:
    model, _ = opened(trunk, first=2)
    learner = adapters.Learner(Encoder(model, 2, "mean"), head, 0.1)
    trained = [name for name, parameter in learner.named_parameters() if parameter.requires_grad]
    assert all(".lora_A." in name or ".lora_B." in name or name.startswith("head.") for name in trained)
    # Two blocks of six linear layers, A and B each; and the head's weight and bias.
    assert len(trained) == 2 * 6 * 2 + 2
    assert all(".layer.2." in name or ".layer.3." in name for name in trained if "lora" in name)


def test_only_the_opened_blocks_and_the_head_are_trained(trunk: Trunk, head: Head) -> None:
    model = adapters.open_blocks(copy.deepcopy(trunk.model), 3)
    learner = adapters.Learner(Encoder(model, 3, "mean"), head, 0.1)
    trained = {name for name, parameter in learner.named_parameters() if parameter.requires_grad}
    name, stack = blocks(model)
    wanted = {f"encoder.model.{name}.3.{inner}" for inner, _ in stack[3].named_parameters()}
    assert trained == wanted | {"head.weight", "head.bias"}


def test_the_seed_alone_decides_where_an_adapter_starts(trunk: Trunk) -> None:
    torch.manual_seed(7)
    one = dict(opened(trunk, seed=3, stir=False)[1].named_parameters())
    torch.manual_seed(8)
    same, other = (dict(opened(trunk, seed=seed, stir=False)[1].named_parameters()) for seed in (3, 4))
    downs = [name for name in one if ".lora_A." in name]
    assert downs
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in downs)


def test_a_new_adapter_changes_nothing_and_a_stirred_one_does(trunk: Trunk) -> None:
    plain = meaning(trunk, copy.deepcopy(trunk.model))
    torch.testing.assert_close(meaning(trunk, opened(trunk, stir=False)[0]), plain, atol=1e-6, rtol=0)
    assert (meaning(trunk, opened(trunk)[0]) - plain).abs().max() > 0.01


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # PEFT asks by the old name
def test_peft_reads_what_is_saved_and_agrees_with_the_merged_weights(trunk: Trunk, tmp_path: Path) -> None:
    model, wrapped = opened(trunk)
    adapters.save_adapter(wrapped, tmp_path, trunk.base)
    read = PeftModel.from_pretrained(load_model(trunk.base), str(tmp_path))
    merged = adapters.merge_adapter(copy.deepcopy(trunk.model), tmp_path)
    wanted = meaning(trunk, model)
    torch.testing.assert_close(meaning(trunk, read.base_model.model), wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(meaning(trunk, merged), wanted, atol=1e-5, rtol=0)
    about = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (about["r"], about["lora_alpha"], about["peft_type"]) == (4, 8, "LORA")
    assert about["inference_mode"] is True
    assert about["base_model_name_or_path"] == trunk.base.name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter_config.json", adapters.ADAPTER]


def test_merging_leaves_no_trace_of_the_adapter(trunk: Trunk, tmp_path: Path) -> None:
    _, wrapped = opened(trunk)
    adapters.save_adapter(wrapped, tmp_path, trunk.base)
    merged = adapters.merge_adapter(copy.deepcopy(trunk.model), tmp_path)
    assert list(merged.state_dict()) == list(trunk.model.state_dict())
    changed = [n for n, t in merged.state_dict().items() if not torch.equal(t, trunk.model.state_dict()[n])]
    assert len(changed) == 2 * 6
    assert len(load_file(tmp_path / adapters.ADAPTER)) == 2 * len(changed)


def test_blocks_come_back_from_disk_as_they_were(trunk: Trunk, tmp_path: Path) -> None:
    model = copy.deepcopy(trunk.model)
    with torch.no_grad():
        blocks(model)[1][3].output.dense.weight.mul_(2)  # type: ignore[union-attr, operator]
    adapters.save_blocks(model, tmp_path)
    again = adapters.load_blocks(copy.deepcopy(trunk.model), tmp_path)
    assert torch.equal(meaning(trunk, again), meaning(trunk, model))
    assert not torch.equal(meaning(trunk, again), meaning(trunk, copy.deepcopy(trunk.model)))
    assert json.loads((tmp_path / "config.json").read_text())["hidden_size"] == 32


@pytest.mark.parametrize("kind", ["adapter", "full"])
def test_an_opened_model_takes_up_saved_weights(trunk: Trunk, tmp_path: Path, kind: str) -> None:
    model, wrapped = opened(trunk)
    if kind == "adapter":
        adapters.save_adapter(wrapped, tmp_path, trunk.base)
        fresh, target = opened(trunk, seed=5, stir=False)
    else:
        model = copy.deepcopy(trunk.model)
        with torch.no_grad():
            blocks(model)[1][2].output.dense.bias.add_(1.0)  # type: ignore[union-attr, operator]
        adapters.save_blocks(model, tmp_path)
        fresh = target = adapters.open_blocks(copy.deepcopy(trunk.model), 2)
    adapters.resume_weights(target, tmp_path)
    torch.testing.assert_close(meaning(trunk, fresh), meaning(trunk, model), atol=1e-6, rtol=0)
    assert any(parameter.requires_grad for parameter in fresh.parameters())


def test_the_learner_starts_as_the_frozen_head_it_was_given(trunk: Trunk, head: Head) -> None:
    model, _ = opened(trunk, stir=False)
    learner = adapters.Learner(Encoder(model, 2, "mean"), head, 0.5).eval()
    ids, mask = (torch.from_numpy(part) for part in trunk.tokens(TEXTS).pad(np.arange(len(TEXTS))))
    features = trunk.features(TEXTS)
    words = torch.from_numpy(features[:, 32:].astype(np.float32))
    with torch.inference_mode():
        found = learner(ids, mask, words, None).numpy()
    np.testing.assert_allclose(found, head.outputs(features), atol=0.02)


@pytest.mark.parametrize("kind", ["adapter", "full"])
def test_the_dial_goes_straight_from_the_start_to_the_end(trunk: Trunk, head: Head, kind: str) -> None:
    model, _ = opened(trunk, stir=False)
    if kind == "full":
        model = adapters.open_blocks(copy.deepcopy(trunk.model), 2)
    learner = adapters.Learner(Encoder(model, 2, "mean"), head, 0.0)
    start = adapters.snapshot(learner)
    with torch.no_grad():
        for parameter in learner.parameters():
            if parameter.requires_grad:
                parameter.add_(0.5)
    dial = adapters.Dial(learner, start)
    moving = [name for name in start if ".lora_A." not in name]
    still = [name for name in start if ".lora_A." in name]
    assert bool(still) == (kind == "adapter")
    for scale in (0.0, 0.25, 1.0, 0.25):
        dial.turn(scale)
        # The update is B @ A: were both turned, half the way would be a quarter of it.
        assert all(torch.equal(dial.trained[name], dial.end[name]) for name in still)
        for name in moving:
            torch.testing.assert_close(dial.trained[name].detach(), start[name] + scale * 0.5, atol=1e-6, rtol=0)
    dial.turn(0.0)
    assert all(torch.equal(dial.trained[name], start[name]) for name in moving)


def test_a_head_is_saved_as_heads_are_read(trunk: Trunk, head: Head, tmp_path: Path) -> None:
    learner = adapters.Learner(Encoder(copy.deepcopy(trunk.model), 0, "mean"), head, 0.0)
    adapters.save_head(learner, tmp_path / "head.safetensors")
    again = Head.load(tmp_path / "head.safetensors")
    assert torch.equal(again.weight, head.weight)
    assert torch.equal(again.bias, head.bias)


@pytest.mark.parametrize("weighed", [False, True])
def test_the_pieces_of_a_batch_add_up_to_its_mean_loss(
    trunk: Trunk, head: Head, monkeypatch: pytest.MonkeyPatch, weighed: bool
) -> None:
    monkeypatch.setattr(adapters, "_TOKENS_PER_PIECE", 20)
    texts = [" ".join(["card", "fee", "login"] * (1 + at % 4)) for at in range(16)]
    pupil = adapters.TextPupil(
        module=adapters.Learner(Encoder(copy.deepcopy(trunk.model), 0, "mean"), head, 0.0).eval(),
        target=Classes(("a", "b", "c", "d")),
        tokens=trunk.tokens(texts),
        words=trunk.features(texts)[:, 32:],
        targets=np.arange(16) % 4,
        below=None,
        smoothing=0.1,
        weights=torch.tensor([2.0, 1.0, 0.5, 0.5]) if weighed else None,
        batch_size=16,
        head_rate=1e-3,
    )
    batch = np.arange(3, 16)
    pieces = pupil.pieces(batch)
    assert len(pieces) > 2
    assert sorted(np.concatenate([piece for piece, _ in pieces])) == batch.tolist()
    assert sum(share for _, share in pieces) == pytest.approx(1)
    with torch.inference_mode():
        whole = float(pupil.loss(batch))
        assert sum(float(pupil.loss(piece)) * share for piece, share in pieces) == pytest.approx(whole, abs=1e-4)


def test_the_unit_of_a_quantity_does_not_change_what_a_learner_answers(trunk: Trunk, head: Head) -> None:
    one = Head(1000 * head.weight[:1], 1000 * head.bias[:1])
    ids, mask = (torch.from_numpy(part) for part in trunk.tokens(TEXTS).pad(np.arange(len(TEXTS))))
    words = torch.from_numpy(trunk.features(TEXTS)[:, 32:].astype(np.float32))
    found = []
    for spread in (1.0, 500.0):
        learner = adapters.Learner(Encoder(copy.deepcopy(trunk.model), 0, "mean"), one, 0.0, spread).eval()
        with torch.inference_mode():
            found.append(learner(ids, mask, words, None))
        assert float(learner.head.bias.detach()) == pytest.approx(float(one.bias) / spread, rel=1e-5)
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-2)


def test_a_copy_for_an_adapter_shares_the_words_and_nothing_else(trunk: Trunk, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in trunk.model.state_dict().items()}
    adapters.save_adapter(opened(trunk)[1], tmp_path, trunk.base)
    merged = adapters.merge_adapter(adapters.copy_but_words(trunk.model), tmp_path)
    own, other = dict(trunk.model.named_parameters()), dict(merged.named_parameters())
    shared = {name for name in own if own[name].data_ptr() == other[name].data_ptr()}
    assert shared == {name for name in own if "embeddings" in name and "LayerNorm" not in name}
    assert shared
    assert not any(own[name] is other[name] for name in own)
    # What happens to the copy leaves the base as it was, wherever the copy goes.
    merged.to(torch.float64)
    assert all(torch.equal(before[name], value) for name, value in trunk.model.state_dict().items())
    assert any(not torch.equal(before[name], value.float()) for name, value in merged.state_dict().items())
