"""Candidates: what keeps to the limits, and a reason for all that does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from metier.choose.candidates import candidates
from metier.errors import BaseError
from metier.plan import Plan

TEXTS = ["my card does not work"]


def found(**choices: object) -> tuple[list[str], dict[str, str]]:
    kept, excluded = candidates(Plan.of(**choices), TEXTS)
    return [Path(one.name).name for one in kept], {Path(one.name).name: one.reason for one in excluded}


@pytest.fixture
def folder(tiny_base: Path, word_table, tmp_path: Path) -> Path:
    """A folder of models: a table, a small encoder with a card, a copy of it, one that is broken, and no model at all."""
    table = word_table("table", good=True)
    encoder = Path(shutil.copytree(tiny_base, table.parent / "encoder"))
    (encoder / "README.md").write_text("---\nlicense: mit\nlanguage: de\n---\n")
    shutil.copytree(encoder, table.parent / "same")
    shutil.copytree(tiny_base, table.parent / "torn")
    (table.parent / "torn" / "tokenizer.json").unlink()
    (table.parent / "notes").mkdir()
    return table.parent


def test_a_folder_of_models_gives_each_and_tells_why_others_are_left_out(folder: Path) -> None:
    kept, excluded = found(candidate=(str(folder),), max_mib=1)
    assert sorted(kept) == ["encoder", "table"]
    assert "same content" in excluded["same"]
    assert "tokenizer" in excluded["torn"]
    assert "--max-mib 1" in excluded["minilm"]
    assert {"minilm:4", "minilm:3", "minilm:2", "minilm:1"} < set(excluded)
    assert "notes" not in excluded


@pytest.mark.parametrize(
    ("limit", "kept", "reason"),
    [
        ({"licences": ("MIT",)}, ["encoder"], "licence is not stated"),
        ({"language": "de"}, ["encoder"], "names no language"),
        ({"max_latency_ms": 1e-6}, [], ""),
    ],
)
def test_each_limit_leaves_out_what_does_not_keep_to_it(
    folder: Path, limit: dict, kept: list[str], reason: str
) -> None:
    names = tuple(str(folder / name) for name in ("encoder", "table"))
    if not kept:
        with pytest.raises(BaseError, match="max-latency-ms") as caught:
            found(candidate=names, max_mib=1, **limit)
        assert caught.value.code == "no-candidate"
        assert "ms to read one text" in caught.value.found
        return
    left, excluded = found(candidate=names, max_mib=1, **limit)
    assert left == kept
    assert reason in excluded["table"]


def test_a_hub_id_is_not_fetched_offline(folder: Path) -> None:
    kept, excluded = found(candidate=("some-org/some-model", str(folder / "table")), max_mib=1)
    assert kept == ["table"]
    assert "some-org/some-model" in excluded["some-model"]


def test_what_cannot_read_a_text_is_left_out(folder: Path) -> None:
    broken = folder / "encoder" / "config.json"
    broken.write_text(json.dumps({**json.loads(broken.read_text()), "vocab_size": 4}))
    kept, excluded = found(candidate=(str(folder / "encoder"), str(folder / "table")), max_mib=1)
    assert kept == ["table"]
    assert excluded["encoder"]
