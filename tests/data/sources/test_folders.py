"""Folders of documents: one row a file, labels from subfolders, and files that would do harm set aside."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from metier.data.dataset import Dataset
from metier.data.read import read
from metier.data.sources import documents, pdf
from metier.data.sources.documents import Documents
from metier.errors import MetierError
from metier.plan import DataPlan

SPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
COMPAT = "http://schemas.openxmlformats.org/markup-compatibility/2006"
BODY = (
    f'<w:document xmlns:w="{SPACE}" xmlns:mc="{COMPAT}"><w:body><w:p><w:r><w:t>Dear</w:t><w:tab/><w:t>Sir &amp; Madam</w:t>'
    "</w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p><w:p><mc:AlternateContent><mc:Choice><w:t>once</w:t>"
    "</mc:Choice><mc:Fallback><w:t>twice</w:t></mc:Fallback></mc:AlternateContent></w:p></w:body></w:document>"
)
ENTITIES = '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def opened(folder: Path, tmp_path: Path) -> Dataset:
    return read(folder, DataPlan(), tmp_path / "tables")


def refused(folder: Path, tmp_path: Path) -> MetierError:
    with pytest.raises(MetierError) as caught:
        opened(folder, tmp_path)
    assert caught.value.fix
    return caught.value


def write(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def docx(path: Path, xml: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", xml)
    return path


def make_pdf(path: Path, text: str, *, password: str | None = None) -> Path:
    """A PDF of one page with this line, or none."""
    pypdf = pytest.importorskip("pypdf", reason="the extra metier[documents] is not installed")
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = pypdf.PdfWriter()
    page = writer.add_blank_page(300, 300)
    if text:
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
        font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
        names = DictionaryObject({NameObject(key): NameObject(value) for key, value in font.items()})
        fonts = DictionaryObject({NameObject("/F1"): names})
        page[NameObject("/Contents")] = writer._add_object(stream)
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    path.parent.mkdir(parents=True, exist_ok=True)
    writer.write(path)
    return path


def test_subfolders_are_labels_and_a_readme_is_none(tmp_path: Path) -> None:
    for label in ("praise", "complaint"):
        for number in range(4):
            write(tmp_path / "mail" / label / f"{number}.txt", f"{label} number {number} for you")
    write(tmp_path / "mail" / "README.md", "how this was collected")
    write(tmp_path / "mail" / ".hidden" / "x.txt", "never read")
    dataset = opened(tmp_path / "mail", tmp_path)
    assert dataset.table.column_names == ["text", "label", "file"]
    assert dataset.table["label"].to_pylist() == ["complaint"] * 4 + ["praise"] * 4
    assert dataset.table.slice(0, 1).to_pylist() == [
        {"text": "complaint number 0 for you", "label": "complaint", "file": "complaint/0.txt"}
    ]
    assert (dataset.schema.target, dataset.source.format) == ("label", "folder")


def test_train_and_test_above_the_labels_become_a_split(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("neg", "pos"):
            for number in range(6):
                write(tmp_path / "imdb" / split / label / f"{number}.txt", f"a {label} film {number} of {split}")
    dataset = opened(tmp_path / "imdb", tmp_path)
    assert dataset.table.column_names == ["text", "label", "split", "file"]
    assert dataset.schema.named("split") == ("split",)
    assert set(dataset.table["label"].to_pylist()) == {"neg", "pos"}


def test_a_flat_folder_has_no_label_and_other_content_is_other_data(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "notes" / f"{number}.md", f"# note {number} on the matter")
    first = opened(tmp_path / "notes", tmp_path)
    assert first.table.column_names == ["text", "file"]
    assert opened(tmp_path / "notes", tmp_path).source.sha256 == first.source.sha256
    write(tmp_path / "notes" / "2.md", "# changed")
    assert opened(tmp_path / "notes", tmp_path).source.sha256 != first.source.sha256
    (tmp_path / "notes" / "2.md").rename(tmp_path / "notes" / "3.md")
    assert "3.md" in opened(tmp_path / "notes", tmp_path).table["file"].to_pylist()


def test_encodings_are_found_file_by_file(tmp_path: Path) -> None:
    texts = {
        "a.txt": "é".encode(),
        "b.txt": "é".encode("utf-8-sig"),
        "c.txt": "é".encode("cp1252"),
        "d.txt": "é".encode("utf-16"),
        "e.txt": b"",
    }
    for name, data in texts.items():
        write(tmp_path / "t" / name, data)
    dataset = opened(tmp_path / "t", tmp_path)
    assert dataset.table["text"].to_pylist() == ["é", "é", "é", "é", None]


def test_word_and_pdf_files_give_their_text(tmp_path: Path) -> None:
    docx(tmp_path / "d" / "a.docx", BODY)
    make_pdf(tmp_path / "d" / "b.pdf", "A letter of complaint")
    assert opened(tmp_path / "d", tmp_path).table["text"].to_pylist() == [
        "Dear\tSir & Madam\nonce",
        "A letter of complaint",
    ]


def test_files_that_cannot_be_read_are_set_aside_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_XML", 2**20)
    monkeypatch.setattr(documents, "MAX_TEXT", 2**20)
    folder = tmp_path / "d"
    write(folder / "good.txt", "a good text of words")
    bad = {
        docx(folder / "bomb.docx", BODY.replace("Dear", " " * 2**22)): "unpacks to more",
        docx(folder / "entities.docx", ENTITIES + BODY.replace("Dear", "&b;")): "entities",
        docx(folder / "cut.docx", BODY[:200]): "broken",
        write(folder / "no.docx", b"PK\x03\x04nothing"): "broken",
        write(folder / "old.docx", b"\xd0\xcf\x11\xe0" + b"\0" * 600): "password",
        write(folder / "binary.txt", b"a\0b"): "no text",
        write(folder / "huge.txt", b"a" * (2**20 + 1)): "larger",
        write(folder / "broken.pdf", b"%PDF-1.7\nnothing of it"): "broken",
        make_pdf(folder / "scan.pdf", ""): "scan",
        make_pdf(folder / "locked.pdf", "secret text", password="x"): "password",
    }
    dataset = opened(folder, tmp_path)
    assert dataset.table["file"].to_pylist() == ["good.txt"]
    told = [problem for problem in dataset.schema.problems if problem.code == "unread-files"]
    assert sum(problem.rows for problem in told) == len(bad)
    for path, why in bad.items():
        assert [problem for problem in told if path.name in problem.detail and why in problem.detail], path.name


def test_an_archive_that_lies_about_its_size_is_stopped_where_it_passes_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = docx(tmp_path / "liar.docx", BODY.replace("Dear", "x" * 2**21))
    data = path.read_bytes()
    true = (len(BODY) - 4 + 2**21).to_bytes(4, "little")
    assert data.count(true) == 2
    path.write_bytes(data.replace(true, (100).to_bytes(4, "little")))
    monkeypatch.setattr(documents, "MAX_XML", 2**20)
    text, why = Documents().read(path)
    assert text is None
    assert why is not None


@pytest.mark.skipif(sys.platform == "win32", reason="sleeps by a named pipe")
def test_a_pdf_that_never_ends_is_given_up_and_the_next_one_is_read(tmp_path: Path) -> None:
    import os

    good = make_pdf(tmp_path / "good.pdf", "after the storm")
    os.mkfifo(tmp_path / "endless.pdf")
    with pdf.PdfReader(seconds=1.5) as reader:
        assert reader.text(tmp_path / "endless.pdf") == (None, "not read in 2 seconds")
        reader._seconds = 60
        assert reader.text(good) == ("after the storm", None)
        assert reader._process is not None
        reader._process.kill()
        assert reader.text(good)[1] == "the reader needed too much memory or broke"
        assert reader.text(good) == ("after the storm", None)


def test_folders_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty", tmp_path).code == "is-a-folder"
    write(tmp_path / "tables" / "a.csv", "text,label\nx,y\n")
    write(tmp_path / "tables" / "README.md", "about it")
    assert refused(tmp_path / "tables", tmp_path).code == "is-a-folder"
    docx(tmp_path / "none" / "a.docx", BODY[:50])
    assert refused(tmp_path / "none", tmp_path).code == "no-documents"


def test_a_folder_of_pictures_is_a_table_of_their_paths(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.JPG", "dog/3.webp"):
        write(tmp_path / "pets" / name, b"not looked at here")
    write(tmp_path / "pets" / "README.md", "about it")
    pets = opened(tmp_path / "pets", tmp_path)
    assert pets.table.to_pydict() == {"image": ["cat/1.png", "cat/2.JPG", "dog/3.webp"], "label": ["cat", "cat", "dog"]}
    assert pets.schema.column("image").role == "image"
    assert pets.schema.target == "label"
    write(tmp_path / "parted" / "train" / "cat" / "1.png", b"1")
    write(tmp_path / "parted" / "test" / "dog" / "2.png", b"2")
    parted = opened(tmp_path / "parted", tmp_path)
    assert parted.table.column("split").to_pylist() == ["test", "train"]
    write(tmp_path / "plain" / "1.png", b"1")
    assert opened(tmp_path / "plain", tmp_path).table.column_names == ["image"]
    write(tmp_path / "pets" / "labels.csv", "image,label\n")
    assert refused(tmp_path / "pets", tmp_path).code == "is-a-folder"
