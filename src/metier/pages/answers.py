"""Pictures of single answers: what is mixed up, which labels are weak, whether confidence and predictions hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import sqrt
from typing import Any

from metier.evaluate.intervals import wilson
from metier.pages import canvas
from metier.pages.canvas import ACCENT, INK, MUTED, ON_ACCENT, PAPER, RULE, TROUBLE, Frame, Layer, draw
from metier.pages.placing import gutter, labelled, share_steps, steps
from metier.pages.words import count, ends, figure, finite, number, plural, wrap

Data = Mapping[str, Any]
Matrix = Sequence[Sequence[int]]

CLASSES_SHOWN = 20
LABELS_SHOWN = 12
POINTS_SHOWN = 800
# Opacities of a cell. The gap leaves out those on which neither dark nor light text would have a contrast of 4.5.
_RIGHT_STEPS = (0.06, 0.2, 0.35, 0.5, 0.88, 1.0)
_WRONG_STEPS = (0.06, 0.18, 0.28, 0.38, 0.47, 0.56)
_FIFTHS = (0, 0.2, 0.4, 0.6, 0.8, 1)
_BARS_TO, _BARS_FROM = -0.1, -0.32  # where the count bars stand under the reliability diagram, in units of its axis


def confusion(data: Data) -> str:
    """Counts of true against predicted labels: right answers in blue, wrong ones in orange, each on its own scale."""
    names, matrix = _worst_confused(data["labels"], data["matrix"])
    n = len(names)
    if not n:
        return ""
    tilted = n > 4  # many columns leave no room for level labels
    cell = min(60, 470 // n) if tilted else 112
    height = cell * n if tilted else 48 * n
    frame = Frame(
        (0, n),
        (n, 0),
        height,
        cell * n,
        left=178,
        top=118 if tilted else 58,
        right=72 if tilted else max(8, 150 - cell * n),
        bottom=30,
    )
    layers = [*_cells(frame, matrix), *_confusion_labels(frame, names, tilted)]
    mistakes = [(matrix[i][j], i, j) for i in range(n) for j in range(n) if i != j and matrix[i][j]]
    worst = sorted(mistakes, key=lambda mistake: (-mistake[0], mistake[1:]))[:5]
    said = "; ".join(f"{plural(rows, 'row')} of {names[i]} taken for {names[j]}" for rows, i, j in worst)
    about = f"True against predicted labels, {plural(n, 'label')}."
    return draw(frame, layers, f"{about} {said or 'None was taken for another'}.")


def _worst_confused(labels: Sequence[str], matrix: Matrix) -> tuple[list[str], list[list[int]]]:
    """The labels as given, or where there are more than fit, those with most confusions, in their order."""
    n = len(labels)
    errors = [sum(matrix[i][j] + matrix[j][i] for j in range(n) if j != i) for i in range(n)]
    kept = sorted(sorted(range(n), key=lambda i: (-errors[i], i))[:LABELS_SHOWN])
    return [str(labels[i]) for i in kept], [[int(matrix[i][j]) for j in kept] for i in kept]


def _cells(frame: Frame, matrix: Matrix) -> list[Layer]:
    """Coloured cells with their counts; the square root keeps small counts visible."""
    n = len(matrix)
    right = max(matrix[i][i] for i in range(n))
    wrong = max((matrix[i][j] for i in range(n) for j in range(n) if i != j), default=0)
    boxes: dict[str, list[Data]] = {ACCENT: [], TROUBLE: []}
    texts: dict[str, list[Data]] = {INK: [], ON_ACCENT: [], MUTED: []}
    for i, row in enumerate(matrix):
        for j, rows in enumerate(row):
            steps_up = _RIGHT_STEPS if i == j else _WRONG_STEPS
            place = round(sqrt(rows / (right if i == j else wrong)) * (len(steps_up) - 1)) if rows else 0
            box = {"x": j, "y": i, "x2": j + 1, "y2": i + 1, "strength": steps_up[max(place, 1) if rows else 0]}
            boxes[ACCENT if i == j else TROUBLE].append(box)
            color = MUTED if not rows else ON_ACCENT if box["strength"] > 0.6 else INK
            texts[color].append({"x": j + 0.5, "y": i + 0.5, "text": count(rows) if rows else "·"})
    layers = [canvas.boxes(frame, rows, color, stroke=PAPER, strokeWidth=2) for color, rows in boxes.items() if rows]
    return layers + [canvas.texts(frame, rows, color) for color, rows in texts.items() if rows]


def _confusion_labels(frame: Frame, names: Sequence[str], tilted: bool) -> list[Layer]:
    n = len(names)
    line = 16 * n / frame.height  # one line of text in rows of the matrix
    rows, above = [], []
    for i, name in enumerate(names):
        lines = wrap(name, 23)
        rows.append({"x": 0, "y": i + 0.5 - line * (len(lines) - 1) / 2, "text": "\n".join(lines)})
        lines = wrap(name, 20, 1) if tilted else wrap(name, 14)
        above.append({"x": i + 0.5, "y": 0 if tilted else -line * (len(lines) - 1), "text": "\n".join(lines)})
    slant: dict[str, Any] = {"align": "left", "angle": 320, "dx": 0, "dy": -12} if tilted else {"dy": -14}
    return [
        canvas.texts(frame, rows, align="right", dx=-10),
        canvas.texts(frame, above, **slant),
        canvas.texts(frame, [{"x": 0, "y": n, "text": "True label"}], MUTED, align="right", dx=-10, dy=18),
        canvas.texts(frame, [{"x": 0, "y": n, "text": "What the expert said"}], MUTED, align="left", dx=2, dy=18),
    ]


def classes(data: Data) -> str:
    """F1 of the worst labels with its interval, one row each, worst first."""
    known = [row for row in data["rows"] if finite(row["f1"]) is not None]
    rows = sorted(known, key=lambda row: float(row["f1"]))[:CLASSES_SHOWN]
    if not rows:
        return ""
    n = len(rows)
    marks = share_steps(min(end for row in rows for end in (row["f1"], *ends(row)) if end is not None), 1.0)
    frame = Frame((marks[0], 1), (n, 0), 30 * n, 430, left=214, top=30, right=76, bottom=48)
    spots = [{"x": row["f1"], "y": i + 0.5} for i, row in enumerate(rows)]
    names = [_row_name(frame, i, row["label"]) for i, row in enumerate(rows)]
    sizes = [{"x": 1, "y": i + 0.5, "text": count(row["rows"])} for i, row in enumerate(rows)]
    ranges = [
        {"x": low, "y": i + 0.5, "x2": high, "y2": i + 0.5}
        for i, (low, high) in enumerate(map(ends, rows))
        if low is not None and high is not None
    ]
    guides = [
        {"x": marks[0], "y": i + 0.5, "x2": ends(row)[0] or row["f1"], "y2": i + 0.5} for i, row in enumerate(rows)
    ]
    layers = [
        *canvas.x_axis(frame, labelled(marks, "%"), "F1 score", grid=True),
        canvas.rules(frame, guides, RULE, strokeDash=[1, 3]),
        canvas.rules(frame, ranges, ACCENT, 7, opacity=0.28, strokeCap="round"),
        canvas.dots(frame, spots),
        canvas.texts(frame, names, align="right", dx=-14, fontSize=12, lineHeight=13),
        canvas.texts(frame, sizes, MUTED, align="right", dx=60),
        canvas.texts(frame, [{"x": 1, "y": 0, "text": "Rows"}], MUTED, align="right", dx=60, dy=-14),
    ]
    said = "; ".join(f"{row['label']} {figure(row['f1'], *ends(row), '%')}" for row in rows)
    return draw(frame, layers, f"F1 score, {plural(n, 'label')}, the weakest first. {said}.")


def _row_name(frame: Frame, row: int, label: object) -> Data:
    """A label in at most two lines, centred on its row."""
    lines = wrap(label, 28)
    shift = 13 * (len(lines) - 1) / 2 / (frame.height / frame.y[0])
    return {"x": frame.x[0], "y": row + 0.5 - shift, "text": "\n".join(lines)}


def reliability(data: Data) -> str:
    """How often answers are right against the confidence stated, with 95% intervals, over bars of row counts."""
    known = [one for one in data["bins"] if one["rows"] and finite(one["confidence"]) is not None]
    known = [one for one in known if finite(one["accuracy"]) is not None]
    if not known:
        return ""
    frame = Frame((0, 1), (_BARS_FROM, 1), height=420, width=480, top=40)
    spots = [{"x": one["confidence"], "y": one["accuracy"]} for one in known]
    ranges = []
    for one in known:
        low, high = wilson(one["accuracy"] * one["rows"], one["rows"])
        ranges.append({"x": one["confidence"], "y": low, "x2": one["confidence"], "y2": high})
    fifths = labelled(_FIFTHS, "%")
    layers = [
        *canvas.y_axis(frame, fifths, "Answers that were right"),
        *canvas.x_axis(frame, fifths, "Confidence the expert stated"),
        canvas.rules(frame, [{"x": 0, "y": 0, "x2": 1, "y2": 1}], MUTED, 1.5, strokeDash=[5, 4]),
        canvas.texts(frame, [{"x": 0.02, "y": 0.95, "text": "too modest"}], MUTED, align="left", fontStyle="italic"),
        canvas.texts(frame, [{"x": 0.98, "y": 0.05, "text": "too sure"}], MUTED, align="right", fontStyle="italic"),
        *_count_bars(frame, known),
        canvas.rules(frame, ranges, ACCENT, 2),
    ]
    layers += [canvas.line(frame, spots, ACCENT, 1.5, opacity=0.5)] if len(spots) > 1 else []
    layers.append(canvas.dots(frame, spots, ACCENT, 90))
    said = "; ".join(
        f"stated {number(one['confidence'], '%')}, right {number(one['accuracy'], '%')} of {plural(one['rows'], 'row')}"
        for one in known
    )
    return draw(frame, layers, f"Stated confidence against answers that were right. {said}.")


def _count_bars(frame: Frame, known: Sequence[Data]) -> list[Layer]:
    """Bars of rows under the diagram; counts are written where they do not touch, the largest first."""
    most = max(one["rows"] for one in known)
    bars: list[dict[str, Any]] = []
    counts: list[dict[str, Any]] = []
    for one in sorted(known, key=lambda one: -float(one["rows"])):
        x, top = one["confidence"], _BARS_FROM + (_BARS_TO - _BARS_FROM) * one["rows"] / most
        bars.append({"x": x - 0.016, "y": _BARS_FROM, "x2": x + 0.016, "y2": top})
        if all(abs(x - other["x"]) >= 0.065 for other in counts):
            counts.append({"x": x, "y": top, "text": count(one["rows"])})
    return [
        canvas.rules(frame, [{"x": 0, "y": _BARS_FROM, "x2": 1, "y2": _BARS_FROM}]),
        canvas.boxes(frame, bars, MUTED, opacity=0.5),
        canvas.texts(frame, counts, MUTED, dy=-9, fontSize=12, halo=True),
        canvas.texts(frame, [{"x": 0, "y": _BARS_FROM, "text": "Rows"}], MUTED, align="right", dx=-10, dy=-8),
    ]


def scatter(data: Data) -> str:
    """Prediction against truth; of more than 800 points every n-th is drawn."""
    points = [(x, y) for x, y in data["points"] if finite(x) is not None and finite(y) is not None]
    if not points:
        return ""
    stride = -(-len(points) // POINTS_SHOWN)
    values = [value for point in points for value in point]
    marks = steps(min(values), max(values))
    unit = f" in {data['unit']}" if data.get("unit") else ""
    ends_of_axes = (marks[0], marks[-1])
    frame = Frame(ends_of_axes, ends_of_axes, height=440, width=440, left=gutter(labelled(marks, "")))
    equal = [{"x": marks[0], "y": marks[0], "x2": marks[-1], "y2": marks[-1]}]
    drawn = [{"x": x, "y": y} for x, y in points[::stride]]
    layers = [
        *canvas.y_axis(frame, labelled(marks, ""), f"Predicted{unit}"),
        *canvas.x_axis(frame, labelled(marks, ""), f"True{unit}", grid=True),
        canvas.rules(frame, equal, MUTED, 1.5, strokeDash=[5, 4]),
        canvas.dots(frame, drawn, ACCENT, 22, opacity=0.45, strokeWidth=0),
    ]
    about = f"Predicted against true values of {plural(len(points), 'row')}{unit}"
    return draw(frame, layers, f"{about}; on the dashed line both are equal.")


def histogram(data: Data) -> str:
    """Bars of row counts over ranges of a number, with named marks (a limit, a median) as lines."""
    ranges = [one for one in data["bins"] if finite(one["rows"]) is not None]
    if not ranges:
        return ""
    unit = str(data.get("unit") or "")
    lines = [mark for mark in data.get("marks") or () if finite(mark["at"]) is not None]
    reached = [one[end] for one in ranges for end in ("low", "high")] + [mark["at"] for mark in lines]
    across, up = steps(min(reached), max(reached), 6), steps(0, max([1, *(one["rows"] for one in ranges)]), 4)
    left = gutter(labelled(up, ""))
    frame = Frame((across[0], across[-1]), (0, up[-1]), height=220, width=696 - left, left=left, top=56)
    gap = (across[-1] - across[0]) / frame.width / 2  # half a pixel each side keeps bars apart
    bars = [
        {"x": one["low"] + gap, "y": 0, "x2": one["high"] - gap, "y2": one["rows"]} for one in ranges if one["rows"]
    ]
    layers = [
        *canvas.y_axis(frame, labelled(up, ""), "Rows"),
        *canvas.x_axis(frame, labelled(across, ""), unit),
        canvas.boxes(frame, bars, ACCENT),
    ]
    for mark in lines:
        here = {"x": mark["at"], "y": up[-1]}
        side = "right" if frame.column(mark["at"]) > frame.width / 2 else "left"
        layers.append(canvas.rules(frame, [{**here, "x2": mark["at"], "y2": 0}], TROUBLE, 2))
        layers.append(canvas.texts(frame, [{**here, "text": str(mark["label"])}], align=side, dy=-10, halo=True))
    said = "; ".join(f"{number(one['low'])} to {number(one['high'])}: {plural(one['rows'], 'row')}" for one in ranges)
    return draw(frame, layers, f"Rows by {unit or 'value'}. {said}.")


def bins(values: Sequence[float], wished: int = 24) -> list[dict[str, float]]:
    """Numbers counted into ranges with round ends, as `histogram` takes them; null and NaN are left out."""
    known = [value for value in map(finite, values) if value is not None]
    if not known:
        return []
    edges = steps(min(known), max(known), wished)
    counts = [0] * (len(edges) - 1)
    for value in known:
        # The tolerance undoes rounding: a value on an edge belongs to the range that begins there.
        counts[min(int((value - edges[0]) / (edges[1] - edges[0]) + 1e-9), len(counts) - 1)] += 1
    return [{"low": low, "high": high, "rows": rows} for (low, high), rows in zip(pairwise(edges), counts, strict=True)]
