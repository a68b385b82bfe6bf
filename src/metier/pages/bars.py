"""Pictures that lie on their side, one row a thing: counts by action, shares, figures with ranges, before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metier.pages import canvas
from metier.pages.canvas import ACCENT, INK, MUTED, PAPER, RULE, TROUBLE, Frame, Layer, draw
from metier.pages.placing import labelled, share_steps, steps
from metier.pages.words import columns, count, ends, figure, finite, number, plural, wrap

Data = Mapping[str, Any]

ROWS_SHOWN = 20
_LINE = 30  # pixels a row takes
_CELL = 7.0
# Action -> (what it is called, colour, opacity), in the order of the bar's parts.
_ACTIONS = (
    ("drop", "leave out", TROUBLE, 1.0),
    ("relabel", "relabel", ACCENT, 1.0),
    ("rewrite", "rewrite", ACCENT, 0.45),
    ("review", "look at it", MUTED, 0.55),
    ("keep", "only noted", MUTED, 0.2),
)


def found(data: Data) -> str:
    """Findings of each kind as one bar, its parts what is proposed; the longest first as given."""
    rows = [row for row in data["kinds"] if sum(row[action] for action, *_ in _ACTIONS)]
    if not rows:
        return ""
    totals = [sum(row[action] for action, *_ in _ACTIONS) for row in rows]
    marks = steps(0, max(totals), 4)
    frame = _frame((0, marks[-1]), len(rows), top=46, right=64)
    layers = canvas.x_axis(frame, labelled(marks, ""), "Findings", grid=True)
    used = [part for part in _ACTIONS if any(row[part[0]] for row in rows)]
    for action, _, color, opacity in used:
        boxes = []
        for place, row in enumerate(rows):
            start = sum(row[other] for other, *_ in _ACTIONS[: [part[0] for part in _ACTIONS].index(action)])
            if row[action]:
                boxes.append({"x": start, "y": place + 0.22, "x2": start + row[action], "y2": place + 0.78})
        layers.append(canvas.boxes(frame, boxes, color, opacity=opacity, stroke=PAPER, strokeWidth=1))
    ends_ = [{"x": total, "y": place + 0.5, "text": count(total)} for place, total in enumerate(totals)]
    layers += [*_names(frame, [row["title"] for row in rows]), canvas.texts(frame, ends_, align="left", dx=8)]
    layers += _legend(frame, [(words, color, opacity) for _, words, color, opacity in used])
    said = "; ".join(
        f"{row['title']} {count(total)}: "
        + ", ".join(f"{words} {count(row[action])}" for action, words, *_ in _ACTIONS if row[action])
        for row, total in zip(rows, totals, strict=True)
    )
    return draw(frame, layers, f"Findings by kind and by what is proposed. {said}.")


def shares(data: Data) -> str:
    """Shares of the rows as bars with their percents."""
    rows = [row for row in data["rows"] if finite(row["value"]) is not None][:ROWS_SHOWN]
    if not rows:
        return ""
    marks = share_steps(0.0, max(row["value"] for row in rows))
    frame = _frame((0, marks[-1]), len(rows), top=14, right=112)
    boxes = [{"x": 0, "y": at + 0.22, "x2": row["value"], "y2": at + 0.78} for at, row in enumerate(rows)]
    told = [
        {"x": row["value"], "y": at + 0.5, "text": f"{number(row['value'], '%')} · {count(row['rows'])}"}
        for at, row in enumerate(rows)
    ]
    layers = [
        *canvas.x_axis(frame, labelled(marks, "%"), str(data.get("axis") or "Share of the rows"), grid=True),
        canvas.boxes(frame, [box for box in boxes if box["x2"]] or boxes, ACCENT),
        *_names(frame, [row["name"] for row in rows]),
        canvas.texts(frame, told, MUTED, align="left", dx=8),
    ]
    said = "; ".join(f"{row['name']} {number(row['value'], '%')}, {plural(row['rows'], 'row')}" for row in rows)
    return draw(frame, layers, f"{data.get('axis') or 'Share of the rows'}. {said}.")


def ranges(data: Data) -> str:
    """Figures with their ranges, one row each; with `signed`, gains about zero: blue above, orange below, else grey.

    A row's `generic` is a hollow point beside it, a row that is `worse` is orange; `whole` is a line through all rows.
    """
    rows = [row for row in data["rows"] if finite(row["value"]) is not None][:ROWS_SHOWN]
    if not rows:
        return ""
    unit, signed = str(data.get("unit") or ""), bool(data.get("signed"))
    generic, whole = {at: finite(row.get("generic")) for at, row in enumerate(rows)}, finite(data.get("whole"))
    beside = [value for value in (*generic.values(), whole) if value is not None]
    reached = [end for row in rows for end in (row["value"], *ends(row)) if end is not None] + [0.0, *beside]
    within = not signed and (unit == "%" or max(reached) <= 1)
    marks = share_steps(min(reached), max(reached)) if within else steps(min(reached), max(reached))
    frame = _frame((marks[0], marks[-1]), len(rows), top=14, right=128)
    layers = canvas.x_axis(frame, labelled(marks, unit), str(data.get("axis") or ""), grid=True)
    if signed:
        layers.append(canvas.rules(frame, [{"x": 0, "y": 0, "x2": 0, "y2": len(rows)}], MUTED, 1.5))
    if whole is not None:
        layers.append(canvas.rules(frame, [{"x": whole, "y": 0, "x2": whole, "y2": len(rows)}], MUTED, 1.5))
    hollow = [{"x": value, "y": at + 0.5} for at, value in generic.items() if value is not None]
    if hollow:
        layers.append(canvas.dots(frame, hollow, PAPER, 48, stroke=MUTED, strokeWidth=1.5))
    for color in (MUTED, ACCENT, TROUBLE):
        layers += _dots_with_ranges(
            frame, [(at, row) for at, row in enumerate(rows) if _color(row, signed) == color], color
        )
    told = [
        {"x": marks[-1], "y": at + 0.5, "text": _signed(row["value"], unit) if signed else number(row["value"], unit)}
        for at, row in enumerate(rows)
    ]
    layers += [*_names(frame, [row["name"] for row in rows]), canvas.texts(frame, told, align="left", dx=14)]
    said = "; ".join(
        f"{row['name']} {figure(row['value'], *ends(row), unit)}"
        + ("" if generic[at] is None else f", generic model {number(generic[at], unit)}")
        for at, row in enumerate(rows)
    )
    return draw(frame, layers, f"{data.get('axis') or 'Figures with their likely range'}. {said}.")


def pairs(data: Data) -> str:
    """Counts before (grey) and after (blue), joined; the largest change first."""
    rows = sorted(data["rows"], key=lambda row: -abs(row["after"] - row["before"]))[:ROWS_SHOWN]
    if not rows:
        return ""
    marks = steps(0, max(max(row["before"], row["after"]) for row in rows) or 1, 4)
    frame = _frame((0, marks[-1]), len(rows), top=46, right=112)
    joined = [{"x": row["before"], "y": at + 0.5, "x2": row["after"], "y2": at + 0.5} for at, row in enumerate(rows)]
    told = [
        {"x": marks[-1], "y": at + 0.5, "text": f"{count(row['before'])} → {count(row['after'])}"}
        for at, row in enumerate(rows)
    ]
    layers = [
        *canvas.x_axis(frame, labelled(marks, ""), "Rows", grid=True),
        canvas.rules(frame, joined, RULE, 3),
        canvas.dots(frame, [{"x": row["before"], "y": at + 0.5} for at, row in enumerate(rows)], MUTED, 80),
        canvas.dots(frame, [{"x": row["after"], "y": at + 0.5} for at, row in enumerate(rows)], ACCENT, 80),
        *_names(frame, [row["name"] for row in rows]),
        canvas.texts(frame, told, MUTED, align="left", dx=14),
        *_legend(frame, [("before", MUTED, 1.0), (str(data.get("after") or "after"), ACCENT, 1.0)]),
    ]
    said = "; ".join(f"{row['name']} {count(row['before'])} to {count(row['after'])}" for row in rows)
    return draw(frame, layers, f"Rows of each label before and after. {said}.")


def _frame(x: tuple[float, float], rows: int, *, top: int, right: int) -> Frame:
    left = 214
    return Frame(x, (rows, 0), _LINE * rows, 700 - left - right, left=left, top=top, right=right, bottom=50)


def _names(frame: Frame, names: Sequence[object]) -> list[Layer]:
    """The rows' names on the left, in at most two lines each, centred on their row."""
    rows = []
    for at, name in enumerate(names):
        lines = wrap(name, 28)
        shift = 13 * (len(lines) - 1) / 2 / _LINE
        rows.append({"x": frame.x[0], "y": at + 0.5 - shift, "text": "\n".join(lines)})
    return [canvas.texts(frame, rows, INK, align="right", dx=-14, fontSize=12, lineHeight=13)]


def _legend(frame: Frame, parts: Sequence[tuple[str, str, float]]) -> list[Layer]:
    """Small squares with words above the plot, from its left edge on."""
    layers: list[Layer] = []
    wide = (frame.x[1] - frame.x[0]) / frame.width
    high = frame.y[0] / frame.height
    at = 0.0
    for words, color, opacity in parts:
        x, y = frame.x[0] + at * wide, -30 * high
        box = {"x": x, "y": y, "x2": x + 12 * wide, "y2": y + 12 * high}
        layers.append(canvas.boxes(frame, [box], color, opacity=opacity))
        here = {"x": x + 18 * wide, "y": y + 6 * high, "text": words}
        layers.append(canvas.texts(frame, [here], MUTED, align="left", fontSize=12))
        at += 18 + _CELL * columns(words) + 18
    return layers


def _color(row: Data, signed: bool) -> str:
    low, high = ends(row)
    if not signed:
        return TROUBLE if row.get("worse") else ACCENT
    if low is not None and low > 0:
        return ACCENT
    return TROUBLE if high is not None and high < 0 else MUTED


def _dots_with_ranges(frame: Frame, rows: Sequence[tuple[int, Data]], color: str) -> list[Layer]:
    if not rows:
        return []
    spans = [
        {"x": low, "y": at + 0.5, "x2": high, "y2": at + 0.5}
        for at, (low, high) in ((at, ends(row)) for at, row in rows)
        if low is not None and high is not None
    ]
    spots = [{"x": row["value"], "y": at + 0.5} for at, row in rows]
    layers = [canvas.rules(frame, spans, color, 7, opacity=0.28, strokeCap="round")] if spans else []
    return [*layers, canvas.dots(frame, spots, color)]


def _signed(value: float, unit: str) -> str:
    text = number(value, unit) if unit or abs(value) >= 10 else f"{value:.2f}".replace("-", "\u2212")
    return f"+{text}" if value > 0 else text
