"""The pictures of a page, one function each: a section's data in, an inline SVG out ("" where there is nothing to draw)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from metier.pages import canvas
from metier.pages.canvas import ACCENT, INK, MUTED, ON_ACCENT, RULE, TROUBLE, Frame, Layer, draw
from metier.pages.placing import Box, count_marks, labelled, place, share_steps, steps, time_marks
from metier.pages.words import count, finite, interval, number, plural, seconds, wrap

Data = Mapping[str, Any]

CLASSES_SHOWN = 20
LABELS_SHOWN = 12
POINTS_SHOWN = 800
_QUICKEST = 0.05  # seconds; a logarithmic axis has no zero


def unit_of(data: Data, values: Sequence[float]) -> str:
    """The section's unit; without one, scores in 0..1 where more is better are shares, shown as percents."""
    if "unit" in data:
        return str(data["unit"] or "")
    return "%" if data.get("greater_is_better", True) and values and all(0 <= value <= 1 for value in values) else ""


def ladder(data: Data) -> str:
    """Score with its interval against training seconds (log axis), the chosen rung in colour.

    Rungs far from the best would flatten the rest: they stand as triangles at the edge, with their score in words.
    """
    rungs = [rung for rung in data["rungs"] if finite(rung["value"]) is not None]
    if not rungs:
        return ""
    greater = bool(data.get("greater_is_better", True))
    unit = unit_of(data, [rung["value"] for rung in rungs])
    near = _near_the_best(rungs, greater)
    ends = [end for rung in near for end in (rung["value"], *_ends(rung)) if end is not None]
    marks = (share_steps if unit == "%" else steps)(min(ends), max(ends))
    times = time_marks(*_span([max(finite(rung["seconds"]) or 0, _QUICKEST) for rung in rungs]))
    edge = marks[0] if greater else marks[-1]
    frame = Frame((times[0][0], times[-1][0]), (marks[0], marks[-1]), height=320, x_log=True)
    at = [
        {
            "x": max(finite(rung["seconds"]) or 0, _QUICKEST),
            "y": rung["value"] if rung in near else edge,
            "rung": rung,
            "far": rung not in near,
        }
        for rung in rungs
    ]
    title = str(data["metric"]) + ("" if greater else " (less is better)")
    layers = canvas.y_axis(frame, labelled(marks, unit), title)
    layers += canvas.x_axis(frame, times, "time it took (logarithmic)")
    layers += _climb(frame, at, data.get("chosen"), greater)
    layers += _rung_labels(frame, at, data.get("chosen"), unit)
    said = "; ".join(f"{_named(rung)} {_figure(rung, unit)} after {seconds(rung['seconds'])}" for rung in rungs)
    return draw(frame, layers, f"{title} of each step against the time it took. {said}. Chosen: {data.get('chosen')}.")


def _near_the_best(rungs: Sequence[Data], greater: bool) -> list[Data]:
    """The rungs worth an axis: a far one is left to the edge where the axis then shows the rest 2.5 times larger."""
    ranked = sorted(rungs, key=lambda rung: float(rung["value"]), reverse=greater)
    while len(ranked) > 2:
        all_wide = abs(ranked[0]["value"] - ranked[-1]["value"])
        rest_wide = max(abs(ranked[0]["value"] - ranked[-2]["value"]), 0.02 * abs(ranked[0]["value"]))
        if all_wide < 2.5 * rest_wide:
            break
        ranked.pop()
    return ranked


def _climb(frame: Frame, at: Sequence[Data], chosen: object, greater: bool) -> list[Layer]:
    """The path over the rungs, their intervals and points."""
    near = [spot for spot in at if not spot["far"]]
    layers = [canvas.line(frame, [{"x": spot["x"], "y": spot["y"]} for spot in near], RULE, 2)] if len(near) > 1 else []
    for spot in at:
        won = spot["rung"]["name"] == chosen
        color = ACCENT if won else MUTED
        here = [{"x": spot["x"], "y": spot["y"]}]
        low, high = _ends(spot["rung"])
        if low is not None and high is not None and not spot["far"]:
            layers.append(canvas.rules(frame, [{"x": spot["x"], "y": low, "x2": spot["x"], "y2": high}], color, 3 if won else 2))
        if spot["far"]:
            shape = "triangle-down" if greater else "triangle-up"
            layers.append(canvas.dots(frame, here, color, 90, shape=shape, dy=0))
        else:
            layers.append(canvas.dots(frame, here, color, 150 if won else 80))
    return layers


def _rung_labels(frame: Frame, at: Sequence[Data], chosen: object, unit: str) -> list[Layer]:
    """Each point's name and score beside it."""
    spots = [(frame.column(spot["x"]), frame.row(spot["y"])) for spot in at]
    labels = ["\n".join([*wrap(_named(spot["rung"]), 24), number(spot["rung"]["value"], unit)]) for spot in at]
    taken = [Box(x - 8, y - 8, x + 8, y + 8) for x, y in spots]
    for spot, (x, _) in zip(at, spots, strict=True):
        low, high = _ends(spot["rung"])
        if low is not None and high is not None and not spot["far"]:
            taken.append(Box(x - 4, frame.row(high), x + 4, frame.row(low)))
    order = sorted(range(len(at)), key=lambda place: at[place]["rung"]["name"] != chosen)
    boxes = place([spots[i] for i in order], [labels[i] for i in order], (frame.width, frame.height), taken)
    layers = []
    for i, box in zip(order, boxes, strict=True):
        (x, y), won = spots[i], at[i]["rung"]["name"] == chosen
        align = "left" if box.left > x else "right" if box.right < x else "center"
        anchor = {"left": box.left, "right": box.right, "center": (box.left + box.right) / 2}[align]
        here = [{"x": at[i]["x"], "y": at[i]["y"], "text": labels[i]}]
        style = {"fontWeight": 600} if won else {}
        layers.append(
            canvas.texts(frame, here, ACCENT if won else INK, align=align, halo=True, baseline="top", dx=anchor - x, dy=box.top - y, **style)
        )
    return layers


def confusion(data: Data) -> str:
    """Counts of true against predicted labels: right answers in blue, wrong ones in orange, each on its own scale."""
    names, matrix = _worst_confused(data["labels"], data["matrix"])
    n = len(names)
    if not n:
        return ""
    tilted = n > 4
    cell = min(64, 470 // n) if tilted else 110
    frame = Frame((0, n), (n, 0), cell * n if tilted else 46 * n, cell * n, left=180, top=130 if tilted else 62, right=70 if tilted else 12, bottom=34)
    right = max((matrix[i][i] for i in range(n)), default=0)
    wrong = max((matrix[i][j] for i in range(n) for j in range(n) if i != j), default=0)
    cells: dict[str, list[Data]] = {ACCENT: [], TROUBLE: []}
    counts: dict[str, list[Data]] = {INK: [], ON_ACCENT: [], RULE: []}
    for i, row in enumerate(matrix):
        for j, rows in enumerate(row):
            most = right if i == j else wrong
            strength = round(sqrt(rows / most), 2) if rows and most else 0
            cells[ACCENT if i == j else TROUBLE].append({"x": j, "y": i, "x2": j + 1, "y2": i + 1, "strength": max(strength, 0.05)})
            color = ON_ACCENT if strength > 0.6 else INK if rows else MUTED
            counts.setdefault(color, []).append({"x": j + 0.5, "y": i + 0.5, "text": count(rows) if rows else "·"})
    layers = [canvas.boxes(frame, rows, color, stroke=canvas.PAPER, strokeWidth=2) for color, rows in cells.items() if rows]
    layers += [canvas.texts(frame, rows, color) for color, rows in counts.items() if rows]
    truth = [{"x": 0, "y": i + 0.5, "text": "\n".join(wrap(name, 22))} for i, name in enumerate(names)]
    answers = [{"x": j + 0.5, "y": 0, "text": "\n".join(wrap(name, 18 if tilted else 14))} for j, name in enumerate(names)]
    for row in truth:
        row["y"] = float(row["y"]) - 0.5 * (str(row["text"]).count("\n")) * 16 / (frame.height / n)
    layers.append(canvas.texts(frame, truth, INK, align="right", dx=-10))
    layers.append(_column_labels(frame, answers, tilted))
    layers.append(canvas.texts(frame, [{"x": 0, "y": n, "text": "rows: the truth"}], MUTED, align="right", dx=-10, dy=20))
    layers.append(canvas.texts(frame, [{"x": 0, "y": n, "text": "columns: what the expert said"}], MUTED, align="left", dy=20))
    worst = sorted(((matrix[i][j], i, j) for i in range(n) for j in range(n) if i != j), key=lambda item: (-item[0], item))[:5]
    said = "; ".join(f"{plural(rows, 'row')} of {names[i]} taken for {names[j]}" for rows, i, j in worst if rows)
    return draw(frame, layers, f"Table of true against predicted labels for {plural(n, 'label')}. {said or 'No confusion among them'}.")


def _column_labels(frame: Frame, rows: list[dict[str, Any]], tilted: bool) -> Layer:
    if tilted:
        return canvas.texts(frame, rows, INK, align="left", angle=320, dx=2, dy=-8)
    return canvas.texts(frame, rows, INK, baseline="bottom", lineHeight=15, dy=-24)


def _worst_confused(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> tuple[list[str], list[list[int]]]:
    """The labels as given, or where there are more than fit, those with most confusions, in their order."""
    n = len(labels)
    errors = [sum(matrix[i][j] + matrix[j][i] for j in range(n) if j != i) for i in range(n)]
    kept = sorted(sorted(range(n), key=lambda i: (-errors[i], i))[:LABELS_SHOWN])
    return [str(labels[i]) for i in kept], [[int(matrix[i][j] or 0) for j in kept] for i in kept]


def classes(data: Data) -> str:
    """F1 of the worst labels with its interval, one row each, worst first."""
    rows = sorted((row for row in data["rows"] if finite(row["f1"]) is not None), key=lambda row: float(row["f1"]))[:CLASSES_SHOWN]
    if not rows:
        return ""
    n = len(rows)
    frame = Frame((0, 1), (n, 0), 30 * n, 430, left=210, top=34, right=80, bottom=48)
    marks = labelled([0, 0.25, 0.5, 0.75, 1], "%")
    names, sizes, spots, ranges = [], [], [], []
    for i, row in enumerate(rows):
        lines = wrap(row["label"], 27, 1)
        names.append({"x": 0, "y": i + 0.5, "text": "\n".join(lines)})
        sizes.append({"x": 1, "y": i + 0.5, "text": count(row["rows"])})
        spots.append({"x": row["f1"], "y": i + 0.5})
        low, high = _ends(row)
        if low is not None and high is not None:
            ranges.append({"x": low, "y": i + 0.5, "x2": high, "y2": i + 0.5})
    guides = [{"x": 0, "y": i + 0.5, "x2": 1, "y2": i + 0.5} for i in range(n)]
    layers = canvas.x_axis(frame, marks, "F1 score", grid=True)
    layers += [canvas.rules(frame, guides, RULE, strokeDash=[1, 3]), canvas.rules(frame, ranges, ACCENT, 6, opacity=0.3, strokeCap="round")]
    layers += [canvas.dots(frame, spots, ACCENT, 80), canvas.texts(frame, names, INK, align="right", dx=-14)]
    layers += [canvas.texts(frame, sizes, MUTED, align="right", dx=64)]
    layers += [canvas.texts(frame, [{"x": 1, "y": 0, "text": "rows"}], MUTED, align="right", dx=64, dy=-16)]
    said = "; ".join(f"{row['label']} {_figure({**row, 'value': row['f1']}, '%')}" for row in rows)
    return draw(frame, layers, f"F1 score of the {plural(n, 'weakest label')}. {said}.")


def reliability(data: Data) -> str:
    """How often answers are right against the confidence stated, with 95% Wilson intervals, over bars of row counts."""
    bins = [one for one in data["bins"] if one["rows"] and None not in (finite(one["confidence"]), finite(one["accuracy"]))]
    if not bins:
        return ""
    floor, most = -0.3, max(one["rows"] for one in bins)
    frame = Frame((0, 1), (floor, 1), height=400, width=480, top=40)
    marks = labelled([0, 0.2, 0.4, 0.6, 0.8, 1], "%")
    spots = [{"x": one["confidence"], "y": one["accuracy"]} for one in bins]
    ranges, bars, sizes = [], [], []
    for one in bins:
        low, high = wilson(one["accuracy"], one["rows"])
        ranges.append({"x": one["confidence"], "y": low, "x2": one["confidence"], "y2": high})
        top = floor + 0.2 * one["rows"] / most
        bars.append({"x": one["confidence"] - 0.018, "y": floor, "x2": one["confidence"] + 0.018, "y2": top})
        sizes.append({"x": one["confidence"], "y": top, "text": count(one["rows"])})
    thinned = sizes if _apart([row["x"] for row in sizes], 0.06) else [max(sizes, key=lambda row: float(row["y"]))]
    layers = canvas.y_axis(frame, marks, "answers that were right") + canvas.x_axis(frame, marks, "confidence the expert stated")
    layers += [
        canvas.rules(frame, [{"x": 0, "y": 0, "x2": 1, "y2": 1}], MUTED, 1.5, strokeDash=[5, 4]),
        canvas.texts(frame, [{"x": 0.3, "y": 0.3, "text": "stated = true"}], MUTED, align="right", dx=-10, dy=-10, halo=True),
        canvas.boxes(frame, bars, MUTED, opacity=0.45),
        canvas.texts(frame, thinned, MUTED, dy=-9, fontSize=11, halo=True),
        canvas.texts(frame, [{"x": 0, "y": floor, "text": "rows"}], MUTED, align="right", dx=-10, dy=-10),
        canvas.rules(frame, [{"x": 0, "y": floor, "x2": 1, "y2": floor}]),
        canvas.rules(frame, ranges, ACCENT, 2),
    ]
    layers += [canvas.line(frame, spots, ACCENT, 1.5, opacity=0.5)] if len(spots) > 1 else []
    layers.append(canvas.dots(frame, spots, ACCENT, 90))
    said = "; ".join(f"stated {number(one['confidence'], '%')}, right {number(one['accuracy'], '%')} of {plural(one['rows'], 'row')}" for one in bins)
    return draw(frame, layers, f"Stated confidence against answers that were right. {said}.")


def wilson(share: float, rows: int, z: float = 1.96) -> tuple[float, float]:
    """The score interval of a share among `rows` (Wilson 1927), by default of 95%."""
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max(0.0, centre - half), min(1.0, centre + half)


def chosen_point(data: Data) -> Data | None:
    """The point of `answering` at the threshold in use, or None without one."""
    threshold, points = finite(data.get("threshold")), [point for point in data["points"] if finite(point["precision"]) is not None]
    if threshold is None or not points:
        return None
    known = [point for point in points if finite(point.get("threshold")) is not None]
    return min(known, key=lambda point: abs(point["threshold"] - threshold)) if known else None


def answering(data: Data) -> str:
    """How right the answers are when only the surest are given (risk-coverage), with the threshold in use."""
    points = sorted((point for point in data["points"] if finite(point["precision"]) is not None), key=lambda point: float(point["answered"]))
    if not points:
        return ""
    marks = share_steps(min(point["precision"] for point in points), 1.0)
    frame = Frame((0, 1), (marks[0], marks[-1]), height=280)
    layers = canvas.y_axis(frame, labelled(marks, "%"), "answers that were right")
    layers += canvas.x_axis(frame, labelled([0, 0.2, 0.4, 0.6, 0.8, 1], "%"), "share of rows answered")
    track = [{"x": point["answered"], "y": point["precision"]} for point in points]
    layers.append(canvas.line(frame, track, ACCENT, 2.5) if len(track) > 1 else canvas.dots(frame, track))
    picked = [(point, words) for point, words in ((points[-1], "answering everything"), (chosen_point(data), "as set")) if point]
    if len(picked) == 2 and picked[0][0] == picked[1][0]:
        picked = [(points[-1], "as set: answering everything")]
    spots = [(frame.column(point["answered"]), frame.row(point["precision"])) for point, _ in picked]
    labels = [f"{words}\nanswers {number(p['answered'], '%')}, {number(p['precision'], '%')} right" for p, words in picked]
    taken = [Box(x - 4, y - 4, x + 4, y + 4) for x, y in ((frame.column(row["x"]), frame.row(row["y"])) for row in track)]
    for (point, words), (x, y), label, box in zip(picked, spots, labels, place(spots, labels, (frame.width, frame.height), taken), strict=True):
        here = {"x": point["answered"], "y": point["precision"]}
        color, style = (ACCENT, {"fontWeight": 600}) if words.startswith("as set") else (INK, {})
        layers.append(canvas.dots(frame, [here], color, 120))
        layers.append(canvas.texts(frame, [{**here, "text": label}], color, align="left", halo=True, baseline="top", dx=box.left - x, dy=box.top - y, **style))
    said = "; ".join(label.replace("\n", ": ") for label in labels)
    return draw(frame, layers, f"Answers that were right against the share of rows answered. {said}.")


def learning_curve(data: Data) -> str:
    """Score against the number of training rows, with its interval as a band."""
    points = sorted((point for point in data["points"] if finite(point["value"]) is not None), key=lambda point: float(point["rows"]))
    if not points:
        return ""
    unit = unit_of(data, [point["value"] for point in points])
    ends = [end for point in points for end in (point["value"], *_ends(point)) if end is not None]
    marks = (share_steps if unit == "%" else steps)(min(ends), max(ends))
    sizes = [max(float(point["rows"]), 1.0) for point in points]
    rows = count_marks(min(sizes), max(sizes) * (1 if len(sizes) > 1 else 2))
    frame = Frame((rows[0][0], rows[-1][0]), (marks[0], marks[-1]), height=280, x_log=True)
    track = [{"x": size, "y": point["value"]} for size, point in zip(sizes, points, strict=True)]
    ranges = [
        {"x": size, "y": low, "y2": high}
        for size, (low, high) in zip(sizes, map(_ends, points), strict=True)
        if low is not None and high is not None
    ]
    layers = canvas.y_axis(frame, labelled(marks, unit), str(data["metric"]))
    layers += canvas.x_axis(frame, rows, "training rows (logarithmic)")
    if len(ranges) > 1:
        layers.append(canvas.band(frame, ranges))
    elif ranges:
        layers.append(canvas.rules(frame, [{**ranges[0], "x2": ranges[0]["x"]}], ACCENT, 2))
    layers += [canvas.line(frame, track, ACCENT, 2)] if len(track) > 1 else []
    layers.append(canvas.dots(frame, track, ACCENT, 80))
    named = [{**row, "text": number(row["y"], unit)} for row in (track[:1] + track[-1:] if len(track) > 1 else track)]
    layers.append(canvas.texts(frame, named, INK, dy=-18, halo=True))
    said = "; ".join(f"{plural(point['rows'], 'row')}: {_figure(point, unit)}" for point in points)
    return draw(frame, layers, f"{data['metric']} against the number of training rows. {said}.")


def scatter(data: Data) -> str:
    """Prediction against truth; of more than 800 points every n-th is drawn."""
    points = [(x, y) for x, y in data["points"] if finite(x) is not None and finite(y) is not None]
    if not points:
        return ""
    stride = -(-len(points) // POINTS_SHOWN)
    unit = str(data.get("unit") or "")
    values = [value for point in points for value in point]
    marks = steps(min(values), max(values))
    frame = Frame((marks[0], marks[-1]), (marks[0], marks[-1]), height=440, width=440, left=80)
    said = f" in {unit}" if unit else ""
    layers = canvas.y_axis(frame, labelled(marks, ""), f"predicted{said}") + canvas.x_axis(frame, labelled(marks, ""), f"true{said}", grid=True)
    layers.append(canvas.rules(frame, [{"x": marks[0], "y": marks[0], "x2": marks[-1], "y2": marks[-1]}], MUTED, 1.5, strokeDash=[5, 4]))
    layers.append(canvas.dots(frame, [{"x": x, "y": y} for x, y in points[::stride]], ACCENT, 22, opacity=0.45, strokeWidth=0))
    return draw(frame, layers, f"Predicted against true values of {plural(len(points), 'row')}; on the dashed line both are equal.")


def histogram(data: Data) -> str:
    """Bars of row counts over ranges of a number, with named marks (a limit, a median) as lines."""
    bins = [one for one in data["bins"] if one["rows"] is not None]
    if not bins:
        return ""
    unit = str(data.get("unit") or "")
    marks = steps(0, max(max(one["rows"] for one in bins), 1), 4)
    lines = [mark for mark in data.get("marks") or () if finite(mark["at"]) is not None]
    ends = steps(min(one["low"] for one in bins), max([one["high"] for one in bins] + [mark["at"] for mark in lines]), 6)
    frame = Frame((ends[0], ends[-1]), (0, marks[-1]), height=220, top=54)
    gap = 1.0 / frame.width * (ends[-1] - ends[0])
    bars = [{"x": one["low"] + gap / 2, "y": 0, "x2": one["high"] - gap / 2, "y2": one["rows"]} for one in bins if one["rows"]]
    layers = canvas.y_axis(frame, labelled(marks, ""), "rows") + canvas.x_axis(frame, labelled(ends, ""), unit)
    layers.append(canvas.boxes(frame, bars, ACCENT, opacity=0.75))
    for mark in lines:
        layers.append(canvas.rules(frame, [{"x": mark["at"], "y": 0, "x2": mark["at"], "y2": marks[-1]}], TROUBLE, 2))
        side = "right" if frame.column(mark["at"]) > frame.width / 2 else "left"
        layers.append(canvas.texts(frame, [{"x": mark["at"], "y": marks[-1], "text": str(mark["label"])}], INK, align=side, dy=-8, halo=True))
    said = "; ".join(f"{count(one['low'])} to {count(one['high'])}: {plural(one['rows'], 'row')}" for one in bins)
    return draw(frame, layers, f"Rows by {unit or 'value'}. {said}.")


def bins(values: Sequence[float], wished: int = 24) -> list[dict[str, float]]:
    """Numbers counted into ranges with round ends, as `histogram` takes them; null and NaN are left out."""
    known = [value for value in map(finite, values) if value is not None]
    if not known:
        return []
    edges = steps(min(known), max(known), wished)
    counts = [0] * (len(edges) - 1)
    for value in known:
        place = min(int((value - edges[0]) / (edges[1] - edges[0]) + 1e-9), len(counts) - 1)
        counts[place] += 1
    return [{"low": low, "high": high, "rows": rows} for low, high, rows in zip(edges, edges[1:], counts, strict=False)]


def _ends(row: Data) -> tuple[float | None, float | None]:
    return finite(row.get("low")), finite(row.get("high"))


def _named(rung: Data) -> str:
    return str(rung.get("title") or rung["name"])


def _figure(row: Data, unit: str) -> str:
    """`94.2% (93.4 to 95.1%)`."""
    between = interval(row.get("low"), row.get("high"), unit)
    return number(row["value"], unit) + (f" ({between})" if between else "")


def _span(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _apart(values: Sequence[float], distance: float) -> bool:
    ordered = sorted(values)
    return all(b - a >= distance for a, b in zip(ordered, ordered[1:], strict=False))
