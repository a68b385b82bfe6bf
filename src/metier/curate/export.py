"""The cleaned file, in the input's own format: what was not touched stays as it stood, down to its bytes."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa

from metier import files
from metier.curate import apply
from metier.curate.export_text import Edit, Unlike, write_delimited, write_json_array, write_json_lines
from metier.curate.fates import Fates
from metier.data.archives import Content, locate, open_content
from metier.data.dataset import Dataset
from metier.errors import MetierError, UsageError

_FORMS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".xlsx": "excel",
}
_SUFFIXES = {"csv": ".csv", "tsv": ".tsv", "jsonl": ".jsonl", "parquet": ".parquet", "arrow": ".arrow"}


@dataclass(frozen=True)
class Written:
    """A cleaned file: where it lies, in what form, how many rows it has, its hash, and what could not be kept."""

    path: Path
    format: str
    rows: int
    bytes: int
    sha256: str
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "path": str(self.path)}


def place(dataset: Dataset, output: str | Path | None, folder: Path) -> Path:
    """Where the cleaned file goes: to `output` (a file, or a folder that is there), else into `folder`.

    Raises UsageError for an ending that says no form, and for the data file itself.
    """
    name = _name(dataset)
    target = folder / name if output is None else Path(output).expanduser()
    if output is not None and (target.is_dir() or str(output).endswith(("/", "\\"))):
        target = target / name
    if _form(target) is None and target.suffix.lower() != Path(name).suffix.lower():
        raise UsageError(
            "unknown-output",
            "The output's ending says its form.",
            found=target.name,
            fix=f"End it in {Path(name).suffix or '.csv'}, or in .csv, .tsv, .jsonl, .parquet or .xlsx.",
        )
    source = Path(dataset.source.path).expanduser()
    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError(
            "would-overwrite",
            "The cleaned file must not replace the data it was made from.",
            found=str(target),
            fix="Name another file with -o.",
        )
    return target


def write(dataset: Dataset, fates: Fates, target: Path, split: np.ndarray | None = None) -> Written:
    """Write the rows that stay, changed as was decided; `split` (n,) of words is added as a column.

    Text keeps its encoding, delimiter, quoting and line ends, Parquet its schema; a file in which nothing changes is
    copied byte for byte. What could not be kept is said in `notes`. Raises ResourceError.
    """
    content = _content(dataset)
    notes: list[str] = []
    form = _form(target) or dataset.source.format
    own = content is not None and form in (dataset.source.format, {"feather": "arrow"}.get(dataset.source.format, ""))
    packed = target.suffix.lower() == ".gz"
    if own and content is not None:
        if fates.changes_nothing and split is None:
            _copy(content, target, packed)
            return _written(target, form, len(dataset), notes)
        writer = _KEEPING.get(form)
        if writer is not None:
            try:
                with _opened(target, packed) as out:
                    rows = writer(content, Edit.of(dataset, fates, split), out)
                return _written(target, form, rows, notes)
            except Unlike as error:
                notes.append(f"The file was written anew, as {error}.")
    elif form != dataset.source.format:
        notes.append(f"Written as {form}; the data came as {dataset.source.format}.")
    if form == "excel" and not _has_openpyxl():
        target, form = target.with_suffix(".csv"), "csv"
        notes.append("Written as CSV: a workbook needs openpyxl, which is not installed.")
    if form != "excel" and form not in _WRITERS:
        notes.append(f"Written as CSV: there is no writer for {form}.")
        form = "csv"
    pieces = apply.cleaned(dataset, fates, split)
    with _opened(target, packed) as out:
        rows = _excel(pieces, out, dataset) if form == "excel" else _WRITERS[form](pieces, out)
    return _written(target, form, rows, notes)


def _name(dataset: Dataset) -> str:
    """The input's own name where its form can be written, else one that ends in the form used instead."""
    source = dataset.source
    path = Path(source.path)
    if source.member and source.format != "excel":  # out of a zip archive
        path = Path(source.member)
    name = path.name or "data"
    form = source.format
    if form in ("csv", "tsv", "text", "json", "jsonl", "parquet", "arrow", "feather", "excel"):
        return name if form != "text" else _renamed(name)
    return _renamed(name)


def _renamed(name: str) -> str:
    stem = name.removesuffix(".gz").rpartition(".")[0] or name
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in stem)[-60:].strip("-.") + ".csv"


def _form(path: Path) -> str | None:
    suffix = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
    return _FORMS.get(suffix.lower())


def _content(dataset: Dataset) -> Content | None:
    """The bytes the table was read from, where they are a file that is still the same."""
    try:
        path = locate(dataset.source.path)
    except (MetierError, OSError, ValueError):  # a database, a folder, a file that is gone: the table is all there is
        return None
    return open_content(path) if files.sha256(path) == dataset.source.sha256 else None


def _copy(content: Content, target: Path, packed: bool) -> None:
    if packed and content.compression == "gzip":
        with content.path.open("rb") as source, files.open_new(target, durable=False) as out:
            shutil.copyfileobj(source, out, 2**20)
        return
    with content.open() as source, _opened(target, packed) as out:
        shutil.copyfileobj(source, out, 2**20)


@contextmanager
def _opened(target: Path, packed: bool) -> Iterator[BinaryIO]:
    """The new file to write to, compressed where its name says so. Text is gathered first: it may be begun anew."""
    with files.open_new(target, durable=False) as out:
        if not packed:
            yield out
            return
        with tempfile.TemporaryFile() as plain:
            yield cast(BinaryIO, plain)
            plain.seek(0)
            with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as zipped:
                shutil.copyfileobj(plain, zipped, 2**20)


def _written(target: Path, form: str, rows: int, notes: list[str]) -> Written:
    return Written(target.absolute(), form, rows, target.stat().st_size, files.sha256(target), tuple(notes))


# --------------------------------------------------------------------------------------- tables that carry their types


def _keep_parquet(content: Content, edit: Edit, out: BinaryIO) -> int:
    """Parquet with the schema, the metadata and the compression it had."""
    import pyarrow.parquet as pq

    rows = 0
    with tempfile.TemporaryDirectory() as work:
        file = pq.ParquetFile(content.seekable(Path(work)))
        schema = file.schema_arrow
        if any(pa.types.is_nested(schema.field(name).type) for new in edit.cells.values() for name in new):
            raise Unlike("a value inside a nested column is new")
        wide = schema if edit.split is None else schema.append(pa.field(apply.SPLIT, pa.string()))
        codec = file.metadata.row_group(0).column(0).compression if file.metadata.num_row_groups else "SNAPPY"
        with pq.ParquetWriter(out, wide, compression="NONE" if codec == "UNCOMPRESSED" else codec) as writer:
            start = 0
            for batch in file.iter_batches(65_536):
                piece = pa.Table.from_batches([batch])
                here = {row - start: new for row, new in edit.cells.items() if start <= row < start + len(piece)}
                piece = apply.set_cells(piece, here) if here else piece
                if edit.split is not None:
                    words = edit.split[start : start + len(piece)].tolist()
                    piece = piece.append_column(apply.SPLIT, pa.array(words, pa.string()))
                piece = piece.filter(pa.array(~edit.gone[start : start + len(piece)]))
                writer.write_table(piece.cast(wide))
                start, rows = start + len(batch), rows + len(piece)
    if start != len(edit.gone):
        raise Unlike("it holds other rows than were read")
    return rows


def _plain_delimited(delimiter: str) -> Callable[[Iterator[pa.Table], BinaryIO], int]:
    def write_plain(pieces: Iterator[pa.Table], out: BinaryIO) -> int:
        rows = 0
        for number, piece in enumerate(pieces):
            text = io.StringIO()
            writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
            if number == 0:
                writer.writerow(piece.column_names)
            columns = [column.to_pylist() for column in piece.columns]
            writer.writerows(["" if cell is None else cell for cell in cells] for cells in zip(*columns, strict=True))
            out.write(text.getvalue().encode("utf-8", "backslashreplace"))
            rows += len(piece)
        return rows

    return write_plain


def _plain_jsonl(pieces: Iterator[pa.Table], out: BinaryIO) -> int:
    rows = 0
    for piece in pieces:
        for record in piece.to_pylist():
            out.write(json.dumps(record, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace") + b"\n")
        rows += len(piece)
    return rows


def _plain_arrow(pieces: Iterator[pa.Table], out: BinaryIO) -> int:
    rows, writer = 0, None
    for piece in pieces:
        writer = writer or pa.ipc.new_file(out, piece.schema)
        writer.write_table(piece)
        rows += len(piece)
    if writer is not None:
        writer.close()
    return rows


def _plain_parquet(pieces: Iterator[pa.Table], out: BinaryIO) -> int:
    import pyarrow.parquet as pq

    rows, writer = 0, None
    for piece in pieces:
        writer = writer or pq.ParquetWriter(out, piece.schema)
        writer.write_table(piece)
        rows += len(piece)
    if writer is not None:
        writer.close()
    return rows


def _excel(pieces: Iterator[pa.Table], out: BinaryIO, dataset: Dataset) -> int:
    from openpyxl import Workbook  # type: ignore[import-untyped]

    book = Workbook(write_only=True)
    sheet = book.create_sheet((dataset.source.member or "data")[:31])
    rows = 0
    for number, piece in enumerate(pieces):
        if number == 0 and dataset.source.header is not False:
            sheet.append(piece.column_names)
        for record in piece.to_pylist():
            sheet.append(list(record.values()))
        rows += len(piece)
    book.save(out)
    return rows


def _has_openpyxl() -> bool:
    from importlib.util import find_spec

    return find_spec("openpyxl") is not None


_KEEPING: dict[str, Callable[[Content, Edit, BinaryIO], int]] = {
    "csv": write_delimited,
    "tsv": write_delimited,
    "jsonl": write_json_lines,
    "json": write_json_array,
    "parquet": _keep_parquet,
}
_WRITERS: dict[str, Callable[[Iterator[pa.Table], BinaryIO], int]] = {
    "csv": _plain_delimited(","),
    "tsv": _plain_delimited("\t"),
    "jsonl": _plain_jsonl,
    "parquet": _plain_parquet,
    "arrow": _plain_arrow,
}
