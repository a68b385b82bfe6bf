"""Pictures are opened as a person sees them, and what cannot be opened says why; tables of them are recognised."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.shapes import shapes

from metier.data import pictures
from metier.data.pictures import Unreadable, opened
from metier.data.read import read
from metier.plan import DataPlan


def png(pixels: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


DRAWN = shapes(4)


def test_bytes_cells_and_paths_are_one_picture(tmp_path: Path) -> None:
    held = png(DRAWN[0][0])
    (tmp_path / "a.png").write_bytes(held)
    for source in (held, pa.scalar(held, pa.binary()), tmp_path / "a.png", str(tmp_path / "a.png")):
        assert np.array_equal(np.asarray(opened(source)), DRAWN[0][0])


def test_a_clear_ground_is_white_and_a_turned_picture_upright() -> None:
    clear = np.zeros((4, 6, 4), np.uint8)
    assert (np.asarray(opened(png(clear))) == 255).all()
    held, exif = io.BytesIO(), Image.Exif()
    exif[274] = 6
    Image.fromarray(DRAWN[0][0][:, :20]).save(held, "PNG", exif=exif)
    assert opened(held.getvalue()).size == (40, 20)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_large_picture_is_shrunk_evenly_and_a_small_one_left(form: str) -> None:
    held = io.BytesIO()
    Image.fromarray(np.tile(DRAWN[1][0], (20, 40, 1))).save(held, form)
    assert opened(held.getvalue(), 160).size == (160, 80)
    assert np.array_equal(np.asarray(opened(png(DRAWN[1][0]), 160)), DRAWN[1][0])


def test_each_fault_has_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = png(DRAWN[2][0])
    (tmp_path / "empty.png").touch()
    faults: list[tuple[str | bytes, str]] = [
        (str(tmp_path / "none.png"), pictures.MISSING),
        (str(tmp_path / "empty.png"), pictures.EMPTY),
        (b"", pictures.EMPTY),
        (whole[:200], pictures.BROKEN),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", pictures.UNKNOWN),
        (str(tmp_path), pictures.BROKEN),
    ]
    for source, why in faults:
        with pytest.raises(Unreadable, match=why):
            opened(source)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(Unreadable, match=pictures.LARGE):
        opened(whole)


@given(st.binary(max_size=60), st.integers(0, 400))
def test_no_bytes_do_worse_than_be_unreadable(noise: bytes, at: int) -> None:
    held = png(DRAWN[0][0])
    for source in (noise, held[:at] + noise + held[at + len(noise) :]):
        with suppress(Unreadable):
            assert opened(source, 64).mode == "RGB"


@pytest.mark.parametrize("wrapped", [False, True])
def test_bytes_in_a_table_are_pictures_and_their_paths_names(tmp_path: Path, wrapped: bool) -> None:
    held = [png(pixels) for pixels, _ in DRAWN]
    cells = [{"bytes": one, "path": "x.png"} for one in held] if wrapped else held
    columns = {"photo": cells, "path": [f"{at}.png" for at in range(len(held))], "label": [kind for _, kind in DRAWN]}
    pq.write_table(pa.table(columns), tmp_path / "shapes.parquet")
    found = read(tmp_path / "shapes.parquet", DataPlan(), tmp_path / "cache")
    assert {one.name: one.role for one in found.schema.columns} == {"photo": "image", "path": "id", "label": "target"}
    names, sources = pictures.cells(found, "photo")
    assert names[1] == "picture of row 1"
    assert np.array_equal(np.asarray(opened(sources[1])), DRAWN[1][0])


def test_bytes_that_are_no_pictures_are_not_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"blob": [b"abc", b"def"], "label": ["a", "b"]}), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet", DataPlan(), tmp_path / "cache").schema.column("blob").role == "empty"


def test_a_picture_is_a_table_of_one_row(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(png(DRAWN[0][0]))
        found = read(tmp_path / name, DataPlan(), tmp_path / "cache")
        assert found.table.to_pydict() == {"image": [name]}
        assert found.schema.column("image").role == "image"
        assert pictures.cells(found, "image")[1] == [str(tmp_path / name)]
