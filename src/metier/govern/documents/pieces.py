"""What a document is made of: statements with their evidence, questions to people, and missing measurements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Evidence:
    """Where a figure stands: a source's name and a JSON pointer into it (RFC 6901); an empty one is the whole file."""

    source: str
    pointer: str


@dataclass(frozen=True)
class Said:
    """A statement that the records make, and where it was read. `by` names the person where one wrote it."""

    text: str
    evidence: tuple[Evidence, ...] = ()
    by: str = ""


@dataclass(frozen=True)
class Asked:
    """A question that a person must answer, by its id in `questions.QUESTIONS`."""

    id: str


@dataclass(frozen=True)
class Lacking:
    """Something nobody has measured or recorded yet, and what to type to have it."""

    id: str
    text: str
    fix: str


Piece = Said | Asked | Lacking
Cell = tuple[Piece, ...]


@dataclass(frozen=True)
class Facts:
    """Names and what is said of each."""

    rows: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells under `columns`. `strips` draws a row's figure: (value, low, high, compared with, unit)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    strips: tuple[tuple[float | None, float | None, float | None, float | None, str], ...] = ()


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    cell: Cell


Block = Facts | Table | Prose


@dataclass(frozen=True)
class Part:
    """A titled part of a document."""

    title: str
    blocks: tuple[Block, ...]
    lead: str = ""


@dataclass(frozen=True)
class Document:
    """One document: `name` is its file's name without ending, `laws` the texts of `law.LAW` it follows.

    `front` is YAML that stands before the Markdown form, empty for most.
    """

    name: str
    title: str
    lead: str
    parts: tuple[Part, ...]
    laws: tuple[str, ...]
    front: str = ""

    def pieces(self) -> Iterator[Piece]:
        """Every piece, in the order of reading."""
        for part in self.parts:
            for block in part.blocks:
                for cell in _cells(block):
                    yield from cell

    def evidence(self) -> dict[Evidence, int]:
        """Every piece of evidence with its number, in the order in which it is first read."""
        numbers: dict[Evidence, int] = {}
        for piece in self.pieces():
            for one in piece.evidence if isinstance(piece, Said) else ():
                numbers.setdefault(one, len(numbers) + 1)
        return numbers

    def questions(self) -> list[str]:
        """The ids of all open questions, each once."""
        return list(dict.fromkeys(piece.id for piece in self.pieces() if isinstance(piece, Asked)))

    def lacking(self) -> list[Lacking]:
        """All measurements and records that are missing, each once."""
        return list(dict.fromkeys(piece for piece in self.pieces() if isinstance(piece, Lacking)))


def text(words: str) -> Cell:
    """A cell of plain words."""
    return (Said(words),)


def _cells(block: Block) -> Iterator[Cell]:
    if isinstance(block, Prose):
        yield block.cell
    elif isinstance(block, Facts):
        yield from (cell for _, cell in block.rows)
    else:
        yield from (cell for row in block.rows for cell in row)
