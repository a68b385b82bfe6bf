"""The rows an expert learnt from, as its own last layer sees them: which lie near, and what lies far from all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from metier import files
from metier.errors import ResourceError
from metier.expert import Expert
from metier.explain.influence import Part, levelled, misses, parts
from metier.explain.subject import quiet, untraced
from metier.govern.origin import Origin
from metier.progress import Progress
from metier.tasks.contract import Array, Examples, Inputs

_SAMPLE = 500
_FAR = 0.01  # of the rows learnt from have their nearest neighbour further away than what counts as far


@dataclass(frozen=True)
class Memory:
    """n rows an expert learnt from. `vectors` (n, d) have length 1; `parts` are what gradient influence is read from.

    `near` is the cosine that all but 1 in 100 of the rows reach with another one; `unheard` names the units of an
    example that none of the rows shows.
    """

    expert: Expert
    examples: Examples
    vectors: Array
    parts: tuple[Part, ...]
    near: float
    unheard: Callable[[Inputs, int], list[int]]

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def missed(self) -> list[Array]:
        """What `influence` asks of the rows every time."""
        return misses(self.parts, self.examples.targets)

    def similarity(self, vectors: Array) -> Array:
        """What `seen` made of m examples -> their cosines with every row, (m, n) float32."""
        return np.asarray(_unit(vectors) @ self.vectors.T)

    def others(self, similarity: Array, code: int, most: int) -> Inputs:
        """Of one row of `similarity`: the nearest rows whose label is not this one."""
        return self.examples.take(greatest(np.where(self.examples.targets == code, -np.inf, similarity), most)).inputs


def remember(expert: Expert, origin: Origin, cache: Path, progress: Progress) -> Memory:
    """Look at every row the expert learnt from once; a tuned trunk's view of them is kept in `cache`."""
    examples = origin.examples.take(np.flatnonzero(origin.learnt))
    with progress.stage("rows the expert learnt from", 1, "pass") as stage:
        raw = _stored(expert, examples.inputs, cache)
        found = parts(expert.predictor, examples.inputs, raw)
        vectors = _unit(raw)
        stage.advance(1)
    rng = np.random.default_rng(len(vectors))
    some = rng.choice(len(vectors), min(_SAMPLE, len(vectors)), replace=False)
    cosines = vectors[some] @ vectors.T
    cosines[np.arange(len(some)), some] = -1
    near = float(np.quantile(cosines.max(axis=1), _FAR))
    return Memory(expert, examples, vectors, tuple(map(levelled, found)), near, expert.task.unheard(examples.inputs))


def seen(expert: Expert, inputs: Inputs, like: Inputs | None = None, *, keep: bool = False) -> Array:
    """Inputs -> (n, d) as the expert's own last layer sees them; without a trunk, as their kind is compared."""
    if hasattr(expert.predictor, "head"):
        predictor: Any = expert.predictor if keep else untraced(expert.predictor)
        return np.asarray(predictor.trunk.features(inputs))
    trunk = expert.trunk if keep else quiet(expert.trunk)
    return np.asarray(expert.task.vectors(inputs, trunk, like))


def _stored(expert: Expert, inputs: Inputs, cache: Path) -> Array:
    """What the expert makes of the rows it learnt from: the feature cache's where that holds it, else a file's."""
    trunk = getattr(expert.predictor, "trunk", None)
    if not hasattr(expert.predictor, "head") or (trunk is not None and trunk.cache is not None):
        return seen(expert, inputs, keep=True)
    path = cache / "explanations" / f"{root_of(expert)}.npy"
    try:
        found = files.read_array(path) if path.is_file() else None
    except (OSError, ValueError, ResourceError):
        found = None
    if found is None or len(found) != len(inputs):
        found = seen(expert, inputs)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_array(path, found)
    return found


def root_of(expert: Expert) -> str:
    """The hash an expert's folder was sealed with; what is kept of its explanations goes by it."""
    from metier.govern.record import MANIFEST

    return str(files.read_json(expert.folder / MANIFEST)["root"])[:32]


def greatest(values: Array, most: int) -> Array:
    """The positions of the greatest of (n,) values, at most so many, the greatest and of equals the first one first."""
    if not 0 < most < len(values):
        return np.argsort(-values, kind="stable")[:most]
    least = np.partition(values, len(values) - most)[len(values) - most]
    near = np.flatnonzero(values >= least)
    return np.asarray(near[np.argsort(-values[near], kind="stable")[:most]])


def _unit(vectors: Array) -> Array:
    plain = np.asarray(vectors, np.float32)
    return np.asarray(plain / np.maximum(np.linalg.norm(plain, axis=1, keepdims=True), 1e-12))
