"""The frame and the few marks every chart is made of, as Vega-Lite, and the way from them to an SVG of the page.

Colours are the page's own CSS variables, written as they are into the SVG, so one drawing serves light, dark and print.
All positions are explicit and no text is measured: the same data gives the same bytes on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any
from xml.etree import ElementTree

import vl_convert

from metier.pages.words import clean, wrap

Rows = Sequence[Mapping[str, Any]]
Layer = dict[str, Any]

INK, MUTED, RULE, PAPER = "var(--ink)", "var(--muted)", "var(--rule)", "var(--paper)"
ACCENT, TROUBLE, ON_ACCENT = "var(--accent)", "var(--trouble)", "var(--on-accent)"

_SVG = "http://www.w3.org/2000/svg"
_CONFIG: dict[str, Any] = {"background": "transparent", "view": {"stroke": None}, "text": {"limit": 0}}
_DROPPED = re.compile(r"aria-.*|role|class|pointer-events|font-family|version|stroke-miterlimit|.*}href")
_LONG = re.compile(r"\d+\.\d{3,}")
_DEFAULTS = {"opacity": "1", "stroke-width": "1", "text-anchor": "start", "fill-opacity": "1"}


@dataclass(frozen=True)
class Frame:
    """The plot area in pixels, what lies around it, and the values at its edges."""

    x: tuple[float, float]
    y: tuple[float, float]
    height: int = 280
    width: int = 640
    left: int = 56
    top: int = 34
    right: int = 24
    bottom: int = 54
    x_log: bool = False

    def column(self, value: float) -> float:
        """Pixels from the left edge of the plot area."""
        low, high = self.x
        share = log(value / low) / log(high / low) if self.x_log else (value - low) / (high - low)
        return share * self.width

    def row(self, value: float) -> float:
        """Pixels from the upper edge of the plot area."""
        low, high = self.y
        return (high - value) / (high - low) * self.height


def _layer(frame: Frame, rows: Rows, mark: str, **style: Any) -> Layer:
    """A Vega-Lite layer over `rows` with x and y on the frame's scales; x2 and y2 where the rows have them."""
    first = rows[0] if rows else {}
    encoding: dict[str, Any] = {"x": _scaled("x", frame.x, frame.x_log), "y": _scaled("y", frame.y)}
    encoding |= {name: {"field": name} for name in ("x2", "y2") if name in first}
    if "text" in first:
        encoding["text"] = {"field": "text", "type": "nominal"}
    if "order" in first:
        encoding["order"] = {"field": "order", "type": "quantitative"}
    if "strength" in first:
        scale = {"domain": [0, 1], "range": [0, 1]}
        encoding["fillOpacity"] = {"field": "strength", "type": "quantitative", "legend": None, "scale": scale}
    return {"data": {"values": [dict(row) for row in rows]}, "mark": {"type": mark, **style}, "encoding": encoding}


def _scaled(name: str, domain: tuple[float, float], logarithmic: bool = False) -> dict[str, Any]:
    scale = {"domain": list(domain), "type": "log" if logarithmic else "linear", "nice": False, "zero": False}
    if logarithmic:
        del scale["zero"]
    return {"field": name, "type": "quantitative", "axis": None, "scale": scale}


def rules(frame: Frame, rows: Rows, color: str = RULE, width: float = 1, **style: Any) -> Layer:
    """Straight lines from (x, y) to (x2, y2)."""
    return _layer(frame, rows, "rule", color=color, strokeWidth=width, **style)


def dots(frame: Frame, rows: Rows, color: str = ACCENT, size: float = 80, **style: Any) -> Layer:
    """Round points; `size` is their area in square pixels."""
    style = {"filled": True, "opacity": 1, "stroke": PAPER, "strokeWidth": 1.5} | style
    return _layer(frame, rows, "point", color=color, size=size, **style)


def line(frame: Frame, rows: Rows, color: str = ACCENT, width: float = 2, **style: Any) -> Layer:
    """One line through the rows in their order."""
    rows = [{**row, "order": place} for place, row in enumerate(rows)]
    return _layer(frame, rows, "line", color=color, strokeWidth=width, strokeJoin="round", **style)


def band(frame: Frame, rows: Rows, color: str = ACCENT) -> Layer:
    """The area between y and y2 over x."""
    return _layer(frame, rows, "area", color=color, opacity=0.16)


def boxes(frame: Frame, rows: Rows, color: str = ACCENT, **style: Any) -> Layer:
    """Rectangles from (x, y) to (x2, y2); a row's `strength` in 0..1 is its opacity."""
    return _layer(frame, rows, "rect", color=color, **style)


def texts(
    frame: Frame,
    rows: Rows,
    color: str = INK,
    *,
    align: str = "center",
    halo: bool = False,
    **style: Any,
) -> Layer:
    """Each row's `text` (lines apart by newline) at (x, y); `halo` keeps it readable over lines."""
    rows = [{**row, "text": clean(row["text"])} for row in rows]
    style = {"fontSize": 13, "lineHeight": 16, "baseline": "middle"} | style
    if halo:
        style |= {"stroke": PAPER, "strokeWidth": 4, "strokeJoin": "round"}
    return _layer(frame, rows, "text", fill=color, align=align, lineBreak="\n", **style)


def x_axis(frame: Frame, marks: Sequence[tuple[float, str]], title: str, *, grid: bool = False) -> list[Layer]:
    """Labels under the plot area, their title in the lower right, and vertical grid lines if wished."""
    low, high = frame.y
    below = (low - high) / frame.height
    labels = [{"x": at, "y": low, "text": text} for at, text in marks]
    layers = [
        texts(frame, labels, MUTED, dy=16),
        texts(frame, [{"x": frame.x[1], "y": low, "text": wrap(title, 80, 1)[0]}], MUTED, align="right", dy=40),
    ]
    short = [{"x": at, "y": low, "x2": at, "y2": high if grid else low + 5 * below} for at, _ in marks]
    return [rules(frame, short), *layers] if marks else layers


def y_axis(frame: Frame, marks: Sequence[tuple[float, str]], title: str) -> list[Layer]:
    """Horizontal grid lines with labels on the left, and their title above, read without turning the head."""
    low, high = frame.x
    lines = [{"x": low, "y": at, "x2": high, "y2": at} for at, _ in marks]
    labels = [{"x": low, "y": at, "text": text} for at, text in marks]
    heading = texts(
        frame,
        [{"x": low, "y": frame.y[1], "text": wrap(title, 80, 1)[0]}],
        MUTED,
        align="left",
        dx=-frame.left + 2,
        dy=-20,
    )
    return [rules(frame, lines), texts(frame, labels, MUTED, align="right", dx=-10), heading]


def draw(frame: Frame, layers: Sequence[Layer], label: str) -> str:
    """The layers as one `<svg>` with `label` as its spoken description."""
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": frame.width,
        "height": frame.height,
        "autosize": "none",
        "padding": {"left": frame.left, "top": frame.top, "right": frame.right, "bottom": frame.bottom},
        "config": _CONFIG,
        "layer": list(layers),
    }
    return _for_page(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]), label)


def _for_page(svg: str, label: str) -> str:
    """Vega's SVG without what the page gives it (fonts, roles) or nobody sees, and named for screen readers."""
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(svg)
    _prune(root)
    root.set("class", "chart")
    root.set("role", "img")
    root.set("aria-label", " ".join(clean(label).split()))
    return ElementTree.tostring(root, encoding="unicode")


def _prune(element: ElementTree.Element) -> None:
    for name in [
        name for name, value in element.attrib.items() if _DROPPED.fullmatch(name) or _DEFAULTS.get(name) == value
    ]:
        del element.attrib[name]
    for name in ("transform", "d", "x", "x2", "y", "y2"):
        if name in element.attrib:
            element.set(
                name, _LONG.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), element.get(name, ""))
            )
    for child in list(element):
        unseen = child.get("display") == "none" or child.get("d") in ("", "M0,0h0v0h0Z")
        backdrop = child.get("class") == "background" or child.get("fill") == "transparent"
        if unseen or (backdrop and child.tag in (f"{{{_SVG}}}path", f"{{{_SVG}}}rect")):
            element.remove(child)
        else:
            _prune(child)
