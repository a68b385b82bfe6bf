"""`metier explain`: open an expert, then say of each example what decided and what would have turned it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from metier import __version__, files
from metier.data import read as reading
from metier.data.dataset import Dataset
from metier.data.sources import is_address, name_of
from metier.errors import DataError, UsageError
from metier.expert import Expert
from metier.explain import attribution, choice, counterfactual, influence, neighbours, page, rough, sentence, subject
from metier.explain.attribution import METHODS
from metier.explain.neighbours import greatest
from metier.govern import environment, origin, record
from metier.plan import Plan
from metier.progress import Progress, Silent
from metier.tasks.contract import Array, Examples, Inputs
from metier.workspace import Run, Workspace

_AT_ONCE = 128
_LONGEST = 400  # characters of a training row that are quoted
_ENDINGS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".parquet", ".xlsx", ".gz", ".zip")
_NOTHING_READ = "There is nothing to read in this row."


@dataclass(frozen=True)
class Explained:
    """What was explained, in the shape of `explain --json`; of a file also the run's folder and its page."""

    figures: Mapping[str, Any]
    run: Path | None = None
    report: Path | None = None


@dataclass(frozen=True)
class Explainer:
    """An expert opened for explaining: load it once, ask it often.

    `memory` is None where the rows it learnt from were not found; `no_memory` then says why.
    """

    expert: Expert
    exact: subject.Subject
    quick: subject.Subject  # the same, or in rougher numbers where that saves time
    memory: neighbours.Memory | None
    no_memory: str
    chosen: choice.Choice
    plan: Plan

    def explain(self, inputs: Inputs, shifts: Array | None = None) -> list[dict[str, Any]]:
        """Inputs (n) -> n explanations in the shape of `explain --json`.

        `shifts` (n,) are those of their groups, where the expert has a threshold for each (`Expert.shifts`): the answer
        is then the one that is given, its explanation what the model itself reads for it.
        """
        found: list[dict[str, Any]] = []
        for at in range(0, len(inputs), _AT_ONCE):
            part = None if shifts is None else shifts[at : at + _AT_ONCE]
            found += _explained(self, inputs.slice(at, _AT_ONCE), part)
        return found


def explain(
    folder: str | Path,
    data: str | Path,
    *,
    workspace: str | Path | None = None,
    progress: Progress | None = None,
    plan: Plan | None = None,
    **choices: Any,
) -> Explained:
    """Why an expert answers as it does: `explain("expert", "I lost my card")`, or of every row of a file.

    `data` is a text (of a table's row: a JSON object) or a file. Of a file a run is left in the workspace, with
    `explanations.jsonl` and the page `explanation.html`. Raises MetierError.
    """
    progress, place = progress or Silent(), Workspace.find(workspace)
    place.prepare()
    expert = Expert.load(folder, cache=place.cache, progress=progress)
    plan = plan or Plan.of(**{"kind": expert.about["task"], **choices})
    if not _is_file(data):
        dataset = expert.dataset([_row(expert, str(data))])
        examples = _examples(expert, dataset)
        if not len(examples):
            raise _nothing(f"{str(data)!r}")
        explainer = load(expert, place, plan, progress)
        shifts = expert.shifts(dataset.table, examples.rows)
        return Explained(explainer.explain(examples.inputs, shifts)[0])
    dataset = expert.dataset(reading.read(data, plan.data, place.cache / "tables"))
    examples = _examples(expert, dataset)
    key = {"explain": plan.explain.model_dump(mode="json"), "seed": plan.seed, "data": dataset.source.sha256}
    key |= {"expert": neighbours.root_of(expert), "version": __version__}
    with place.open_run(files.digest(key), f"explain-{plan.name or name_of(data)}", [dataset.source.sha256]) as run:
        explainer = load(expert, place, plan, progress, rows=examples)
        figures = _all(explainer, examples, dataset, progress)
        report = run.folder / "explanation.html"
        told = {**figures, "run": str(run.folder), "report": str(report), "seconds": round(run.seconds(), 2)}
        seen = [page.Seen("")] * len(dataset)
        for at, row in enumerate(examples.rows):
            drawn = at < page.SHOWN
            seen[row] = page.Seen(
                expert.task.spelled(examples.inputs, at), expert.task.picture(examples.inputs, at) if drawn else None
            )
        _write(run, explainer, dataset, told, seen)
        return Explained(told, run.folder, report)


def load(expert: Expert, place: Workspace, plan: Plan, progress: Progress, rows: Examples | None = None) -> Explainer:
    """Open an expert for explaining. The first time this measures how faithful each method is.

    On the held-out rows of its own training data or, where that is not found, on `rows`. Raises UsageError for a
    method that is refused.
    """
    found, why = origin.find(expert, place, plan.evaluate.training_data)
    memory = None
    if found is None:
        progress.say(f"rows it learnt from cannot be shown: {why}")
    else:
        memory = neighbours.remember(expert, found, place.cache, progress)
    known = found.examples if found is not None else rows
    usual = None if known is None else expert.task.usual(known.inputs)
    asked = subject.of(expert, usual)
    if found is not None:
        rows = found.examples.take(np.flatnonzero(found.held_out))
    taken = choice.chosen(
        expert, asked, rows, place.cache, asked=plan.explain.method, seed=plan.seed, progress=progress
    )
    return Explainer(expert, asked, rough.of(asked), memory, why, taken, plan)


# -------------------------------------------------------------------------------------------------------- one batch


def _explained(explainer: Explainer, inputs: Inputs, shifts: Array | None) -> list[dict[str, Any]]:
    expert, memory, plan = explainer.expert, explainer.memory, explainer.plan
    asked, quick = explainer.exact, subject.Remembering.of(explainer.quick)
    outputs = similarity = pulls = None
    own: list[influence.Part] = []
    if memory is not None:
        vectors = neighbours.seen(expert, inputs, memory.examples.inputs)
        similarity = memory.similarity(vectors)
        own = influence.parts(expert.predictor, inputs, vectors)
        outputs = influence.joined(expert.predictor, own) if own else None
    if shifts is None:
        claims = told = asked.claims(inputs, outputs)
    else:
        outputs = expert.outputs(inputs) if outputs is None else outputs
        shifted = expert.shifted(outputs, shifts)
        claims = asked.claims(inputs, outputs, said=shifted.argmax(axis=1))
        told = replace(claims, outputs=shifted)
    method = explainer.chosen.method
    ahead = attribution.first_removals(quick, claims) if method is not None and METHODS[method].singly else ()
    near = claims if explainer.quick is asked else rough.claims(quick, claims, ahead)
    if memory is not None and own and plan.explain.examples:
        pulls = influence.influence(memory.parts, memory.examples.targets, own, claims.codes, memory.missed)
    weights = [np.zeros(count) for count in claims.units]
    if method is not None:
        removing = METHODS[method].removes
        weights = METHODS[method].function(quick if removing else asked, near if removing else claims, plan.seed)
    turns: list[counterfactual.Counterfactual | None] = [None] * len(claims)
    # A change that turns the model's own answer need not turn one that a group's threshold has decided.
    if plan.explain.counterfactual and shifts is None:
        turns = counterfactual.search(quick, near, weights, memory, similarity)
        if explainer.quick is not asked:
            turns = counterfactual.confirmed(asked, claims, turns)
    answers = expert.target.decode(told.outputs, expert.about["calibration"], expert.about["threshold"])
    found = []
    for at in range(len(claims)):
        text, spans = asked.task.spelled(inputs, at), asked.task.units(inputs, at)
        tokens: list[dict[str, Any]] = [
            {"token": text[start:end], "start": start, "end": end, "weight": round(float(weight), 6)}
            for (start, end), weight in zip(spans, weights[at], strict=True)
        ]
        for token, place in zip(tokens, asked.task.places(inputs, at), strict=False):
            token["place"] = dict(zip(("left", "top", "width", "height"), place, strict=True))
        cosines = None if similarity is None else similarity[at]
        because = _because(memory, cosines if pulls is None else pulls[at], plan.explain.examples)
        doubts = sentence.Doubts(
            bool(answers.abstain[at]),
            float(answers.confidence[at]),
            memory is not None and cosines is not None and bool(cosines.max() < memory.near),
            [text[slice(*spans[unit])] for unit in memory.unheard(inputs, at)] if memory is not None else [],
        )
        found.append(_told(explainer, answers.values[at], tokens, because, turns[at], doubts))
    return found


def _told(
    explainer: Explainer,
    answer: Any,
    tokens: Sequence[Mapping[str, Any]],
    because: Sequence[Mapping[str, Any]],
    turn: counterfactual.Counterfactual | None,
    doubts: sentence.Doubts,
) -> dict[str, Any]:
    other = change = None
    if turn is not None:
        about = explainer.expert.about["calibration"]
        said = explainer.expert.target.decode(turn.outputs, about, None).values[0]
        other = {"text": turn.text, "prediction": said}
        change = ([tokens[unit]["token"] for unit in turn.units], turn.instead, said)
    attribution = tokens if explainer.chosen.method else []
    return {
        "prediction": answer,
        "confidence": round(doubts.confidence, 6),
        "method": explainer.chosen.method,
        "attribution": list(attribution),
        "because": list(because),
        "counterfactual": other,
        "sentence": sentence.compose(
            answer, doubts.confidence, attribution, because, change, doubts, says=explainer.expert.task.says
        ),
        "faithfulness": explainer.chosen.figures,
    }


def _because(memory: neighbours.Memory | None, pull: Array | None, most: int) -> list[dict[str, Any]]:
    """The rows that pulled most towards the answer; a weight is a row's share of all the pulling, either way."""
    if memory is None or pull is None:
        return []
    whole = max(float(np.abs(pull).sum()), 1e-12)
    found = []
    for at in greatest(pull, most):
        text = memory.expert.task.render(memory.examples.inputs, int(at))
        found.append(
            {
                "row": int(memory.examples.rows[at]),
                "text": text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…",
                "label": memory.expert.target.values(memory.examples.targets[at : at + 1])[0],
                "weight": round(float(pull[at]) / whole, 6),
            }
        )
    return found


# ------------------------------------------------------------------------------------------------------ a whole file


def _all(explainer: Explainer, examples: Examples, dataset: Dataset, progress: Progress) -> dict[str, Any]:
    rows, shifts = len(dataset), explainer.expert.shifts(dataset.table, examples.rows)
    items: list[dict[str, Any]] = [{"row": row, **_unread(explainer)} for row in range(rows)]
    with progress.stage("explaining", len(examples), "rows") as stage:
        for at in range(0, len(examples), _AT_ONCE):
            some = None if shifts is None else shifts[at : at + _AT_ONCE]
            part = explainer.explain(examples.inputs.slice(at, _AT_ONCE), some)
            for row, told in zip(examples.rows[at : at + _AT_ONCE], part, strict=True):
                items[row] = {"row": int(row), **told}
            stage.advance(len(part))
    return {
        "rows": rows,
        "method": explainer.chosen.method,
        "faithfulness": explainer.chosen.figures,
        "measured": dict(explainer.chosen.measured) or None,
        "explanations": items,
    }


def _unread(explainer: Explainer) -> dict[str, Any]:
    return {
        "prediction": None,
        "confidence": 0.0,
        "method": explainer.chosen.method,
        "attribution": [],
        "because": [],
        "counterfactual": None,
        "sentence": _NOTHING_READ,
        "faithfulness": explainer.chosen.figures,
    }


def _write(
    run: Run, explainer: Explainer, dataset: Dataset, figures: Mapping[str, Any], seen: Sequence[page.Seen]
) -> None:
    items = [json.loads(files.pretty(item)) for item in figures["explanations"]]
    lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    files.write_text(run.folder / "explanations.jsonl", lines)
    files.write_json(run.folder / "explanation.json", {k: v for k, v in figures.items() if k != "explanations"})
    files.write_json(run.folder / "plan.json", explainer.plan.model_dump(mode="json"))
    files.write_json(run.folder / "data.json", {"train": None, "test": dataset.record()})
    files.write_json(run.folder / "environment.json", environment.describe())
    html = page.compose(explainer.expert, explainer.no_memory, dataset, figures, seen)
    files.write_text(run.folder / "explanation.html", html)
    record.seal(run.folder)


# ------------------------------------------------------------------------------------------------------- what is asked


def _is_file(data: str | Path) -> bool:
    """Whether a file is meant: one that is there, an address, or a name that ends like one."""
    if isinstance(data, Path) or is_address(data):
        return True
    words = data.strip()
    # An empty path would be the folder one stands in.
    if not words or "\n" in words or len(words) > 1000 or words.startswith("{"):
        return False
    return Path(words).expanduser().exists() or (words.lower().endswith(_ENDINGS) and " " not in words)


def _row(expert: Expert, text: str) -> Any:
    """The text, or the row that a JSON object spells."""
    if text.lstrip().startswith("{"):
        try:
            row = json.loads(text)
        except ValueError:
            row = None
        if isinstance(row, dict):
            return {**dict.fromkeys(expert.about["reads"]), **row}
    if len(expert.about["reads"]) > 1:
        raise UsageError(
            "no-row",
            f"This expert reads the columns {', '.join(expert.about['reads'])}.",
            found=f"the text {text[:60]!r}",
            fix="Give a row as a JSON object, '{\"" + expert.about["reads"][0] + "\": ...}', or a file.",
        )
    return text


def _examples(expert: Expert, dataset: Dataset) -> Examples:
    """The rows that can be read, whatever stands in a column of labels."""
    unlabelled = replace(dataset, schema=replace(dataset.schema, target=None))
    try:
        return expert.task.prepare(unlabelled, Plan.of(kind=expert.about["task"]), expert.target)
    except DataError as error:
        if error.code != "nothing-left":
            raise
        raise _nothing(error.found) from error


def _nothing(found: str) -> DataError:
    fix = "Give a text with at least one word, a row with at least one value, or a file of them."
    return DataError("nothing-left", "There must be something to explain.", found=found, fix=fix)
