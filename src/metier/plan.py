"""Plan: every choice of a run, typed and described once.

The command line's flags, the reference in docs/ and (later) the web form are generated from the fields below.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_serializer

from metier.data.sources.addresses import masked
from metier.errors import UsageError
from metier.plan_section import Section as _Section
from metier.plan_serving import PredictionLogPlan, RequestPlan, ServePlan, SignOnPlan

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: object) -> object:
    """Read a duration: `90`, `90s`, `10m`, `1.5h`, or `none` for no limit. Returns seconds, or None."""
    if text is None or (isinstance(text, str) and text.strip().lower() == "none"):
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", str(text))
    if match is None:
        raise ValueError("must be a duration such as 90s, 10m, 1.5h, or none")
    return float(match[1]) * _UNITS[match[2]]


Duration = Annotated[float | None, BeforeValidator(seconds)]


class DataPlan(_Section):
    """What is read and how its columns are understood."""

    target: str | None = Field(None, description="The column to predict; found when it is plain.")
    text: tuple[str, ...] = Field((), description="Text columns to read, in order; found when left out.")
    ignore: tuple[str, ...] = Field((), description="Columns to leave out.")
    group: str | None = Field(None, description="A column whose equal values must never be cut apart by the split.")
    kind: str | None = Field(
        None,
        description=(
            "The kind of task: text-classification, text-regression, rows, image-classification; found when left out."
        ),
    )
    test: str | None = Field(None, description="A file of held-out rows, used once, for the final figures.")
    header: Literal["auto", "yes", "no"] = Field("auto", description="Whether the first line names the columns.")
    encoding: str | None = Field(None, description="The file's text encoding; found when left out.")
    delimiter: str | None = Field(None, description="What stands between columns; found when left out.")
    query: str | None = Field(
        None, description="What to ask where the data is a database: a SELECT, or a table's name."
    )

    @field_serializer("test", when_used="unless-none")
    def _without_password(self, test: str) -> str:
        return masked(test)


class BasePlan(_Section):
    """The pre-trained model that is tuned."""

    base: str = Field(
        "minilm",
        description=(
            "minilm (bundled), minilm:3 (its first 3 layers), a local folder, or a Hugging Face hub id; "
            "for pictures a folder or id of an image model."
        ),
    )
    max_tokens: int | None = Field(
        None, ge=8, description="Tokens read of each text; the base's own limit if left out."
    )
    hidden_cache_mib: int = Field(
        2048, ge=0, description="Disk for hidden states below the first trained layer, in MiB."
    )


class LadderPlan(_Section):
    """Which rungs are tried, and when to stop climbing."""

    validation: float = Field(0.2, gt=0, lt=0.9, description="The share of rows every rung is measured on.")
    rung: str | None = Field(None, description="Tune this rung whether it pays or not.")
    time_limit: Duration = Field(600.0, description="Stop climbing after this long: 90s, 10m, 1h, none.")
    metric: str | None = Field(
        None, description="What the ladder climbs on: a metric's name or module:function; the kind's own if left out."
    )
    level: float = Field(0.95, gt=0.5, lt=1, description="The level of intervals, and of the proof a gain needs.")
    refit: bool = Field(True, description="Fit the chosen rung once more on training and validation rows together.")
    shards: int = Field(
        1,
        ge=1,
        le=64,
        description="Fit so many parts, each on rows of its own, and average them: to forget a row one part is redone.",
    )


class TrainingPlan(_Section):
    """The one training loop, for rungs that change weights."""

    epochs: int | None = Field(
        None, ge=1, description="Passes over the training rows; chosen from their number if left out."
    )
    learning_rate: float | None = Field(None, gt=0, description="Peak learning rate; the rung's own if left out.")
    batch_size: int = Field(32, ge=1, description="Rows to an optimiser step.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's decoupled weight decay.")
    warmup: float = Field(0.1, ge=0, le=1, description="Share of the steps over which the learning rate rises.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout before the head.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of the target spread evenly over all labels.")
    clip: float = Field(1.0, gt=0, description="The gradient's largest norm.")
    patience: int = Field(3, ge=1, description="Stop after this many measurements without a better validation score.")
    class_weights: Literal["auto", "none", "balanced"] = Field(
        "auto", description="Weigh rare labels up: auto does where labels are skewed and the metric asks for it."
    )


class PrivateTrainingPlan(_Section):
    """Training with differential privacy (Abadi et al. 2016)."""

    epsilon: float | None = Field(
        None, gt=0, description="Train with differential privacy and spend this much of it (DP-SGD, an extra: dp)."
    )
    delta: float | None = Field(
        None, gt=0, lt=1, description="The chance that epsilon does not hold; a tenth of one row's share if left out."
    )


class FairPlan(_Section):
    """What is done about a gap between groups; `metier evaluate --group` measures what each way brings and costs."""

    mitigate: Literal["none", "reweighting", "balanced-sampling", "group-thresholds"] = Field(
        "none",
        description="Draw training rows so that label and group are independent, or groups alike; or move thresholds.",
    )
    mitigate_by: tuple[str, ...] = Field((), description="The column that holds the groups; several are crossed.")
    equalise: Literal["opportunity", "selection"] = Field(
        "opportunity",
        description="What group-thresholds make alike: the share found of the rows truly so, or of all rows.",
    )


class AdapterPlan(_Section):
    """The LoRA adapter (Hu et al. 2021) on all linear layers of the trained blocks; in image models on convolutions."""

    rank: int = Field(16, ge=1, le=256, description="Rank of the update.")
    alpha: int = Field(32, ge=1, description="Scale of the update; alpha / rank multiplies it.")
    layers: int | None = Field(
        None, ge=1, description="How many upper layers to adapt; two thirds, or half where time is short, if left out."
    )
    scale: float | None = Field(
        None,
        ge=0,
        le=1,
        description="How far from the base to the tuned weights (WiSE-FT); chosen on validation if left out.",
    )
    contrastive: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="Learn from pairs first; up to 32 labels a class auto does, and up to 160 texts from them alone.",
    )


class AnswerPlan(_Section):
    """When the expert answers and when it abstains."""

    precision: float | None = Field(
        None, gt=0, lt=1, description="Abstain so that answers reach this precision on validation."
    )
    error_cost: float | None = Field(None, gt=0, description="What a wrong answer costs, in units of one abstention.")


class CuratePlan(_Section):
    """What the data room looks for, and what it does about it."""

    only: tuple[str, ...] = Field(
        (),
        description="Ask these alone: duplicates, leakage, labels, content, balance, privacy; all if left out.",
    )
    apply: bool = Field(
        False, description="Act on what is proposed; without it everything is reported and nothing changed."
    )
    worth: bool = Field(False, description="Fit the frozen rung with and without each fix and say what each is worth.")
    review: str | None = Field(None, description="A review.csv that a person has edited: its decisions are followed.")
    reviewer: str | None = Field(None, description="Who decided in --review; stands in the record.")
    languages: tuple[str, ...] = Field(
        (), description="Languages that belong here, as en or de; the commonest one if left out."
    )
    annotator: str | None = Field(None, description="A column that says who gave each label.")
    by: tuple[str, ...] = Field((), description="Columns whose groups are compared; found when left out.")
    split: bool = Field(False, description="Add the leakage-safe split to the cleaned file as a column.")


class PrivacyPlan(_Section):
    """What happens to personal data."""

    privacy: tuple[str, ...] = Field(
        (), description="What is done with a type, as email=mask: keep, mask, pseudonym or drop; mask if left out."
    )
    exempt: tuple[str, ...] = Field((), description="Patterns (regular expressions) that are never personal data here.")
    names: str | None = Field(
        None, description="A token-classification model that finds names too: a folder, or presidio (an extra)."
    )


class SheetPlan(_Section):
    """What only a person can say of the data; it stands in the data sheet."""

    source: str | None = Field(None, description="Where the data comes from.")
    purpose: str | None = Field(None, description="What it may be used for.")
    lawful_basis: str | None = Field(None, description="On what legal ground it is processed.")
    retention: str | None = Field(None, description="How long it is kept.")
    consent: str | None = Field(None, description="Whether and how the people in it agreed.")
    licence: str | None = Field(None, description="Under what licence it may be used.")
    creator: str | None = Field(None, description="Who made it.")


class ChoosePlan(_Section):
    """Which bases `metier bases` considers, and what none of them may exceed."""

    candidate: tuple[str, ...] = Field(
        (), description="A base to try beside the bundled one: a folder, a folder of folders, a hub id, minilm:3."
    )
    licences: tuple[str, ...] = Field((), description="Licences a base may have, as apache-2.0; any if left out.")
    language: str | None = Field(None, description="A language that a base's model card must name, as en or de.")
    max_mib: float | None = Field(None, gt=0, description="The largest size of a base's weights, in MiB.")
    max_latency_ms: float | None = Field(
        None, gt=0, description="The longest time to read one text, in milliseconds, measured on this machine."
    )
    offline: bool = Field(True, description="Take hub ids from the local cache only.")


class ComparePlan(_Section):
    """What `metier compare` measures, over which numbers of labels, and what machine time costs."""

    ways: tuple[str, ...] = Field(
        (), description="Compare these alone: rungs of the ladder, or scratch; all but full if left out."
    )
    sizes: int = Field(5, ge=2, le=12, description="How many numbers of labels are tried, up to all there are.")
    repeats: int = Field(3, ge=1, le=20, description="How many times each is tried, on rows drawn anew.")
    goal: float | None = Field(
        None,
        description="A score; how many labels each way needs for it. What the recommended way reaches if left out.",
    )
    more_labels: int = Field(1000, ge=1, description="The forecast says what so many more labels would buy.")
    price_per_hour: float | None = Field(None, ge=0, description="What an hour of this machine costs, in any currency.")
    watts_per_core: float = Field(
        8.0, gt=0, description="Power of a busy core, to estimate energy where the machine does not measure it."
    )


class EvaluatePlan(_Section):
    """What `metier evaluate` asks of an expert, and what it must reach."""

    questions: tuple[str, ...] = Field(
        (),
        description=(
            "Ask these alone: comparison, slices, bias, robustness, forgetting, calibration, privacy, cost, "
            "explanation; all if left out."
        ),
        json_schema_extra={"flag": "only"},
    )
    groups: tuple[str, ...] = Field(
        (),
        description="A column whose groups must be treated alike, as gender; give several and they are crossed, too.",
        json_schema_extra={"flag": "group"},
    )
    swaps: str | None = Field(None, description="A JSON file of identity terms to swap, beside those that ship.")
    behaviours: str | None = Field(None, description="A file of behavioural tests to run (.json, .jsonl, .csv).")
    sample: int = Field(400, ge=20, description="Rows taken for what needs many passes, such as robustness.")
    keep_general: float | None = Field(
        None, gt=0, le=1, description="The share of general ability that must stay; the adapter is scaled to keep it."
    )
    training_data: str | None = Field(
        None, description="The file the expert was tuned on, where it no longer lies where it was."
    )
    against: str | None = Field(None, description="Another expert to compare with on the same rows.")


class DoubtPlan(_Section):
    """What is asked of an expert's confidence when it is evaluated."""

    coverage: float = Field(0.9, gt=0.5, lt=1, description="How often a conformal set must hold the right answer.")
    costs: str | None = Field(
        None, description="A JSON file of what each mistake costs: truth -> answer -> cost, and abstain -> cost."
    )
    out_of_scope: str | None = Field(
        None, description="A file of rows that this expert should not answer; everyday sentences if left out."
    )


class GatePlan(_Section):
    """What an evaluation must reach for `metier evaluate` to end well."""

    fail_under: tuple[str, ...] = Field(
        (), description="End with exit code 3 where a metric is under this, as accuracy=0.9 or accuracy.low=0.88."
    )
    gate: str | None = Field(None, description="A JSON file of such limits; exit code 3 where one is missed.")


class ExplainPlan(_Section):
    """How a prediction is explained."""

    method: str | None = Field(
        None, description="leave-one-out, integrated-gradients, ...; the one found most faithful if left out."
    )
    examples: int = Field(5, ge=0, le=100, description="How many of the training rows that decided are shown.")
    counterfactual: bool = Field(True, description="Look for the smallest change that turns the answer.")


class Plan(_Section):
    """Every choice of a run. Unknown keys are refused; all problems are reported together."""

    data: DataPlan = DataPlan()
    base: BasePlan = BasePlan()
    ladder: LadderPlan = LadderPlan()
    training: TrainingPlan = TrainingPlan()
    private: PrivateTrainingPlan = PrivateTrainingPlan()
    fair: FairPlan = FairPlan()
    adapter: AdapterPlan = AdapterPlan()
    answer: AnswerPlan = AnswerPlan()
    curate: CuratePlan = CuratePlan()
    privacy: PrivacyPlan = PrivacyPlan()
    sheet: SheetPlan = SheetPlan()
    choose: ChoosePlan = ChoosePlan()
    compare: ComparePlan = ComparePlan()
    evaluate: EvaluatePlan = EvaluatePlan()
    doubt: DoubtPlan = DoubtPlan()
    gate: GatePlan = GatePlan()
    explain: ExplainPlan = ExplainPlan()
    serve: ServePlan = ServePlan()
    request: RequestPlan = RequestPlan()
    prediction_log: PredictionLogPlan = PredictionLogPlan()
    sign_on: SignOnPlan = SignOnPlan()
    seed: int = Field(0, ge=0, description="Everything random starts from this number.")
    name: str | None = Field(None, description="The expert's name; the data file's if left out.")

    @classmethod
    def of(cls, **choices: Any) -> Plan:
        """Build a plan from flat choices, `Plan.of(target="intent", time_limit="90s")`.

        Raises UsageError naming every choice that is unknown or out of range.
        """
        homes = {name: section for section, name, _ in fields()}
        nested: dict[str, Any] = {}
        unknown = sorted(set(choices) - set(homes))
        for name, value in choices.items():
            if name in homes and value is not None:
                section = homes[name]
                (nested if section is None else nested.setdefault(section, {}))[name] = value
        return cls._checked(nested, [f"{name}: no such choice" for name in unknown])

    @classmethod
    def load(cls, path: str | Path, sections: frozenset[str] | None = None) -> Plan:
        """Read a plan from a JSON file, as `plan.json` of a run is; of it these sections alone. Raises UsageError."""
        try:
            nested = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(
                "no-plan",
                "A plan is a JSON file, as plan.json of a run is.",
                found=f"{path}: {error}",
                fix="Give a finished run's plan.json.",
            ) from error
        if sections is not None:
            nested = {name: value for name, value in nested.items() if name in sections}
        return cls._checked(nested, [])

    @classmethod
    def _checked(cls, nested: dict[str, Any], problems: list[str]) -> Plan:
        plan = None
        try:
            plan = cls.model_validate(_private(nested))
        except ValidationError as error:
            for item in error.errors():
                where = str(item["loc"][-1]) if item["loc"] else "plan"
                problems.append(f"{where}: {item['msg']}; got {item.get('input')!r}")
        if problems or plan is None:
            raise UsageError(
                "bad-plan",
                "Every choice of a plan must be known and within its range.",
                found="; ".join(problems),
                fix="metier tune --help lists every choice with its range.",
            )
        return plan


def _private(nested: dict[str, Any]) -> dict[str, Any]:
    """With `epsilon`, what is left out is chosen for it: an adapter, trained once, in batches that drown the noise."""
    private = nested.get("private") if isinstance(nested, dict) else None
    if not isinstance(private, dict) or private.get("epsilon") is None:
        return nested
    ladder = {"rung": "adapter", "refit": False, **nested.get("ladder", {})}
    return {**nested, "ladder": ladder, "training": {"batch_size": 256, **nested.get("training", {})}}


def fields() -> list[tuple[str | None, str, Any]]:
    """All choices as (section or None, name, pydantic field), in order: what flags and references are made from."""
    rows: list[tuple[str | None, str, Any]] = []
    for section, info in Plan.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, _Section):
            rows += [(section, name, field) for name, field in kind.model_fields.items()]
        else:
            rows.append((None, section, info))
    return rows
