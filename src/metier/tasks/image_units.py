"""The regions of a picture as an explanation takes them: a grid, whose cells are covered with a plain colour."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metier.data.pictures import pillow
from metier.tasks.contract import Array, Inputs
from metier.tasks.image_inputs import Images, bounds, drawn

_ROWS = ("top", "upper", "middle", "lower", "bottom")
_COLUMNS = ("far left", "left", "centre", "right", "far right")
CELLS = len(_ROWS)  # a side: 25 regions can all be asked one by one
NAMES = tuple("centre" if (r, c) == ("middle", "centre") else f"{r} {c}" for r in _ROWS for c in _COLUMNS)
BETWEEN = " · "
_GREY = (128, 128, 128)
_SAMPLE = 200  # pictures whose colours are averaged
_SIDE = 96  # of a thumbnail, in pixels
_QUALITY = 70


@dataclass(frozen=True)
class Covered:
    """Regions painted over. `gone` (25,) says which, `colour` is red, green, blue."""

    gone: tuple[bool, ...]
    colour: tuple[int, int, int]

    @property
    def stamp(self) -> bytes:
        """Regions and colour."""
        return f"covered {[at for at, one in enumerate(self.gone) if one]} {self.colour}".encode()

    def __call__(self, pixels: Array) -> Array:
        """Paint."""
        out = pixels.copy()
        down, across = bounds(pixels.shape[0], CELLS), bounds(pixels.shape[1], CELLS)
        for at in np.flatnonzero(self.gone):
            (top, bottom), (left, right) = down[at // CELLS], across[at % CELLS]
            out[top:bottom, left:right] = self.colour
        return out


def usual(inputs: Images) -> Images:
    """One picture of one colour: the mean of up to 200 of these, evenly drawn."""
    some = np.unique(np.linspace(0, len(inputs) - 1, min(_SAMPLE, len(inputs))).astype(int))
    means = [inputs.pixels(int(at)).reshape(-1, 3).mean(axis=0) for at in some]
    colour = np.round(np.mean(means, axis=0) if means else _GREY).astype(np.uint8)
    return drawn([np.full((1, 1, 3), colour, np.uint8)], ["the usual colour"])


def shown(inputs: Images, position: int) -> list[int]:
    """The regions of a picture that are not covered, in order."""
    gone = np.zeros(CELLS * CELLS, bool)
    for edit in inputs.edits[position]:
        if isinstance(edit, Covered):
            gone |= edit.gone
    return [int(at) for at in np.flatnonzero(~gone)]


def keeping(inputs: Images, kept: Sequence[tuple[int, Array]], instead: Inputs | None) -> Images:
    """Copies in which regions are covered with the colour of `instead`, mid-grey without it."""
    red, green, blue = _GREY if instead is None else instead.pixels(0)[0, 0].tolist()
    positions, edits = [], list[Covered | None]()
    for position, masks in kept:
        places = np.array(shown(inputs, position), np.int64)
        for mask in np.asarray(masks, bool):
            gone = np.zeros(CELLS * CELLS, bool)
            gone[places] = ~mask
            positions.append(position)
            edits.append(Covered(tuple(gone.tolist()), (red, green, blue)) if gone.any() else None)
    return inputs.take(np.array(positions, np.int64)).edited(edits)


def named(inputs: Images, position: int) -> str:
    """What a picture is called, and which regions of it are covered."""
    left = shown(inputs, position)
    gone = [name for at, name in enumerate(NAMES) if at not in set(left)]
    listed = ", ".join(gone[:3]) + (f" and {len(gone) - 3} more" if len(gone) > 3 else "")
    return f"{inputs.names[position]}, without {listed}" if gone else str(inputs.names[position])


def spelled(inputs: Images, position: int) -> tuple[str, list[tuple[int, int]]]:
    """A picture's name with those of its regions, and where in that text each region's stands."""
    text, spans = named(inputs, position), []
    for at in shown(inputs, position):
        spans.append((len(text) + len(BETWEEN), len(text) + len(BETWEEN) + len(NAMES[at])))
        text += BETWEEN + NAMES[at]
    return text, spans


def places(inputs: Images, position: int) -> list[tuple[float, float, float, float]]:
    """Left, top, width and height of every region, as shares of the picture's sides."""
    side = 1 / CELLS
    return [(at % CELLS * side, at // CELLS * side, side, side) for at in shown(inputs, position)]


def thumbnail(pixels: Array) -> str:
    """A small JPEG of a picture as a data URI, some thousand characters."""
    image = pillow().fromarray(pixels)
    image.thumbnail((_SIDE, _SIDE))
    held = io.BytesIO()
    image.save(held, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode("ascii")
