"""The base cut in two: lower states and upper blocks together are the whole model, whatever the architecture."""

from __future__ import annotations

import copy
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn

from metier.errors import BaseError, ResourceError
from metier.progress import Silent
from metier.trunk.base import find
from metier.trunk.encoder import Encoder, States, blocks, states_below
from metier.trunk.features import Trunk

SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 34,
}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
DISTIL = {"vocab_size": 60, "dim": 32, "n_layers": 4, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": 34}
ARCHITECTURES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert": ("BertModel", "BertConfig", SIZES),
    "roberta": ("RobertaModel", "RobertaConfig", SIZES),
    "xlm-roberta": ("XLMRobertaModel", "XLMRobertaConfig", SIZES),
    "distilbert": ("DistilBertModel", "DistilBertConfig", DISTIL),
    "electra": ("ElectraModel", "ElectraConfig", {**SIZES, "embedding_size": 16}),
    "mpnet": ("MPNetModel", "MPNetConfig", SIZES),
    "modernbert": ("ModernBertModel", "ModernBertConfig", {**SIZES, **SPECIAL, "local_attention": 8}),
    "deberta-v2": (
        "DebertaV2Model",
        "DebertaV2Config",
        {**SIZES, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
    ),
    "albert": ("AlbertModel", "AlbertConfig", {**SIZES, "embedding_size": 16}),
}
LONG = " ".join(["card", "fee", "login"] * 30)
TEXTS = ["my card does not work", "pin", LONG, "", "please help with the transfer today"]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def trunk(request: pytest.FixtureRequest, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Trunk:
    """A tiny model of each architecture, random but seeded, with the tiny base's tokenizer cut to 60 words."""
    model_name, config_name, sizes = ARCHITECTURES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    sizes = {**sizes, "vocab_size": 400}
    getattr(transformers, model_name)(getattr(transformers, config_name)(**sizes)).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((tiny_base / "tokenizer.json").read_bytes())
    return Trunk(find(str(folder)))


def padded(trunk: Trunk) -> tuple[Tensor, Tensor]:
    ids, mask = trunk.tokens(TEXTS).pad(np.arange(len(TEXTS)))
    return torch.from_numpy(ids), torch.from_numpy(mask)


def test_every_architecture_is_described_and_reads_its_longest_text(trunk: Trunk) -> None:
    _, stack = blocks(trunk.model)
    assert trunk.base.layers == len(stack)
    assert trunk.base.hidden == 32
    assert trunk.tokens(TEXTS).lengths.max() == trunk.base.max_tokens
    assert np.isfinite(trunk.features(TEXTS)).all()


def test_lower_states_and_upper_blocks_are_the_whole_model(trunk: Trunk, tmp_path: Path) -> None:
    ids, mask = padded(trunk)
    tokens = trunk.tokens(TEXTS)
    before = {name: tensor.clone() for name, tensor in trunk.model.state_dict().items()}
    with torch.inference_mode():
        for first in range(trunk.base.layers):
            encoder = Encoder(copy.deepcopy(trunk.model), first, trunk.base.pooling)
            whole = encoder(ids, mask)
            np.testing.assert_allclose(whole, trunk.features(TEXTS)[:, :32], atol=1e-3)
            if first:
                states = states_below(trunk.model, first, tokens, tmp_path / f"{first}.f16", Silent())
                upper = encoder(ids, mask, states.pad(np.arange(len(TEXTS)), ids.shape[1]))
                np.testing.assert_allclose(upper, whole, atol=2e-3)
                other = encoder(ids, mask, torch.randn(*ids.shape, 32))
                assert (other - whole).abs().max() > 0.05, "the given states must be what is read"
    after = trunk.model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_gradients_reach_the_upper_blocks_alone(trunk: Trunk) -> None:
    if trunk.base.layers == 1:
        pytest.skip("one group of weights, run many times, cannot be cut in two")
    ids, mask = padded(trunk)
    model = copy.deepcopy(trunk.model)
    encoder = Encoder(model, 2, "mean")
    (encoder(ids, mask, torch.randn(*ids.shape, 32)) * torch.arange(32)).sum().backward()
    _, stack = blocks(model)
    touched = [any(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters()) for block in stack]
    assert touched == [False, False, True, True]


def test_cls_pooling_reads_the_first_state(tiny_base: Path) -> None:
    trunk = Trunk(find(str(tiny_base)))
    ids, mask = padded(trunk)
    with torch.inference_mode():
        states = trunk.model(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
        found = Encoder(copy.deepcopy(trunk.model), 0, "cls")(ids, mask)
    torch.testing.assert_close(found, nn.functional.normalize(states, dim=1), atol=1e-5, rtol=0)


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(BaseError) as caught:
        blocks(nn.Sequential(nn.Linear(2, 2)))
    assert caught.value.code == "no-blocks"


def test_states_on_disk_are_used_again_and_redone_when_of_another_size(tiny_base: Path, tmp_path: Path) -> None:
    trunk = Trunk(find(str(tiny_base)))
    tokens, path = trunk.tokens(TEXTS), tmp_path / "below.f16"
    states_below(trunk.model, 2, tokens, path, Silent())
    whole = path.read_bytes()
    assert len(whole) == int(tokens.offsets[-1]) * 32 * 2
    stamp = path.stat().st_ino
    states_below(trunk.model, 2, tokens, path, Silent())
    assert path.stat().st_ino == stamp
    path.write_bytes(whole[:-2])
    again = states_below(trunk.model, 2, tokens, path, Silent())
    assert path.read_bytes() == whole
    assert isinstance(again, States)


def test_states_are_padded_with_zeros(tiny_base: Path, tmp_path: Path) -> None:
    trunk = Trunk(find(str(tiny_base)))
    tokens = trunk.tokens(TEXTS)
    states = states_below(trunk.model, 1, tokens, tmp_path / "below.f16", Silent())
    found = states.pad(np.array([1, 0]), 20)
    assert found.shape == (2, 20, 32)
    assert found.dtype == torch.float32
    for row, at in enumerate((1, 0)):
        length = int(tokens.lengths[at])
        assert (found[row, length:] == 0).all()
        assert (found[row, :length].abs().sum(1) > 0).all()


def test_a_full_disk_is_a_clear_error_and_leaves_model_and_folder_whole(tiny_base: Path, tmp_path: Path) -> None:
    trunk = Trunk(find(str(tiny_base)))
    tokens, path = trunk.tokens(TEXTS * 40), tmp_path / "below.f16"
    before = trunk.features(TEXTS)
    with _files_of_at_most(4096), pytest.raises(ResourceError) as caught:
        states_below(trunk.model, 2, tokens, path, Silent())
    assert caught.value.code == "file-too-large"
    assert list(tmp_path.iterdir()) == []
    np.testing.assert_array_equal(trunk.features(TEXTS), before)
    states_below(trunk.model, 2, tokens, path, Silent())
    assert path.is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's always full disk")
def test_no_room_left_says_how_much_was_needed(tiny_base: Path) -> None:
    trunk = Trunk(find(str(tiny_base)))
    with pytest.raises(ResourceError) as caught:
        states_below(trunk.model, 2, trunk.tokens(TEXTS), Path("/dev/full"), Silent())
    assert caught.value.code == "disk-full"
    assert "needed" in caught.value.found


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    """The system refuses to let a file of this process grow further, as a full disk would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
