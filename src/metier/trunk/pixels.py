"""What can be told of a picture without any pre-trained base: its colours, where they lie, and the edges' directions.

Numbers a person can name; they stand in the base's place where a user names none, and under the rung `linear`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from metier.progress import Progress
from metier.trunk import base as bases
from metier.trunk.cache import FeatureCache
from metier.trunk.features import Trunk

SIDE = 32  # pictures are looked at in so many pixels a side
_LEVELS = 4  # of red, green and blue in the histogram of colours
_CELLS = 4  # cells a side, for mean colours and for edges
_DIRECTIONS = 8  # of edges, over half a turn
_WIDTH = _LEVELS**3 + _CELLS * _CELLS * (3 + _DIRECTIONS)
_VERSION = "pixels 1"
_PIECE = 1024  # pictures read between two writes to the cache

Array = np.ndarray


class Pictures(Protocol):
    """n pictures: `keys` (n,) S16 hashes of what is seen in them; `pixels` gives one, uint8 (height, width, 3)."""

    @property
    def keys(self) -> Array:
        """Equal where what is seen is."""

    def __len__(self) -> int: ...

    def pixels(self, position: int) -> Array:
        """One picture, as a person sees it."""

    def take(self, positions: Any) -> Pictures:
        """These pictures, in this order."""


# No base at all, as runs and experts record it.
PIXELS = bases.Base(
    name="pixels",
    source="built in",
    folder="",
    sha256=sha256(_VERSION.encode()).hexdigest(),
    architecture="PixelStatistics",
    hidden=_WIDTH,
    layers=0,
    parameters=0,
    bytes=0,
    max_tokens=0,
    pooling="none",
    licence="apache-2.0",
)


class PictureTrunk(Trunk):
    """A trunk that reads pictures; what it makes of each is cached by what is seen in it."""

    reads_texts = False
    batch = 32

    @cached_property
    def statistics(self) -> PixelTrunk:
        """What the pixels alone tell, kept in the same cache."""
        return PixelTrunk(self.cache, self.progress)

    def _plain(self, texts: Any) -> Pictures:
        pictures: Pictures = texts
        return pictures

    def _keys(self, plain: Pictures) -> Array:
        return plain.keys

    def _some(self, plain: Pictures, positions: Array) -> Pictures:
        return plain.take(positions)

    def _embed(self, texts: Pictures, cache: FeatureCache | None) -> Array:
        kept: list[Array] = []
        with self.progress.stage("looking at pictures", len(texts), "pictures") as stage:
            for at in range(0, len(texts), _PIECE):
                piece = texts.take(np.arange(at, min(at + _PIECE, len(texts))))
                values = np.empty((len(piece), self.width), np.float16)
                for some in range(0, len(piece), self.batch):
                    here = range(some, min(some + self.batch, len(piece)))
                    values[some : here.stop] = self.look([piece.pixels(one) for one in here])
                    stage.advance(len(here))
                if cache is None:
                    kept.append(values)
                else:
                    cache.add(piece.keys, values)
        return np.concatenate(kept) if kept else np.zeros((0, self.width), np.float16)

    def look(self, pictures: Sequence[Array]) -> Array:
        """Pictures, uint8 (height, width, 3) each -> features (n, width)."""
        raise NotImplementedError


class PixelTrunk(PictureTrunk):
    """The statistics of pixels in a trunk's form. `model` is None: there is nothing to train."""

    def __init__(self, cache: Path | None = None, progress: Progress | None = None) -> None:
        super().__init__(PIXELS, cache, progress)

    @property
    def statistics(self) -> PixelTrunk:
        """Itself."""
        return self

    @property
    def width(self) -> int:
        """Numbers in a feature."""
        return _WIDTH

    @property
    def model(self) -> Any:
        """There is none."""
        return None

    def with_model(self, model: Any) -> PixelTrunk:
        """The same statistics, cached nowhere."""
        return PixelTrunk(None, self.progress)

    def speed(self) -> float:
        """Pictures a second, roughly: opening them is what takes time."""
        return 300.0

    def look(self, pictures: Sequence[Array]) -> Array:
        """Three kinds of statistics, each kind's numbers of length 1 together."""
        return np.stack([statistics(pixels) for pixels in pictures]).astype(np.float16)


def statistics(pixels: Array) -> Array:
    """One picture, uint8 (height, width, 3) -> (240,) float32: colours, their places, and directions of edges.

    The histogram of 64 colours as square roots, mean colours of 4 x 4 cells about grey, and in the same cells how
    strongly edges run in 8 directions (after Dalal & Triggs 2005).
    """
    from PIL import Image

    small = np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255
    level = np.minimum((small * _LEVELS).astype(int), _LEVELS - 1)
    colours = np.bincount((level @ [_LEVELS * _LEVELS, _LEVELS, 1]).ravel(), minlength=_LEVELS**3)
    step = SIDE // _CELLS
    places = small.reshape(_CELLS, step, _CELLS, step, 3).mean(axis=(1, 3)) - 0.5
    down, across = np.gradient(small.mean(axis=2))
    strength = np.hypot(down, across)
    turn = np.floor(np.arctan2(down, across) % np.pi / np.pi * _DIRECTIONS).astype(int) % _DIRECTIONS
    cell = np.arange(SIDE) // step
    where = (cell[:, None] * _CELLS + cell[None, :]) * _DIRECTIONS + turn
    edges = np.bincount(where.ravel(), weights=strength.ravel(), minlength=_CELLS * _CELLS * _DIRECTIONS)
    return np.concatenate([_unit(np.sqrt(colours)), _unit(places.ravel()), _unit(edges)])


def _unit(values: Array) -> Array:
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-6), np.float32)
