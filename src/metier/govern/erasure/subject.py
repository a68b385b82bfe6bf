"""Whose data it is: an id in a column, or a text; and the texts and values by which it is known in records."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from metier.data import erased
from metier.errors import UsageError

_SHORTEST_VALUE = 4  # letters and digits by which a value can be told from other words in a report


@dataclass(frozen=True)
class Subject:
    """What is asked to be forgotten: `column` and `value`, or `text` (then `column` is empty)."""

    column: str = ""
    value: str = ""
    text: str = ""

    @property
    def kind(self) -> str:
        """`id` or `text`."""
        return "id" if self.column else "text"

    def digest(self, secret: bytes) -> str:
        """The tombstone: what certificates and the ledger name the subject by."""
        if self.column:
            return erased.value_of(secret, self.column, self.value)
        return erased.text_of(secret, self.text)

    def rows(self, table: pa.Table, text_columns: tuple[str, ...]) -> np.ndarray:
        """(n,) which rows of a table are the subject's."""
        if self.column:
            found = np.zeros(table.num_rows, bool)
            for name in table.column_names:
                if name.lower() == self.column.lower():
                    found |= erased.matching(table.column(name), lambda cell: cell.strip() == self.value)
            return found
        wanted = erased.normal(self.text)
        found = np.zeros(table.num_rows, bool)
        columns = [table.column(name) for name in table.column_names if erased.is_text(table.column(name).type)]
        if len(text_columns) > 1:
            columns.append(erased.joined(table, text_columns))
        for column in columns:
            found |= erased.matching(column, lambda cell: erased.normal(cell) == wanted)
        return found


@dataclass(frozen=True)
class Traces:
    """By what the subject is known: texts that are its alone, and values that name it.

    `shared` are texts of its rows that stand in other people's rows too: they are not its alone, and are left.
    """

    texts: tuple[str, ...]
    values: tuple[str, ...]
    shared: tuple[str, ...] = field(default=())


def subject_of(identifier: str | None, text: str | None) -> Subject:
    """The subject of `--id COLUMN=VALUE` or `--text TEXT`. Raises UsageError."""
    if (identifier is None) == (text is None):
        raise UsageError(
            "whose-rows",
            "Say whose rows to forget, in one way.",
            found="both --id and --text" if identifier is not None else "neither --id nor --text",
            fix="metier forget --id customer=4711, or metier forget --text 'the whole text'",
        )
    if text is not None:
        if not erased.normal(text):
            raise UsageError("whose-rows", "A text must hold something.", found="an empty text", fix="Give it whole.")
        return Subject(text=text)
    column, sign, value = str(identifier).partition("=")
    if not sign or not column.strip() or not value.strip():
        raise UsageError(
            "whose-rows", "--id is a column and a value in it.", found=str(identifier), fix="--id customer=4711"
        )
    return Subject(column.strip(), value.strip())


def quotable(value: str) -> bool:
    """Whether a value can be told from others in running text: `4711` could be any figure, `C-4711` is a name."""
    plain = [character for character in value if character.isalnum()]
    return len(plain) >= _SHORTEST_VALUE and (not value.isdigit() or len(value) >= 2 * _SHORTEST_VALUE)
