"""The kind image-classification: recognised without being told, nothing set aside silently, pictures held by reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from tests.data.test_pictures import png
from tests.shapes import shapes, write_shapes

from metier import tasks
from metier.data import pictures
from metier.data.dataset import Column, Dataset, Schema, Source
from metier.data.read import read
from metier.data.schema import infer_schema
from metier.data.split import split
from metier.errors import DataError
from metier.plan import Plan
from metier.tasks import image_inputs, image_units
from metier.tasks.contract import Examples
from metier.tasks.image_inputs import Album, Images, drawn
from metier.tasks.image_units import CELLS, NAMES
from metier.tasks.images import CLASSIFICATION
from metier.tune.folds import joined, together

TASK = CLASSIFICATION


def of_folder(folder: Path, cache: Path) -> Examples:
    plan = Plan.of()
    return TASK.prepare(read(folder, plan.data, cache), plan)


def some(count: int = 3) -> Images:
    made = shapes(count)[:count]
    return drawn([pixels for pixels, _ in made], [f"{at}.png" for at in range(count)])


def column(name: str, role: str, distinct: int = 50) -> Column:
    return Column(name, role, "", 0, distinct, ("1", "2") if role == "number" else ("a",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ([column("photo", "image"), column("label", "target", 3)], "image-classification"),
        ([column("photo", "image"), column("size", "number"), column("label", "target", 3)], "image-classification"),
        ([column("photo", "image"), column("note", "text"), column("label", "target", 3)], "text-classification"),
        ([column("photo", "image"), *(column(f"x{i}", "number") for i in range(6)), column("y", "target", 3)], "rows"),
    ],
)
def test_the_kind_is_found(columns: list[Column], kind: str) -> None:
    target = columns[-1].name
    assert tasks.recognise(Schema(tuple(columns), target))[0].name == kind


def test_a_number_is_not_taken_for_labels_without_being_asked() -> None:
    schema = Schema((column("photo", "image"), Column("age", "target", "", 0, 60, ("31", "44"))), "age")
    assert TASK.recognises(schema).score < 0.5
    assert "number" in TASK.recognises(schema).why


def test_what_cannot_be_read_is_set_aside_and_counted(tmp_path: Path) -> None:
    folder = write_shapes(tmp_path / "in", 3)
    whole = (folder / "circle" / "000.png").read_bytes()
    (folder / "circle" / "torn.png").write_bytes(whole[:300])
    (folder / "square" / "empty.jpg").touch()
    (folder / "stripes" / "page.gif").write_text("<html>")
    found = of_folder(folder, tmp_path / "cache")
    assert {reason: len(rows) for reason, rows in found.set_aside.items()} == {
        pictures.BROKEN: 1,
        pictures.EMPTY: 1,
        pictures.UNKNOWN: 1,
    }
    assert len(found) == 9
    assert sorted(problem.rows for problem in found.problems) == [1, 1, 1]
    assert found.target.values(found.targets) == [str(name).split("/")[0] for name in found.inputs.names]
    assert not set(np.concatenate(list(found.set_aside.values()))) & set(found.rows)


def test_a_table_of_paths_is_relative_to_its_file(tmp_path: Path) -> None:
    folder = write_shapes(tmp_path / "in", 2)
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    rows = "".join(f"{path},{path.split('/')[0]}\n" for path in [*paths, "circle/gone.png", ""])
    (folder / "list.csv").write_text(f"picture,kind\n{rows}", encoding="utf-8")
    plan = Plan.of(target="kind")
    found = TASK.prepare(read(folder / "list.csv", plan.data, tmp_path / "cache"), plan)
    assert len(found) == 6
    assert {reason: len(rows) for reason, rows in found.set_aside.items()} == {
        image_inputs.NO_PICTURE: 1,
        pictures.MISSING: 1,
    }
    assert TASK.portable(read(folder / "list.csv", plan.data, tmp_path / "cache"), ["picture"], 1) == [
        {"picture": str(folder / paths[0])}
    ]
    (tmp_path / "list.csv").write_text(f"picture,kind\n{rows}", encoding="utf-8")
    with pytest.raises(DataError, match="can be read") as refused:
        TASK.prepare(read(tmp_path / "list.csv", plan.data, tmp_path / "cache"), plan)
    assert refused.value.code == "no-pictures"
    assert str(tmp_path) in refused.value.found


def test_a_missing_cell_and_bytes_in_a_table(tmp_path: Path) -> None:
    cells = [png(pixels) for pixels, _ in shapes(2)]
    table = pa.table({"photo": [*cells, None], "kind": ["a", "b", "a", "b", "a", None, "b"]})
    plan = Plan.of(target="kind")
    dataset = Dataset(table, infer_schema(table, plan.data), Source("memory", "", 0, "memory"))
    found = TASK.prepare(dataset, plan)
    assert {reason: rows.tolist() for reason, rows in found.set_aside.items()} == {
        image_inputs.NO_PICTURE: [6],
        "missing target": [5],
    }
    assert TASK.portable(dataset, ["photo"], 3) is None
    bare = pa.table({"kind": ["a", "b"]})
    with pytest.raises(DataError, match="reads a column of pictures") as refused:
        TASK.prepare(Dataset(bare, infer_schema(bare, plan.data), dataset.source), plan)
    assert refused.value.code == "no-pictures"


def test_one_picture_in_two_forms_stays_on_one_side_of_the_split(tmp_path: Path) -> None:
    folder = write_shapes(tmp_path / "in", 8)
    for path in sorted(folder.rglob("*.png")):
        Image.open(path).save(path.with_suffix(".bmp"))
    found = of_folder(folder, tmp_path / "cache")
    parts = split(found, Plan.of())
    seen = found.inputs.seen
    assert len(found) == 48
    assert not set(seen[parts.train].tolist()) & set(seen[parts.validation].tolist())


def test_pictures_are_taken_cut_and_joined() -> None:
    images = some(5)
    assert images.take(pa.array([3, 1])).names.tolist() == ["3.png", "1.png"]
    assert images.slice(1, 2).to_pylist() == images[1:3].to_pylist() == images.to_pylist()[1:3]
    assert together([images[:2], images[2:]]).to_pylist() == images.to_pylist() == list(images)
    examples = Examples(images, np.zeros(5), None, np.arange(5))  # type: ignore[arg-type]
    assert joined([examples.take(np.arange(3)), examples.take(np.arange(3, 5))]).inputs.to_pylist() == list(images)
    assert len(set(images.hashes().tolist())) == 5
    assert images.keys.dtype == "S16"
    assert {len(key) for key in images.to_pylist()} == {16}


def test_an_album_forgets_what_was_not_asked_for_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    images = some(3)
    album = Album(most=2 * images.pixels(0).nbytes)
    opened: list[bytes] = []
    monkeypatch.setattr(image_inputs, "opened", lambda source, most: opened.append(source) or pictures.opened(source))
    for at in (0, 1, 0, 2, 0, 1):
        pixels = album.pixels(images.seen[at], images.sources[at])
        assert np.array_equal(pixels, images.pixels(at))
    assert album.size <= album.most
    own = [source for source in opened if source in images.sources.tolist()]
    assert len(own) >= 4
    assert len(images.fresh().album._known) == 0


def test_regions_are_named_lie_side_by_side_and_are_covered() -> None:
    images = some(2)
    text, spans = TASK.spelled(images, 0), TASK.units(images, 0)
    assert [text[start:end] for start, end in spans] == TASK.names(images, 0) == list(NAMES)
    assert len(set(NAMES)) == len(NAMES) == CELLS * CELLS
    places = TASK.places(images, 0)
    assert sum(width * height for _, _, width, height in places) == pytest.approx(1)
    usual = TASK.usual(images)
    colour = usual.pixels(0)[0, 0]
    assert np.abs(colour - np.mean([images.pixels(at).mean(axis=(0, 1)) for at in range(2)], axis=0)).max() <= 1
    masks = np.ones((3, len(spans)), bool)
    masks[1, [0, 12]] = False
    masks[2] = False
    whole, part, none = (TASK.keeping(images, [(1, masks)], usual).pixels(at) for at in range(3))
    assert np.array_equal(whole, images.pixels(1))
    assert (none == colour).all()
    hidden = (part == colour).all(axis=2)
    assert hidden[:8, :8].all()
    assert hidden[16:24, 16:24].all()
    assert np.array_equal(part[24:], whole[24:])
    assert (TASK.keeping(images, [(1, masks[2:])], None).pixels(0) == 128).all()


def test_what_is_covered_is_no_unit_any_more() -> None:
    images = some(1)
    masks = np.ones((1, 25), bool)
    masks[0, [0, 1, 2, 12]] = False
    less = TASK.keeping(images, [(0, masks)], None)
    assert TASK.names(less, 0) == [name for at, name in enumerate(NAMES) if at not in (0, 1, 2, 12)]
    assert len(TASK.units(less, 0)) == len(TASK.places(less, 0)) == 21
    assert TASK.render(less, 0) == "0.png, without top far left, top left, top centre and 1 more"
    again = TASK.keeping(less, [(0, np.zeros((1, 21), bool))], None)
    assert (again.pixels(0) == 128).all()
    assert TASK.units(again, 0) == []


def test_thumbnails_are_small() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 400, 3), np.uint8)
    uri = image_units.thumbnail(noise)
    assert uri.startswith("data:image/jpeg;base64,")
    assert len(uri) < 12_000
    assert TASK.picture(some(1), 0) is not None


def test_vectors_are_near_for_like_pictures_whatever_else_is_asked() -> None:
    images = some(6)
    trunk = TASK.trunk(TASK.base("minilm"))
    vectors = TASK.vectors(images, trunk, images)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(TASK.vectors(images[:1], trunk, images), vectors[:1], atol=1e-3)
