"""What every question of an evaluation reads (Case), and what each gives back (Answer, with a Card)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from metier.evaluate.evaluation import Evaluation
from metier.tasks.contract import Array, Examples, Inputs, Metric, Section

if TYPE_CHECKING:
    from metier.data.dataset import Dataset
    from metier.expert import Expert
    from metier.govern.origin import Origin
    from metier.plan import Plan
    from metier.progress import Progress
    from metier.workspace import Workspace

# How a card looks: well, worth a look, bad, or not known on these rows.
Standing = Literal["good", "look", "bad", "unknown"]


@dataclass(frozen=True)
class Card:
    """One picture of the scorecard: the question a buyer asks, the answer in words, and the figure behind it.

    `value`, `low`, `high` and `generic` (the untuned base's figure, where there is one) are on the same scale.
    """

    question: str  # "Fair?"
    answer: str  # "No group is treated worse beyond chance."
    standing: Standing
    figure: str = ""  # what the value is, as a business reader calls it
    value: float | None = None
    low: float | None = None
    high: float | None = None
    generic: float | None = None
    rows: int = 0
    unit: str = "%"  # "%": value is a share in 0..1; else written after the number


@dataclass(frozen=True)
class Answer:
    """All that one question of the evaluation found.

    `figures` are merged into `evaluate --json` under their own keys (plain JSON; intervals as `value, low, high`);
    `sections` go on the evidence page in this order; `notes` say in words what could not be measured, and why.
    """

    figures: Mapping[str, Any] = field(default_factory=dict)
    sections: Sequence[Section] = ()
    card: Card | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Case:
    """An expert beside its generic base on labelled rows it has not seen.

    `examples` are the n rows that could be used, in the file's order; everything per row below has their order.
    `evaluation.outputs` are the expert's calibrated outputs (n, k) or (n,), `evaluation.raw` as the model gave them.
    """

    expert: Expert
    dataset: Dataset
    examples: Examples
    evaluation: Evaluation
    generic_raw: Array
    plan: Plan
    origin: Origin | None  # the training rows, where they could be found again; `no_origin` says why not
    no_origin: str
    place: Workspace
    progress: Progress

    @property
    def metric(self) -> Metric:
        """What the ladder climbed on."""
        return self.evaluation.metric

    @property
    def level(self) -> float:
        """The level of intervals."""
        return float(self.expert.about["level"])

    @property
    def seed(self) -> int:
        """What everything random starts from."""
        return self.plan.seed

    @property
    def classes(self) -> bool:
        """Whether outputs have a column for each of several labels (else they are one number a row)."""
        return self.evaluation.outputs.ndim == 2

    @cached_property
    def generic_outputs(self) -> Array:
        """The generic base's calibrated outputs on the same rows."""
        return self.expert.target.calibrated(self.generic_raw, self.expert.about["generic_calibration"])

    def shifts(self, positions: Array) -> Array | None:
        """What the groups of the examples at these positions have taken off, for `expert_of` inputs made of them."""
        return self.expert.shifts(self.dataset.table, self.examples.rows[positions])

    def expert_of(self, inputs: Inputs, shifts: Array | None = None) -> Array:
        """Other inputs -> the expert's calibrated outputs; nothing of them stays in the cache.

        `shifts` (n,) are those of their groups, where the expert has a threshold for each.
        """
        with self.expert.trunk.scratch():
            raw = self.expert.outputs(inputs, shifts)
        return self.expert.target.calibrated(raw, self.expert.about["calibration"])

    def generic_of(self, inputs: Inputs) -> Array:
        """Other inputs -> the generic base's calibrated outputs.

        Within `expert.trunk.scratch()` both models share what they can of their passes.
        """
        with self.expert.trunk.scratch():
            raw = self.expert.generic.outputs(inputs)
        return self.expert.target.calibrated(raw, self.expert.about["generic_calibration"])

    def column(self, name: str) -> list[Any]:
        """The values of one column of the file, one an example. KeyError where there is none."""
        import pyarrow as pa

        values = self.dataset.table.column(name).take(pa.array(self.examples.rows)).to_pylist()
        return list(values)

    def sample(self, most: int | None = None) -> Array:
        """Positions of at most `most` examples (the plan's `sample` if left out), sorted; always the same ones."""
        most = self.plan.evaluate.sample if most is None else most
        n = len(self.examples)
        if n <= most:
            return np.arange(n)
        return np.sort(np.random.default_rng([self.seed, n]).choice(n, most, replace=False))
