"""Data sets on disk as Hugging Face's library leaves them (written here by hand, in its layout), and Parquet shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metier.data.dataset import Dataset
from metier.data.read import read
from metier.errors import MetierError
from metier.plan import DataPlan

LABEL = {"names": ["sad", "glad"], "_type": "ClassLabel"}
TEXT = {"dtype": "string", "_type": "Value"}


def saved(folder: Path, shards: list[pa.Table], features: dict[str, Any], **state: Any) -> Path:
    """What `Dataset.save_to_disk` of datasets 5.2 writes: Arrow streams, state.json, dataset_info.json."""
    folder.mkdir(parents=True)
    names = [f"data-{at:05d}-of-{len(shards):05d}.arrow" for at in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        with pa.ipc.new_stream(folder / name, shard.schema) as writer:
            writer.write_table(shard, max_chunksize=7)
    told = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "0", "_split": None, **state}
    (folder / "state.json").write_text(json.dumps(told))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features, "homepage": ""}))
    return folder


def rows(start: int, end: int) -> pa.Table:
    codes = [-1 if at == 3 else at % 2 for at in range(start, end)]
    tags = [[0, 1], [1], []]
    return pa.table(
        {
            "text": [f"text number {at} here" for at in range(start, end)],
            "label": pa.array(codes, pa.int64()),
            "tags": pa.array([tags[at % 3] for at in range(start, end)], pa.list_(pa.int64())),
        }
    )


FEATURES = {"text": TEXT, "label": LABEL, "tags": {"feature": LABEL, "_type": "List"}}


def opened(folder: Path, tmp_path: Path) -> Dataset:
    return read(folder, DataPlan(), tmp_path / "tables")


def code(folder: Path, tmp_path: Path) -> str:
    with pytest.raises(MetierError) as caught:
        opened(folder, tmp_path)
    assert caught.value.fix
    return caught.value.code


def test_labels_are_names_and_shards_come_in_order(tmp_path: Path) -> None:
    dataset = opened(saved(tmp_path / "d", [rows(0, 10), rows(10, 15)], FEATURES), tmp_path)
    assert dataset.table["text"].to_pylist() == [f"text number {at} here" for at in range(15)]
    assert dataset.table["label"].to_pylist()[:5] == ["sad", "glad", "sad", None, "sad"]
    assert json.loads(dataset.table["tags"][0].as_py()) == ["sad", "glad"]
    assert dataset.source.format == "hugging-face"


def test_several_splits_become_a_column(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    saved(folder / "train", [rows(0, 10)], FEATURES)
    saved(folder / "test", [rows(10, 14)], FEATURES)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    dataset = opened(folder, tmp_path)
    assert dataset.table["split"].to_pylist() == ["train"] * 10 + ["test"] * 4
    assert dataset.schema.named("split") == ("split",)


def test_the_content_is_the_identity(tmp_path: Path) -> None:
    one = opened(saved(tmp_path / "a", [rows(0, 9)], FEATURES), tmp_path)
    same = opened(saved(tmp_path / "b", [rows(0, 9)], FEATURES), tmp_path)
    other = opened(saved(tmp_path / "c", [rows(1, 10)], FEATURES), tmp_path)
    names = {**LABEL, "names": ["x", "y"]}
    renamed = opened(saved(tmp_path / "e", [rows(0, 9)], {**FEATURES, "label": names}), tmp_path)
    assert one.source.sha256 == same.source.sha256
    assert len({one.source.sha256, other.source.sha256, renamed.source.sha256}) == 3


def test_pictures_are_left_out_and_told(tmp_path: Path) -> None:
    picture = pa.array([{"bytes": b"\x89PNG", "path": None}] * 9)
    features = {**FEATURES, "image": {"_type": "Image"}}
    dataset = opened(saved(tmp_path / "d", [rows(0, 9).append_column("image", picture)], features), tmp_path)
    assert "image" not in dataset.table.column_names
    assert [problem.column for problem in dataset.schema.problems if problem.code == "column-left-out"] == ["image"]
    only = saved(tmp_path / "e", [pa.table({"image": picture})], {"image": {"_type": "Image"}})
    assert code(only, tmp_path) == "images"


def test_what_is_not_whole_is_told(tmp_path: Path) -> None:
    folder = saved(tmp_path / "cut", [rows(0, 9)], FEATURES)
    shard = folder / "data-00000-of-00001.arrow"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    assert code(folder, tmp_path) == "broken-dataset"
    shard.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    assert code(folder, tmp_path) == "lfs-pointer"
    shard.unlink()
    assert code(folder, tmp_path) == "no-such-file"
    (folder / "state.json").write_text("{")
    assert code(folder, tmp_path) == "broken-dataset"
    out = saved(tmp_path / "out", [rows(0, 9)], FEATURES, _data_files=[{"filename": "../cut/state.json"}])
    assert code(out, tmp_path) == "broken-dataset"
    picked = saved(tmp_path / "picked", [rows(0, 9)], FEATURES, _indices_data_files=[{"filename": "i.arrow"}])
    assert code(picked, tmp_path) == "rows-selected"
    torn = saved(tmp_path / "torn", [rows(0, 9), rows(9, 12).drop(["label"])], FEATURES)
    assert code(torn, tmp_path) == "broken-dataset"


def test_parquet_shards_are_one_table_and_their_names_tell_the_split(tmp_path: Path) -> None:
    folder = tmp_path / "shards" / "data"
    folder.mkdir(parents=True)
    told = json.dumps({"info": {"features": FEATURES}}).encode()
    for name, part in {
        "train-00000-of-00002": rows(0, 8),
        "train-00001-of-00002": rows(8, 10),
        "test-00000-of-00001": rows(10, 12),
    }.items():
        pq.write_table(part.replace_schema_metadata({"huggingface": told}), folder / f"{name}.parquet")
    (folder.parent / "README.md").write_text("about")
    dataset = opened(folder.parent, tmp_path)
    assert dataset.table["split"].to_pylist() == ["test"] * 2 + ["train"] * 10
    assert dataset.table["label"].to_pylist()[2:5] == ["sad", "glad", "sad"]
    plain = tmp_path / "plain"
    plain.mkdir()
    for at in range(2):
        pq.write_table(pa.table({"a": [at, 2, 3], "b": ["x", "y", "z"]}), plain / f"part-{at}.parquet")
    assert opened(plain, tmp_path).table["a"].to_pylist() == [0, 2, 3, 1, 2, 3]
