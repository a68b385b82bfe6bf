"""Groups of rows: the values of a column, numbers in bands, and the crossings of several columns."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from metier.errors import UsageError

Array = np.ndarray

MISSING = "(missing)"
_MOST = 50  # groups of one column: more than that is an id or a text
_FEW_NUMBERS = 12  # different numbers that still are names of groups
_BANDS = 4
_CROSS = " × "


@dataclass(frozen=True)
class Groups:
    """Which group each of n rows is in: `codes` (n,) into `labels`. `columns` are those that were crossed."""

    name: str
    labels: tuple[str, ...]
    codes: Array
    columns: tuple[str, ...]

    @property
    def sizes(self) -> Array:
        """Rows of each group, (g,)."""
        return np.bincount(self.codes, minlength=len(self.labels))

    def take(self, positions: Array) -> Groups:
        """The groups of the rows at these positions."""
        return Groups(self.name, self.labels, self.codes[positions], self.columns)


def cells(table: pa.Table, name: str, rows: Array, flag: str) -> list[Any]:
    """A column's values in these rows of a table. Raises UsageError, naming `flag`, where there is no such column."""
    if name in table.column_names:
        values: list[Any] = table.column(name).take(pa.array(rows)).to_pylist()
        return values
    near = difflib.get_close_matches(name, table.column_names, n=3)
    raise UsageError(
        "no-such-column",
        f"{flag} must name a column of the file: {name!r} is none.",
        found=f"columns {', '.join(table.column_names)}",
        fix=f"{flag} {near[0]!r}" if near else "Name one of these, or add the column to the file.",
    )


def label_of(value: Any) -> str:
    """The group a cell is in, where a column's values are its groups."""
    return MISSING if _empty(value) else _shown(value)


def of_values(name: str, values: Sequence[Any], flag: str = "--group") -> Groups:
    """(n,) cells -> groups in the order of their values; many different numbers become four bands of like size.

    Raises UsageError where there are more than 50 groups.
    """
    numbers = [_number(value) for value in values]
    told = [number for number in numbers if number is not None]
    known = sum(not _empty(value) for value in values)
    if known and len(told) == known and len(set(told)) > _FEW_NUMBERS:
        names, order = _bands(numbers, np.asarray(told))
    else:
        names = [label_of(value) for value in values]
        order = sorted(set(names) - {MISSING}, key=_in_order)
    labels = (*order, MISSING) if MISSING in names else tuple(order)
    if len(labels) > _MOST:
        raise UsageError(
            "too-many-groups",
            f"{flag} must name a column of at most {_MOST} different values: {name!r} has more.",
            found=f"{len(labels):,} different values, as {', '.join(labels[:3])}",
            fix="Put the values into fewer groups in a column of their own, and name that.",
        )
    place = {label: code for code, label in enumerate(labels)}
    return Groups(name, labels, np.array([place[each] for each in names], np.int64), (name,))


def crossed(parts: Sequence[Groups]) -> Groups:
    """Groups of the same rows, crossed; only the crossings that occur."""
    keys = np.stack([part.codes for part in parts], axis=1)
    found, codes = np.unique(keys, axis=0, return_inverse=True)
    labels = tuple(
        crossing([part.labels[code] for part, code in zip(parts, each, strict=True)]) for each in found.tolist()
    )
    columns = tuple(part.name for part in parts)
    return Groups(crossing(columns), labels, np.asarray(codes, np.int64).reshape(-1), columns)


def crossing(names: Sequence[str]) -> str:
    """What the crossing of these groups, or of these columns, is called."""
    return _CROSS.join(names)


def _bands(numbers: Sequence[float | None], told: Array) -> tuple[list[str], list[str]]:
    cuts = np.unique(np.quantile(told, np.arange(1, _BANDS) / _BANDS, method="higher"))
    cuts = cuts[cuts > told.min()]
    places = np.searchsorted(cuts, told, side="right")
    # A band is named by what is in it, so that 25-34 and 35-49 never seem to overlap.
    bands = {int(band): told[places == band] for band in np.unique(places)}
    names = {
        band: f"{inside.min():g}" if inside.min() == inside.max() else f"{inside.min():g}–{inside.max():g}"
        for band, inside in bands.items()
    }
    of_row = iter(places.tolist())
    return [MISSING if number is None else names[next(of_row)] for number in numbers], list(names.values())


def _empty(value: Any) -> bool:
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def _shown(value: Any) -> str:
    number = value if isinstance(value, float) else None
    return f"{number:g}" if number is not None else str(value).strip()


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or _empty(value):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _in_order(label: str) -> tuple[bool, float, str]:
    number = _number(label)
    return (number is None, number or 0.0, label)
