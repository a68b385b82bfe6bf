"""Texts in: the kinds `text-classification` and `text-regression`, one class for both."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier.data.dataset import Dataset, Schema
from metier.errors import DataError
from metier.plan import Plan
from metier.progress import Progress
from metier.tasks import targets, text_units
from metier.tasks.contract import Array, Examples, Inputs, Perturbation, Recognition, Rung, Target
from metier.trunk import base as bases
from metier.trunk.features import Trunk

_RATING = re.compile(r"rating|score|stars|grade|price|amount|value", re.IGNORECASE)


@dataclass(frozen=True)
class Text:
    """One or more text columns, read as one text: joined by a line break, empty ones left out."""

    name: str
    summary: str
    target_kind: str  # "classes" or "quantity"

    says: ClassVar[str] = "said"
    compared: ClassVar[bool] = True
    _joined: ClassVar[str] = "\n"

    def recognises(self, schema: Schema) -> Recognition:
        """Sure where text is what there is; less so beside many other columns."""
        texts = schema.named("text")
        if not texts:
            return Recognition(0.0, "no text column")
        structured = len(schema.named("number", "category", "time"))
        score = 0.9 if structured <= 2 * len(texts) else 0.5
        why = f"text in {', '.join(texts)}"
        if schema.target is not None:
            wanted = targets.suggested(schema)
            if _RATING.search(schema.target) and schema.column(schema.target).distinct <= 20:
                wanted = "quantity" if targets.is_number(schema) else wanted
            score *= 1.0 if wanted == self.target_kind else 0.3
            why += f"; the target {schema.target!r} is {'a class' if wanted == 'classes' else 'a number'}"
        elif self.target_kind == "quantity":
            score *= 0.3
        return Recognition(score, why)

    def base(self, name: str, *, max_tokens: int | None = None, offline: bool = False) -> bases.Base:
        """An encoder of texts."""
        return bases.find(name, max_tokens=max_tokens, offline=offline)

    def trunk(self, base: bases.Base, cache: Path | None = None, progress: Progress | None = None) -> Trunk:
        """What reads texts through it."""
        return Trunk(base, cache, progress)

    def reads(self, schema: Schema, plan: Plan) -> tuple[str, ...]:
        """The text columns."""
        return plan.data.text or schema.named("text")

    def prepare(self, dataset: Dataset, plan: Plan, target: Target | None = None) -> Examples:
        """Join the text columns; set rows aside whose text or target is missing, and say how many."""
        names = self.reads(dataset.schema, plan)
        absent = [name for name in names if name not in dataset.table.column_names]
        if not names or absent:
            raise DataError(
                "no-text-column",
                f"The kind {self.name} reads at least one text column" + (f": {', '.join(absent)}." if absent else "."),
                found=f"columns {', '.join(dataset.table.column_names)}",
                fix="Name it with --text COLUMN, or choose another --kind.",
            )
        texts = joined([dataset.table.column(name) for name in names], self._joined)
        empty = pc.equal(pc.utf8_trim_whitespace(texts), "").to_numpy(zero_copy_only=False)
        labels = targets.read(dataset, self.target_kind, target)
        aside = {"empty text": np.flatnonzero(empty)}
        if labels.known:
            aside["missing target"] = np.flatnonzero(labels.missing & ~empty)
        keep = np.ones(len(empty), bool)
        for rows in aside.values():
            keep[rows] = False
        if not keep.any():
            raise DataError(
                "nothing-left",
                "At least one row must have a text and a target.",
                found=", ".join(f"{len(rows)} rows with {reason}" for reason, rows in aside.items()),
                fix="Check --text and --target.",
            )
        rows = np.flatnonzero(keep)
        inputs = texts.take(pa.array(rows)) if len(rows) < len(keep) else texts
        return targets.laid_out(inputs, labels, rows, aside, dataset, plan)

    def plain(self, texts: Sequence[str]) -> tuple[Inputs, Array] | None:
        """The texts that are not empty, as a list."""
        # What Arrow calls white space in `prepare` is just what Python does.
        kept = [at for at, text in enumerate(texts) if text.strip()]
        return (texts if len(kept) == len(texts) else [texts[at] for at in kept]), np.array(kept, np.int64)

    def portable(self, dataset: Dataset, names: Sequence[str], most: int) -> list[dict[str, Any]] | None:
        """The cells as they are."""
        return list(dataset.table.select(list(names)).slice(0, most).to_pylist())

    def rungs(self, target: Target) -> tuple[Rung, ...]:
        """majority, linear, generic (classes only: a number has no name), frozen, adapter, full."""
        from metier.tasks.text_rungs import FrozenRung, GenericRung, LinearRung, MajorityRung
        from metier.tune.tuned import ADAPTER, FULL

        generic: tuple[Rung, ...] = (GenericRung(),) if self.target_kind == "classes" else ()
        return (MajorityRung(), LinearRung(), *generic, FrozenRung(), ADAPTER, FULL)

    def vectors(self, inputs: Inputs, trunk: Trunk, like: Inputs | None = None) -> Array:
        """The trunk's cached features, float16 (n, 2 * hidden): meaning and words, each of length 1."""
        return trunk.features(inputs)

    def render(self, inputs: Inputs, position: int) -> str:
        """The text itself."""
        return str(inputs[position].as_py())

    def picture(self, inputs: Inputs, position: int) -> str | None:
        """None."""
        return None

    def columns(self, inputs: Inputs) -> dict[str, str]:
        """One: the text."""
        return {"text": "text"}

    def values(self, inputs: Inputs, name: str) -> list[Any]:
        """The texts."""
        return list(inputs.to_pylist())

    def with_values(self, inputs: Inputs, name: str, values: Sequence[Any]) -> Inputs:
        """These texts instead."""
        return pa.chunked_array(
            [pa.array(["" if value is None else str(value) for value in values], pa.large_string())]
        )

    def spelled(self, inputs: Inputs, position: int) -> str:
        """What `render` gives."""
        return self.render(inputs, position)

    def units(self, inputs: Inputs, position: int) -> list[tuple[int, int]]:
        """Words, as (start, end) in the text."""
        return text_units.units(self.render(inputs, position))

    def places(self, inputs: Inputs, position: int) -> list[tuple[float, float, float, float]]:
        """None: there is no picture."""
        return []

    def names(self, inputs: Inputs, position: int) -> list[str]:
        """The words in lower case."""
        text = self.render(inputs, position)
        return [text[start:end].lower() for start, end in text_units.units(text)]

    def usual(self, inputs: Inputs) -> Inputs | None:
        """None: words are cut out."""
        return None

    def keeping(self, inputs: Inputs, kept: Sequence[tuple[int, Array]], usual: Inputs | None) -> Inputs:
        """The texts without the words removed."""
        return text_units.keeping(inputs, kept)

    def exchanged(self, inputs: Inputs, position: int, unit: int, donors: Inputs, most: int) -> Inputs:
        """A word replaced by words of the donors."""
        return text_units.exchanged(inputs, position, unit, donors, most)

    def unheard(self, heard: Inputs) -> Callable[[Inputs, int], list[int]]:
        """Words that stand in none of the texts."""
        return text_units.unheard(heard)

    def perturbations(self, like: Examples | None = None, trunk: Trunk | None = None) -> tuple[Perturbation, ...]:
        """Typing, scanning, case, spaces, marks, accents, wording, lost and moved words, asides, orders."""
        from metier.tasks import text_changes

        return text_changes.perturbations(like, trunk)


def joined(columns: list[pa.ChunkedArray], separator: str) -> pa.ChunkedArray:
    """Text columns -> one column of texts, missing cells left out."""
    texts = [pc.fill_null(column.cast(pa.large_string()), "") for column in columns]
    if len(texts) == 1:
        return texts[0]
    out = texts[0]
    for column in texts[1:]:
        both = pc.and_(pc.not_equal(out, ""), pc.not_equal(column, ""))
        between = pc.if_else(both, pa.scalar(separator, pa.large_string()), pa.scalar("", pa.large_string()))
        out = pc.binary_join_element_wise(out, between, column, pa.scalar("", pa.large_string()))
    return out


CLASSIFICATION = Text("text-classification", "texts, each with one of several labels", "classes")
REGRESSION = Text("text-regression", "texts, each with a number", "quantity")
