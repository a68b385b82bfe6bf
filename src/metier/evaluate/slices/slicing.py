"""Which parts of the rows there are: by every column of the file, the length and language of texts, and the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier.data.profile import profile
from metier.data.values import numbers, strings, times
from metier.evaluate.case import Case
from metier.tasks.contract import Array

# Rows below which nothing is said of a slice, nor of what is left beside it.
FEWEST = 20
_BANDS = 5  # of numbers and lengths, as equal in rows as ties allow
_FEW_VALUES = 10  # different numbers that are taken one by one
_MOST_LEVELS = 40  # values of one column that become slices, the commonest first
_MOST_PERIODS = 24
_LETTERS, _SURE = 40, 0.95  # from which a text's language is believed
_MOST_TOLD = 20_000  # texts whose language is told
_MISSING = "(missing)"


@dataclass(frozen=True)
class Slice:
    """One part of the rows: what divides them, which part this is, and its rows (n,) bool."""

    by: str
    name: str
    member: Array

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return int(self.member.sum())


@dataclass(frozen=True)
class Division:
    """All slices by one thing; `left_out` says what of it became none, and why."""

    by: str
    slices: tuple[Slice, ...]
    left_out: str = ""


def divisions(case: Case) -> list[Division]:
    """Every way to divide a case's rows that its file offers, columns in the file's order, the truth last."""
    found = [_by_column(case, name) for name in case.dataset.table.column_names if name != case.dataset.schema.target]
    for name in _texts(case):
        lengths = pc.utf8_length(strings(_table(case, name), name)).fill_null(0).to_numpy().astype(np.float64)
        by = "length" if len(_texts(case)) == 1 else f"length of {name}"
        found.append(_division(by, _bands(lengths, " characters")))
        found.append(_by_language(case, name))
    return [*found, _by_truth(case)]


def distinct(divided: Sequence[Division], rows: int) -> list[Slice]:
    """The slices that are large enough and leave a rest; of those with the same rows the first one."""
    seen: set[bytes] = set()
    kept = []
    for division in divided:
        for one in division.slices:
            mark = np.packbits(one.member).tobytes()
            if FEWEST <= one.rows <= rows - FEWEST and mark not in seen:
                seen.add(mark)
                kept.append(one)
    return kept


def _table(case: Case, name: str) -> pa.Table:
    """One column of the rows measured, dictionaries laid out."""
    table = case.dataset.table.select([name]).take(pa.array(case.examples.rows))
    if pa.types.is_dictionary(table.schema.field(0).type):
        table = table.set_column(0, name, table.column(0).cast(table.schema.field(0).type.value_type))
    return table


def _texts(case: Case) -> list[str]:
    return [name for name in case.dataset.schema.named("text") if name in case.expert.about["reads"]]


def _role(case: Case, name: str) -> str:
    """What tuning took the column for; one that the expert does not read is looked at here."""
    known = {column.name: column.role for column in case.dataset.schema.columns}
    return known.get(name) or profile(case.dataset.table, name).content


def _by_column(case: Case, name: str) -> Division:
    table = _table(case, name)
    role = _role(case, name)
    if role == "text":
        return Division(name, ())
    if role == "number":
        values = numbers(table, name)
        if len(np.unique(values[np.isfinite(values)])) > _FEW_VALUES:
            return _division(name, _bands(values))
    if role == "time":
        return _division(name, _periods(times(table, name)))
    if role in ("id", "empty"):
        what = {"id": "an identifier", "empty": "no values that differ"}[role]
        return Division(name, (), f"{name} is left out: {what}")
    return _by_value(name, [str(value) if value is not None else None for value in _plain(table, name)])


def _plain(table: pa.Table, name: str) -> list[object]:
    column = table.column(name)
    if pa.types.is_floating(column.type):
        return [None if value is None or value != value else f"{value:g}" for value in column.to_pylist()]
    return list(strings(table, name).to_pylist()) if not pa.types.is_nested(column.type) else [None] * len(column)


def _by_value(name: str, values: list[str | None]) -> Division:
    """One slice a value, the commonest first; where hardly a row has a common value, none."""
    cells = np.array([_MISSING if value is None or not value.strip() else value.strip() for value in values], object)
    counts = Counter(cells.tolist())
    common = [value for value, rows in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if rows >= FEWEST]
    if sum(counts[value] for value in common) < len(cells) / 2 and len(counts) > _MOST_LEVELS:
        return Division(name, (), f"{name} is left out: most of its {len(counts):,} values have under {FEWEST} rows")
    kept = common[:_MOST_LEVELS]
    rare = len(counts) - len(kept)
    note = f"{name}: {rare:,} of {len(counts):,} values have too few rows" if rare else ""
    return Division(name, tuple(Slice(name, value, cells == value) for value in kept), note)


def _division(by: str, parts: Iterator[tuple[str, Array]]) -> Division:
    return Division(by, tuple(Slice(by, name, member) for name, member in parts))


def _bands(values: Array, unit: str = "") -> Iterator[tuple[str, Array]]:
    """Quantile bands of (n,) numbers, from the smallest up; missing ones apart."""
    known = np.isfinite(values)
    if known.any():
        edges = np.unique(np.quantile(values[known], np.linspace(0, 1, _BANDS + 1), method="nearest"))
        starts = edges[:-1] if len(edges) > 1 else edges
        place = np.searchsorted(starts, values, side="right") - 1
        for at in range(len(starts)):
            member = known & (place == at)
            if member.any():
                low, high = values[member].min(), values[member].max()
                told = _number(low) if low == high else f"{_number(low)} to {_number(high)}"
                yield f"{told}{unit}", member
    yield _MISSING, ~known


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def _periods(moments: Array) -> Iterator[tuple[str, Array]]:
    """The finest of months, quarters and years of which there are not too many, or the weeks of one month.

    Missing moments stand apart.
    """
    known = ~np.isnat(moments)
    if not known.any():
        return
    months = moments.astype("datetime64[M]")
    years, month = months.astype("datetime64[Y]"), months.astype(np.int64) % 12 + 1
    weeks = moments.astype("datetime64[W]").astype("datetime64[D]")
    quarters = np.array([f"{year} Q{(m + 2) // 3}" for year, m in zip(years, month, strict=True)])
    choices = [months, quarters, years] if len(np.unique(months[known])) > 1 else [weeks]
    few = [periods for periods in choices if len(np.unique(periods[known])) <= _MOST_PERIODS]
    chosen = (few or choices[-1:])[0]
    for period in np.unique(chosen[known])[-_MOST_LEVELS:]:
        yield f"week of {period}" if chosen is weeks else str(period), known & (chosen == period)
    yield _MISSING, ~known


def _by_language(case: Case, name: str) -> Division:
    """Languages told with certainty from enough letters; one language alone divides nothing."""
    from metier.curate.language import identify

    by = "language" if len(_texts(case)) == 1 else f"language of {name}"
    texts = strings(_table(case, name), name).to_pylist()
    if len(texts) > _MOST_TOLD:
        return Division(by, (), f"{by} is left out: it is told for at most {_MOST_TOLD:,} rows")
    told = [identify(text) if text and sum(map(str.isalpha, text)) >= _LETTERS else ("", 0.0) for text in texts]
    codes = np.array([code if sure >= _SURE else "" for code, sure in told])
    names, rows = np.unique(codes[codes != ""], return_counts=True)
    common = [code for code, count in zip(names, rows, strict=True) if count >= FEWEST]
    if len(common) < 2:
        return Division(by, ())
    return Division(by, tuple(Slice(by, str(code), codes == code) for code in common))


def _by_truth(case: Case) -> Division:
    """One slice a true label, or a band of the true number."""
    target, truth = case.expert.target, case.evaluation.truth
    if not case.classes:
        return _division("truth", _bands(np.asarray(truth, np.float64)))
    names = target.values(np.arange(target.width))
    return Division("truth", tuple(Slice("truth", str(name), truth == code) for code, name in enumerate(names)))
