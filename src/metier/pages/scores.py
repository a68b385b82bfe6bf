"""Pictures of how well: the ladder's steps, scores by training rows, right answers when unsure ones are passed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metier.pages import canvas
from metier.pages.canvas import ACCENT, INK, MUTED, RULE, Frame, Layer, draw
from metier.pages.placing import Box, along, count_marks, gutter, labelled, place, share_steps, steps, time_marks
from metier.pages.words import ends, figure, finite, number, plural, seconds, wrap

Data = Mapping[str, Any]

_QUICKEST = 0.05  # seconds; a logarithmic axis has no zero
_ACRONYMS = {"auroc", "ece", "f1", "mae", "mcc", "r2", "rmse"}
_SHARES = (0, 0.2, 0.4, 0.6, 0.8, 1)


@dataclass(frozen=True)
class _Spot:
    """A measured rung on the picture; `far` ones stand at the edge of the axis."""

    rung: Data
    x: float
    y: float
    far: bool
    chosen: bool

    @property
    def name(self) -> str:
        return str(self.rung.get("title") or self.rung["name"])

    @property
    def range(self) -> tuple[float, float] | None:
        low, high = ends(self.rung)
        return None if low is None or high is None or self.far else (low, high)


def ladder(data: Data) -> str:
    """Score with its interval against training seconds (log axis), the chosen rung in colour.

    Rungs far from the best would flatten the rest: they stand as triangles beyond it, with their score in words.
    """
    rungs = [rung for rung in data["rungs"] if finite(rung["value"]) is not None]
    if not rungs:
        return ""
    greater, unit = bool(data.get("greater_is_better", True)), unit_of(data, [rung["value"] for rung in rungs])
    near = _near_the_best(rungs, greater)
    marks = _score_marks(near, unit)
    spent = [max(finite(rung["seconds"]) or 0.0, _QUICKEST) for rung in rungs]
    times = time_marks(min(spent), max(spent))
    # Far rungs stand in a strip of their own beyond the axis.
    strip = (0.25 if len(near) < len(rungs) else 0.0) * (marks[-1] - marks[0])
    heights = (marks[0] - strip, marks[-1]) if greater else (marks[0], marks[-1] + strip)
    beyond = marks[0] - 0.75 * strip if greater else marks[-1] + 0.75 * strip
    left = gutter(labelled(marks, unit))
    height = 360 if strip else 300
    frame = Frame((times[0][0], times[-1][0]), heights, height, width=696 - left, left=left, x_log=True)
    spots = [
        _Spot(rung, x, rung["value"] if rung in near else beyond, rung not in near, rung["name"] == data.get("chosen"))
        for rung, x in zip(rungs, spent, strict=True)
    ]
    title = titled(data) + ("" if greater else ", less is better")
    layers = [
        *canvas.y_axis(frame, labelled(marks, unit), title),
        *canvas.x_axis(frame, times, "Time it took (logarithmic)"),
        *_climb(frame, spots, greater),
        *_rung_labels(frame, spots, unit),
    ]
    said = "; ".join(
        f"{spot.name}{' (chosen)' if spot.chosen else ''} {figure(spot.rung['value'], *ends(spot.rung), unit)} "
        f"after {seconds(spot.rung['seconds'])}"
        for spot in spots
    )
    return draw(frame, layers, f"{title}, of each step against the time it took. {said}.")


def _near_the_best(rungs: Sequence[Data], greater: bool) -> list[Data]:
    """The rungs worth an axis: a far one is left to the edge where that shows the others 2.5 times larger."""
    ranked = sorted(rungs, key=lambda rung: float(rung["value"]), reverse=greater)
    best = float(ranked[0]["value"])
    while len(ranked) > 3:
        rest = max(abs(best - ranked[-2]["value"]), 0.02 * abs(best))
        if abs(best - ranked[-1]["value"]) < 2.5 * rest:
            break
        ranked.pop()
    return ranked


def beyond(data: Data) -> bool:
    """Whether the ladder's picture sets rungs beyond its axis."""
    rungs = [rung for rung in data["rungs"] if finite(rung["value"]) is not None]
    return bool(rungs) and len(_near_the_best(rungs, bool(data.get("greater_is_better", True)))) < len(rungs)


def _climb(frame: Frame, spots: Sequence[_Spot], greater: bool) -> list[Layer]:
    """The path over the rungs, then their intervals and points, the chosen one on top."""
    near = [{"x": spot.x, "y": spot.y} for spot in spots if not spot.far]
    layers = [canvas.line(frame, near, RULE, 2)] if len(near) > 1 else []
    for spot in sorted(spots, key=lambda spot: spot.chosen):
        color, here = ACCENT if spot.chosen else MUTED, {"x": spot.x, "y": spot.y}
        if spot.range:
            upright = {"x": spot.x, "y": spot.range[0], "x2": spot.x, "y2": spot.range[1]}
            layers.append(canvas.rules(frame, [upright], color, 3 if spot.chosen else 2))
        shape = "circle" if not spot.far else "triangle-down" if greater else "triangle-up"
        layers.append(canvas.dots(frame, [here], color, 150 if spot.chosen else 85, shape=shape))
    return layers


def _rung_labels(frame: Frame, spots: Sequence[_Spot], unit: str) -> list[Layer]:
    """Each point's name and score beside it, the chosen one placed first."""
    spots = sorted(spots, key=lambda spot: not spot.chosen)
    points = [(frame.column(spot.x), frame.row(spot.y)) for spot in spots]
    labels = ["\n".join([*wrap(spot.name, 24), number(spot.rung["value"], unit)]) for spot in spots]
    taken = [Box(x - 8, y - 8, x + 8, y + 8) for x, y in points]
    for spot, (x, _) in zip(spots, points, strict=True):
        if spot.range:
            taken.append(Box(x - 4, frame.row(spot.range[1]), x + 4, frame.row(spot.range[0])))
    boxes = place(points, labels, (frame.width, frame.height), taken)
    return [
        _label_at(frame, spot.x, spot.y, label, box, strong=spot.chosen)
        for spot, label, box in zip(spots, labels, boxes, strict=True)
    ]


def _label_at(frame: Frame, x: float, y: float, text: str, box: Box, *, strong: bool) -> Layer:
    """A label in its box, set against the side that faces its point."""
    column, row = frame.column(x), frame.row(y)
    align, anchor = ("center", (box.left + box.right) / 2)
    if box.left > column:
        align, anchor = "left", box.left
    elif box.right < column:
        align, anchor = "right", box.right
    style = {"dx": anchor - column, "dy": box.top - row, "fontWeight": 600 if strong else 400}
    here = [{"x": x, "y": y, "text": text}]
    return canvas.texts(frame, here, ACCENT if strong else INK, align=align, halo=True, baseline="top", **style)


def learning_curve(data: Data) -> str:
    """Score against the number of training rows, with its interval as a band."""
    points = sorted((point for point in data["points"] if finite(point["value"]) is not None), key=_rows)
    if not points:
        return ""
    unit = unit_of(data, [point["value"] for point in points])
    marks = _score_marks(points, unit)
    sizes = [max(_rows(point), 1.0) for point in points]
    rows = count_marks(min(sizes), max(sizes))
    left = gutter(labelled(marks, unit))
    frame = Frame((rows[0][0], rows[-1][0]), (marks[0], marks[-1]), width=696 - left, left=left, x_log=True)
    track = [{"x": size, "y": point["value"]} for size, point in zip(sizes, points, strict=True)]
    ranges = [
        {"x": size, "y": low, "y2": high}
        for size, (low, high) in zip(sizes, map(ends, points), strict=True)
        if low is not None and high is not None
    ]
    layers = canvas.y_axis(frame, labelled(marks, unit), titled(data))
    layers += canvas.x_axis(frame, rows, "Training rows (logarithmic)")
    if len(track) > 1:
        layers += [canvas.band(frame, ranges)] if len(ranges) > 1 else []
        layers.append(canvas.line(frame, track, ACCENT, 2))
    elif ranges:
        layers.append(canvas.rules(frame, [{**ranges[0], "x2": ranges[0]["x"]}], ACCENT, 2))
    layers.append(canvas.dots(frame, track, ACCENT, 80))
    outer = track[:1] + track[1:][-1:]
    layers.append(canvas.texts(frame, [{**row, "text": number(row["y"], unit)} for row in outer], dy=-18, halo=True))
    said = "; ".join(f"{plural(_rows(point), 'row')}: {figure(point['value'], *ends(point), unit)}" for point in points)
    return draw(frame, layers, f"{titled(data)} against the number of training rows. {said}.")


def answering(data: Data) -> str:
    """How right the answers are when only the surest are given (risk-coverage), with the threshold in use."""
    points = sorted(
        (point for point in data["points"] if finite(point["precision"]) is not None),
        key=lambda point: float(point["answered"]),
    )
    if not points:
        return ""
    marks = share_steps(min(point["precision"] for point in points), 1.0)
    frame = Frame((0, 1), (marks[0], marks[-1]), height=280)
    track = [{"x": point["answered"], "y": point["precision"]} for point in points]
    everything, chosen = points[-1], chosen_point(data)
    marked = [(everything, "answering everything")] if everything is not chosen else []
    marked += [(chosen, "as set")] if chosen else []
    labels = [
        f"{words}\nanswers {number(point['answered'], '%')}, {number(point['precision'], '%')} right"
        for point, words in marked
    ]
    layers = canvas.y_axis(frame, labelled(marks, "%"), "Answers that were right")
    layers += canvas.x_axis(frame, labelled(_SHARES, "%"), "Share of rows answered")
    layers += [canvas.line(frame, track, ACCENT, 2.5)] if len(track) > 1 else []
    layers += _marked(frame, [point for point, _ in marked], labels, track, chosen)
    said = "; ".join(label.replace("\n", ": ") for label in labels)
    return draw(frame, layers, f"Answers that were right against the share of rows answered. {said}.")


def _marked(frame: Frame, points: Sequence[Data], labels: list[str], track: canvas.Rows, chosen: object) -> list[Layer]:
    """The points worth words, with theirs, clear of the line."""
    taken = along([(frame.column(at["x"]), frame.row(at["y"])) for at in track])
    spots = [(frame.column(point["answered"]), frame.row(point["precision"])) for point in points]
    layers = []
    for point, label, box in zip(points, labels, place(spots, labels, (frame.width, frame.height), taken), strict=True):
        x, y, strong = point["answered"], point["precision"], point is chosen
        layers.append(canvas.dots(frame, [{"x": x, "y": y}], ACCENT if strong else MUTED, 120))
        layers.append(_label_at(frame, x, y, label, box, strong=strong))
    return layers


def chosen_point(data: Data) -> Data | None:
    """The last point answered at the threshold in use; None without a threshold, or where it lets nothing through."""
    threshold = finite(data.get("threshold"))
    if threshold is None:
        return None
    through = [
        point
        for point in data["points"]
        if finite(point["precision"]) is not None and (finite(point["threshold"]) or 0.0) >= threshold - 1e-9
    ]
    return max(through, key=lambda point: float(point["answered"])) if through else None


def unit_of(data: Data, values: Sequence[float]) -> str:
    """The section's unit; without one, scores in 0..1 where more is better are shares, shown as percents."""
    if "unit" in data:
        return str(data["unit"] or "")
    return "%" if data.get("greater_is_better", True) and values and all(0 <= value <= 1 for value in values) else ""


def titled(data: Data) -> str:
    """What is measured, in the section's own words (`title`) with the metric's name after them, or the name alone."""
    words = str(data["metric"]).split("_")
    name = " ".join(word.upper() if word in _ACRONYMS else word for word in words)
    title = data.get("title")
    return f"{title} ({name})" if title else name[:1].upper() + name[1:]


def _score_marks(rows: Sequence[Data], unit: str) -> list[float]:
    """Axis marks that hold every value and interval."""
    reached = [end for row in rows for end in (row["value"], *ends(row)) if end is not None]
    return share_steps(min(reached), max(reached)) if unit == "%" else steps(min(reached), max(reached))


def _rows(point: Data) -> float:
    return float(point["rows"])
