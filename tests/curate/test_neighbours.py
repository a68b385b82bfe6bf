"""Nearest neighbours: the exact search agrees with the definition, the cells with the exact search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier.curate.neighbours import nearest, unit


def blobs(rows: int, width: int = 16, seed: int = 0) -> np.ndarray:
    rng, centres = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(40, width))
    return (centres[rng.integers(0, 40, rows)] + 0.4 * rng.normal(size=(rows, width))).astype("f4")


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(0, 8), st.integers(1, 7), st.booleans(), st.integers(0, 9))
def test_the_exact_search_is_the_definition(rows: int, k: int, block: int, own: bool, seed: int) -> None:
    vectors, others = blobs(rows, 4, seed), blobs(25, 4, seed + 1)
    found = nearest(vectors, k, against=None if own else others, block=block)
    cosines = unit(vectors) @ unit(vectors if own else others).T
    if own:
        np.fill_diagonal(cosines, -np.inf)
    wanted = -np.sort(-cosines, axis=1)[:, : min(k, rows - 1 if own else 25)]
    np.testing.assert_allclose(found.cosines, np.clip(wanted, -1, 1), atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(cosines, found.indices, axis=1), found.cosines, atol=1e-5)


def test_half_precision_is_read_as_it_is() -> None:
    vectors = blobs(300).astype(np.float16)
    np.testing.assert_array_equal(nearest(vectors, 3).indices, nearest(vectors.astype(np.float32), 3).indices)


@pytest.mark.parametrize("own", [True, False])
def test_cells_find_nearly_all_of_what_the_exact_search_finds(own: bool) -> None:
    vectors, others = blobs(6000), None if own else blobs(6000, seed=1)
    exact, cells = (nearest(vectors, 5, against=others, exact=way) for way in (True, False))
    assert np.mean([len(set(a) & set(b)) / 5 for a, b in zip(exact.indices, cells.indices, strict=True)]) > 0.97
    assert (cells.indices >= 0).all()
    if own:
        assert not (cells.indices == np.arange(6000)[:, None]).any()


def test_cells_give_every_row_all_its_neighbours_where_all_rows_are_alike() -> None:
    found = nearest(np.ones((3000, 3), np.float32), 4, exact=False)
    np.testing.assert_allclose(found.cosines, 1.0, atol=1e-6)
    assert all(len(set(row)) == 4 for row in found.indices[:50])


def test_the_same_rows_give_the_same_answer() -> None:
    vectors = blobs(2000)
    np.testing.assert_array_equal(nearest(vectors, 4, exact=False).indices, nearest(vectors, 4, exact=False).indices)


@pytest.mark.parametrize("rows", [0, 1])
def test_without_another_row_there_is_no_neighbour(rows: int) -> None:
    assert nearest(np.ones((rows, 3), np.float32), 5).indices.shape == (rows, 0)


def test_rows_without_a_direction_have_the_cosine_zero() -> None:
    vectors = np.array([[0, 0], [np.nan, 1], [1, 0], [1, 1]], np.float32)
    found = nearest(vectors, 3)
    assert np.isfinite(found.cosines).all()
    assert (found.cosines[:2] == 0).all()
    assert found.indices[2, 0] == 3
