"""PDF from a page: readable, tagged, drawn without the net; a clear error where a library is missing."""

from __future__ import annotations

import builtins
import io

import pytest

from metier.errors import ResourceError
from metier.govern.documents import pdf, room
from metier.pages.page import render
from metier.tasks.contract import Section


def needed() -> None:
    """Skip where WeasyPrint or the system's Pango is missing."""
    try:
        pdf.check()
    except ResourceError as error:
        pytest.skip(str(error))


def page() -> str:
    said = [{"kind": "said", "text": "Right answers 94.2%", "refs": [1], "by": ""}]
    row = {
        "kind": "table",
        "columns": ["Metric"],
        "rows": [[said]],
        "strips": [(0.9, 0.8, 0.95, 0.7, "%")],
        "ids": ["e1"],
    }
    return render("Tickets: model card", [Section("document", "Figures", {"blocks": [row]})], lead="An expert.")


def test_a_page_becomes_a_pdf_that_holds_its_words():
    needed()
    pypdf = pytest.importorskip("pypdf")
    read = pypdf.PdfReader(io.BytesIO(pdf.pdf(page())))
    text = " ".join(one.extract_text() for one in read.pages)
    assert "Tickets: model card" in text
    assert "Right answers 94.2%" in text
    box = read.pages[0].mediabox
    assert (round(box.width), round(box.height)) == (595, 842)  # A4
    assert read.trailer["/Root"]["/MarkInfo"]["/Marked"]


def test_a_page_that_would_load_something_loads_nothing():
    needed()
    assert pdf.pdf(page().replace("</main>", '<img src="http://example.org/x.png"></main>')).startswith(b"%PDF")


def test_pictures_keep_their_colours_on_paper():
    drawn = pdf._drawn(page())
    assert 'fill="#0067a5"' in drawn
    assert '="var(' not in drawn
    assert "clamp(" not in drawn


@pytest.mark.parametrize(
    ("error", "code", "fix"),
    [
        (ImportError("No module named 'weasyprint'"), "no-weasyprint", "pip install 'metier[pdf]'"),
        (OSError("cannot load library 'pango-1.0'\nmore"), "no-pango", "libpango"),
    ],
)
def test_a_missing_library_is_named_before_anything_is_written(monkeypatch, texts, tmp_path, error, code, fix):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "weasyprint":
            raise error
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ResourceError) as caught:
        room.documents(texts.dossier(), tmp_path / "out", ("md", "pdf"))
    assert caught.value.code == code
    assert fix in caught.value.fix
    assert not (tmp_path / "out").exists()
