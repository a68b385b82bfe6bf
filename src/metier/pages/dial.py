"""The picture of the dial: the trade's score against general ability, a point for every scale of the tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metier.pages import canvas
from metier.pages.canvas import ACCENT, INK, MUTED, Frame, draw
from metier.pages.placing import along, gutter, labelled, place, share_steps, steps
from metier.pages.scores import titled, unit_of
from metier.pages.words import ends, figure, finite, number

Data = Mapping[str, Any]


def dial(data: Data) -> str:
    """`data`: `{"metric", "title", "greater_is_better", "chosen", "points": [{"scale", "value", "low", "high",
    "general", "general_low", "general_high"}]}`; the chosen scale is in the accent colour and named."""
    points = [p for p in data["points"] if finite(p["value"]) is not None and finite(p["general"]) is not None]
    if not points:
        return ""
    unit = unit_of(data, [point["value"] for point in points])
    reached = [end for point in points for end in (point["value"], *ends(point)) if end is not None]
    marks = share_steps(min(reached), max(reached)) if unit == "%" else steps(min(reached), max(reached))
    across = [end for point in points for end in (point["general"], *_general_ends(point)) if end is not None]
    known = share_steps(max(0.0, min(across)), max(across))
    left = gutter(labelled(marks, unit))
    frame = Frame((known[0], known[-1]), (marks[0], marks[-1]), height=340, width=696 - left, left=left)
    layers = canvas.y_axis(frame, labelled(marks, unit), titled(data))
    layers += canvas.x_axis(frame, labelled(known, "%"), "General ability (0% is chance)", grid=True)
    track = [{"x": point["general"], "y": point["value"]} for point in points]
    for point in points:
        layers += _cross(frame, point)
    layers.append(canvas.line(frame, track, ACCENT, 2))
    layers.append(canvas.dots(frame, track, ACCENT, 70))
    named = [point for point in points if point["scale"] in (0, 0.25, 0.5, 0.75, 1) or _chosen(data, point)]
    labels = [_name(point) for point in named]
    spots = [(frame.column(point["general"]), frame.row(point["value"])) for point in named]
    taken = along([(frame.column(at["x"]), frame.row(at["y"])) for at in track])
    for point, label, spot, box in zip(
        named, labels, spots, place(spots, labels, (frame.width, frame.height), taken), strict=True
    ):
        chosen = _chosen(data, point)
        at = {"x": point["general"], "y": point["value"]}
        if chosen:
            layers.append(canvas.dots(frame, [at], ACCENT, 190))
        style = {"dx": box.left - spot[0], "dy": box.top - spot[1], "fontWeight": 600 if chosen else 400}
        color = ACCENT if chosen else INK
        layers.append(
            canvas.texts(frame, [{**at, "text": label}], color, align="left", halo=True, baseline="top", **style)
        )
    said = "; ".join(
        f"scale {point['scale']:g}{' (chosen)' if _chosen(data, point) else ''}: "
        f"{figure(point['value'], *ends(point), unit)} at general ability {number(point['general'], '%')}"
        for point in points
    )
    return draw(frame, layers, f"{titled(data)} against general ability, from the base to the expert. {said}.")


def _name(point: Data) -> str:
    words = {0: "none of the tuning (0)", 1: "all of it (1)"}
    return words.get(point["scale"], f"{point['scale']:g}")


def _chosen(data: Data, point: Data) -> bool:
    return data.get("chosen") is not None and point["scale"] == data["chosen"]


def _general_ends(point: Data) -> tuple[float | None, float | None]:
    return finite(point.get("general_low")), finite(point.get("general_high"))


def _cross(frame: Frame, point: Data) -> list[canvas.Layer]:
    """Both ranges of a point, pale."""
    x, y, out = point["general"], point["value"], []
    (low, high), (left, right) = ends(point), _general_ends(point)
    if low is not None and high is not None:
        out.append({"x": x, "y": low, "x2": x, "y2": high})
    if left is not None and right is not None:
        out.append({"x": left, "y": y, "x2": right, "y2": y})
    return [canvas.rules(frame, [rule], MUTED, 1.5, opacity=0.35) for rule in out]
