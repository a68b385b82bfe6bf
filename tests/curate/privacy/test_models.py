"""Names found by a model the user names: a real, tiny token classifier made to know its people."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForTokenClassification

from metier.curate.privacy.models import finder
from metier.errors import BaseError, UsageError


@pytest.fixture(scope="module")
def namer(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT that calls the word "card" a person, by its embedding alone, and has a tokenizer beside it."""
    import json

    folder = tmp_path_factory.mktemp("models") / "namer"
    vocabulary = json.loads((tiny_base / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    labels = {0: "O", 1: "B-PER", 2: "I-PER"}
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16,
        max_position_embeddings=64, id2label=labels, label2id={name: code for code, name in labels.items()},
        hidden_dropout_prob=0.0,
    )  # fmt: skip
    torch.manual_seed(0)
    model = BertForTokenClassification(config).eval()
    words = model.bert.embeddings.word_embeddings.weight
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # Only the word's own embedding counts: its first number says whether it is a person.
            if name.endswith("output.dense.weight") or "position" in name or "token_type" in name:
                weight.zero_()
        words.normal_()
        words[:, 0] = 0.0
        words[vocabulary["card"]] = torch.eye(16)[0] * 9
        model.classifier.weight.copy_(torch.eye(16)[[1, 0, 2]] * torch.tensor([[0.0], [9.0], [0.0]]))
        model.classifier.bias.copy_(torch.tensor([9.0, 0.0, -9.0]))
    model.save_pretrained(folder)
    shutil.copy(tiny_base / "tokenizer.json", folder)
    return folder


def test_a_models_people_are_hits_at_their_place(namer: Path) -> None:
    texts = ["my card does not work", "please help", ""]
    first, second, third = finder(str(namer))(texts)
    assert [(hit.type, texts[0][hit.start : hit.end], hit.rule) for hit in first] == [("name", "card", "model")]
    assert second == third == []


def test_a_long_text_is_read_to_its_end(namer: Path) -> None:
    text = "please help me with the fee " * 30 + "card"
    (hits,) = finder(str(namer))([text])
    assert [text[hit.start : hit.end] for hit in hits] == ["card"]


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseError, match=r"no config\.json"):
        finder(str(tmp_path))


def test_a_model_that_knows_no_people_is_refused(namer: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(namer, folder)
    config = (folder / "config.json").read_text(encoding="utf-8").replace("-PER", "-LOC")
    (folder / "config.json").write_text(config, encoding="utf-8")
    with pytest.raises(BaseError, match="a label for people"):
        finder(str(folder))


def test_a_broken_model_is_refused(namer: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(namer, folder)
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(BaseError, match="must be a token-classification model"):
        finder(str(folder))


@pytest.mark.skipif(importlib.util.find_spec("presidio_analyzer") is not None, reason="presidio is installed")
def test_presidio_that_is_not_installed_names_its_extra() -> None:
    with pytest.raises(UsageError, match=r"metier\[privacy\]"):
        finder("presidio")
