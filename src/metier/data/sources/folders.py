"""A folder of documents or pictures as a table: one row a file, its label the subfolder's name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path, PurePosixPath

import pyarrow as pa

from metier import files
from metier.data import cache as tables
from metier.data.archives import DATA_SUFFIXES
from metier.data.cache import Reading
from metier.data.dataset import Problem
from metier.data.pictures import SUFFIXES
from metier.data.sources import Found
from metier.data.sources.documents import DOCUMENTS, Documents
from metier.errors import DataError

_PAPERWORK = frozenset({"readme", "license", "licence", "notice"})
_SPLITS = frozenset({"train", "training", "valid", "validation", "val", "dev", "test", "eval"})
_ROWS, _LETTERS = 2**12, 2**24  # of a batch, whichever comes first


def read_folder(folder: Path, cache: Path) -> Found | None:
    """A folder of .txt, .md, .pdf and .docx files, or of pictures, as a table; None where it holds neither, or tables.

    Columns: `text`; `label`, the subfolder, where all files lie in subfolders; `split` where the folders above those
    are named train, test and so on; `file`, the path within the folder. Of pictures `image`, their path, stands for
    text and file. Files without readable text are set aside and counted. Memory holds a batch of rows. Raises
    DataError where no file can be read.
    """
    paths = _listed(folder)
    here = {path.suffix.lower() for path in paths if len(path.parts) == 1}
    documents = [path for path in paths if path.suffix.lower() in DOCUMENTS]
    images = [path for path in paths if path.suffix.lower() in SUFFIXES]
    pictures = len(images) > len(paths) // 2 and all(path.stem.lower() in _PAPERWORK for path in documents)
    if not (documents or pictures) or here & (DATA_SUFFIXES - {".txt"}):
        return None
    read = images if pictures else documents
    hashes = [files.sha256(folder / path) for path in read]
    listing = [[path.as_posix(), digest] for path, digest in zip(read, hashes, strict=True)]
    digest = sha256(json.dumps(listing, ensure_ascii=False).encode("utf-8", "surrogateescape")).hexdigest()
    name = tables.key(digest, {"source": "pictures" if pictures else "folder"})
    stored = tables.load(cache, name)
    if stored is None:
        stored = tables.store(cache, name, _pictures(read) if pictures else _reading(folder, read))
        if not stored.table.num_rows:
            tables.forget(cache, name)
            raise DataError(
                "no-documents",
                "At least one file of the folder must have text that can be read.",
                found="; ".join(problem.detail for problem in stored.problems),
                fix="Check the files; scans need text recognition (OCR) first.",
            )
    return Found(stored, digest, sum((folder / path).stat().st_size for path in read), name)


def read_picture(path: Path, cache: Path) -> Found:
    """One picture as a table of one row, whose column `image` names it."""
    digest = files.sha256(path)
    name = tables.key(digest, {"source": "picture", "name": path.name})
    stored = tables.load(cache, name) or tables.store(cache, name, _pictures([PurePosixPath(path.name)]))
    return Found(stored, digest, path.stat().st_size, name)


def _listed(folder: Path) -> list[PurePosixPath]:
    """All files under a folder, hidden ones left out, in an order that is the same everywhere."""
    found: list[PurePosixPath] = []
    with files.guard(folder):
        for parent, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith((".", "__"))]
            inside = PurePosixPath(Path(parent).relative_to(folder).as_posix())
            found += [inside / name for name in names if not name.startswith((".", "~$")) and _is_file(parent, name)]
    return sorted(found)


def _is_file(parent: str, name: str) -> bool:
    return Path(parent, name).is_file()


def _placed(paths: list[PurePosixPath]) -> tuple[bool, list[PurePosixPath]]:
    """Whether the topmost folders are those of a split, and the paths below them."""
    split = all(len(path.parts) > 1 and path.parts[0].lower() in _SPLITS for path in paths)
    return split, [PurePosixPath(*path.parts[1:]) if split else path for path in paths]


def _pictures(paths: list[PurePosixPath]) -> Reading:
    """Paths, labels and splits alone: what a picture shows is looked at by who needs it."""
    split, places = _placed(paths)
    label = all(len(place.parts) > 1 for place in places)
    names = ["image", *(["label"] if label else []), *(["split"] if split else [])]
    columns = pa.schema([(name, pa.string()) for name in names])

    def batches() -> Iterator[pa.RecordBatch]:
        for at in range(0, len(paths), _ROWS):
            rows = [
                {"image": _told(path), "label": place.parts[0], "split": path.parts[0].lower()}
                for path, place in zip(paths[at : at + _ROWS], places[at : at + _ROWS], strict=True)
            ]
            yield pa.RecordBatch.from_pylist([{name: row[name] for name in names} for row in rows], schema=columns)

    return Reading(columns, batches(), {"format": "folder"})


def _told(path: PurePosixPath) -> str:
    return str(path).encode("utf-8", "replace").decode()


def _reading(folder: Path, paths: list[PurePosixPath]) -> Reading:
    split, places = _placed(paths)
    # A README beside the labelled folders is paperwork, no example.
    labelled = [place for place in places if len(place.parts) > 1]
    paperwork = {
        path
        for path, place in zip(paths, places, strict=True)
        if labelled and len(place.parts) == 1 and place.stem.lower() in _PAPERWORK
    }
    label = bool(labelled) and len(labelled) == len(places) - len(paperwork)
    names = ["text", *(["label"] if label else []), *(["split"] if split else []), "file"]
    columns = pa.schema([(name, pa.string()) for name in names])
    reading = Reading(columns, iter(()), {"format": "folder"})
    kept = [(path, place) for path, place in zip(paths, places, strict=True) if path not in paperwork]
    reading.batches = _batches(folder, kept, columns, reading.problems)
    return reading


def _batches(
    folder: Path,
    paths: list[tuple[PurePosixPath, PurePosixPath]],
    columns: pa.Schema,
    problems: list[Problem],
) -> Iterator[pa.RecordBatch]:
    aside: dict[str, list[str]] = {}
    rows: list[dict[str, str | None]] = []
    letters = 0
    with closing(Documents()) as documents:
        for path, place in paths:
            text, why = documents.read(folder / path)
            if why is not None:
                aside.setdefault(why, []).append(str(path))
                continue
            file = _told(path)
            row = {"text": text or None, "label": place.parts[0], "split": path.parts[0].lower(), "file": file}
            rows.append({name: row[name] for name in columns.names})
            letters += len(text or "")
            if len(rows) >= _ROWS or letters >= _LETTERS:
                yield pa.RecordBatch.from_pylist(rows, schema=columns)
                rows, letters = [], 0
    if rows:
        yield pa.RecordBatch.from_pylist(rows, schema=columns)
    for why, names in aside.items():
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
        many = "1 file is" if len(names) == 1 else f"{len(names):,} files are"
        detail = f"{many} set aside ({why}): {shown}."
        problems.append(Problem("unread-files", "warning", detail, len(names), fix="Mend or remove them."))
