"""Other forms of a base: its first layers are its own, its untrained shape is always the same one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from metier.errors import BaseError
from metier.trunk import base as bases
from metier.trunk import forms
from metier.trunk.features import Trunk, pooled

TEXTS = ["my card does not work", "what about the transfer today"]


def test_the_first_layers_alone_give_the_states_in_the_middle_of_the_whole(tiny_base: Path) -> None:
    whole = Trunk(bases.find(str(tiny_base)))
    ids, mask = whole.tokens(TEXTS).pad(np.arange(2))
    with torch.inference_mode():
        given = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        states = whole.model(**given, output_hidden_states=True).hidden_states
    wanted = pooled(states[0], states[2], torch.from_numpy(mask), "mean").numpy()
    found = Trunk(bases.find(f"{tiny_base}:2")).features(TEXTS)
    np.testing.assert_allclose(found.astype(float), wanted, atol=2e-3)


def test_a_cut_base_is_described_by_what_is_left_of_it(tiny_base: Path) -> None:
    whole, cut = bases.find(str(tiny_base)), bases.find(f"{tiny_base}:1")
    assert (cut.layers, cut.form, cut.name) == (1, "1", "tiny:1")
    assert cut.parameters == sum(p.numel() for p in bases.load_model(cut).parameters())
    assert cut.parameters < whole.parameters
    assert cut.bytes == 4 * cut.parameters
    assert len({whole.sha256, cut.sha256, bases.find(f"{tiny_base}:2").sha256}) == 3


def test_all_its_layers_are_the_base_itself(tiny_base: Path) -> None:
    assert bases.find(f"{tiny_base}:4") == bases.find(str(tiny_base))


@pytest.mark.parametrize("form", ["0", "5", "2:1", "random:1"])
def test_layers_that_are_not_there_are_refused(tiny_base: Path, form: str) -> None:
    with pytest.raises(BaseError) as caught:
        bases.find(f"{tiny_base}:{form}")
    assert caught.value.code == "no-such-layers"
    assert caught.value.fix


def test_an_untrained_shape_is_the_same_every_time_and_disturbs_nothing(tiny_base: Path) -> None:
    torch.manual_seed(5)
    undisturbed = torch.rand(3)
    torch.manual_seed(5)
    found = [Trunk(bases.find(f"{tiny_base}:{form}")).features(TEXTS) for form in ("random", "random", "random-1")]
    assert torch.equal(torch.rand(3), undisturbed)
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0].astype(float) - found[2].astype(float)).max() > 0.05


def test_a_folder_of_that_very_name_is_that_folder(tiny_base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "model:2"))
    assert bases.find(str(folder)).layers == 4
    assert forms.parted(str(folder)) == (str(folder), "")
    assert bases.find(f"{folder}:2").layers == 2


@pytest.mark.parametrize(
    ("card", "named"),
    [
        ("language: en", ("en",)),
        ("language:\n- de\n- en", ("de", "en")),
        ("license: mit", ()),
        ("language: [fr, it]", ("fr", "it")),
    ],
)
def test_languages_are_those_that_the_card_names(tiny_base: Path, tmp_path: Path, card: str, named: tuple) -> None:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "copy"))
    (folder / "README.md").write_text(f"---\n{card}\n---\n# A model")
    assert forms.languages(bases.find(str(folder))) == named


def test_models_in_the_hub_cache_are_found_by_their_id(tiny_base: Path, tmp_path: Path) -> None:
    repository = tmp_path / "models--some--thing"
    snapshot = repository / "snapshots" / "0123456789"
    snapshot.parent.mkdir(parents=True)
    shutil.copytree(tiny_base, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123456789")
    (tmp_path / "models--only--config" / "snapshots" / "1").mkdir(parents=True)
    found = forms.cached(tmp_path)
    assert list(found) == ["some/thing"]
    assert bases.find(found["some/thing"]).layers == 4
    assert forms.cached(tmp_path / "nowhere") == {}
