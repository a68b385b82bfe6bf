"""Rows whose types are known only when the last has come: kept on disk as they come, typed and hashed afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier import files


class Spool:
    """Chunks of columns on their way into a table: `add` them, then ask for `schema`, `identity` and `batches`.

    Memory holds one chunk. A column's type is the narrowest that holds all its values: whole numbers, numbers, dates,
    times, truth values, bytes, else strings. Lists and objects become JSON text.
    """

    def __init__(self, names: Sequence[str], folder: Path) -> None:
        self.names = tuple(names)
        self.rows = 0
        self._kinds: list[pa.DataType] = [pa.null()] * len(self.names)
        self._path = folder / "rows.arrow"
        self._sink = pa.OSFile(str(self._path), "wb")
        self._writer: Any = None

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def add(self, columns: Sequence[Sequence[Any]]) -> int:
        """One chunk: for each column its values, Python objects as a database driver gives them. Returns its bytes."""
        arrays = [as_array(values) for values in columns]
        batch = pa.RecordBatch.from_arrays(arrays, names=[str(at) for at in range(len(arrays))])
        with files.guard(self._path):
            if self._writer is None or self._writer.schema != batch.schema:
                # Another type begins another stream in the same file; all are made one when they are read.
                if self._writer is not None:
                    self._writer.writer.close()
                self._writer = _Stream(self._sink, batch.schema)
            self._writer.writer.write_batch(batch)
        self._kinds = [wider(kind, array.type) for kind, array in zip(self._kinds, arrays, strict=True)]
        self.rows += batch.num_rows
        return int(batch.nbytes)

    @property
    def schema(self) -> pa.Schema:
        """The columns' names and types; a column without a single value is of strings."""
        kinds = [pa.string() if pa.types.is_null(kind) else kind for kind in self._kinds]
        return pa.schema(list(zip(self.names, kinds, strict=True)))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All chunks in order, in the types of `schema`."""
        self._close()
        columns = self.schema
        with pa.memory_map(str(self._path)) as source:
            while source.tell() < source.size():
                with pa.ipc.open_stream(source) as stream:
                    for batch in stream:
                        arrays = [cast(array, field.type) for array, field in zip(batch.columns, columns, strict=True)]
                        yield pa.RecordBatch.from_arrays(arrays, schema=columns)

    def identity(self) -> tuple[str, int]:
        """The SHA-256 of the content, and the bytes that it went over: see `identity`."""
        return identity(self.schema, self.batches())

    def _close(self) -> None:
        if self._sink.closed:
            return
        if self._writer is not None:
            with contextlib.suppress(pa.ArrowInvalid):
                self._writer.writer.close()
        self._sink.close()


class _Stream:
    def __init__(self, sink: Any, schema: pa.Schema) -> None:
        self.schema = schema
        self.writer = pa.ipc.new_stream(sink, schema)


def as_array(values: Sequence[Any]) -> pa.Array:
    """Values of one column as an Arrow array of a plain type."""
    try:
        array = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, ValueError):
        return _spelled(values)
    kind = array.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return array.cast(pa.timestamp(kind.unit, "UTC"))
    if pa.types.is_decimal(kind):
        return array.cast(pa.float64())
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_nested(kind) or pa.types.is_time(kind):
        return _spelled(values)
    return _spelled(values) if pa.types.is_duration(kind) or pa.types.is_interval(kind) else array


def _spelled(values: Sequence[Any]) -> pa.Array:
    if any(isinstance(value, (bytes, memoryview)) for value in values):
        return pa.array(
            [value if value is None or isinstance(value, bytes) else _raw(value) for value in values], pa.binary()
        )
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _raw(value: Any) -> bytes:
    return bytes(value) if isinstance(value, memoryview) else _text(value).encode("utf-8", "backslashreplace")


def _text(value: Any) -> str:
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value).encode("utf-8", "replace").decode()  # a lone surrogate has no form in Arrow


def wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The narrowest type that holds values of both."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    both = (one, other)
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in both):
        return pa.float64() if any(map(pa.types.is_floating, both)) else pa.int64()
    if any(map(pa.types.is_binary, both)):
        return pa.binary()
    if all(pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None) for kind in both):
        return pa.timestamp("us")
    return pa.string()


def cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The array in a wider type."""
    if array.type == kind:
        return array
    if pa.types.is_binary(kind) and not pa.types.is_string(array.type):
        array = array.cast(pa.string())
    return array.cast(kind, safe=False)


def identity(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> tuple[str, int]:
    """The SHA-256 of a table's content, and how many bytes it was taken over; the same however it is cut in batches.

    It is that of the JSON of names, types, rows and, for each column, three SHA-256: of which cells are there (a byte
    each), of their lengths (int32, strings and bytes only) and of their values (little-endian, zero where missing).
    """
    hashers = [[hashlib.sha256() for _ in range(3)] for _ in schema]
    rows = size = 0
    for batch in batches:
        rows += batch.num_rows
        for parts, array in zip(hashers, batch.columns, strict=True):
            for part, data in zip(parts, _bytes(array), strict=True):
                part.update(data)
                size += len(data)
    about = [
        [field.name, str(field.type), [part.hexdigest() for part in parts]]
        for field, parts in zip(schema, hashers, strict=True)
    ]
    return files.digest({"columns": about, "rows": rows}), size


def _bytes(array: pa.Array) -> tuple[bytes, bytes, bytes]:
    """Which cells are there, how long they are, and what they hold, each as plain bytes."""
    there = pc.is_valid(array).cast(pa.uint8()).to_numpy(zero_copy_only=False).tobytes()
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        full = array.fill_null("" if pa.types.is_string(kind) else b"")
        lengths = pc.binary_length(full).to_numpy(zero_copy_only=False).astype("<i4")
        _, offsets, data = full.buffers()
        ends = np.frombuffer(offsets, np.int32)[full.offset : full.offset + len(full) + 1]
        body = bytes(memoryview(data)[int(ends[0]) : int(ends[-1])]) if data is not None and len(full) else b""
        return there, lengths.tobytes(), body
    if pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif pa.types.is_timestamp(kind) or pa.types.is_date64(kind):
        array = array.cast(pa.int64())
    elif pa.types.is_date32(kind):
        array = array.cast(pa.int32())
    values = array.fill_null(0).to_numpy(zero_copy_only=False)
    return there, b"", values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
