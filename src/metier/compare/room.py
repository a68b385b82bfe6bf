"""`metier compare`: lay the ground, fit every way over growing numbers of labels, and say what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metier import __version__, files
from metier.choose.ground import Ground, lay
from metier.compare import advice, outcome
from metier.compare.curves import Field, measure, sizes
from metier.compare.energy import Meter
from metier.compare.ways import ways
from metier.data.sources import name_of
from metier.data.split import split
from metier.govern import environment, record
from metier.pages import comparison
from metier.plan import Plan
from metier.progress import Progress, Silent
from metier.trunk import base as bases
from metier.trunk.features import Trunk
from metier.workspace import Run, Workspace

TIME_LIMIT = 1200.0
_ASKED = ("goal", "more_labels", "price_per_hour")  # choices that change no fit
_EVIDENCE = 0.03  # of the time limit, kept back for intervals and the page


@dataclass(frozen=True)
class Comparison:
    """The outcome, where it lies, and the figures as `compare --json` gives them."""

    outcome: outcome.Outcome
    run: Path
    report: Path
    figures: Mapping[str, Any]


def compare(
    data: str | Path,
    *,
    workspace: str | Path | None = None,
    progress: Progress | None = None,
    plan: Plan | None = None,
    **choices: Any,
) -> Comparison:
    """Fine-tuned, as is, or from scratch? `compare("tickets.csv", target="intent", time_limit="5m")`.

    Measured on `test` if that is given, else on the held-out rows of the split. A run that was cut short goes on where
    it stood when the same call is made again. Raises MetierError.
    """
    progress, place = progress or Silent(), Workspace.find(workspace)
    plan = plan or Plan.of(**choices)
    name = plan.name or name_of(data)
    if "time_limit" not in plan.ladder.model_fields_set:
        plan = plan.model_copy(update={"ladder": plan.ladder.model_copy(update={"time_limit": TIME_LIMIT})})
    ground = lay(data, plan.model_copy(update={"name": name}), place)
    compared, left_out = ways(ground)
    base = bases.find(plan.base.base, max_tokens=plan.base.max_tokens)
    with place.open_run(_key(ground, base), f"{name}-compare", [ground.dataset.source.sha256]) as run:
        if run.resumed:
            progress.say(f"going on with {run.folder.name}, {run.elapsed:.0f} s in")
        field = _field(ground, Trunk(base, place.cache, progress), run, progress)
        wished = sizes(len(field.pool), ground.examples.target.width, plan.compare.sizes)
        fits, skipped = measure(field, compared, wished)
        found = outcome.add_up(
            field, compared, fits, skipped, left_out, energy_measured=Meter(plan.compare.watts_per_core).measured
        )
        figures = _write(run, ground, found)
        record.seal(run.folder)
    return Comparison(found, run.folder, run.folder / "comparison.html", figures)


def _field(ground: Ground, trunk: Trunk, run: Run, progress: Progress) -> Field:
    if ground.test_examples is not None:
        pool, held_out = ground.examples, ground.test_examples
    else:
        parts = split(ground.examples, ground.plan)
        pool, held_out = ground.examples.take(parts.train), ground.examples.take(parts.validation)
    limit = ground.plan.ladder.time_limit

    def clock() -> float | None:
        return None if limit is None else (1 - _EVIDENCE) * limit - run.seconds()

    return Field(
        pool=pool,
        held_out=held_out,
        trunk=trunk,
        metric=ground.metric,
        plan=ground.plan,
        folder=ground.place.cache / "comparisons" / run.key,
        progress=progress,
        clock=clock,
    )


def _write(run: Run, ground: Ground, found: outcome.Outcome) -> dict[str, Any]:
    report = run.folder / "comparison.html"
    figures = {
        **outcome.figures(found),
        "advice": " ".join([advice.headline(found), *advice.sentences(found)]),
        "task": ground.task.name,
        "run": str(run.folder),
        "report": str(report),
        "seconds": round(run.seconds(), 2),
    }
    files.write_json(run.folder / "comparison.json", figures)
    files.write_json(run.folder / "plan.json", ground.plan.model_dump(mode="json"))
    test = ground.test.record() if ground.test else None
    files.write_json(run.folder / "data.json", {"train": ground.dataset.record(), "test": test})
    files.write_json(run.folder / "environment.json", environment.describe())
    files.write_text(report, comparison.compose(found, ground))
    return figures


def _key(ground: Ground, base: bases.Base) -> str:
    """What a run would fit; what it is asked beyond that (a price, a goal) takes the same fits."""
    asked = {"name": None, "compare": ground.plan.compare.model_copy(update=dict.fromkeys(_ASKED))}
    plan = ground.plan.model_copy(update=asked).model_dump(mode="json", warnings=False)
    about = {
        "compare": plan,
        "data": ground.dataset.source.sha256,
        "test": ground.test and ground.test.source.sha256,
        "base": base.sha256,
        "version": __version__,
    }
    return files.digest(about)
