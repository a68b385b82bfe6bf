"""What a column holds, looked at by itself: numbers, times, prose, codes; counted exactly where it is a count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier.data.dataset import Role
from metier.data.header import normal, words
from metier.data.pictures import MAGIC
from metier.data.values import Floats, find_number_style, find_time_style, numbers, sampled

_SAMPLE = 50_000
_HASHED_ABOVE = 500_000
_FEW = 20  # more different values than this are no handful
_SPLIT_WORDS = words("train training valid validation val dev eval test")
_SPLIT_NAMES = words("split splits fold subset partition set usage dataset_split data_split")
_PROSE_WORDS = words(
    """text sentence utterance query question message messages body content tweet review comment comments narrative
    abstract instruction transcript note notes summary description complaint response answer prompt shorttext"""
)
_ID_WORDS = words("id ids uid udi uuid guid key nbr no nr num number index idx row code ref reference unnamed")
_PERSON_WORDS = words(
    """customer client patient user member subject person account household session conversation thread
    dialogue dialog cardholder employee student author"""
)
_CODE_WORDS = words("zip zipcode postcode postal phone telephone fips iban isbn ean sku barcode")
# One line, no address of a server before it, and the ending of a kind of picture.
_PICTURE = r"(?i)^([a-z]:[\\/])?[^\n:]{0,500}[^\n:./\\]\.(png|jpe?g|gif|bmp|tiff?|webp)\s*$"
_PICTURES = 0.9  # of the cells
_NESTED = r"(?s)^(\[.*\]|\{.*\})$"
# Scripts written without spaces: Thai, Japanese, Chinese, Korean in part.
_UNSPACED = r"[\x{0e00}-\x{0e7f}\x{3040}-\x{30ff}\x{3400}-\x{9fff}]"


@dataclass(frozen=True)
class Profile:
    """A column's content: its natural role, why, and exact counts."""

    name: str
    content: Role
    reason: str
    rows: int
    missing: int
    distinct: int
    examples: tuple[str, ...]
    odd: int = 0  # cells that are not what most cells are (words among numbers)
    numeric: bool = False
    whole: bool = False  # every number is an integer

    @property
    def present(self) -> int:
        """Cells that are not missing."""
        return self.rows - self.missing


def profile(table: pa.Table, name: str) -> Profile:
    """Look at one column; roles come from a sample of large tables, counts from all rows."""
    column = table.column(name)
    missing = column.null_count
    if pa.types.is_floating(column.type):
        missing += int(pc.sum(pc.is_nan(column)).as_py() or 0)
    cells = sampled(column, _SAMPLE).drop_null()
    distinct = count_distinct(column)
    shown = tuple(_shown(value) for value in pc.unique(cells.slice(0, 200)).slice(0, 3).to_pylist())
    look = _Look(table, name, cells, len(column), missing, distinct)
    content, reason = look.judge()
    return Profile(name, content, reason, len(column), missing, distinct, shown, look.odd, look.numeric, look.whole)


def _shown(value: object) -> str:
    text = f"{len(value):,} bytes" if isinstance(value, bytes) else str(value)
    return text if len(text) <= 120 else text[:119] + "…"


def count_distinct(column: pa.ChunkedArray) -> int:
    """How many different values there are, missing ones apart."""
    if pa.types.is_null(column.type):
        return 0
    if len(column) <= _HASHED_ABOVE or not pa.types.is_string(column.type):
        return int(pc.count_distinct(column, mode="only_valid").as_py())
    codes = hashes(column)
    if column.null_count:
        codes = codes[~column.is_null().to_numpy()]
    return count_different(codes)


def count_different(codes: np.ndarray) -> int:
    """How many different numbers there are; sorts in place of a hash table, which is slow and large for millions."""
    ordered = np.sort(codes)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + min(len(ordered), 1)


def hashes(column: pa.ChunkedArray) -> np.ndarray:
    """(rows,) uint64 hashes of a string column, equal where cells are equal; made chunk by chunk to stay small."""
    import polars as pl

    if not column.num_chunks:
        return np.empty(0, np.uint64)
    return np.concatenate([pl.Series(pl.from_arrow(chunk)).hash().to_numpy() for chunk in column.chunks])


class _Look:
    """One column's sample with the questions asked of it; the first that says yes decides."""

    def __init__(
        self, table: pa.Table, name: str, cells: pa.ChunkedArray, rows: int, missing: int, distinct: int
    ) -> None:
        self.table, self.name, self.cells = table, name, cells
        self.rows, self.missing, self.distinct = rows, missing, distinct
        self.present = rows - missing
        self.words = words(normal(name).replace("_", " "))
        self.ends_as_id = normal(name).split("_")[-1] in _ID_WORDS or "#" in name
        self.odd, self.numeric, self.whole = 0, False, False

    def judge(self) -> tuple[Role, str]:
        """The column's natural role and the reason for it."""
        kind = self.cells.type
        if self.present == 0:
            return "empty", "every cell is missing"
        if self.distinct == 1 and self.missing == 0 and self.rows >= 5:
            return "empty", f"every cell says {_shown(self.cells[0].as_py())}"
        if pa.types.is_boolean(kind):
            return "category", "true or false"
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
            return ("image", "pictures") if self._drawn() else ("empty", "holds bytes, which are not read")
        if self._pictures():
            return "image", "paths of pictures"
        if self.table.num_columns == 1 and pa.types.is_string(kind) and find_number_style(sampled(self.cells))[1] < 0.9:
            return "text", "the only column"
        return self._split() or self._time() or self._number() or self._prose() or self._code() or self._category()

    def _drawn(self) -> bool:
        """Bytes most of which begin as the file of a picture does."""
        heads = [bytes(memoryview(cell.as_buffer())[:8]) for cell in sampled(self.cells, 200)]
        return bool(sum(head.startswith(MAGIC) for head in heads) >= _PICTURES * len(heads))

    def _pictures(self) -> bool:
        """Paths on this machine that end as pictures do; addresses on the web are none."""
        if not (pa.types.is_string(self.cells.type) or pa.types.is_large_string(self.cells.type)):
            return False
        return float(pc.mean(pc.match_substring_regex(self.cells, _PICTURE).cast(pa.float64())).as_py()) >= _PICTURES

    def _split(self) -> tuple[Role, str] | None:
        if not pa.types.is_string(self.cells.type) or self.distinct > 4:
            return None
        values = {str(value).strip().lower() for value in pc.unique(self.cells).to_pylist()}
        named = normal(self.name) in _SPLIT_NAMES
        if values <= _SPLIT_WORDS and (named or (len(values) > 1 and values & {"train", "training"})):
            return "split", f"says which rows are for {', '.join(sorted(values))}"
        return None

    def _time(self) -> tuple[Role, str] | None:
        style, share = find_time_style(sampled(self.cells), self.name)
        if share < 0.5 or (share < 0.9 and self.distinct <= _FEW):
            return None
        how = {"epoch": "seconds since 1970", "epoch-ms": "milliseconds since 1970", "compact": "dates as YYYYMMDD"}
        if share < 1:
            self.odd = round((1 - share) * self.present)
        return "time", f"{_percent(share)} of the cells read as {how.get(style, 'dates or times')}"

    def _number(self) -> tuple[Role, str] | None:
        style, share = find_number_style(sampled(self.cells))
        if share < 0.5 or (share < 0.9 and self.distinct <= _FEW):
            return None
        if self._coded():
            return None
        self.numeric = True
        values = numbers(pa.table({"x": self.cells}), "x", style)
        values = values[~np.isnan(values)]
        self.whole = bool(np.all(values == np.floor(values))) if len(values) else False
        if share < 1:
            self.odd = self.present - int(np.count_nonzero(~np.isnan(numbers(self.table, self.name, style))))
        return self._numbered(values) if self.whole and self.odd == 0 else ("number", self._says(share))

    def _coded(self) -> bool:
        """Digits that are names: postcodes, numbers with leading zeros, or ones among which stand codes such as V57."""
        if self.words & _CODE_WORDS:
            return True
        if not pa.types.is_string(self.cells.type):
            return False
        cells = sampled(self.cells)
        zeros = pc.sum(pc.match_substring_regex(cells, r"^0\d+$")).as_py()
        letters = pc.sum(pc.match_substring_regex(cells, r"^[A-Za-z]{1,3}-?\d[\w.-]*$")).as_py()
        return bool(zeros > 0.005 * len(cells) or letters > max(0.005 * len(cells), 1))

    def _says(self, share: float) -> str:
        return "numbers" if self.odd == 0 else f"{_percent(share)} of the cells are numbers"

    def _numbered(self, values: Floats) -> tuple[Role, str]:
        """Whole numbers: a count, a code, or a row's number."""
        unique = self.distinct == self.present
        steps = np.diff(values[: _SAMPLE // 2])
        if unique and self.missing == 0 and len(values) >= 5 and np.all(steps == 1) and values[0] in (0, 1):
            return "id", "numbers the rows"
        if unique and len(values) >= _FEW and self.ends_as_id:
            return "id", "a different number in every row, named like an identifier"
        if unique and len(values) >= 200 and np.all(steps > 0) and "unnamed" not in self.words and not self._measured():
            return "id", "a different number in every row, counting up"
        if self.ends_as_id:
            return self._identified()
        if self.distinct <= 2:
            return "category", "two values"
        return "number", "whole numbers"

    def _measured(self) -> bool:
        return bool(
            self.words & {"time", "seconds", "amount", "price", "value", "days", "hours", "age", "cost", "score"}
        )

    def _identified(self) -> tuple[Role, str]:
        """A column that is named like an identifier and repeats."""
        often = self.present / max(self.distinct, 1)
        if self.words & _PERSON_WORDS and self.distinct >= _FEW and often > 1:
            return "group", f"{self.distinct:,} identifiers that repeat: one {self._who()} has several rows"
        if self.distinct > 0.5 * self.present and self.distinct > _FEW:
            return "id", "named like an identifier, nearly always different"
        return "category", f"{self.distinct:,} codes"

    def _who(self) -> str:
        return next(word for word in sorted(self.words & _PERSON_WORDS))

    def _prose(self) -> tuple[Role, str] | None:
        cells = sampled(self.cells.cast(pa.string()), 5000)
        if float(pc.mean(pc.match_substring_regex(cells, _NESTED).cast(pa.float64())).as_py()) > 0.9:
            return "category", "lists or objects, as JSON"
        length = float(pc.mean(pc.utf8_length(cells)).as_py())
        length_in_words = 1 + float(pc.mean(pc.count_substring_regex(pc.utf8_trim_whitespace(cells), r"\s+")).as_py())
        if (
            length_in_words < 2
            and float(pc.mean(pc.match_substring_regex(cells, _UNSPACED).cast(pa.float64())).as_py()) > 0.5
        ):
            length_in_words = length / 2
        ratio = self.distinct / self.present
        known = bool(self.words & _PROSE_WORDS)
        prose = (
            (known and length_in_words >= 1.5 and (self.distinct > 5000 or ratio > 0.05))
            or (length_in_words >= 3 and ratio >= 0.5)
            or (length_in_words >= 6 and ratio >= 0.05 and self.distinct >= 100)
            or (length_in_words >= 2 and ratio >= 0.8 and length >= 12 and not self.ends_as_id)
        )
        return (
            ("text", f"{length_in_words:.0f} words on average, {_percent(ratio)} of them different") if prose else None
        )

    def _code(self) -> tuple[Role, str] | None:
        unique = self.distinct == self.present and self.present >= _FEW
        if unique and float(pc.mean(pc.match_substring_regex(self.cells, r"\s").cast(pa.float64())).as_py()) < 0.2:
            return "id", "a different code in every row"
        if self.ends_as_id and not self.words & _CODE_WORDS:
            return self._identified()
        return None

    def _category(self) -> tuple[Role, str]:
        if self.distinct > 0.5 * self.present and self.distinct > 2 * _FEW:
            return "category", f"short values, {self.distinct:,} different ones"
        return "category", f"{self.distinct:,} different values"


def _percent(share: float) -> str:
    return f"{min(share, 0.999) * 100 if share < 1 else 100:.{0 if share >= 1 or share < 0.99 else 1}f}%"
