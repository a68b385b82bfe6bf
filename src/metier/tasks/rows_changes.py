"""What goes wrong with tables in use: noise, lost cells and columns, other units, categories misspelt or never seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier.data.schema import number_style
from metier.tasks.contract import Array, Examples, Perturbation
from metier.tasks.rows_encoding import Feature, numbers_of, roles, strings_of, text_of

NEVER_SEEN = "never seen before"
# Thousands, cents or percent, inches and centimetres, pounds and kilograms: one source's and not another's.
_UNITS = (1000.0, 0.001, 100.0, 0.01, 2.54, 1 / 2.54, 2.20462, 1 / 2.20462)

Change = Callable[[Examples, float, np.random.Generator], pa.Table]


def perturbations(like: Examples | None) -> tuple[Perturbation, ...]:
    """All changes of rows; spreads are those of `like`, or of the changed rows themselves where it is missing."""
    table = None if like is None else like.inputs
    cells = "share of the cells"
    return (
        Perturbation("noisy numbers", "noise on every number, as a share of its column's spread", _noisy(table)),
        Perturbation("missing cells", f"{cells} left empty", _missing_cells),
        Perturbation("missing columns", "share of the columns without any value", _missing_columns),
        Perturbation("other units", "share of the rows with one number in another unit", _units, (0.1, 0.3, 1.0)),
        Perturbation("misspelt categories", f"{cells} of categories in another case", _misspelt),
        Perturbation("unseen categories", f"{cells} of categories that say what was never seen", _unseen),
        Perturbation("typos in texts", "share of the words mistyped in columns of text", _typos),
    )


def _noisy(like: pa.Table | None) -> Change:
    """Normal noise on every number; whole numbers stay whole."""

    def change(examples: Examples, severity: float, rng: np.random.Generator) -> pa.Table:
        inputs, changed = examples.inputs, {}
        for name in _named(inputs, "number"):
            usual = _numbers(inputs if like is None else like, name)
            known = usual[np.isfinite(usual)]
            spread = float(known.std()) if len(known) else 0.0
            drawn = rng.normal(0.0, 1.0, len(inputs)) * severity * spread
            whole = bool(len(known)) and bool((known == np.round(known)).all())
            values = _numbers(inputs, name)
            changed[name] = _as_column(values + (np.round(drawn) if whole else drawn))
        return _replaced(inputs, changed) if severity > 0 else inputs

    return change


def _units(examples: Examples, severity: float, rng: np.random.Generator) -> pa.Table:
    """In the rows touched one number, drawn at random, stands in another unit, the same for the whole column."""
    inputs, changed = examples.inputs, {}
    names = _named(inputs, "number")
    touched = rng.random(len(inputs)) < severity
    which = rng.integers(0, max(1, len(names)), len(inputs))
    factors = rng.choice(_UNITS, len(names))
    for number, name in enumerate(names):
        values = _numbers(inputs, name)
        changed[name] = _as_column(np.where(touched & (which == number), values * factors[number], values))
    return _replaced(inputs, changed) if severity > 0 else inputs


def _missing_cells(examples: Examples, severity: float, rng: np.random.Generator) -> pa.Table:
    inputs, changed = examples.inputs, {}
    for name in roles(inputs):
        kept = pa.array(rng.random(len(inputs)) >= severity)
        column = inputs.column(name)
        changed[name] = pc.if_else(kept, column, pa.scalar(None, column.type)).combine_chunks()
    return _replaced(inputs, changed)


def _missing_columns(examples: Examples, severity: float, rng: np.random.Generator) -> pa.Table:
    inputs = examples.inputs
    names = list(roles(inputs))
    order = rng.permutation(len(names))
    lost = order[: min(len(names), max(1, round(severity * len(names)))) if severity > 0 else 0]
    return _replaced(
        inputs, {names[at]: pa.nulls(len(inputs), inputs.schema.field(names[at]).type) for at in sorted(lost)}
    )


def _misspelt(examples: Examples, severity: float, rng: np.random.Generator) -> pa.Table:
    """Another case, as people and programs write the same category: upper where it was not, else lower."""

    def other(values: pa.ChunkedArray) -> pa.ChunkedArray:
        upper = pc.utf8_upper(values)
        return pc.if_else(pc.equal(upper, values), pc.utf8_lower(values), upper)

    return _categories(examples, severity, rng, other)


def _unseen(examples: Examples, severity: float, rng: np.random.Generator) -> pa.Table:
    return _categories(examples, severity, rng, lambda values: pa.scalar(NEVER_SEEN, values.type))


def _categories(
    examples: Examples, severity: float, rng: np.random.Generator, other: Callable[[pa.ChunkedArray], object]
) -> pa.Table:
    """A share of the categories' cells that hold something, replaced."""
    inputs, changed = examples.inputs, {}
    for name in _named(inputs, "category"):
        drawn = rng.random(len(inputs)) < severity
        if drawn.any():
            values = strings_of(inputs, name)
            touched = pc.and_(pa.array(drawn), pc.is_valid(values))
            changed[name] = pc.if_else(touched, other(values), values).combine_chunks()
    return _replaced(inputs, changed)


def _typos(examples: Examples, severity: float, rng: np.random.Generator) -> pa.Table:
    from dataclasses import replace

    from metier.tasks.text_changes import mistyped

    inputs, changed = examples.inputs, {}
    for name in _named(inputs, "text"):
        some = mistyped(replace(examples, inputs=text_of(inputs, name)), severity, rng)
        changed[name] = some.cast(pa.string()).combine_chunks()
    return _replaced(inputs, changed) if severity > 0 else inputs


def _named(inputs: pa.Table, role: str) -> list[str]:
    return [name for name, given in roles(inputs).items() if given == role]


def _numbers(inputs: pa.Table, name: str) -> Array:
    """A column of numbers as (n,) float64, however the file wrote them."""
    written = pa.types.is_string(inputs.schema.field(name).type)
    return numbers_of(inputs, Feature(name, "number", number_style(inputs, name) if written else None))


def _as_column(values: Array) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))


def _replaced(inputs: pa.Table, changed: dict[str, pa.Array]) -> pa.Table:
    """The table with some columns replaced, their roles kept."""
    for name, values in changed.items():
        index = inputs.column_names.index(name)
        inputs = inputs.set_column(index, inputs.schema.field(index).with_type(values.type), values)
    return inputs
