"""Is a planted bias found, and a fair twin left alone? Rates over seeds, and per-identity errors on the bias madlibs.

python -m benchmarks.bias --seeds 20 --rung frozen
python -m benchmarks.bias madlibs
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import metier
from benchmarks.bias_texts import AXES, comments, write
from benchmarks.common import record
from metier import lifecycle
from metier.evaluate import room
from metier.evaluate.bias import question as bias
from metier.evaluate.intervals import wilson
from metier.expert import Expert
from metier.plan import Plan
from metier.progress import Silent
from metier.workspace import Workspace

_FIRST_SEED = 1000  # seeds below it were seen while the method was made


def asked(expert: Path, test: Path, place: Workspace, **choices: Any) -> dict[str, Any]:
    """The figures of `bias` of an expert on a file."""
    loaded = Expert.load(expert, cache=place.cache)
    plan = Plan.of(kind=loaded.about["task"], **choices)
    dataset = loaded.dataset(lifecycle.read(test, plan, place))
    case = room.gather(loaded, dataset, plan, place, Silent())
    answer = bias.ask(case)
    return dict(answer.figures["bias"]) | {"accuracy": case.evaluation.metrics["accuracy"].value}


def trial(axis: str, planted: bool, seed: int, rung: str, folder: Path) -> dict[str, Any]:
    """Tune on one draw of comments; what the swaps say of it, axis by axis."""
    made = comments(axis, planted=planted, seed=seed)
    train, test = write(folder / "train.csv", made.train), write(folder / "test.csv", made.test)
    home = folder / "home"
    tuned = metier.tune(str(train), target="label", rung=rung, workspace=home, seed=seed, time_limit="5m")
    figures = asked(tuned.expert, test, Workspace(home), seed=seed)
    return {
        "axis": axis,
        "seed": seed,
        "accuracy": figures["accuracy"],
        "found": any(each["p"] < 0.05 for each in figures["swaps"]),
        "biased": any(each["biased"] for each in figures["swaps"]),
        "swaps": [
            {name: each[name] for name in ("axis", "flip_rate", "generic_flip_rate", "neutral_flip_rate", "p", "bias_p",
                                           "rows", "tests")}
            for each in figures["swaps"]
        ],
    }  # fmt: skip


def rates(seeds: int, rung: str, first: int) -> None:
    """Record how often a bias is found where one is planted and where none is; axes take turns."""
    axes = list(AXES)
    for planted in (True, False):
        started, trials = time.perf_counter(), []
        for number in range(seeds):
            with tempfile.TemporaryDirectory() as folder:
                trials.append(trial(axes[number % len(axes)], planted, first + number, rung, Path(folder)))
            print(trials[-1], flush=True)
        found, biased = (sum(each[name] for each in trials) for name in ("found", "biased"))
        low, high = wilson(found, seeds)
        figures = {
            "rate": found / seeds,
            "low": low,
            "high": high,
            "biased_rate": biased / seeds,
            "seeds": seeds,
            "rung": rung,
            "accuracy": float(np.mean([each["accuracy"] for each in trials])),
            "trials": trials,
        }
        name = f"swaps/{'planted' if planted else 'fair'}/{rung}"
        record(name, figures, seconds=time.perf_counter() - started, quick=seeds < 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="rates", choices=["rates", "madlibs"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=_FIRST_SEED)
    parser.add_argument("--rung", default="frozen")
    choices = parser.parse_args()
    if choices.what == "madlibs":
        from benchmarks.bias_madlibs import identities

        identities(choices.rung)
    else:
        rates(choices.seeds, choices.rung, choices.first)


if __name__ == "__main__":
    main()
