"""`metier bases`: lay the ground, find candidates, rank them, and leave the ranking and a plan in the workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metier import __version__, files
from metier.choose.candidates import candidates
from metier.choose.ground import Ground, lay
from metier.choose.ranking import Ranking, probing_rung, rank
from metier.data.sources import masked, name_of
from metier.govern import environment, record
from metier.plan import Plan
from metier.progress import Progress, Silent
from metier.workspace import Workspace

_SHOWN = 32  # the user's own texts that latency is measured on


@dataclass(frozen=True)
class Choice:
    """The ranking, where it lies, and the figures as `bases --json` gives them."""

    ranking: Ranking
    run: Path
    figures: Mapping[str, Any]


def bases(
    data: str | Path,
    *,
    workspace: str | Path | None = None,
    progress: Progress | None = None,
    plan: Plan | None = None,
    **choices: Any,
) -> Choice:
    """Rank candidate bases for a table of labelled rows: `bases("tickets.csv", target="intent")`.

    Leaves `ranking.json` and `plan.json`, with the best base in it, in a folder of the workspace. Raises MetierError.
    """
    progress, place = progress or Silent(), Workspace.find(workspace)
    plan = plan or Plan.of(**choices)
    plan = plan.model_copy(update={"name": plan.name or name_of(data)})
    ground = lay(data, plan, place)
    probing_rung(ground)
    kept, excluded = candidates(plan, _texts(ground))
    for one in excluded:
        progress.say(f"{one.name} is left out: {one.reason}")
    key = {"bases": plan.model_dump(mode="json"), "data": ground.dataset.source.sha256, "version": __version__}
    with place.open_run(files.digest(key), f"{plan.name}-bases", [ground.dataset.source.sha256]) as run:
        ranking = rank(ground, kept, excluded, progress)
        figures = _figures(ground, ranking, data, run.folder, run.seconds())
        _write(run.folder, ground, ranking, figures)
        record.seal(run.folder)
    return Choice(ranking, run.folder, figures)


def _texts(ground: Ground) -> list[str]:
    inputs = ground.examples.inputs
    return [ground.task.render(inputs, at) for at in range(min(_SHOWN, len(ground.examples)))]


def _figures(ground: Ground, ranking: Ranking, data: str | Path, folder: Path, seconds: float) -> dict[str, Any]:
    return {
        "ranking": [dict(entry) for entry in ranking.entries],
        "chosen": ranking.chosen,
        "metric": ranking.metric,
        "regret": dict(ranking.regret),
        "rounds": list(ranking.rounds),
        "held_out_rows": ranking.held_out,
        "excluded": [asdict(one) for one in ranking.excluded],
        "task": ground.task.name,
        "run": str(folder),
        "plan": str(folder / "plan.json"),
        "next": f"metier tune {masked(data)} --base {ranking.chosen}",
        "seconds": round(seconds, 2),
    }


def _write(folder: Path, ground: Ground, ranking: Ranking, figures: Mapping[str, Any]) -> None:
    """The ranking, and the user's plan with the best base in it and the candidates in their order."""
    order = tuple(str(entry["base"]) for entry in ranking.entries)
    plan = ground.plan.model_copy(
        update={
            "base": ground.plan.base.model_copy(update={"base": ranking.chosen}),
            "choose": ground.plan.choose.model_copy(update={"candidate": order}),
        }
    )
    files.write_json(folder / "plan.json", plan.model_dump(mode="json"))
    files.write_json(folder / "ranking.json", figures)
    files.write_json(folder / "data.json", {"train": ground.dataset.record(), "test": None})
    files.write_json(folder / "environment.json", environment.describe())
