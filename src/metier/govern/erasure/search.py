"""Where the subject's rows are: data sets, tables read from them, features, runs, and the experts tuned on them."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metier import files
from metier.data import cache as tables
from metier.data import erased, versions
from metier.data.schema import infer_schema
from metier.errors import MetierError, ResourceError
from metier.govern import record, redaction
from metier.govern.erasure import quotes
from metier.govern.erasure.subject import Subject, Traces
from metier.plan import DataPlan, Plan
from metier.trunk.cache import holding, keys
from metier.workspace import DONE, KEY, Workspace

if TYPE_CHECKING:
    import pyarrow as pa

TEXTUAL = frozenset((".json", ".jsonl", ".csv", ".tsv", ".txt", ".html", ".md", ".xml"))
_TABLES = frozenset((".parquet", ".arrow", ".feather", ".xlsx"))
# Computed from rows and computed again when asked for: gone whole where a row of the subject may be in them.
_DERIVED = ("explanations", "comparisons", "probes")
_LARGEST = 1 << 28  # bytes of a file that is read as one text


@dataclass(frozen=True)
class InData:
    """A data set with rows of the subject: `rows` are row numbers, `path` the file, which is its owner's to change."""

    version: str
    path: str
    sha256: str
    rows: tuple[int, ...]
    there: bool  # whether the file still lies there as it was read
    ours: bool  # whether it is a run's, which is redacted with the run

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; `fix` says what to do about the file."""
        fix = "delete these rows there, or let --rewrite write it without them" if self.there and not self.ours else ""
        about = {"version": self.version, "path": self.path, "sha256": self.sha256, "rows": list(self.rows)}
        return {**about, "there": self.there, "fix": fix}


@dataclass(frozen=True)
class Quoted:
    """A file of a run that quotes the subject."""

    run: str
    path: str
    times: int


@dataclass(frozen=True)
class Taught:
    """An expert and what its run did with the subject's rows, by row numbers of its training file."""

    run: str
    name: str
    expert: str  # the SHA-256 of its manifest
    data: str  # the SHA-256 of the training file
    learnt: tuple[int, ...]
    held_out: tuple[int, ...]
    tested: int

    @property
    def touched(self) -> bool:
        """Whether the rows have a part in the expert: in its weights, its settings or its calibration."""
        return bool(self.learnt or self.held_out)


@dataclass
class Found:
    """All that was found; `unsearched` says what could not be looked through, and why."""

    subject: Subject
    data: list[InData] = field(default_factory=list)
    tables: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    features: list[tuple[str, int]] = field(default_factory=list)
    downloads: list[str] = field(default_factory=list)
    quotes: list[Quoted] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    experts: list[Taught] = field(default_factory=list)
    unsearched: list[dict[str, str]] = field(default_factory=list)
    derived: list[str] = field(default_factory=list)
    traces: Traces = field(default_factory=lambda: Traces((), ()))
    kept: dict[str, pa.Table] = field(default_factory=dict)  # the subject's rows by the SHA-256 of their file

    @property
    def anything(self) -> bool:
        """Whether there is anything of the subject here."""
        return bool(self.data or self.tables or self.features or self.downloads or self.quotes or self.unfinished)


def search(place: Workspace, subject: Subject) -> Found:
    """Look everywhere in a workspace's folder; the database is looked through by `records.search`."""
    found = Found(subject)
    stored = list(_stored(place, subject, found))
    found.traces = _traces(subject, stored)
    _data_sets(place, found)
    found.features = _features(place, found.traces)
    found.downloads = _downloads(place, found.traces)
    hit = {one.sha256: one.rows for one in found.data}
    found.derived = [name for name in _DERIVED if hit and any((place.cache / name).glob("*"))]
    for folder in sorted(path for path in place.runs.glob("*") if path.is_dir()) if place.runs.is_dir() else []:
        if not (folder / DONE).exists():
            _unfinished(folder, hit, found)
            continue
        found.quotes += _quoted(folder, subject, found)
        taught = _taught(folder, hit)
        if taught is not None:
            found.experts.append(taught)
    return found


# ---------------------------------------------------------------------------------------------------------- rows


def _stored(place: Workspace, subject: Subject, found: Found) -> Iterator[tuple[pa.Table, tuple[str, ...], np.ndarray]]:
    """Every table in the cache with the subject's rows in it."""
    cache = place.cache / "tables"
    for version in versions.versions(place):
        if version.table is None or not version.kept:
            _read_again(version, place, found)
    for path in sorted(cache.glob("*.json")):
        stored = tables.load(cache, path.stem)
        if stored is None:
            continue
        text_columns = infer_schema(stored.table, DataPlan()).named("text")
        hits = subject.rows(stored.table, text_columns)
        if hits.any():
            found.tables.append((path.stem, tuple(np.flatnonzero(hits).tolist())))
        yield stored.table, text_columns, hits


def _read_again(version: versions.Version, place: Workspace, found: Found) -> None:
    """A data set whose rows are no longer in the cache is read once more, where it lies unchanged."""
    try:
        dataset = versions.find(version.reference, place, Plan())
    except MetierError as error:
        found.unsearched.append({"what": f"{version.reference} ({version.path})", "why": error.found or error.problem})
        return
    if dataset.source.sha256 != version.sha256:
        found.unsearched.append({"what": version.reference, "why": f"{version.path} has changed since it was read"})


def _traces(subject: Subject, stored: Iterable[tuple[pa.Table, tuple[str, ...], np.ndarray]]) -> Traces:
    """The texts of the subject's rows, apart from those that stand in other people's rows as well."""
    if not subject.column:
        return Traces(_spelt(subject, stored), ())
    own: dict[str, str] = {}
    others: Counter[str] = Counter()
    for table, text_columns, hits in stored:
        columns = [table.column(name) for name in text_columns]
        if len(text_columns) > 1:
            columns.append(erased.joined(table, text_columns))
        for column in columns:
            for cell, mine in zip(column.to_pylist(), hits.tolist(), strict=True):
                if cell is None or not str(cell).strip():
                    continue
                if mine:
                    own.setdefault(erased.normal(str(cell)), str(cell))
                else:
                    others[erased.normal(str(cell))] += 1
    alone = tuple(text for plain, text in own.items() if plain not in others)
    return Traces(alone, (subject.value,), tuple(text for plain, text in own.items() if plain in others))


def _spelt(subject: Subject, stored: Iterable[tuple[pa.Table, tuple[str, ...], np.ndarray]]) -> tuple[str, ...]:
    """The text as it was typed and as it is spelt in the rows that hold it."""
    wanted, spelt = erased.normal(subject.text), {subject.text: None}
    for table, text_columns, hits in stored:
        some = table.filter(hits)
        for name in some.column_names:
            if erased.is_text(some.column(name).type):
                spelt |= {
                    cell: None for cell in some.column(name).to_pylist() if cell and erased.normal(cell) == wanted
                }
        if len(text_columns) > 1:
            spelt |= {
                cell: None for cell in erased.joined(some, text_columns).to_pylist() if erased.normal(cell) == wanted
            }
    return tuple(spelt)


def _data_sets(place: Workspace, found: Found) -> None:
    """Which data sets those rows are, and whether their files still hold them."""
    hits = dict(found.tables)
    for version in versions.versions(place):
        rows = hits.get(version.table or "")
        if not rows:
            continue
        path = Path(version.path).expanduser()
        try:
            there = path.is_file() and files.sha256(path) == version.sha256
        except ResourceError:
            there = False
        stored = tables.load(place.cache / "tables", str(version.table))
        if stored is not None:
            found.kept[version.sha256] = stored.table.take(list(rows)).combine_chunks()
        ours = path.absolute().is_relative_to(place.root)
        found.data.append(InData(version.reference, version.path, version.sha256, rows, there, ours))


# --------------------------------------------------------------------------------------------------------- caches


def _features(place: Workspace, traces: Traces) -> list[tuple[str, int]]:
    """Segments of the feature cache that hold vectors of these texts, and how many."""
    wanted = wanted_keys(traces)
    folder = place.cache / "features"
    found = [(path, holding(path, wanted)) for path in sorted(folder.glob("*/*.seg"))]
    return [(path.relative_to(place.cache).as_posix(), count) for path, count in found if count]


def wanted_keys(traces: Traces) -> np.ndarray:
    """The keys of these texts in the feature cache."""
    return keys(dict.fromkeys(form for text in traces.texts for form in (text, text.strip())))


def _downloads(place: Workspace, traces: Traces) -> list[str]:
    """Files that were fetched from elsewhere and hold a text, as far as they are not packed."""
    found = []
    needles = [form.encode() for text in filter(quotes.tellable, traces.texts) for form in quotes.spellings(text)]
    for path in sorted((place.cache / "tables" / "downloads").rglob("*")):
        if path.is_file() and path.stat().st_size <= _LARGEST:
            content = path.read_bytes()
            if any(needle in content for needle in needles):
                found.append(path.relative_to(place.cache).as_posix())
    return found


# ----------------------------------------------------------------------------------------------------------- runs


def _quoted(folder: Path, subject: Subject, found: Found) -> list[Quoted]:
    """The files of a finished run that quote the subject."""
    out = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or redaction.allowed(name) or path.name in (DONE, record.MANIFEST, "words.json"):
            continue
        if path.suffix in TEXTUAL and path.stat().st_size <= _LARGEST:
            times = quotes.redacted(path, subject, found.traces).count
        elif path.suffix in _TABLES:
            times = _rows_in(path, subject, found)
        else:
            continue
        if times:
            out.append(Quoted(folder.name, name, times))
    return out


def _rows_in(path: Path, subject: Subject, found: Found) -> int:
    from metier.data.read import read

    with tempfile.TemporaryDirectory(prefix="metier-forget-") as aside:
        try:
            dataset = read(path, DataPlan(), Path(aside))
        except MetierError as error:
            found.unsearched.append({"what": str(path), "why": error.found or error.problem})
            return 0
        return int(subject.rows(dataset.table, dataset.schema.named("text")).sum())


def _unfinished(folder: Path, hit: Mapping[str, Any], found: Found) -> None:
    """An unfinished run of data with the subject's rows: its folder holds states and weights made of them."""
    try:
        about = files.read_json(folder / KEY)
        data = about.get("data")
    except (ResourceError, ValueError, AttributeError):
        return
    if data is None and hit:
        found.unsearched.append({"what": folder.name, "why": "an unfinished run that does not say what it reads"})
    elif data is not None and hit.keys() & set(data):
        found.unfinished.append(folder.name)


def _taught(folder: Path, hit: dict[str, tuple[int, ...]]) -> Taught | None:
    """What a run that made an expert did with these rows; None where it made none or saw none of them."""
    manifest = folder / "expert" / record.MANIFEST
    if not manifest.is_file() or not (folder / "split.npy").is_file():
        return None
    data = files.read_json(folder / "data.json")
    source = data["train"]["source"]["sha256"]
    aside = {row for rows in data["set_aside"].values() for row in rows}
    rows = [row for row in hit.get(source, ()) if row not in aside]
    tested = len(hit.get((data["test"] or {}).get("source", {}).get("sha256", ""), ()))
    if not rows and not tested:
        return None
    held_out = set(files.read_array(folder / "split.npy").tolist())
    refit = files.read_json(folder / "plan.json").get("ladder", {}).get("refit", True)
    drawn = folder / "drawn.npy"
    learnt = [row for row in rows if refit or row not in held_out]
    if drawn.is_file():
        learnt = [row for row in rows if row in set(files.read_array(drawn).tolist())]
    name = str(files.read_json(folder / "expert" / "metier.json").get("name") or folder.name)
    return Taught(
        run=folder.name,
        name=name,
        expert=files.sha256(manifest),
        data=source,
        learnt=tuple(learnt),
        held_out=tuple(row for row in rows if row in held_out),
        tested=tested,
    )
