"""Tables that carry their own types: Parquet, Arrow (IPC and Feather) and Excel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from metier.data.archives import Content
from metier.data.cache import Reading
from metier.data.dataset import Problem
from metier.data.delimited import Words, header_only
from metier.data.header import has_header, name_columns
from metier.data.sniff import filled
from metier.errors import DataError
from metier.plan import DataPlan

_ROWS = 2**16


def read_parquet(content: Content, work: Path) -> Reading:
    """A Reading of a Parquet file, one row group's slice at a time."""
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(content.seekable(work))
    except (pa.ArrowInvalid, OSError) as error:
        raise _broken(content, "Parquet", error) from None
    return _typed(content, "parquet", file.schema_arrow, file.iter_batches(_ROWS))


def read_arrow(content: Content, work: Path) -> Reading:
    """A Reading of an Arrow IPC file, IPC stream or Feather file."""
    path = content.seekable(work)
    magic = content.head(6)
    try:
        if magic.startswith(b"FEA1"):
            import pyarrow.feather as feather

            table = feather.read_table(path)
            return _typed(content, "feather", table.schema, iter(table.to_batches(_ROWS)))
        source = pa.memory_map(str(path))
        if magic == b"ARROW1":
            file = pa.ipc.open_file(source)
            batches = (file.get_batch(position) for position in range(file.num_record_batches))
            return _typed(content, "arrow", file.schema, batches)
        stream = pa.ipc.open_stream(source)
        return _typed(content, "arrow", stream.schema, iter(stream))
    except (pa.ArrowInvalid, OSError) as error:
        raise _broken(content, "Arrow", error) from None


def _broken(content: Content, form: str, error: Exception) -> DataError:
    return DataError(
        "broken-file",
        f"The {form} file must be whole.",
        found=f"{content.name}: {str(error).splitlines()[0]}",
        fix="Copy or download it again, and check its size.",
    )


def _typed(content: Content, form: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Reading:
    columns = pa.schema([(field.name, plain_type(field.type)) for field in schema])
    return Reading(columns, _conformed(content, form, batches, columns), {"format": form})


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type a column is kept in: dictionaries become their values, files their bytes, nested values JSON text."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if _holds_file(kind):
        return pa.binary()
    if pa.types.is_nested(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_decimal(kind):
        return pa.float64()
    return kind


def _conformed(
    content: Content, form: str, batches: Iterator[pa.RecordBatch], columns: pa.Schema
) -> Iterator[pa.RecordBatch]:
    try:
        for batch in batches:
            batch.validate(full=True)  # offsets that lead out of a buffer would end the process
            arrays = [plain_array(array, field.type) for array, field in zip(batch.columns, columns, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=columns)
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # of the disk, not of the file
        raise _broken(content, form.title(), error) from None


def _holds_file(kind: pa.DataType) -> bool:
    """Whether a cell is a file's bytes with its path beside them, as Hugging Face's library keeps pictures."""
    if not pa.types.is_struct(kind) or kind.num_fields > 2:
        return False
    at = kind.get_field_index("bytes")
    return at >= 0 and bool(pa.types.is_binary(kind.field(at).type) or pa.types.is_large_binary(kind.field(at).type))


def plain_array(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The array in the type that `plain_type` gives."""
    if array.type == kind:
        return array
    if _holds_file(array.type):
        # Flattened, not taken apart: bytes within a missing cell are missing too.
        return array.flatten()[array.type.get_field_index("bytes")].cast(kind)
    if pa.types.is_nested(array.type):
        values = (
            None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in array.to_pylist()
        )
        return pa.array(list(values), kind)
    return array.cast(kind)


def read_excel(content: Content, plan: DataPlan, work: Path) -> Reading:
    """A Reading of a workbook's first sheet with rows; other sheets with rows are named in a problem."""
    import fastexcel

    try:
        book = fastexcel.read_excel(content.seekable(work))
        filled_sheets = [name for name in book.sheet_names if _height(book, name)]
    except (fastexcel.FastExcelError, ValueError) as error:
        raise DataError(
            "broken-file",
            "The Excel workbook must be whole and without a password.",
            found=f"{content.name}: {str(error).splitlines()[0]}",
            fix="Save it again without a password, or export the sheet as CSV.",
        ) from None
    if not filled_sheets:
        raise DataError(
            "empty-file",
            "The workbook must have a sheet with rows.",
            found=f"{content.name}: {len(book.sheet_names)} empty sheets",
            fix="Check that it was saved.",
        )
    table, header = _sheet(book, filled_sheets[0], plan, content)
    words = Words(table.schema.names)
    batches = [words.without(batch) for batch in table.combine_chunks().to_batches(_ROWS)]
    facts = {"format": "excel", "header": header, "member": filled_sheets[0]}
    problems = words.problems()
    if len(filled_sheets) > 1:
        others = ", ".join(filled_sheets[1:])
        detail = f"The workbook has {len(filled_sheets)} sheets with rows; {filled_sheets[0]} is read."
        problems.append(Problem("several-sheets", "note", detail, fix=f"To read another, save it as a file: {others}."))
    return Reading(table.schema, iter(batches), facts, problems)


def _height(book: Any, name: str) -> int:
    return int(book.load_sheet(name, header_row=None).total_height)


def _sheet(book: Any, name: str, plan: DataPlan, content: Content) -> tuple[pa.Table, bool]:
    """The sheet's table, columns typed where all their cells agree, and whether its first row names them."""
    top = pa.record_batch(book.load_sheet(name, header_row=None, dtypes="string", n_rows=200)).to_pydict()
    records = [["" if cell is None else cell for cell in row] for row in zip(*top.values(), strict=True)]
    header = plan.header == "yes" or (plan.header == "auto" and has_header(records, True))
    if header and len(records) < 2:
        raise header_only(content)
    names = filled(list(records[0])) if header else name_columns(records)
    options: dict[str, Any] = {"header_row": 0} if header else {"header_row": None}
    batch = pa.record_batch(book.load_sheet(name, schema_sample_rows=None, **options))
    columns = pa.schema([(name, plain_type(field.type)) for name, field in zip(names, batch.schema, strict=True)])
    arrays = [plain_array(array, field.type) for array, field in zip(batch.columns, columns, strict=True)]
    # A column without a single value has no type of its own.
    arrays = [pa.nulls(len(array), pa.string()) if pa.types.is_null(array.type) else array for array in arrays]
    columns = pa.schema([(name, array.type) for name, array in zip(names, arrays, strict=True)])
    return pa.Table.from_arrays(arrays, schema=columns), header
