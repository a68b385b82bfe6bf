"""The picture of a comparison: score against number of labels, a line and a band to each way, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metier.pages import canvas
from metier.pages.canvas import ACCENT, INK, MUTED, Frame, Layer, draw
from metier.pages.placing import count_marks, gutter, labelled, share_steps, steps
from metier.pages.words import count, ends, figure, finite, number, plural, wrap

Data = Mapping[str, Any]

_COLORS = ("var(--line-2)", "var(--line-3)", "var(--line-4)", "var(--line-5)", "var(--line-6)")
# Lines are told apart without colour, too.
_DASHES: tuple[list[int], ...] = ([8, 4], [2, 3], [10, 3, 2, 3], [5, 2], [1, 4])
_BESIDE = 208  # pixels on the right, for the names of the lines
_LINE = 18.0


def comparison(data: Data) -> str:
    """`data`: `{"metric", "title", "greater_is_better", "chosen", "rows", "ways": [{"name", "title", "points"}],
    "forecast": [{"rows", "value", "low", "high"}]}`; the chosen way is in the accent colour, the forecast dotted."""
    ways = [way for way in data["ways"] if any(finite(point["value"]) is not None for point in way["points"])]
    if not ways:
        return ""
    ahead = [point for point in data["forecast"] if finite(point["value"]) is not None]
    every = [point for way in ways for point in way["points"]] + ahead
    unit = str(data.get("unit") or "")
    reached = [end for point in every for end in (point["value"], *ends(point)) if end is not None]
    marks = share_steps(min(reached), max(reached)) if unit == "%" else steps(min(reached), max(reached))
    across = count_marks(min(float(p["rows"]) for p in every), max(float(p["rows"]) for p in every))
    left = gutter(labelled(marks, unit))
    frame = Frame(
        (across[0][0], across[-1][0]),
        (marks[0], marks[-1]),
        height=380,
        width=696 - left - _BESIDE,
        left=left,
        right=_BESIDE,
        top=52,
        x_log=True,
    )
    styles = _styles(ways, str(data["chosen"]))
    layers = canvas.y_axis(frame, labelled(marks, unit), _axis(data))
    layers += canvas.x_axis(frame, across, "Labels to learn from (logarithmic)")
    layers += _yours(frame, float(data["rows"]), marks)
    for way in sorted(ways, key=lambda way: way["name"] == data["chosen"]):
        layers += _line_of(frame, way["points"], *styles[way["name"]])
    layers += _ahead(frame, ahead) if len(ahead) > 1 else []
    layers += _names(frame, ways, styles, unit, str(data["chosen"]))
    said = "; ".join(
        f"{way['title']}{' (recommended)' if way['name'] == data['chosen'] else ''}: "
        + ", ".join(f"{count(p['rows'])} labels {figure(p['value'], *ends(p), unit)}" for p in way["points"])
        for way in ways
    )
    told = f"{_axis(data)} against the number of labels, a line to each way. {said}."
    if ahead:
        last = ahead[-1]
        told += f" Expected at {plural(last['rows'], 'label')}: {figure(last['value'], *ends(last), unit)}."
    return draw(frame, layers, told)


def _axis(data: Data) -> str:
    return str(data["title"]) + ("" if data.get("greater_is_better", True) else ", less is better")


def _styles(ways: Sequence[Data], chosen: str) -> dict[str, tuple[str, float, list[int]]]:
    """Way -> colour, width and dashes; the chosen one stands out, the others keep their own."""
    styles: dict[str, tuple[str, float, list[int]]] = {}
    for at, way in enumerate(way for way in ways if way["name"] != chosen):
        styles[way["name"]] = (_COLORS[at % len(_COLORS)], 2.0, _DASHES[at % len(_DASHES)])
    return {**styles, chosen: (ACCENT, 3.5, [1, 0])}


def _line_of(frame: Frame, points: Sequence[Data], color: str, width: float, dashes: list[int]) -> list[Layer]:
    known = [point for point in points if finite(point["value"]) is not None]
    track = [{"x": point["rows"], "y": point["value"]} for point in known]
    ranges = [
        {"x": point["rows"], "y": low, "y2": high}
        for point, (low, high) in zip(known, map(ends, known), strict=True)
        if low is not None and high is not None
    ]
    layers = [canvas.band(frame, ranges, color)] if len(ranges) > 1 else []
    if len(ranges) == 1:
        layers.append(canvas.rules(frame, [{**ranges[0], "x2": ranges[0]["x"]}], color, width))
    if len(track) > 1:
        layers.append(canvas.line(frame, track, color, width, strokeDash=dashes))
    return [*layers, canvas.dots(frame, track, color, 26 * width)]


def _ahead(frame: Frame, points: Sequence[Data]) -> list[Layer]:
    """The forecast: dotted, with the band it most likely stays in."""
    track = [{"x": point["rows"], "y": point["value"]} for point in points]
    ranges = [{"x": point["rows"], "y": ends(point)[0], "y2": ends(point)[1]} for point in points]
    hollow = canvas.dots(frame, track[-1:], canvas.PAPER, 80, stroke=ACCENT, strokeWidth=2)
    return [canvas.band(frame, ranges), canvas.line(frame, track, ACCENT, 2, strokeDash=[2, 4]), hollow]


def _yours(frame: Frame, rows: float, marks: Sequence[float]) -> list[Layer]:
    """An upright line where the user's own data ends."""
    here = {"x": rows, "y": marks[-1]}
    words = {**here, "text": f"your {count(rows)} labels"}
    return [
        canvas.rules(frame, [{**here, "x2": rows, "y2": marks[0]}], MUTED, 1.5, strokeDash=[3, 3]),
        canvas.texts(frame, [words], INK, align="right" if frame.column(rows) > 90 else "left", dy=-9, fontSize=12),
    ]


def _names(
    frame: Frame, ways: Sequence[Data], styles: Mapping[str, tuple[str, float, list[int]]], unit: str, chosen: str
) -> list[Layer]:
    """Each line's name and last score on the right, pushed apart where lines end close together."""
    last = {way["name"]: [p for p in way["points"] if finite(p["value"]) is not None][-1] for way in ways}
    ordered = sorted(ways, key=lambda way: frame.row(last[way["name"]]["value"]))
    at = _apart([frame.row(last[way["name"]]["value"]) for way in ordered], frame.height)
    edge = frame.x[1]
    layers = []
    for way, row in zip(ordered, at, strict=True):
        value = last[way["name"]]["value"]
        text = f"{wrap(way['title'], 20, 1)[0]} {number(value, unit)}"
        weight = 600 if way["name"] == chosen else 400
        here = [{"x": edge, "y": value, "text": text}]
        style: dict[str, Any] = {"dx": 10, "dy": row - frame.row(value), "fontWeight": weight, "fontSize": 12.5}
        layers.append(canvas.texts(frame, here, styles[way["name"]][0], align="left", **style))
    return layers


def _apart(rows: Sequence[float], height: float) -> list[float]:
    """Rows in ascending order, moved so that none lies nearer than a line to the next and all stay inside."""
    placed: list[float] = []
    for row in rows:
        placed.append(max(row, placed[-1] + _LINE) if placed else max(row, 6.0))
    below = height
    for at in range(len(placed) - 1, -1, -1):
        placed[at] = min(placed[at], below)
        below = placed[at] - _LINE
    return placed
