"""Data sets on disk: what Hugging Face's `save_to_disk` and cache leave, and folders of Parquet shards.

Read with pyarrow alone. The layout is that of datasets 2 to 4: state.json and dataset_info.json beside Arrow streams,
dataset_dict.json above the splits' folders.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from metier import files
from metier.data import cache as tables
from metier.data.archives import locate
from metier.data.cache import Reading
from metier.data.dataset import Problem
from metier.data.schema import check_names
from metier.data.sources import Found
from metier.data.typed import plain_array, plain_type
from metier.errors import DataError

_ROWS = 2**14
# data-00000-of-00004, train-00000-of-00001-a1b2c3d4e5f6, emotion-train.arrow
_SHARD = re.compile(r"(?:^|[-_.])(train|training|validation|valid|val|dev|test|eval)(?=$|[-_.])", re.IGNORECASE)
_MEDIA = ("Image", "Audio", "Video", "Pdf", "Nifti")


@dataclass(frozen=True)
class _Shard:
    path: Path
    split: str | None
    features: Mapping[str, Any]


def read_folder(folder: Path, cache: Path) -> Found | None:
    """A data set on disk as a table; None where the folder is none.

    Labels stored as numbers become their names, and several splits become a column `split`. Memory holds one batch.
    Raises DataError where a shard is missing or broken, or where the shards' columns differ.
    """
    shards = _saved(folder) or _parquet(folder)
    if not shards:
        return None
    for shard in shards:
        locate(shard.path)
    listing = [[str(shard.path.relative_to(folder)), shard.split, files.sha256(shard.path)] for shard in shards]
    digest = hashlib.sha256(json.dumps([listing, [dict(s.features) for s in shards]]).encode()).hexdigest()
    name = tables.key(digest, {"source": "shards"})
    stored = tables.load(cache, name)
    if stored is None:
        stored = tables.store(cache, name, _reading(shards))
    if not stored.table.num_rows:
        raise DataError(
            "no-rows", "The data set must have rows.", found=f"{folder} has none", fix="Check how it was saved."
        )
    return Found(stored, digest, sum(shard.path.stat().st_size for shard in shards), name)


def _saved(folder: Path) -> list[_Shard]:
    """The shards of what datasets saved or cached, in order."""
    if (folder / "dataset_dict.json").is_file():
        splits = _json(folder / "dataset_dict.json").get("splits", [])
        found = [shard for split in splits for shard in _one_split(folder / _safe(split, folder), str(split))]
        if not found:
            raise _broken(folder, "its dataset_dict.json names no split that is there")
        return found
    if (folder / "state.json").is_file():
        return _one_split(folder, None)
    if (folder / "dataset_info.json").is_file():
        arrows = sorted(folder.glob("*.arrow"))
        features = _json(folder / "dataset_info.json").get("features") or {}
        return [_Shard(path, _split_of(path.stem), features) for path in arrows if not path.name.startswith("cache-")]
    return []


def _one_split(folder: Path, split: str | None) -> list[_Shard]:
    if not (folder / "state.json").is_file():
        raise _broken(folder, "state.json is missing")
    state = _json(folder / "state.json")
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise DataError(
            "rows-selected",
            "The data set must hold its own rows.",
            found=f"{folder} is a selection from other rows (an indices table)",
            fix="Save it anew: dataset.flatten_indices().save_to_disk(FOLDER).",
        )
    info = folder / "dataset_info.json"
    features = (_json(info).get("features") or {}) if info.is_file() else {}
    names = [_safe(item["filename"], folder) for item in state.get("_data_files") or []]
    return [_Shard(folder / name, split, features) for name in names]


def _safe(name: object, folder: Path) -> str:
    """A plain name within the folder, so that what a file says can't lead out of it."""
    if not isinstance(name, str) or Path(name).name != name:
        raise _broken(folder, f"it names the file {name!r}")
    return name


def _parquet(folder: Path) -> list[_Shard]:
    """Parquet files under a folder that holds no other tables, each of the split its name or its folder says."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path.relative_to(folder)))
    shards = [path for path in paths if path.suffix.lower() in (".parquet", ".pq")]
    others = {".csv", ".tsv", ".jsonl", ".xlsx", ".arrow", ".feather"}
    if not shards or any(path.suffix.lower() in others for path in paths):
        return []
    found = [
        _Shard(path, _split_of(path.stem) or _split_of(path.relative_to(folder).parent.name), {}) for path in shards
    ]
    return found if all(shard.split for shard in found) else [_Shard(shard.path, None, {}) for shard in found]


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _split_of(stem: str) -> str | None:
    match = _SHARD.search(stem)
    return match[1].lower() if match else None


def _json(path: Path) -> dict[str, Any]:
    try:
        found = files.read_json(path)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _broken(path.parent, f"{path.name} is no JSON object")
    return found


def _broken(folder: Path, found: str) -> DataError:
    return DataError(
        "broken-dataset",
        "A data set on disk must be whole, as Dataset.save_to_disk leaves it.",
        found=f"{folder}: {found}",
        fix="Copy or save it again.",
    )


def _reading(shards: list[_Shard]) -> Reading:
    schema, features = _opened(shards[0].path)[0], _features(shards[0])
    left_out = [name for name in schema.names if _media(features.get(name))]
    names = [name for name in schema.names if name not in left_out]
    fields = [(name, _decoded_type(schema.field(name).type, features.get(name))) for name in names]
    several = len({shard.split for shard in shards}) > 1 and "split" not in names
    columns = pa.schema([*fields, *([("split", pa.string())] if several else [])])
    if not names:
        raise DataError(
            "images",
            "A data set must have a column of texts, numbers or labels.",
            found=f"{', '.join(left_out)}: images, sound or video, which are not read yet",
            fix="Name a data set of texts or of rows.",
        )
    check_names(columns.names)
    detail = "{} holds images, sound or video, which are not read yet; it is left out."
    problems = [Problem("column-left-out", "warning", detail.format(name), column=name) for name in left_out]
    batches = (batch for shard in shards for batch in _batches(shard, names, columns, several))
    return Reading(columns, batches, {"format": "hugging-face" if features else "parquet"}, problems)


def _features(shard: _Shard) -> Mapping[str, Any]:
    """Column -> what datasets says of it, from dataset_info.json or else from the shard's own schema."""
    if shard.features:
        return shard.features
    told = (_opened(shard.path)[0].metadata or {}).get(b"huggingface", b"{}")
    try:
        found = json.loads(told).get("info", {}).get("features", {})
    except (ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def _opened(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """A shard's schema and its batches; Parquet, or Arrow as a stream or a file."""
    try:
        if path.suffix.lower() != ".arrow":
            import pyarrow.parquet as pq

            file = pq.ParquetFile(path)
            return file.schema_arrow, file.iter_batches(_ROWS)
        source = pa.memory_map(str(path))
        if source.read(6) == b"ARROW1":
            whole = pa.ipc.open_file(source)
            return whole.schema, (whole.get_batch(at) for at in range(whole.num_record_batches))
        source.seek(0)
        stream = pa.ipc.open_stream(source)
        return stream.schema, iter(stream)
    except (pa.ArrowInvalid, OSError) as error:
        raise _broken(path.parent, f"{path.name} can't be read: {str(error).splitlines()[0]}") from None


def _batches(shard: _Shard, names: list[str], columns: pa.Schema, several: bool) -> Iterator[pa.RecordBatch]:
    schema, batches = _opened(shard.path)
    missing = [name for name in names if name not in schema.names]
    if missing:
        raise _broken(shard.path.parent, f"{shard.path.name} has no column {', '.join(missing)} as the others have")
    features = _features(shard)
    try:
        for whole in batches:
            for start in range(0, whole.num_rows, _ROWS):
                batch = whole.slice(start, _ROWS)
                arrays = [plain_array(_decoded(batch.column(name), features.get(name)), columns.field(name).type)
                          for name in names]  # fmt: skip
                if several:
                    arrays.append(pa.array([shard.split] * batch.num_rows, pa.string()))
                yield pa.RecordBatch.from_arrays(arrays, schema=columns)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise _broken(shard.path.parent, f"{shard.path.name}: {str(error).splitlines()[0]}") from None


def _media(feature: Any) -> bool:
    return isinstance(feature, dict) and feature.get("_type") in _MEDIA


def _names(feature: Any) -> list[str] | None:
    """The labels' names where a feature is a ClassLabel."""
    if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names"):
        return [str(name) for name in feature["names"]]
    return None


def _inner(feature: Any) -> Any:
    """What a list holds: `[feature]`, or `{"feature": ..., "_type": "Sequence" | "List"}`."""
    if isinstance(feature, list) and len(feature) == 1:
        return feature[0]
    if isinstance(feature, dict) and feature.get("_type") in ("Sequence", "List", "LargeList"):
        return feature.get("feature")
    return None


def _decoded_type(kind: pa.DataType, feature: Any) -> pa.DataType:
    return pa.string() if _names(feature) and pa.types.is_integer(kind) else plain_type(kind)


def _decoded(array: pa.Array, feature: Any) -> pa.Array:
    """Label numbers as names, also within lists; -1, which stands for none, as missing."""
    names = _names(feature)
    if names is not None and pa.types.is_integer(array.type):
        known = pc.and_(pc.greater_equal(array, 0), pc.less(array, len(names)))
        return pa.array(names, pa.string()).take(pc.if_else(known, array, None).cast(pa.int64()))
    inner = _names(_inner(feature))
    if inner is not None and pa.types.is_list(array.type) and pa.types.is_integer(array.type.value_type):
        told = [
            None if cells is None else [inner[at] if at is not None and 0 <= at < len(inner) else None for at in cells]
            for cells in array.to_pylist()
        ]
        return pa.array(told, pa.list_(pa.string()))
    return array
