"""Pictures in: a column of paths, or a folder of them. They are compared with one another; no base here reads them.

What is kept of each is small: a hash of its pixels as a person sees them, a grey thumbnail and its tints.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from metier.data.dataset import Dataset, Schema
from metier.data.pictures import Unreadable, cells, folder_of, opened, pillow
from metier.errors import DataError
from metier.plan import Plan
from metier.progress import Progress, Silent
from metier.tasks import targets
from metier.tasks.contract import Examples, Recognition, Target

Array = npt.NDArray[Any]

SIDE = 48  # of a thumbnail
TINTS = 8  # cells a side in which the colour is kept
NO_FEATURES = "Pictures are compared with one another, but no base here reads them: {} was not asked."


@dataclass(frozen=True)
class Pictures:
    """n pictures as they were read: paths as the table has them, what is seen in them, pixels and bytes."""

    names: Array  # (n,) objects
    pixels: Array  # (n,) S16 hashes of what is seen
    grey: Array  # (n, SIDE, SIDE) uint8
    tint: Array  # (n, TINTS, TINTS, 2) uint8, blue and red against grey
    shape: Array  # (n, 2) int64, width and height
    weight: Array  # (n,) int64 bytes

    def __len__(self) -> int:
        return len(self.names)

    def take(self, positions: Any) -> Pictures:
        """These pictures, in this order."""
        at = np.asarray(positions)
        return Pictures(*(getattr(self, field.name)[at] for field in fields(self)))

    def joined(self, other: Pictures) -> Pictures:
        """These and then the others."""
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return Pictures(*(np.concatenate(pair) for pair in pairs))

    def hashes(self) -> npt.NDArray[np.uint64]:
        """(n,) uint64, equal where the pixels are."""
        return np.ascontiguousarray(self.pixels.astype("S16")).view(np.uint64).reshape(-1, 2)[:, 0].copy()


@dataclass(frozen=True)
class PictureTask:
    """Pictures, each with a label or a number, as far as the data room reads them: for copies and counts."""

    name: str = "pictures"
    summary: str = "pictures, compared with one another"
    embeds: bool = False  # nothing here makes vectors of them

    def recognises(self, schema: Schema) -> Recognition:
        """Sure where paths of pictures are and no text is."""
        found = schema.named("image")
        if not found or schema.named("text"):
            return Recognition(0.0, "no column of pictures, or text beside it")
        return Recognition(0.9, f"pictures in {', '.join(found)}")

    def reads(self, schema: Schema, plan: Plan) -> tuple[str, ...]:
        """The first column of pictures."""
        return schema.named("image")[:1]

    def prepare(
        self, dataset: Dataset, plan: Plan, target: Target | None = None, progress: Progress | None = None
    ) -> Examples:
        """Read every picture once; set rows aside whose picture cannot be read or whose target is missing.

        Paths are relative to the table's file, or to the folder. Raises DataError where no picture can be read.
        """
        (name,) = self.reads(dataset.schema, plan)
        kind = target.kind if target is not None else targets.suggested(dataset.schema)
        labels = targets.read(dataset, kind, target)
        place = folder_of(dataset)
        found, reasons = read(*cells(dataset, name), progress)
        aside = {reason: np.flatnonzero(reasons == reason) for reason in sorted(set(reasons.tolist()) - {""})}
        readable = np.flatnonzero(reasons == "")
        if not len(readable):
            told = "; ".join(f"{len(rows):,} rows: {reason}" for reason, rows in aside.items())
            raise DataError(
                "no-pictures",
                f"At least one path in {name} must lead to a picture that can be read.",
                found=f"{told}, looked for in {place}",
                fix="Paths are relative to the folder of the table's file: move the file beside its pictures, or "
                f"leave the column out with --ignore {name}.",
            )
        keep = np.ones(len(readable), bool)
        if labels.known:
            keep = ~labels.missing[readable]
            aside["missing target"] = readable[~keep]
        rows = readable[keep]
        inputs = found.take(np.flatnonzero(keep))
        return targets.laid_out(inputs, labels, rows, aside, dataset, plan)

    def rungs(self, target: Target) -> tuple[Any, ...]:
        """None: pictures are not tuned on."""
        return ()

    def render(self, inputs: Pictures, position: int) -> str:
        """The picture's path."""
        return str(inputs.names[position])


PICTURES = PictureTask()


# ------------------------------------------------------------------------------------------------------------ reading


def read(
    names: Sequence[str | None], sources: Sequence[Any], progress: Progress | None = None
) -> tuple[Pictures, Array]:
    """The pictures that can be read, and (n,) why each other one cannot, empty where it can; see `pictures.cells`.

    One picture is in memory at a time. Raises ResourceError without Pillow.
    """
    images = pillow()
    seen, reasons = [], []
    with (progress or Silent()).stage("reading pictures", len(names), "pictures") as stage:
        for name, source in zip(names, sources, strict=True):
            one = _one(images, source)
            reasons.append(one if isinstance(one, str) else "")
            if not isinstance(one, str):
                seen.append((name, *one))
            stage.advance()
    columns = list(zip(*seen, strict=True)) or [()] * 6
    return (
        Pictures(
            np.array([*columns[0], None], object)[:-1],
            np.array(columns[1], "S16"),
            np.array(columns[2], np.uint8).reshape(-1, SIDE, SIDE),
            np.array(columns[3], np.uint8).reshape(-1, TINTS, TINTS, 2),
            np.array(columns[4], np.int64).reshape(-1, 2),
            np.array(columns[5], np.int64),
        ),
        np.array([*reasons, None], object)[:-1],
    )


def _one(images: ModuleType, source: Any) -> tuple[bytes, Array, Array, tuple[int, int], int] | str:
    """Pixels' hash, thumbnail, tints, size and bytes of one picture, or why it cannot be read."""
    if source is None:
        return "no path of a picture"
    try:
        plain = opened(source)
    except Unreadable as error:
        return str(error)
    check = hashlib.blake2b(repr(plain.size).encode(), digest_size=16)
    check.update(plain.tobytes())
    weight = Path(source).stat().st_size if isinstance(source, str) else source.as_buffer().size
    soft = images.Resampling.BILINEAR
    grey = np.asarray(plain.convert("L").resize((SIDE, SIDE), soft), np.uint8)
    tint = np.asarray(plain.resize((TINTS, TINTS), soft).convert("YCbCr"), np.uint8)[:, :, 1:]
    # The last byte may be zero, which numpy's fixed strings drop: it is set.
    return check.digest()[:15] + b"\x01", grey, tint, plain.size, weight
