"""Images: what a rung of pictures reads. Only references are held; pixels are opened when they are looked at."""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from metier.data.dataset import Dataset
from metier.data.pictures import Unreadable, cells, opened, pillow
from metier.tasks.contract import Array

MOST = 640  # pixels a side that are kept of a larger picture: no base reads more of it
NO_PICTURE = "no picture in the cell"
_REMEMBERED = 256 << 20  # bytes of opened pictures that stay in memory


class Edit(Protocol):
    """Something done to a picture: covered, blurred, cut."""

    @property
    def stamp(self) -> bytes:
        """Equal where the same is done."""

    def __call__(self, pixels: Array) -> Array:
        """Pixels, uint8 (height, width, 3) -> pixels; the height and width may be others."""


class Album:
    """Pictures that were opened lately, by what is seen in them: training passes over the same ones again and again."""

    def __init__(self, most: int = _REMEMBERED) -> None:
        self.most = most
        self.size = 0
        self._known: OrderedDict[bytes, Array] = OrderedDict()

    def pixels(self, seen: bytes, source: Any) -> Array:
        """The picture that a source holds, uint8 (height, width, 3)."""
        found = self._known.get(seen)
        if found is None:
            found = np.asarray(opened(source, MOST), np.uint8)
            self.keep(seen, found)
        else:
            self._known.move_to_end(seen)
        return found

    def keep(self, seen: bytes, pixels: Array) -> None:
        """Remember a picture; those not asked for longest are forgotten."""
        if seen not in self._known:
            self._known[seen] = pixels
            self.size += pixels.nbytes
        while self.size > self.most:
            self.size -= self._known.popitem(last=False)[1].nbytes


@dataclass(frozen=True, eq=False)
class Images:
    """n pictures: what each is called, where it lies, a hash of what is seen, and what was done to it since.

    Sources are paths, bytes of files, or cells of a table that hold such bytes.
    """

    names: Array  # (n,) objects, str
    sources: Array  # (n,) objects
    seen: Array  # (n,) S16
    edits: Array  # (n,) objects, tuples of Edit
    album: Album = field(default_factory=Album)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.to_pylist())

    def __getitem__(self, part: slice) -> Images:
        return self.take(np.arange(len(self))[part])

    def take(self, positions: Any) -> Images:
        """These pictures, in this order."""
        at = np.asarray(positions, np.int64)
        return Images(self.names[at], self.sources[at], self.seen[at], self.edits[at], self.album)

    def slice(self, start: int, length: int) -> Images:
        """`length` pictures from `start` on."""
        return self[start : start + length]

    def joined(self, others: Sequence[Images]) -> Images:
        """These and then the others."""
        every = [self, *others]
        names, sources, seen, edits = (
            np.concatenate([getattr(one, name) for one in every]) for name in ("names", "sources", "seen", "edits")
        )
        return Images(names, sources, seen, edits, self.album)

    def edited(self, edits: Sequence[Edit | None]) -> Images:
        """The same pictures with one thing more done to each; None leaves it as it is."""
        more = [own if edit is None else (*own, edit) for own, edit in zip(self.edits, edits, strict=True)]
        return replace(self, edits=objects(more))

    def fresh(self) -> Images:
        """The same pictures, none of them opened yet."""
        return replace(self, album=Album())

    def pixels(self, position: int) -> Array:
        """One picture as it is now, uint8 (height, width, 3)."""
        found = self.album.pixels(self.seen[position], self.sources[position])
        for edit in self.edits[position]:
            found = edit(found)
        return found

    @property
    def keys(self) -> Array:
        """(n,) S16 hashes of what is seen now."""
        return np.array(self.to_pylist(), "S16")

    def to_pylist(self) -> list[bytes]:
        """The same as plain bytes."""
        pairs = zip(self.seen.tolist(), self.edits, strict=True)
        return [_hash(seen, *(edit.stamp for edit in edits)) if edits else seen for seen, edits in pairs]

    def hashes(self) -> Array:
        """(n,) uint64, equal where the pixels are."""
        return np.ascontiguousarray(self.keys).view(np.uint64).reshape(-1, 2)[:, 0].copy()


def objects(values: Sequence[Any]) -> Array:
    """(n,) objects; tuples too stay one object each."""
    out = np.empty(len(values), object)
    for at, value in enumerate(values):
        out[at] = value
    return out


def read(dataset: Dataset, name: str) -> tuple[Images, Array]:
    """A column of pictures -> those that can be opened, and (rows,) why each other one cannot, empty where it can.

    Every picture is opened once, one at a time.
    """
    pillow()
    album, kept = Album(), []
    names, sources = cells(dataset, name)
    reasons = [""] * len(names)
    for row, (called, source) in enumerate(zip(names, sources, strict=True)):
        if called is None:
            reasons[row] = NO_PICTURE
            continue
        try:
            pixels = np.asarray(opened(source, MOST), np.uint8)
        except Unreadable as error:
            reasons[row] = str(error)
            continue
        seen = _seen(pixels)
        album.keep(seen, pixels)
        kept.append((called, source, seen))
    called_, sources_, seen_ = zip(*kept, strict=True) if kept else ((), (), ())
    images = Images(objects(called_), objects(sources_), np.array(seen_, "S16"), objects([()] * len(kept)), album)
    return images, objects(reasons)


def drawn(pictures: Sequence[Array], names: Sequence[str]) -> Images:
    """Pixels, uint8 (height, width, 3) each -> Images that hold them as PNG."""
    sources = []
    for pixels in pictures:
        held = io.BytesIO()
        pillow().fromarray(pixels).save(held, "PNG")
        sources.append(held.getvalue())
    seen = np.array([_seen(pixels) for pixels in pictures], "S16")
    return Images(objects(names), objects(sources), seen, objects([()] * len(names)))


def bounds(length: int, parts: int) -> list[tuple[int, int]]:
    """A side cut into so many nearly equal parts, as (start, end) in pixels."""
    return list(pairwise(np.linspace(0, length, parts + 1).round().astype(int).tolist()))


def _seen(pixels: Array) -> bytes:
    return _hash(repr(pixels.shape).encode(), pixels.tobytes())


def _hash(*parts: bytes) -> bytes:
    check = hashlib.blake2b(digest_size=16)
    for part in parts:
        check.update(part)
    # The last byte may be zero, which numpy's fixed strings drop: it is set.
    return check.digest()[:15] + b"\x01"
