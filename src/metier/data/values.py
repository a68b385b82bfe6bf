"""Columns as numbers, times and strings, however a table wrote them. How it did is found once for the whole column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metier.data.header import normal, words

# plain 1234.5 · thousands 1,234.5 · comma 1.234,5
NumberStyle = Literal["plain", "thousands", "comma"]
# Which of day and month comes first where a date doesn't say; compact 20240131; seconds or milliseconds since 1970.
TimeStyle = Literal["day-first", "month-first", "compact", "epoch", "epoch-ms"]

_CORES: dict[NumberStyle, str] = {
    "plain": r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?",
    "thousands": r"(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+)",
    "comma": r"(?:\d{1,3}(?:[. '\x{a0}\x{202f}]\d{3})+(?:,\d*)?|\d+(?:,\d*)?|,\d+)",
}
_UNIT = r"(?:[$€£¥₹%]|USD|EUR|GBP|CHF)?"
_DATE = (
    r"(?:(?P<a>\d{1,4})[-/. ](?P<b>\d{1,2}|[A-Za-z]{3,9})\.?[-/. ](?P<c>\d{1,4})"
    r"|(?P<n>[A-Za-z]{3,9})\.? (?P<d>\d{1,2})(?:st|nd|rd|th)?,? (?P<y>\d{4}))"
)
_CLOCK = (
    r"(?:(?:[T ]|, )\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r" ?(?P<half>[AaPp][Mm])? ?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?"
)
_WHEN = f"^{_DATE}{_CLOCK}$"
_COMPACT = r"^(?P<y>(?:19|20)\d{2})(?P<m>\d{2})(?P<d>\d{2})$"
_MONTHS = pa.array(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
_TIME_WORDS = words("date time datetime timestamp day created updated at when ts")
_SAMPLE = 20_000

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]


def strings(table: pa.Table, name: str) -> pa.ChunkedArray:
    """The column as strings, null where a cell is missing; numbers and times as they print."""
    column = table.column(name)
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def sampled(column: pa.ChunkedArray, size: int = _SAMPLE) -> pa.ChunkedArray:
    """Up to `size` cells of a column: the first half of them in a row, the others spread over the rest."""
    rows = len(column)
    if rows <= size:
        return column
    spread = np.linspace(size // 2, rows - 1, size - size // 2).astype(np.int64)
    # Chunk by chunk: taking from the whole would first copy all of it into one piece.
    chunks, start = list(column.slice(0, size // 2).chunks), 0
    for chunk in column.chunks:
        low, high = np.searchsorted(spread, [start, start + len(chunk)])
        chunks.append(chunk.take(pa.array(spread[low:high] - start)))
        start += len(chunk)
    return pa.chunked_array(chunks, column.type)


def number_style(table: pa.Table, name: str) -> NumberStyle:
    """How a string column writes its numbers: the style that most of its cells are read in."""
    return find_number_style(sampled(table.column(name)))[0]


def find_number_style(cells: pa.ChunkedArray) -> tuple[NumberStyle, float]:
    """The best style for these cells, and the share (0..1) of the non-missing ones that it reads."""
    if not pa.types.is_string(cells.type):
        return "plain", float(_is_numeric(cells.type))
    cells = pc.utf8_trim_whitespace(cells.drop_null())
    if not len(cells):
        return "plain", 0.0
    shares: dict[NumberStyle, float] = {
        style: float(pc.mean(pc.match_substring_regex(cells, _number_pattern(style)).cast(pa.float64())).as_py())
        for style in _CORES
    }
    best = max(shares, key=lambda style: shares[style])  # the first of equals
    return best, shares[best]


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _number_pattern(style: NumberStyle) -> str:
    return rf"^(?P<open>\(?)(?P<sign>[+-]?) ?{_UNIT} ?(?P<inner>-?)(?P<core>{_CORES[style]}) ?{_UNIT}\)?$"


def numbers(table: pa.Table, name: str, style: NumberStyle | None = None) -> Floats:
    """The column as (rows,) float64, NaN where a cell is missing or no number.

    Currency signs, percent signs (45% is 45) and thousands separators are taken off. `style` repeats what
    `number_style` found on another table, so that new rows are read as the old ones were.
    """
    column = table.column(name)
    if not len(column):
        return np.empty(0)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if not pa.types.is_string(column.type):
        if not _is_numeric(column.type):
            return np.full(len(column), np.nan)
        return _floats(column.cast(pa.float64(), safe=False))
    style = style or number_style(table, name)
    return np.concatenate([_floats(_chunk_numbers(chunk, style)) for chunk in column.chunks])


def _floats(values: pa.Array | pa.ChunkedArray) -> Floats:
    array = np.array(
        values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy(), np.float64
    )
    array[~np.isfinite(array)] = np.nan
    return array


def _chunk_numbers(chunk: pa.Array, style: NumberStyle) -> pa.Array:
    chunk = pc.utf8_trim_whitespace(chunk)
    if style == "plain":
        try:
            return chunk.cast(pa.float64())
        except pa.ArrowInvalid:
            pass  # some cells are no numbers: take them out first
    parts = pc.extract_regex(chunk, _number_pattern(style))
    core = pc.struct_field(parts, "core")
    if style == "thousands":
        core = pc.replace_substring(core, ",", "")
    elif style == "comma":
        core = pc.replace_substring(pc.replace_substring_regex(core, r"[. '\x{a0}\x{202f}]", ""), ",", ".")
    value = core.cast(pa.float64())
    minus = [
        pc.equal(pc.struct_field(parts, field), mark) for field, mark in (("open", "("), ("sign", "-"), ("inner", "-"))
    ]
    return pc.if_else(pc.or_(pc.or_(minus[0], minus[1]), minus[2]), pc.negate(value), value)


def time_style(table: pa.Table, name: str) -> TimeStyle | None:
    """How a column writes times, or None where most of its cells are none."""
    style, share = find_time_style(sampled(table.column(name)), name)
    return style if share >= 0.5 else None


def find_time_style(cells: pa.ChunkedArray, name: str) -> tuple[TimeStyle, float]:
    """The best style for these cells, and the share (0..1) of the non-missing ones that it reads.

    Bare numbers are times only under a name that says so (date, timestamp, ...).
    """
    if pa.types.is_temporal(cells.type):
        return "day-first", 1.0
    cells = cells.drop_null()
    if not len(cells) or pa.types.is_boolean(cells.type) or pa.types.is_binary(cells.type):
        return "month-first", 0.0
    if _is_numeric(cells.type) or find_number_style(cells)[1] > 0.9:
        return _bare(cells, name)
    texts = pc.utf8_trim_whitespace(cells.cast(pa.string()))
    parts = pc.extract_regex(texts, _WHEN)
    style: TimeStyle = (
        _order(parts.drop_null().combine_chunks()) if isinstance(parts, pa.ChunkedArray) else "month-first"
    )
    read = sum(int(np.count_nonzero(~np.isnat(_chunk_times(chunk, style)))) for chunk in texts.chunks)
    return style, read / len(cells)


def _bare(cells: pa.ChunkedArray, name: str) -> tuple[TimeStyle, float]:
    if not set(normal(name).split("_")) & _TIME_WORDS:
        return "epoch", 0.0
    values = numbers(pa.table({name: cells}), name)
    ranges: tuple[tuple[TimeStyle, float, float], ...] = (
        ("epoch", 1e8, 4.2e9),
        ("epoch-ms", 1e11, 4.2e12),
        ("compact", 19000101, 20991231),
    )
    shares = {style: float(np.mean((values >= low) & (values <= high))) for style, low, high in ranges}
    if shares["compact"] > 0.9:
        texts = cells.cast(pa.string())
        read = sum(int(np.count_nonzero(~np.isnat(_chunk_times(chunk, "compact")))) for chunk in texts.chunks)
        return "compact", read / len(cells)
    best = max(shares, key=lambda style: shares[style])
    return best, shares[best]


def _order(parts: pa.Array) -> TimeStyle:
    """Day or month first, by which of the two goes over 12; dots mean day first."""
    first, second = (_integers(pc.struct_field(parts, field)) for field in ("a", "b"))
    short = first < 100
    days_first, days_second = np.count_nonzero(short & (first > 12)), np.count_nonzero(short & (second > 12))
    return "day-first" if days_first > days_second else "month-first"


def times(table: pa.Table, name: str, style: TimeStyle | None = None) -> Times:
    """The column as (rows,) datetime64[s] in UTC where a zone is said, NaT where a cell is missing or no time.

    `style` repeats what `time_style` found on another table.
    """
    column = table.column(name)
    if pa.types.is_temporal(column.type):
        if pa.types.is_time(column.type) or pa.types.is_duration(column.type):
            return np.full(len(column), np.datetime64("NaT"), "datetime64[s]")
        zone = getattr(column.type, "tz", None)
        seconds: Times = column.cast(pa.timestamp("s", zone), safe=False).to_numpy().astype("datetime64[s]")
        return seconds
    style = style or time_style(table, name) or "month-first"
    if style in ("epoch", "epoch-ms"):
        values = numbers(table, name) / (1000 if style == "epoch-ms" else 1)
        known = np.abs(values) < 1e11
        return np.where(known, np.where(known, values, 0).astype("datetime64[s]"), np.datetime64("NaT"))
    chunks = [_chunk_times(pc.utf8_trim_whitespace(chunk), style) for chunk in strings(table, name).chunks]
    return np.concatenate([np.empty(0, "datetime64[s]"), *chunks])


def _integers(texts: pa.Array) -> npt.NDArray[np.int64]:
    """Digits -> numbers; 0 where there are none."""
    digits = pc.if_else(pc.match_substring_regex(texts, r"^\d+$"), texts, "0")
    return np.asarray(digits.fill_null("0").cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)


def _chunk_times(texts: pa.Array, style: TimeStyle) -> Times:
    parts = pc.extract_regex(texts, _COMPACT if style == "compact" else _WHEN)
    known = np.asarray(parts.is_valid().to_numpy(zero_copy_only=False), bool)

    def part(name: str) -> npt.NDArray[np.int64]:
        return _integers(pc.struct_field(parts, name))

    if style == "compact":
        return _calendar(part("y"), part("m"), part("d"), known)
    years, months, days = _sides(parts, part, style)
    when: Times = _calendar(years, months, days, known)
    hours = part("hour")
    half = pc.utf8_lower(pc.struct_field(parts, "half")).fill_null("")
    hours = np.where(
        _same(half, "pm") & (hours < 12), hours + 12, np.where(_same(half, "am") & (hours == 12), 0, hours)
    )
    zone = pc.struct_field(parts, "zone").fill_null("")
    offset = _integers(pc.utf8_slice_codeunits(zone, 1, 3)) * 60 + _integers(pc.utf8_slice_codeunits(zone, -2))
    offset = np.where(_same(pc.utf8_slice_codeunits(zone, 0, 1), "-"), -offset, offset)
    seconds = hours * 3600 + part("minute") * 60 + part("second") - offset * 60
    when = when + seconds.astype("timedelta64[s]")
    when[(hours > 23) | (part("minute") > 59) | (part("second") > 60)] = np.datetime64("NaT")
    return when


def _same(texts: pa.Array, word: str) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.equal(texts, word).to_numpy(zero_copy_only=False), bool)


def _sides(
    parts: pa.Array, part: Callable[[str], npt.NDArray[np.int64]], style: TimeStyle
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Years, months and days, whichever side they were written on."""
    a, b, c = part("a"), part("b"), part("c")
    named = [_month(pc.struct_field(parts, field)) for field in ("b", "n")]
    year_first = a > 99
    day_first = np.asarray(style == "day-first") | (named[0] > 0)
    years = np.where(year_first, a, c)
    months = np.where(named[0] > 0, named[0], np.where(year_first | day_first, b, a))
    days = np.where(year_first, c, np.where(day_first, a, b))
    years = np.where(years < 69, years + 2000, np.where(years < 100, years + 1900, years))
    spelled = named[1] > 0
    return np.where(spelled, part("y"), years), np.where(spelled, named[1], months), np.where(spelled, part("d"), days)


def _month(texts: pa.Array) -> npt.NDArray[np.int64]:
    """Month numbers of English names, 0 where there is none."""
    found = pc.index_in(pc.utf8_lower(pc.utf8_slice_codeunits(texts, 0, 3)), value_set=_MONTHS)
    return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), np.int64) + 1


def _calendar(
    years: npt.NDArray[np.int64],
    months: npt.NDArray[np.int64],
    days: npt.NDArray[np.int64],
    known: npt.NDArray[np.bool_],
) -> Times:
    """Calendar dates as datetime64[s]; NaT where there is no such day."""
    known = known & (months >= 1) & (months <= 12) & (days >= 1) & (years >= 1000) & (years <= 9999)
    month = (np.where(known, years, 1970) - 1970) * 12 + np.where(known, months, 1) - 1
    start = month.astype("datetime64[M]")
    length = ((start + 1).astype("datetime64[D]") - start.astype("datetime64[D]")).astype(np.int64)
    date = start.astype("datetime64[D]") + (np.where(known, days, 1) - 1).astype("timedelta64[D]")
    when: Times = date.astype("datetime64[s]")
    when[~known | (days > length)] = np.datetime64("NaT")
    return when
