"""Groups: values, bands of numbers, crossings, and columns that are none."""

from __future__ import annotations

from datetime import date

import pytest

from metier.data.groups import MISSING, crossed, of_values
from metier.errors import UsageError


def test_values_are_groups_in_their_order_and_missing_ones_a_group_of_their_own() -> None:
    groups = of_values("sex", ["m", "f", None, "m", " "])
    assert groups.labels == ("f", "m", MISSING)
    assert groups.codes.tolist() == [1, 0, 2, 1, 2]
    assert groups.sizes.tolist() == [1, 2, 2]


def test_few_numbers_are_groups_by_size_and_many_become_bands_that_do_not_overlap() -> None:
    assert of_values("class", [10, 9, 10, 2.0]).labels == ("2", "9", "10")
    bands = of_values("age", [*range(20, 60), None])
    assert bands.labels == ("20–29", "30–39", "40–49", "50–59", MISSING)
    assert bands.sizes.tolist() == [10, 10, 10, 10, 1]
    assert of_values("age", [str(age) for age in range(20, 60)]).labels == bands.labels[:4]


def test_crossings_hold_only_what_occurs() -> None:
    both = crossed([of_values("a", ["x", "y", "x"]), of_values("b", [1, 1, 2])])
    assert both.name == "a × b"
    assert both.labels == ("x × 1", "x × 2", "y × 1")
    assert both.codes.tolist() == [0, 2, 1]


def test_a_column_of_ids_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError) as caught:
        of_values("customer", [f"c{number}" for number in range(60)])
    assert caught.value.code == "too-many-groups"
    assert "60 different values" in caught.value.found


def test_other_types_are_shown_as_they_are() -> None:
    assert of_values("day", [date(2026, 1, 2), True]).labels == ("2026-01-02", "True")
