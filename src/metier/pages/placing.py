"""Where axis marks and labels go: round numbers for axes, and places for labels that do not lie on each other."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, hypot, log10
from typing import NamedTuple

from metier.pages.words import columns, count, number, seconds

_CELL = 7.0  # pixels a character cell takes at 13 px, generously
_LINE = 16.0
_NEAREST = (0, -1, 1, -2, 2, -3, 3, -4, 4, -6, 6, -8, 8)  # lines up or down, the nearest first
_TIMES = (0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 360_000, 3_600_000)


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """The area both cover, in square pixels."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(wide, 0.0) * max(high, 0.0)


def steps(low: float, high: float, wished: int = 5) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten) from at most `low` to at least `high`."""
    size = max(abs(low), abs(high))
    if high - low <= max(1e-9 * size, 1e-100):
        size = size if size > 1e-100 else 1.0
        low, high = low - size / 2, high + size / 2
    rough = (high - low) / wished
    power = 10.0 ** floor(log10(rough))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    # Rounding far below the step takes 0.30000000000000004 back to 0.3.
    return [round(place * step, 9 - floor(log10(step))) for place in range(first, last + 1)]


def share_steps(low: float, high: float) -> list[float]:
    """Like `steps`, kept within 0..1 and never narrower than a few points."""
    if high - low < 0.01:
        low, high = low - 0.05, high + 0.05
    return [at for at in steps(max(low, 0.0), min(high, 1.0)) if -1e-9 <= at <= 1 + 1e-9]


def labelled(marks: Sequence[float], unit: str) -> list[tuple[float, str]]:
    """Axis marks with short labels: shares as whole percents where that is exact."""
    if unit == "%":
        exact = all(abs(at * 100 - round(at * 100)) < 1e-6 for at in marks)
        return [(at, f"{100 * at:.0f}%" if exact else f"{100 * at:.1f}%") for at in marks]
    if all(at == int(at) for at in marks):
        return [(at, count(at).replace("-", "\u2212")) for at in marks]
    return [(at, _short(at)) for at in marks]


def _short(at: float) -> str:
    """A mark in as few digits as tell it apart; three of them below one, where fixed decimals would round it away."""
    if abs(at) < 1:
        return f"{at:.3g}".replace("-", "\u2212")
    text = number(at, "")
    return text.rstrip("0").rstrip(".") if "." in text else text


def time_marks(low: float, high: float) -> list[tuple[float, str]]:
    """Round durations on a logarithmic axis, one on each side of what is shown."""
    marks = _around(_TIMES, low, high)
    return [(at, f"{at:g}\u00a0s" if at < 1 else seconds(at).replace(".0", "")) for at in marks]


def count_marks(low: float, high: float) -> list[tuple[float, str]]:
    """Round counts on a logarithmic axis: 1, 2 and 5 times powers of ten, or the powers alone where there are many."""
    powers = [10.0**power for power in range(13)]
    marks = _around([size * power for power in powers for size in (1, 2, 5)], low, high)
    # Over three powers of ten the steps between would crowd the axis.
    return [(at, count(at)) for at in (marks if len(marks) <= 10 else _around(powers, low, high))]


def _around(marks: Sequence[float], low: float, high: float) -> list[float]:
    """The marks from the last one not above `low` to the first one not below `high`, two at least."""
    first = max((place for place, at in enumerate(marks) if at <= low), default=0)
    last = min((place for place, at in enumerate(marks) if at >= high), default=len(marks) - 1)
    if last <= first:
        first, last = max(first - 1, 0), min(first + 1, len(marks) - 1)
    return list(marks[first : last + 1])


def place(
    points: Sequence[tuple[float, float]], labels: Sequence[str], size: tuple[float, float], taken: Sequence[Box]
) -> list[Box]:
    """A box for each label near its point, avoiding the edges, the `taken` boxes and the labels placed before.

    Greedy: each label tries the places around its point and takes the one that covers least.
    """
    placed: list[Box] = []
    for (x, y), label in zip(points, labels, strict=True):
        lines = label.split("\n")
        wide, high = max(map(columns, lines)) * _CELL, len(lines) * _LINE
        sides = [(dx, -high / 2 + line * _LINE) for line in _NEAREST for dx in (10, -10 - wide)]
        shifts = [*sides[:2], (-wide / 2, -high - 12), (-wide / 2, 12), *sides[2:]]
        tries = [Box(x + dx, y + dy, x + dx + wide, y + dy + high) for dx, dy in shifts]
        inside = Box(0, 0, *size)
        costs = [
            sum(box.overlap(other) for other in (*taken, *placed)) + 4 * (wide * high - box.overlap(inside)) + 3 * order
            for order, box in enumerate(tries)
        ]
        placed.append(tries[costs.index(min(costs))])
    return placed


def along(points: Sequence[tuple[float, float]], apart: float = 10.0) -> list[Box]:
    """Small boxes on the line through the points, so that labels keep off it."""
    boxes = []
    for (x, y), (to_x, to_y) in zip(points, points[1:] or points, strict=False):
        parts = max(1, ceil(hypot(to_x - x, to_y - y) / apart))
        for part in range(parts + 1):
            at_x, at_y = x + (to_x - x) * part / parts, y + (to_y - y) * part / parts
            boxes.append(Box(at_x - 4, at_y - 4, at_x + 4, at_y + 4))
    return boxes


def gutter(marks: Sequence[tuple[float, str]]) -> int:
    """Pixels that the labels of an upright axis need on its left."""
    return max(56, 14 + ceil(7.6 * max(columns(text) for _, text in marks)))
