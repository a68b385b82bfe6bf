"""Numbers and times, however a table writes them."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.data.schema import number_style, numbers, strings, time_style, times

NAN = float("nan")


def column(values: list[object], name: str = "x") -> pa.Table:
    return pa.table({name: pa.array(values)})


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", " 2.5 ", None, "abc", "-1e3", ".5"], [1, 2.5, NAN, NAN, -1000, 0.5]),
        (["1,234.50", "2,000", "7"], [1234.5, 2000, 7]),
        (["1,5", "2,25", "1.234,5"], [1.5, 2.25, 1234.5]),
        (["$1,200.50", "-$3", "(4.5)", "$ 7"], [1200.5, -3, -4.5, 7]),
        (["45%", "5.5 %", "n/k"], [45, 5.5, NAN]),
        (["12 €", "1.000,5 €"], [12, 1000.5]),
        (["inf", "nan", "3"], [NAN, NAN, 3]),
        ([1, None, 3], [1, NAN, 3]),
        ([True, False, None], [1, 0, NAN]),
        ([datetime.date(2024, 1, 1)], [NAN]),
    ],
)
def test_numbers_are_read_as_the_column_writes_them(cells: list[object], values: list[float]) -> None:
    np.testing.assert_array_equal(numbers(column(cells), "x"), values)


def test_new_rows_are_read_in_the_old_style() -> None:
    style = number_style(column(["1,5", "2,25"]), "x")
    assert style == "comma"
    assert numbers(column(["1,234"]), "x", style).tolist() == [1.234]
    assert numbers(column(["1,234"]), "x").tolist() == [1234]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1))
def test_printed_floats_come_back(values: list[float]) -> None:
    assert numbers(column([repr(value) for value in values]), "x").tolist() == values


@given(st.lists(st.integers(-(10**12), 10**12).map(lambda value: value / 100), min_size=1))
def test_grouped_amounts_come_back(values: list[float]) -> None:
    np.testing.assert_allclose(numbers(column([f"{value:,.2f}" for value in values]), "x"), values, rtol=1e-15)


@pytest.mark.parametrize(
    ("name", "cells", "values"),
    [
        ("x", ["2024-01-31", "2024-02-30", None, "soon"], ["2024-01-31", None, None, None]),
        ("x", ["2024-01-31T10:11:12Z", "2024-01-31 10:00:00+02:00"], ["2024-01-31T10:11:12", "2024-01-31T08:00:00"]),
        ("x", ["2024/01/31 10:00:00.5", "2024-1-3"], ["2024-01-31T10:00:00", "2024-01-03"]),
        ("x", ["13/02/2024", "01/02/2024"], ["2024-02-13", "2024-02-01"]),
        ("x", ["02/13/2024", "01/02/2024"], ["2024-02-13", "2024-01-02"]),
        ("x", ["2-Jun-06", "14-November-1999"], ["2006-06-02", "1999-11-14"]),
        ("x", ["Jun 2, 2006", "March 3rd 2001"], ["2006-06-02", "2001-03-03"]),
        ("x", ["11/13/06 3:05 PM", "11/14/06 12:05 am"], ["2006-11-13T15:05:00", "2006-11-14T00:05:00"]),
        ("timestamp", ["964982703"], ["2000-07-30T18:45:03"]),
        ("timestamp", [964982703000], ["2000-07-30T18:45:03"]),
        ("Order date", ["20040701", "20240229"], ["2004-07-01", "2024-02-29"]),
        ("x", [datetime.datetime(2024, 1, 2, 3, 4, 5), None], ["2024-01-02T03:04:05", None]),
    ],
)
def test_times_are_read_as_the_column_writes_them(name: str, cells: list[object], values: list[str | None]) -> None:
    wanted = np.array(["NaT" if value is None else value for value in values], "datetime64[s]")
    np.testing.assert_array_equal(times(column(cells, name), name), wanted)


def test_plain_numbers_are_no_times() -> None:
    assert time_style(column(["964982703", "964982704"], "amount"), "amount") is None
    assert np.isnat(times(column(["5", "6"]), "x")).all()


@given(
    st.lists(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)), min_size=1),
    st.sampled_from(["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%d %B %Y %H:%M:%S", "%b %d, %Y %I:%M:%S %p"]),
)
def test_written_times_come_back(moments: list[datetime.datetime], form: str) -> None:
    moments = [moment.replace(microsecond=0) for moment in moments]
    assert times(column([moment.strftime(form) for moment in moments]), "x").tolist() == moments


def test_strings_of_typed_columns_are_what_they_print() -> None:
    assert strings(column([1, None]), "x").to_pylist() == ["1", None]
    assert strings(column(["a", None]), "x").to_pylist() == ["a", None]
