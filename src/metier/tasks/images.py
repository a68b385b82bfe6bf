"""Pictures in: the kind `image-classification`. Paths or bytes in a table, or a folder with a subfolder a label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from metier.data.dataset import Dataset, Schema
from metier.data.pictures import cells, folder_of
from metier.errors import DataError
from metier.plan import Plan
from metier.progress import Progress
from metier.tasks import image_units, targets
from metier.tasks.contract import Array, Examples, Inputs, Perturbation, Recognition, Rung, Target
from metier.tasks.image_inputs import Images, read
from metier.trunk import base as bases
from metier.trunk import pixels, vision
from metier.trunk.features import Trunk


@dataclass(frozen=True)
class ImageTask:
    """One column of pictures, each with one of several labels."""

    name: str = "image-classification"
    summary: str = "pictures, each with one of several labels"
    says: str = "shown"
    compared: bool = False

    def recognises(self, schema: Schema) -> Recognition:
        """Sure where a column holds pictures; less so beside text, or beside many other columns."""
        found = schema.named("image")
        if not found:
            return Recognition(0.0, "no column of pictures")
        structured = len(schema.named("number", "category", "time"))
        score = 0.4 if schema.named("text") else 0.9 if structured <= 2 else 0.6
        why = f"pictures in {', '.join(found)}"
        if schema.target is not None and targets.suggested(schema) == "quantity":
            score, why = 0.2, f"{why}; the target {schema.target!r} is a number, which is not learnt from pictures yet"
        return Recognition(score, why)

    def base(self, name: str, *, max_tokens: int | None = None, offline: bool = False) -> bases.Base:
        """An image model's folder or hub id; the statistics of pixels where none is named, for none is bundled."""
        return pixels.PIXELS if name == bases.BUNDLED else vision.find(name, offline=offline)

    def trunk(self, base: bases.Base, cache: Path | None = None, progress: Progress | None = None) -> Trunk:
        """What reads pictures through such a base."""
        if base == pixels.PIXELS:
            return pixels.PixelTrunk(cache, progress)
        return vision.VisionTrunk(base, cache, progress)

    def reads(self, schema: Schema, plan: Plan) -> tuple[str, ...]:
        """The first column of pictures."""
        return schema.named("image")[:1]

    def prepare(self, dataset: Dataset, plan: Plan, target: Target | None = None) -> Examples:
        """Open every picture once; set rows aside whose picture cannot be read or whose target is missing, counted.

        Raises DataError where no picture can be read.
        """
        names = [name for name in self.reads(dataset.schema, plan) if name in dataset.table.column_names]
        if not names:
            raise DataError(
                "no-pictures",
                f"The kind {self.name} reads a column of pictures: paths of image files, or their bytes.",
                found=f"columns {', '.join(dataset.table.column_names)}",
                fix="Name a folder of pictures, or choose another --kind.",
            )
        labels = targets.read(dataset, "classes", target)
        found, reasons = read(dataset, names[0])
        aside = {str(why): np.flatnonzero(reasons == why) for why in sorted(set(reasons.tolist()) - {""})}
        readable = np.flatnonzero(reasons == "")
        keep = np.ones(len(readable), bool)
        if labels.known:
            keep = ~labels.missing[readable]
            aside["missing target"] = readable[~keep]
        if not keep.any() and (target is None or not len(dataset)):
            raise _nothing(dataset, names[0], aside)
        if not keep.any():
            raise DataError("nothing-left", "At least one picture must be readable.", found=_told(aside))
        images = found.take(np.flatnonzero(keep))
        laid_out = targets.laid_out(images, labels, readable[keep], aside, dataset, plan)
        return replace(laid_out, content=sha256(images.seen.tobytes()).hexdigest())

    def plain(self, texts: Sequence[str]) -> tuple[Inputs, Array] | None:
        """None: a picture is looked up first."""
        return None

    def portable(self, dataset: Dataset, names: Sequence[str], most: int) -> list[dict[str, Any]] | None:
        """Paths from the root of the file system; None where the table holds the pictures themselves."""
        head = replace(dataset, table=dataset.table.slice(0, most))
        _, paths = cells(head, names[0])
        whole = all(path is None or isinstance(path, str) for path in paths)
        return [{names[0]: path and str(Path(path).absolute())} for path in paths] if whole else None

    def rungs(self, target: Target) -> tuple[Rung, ...]:
        """majority, linear, generic, frozen, adapter; the last three need a base."""
        from metier.tasks.image_rungs import FROZEN, GENERIC, LINEAR
        from metier.tasks.text_rungs import MajorityRung
        from metier.tune.vision_tuned import ADAPTER

        return MajorityRung(), LINEAR, GENERIC, FROZEN, ADAPTER

    def vectors(self, inputs: Inputs, trunk: Trunk, like: Inputs | None = None) -> Array:
        """The trunk's features, float32 (n, d), about the mean of `like` and in its spread, each of length 1."""
        own = np.asarray(trunk.features(inputs), np.float32)
        usual = own if like is None else np.asarray(trunk.features(like), np.float32)
        scaled = (own - usual.mean(axis=0)) / np.maximum(usual.std(axis=0), 1e-3)
        return np.asarray(scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-6), np.float32)

    def render(self, inputs: Inputs, position: int) -> str:
        """The picture's path, or which row it is of."""
        return image_units.named(inputs, position)

    def picture(self, inputs: Inputs, position: int) -> str | None:
        """A thumbnail as a data URI."""
        images: Images = inputs
        return image_units.thumbnail(images.pixels(position))

    def columns(self, inputs: Inputs) -> dict[str, str]:
        """None: a picture has no value that could be written into a cell."""
        return {}

    def values(self, inputs: Inputs, name: str) -> list[Any]:
        """There are no such columns."""
        raise KeyError(name)

    def with_values(self, inputs: Inputs, name: str, values: Sequence[Any]) -> Inputs:
        """There are no such columns."""
        raise KeyError(name)

    def spelled(self, inputs: Inputs, position: int) -> str:
        """The picture's name, and its regions'."""
        return image_units.spelled(inputs, position)[0]

    def units(self, inputs: Inputs, position: int) -> list[tuple[int, int]]:
        """25 regions, as (start, end) of their names in what `spelled` gives."""
        return image_units.spelled(inputs, position)[1]

    def places(self, inputs: Inputs, position: int) -> list[tuple[float, float, float, float]]:
        """A grid of 5 x 5."""
        return image_units.places(inputs, position)

    def names(self, inputs: Inputs, position: int) -> list[str]:
        """What the regions are called."""
        return [image_units.NAMES[at] for at in image_units.shown(inputs, position)]

    def usual(self, inputs: Inputs) -> Inputs | None:
        """One picture of the mean colour."""
        return image_units.usual(inputs)

    def keeping(self, inputs: Inputs, kept: Sequence[tuple[int, Array]], usual: Inputs | None) -> Inputs:
        """The pictures with regions covered by the usual colour."""
        return image_units.keeping(inputs, kept, usual)

    def exchanged(self, inputs: Inputs, position: int, unit: int, donors: Inputs, most: int) -> Inputs:
        """None: a region of another picture says nothing by itself."""
        return inputs.take(np.zeros(0, np.int64))

    def unheard(self, heard: Inputs) -> Callable[[Inputs, int], list[int]]:
        """None: no region can be said never to have been seen."""
        return lambda _inputs, _position: []

    def perturbations(self, like: Examples | None = None, trunk: Trunk | None = None) -> tuple[Perturbation, ...]:
        """Blur, noise, a crop, other light, strong compression."""
        from metier.tasks import image_changes

        return image_changes.perturbations()


def _told(aside: dict[str, Array]) -> str:
    return "; ".join(f"{len(rows):,} rows: {reason}" for reason, rows in aside.items()) or "no rows"


def _nothing(dataset: Dataset, name: str, aside: dict[str, Array]) -> DataError:
    return DataError(
        "no-pictures",
        f"At least one row must have a picture in {name} that can be read, and a target.",
        found=f"{_told(aside)}; paths were looked for in {folder_of(dataset)}",
        fix="Paths are relative to the folder of the table's file: move the file beside its pictures.",
    )


CLASSIFICATION = ImageTask()
