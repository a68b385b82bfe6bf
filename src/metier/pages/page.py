"""A page: one self-contained HTML file made of sections, each of them data and the template that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from metier.pages import words

if TYPE_CHECKING:
    from metier.tasks.contract import Section


def render(title: str, sections: Sequence[Section], *, lead: str = "", facts: Sequence[tuple[str, str]] = ()) -> str:
    """The whole page as HTML text: nothing in it points outside itself and no script runs.

    `lead` is one sentence under the title, `facts` are (name, value) pairs of what the page is about. Sections appear
    in the order given. All texts are taken as untrusted and escaped.

    Raises jinja2.TemplateNotFound for a section whose template does not exist, and jinja2.UndefinedError where a
    section lacks a value its template needs; both are mistakes of the caller, not of the user.

        >>> from metier.tasks.contract import Section
        >>> page = render("Tickets", [Section("verdict", "Verdict", {"headline": "It pays.", "sentences": []})])
        >>> page.startswith("<!doctype html>")
        True
    """
    environment = _environment()
    parts = [
        {
            "id": f"s{place}-{section.template}",
            "title": section.title,
            "body": Markup(
                environment.get_template(f"sections/{section.template}.html").render(_context(section, place))
            ),
        }
        for place, section in enumerate(sections, 1)
    ]
    return environment.get_template("base.html").render(title=title, lead=lead, facts=facts, sections=parts)


def _context(section: Section, place: int) -> dict[str, Any]:
    return {"id": f"s{place}-{section.template}", "title": section.title, "lead": section.lead, "data": section.data}


@cache
def _environment() -> jinja2.Environment:
    """Templates that escape everything, refuse missing values and reach the charts and the words by name."""
    from metier.pages import charts

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("metier.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["charts"] = SimpleNamespace(**{name: _safe(getattr(charts, name)) for name in _PICTURES})
    environment.globals["chosen_point"] = charts.chosen_point
    environment.globals["unit_of"] = charts.unit_of
    environment.globals["titled"] = charts.titled
    environment.globals["beyond"] = charts.beyond
    environment.globals["limits"] = {
        "classes": charts.CLASSES_SHOWN,
        "labels": charts.LABELS_SHOWN,
        "points": charts.POINTS_SHOWN,
        "bars": charts.ROWS_SHOWN,
    }
    for name in ("number", "interval", "count", "seconds", "clip", "missing", "breakable", "plural", "finite"):
        environment.filters[name] = environment.globals[name] = getattr(words, name)
    return environment


_PICTURES = (
    "ladder",
    "confusion",
    "classes",
    "reliability",
    "answering",
    "learning_curve",
    "comparison",
    "scatter",
    "histogram",
    "found",
    "shares",
    "ranges",
    "pairs",
    "severity",
    "dial",
)


def _safe(picture: Any) -> Any:
    return lambda data: Markup(picture(data))


def _printable(value: object) -> object:
    """What stands in a page: markup as it is, anything else as text that HTML can carry."""
    return (
        value
        if isinstance(value, (Markup, jinja2.Undefined))
        else words.clean(words.NOTHING if value is None else value)
    )
