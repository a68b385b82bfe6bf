"""Small real models that read tickets by their words: one exactly, one by how words begin; and cases made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tests.conftest import THINGS, Finished

from metier import lifecycle
from metier.evaluate import room
from metier.evaluate.case import Case
from metier.expert import Expert
from metier.plan import Plan
from metier.progress import Silent
from metier.tasks.contract import Array, Inputs
from metier.workspace import Workspace


@dataclass(frozen=True)
class Worded:
    """Sure of the label whose words stand in the text; with `letters`, the beginnings of words are enough."""

    labels: tuple[str, ...]
    letters: int | None = None

    def outputs(self, inputs: Inputs) -> Array:
        return np.array([self._of(str(text or "")) for text in inputs.to_pylist()], np.float32)

    def _of(self, text: str) -> list[float]:
        words = {word[: self.letters] for word in text.lower().split()}
        return [
            3.0 * len(words & {word[: self.letters] for thing in THINGS[label] for word in thing.split()})
            for label in self.labels
        ]

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def case_of(
    finished: Finished,
    expert_letters: int | None,
    generic_letters: int | None,
    file: Path | None = None,
    **choices: Any,
) -> Case:
    """A Case on the tickets' test file whose two models read words."""
    place = Workspace.find(finished.workspace)
    expert = Expert.load(finished.output, cache=place.cache)
    labels = tuple(expert.target.record()["labels"])
    about = {**expert.about, "calibration": {}, "generic_calibration": {}}
    expert = replace(
        expert, about=about, predictor=Worded(labels, expert_letters), generic=Worded(labels, generic_letters)
    )
    plan = Plan.of(kind=expert.about["task"], **choices)
    dataset = expert.dataset(lifecycle.read(str(file or finished.test), plan, place))
    return room.gather(expert, dataset, plan, place, Silent())
