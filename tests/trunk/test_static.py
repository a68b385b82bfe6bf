"""A table of word vectors stands where a transformer stands: read, averaged over words alone, tuned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, processors

import metier
from metier.errors import BaseError
from metier.trunk import base as bases
from metier.trunk.features import Trunk

HIDDEN = 24


@pytest.fixture
def table(tiny_base: Path) -> np.ndarray:
    """A whole-number vector for every word of the tiny tokenizer."""
    words = Tokenizer.from_file(str(tiny_base / "tokenizer.json")).get_vocab_size()
    return np.random.default_rng(0).integers(-100, 100, (words, HIDDEN)).astype(np.int8)


def written(folder: Path, tiny_base: Path, **tensors: np.ndarray) -> Path:
    """A Model2Vec folder: a tokenizer whose special tokens have numbers that are other words here, and the tensors."""
    folder.mkdir()
    tokenizer = Tokenizer.from_file(str(tiny_base / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 50)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", "architectures": ["StaticModel"]}))
    (folder / "README.md").write_text("---\nlicense: mit\nlanguage:\n- en\n---\n")
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.fixture
def folder(tiny_base: Path, tmp_path: Path, table: np.ndarray) -> Path:
    return written(tmp_path / "static", tiny_base, embeddings=table)


def by_hand(folder: Path, table: np.ndarray, text: str) -> np.ndarray:
    """The direction of the mean of a text's word vectors."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found = table[tokenizer.encode(text, add_special_tokens=False).ids].astype(np.float64).mean(axis=0)
    return found / np.linalg.norm(found)


def test_a_table_is_a_base_of_one_layer(folder: Path, table: np.ndarray) -> None:
    base = bases.find(str(folder))
    assert (base.architecture, base.hidden, base.layers, base.licence) == ("StaticModel", HIDDEN, 1, "mit")
    assert base.parameters == table.size
    assert base.bytes == (folder / "model.safetensors").stat().st_size


def test_a_text_is_the_mean_of_its_words_and_of_nothing_else(folder: Path, table: np.ndarray) -> None:
    texts = ["my card does not work", "login"]
    found = Trunk(bases.find(str(folder))).features(texts)[:, :HIDDEN].astype(np.float64)
    np.testing.assert_allclose(found, [by_hand(folder, table, text) for text in texts], atol=2e-3)


def test_the_scale_of_the_table_makes_no_difference(tiny_base: Path, tmp_path: Path, table: np.ndarray) -> None:
    whole = written(tmp_path / "whole", tiny_base, embeddings=table)
    scaled = written(tmp_path / "scaled", tiny_base, embeddings=(table * 0.013).astype(np.float32))
    one, other = (Trunk(bases.find(str(place))).features(["my card", "a fee"]) for place in (whole, scaled))
    np.testing.assert_allclose(one.astype(float), other.astype(float), atol=2e-3)


def test_rows_and_weights_of_tokens_are_obeyed(tiny_base: Path, tmp_path: Path, table: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    mapping = rng.integers(0, len(table), len(table))
    weights = rng.uniform(0.1, 2, len(table)).astype(np.float32)
    place = written(tmp_path / "both", tiny_base, embeddings=table, mapping=mapping, weights=weights)
    found = Trunk(bases.find(str(place))).features(["what about the transfer today"])[0, :HIDDEN].astype(np.float64)
    wanted = by_hand(place, table[mapping] * weights[:, None], "what about the transfer today")
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_a_text_without_words_is_zero_and_no_accident(folder: Path) -> None:
    found = Trunk(bases.find(str(folder))).features(["", "☃☃☃"])
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 1e-3


def test_an_untrained_table_is_another_base(folder: Path) -> None:
    base, untrained = bases.find(str(folder)), bases.find(f"{folder}:random")
    assert untrained.sha256 != base.sha256
    one, other = Trunk(base).features(["my card"]), Trunk(untrained).features(["my card"])
    assert np.abs(one.astype(float) - other.astype(float)).max() > 0.05


def test_a_table_without_its_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BaseError) as caught:
        bases.find(str(folder))
    assert caught.value.code == "static-incomplete"


@pytest.mark.parametrize("rung", ["frozen", "adapter"])
def test_it_can_be_tuned(folder: Path, ticket_file: Path, tmp_path: Path, rung: str) -> None:
    tuned = metier.tune(
        ticket_file, target="intent", base=str(folder), rung=rung, epochs=2, workspace=tmp_path / "home"
    )
    assert tuned.figures["chosen"] == rung
    assert tuned.figures["validation"]["accuracy"]["value"] > 0.9
    again = metier.Expert.load(tuned.expert).predict(["my visa card does not work 7", "the password is wrong again 1"])
    assert [answer.prediction for answer in again] == ["card", "login"]
