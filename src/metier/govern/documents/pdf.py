"""A page as PDF, by WeasyPrint: an extra, and the Pango library of the system."""

from __future__ import annotations

import logging
import re
from typing import Any

from metier.errors import ResourceError


def check() -> None:
    """Raise ResourceError where PDF cannot be written, before any work is done."""
    _library()


def pdf(page: str) -> bytes:
    """A page of metier's as PDF/UA-tagged A4; nothing is fetched. Raises ResourceError."""
    library = _library()
    html = library.HTML(string=_drawn(page), url_fetcher=library.URLFetcher(allowed_protocols=()))
    written: bytes = html.write_pdf(pdf_tags=True)
    return written


def _library() -> Any:
    try:
        import weasyprint
    except ImportError as error:
        raise ResourceError(
            "no-weasyprint",
            "Writing PDF needs WeasyPrint, which is not installed with metier itself.",
            found=str(error),
            fix="pip install 'metier[pdf]', or leave --format pdf out.",
        ) from error
    except OSError as error:
        raise ResourceError(
            "no-pango",
            "Writing PDF needs the Pango library of the system.",
            found=str(error).splitlines()[0],
            fix="apt install libpango-1.0-0 libpangoft2-1.0-0 (brew install pango), or leave --format pdf out.",
        ) from error
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    return weasyprint


def _drawn(page: str) -> str:
    """The page with the colours of its pictures spelt out as on paper: inside SVG, WeasyPrint knows no variables.

    Sizes that depend on the window become their largest: WeasyPrint 70 fails on clamp() beside a font of variables.
    """
    page = re.sub(r"clamp\([^,()]+,[^,()]+,\s*([^()]+)\)", r"\1", page)
    paper = page.rsplit("@media print", 1)[-1]
    colours = dict(re.findall(r"(--[\w-]+):\s*(#[0-9a-fA-F]{3,8});", paper))
    return re.sub(r'="var\((--[\w-]+)\)"', lambda match: f'="{colours.get(match[1], "#1d1f23")}"', page)
