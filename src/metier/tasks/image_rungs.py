"""The ladder's rungs for pictures that train no weights of the base: linear (pixels alone), generic, frozen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save

from metier import files
from metier.tasks.blend import shaped
from metier.tasks.contract import Array, Examples, Inputs, Predictor, Target, Work
from metier.tasks.text_rungs import FrozenPredictor, label_words, loss_of, worth_of
from metier.trunk import vision
from metier.trunk.features import Trunk
from metier.trunk.pixels import PictureTrunk

_PENALTIES = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)
_FEW_PENALTY = 1e-3  # of a fit without held-out rows
_LARGE = 60_000_000  # numbers that are held in half precision while a head is fitted
ADD_BASE = "it reads through an image model, and none was named: --base FOLDER adds it"


@dataclass(frozen=True)
class HeadRung:
    """A linear head on what a trunk makes of each picture: the statistics of its pixels, or the frozen base."""

    name: str
    summary: str
    pixels: bool
    trains: bool = False

    def lacks(self, train: Examples, trunk: Trunk) -> str:
        """The frozen base, where there is none."""
        return "" if self.pixels or trunk.base.layers else ADD_BASE

    def estimate(self, work: Work) -> float:
        """Seconds: looking at what is not cached, and fitting some heads."""
        trunk = self._trunk(work.trunk)
        size = len(work.train) * work.train.target.width * trunk.width
        return looking_seconds(work, trunk) + 0.5 + size * 5e-9 * len(_PENALTIES)

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Look once, then walk the penalties; the best on validation stays."""
        from metier.tune import heads

        trunk, target, loss = self._trunk(work.trunk), work.train.target, loss_of(work)
        scaled = _Scaled.of(trunk.features(work.train.inputs))

        def fit_one(l2: float, start: heads.Head | None) -> heads.Head:
            return heads.fit(
                scaled.features, work.train.targets, target.width, loss, l2=l2, start=start, seed=work.plan.seed
            )

        if work.settings is not None:
            # From strong to weak as when it was chosen: where a fit starts from decides where it ends, a little.
            l2, head = float(work.settings["l2"]), None
            for stronger in (penalty for penalty in _PENALTIES if penalty > l2):
                head = fit_one(stronger, head)
            head = fit_one(l2, head)
        elif work.validation is None:
            l2, head = _FEW_PENALTY, fit_one(_FEW_PENALTY, None)
        else:
            held_out, worth = scaled.like(trunk.features(work.validation.inputs)), worth_of(work)
            head, l2 = heads.choose(_PENALTIES, fit_one, lambda head: worth(shaped(head.outputs(held_out))))
        return FrozenPredictor(trunk, scaled.unscaled(head)), {"l2": l2, "rows": len(work.train)}

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:
        """Read the head."""
        from metier.tune.heads import Head

        return FrozenPredictor(self._trunk(trunk), Head.load(folder / "head.safetensors"))

    def _trunk(self, trunk: Trunk) -> PictureTrunk:
        assert isinstance(trunk, PictureTrunk)
        return trunk.statistics if self.pixels else trunk


@dataclass(frozen=True)
class _Scaled:
    """Features (n, d) about their mean, in their spread, of length near 1: one penalty then fits every base."""

    features: Array
    mean: Array
    spread: Array

    @classmethod
    def of(cls, features: Array) -> _Scaled:
        plain = np.asarray(features, np.float32)
        mean = plain.mean(axis=0, dtype=np.float64).astype(np.float32)
        spread = np.maximum(plain.std(axis=0, dtype=np.float64), 1e-4).astype(np.float32) * np.sqrt(plain.shape[1])
        kept = cls(plain, mean, np.asarray(spread, np.float32))
        return cls(kept.like(plain), kept.mean, kept.spread)

    def like(self, features: Array) -> Array:
        """Other features in the same way."""
        scaled = (np.asarray(features, np.float32) - self.mean) / self.spread
        return np.asarray(scaled, np.float16 if scaled.size > _LARGE else np.float32)

    def unscaled(self, head: Any) -> Any:
        """A head for these as one for features as they come."""
        import torch

        weight = head.weight / torch.from_numpy(self.spread)
        return type(head)(weight, head.bias - weight @ torch.from_numpy(self.mean))


class GenericRung:
    """The base's own classifier as it comes: its classes whose names say one of the labels, added up."""

    name = "generic"
    trains = False
    summary = "the base's own classes, where their names are the labels"

    def lacks(self, train: Examples, trunk: Trunk) -> str:
        """A base, a classifier on it, or classes by the names of all labels."""
        if not trunk.base.layers:
            return ADD_BASE
        classifier = vision.classifier(trunk.base, trunk.model)
        if classifier is None:
            return "the base comes without a classifier of its own that could be taken as it is"
        groups = matched(label_words(train.target), classifier.names)
        missing = [name for name, found in zip(train.target.record()["labels"], groups, strict=False) if not found]
        if not groups or missing:
            return f"the base knows no class by the name of {', '.join(map(repr, missing[:3])) or 'these labels'}"
        return ""

    def estimate(self, work: Work) -> float:
        """Seconds to look at what is not cached."""
        return looking_seconds(work, work.trunk)

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Find the classes that say the labels."""
        classifier = vision.classifier(work.trunk.base, work.trunk.model)
        assert classifier is not None
        groups = matched(label_words(work.train.target), classifier.names)
        rows = [row for found in groups for row in found]
        codes = np.repeat(np.arange(len(groups)), [len(found) for found in groups])
        return NamedClasses(work.trunk, classifier.weight[rows], classifier.bias[rows], codes), {}

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:
        """Read the classes."""
        kept = load_file(folder / "classes.safetensors")
        return NamedClasses(trunk, kept["weight"].copy(), kept["bias"].copy(), kept["codes"].copy())


@dataclass(frozen=True)
class NamedClasses:
    """Some of a base's own classes, each for one label: weight (m, d), bias (m,), codes (m,), sorted."""

    trunk: Trunk
    weight: Array
    bias: Array
    codes: Array

    def outputs(self, inputs: Inputs) -> Array:
        """(n, k) float32: a label's is the logarithm of its classes' sum."""
        logits = np.asarray(self.trunk.features(inputs), np.float32) @ self.weight.T + self.bias
        starts = np.searchsorted(self.codes, np.arange(int(self.codes[-1]) + 1))
        return np.asarray(np.logaddexp.reduceat(logits, starts, axis=1), np.float32)

    def save(self, folder: Path) -> None:
        """Write `classes.safetensors`."""
        tensors = {"weight": self.weight, "bias": self.bias, "codes": self.codes}
        files.write_bytes(folder / "classes.safetensors", save(tensors))


def matched(labels: list[str], names: list[str]) -> list[list[int]]:
    """For each label the classes whose name says it: a name, one of its synonyms, or the last word of one."""
    said = [{part.strip().lower() for part in name.replace("_", " ").split(",")} for name in names]
    said = [parts | {part.split()[-1] for part in parts if part} for parts in said]
    return [[row for row, parts in enumerate(said) if label.lower() in parts] for label in labels]


def looking_seconds(work: Work, trunk: Trunk) -> float:
    """Seconds to look at the pictures of this work that are not cached yet."""
    parts = [part.inputs for part in (work.train, work.validation) if part is not None]
    missing = sum(trunk.missing(part) for part in parts)
    return missing / trunk.speed() if missing else 0.0


LINEAR = HeadRung("linear", "colours, where they lie and how edges run, with a linear model", pixels=True)
FROZEN = HeadRung("frozen", "the base frozen, with a linear head on what it sees", pixels=False)
GENERIC = GenericRung()
