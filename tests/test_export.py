"""An exported expert says what the expert said, in metier and in any other runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metier.errors import ExpertError
from metier.expert import Expert
from metier.export import export, smaller
from metier.trunk import onnx

pytestmark = pytest.mark.skipif(not onnx.available(), reason="needs the extra onnx")
TEXTS = ["my card does not work 12", "why is the fee like this", "help", "a b c d e f g h i j k l", "transfer"]


@pytest.fixture(scope="module")
def exported(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "expert"
    assert export(finished.output, folder)["bytes"] > 0
    return folder


def outputs(folder: Path) -> np.ndarray:
    loaded = Expert.load(folder)
    return loaded.outputs(loaded.examples(TEXTS).inputs)


def test_the_exported_expert_gives_the_same_outputs(finished: Any, exported: Path) -> None:
    assert np.abs(outputs(exported) - outputs(finished.output)).max() < 2e-2
    mine, theirs = (Expert.load(folder).predict(TEXTS) for folder in (finished.output, exported))
    assert [each.prediction for each in mine] == [each.prediction for each in theirs]


def test_another_runtime_gets_the_same_answers_from_the_file_alone(finished: Any, exported: Path) -> None:
    import onnxruntime
    from tokenizers import Tokenizer

    labels = json.loads((exported / "labels.json").read_text())["labels"]
    tokenizer = Tokenizer.from_file(str(exported / "tokenizer.json"))
    session = onnxruntime.InferenceSession(str(exported / "model.onnx"), providers=["CPUExecutionProvider"])
    main = getattr(Expert.load(finished.output).predictor, "main", Expert.load(finished.output).predictor)
    for text in TEXTS[:3]:
        ids = np.array([tokenizer.encode(text).ids])
        found = session.run(["outputs"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
        assert found.shape == (1, len(labels))
        wanted = main.outputs(Expert.load(finished.output).examples([text]).inputs)
        assert np.abs(found - wanted).max() < 2e-2


def test_int8_is_smaller_and_still_an_expert(exported: Path, tmp_path: Path, metier: Any) -> None:
    small = tmp_path / "small"
    assert smaller(exported, small)["format"] == "onnx-int8"
    assert (small / "model.onnx").stat().st_size < (exported / "model.onnx").stat().st_size
    assert len(Expert.load(small).predict(TEXTS)) == len(TEXTS)
    assert metier("verify", small).code == metier("verify", exported).code == 0


def test_what_reads_no_text_through_a_base_is_not_exported(
    ticket_file: Path, tiny_base: Path, tmp_path: Path, metier: Any
) -> None:
    words = ["--base", tiny_base, "--rung", "linear", "--workspace", tmp_path / "home", "-o", tmp_path / "expert"]
    assert metier("tune", ticket_file, "--target", "intent", *words).code == 0
    with pytest.raises(ExpertError, match="ONNX holds an expert"):
        export(tmp_path / "expert", tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()


def test_an_export_is_not_exported_again(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ExpertError) as caught:
        export(exported, tmp_path / "again")
    assert "exported before" in caught.value.found


def test_the_command_says_how_large_it_became(finished: Any, tmp_path: Path, metier: Any) -> None:
    answer = metier("export", finished.output, "-o", tmp_path / "there", "--json")
    assert answer.code == 0
    assert answer.json["format"] == "onnx"
    assert (tmp_path / "there" / "model.onnx").is_file()
