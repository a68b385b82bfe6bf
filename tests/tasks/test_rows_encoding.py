"""The encoding of tables: the same rows give the same numbers whichever file they come from, and nothing is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier.errors import DataError
from metier.tasks.rows_encoding import Encoding, fit_encoding


class Letters:
    """A trunk of the simplest kind: how often each letter stands in a text."""

    def features(self, texts: Sequence[str]) -> np.ndarray:
        plain = [str(text) for text in texts]
        return np.array([[text.count(chr(97 + i)) for i in range(26)] for text in plain], np.float16).reshape(-1, 26)


def inputs(columns: dict[str, tuple[str, Any]]) -> pa.Table:
    """{name: (role, values)} -> a table as `Rows.prepare` lays it out."""
    arrays = [values if isinstance(values, pa.Array) else pa.array(values) for _, values in columns.values()]
    names = zip(columns.items(), arrays, strict=True)
    return pa.table(arrays, schema=pa.schema([pa.field(n, a.type, metadata={"role": r}) for (n, (r, _)), a in names]))


def test_missing_numbers_stay_missing_for_trees_and_become_medians_for_the_linear_model() -> None:
    data = inputs({"x": ("number", ["1", "2", None, "30"])})
    encoding = fit_encoding(data, None)
    assert np.array_equal(encoding.tree_matrix(data, None)[:, 0], [1, 2, np.nan, 30], equal_nan=True)
    linear = encoding.linear_matrix(data, None)
    assert linear.shape == (4, 2)
    assert linear[2, 0] == pytest.approx(linear[:, 0].min() + (linear[1, 0] - linear[:, 0].min()))
    assert linear[2, 1] > 0 > linear[0, 1]


def test_rare_and_unseen_levels_share_one_code_and_missing_is_none_of_them() -> None:
    data = inputs({"city": ("category", ["Ulm"] * 5 + ["Bonn"] * 3 + ["Jena", None])})
    encoding = fit_encoding(data, None)
    assert encoding.features[0].levels == ("Ulm", "Bonn")
    new = inputs({"city": ("category", ["Bonn", "Jena", "Kiel", None, " Ulm "])})
    codes = encoding.tree_matrix(new, None)[:, 0]
    assert np.array_equal(codes, [1, 2, 2, np.nan, 0], equal_nan=True)
    hot = encoding.linear_matrix(new, None)
    assert hot[:, -4:].tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]]


def test_whole_numbers_as_categories_are_one_level_however_a_program_wrote_them() -> None:
    encoding = fit_encoding(inputs({"plan": ("category", ["1", "2", "1", "2"])}), None)
    floats = inputs({"plan": ("category", pa.array([1.0, 2.0, None]))})
    assert np.array_equal(encoding.tree_matrix(floats, None)[:, 0], [0, 1, np.nan], equal_nan=True)


def test_no_more_than_254_levels_are_kept() -> None:
    values = [f"level {i // 3}" for i in range(1200)]
    encoding = fit_encoding(inputs({"x": ("category", values), "y": ("category", values[:600] * 2)}), None)
    assert [len(feature.levels) for feature in encoding.features] == [0, 200]
    encoding = fit_encoding(inputs({"x": ("category", [f"level {i % 300}" for i in range(3000)])}), None)
    assert len(encoding.features[0].levels) == 254


def test_a_time_becomes_days_year_month_weekday_and_hour() -> None:
    data = inputs({"at": ("time", ["2024-02-29T13:45:00", "2024-03-02T00:00:00", None])})
    encoding = fit_encoding(data, None)
    matrix = encoding.tree_matrix(data, None)
    assert matrix[0].tolist() == [0.0, 2024, 1, 3, 13]  # a Thursday in February
    assert matrix[1, 1:].tolist() == [2024, 2, 5, 0]
    assert matrix[1, 0] == pytest.approx(1 + 10.25 / 24)
    assert np.isnan(matrix[2]).all()
    assert [slot.name for slot in encoding.slots] == ["at: days", "at: year", "at: month", "at: weekday", "at: hour"]


def test_times_before_1970_are_read_right() -> None:
    data = inputs({"born": ("time", ["1969-12-31", "1950-01-02"] * 3)})
    matrix = fit_encoding(data, None).tree_matrix(data, None)
    assert matrix[0, 1:4].tolist() == [1969, 11, 2]
    assert matrix[1, 1:4].tolist() == [1950, 0, 0]


def test_numbers_are_read_as_the_training_file_wrote_them() -> None:
    trained = inputs({"price": ("number", ["1.234,5", "2.000,0", "7,25", "1.100,0"])})
    encoding = fit_encoding(trained, None)
    later = inputs({"price": ("number", ["1.500", "12,5"])})
    assert encoding.tree_matrix(later, None)[:, 0].tolist() == [1500.0, 12.5]


def test_typed_columns_give_what_their_printed_form_gives() -> None:
    typed = inputs({"x": ("number", pa.array([1.5, 2.5, None])), "c": ("category", pa.array([1, 2, 1]))})
    printed = inputs({"x": ("number", ["1.5", "2.5", None]), "c": ("category", ["1", "2", "1"])})
    encoding = fit_encoding(typed, None)
    assert np.array_equal(encoding.tree_matrix(typed, None), encoding.tree_matrix(printed, None), equal_nan=True)


def test_texts_come_in_through_the_trunk_reduced_to_their_main_directions() -> None:
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdefgh"), 12)) for _ in range(100)]
    data = inputs({"note": ("text", [*texts[:99], None])})
    encoding = fit_encoding(data, Letters())  # type: ignore[arg-type]
    matrix = encoding.tree_matrix(data, Letters())  # type: ignore[arg-type]
    assert matrix.shape[1] == len(encoding.slots) <= 10
    assert np.all(np.diff(matrix.var(axis=0)) <= 1e-3)
    assert encoding.linear_matrix(data, Letters()).shape == (100, 26)  # type: ignore[arg-type]


def test_many_levels_make_a_sparse_matrix_of_the_same_meaning() -> None:
    values = [str(i % 150) for i in range(600)]
    data = inputs({"a": ("category", [f"a{one}" for one in values]), "b": ("category", [f"b{one}" for one in values])})
    matrix = fit_encoding(data, None).linear_matrix(data, None)
    assert not isinstance(matrix, np.ndarray)
    assert matrix.sum() == 2 * 600


def test_missing_columns_are_named() -> None:
    encoding = fit_encoding(inputs({"x": ("number", ["1", "2"]), "y": ("number", ["3", "4"])}), None)
    with pytest.raises(DataError) as caught:
        encoding.tree_matrix(inputs({"x": ("number", ["1"]), "z": ("number", ["1"])}), None)
    assert caught.value.code == "missing-columns"
    assert "y" in caught.value.problem
    assert "z" in caught.value.found


def test_columns_may_come_in_any_order_and_beside_others() -> None:
    data = inputs({"x": ("number", ["1", "2"]), "c": ("category", ["a", "a"])})
    encoding = fit_encoding(data, None)
    assert np.array_equal(encoding.tree_matrix(data, None), encoding.tree_matrix(data.select(["c", "x"]), None))


cells = st.one_of(st.none(), st.text(max_size=8), st.floats(allow_nan=True, allow_infinity=True).map(str))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12), st.lists(cells, min_size=1, max_size=5))
def test_any_cells_give_finite_numbers_and_the_record_rebuilds_the_encoding(
    rows: list[tuple[str | None, str | None, str | None]], later: list[str | None]
) -> None:
    number, category, time = (pa.array(column, pa.string()) for column in zip(*rows, strict=True))
    data = inputs({"n": ("number", number), "c": ("category", category), "t": ("time", time)})
    encoding = fit_encoding(data, None)
    again = Encoding.of(json.loads(json.dumps(encoding.record())), encoding.arrays)
    new = pa.array(later, pa.string())
    for table in (data, inputs({"n": ("number", new), "c": ("category", new), "t": ("time", new)})):
        linear = encoding.linear_matrix(table, None)
        assert np.isfinite(linear).all()
        assert np.array_equal(linear, again.linear_matrix(table, None))
        assert not np.isinf(encoding.tree_matrix(table, None)).any()
