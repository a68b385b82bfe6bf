"""Small pictures side by side on one scale: what a change of the inputs costs, the stronger the further right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from metier.pages import canvas
from metier.pages.canvas import ACCENT, INK, MUTED, RULE, TROUBLE, Frame, Layer, draw
from metier.pages.placing import labelled, steps
from metier.pages.words import ends, figure, finite, number, wrap

Data = Mapping[str, Any]

_ACROSS = 4
_WIDE, _HIGH = 138, 92  # a panel's own plot, in pixels
_GAP, _ABOVE, _BELOW = 20, 38, 26
_LEFT = 46


def severity(data: Data) -> str:
    """`data`: `{"unit", "rows": [{"name", "costs", "brittle", "points": [{"severity", "label", "value", "low", "high",
    "generic"}]}]}`; values are losses, the generic base's hollow, all panels on one scale."""
    rows = [row for row in data["rows"] if any(finite(point["value"]) is not None for point in row["points"])]
    if not rows:
        return ""
    unit = str(data.get("unit") or "")
    every = [point for row in rows for point in row["points"]]
    reached = [end for point in every for end in (point["value"], point["generic"], *ends(point)) if end is not None]
    marks = steps(min([0.0, *reached]), max([0.01, *reached]), 3)
    deep = -(-len(rows) // _ACROSS)
    frame = Frame(
        (0, _ACROSS * (_WIDE + _GAP)), (deep * (_HIGH + _ABOVE + _BELOW), 0), deep * (_HIGH + _ABOVE + _BELOW),
        _ACROSS * (_WIDE + _GAP), left=_LEFT, top=30, right=8, bottom=6,
    )  # fmt: skip
    panels = [_Panel(row, place, marks) for place, row in enumerate(rows)]
    layers = _scale(frame, panels, marks, unit)
    layers += _marks(frame, panels)
    layers += _words(frame, panels, unit)
    said = "; ".join(f"{row['name']}: " + ", ".join(_said(point, unit) for point in row["points"]) for row in rows)
    return draw(frame, layers, f"What each change costs, by how strong it is. {said}.")


def _said(point: Data, unit: str) -> str:
    lost = figure(point["value"], *ends(point), unit)
    return f"{point['label']} {lost}, generic model {number(point['generic'], unit)}"


class _Panel:
    """Where one row's picture lies, in pixels."""

    def __init__(self, row: Data, place: int, marks: Sequence[float]) -> None:
        self.row = row
        self.first = place % _ACROSS == 0
        self.left = (place % _ACROSS) * (_WIDE + _GAP)
        self.top = (place // _ACROSS) * (_HIGH + _ABOVE + _BELOW) + _ABOVE
        self._low, self._high = marks[0], marks[-1]
        # No change at all costs nothing: every line starts there.
        self.points = [{"value": 0.0, "generic": 0.0, "label": ""}, *row["points"]]
        # One point alone is the strongest: milder ones were not worth measuring.
        shift = 4 - len(self.points)
        self.places = [0, *range(1 + shift, 4)]

    def x(self, place: int) -> float:
        return self.left + 8 + place * (_WIDE - 16) / 3

    def y(self, value: float) -> float:
        return self.top + (self._high - value) / (self._high - self._low) * _HIGH

    def track(self, key: str) -> list[dict[str, float]]:
        """The line through the panel's points as segments."""
        known = [
            (self.x(place), self.y(point[key]))
            for place, point in zip(self.places, self.points, strict=True)
            if finite(point[key]) is not None
        ]
        return [{"x": a, "y": b, "x2": c, "y2": d} for (a, b), (c, d) in pairwise(known)]

    def dots(self, key: str) -> list[dict[str, float]]:
        return [
            {"x": self.x(place), "y": self.y(point[key])}
            for place, point in zip(self.places[1:], self.points[1:], strict=True)
            if finite(point[key]) is not None
        ]

    def spans(self) -> list[dict[str, float]]:
        """The intervals, upright."""
        return [
            {"x": self.x(place), "y": self.y(low), "x2": self.x(place), "y2": self.y(high)}
            for place, (low, high) in zip(self.places[1:], map(ends, self.points[1:]), strict=True)
            if low is not None and high is not None
        ]


def _scale(frame: Frame, panels: Sequence[_Panel], marks: Sequence[float], unit: str) -> list[Layer]:
    """Grid lines of every panel, their labels on the left of each line of panels, and what they measure."""
    lines = [
        {"x": panel.left, "y": panel.y(at), "x2": panel.left + _WIDE, "y2": panel.y(at)}
        for panel in panels
        for at in marks
    ]
    zero = [line for line, at in zip(lines, list(marks) * len(panels), strict=True) if at == 0]
    labels = [
        {"x": panel.left, "y": panel.y(at), "text": text}
        for panel in panels
        if panel.first
        for at, text in labelled(marks, unit)
    ]
    title = [{"x": 0, "y": 0, "text": "Lost by the change"}]
    return [
        canvas.rules(frame, lines, RULE),
        canvas.rules(frame, zero, MUTED, 1),
        canvas.texts(frame, labels, MUTED, align="right", dx=-6, fontSize=11),
        canvas.texts(frame, title, MUTED, align="left", dx=-_LEFT + 2, dy=-14, fontSize=12),
    ]


def _marks(frame: Frame, panels: Sequence[_Panel]) -> list[Layer]:
    """The generic base dashed and hollow behind; the expert before it, in the colour of trouble where it is brittle."""
    layers: list[Layer] = []
    generic = [segment for panel in panels for segment in panel.track("generic")]
    if generic:
        layers.append(canvas.rules(frame, generic, MUTED, 1.5, strokeDash=[4, 3]))
        hollow = [dot for panel in panels for dot in panel.dots("generic")]
        layers.append(canvas.dots(frame, hollow, canvas.PAPER, 34, stroke=MUTED, strokeWidth=1.5))
    for color, brittle in ((ACCENT, False), (TROUBLE, True)):
        some = [panel for panel in panels if bool(panel.row["brittle"]) == brittle]
        if some:
            spans = [span for panel in some for span in panel.spans()]
            layers += [canvas.rules(frame, spans, color, 7, opacity=0.28, strokeCap="round")] if spans else []
            layers.append(
                canvas.rules(frame, [segment for panel in some for segment in panel.track("value")], color, 2)
            )
            layers.append(canvas.dots(frame, [dot for panel in some for dot in panel.dots("value")], color, 55))
    return layers


def _words(frame: Frame, panels: Sequence[_Panel], unit: str) -> list[Layer]:
    """Each panel's name, what the strongest change costs, and how strong each point is."""
    names = [{"x": panel.left, "y": panel.top - 24, "text": wrap(panel.row["name"], 22, 1)[0]} for panel in panels]
    told = [
        {"x": panel.left, "y": panel.top - 9, "text": _told(panel.row, unit), "proven": bool(panel.row["costs"])}
        for panel in panels
    ]
    under = [
        {"x": panel.x(place), "y": panel.top + _HIGH + 10, "text": str(point["label"])}
        for panel in panels
        for place, point in zip(panel.places[1:], panel.points[1:], strict=True)
    ]
    layers = [canvas.texts(frame, names, INK, align="left", fontSize=12.5, fontWeight=600)]
    for color, proven in ((INK, True), (MUTED, False)):
        some = [{key: row[key] for key in ("x", "y", "text")} for row in told if row["proven"] == proven]
        layers += [canvas.texts(frame, some, color, align="left", fontSize=11.5)] if some else []
    return [*layers, canvas.texts(frame, under, MUTED, fontSize=10.5)]


def _told(row: Data, unit: str) -> str:
    """What the strongest change costs, as a change of the score."""
    lost = finite(row["points"][-1]["value"])
    if lost is None:
        return ""
    return f"{'+' if lost < 0 else ''}{number(-lost, unit)}{'' if row['costs'] else ' (may be chance)'}"
