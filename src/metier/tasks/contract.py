"""What a kind of task and a kind of target must answer. Every room works on any kind by asking these and nothing else.

A *task* is what goes in: texts, rows of a table, later images, series, conversations. It finds itself in a schema,
prepares examples and offers rungs. A *target* is what comes out: one of several classes, or a quantity. It owns the
metrics, the calibration and the pictures. `text-classification` is texts x Classes, `text-regression` texts x Quantity,
`rows` is rows x either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from metier.data.dataset import Dataset, Problem, Schema
    from metier.plan import Plan
    from metier.progress import Progress
    from metier.trunk.base import Base
    from metier.trunk.features import Trunk

Array = np.ndarray
# What a rung reads: for texts a pyarrow string array, for rows a pyarrow table. Both have len(), take(), slice(), parts
# by [a:b] and to_pylist(). A kind's own has these too; joined(others); hashes(), (n,) uint64, equal for equal inputs;
# and fresh(), the same with nothing kept of what was opened.
Inputs = Any


@dataclass(frozen=True)
class Recognition:
    """How surely (0..1) a kind claims a data set, and why, in words a person reads."""

    score: float
    why: str


@dataclass(frozen=True)
class Metric:
    """A figure of merit: `function(truth, outputs) -> float`, computed from raw outputs.

    `truth` is (n,) class codes or values; `outputs` (n, k) log-probabilities or (n,) values. `per_row`, when there is
    one, gives (n,) contributions whose mean is the metric: intervals of such metrics need no re-computation.
    `weigh(truth, outputs)` prepares once and gives a function from row weights (n, r) to r values of the metric: what
    makes a thousand resamples cheap. `decisions_only` says that only each row's largest output matters.
    """

    name: str
    function: Callable[[Array, Array], float]
    greater_is_better: bool = True
    per_row: Callable[[Array, Array], Array] | None = None
    title: str = ""
    weigh: Callable[[Array, Array], Callable[[Array], Array]] | None = None
    decisions_only: bool = False
    # The figure's own interval, where resampling the rows would mislead: (truth, outputs, level) -> (low, high).
    bounds: Callable[[Array, Array, float], tuple[float, float]] | None = None


@dataclass(frozen=True)
class Predictions:
    """What a person or a program gets: one entry a row, in order.

    `values` are label names or numbers; `confidence` is in 0..1 (for a quantity: the half-width of its interval, in
    `interval`); `abstain` marks rows the expert prefers to hand to a person.
    """

    values: list[Any]
    confidence: Array
    abstain: Array
    interval: Array | None = None  # (n, 2), quantities only


class Target(Protocol):
    """What comes out of a model, and how it is judged."""

    @property
    def kind(self) -> str:
        """`classes` or `quantity`."""

    @property
    def default_metric(self) -> str:
        """The metric the ladder climbs on when the plan names none."""

    @property
    def width(self) -> int:
        """Numbers a model puts out per example: the classes, or 1."""

    def record(self) -> dict[str, Any]:
        """What an expert stores to rebuild this target; the reverse is `tasks.target(record)`."""

    def encode(self, values: Sequence[Any]) -> Array:
        """Targets as stored in a table -> (n,) class codes (int64) or values (float64); -1 or NaN where unknown."""

    def values(self, codes: Array) -> list[Any]:
        """The reverse of `encode`: class names or numbers, None where unknown."""

    def metrics(self) -> dict[str, Metric]:
        """All metrics of this target by their field name."""

    def loss(self, outputs: Any, targets: Any, *, smoothing: float, weights: Any | None) -> Any:
        """Training loss, mean over the rows: torch tensors in, a scalar tensor out."""

    def calibrate(self, outputs: Array, truth: Array) -> dict[str, float]:
        """Fit what turns raw outputs into honest confidence; what is found is stored with the expert."""

    def calibrated(self, outputs: Array, calibration: Mapping[str, float]) -> Array:
        """Raw outputs -> outputs whose confidence is honest, same shape."""

    def threshold(self, outputs: Array, truth: Array, plan: Plan) -> float | None:
        """From calibrated held-out outputs: the confidence under which to abstain, by the plan's cost or precision."""

    def decode(self, outputs: Array, calibration: Mapping[str, float], threshold: float | None) -> Predictions:
        """Raw outputs -> what a person gets."""

    def views(self, evidence: Evidence) -> Iterator[Section]:
        """The pictures and tables of the report that fit this target, in reading order."""


class Predictor(Protocol):
    """A fitted rung: it turns inputs into raw outputs and lies in a folder."""

    def outputs(self, inputs: Inputs) -> Array:
        """(n, k) float32 log-probabilities or logits for classes, (n,) float32 values for quantities."""

    def save(self, folder: Path) -> None:
        """Write everything but the base into `folder`; `Rung.load` reads it."""


@runtime_checkable
class LikelihoodPredictor(Predictor, Protocol):
    """A predictor that writes text, and can say how likely a text is to it: its privacy is asked by planted sentences.

    What was planted stands in the rung's settings under `canaries`, as `evaluate.privacy.canaries.Canaries.record`
    gives it. The expert's generic predictor offers the same.
    """

    def log_likelihoods(self, texts: Sequence[str]) -> Array:
        """(n,) natural logarithm of each whole text's likelihood, its tokens' added up."""


@dataclass(frozen=True)
class Examples:
    """Prepared examples: what goes in, what should come out, and which row of the table each one is."""

    inputs: Inputs
    targets: Array
    target: Target
    rows: Array
    groups: Array | None = None  # equal values are never cut apart by a split
    assigned: Array | None = None  # "train", "validation", "test" where the table itself says so
    set_aside: Mapping[str, Array] = field(default_factory=dict)  # reason -> row numbers not used
    problems: tuple[Problem, ...] = ()
    content: str = (
        ""  # a hash of what lies beside the table, as the pictures its paths lead to; empty where all is in it
    )

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, positions: Array) -> Examples:
        """The examples at these positions, in that order."""
        return replace(
            self,
            inputs=self.inputs.take(positions),
            targets=self.targets[positions],
            rows=self.rows[positions],
            groups=None if self.groups is None else self.groups[positions],
            assigned=None if self.assigned is None else self.assigned[positions],
        )


@dataclass(frozen=True)
class Perturbation:
    """One way in which inputs go wrong in use, as mildly or as strongly as asked.

    `change(examples, severity 0..1, rng)` gives changed inputs, as many as there are examples, in their order. At
    severity 0 nothing is changed; with the same random numbers a stronger change touches what a milder one does. What a
    right answer is stays as it was. `means` says what severity measures, `severities` are three worth measuring: mild,
    middling, strong. `deliberate` changes are made by somebody who wants a wrong answer; the others happen.
    """

    name: str
    means: str
    change: Callable[[Examples, float, np.random.Generator], Inputs]
    severities: tuple[float, float, float] = (0.1, 0.25, 0.5)
    deliberate: bool = False


@dataclass(frozen=True)
class Work:
    """All a rung may use while it is fitted."""

    train: Examples
    validation: Examples | None  # None in the final fit on all rows: then `settings` repeats what was chosen before
    plan: Plan
    trunk: Trunk
    metric: Metric
    folder: Path  # rungs/<name>/: checkpoints and settings of this rung
    earlier: Mapping[str, Predictor]
    progress: Progress
    seconds_left: float | None = None  # None: no limit
    settings: Mapping[str, Any] | None = None


class Rung(Protocol):
    """One step of the ladder."""

    @property
    def name(self) -> str:
        """What it is called in flags and records."""

    @property
    def summary(self) -> str:
        """What it does, in one line a person reads."""

    @property
    def trains(self) -> bool:
        """Whether it changes the base's weights: dear, so not tried once a cheaper such rung did not pay."""

    def estimate(self, work: Work) -> float:
        """Seconds this fit would take on this machine; cheap to ask."""

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Fit on `work.train`, choosing what must be chosen on `work.validation`.

        Returns the predictor and its settings: plain JSON, enough to repeat the fit without a validation set.
        """

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:
        """Read what `Predictor.save` wrote."""


@runtime_checkable
class StandingRung(Rung, Protocol):
    """A rung that is known beforehand to be the better one in some cases, where held-out rows are too few to tell."""

    def stands(self, work: Work) -> str:
        """Why this rung is taken on these rows unless it is proven worse; empty where it must be proven better."""


@runtime_checkable
class NeedyRung(Rung, Protocol):
    """A rung that not every base or every set of labels allows."""

    def lacks(self, train: Examples, trunk: Trunk) -> str:
        """What is missing for it, and what to type to have it; empty where nothing is."""


@runtime_checkable
class SparingRung(Rung, Protocol):
    """A rung too dear, in some cases, to be tried at all or to be fitted once for every fold."""

    def refuses(self, work: Work) -> str:
        """Why this rung is not tried on these rows unless it is asked for; empty where it is."""

    def spared(self, work: Work) -> str:
        """Why each half of the rows is held out once where others are measured in more folds; empty: as the others.

        Measured on so little, the rung is taken unless it is proven worse.
        """


class TrainingRung(Rung, Protocol):
    """A rung whose `trains` is true: what it changed of the base can be taken back, in part or whole."""

    def rescale(self, source: Path, scale: float, folder: Path, trunk: Trunk) -> None:
        """Write into `folder` what `Predictor.save` wrote to `source`, at `scale` (0..1) of the way from the base."""


@dataclass(frozen=True)
class LowRank:
    """What an adapter adds to one linear layer (LoRA, Hu et al. 2021): x -> (x @ down.T) @ up.T.

    `down` (r, i) and `up` (o, r) are float32 tensors, `up` already scaled.
    """

    down: Any
    up: Any


@dataclass(frozen=True)
class Shared:
    """A predictor in the form in which many stand on one trunk: somebody else computes the features of all together.

    `answer(features (n, width), inputs (n))` gives what the predictor's own `outputs` would; `updates` are what the
    features want added to the trunk's linear layers, by the layer's name. `parts` are the arrays it holds. Where
    `featureless`, the features are not looked at and may be empty.
    """

    answer: Callable[[Array, Inputs], Array]
    updates: Mapping[str, LowRank]
    parts: tuple[Any, ...] = ()
    featureless: bool = False


@runtime_checkable
class SharingRung(Rung, Protocol):
    """A rung whose predictors can share a trunk, their base being untouched or changed in low rank alone."""

    def share(self, folder: Path, trunk: Trunk, target: Target) -> Shared | None:
        """Read what `Predictor.save` wrote, without copying the trunk; None where this predictor needs its own."""


class Task(Protocol):
    """A kind of task: what goes in."""

    @property
    def name(self) -> str:
        """What it is called in flags and records."""

    @property
    def summary(self) -> str:
        """What goes in and what comes out, in one line a person reads."""

    @property
    def says(self) -> str:
        """What an example does with its units, as a sentence of an explanation tells it: said, shown."""

    @property
    def compared(self) -> bool:
        """Whether `metier bases` and `metier compare` know how to hold other bases and ways against each other."""

    def base(self, name: str, *, max_tokens: int | None = None, offline: bool = False) -> Base:
        """The base of that name, as this kind reads through one. Raises BaseError."""

    def trunk(self, base: Base, cache: Path | None = None, progress: Progress | None = None) -> Trunk:
        """What runs such a base over this kind's inputs, and keeps what it made of them in `cache`."""

    def recognises(self, schema: Schema) -> Recognition:
        """How surely this data is of this kind, and why."""

    def reads(self, schema: Schema, plan: Plan) -> tuple[str, ...]:
        """The columns an expert of this kind will need again to predict."""

    def prepare(self, dataset: Dataset, plan: Plan, target: Target | None = None) -> Examples:
        """Set unusable rows aside (counted) and lay out the rest.

        With `target` (an expert's own) the vocabulary is fixed: labels never trained on raise DataError. A table
        without the target column gives Examples whose targets are all unknown, for predictions.
        """

    def plain(self, texts: Sequence[str]) -> tuple[Inputs, Array] | None:
        """What `prepare` makes of texts (n,) in the first column that is read: the inputs (m), and which they are (m,).

        None where this kind wants a table.
        """

    def portable(self, dataset: Dataset, names: Sequence[str], most: int) -> list[dict[str, Any]] | None:
        """The first rows as JSON can hold them and another process can read them; None where it cannot."""

    def rungs(self, target: Target) -> tuple[Rung, ...]:
        """The ladder for this kind, cheapest first."""

    def vectors(self, inputs: Inputs, trunk: Trunk, like: Inputs | None = None) -> Array:
        """Inputs (n) -> (n, d) vectors in which near means alike, for neighbours, novelty and duplicates.

        `like` names the inputs whose scale and categories count, where a kind has to learn them; left out, these own.
        """

    def render(self, inputs: Inputs, position: int) -> str:
        """What a person sees of one example."""

    def picture(self, inputs: Inputs, position: int) -> str | None:
        """A small picture of one example as a data URI, for pages; None where words say it all."""

    def columns(self, inputs: Inputs) -> dict[str, str]:
        """What is read of each example by name, and what it holds: text, category, number or time."""

    def values(self, inputs: Inputs, name: str) -> list[Any]:
        """What stands in one of `columns`, one an example (n); None where nothing does."""

    def with_values(self, inputs: Inputs, name: str, values: Sequence[Any]) -> Inputs:
        """The inputs (n) with these values in one of `columns`; None is a missing value."""

    def spelled(self, inputs: Inputs, position: int) -> str:
        """The text that `units` point into: what `render` gives, where that names them all."""

    def units(self, inputs: Inputs, position: int) -> list[tuple[int, int]]:
        """The pieces an explanation may remove, as (start, end) in the text that `spelled` gives."""

    def places(self, inputs: Inputs, position: int) -> list[tuple[float, float, float, float]]:
        """Where each unit lies in `picture`: left, top, width, height as shares of its sides; empty without one."""

    def names(self, inputs: Inputs, position: int) -> list[str]:
        """What each unit is counted under where many examples are added up: the word, the column."""

    def usual(self, inputs: Inputs) -> Inputs | None:
        """One example of what usually stands in place of a unit that is removed; None where it is simply cut out."""

    def keeping(self, inputs: Inputs, kept: Sequence[tuple[int, Array]], usual: Inputs | None) -> Inputs:
        """Copies with units removed: for each (position, mask (m, units), True where a unit stays) its m copies.

        What is removed takes the place in `usual`, an outcome of the function of that name, or is left empty.
        """

    def exchanged(self, inputs: Inputs, position: int, unit: int, donors: Inputs, most: int) -> Inputs:
        """At most `most` copies of an example in which a unit is replaced by something that stands in the donors."""

    def unheard(self, heard: Inputs) -> Callable[[Inputs, int], list[int]]:
        """What a model of these inputs cannot know: a function from (inputs, position) to the units they never show."""

    def perturbations(self, like: Examples | None = None, trunk: Trunk | None = None) -> tuple[Perturbation, ...]:
        """The ways in which such inputs go wrong in use.

        `like` are the examples whose words, spread and categories are the usual ones, best those trained on; what has
        to learn from them is left out where they, or the trunk it needs, are missing.
        """


@dataclass(frozen=True)
class Evidence:
    """What the views of a target draw from: held-out truth and calibrated outputs, side by side."""

    target: Target
    truth: Array
    outputs: Array
    raw_outputs: Array
    rows: Array
    shown: Callable[[int], str]  # position -> what a person sees of that example
    level: float
    seed: int
    calibration: Mapping[str, float] = field(default_factory=dict)
    threshold: float | None = None
    pictured: Callable[[int], str | None] = lambda _position: None  # the same as `Task.picture` of that example


@dataclass(frozen=True)
class Section:
    """A piece of a page: a template's name and the data it is drawn from."""

    template: str
    title: str
    data: Mapping[str, Any]
    lead: str = ""  # the finding in one plain sentence
