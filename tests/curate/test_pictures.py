"""Copies among pictures: what was saved again is found, other drawings are not, and the room runs from end to end."""

import csv

import numpy as np
import pytest

pytest.importorskip("PIL", reason="the extra metier[images] is not installed")
from PIL import Image
from tests.curate.drawings import CHANGES, drawing, of_another_colour, with_another_thing

import metier
from metier.curate.picture_copies import PictureSketch, _near_in_orders
from metier.curate.pictures import read
from metier.errors import DataError, MetierError

SEEDS = 24


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Every drawing, each change of it, and two that only look like it: the sketch, and which picture is which."""
    folder = tmp_path_factory.mktemp("pictures")
    names, what = [], []
    for seed in range(SEEDS):
        image = drawing(seed)
        made = {"as drawn": image, **{name: change(image) for name, change in CHANGES.items()}}
        made |= {"another thing": with_another_thing(image), "another colour": of_another_colour(image)}
        for name, one in made.items():
            names.append(f"{seed}-{name}.png")
            what.append((seed, name))
            one.save(folder / names[-1])
    pictures, reasons = read(names, [str(folder / name) for name in names])
    assert set(reasons) == {""}
    sketch = PictureSketch(pictures)
    pairs = sketch.candidates(np.arange(len(pictures)))
    likeness, sure = sketch.compare(pairs)
    return what, {
        tuple(pair): (float(how), bool(certain))
        for pair, how, certain in zip(pairs.tolist(), likeness, sure, strict=True)
    }


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_near(seen, change):
    what, found = seen
    pairs = [tuple(sorted((what.index((seed, "as drawn")), what.index((seed, change))))) for seed in range(SEEDS)]
    assert np.mean([found.get(pair, (0.0, False))[0] > 0 for pair in pairs]) >= 0.95


def test_other_drawings_are_not(seen):
    what, found = seen
    same = {"as drawn", *CHANGES}
    wrong = [
        (what[one], what[other])
        for (one, other), (likeness, _) in found.items()
        if likeness > 0 and not (what[one][0] == what[other][0] and (what[one][1] in same) == (what[other][1] in same))
    ]
    assert wrong == []


def test_what_was_cut_is_never_dropped_unseen(seen):
    what, found = seen
    cut = [sure for (one, other), (_, sure) in found.items() if {"cut", "as drawn"} == {what[one][1], what[other][1]}]
    assert len(cut) >= 0.95 * SEEDS
    assert not any(cut)


def test_many_pictures_are_compared_in_sorted_orders():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2**63, (4000, 2), dtype=np.uint64)
    twin = codes[:200].copy()
    for _ in range(5):
        twin[:, 0] ^= np.uint64(1) << rng.integers(0, 64, 200, dtype=np.uint64)
    pairs = {tuple(pair) for pair in _near_in_orders(np.concatenate([codes, twin])).tolist()}
    assert np.mean([(at, 4000 + at) in pairs for at in range(200)]) >= 0.98
    assert len(pairs) <= 0.0001 * 4200 * 4199 / 2


def test_equal_pixels_are_equal_in_any_form_and_torn_files_are_set_aside(tmp_path):
    image = drawing(1)
    for name in ("a.png", "b.bmp", "c.tiff"):
        image.save(tmp_path / name)
    image.rotate(90, expand=True).save(tmp_path / "turned.png", exif=_turned(6))
    (tmp_path / "torn.png").write_bytes((tmp_path / "a.png").read_bytes()[:4000])
    (tmp_path / "text.png").write_text("no picture")
    Image.new("RGB", (50, 40), (9, 9, 9)).save(tmp_path / "blank.png")
    Image.new("RGB", (60, 40), (10, 10, 10)).save(tmp_path / "blank2.png")
    names = [
        "a.png",
        "b.bmp",
        "c.tiff",
        "turned.png",
        "blank.png",
        "blank2.png",
        "torn.png",
        "text.png",
        "no.png",
        None,
    ]
    pictures, reasons = read(names, [name and str(tmp_path / name) for name in names])
    assert reasons.tolist() == [""] * 6 + [
        "the picture cannot be read",
        "it is no picture of a form that is read",
        "there is no such picture",
        "no path of a picture",
    ]
    sketch = PictureSketch(pictures)
    assert sketch.exact.tolist() == [sketch.exact[0]] * 4 + sketch.exact.tolist()[4:]
    assert len(set(sketch.exact.tolist())) == 3
    assert not (sketch.candidates(np.arange(6)) >= 4).any(), "where nothing is to be seen nothing is alike"
    assert len(pictures.take([0, 4]).joined(pictures)) == 8


def _turned(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def folder_of(tmp_path, split=False):
    """40 drawings in two folders; one stands in both, one twice in one, and one is there again, smaller."""
    place = tmp_path / "pictures"
    for number in range(40):
        label = "cat" if number % 2 else "dog"
        path = place / (("test" if number >= 32 else "train") if split else ".") / label / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawing(100 + number).save(path)
    where = place / "train" if split else place
    drawing(101).save(where / "dog" / "again.png")  # a cat
    drawing(102).save(where / "dog" / "same.bmp")
    drawing(104).resize((120, 90)).save(where / "dog" / "small.png")
    (place / "README.txt").write_text("Drawn for a test.")
    return place


def test_a_folder_of_pictures_from_end_to_end(tmp_path):
    place = folder_of(tmp_path)
    done = metier.curate(place, workspace=tmp_path / "w", apply=True, split=True)
    assert done.figures["task"] == "pictures"
    assert done.figures["target"] == "label"
    with done.clean.open(encoding="utf-8") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    first = next(one for one in done.findings if one.facts.get("conflict"))
    assert first.facts["labels"] == {"cat": 1, "dog": 1}
    assert first.action == "review"
    assert "dog/same.bmp" not in rows or "dog/02.png" not in rows
    assert "dog/small.png" not in rows, "the larger one is kept"
    assert {"cat/01.png", "dog/again.png", "dog/04.png"} <= set(rows)
    assert rows["cat/01.png"]["split"] == rows["dog/again.png"]["split"]
    notes = " ".join(done.figures["notes"])
    assert "which labels are wrong was not asked" in notes
    assert "what is off the topic was not asked" in notes
    assert (done.run / "curation.html").read_text(encoding="utf-8").count("dog/small.png") >= 1


def test_copies_across_a_split_of_folders_and_in_a_test_folder_are_leakage(tmp_path):
    place = folder_of(tmp_path, split=True)
    drawing(132).resize((200, 150)).save(place / "train" / "dog" / "known.png")
    found = metier.curate(place, workspace=tmp_path / "w", only=("leakage",)).findings
    assert {one.row is not None and one.kind for one in found if one.facts.get("how") in ("exact", "near")} == {
        "leakage"
    }
    other = tmp_path / "held" / "dog"
    other.mkdir(parents=True)
    drawing(104).save(other / "x.png", "PNG", compress_level=1)
    (tmp_path / "held" / "cat").mkdir()
    drawing(500).save(tmp_path / "held" / "cat" / "y.png")
    found = metier.curate(place, test=str(tmp_path / "held"), workspace=tmp_path / "w", only=("leakage",)).findings
    held = [one for one in found if one.file == str(tmp_path / "held") and one.row is not None]
    assert [one.facts["how"] for one in held] == ["exact"]


def test_a_table_of_paths_beside_its_pictures(tmp_path):
    place = folder_of(tmp_path)
    rows = [[path.relative_to(place).as_posix(), path.parent.name] for path in sorted(place.glob("*/*"))]
    table = place / "labels.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["picture", "label"], *rows, ["cat/gone.png", "cat"]])
    done = metier.curate(table, workspace=tmp_path / "w", only=("duplicates",))
    assert done.figures["summary"]["duplicate"] == 2
    assert done.figures["summary"]["near_duplicate"] == 1
    assert done.figures["summary"]["invalid"] == 1
    with pytest.raises(DataError, match="At least one path"):
        metier.curate(_moved(table, tmp_path), workspace=tmp_path / "w")


def _moved(table, tmp_path):
    place = tmp_path / "elsewhere" / "labels.csv"
    place.parent.mkdir()
    place.write_bytes(table.read_bytes())
    return place


def test_what_fixes_are_worth_is_refused(tmp_path):
    place = folder_of(tmp_path)
    with pytest.raises(MetierError, match="features"):
        metier.curate(place, workspace=tmp_path / "w", worth=True)
