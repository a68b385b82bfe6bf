"""Can membership inference tell an overfitted expert from one that saw each row once, and from a private one?

Three experts of the same rows, all of which start from the labels' names: `overfitted` (a wide adapter,
many passes, nothing to hold it back), `one-epoch` (LoRA as metier sets it, one pass), `private` (the same rows with
differential privacy). `--tuned FOLDER` measures a finished expert as `metier tune` makes it, with its head and words
fitted to convergence on the same rows. All by the attack that `metier evaluate` runs; `untrained`, the generic base put
in the expert's place, is what the attack must not tell.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.common import WORK, record
from metier import expert, tasks
from metier.data import read as reading
from metier.evaluate.case import Case
from metier.evaluate.evaluation import evaluate_outputs
from metier.evaluate.forgetting import ability
from metier.evaluate.forgetting import question as forgetting
from metier.evaluate.metrics import find_metric
from metier.evaluate.privacy import question as membership
from metier.evaluate.room import gather
from metier.expert import Expert
from metier.govern.origin import Origin
from metier.plan import Plan
from metier.progress import Silent
from metier.tasks.contract import Work
from metier.tasks.text_rungs import FrozenPredictor, GenericRung
from metier.trunk.base import find
from metier.trunk.features import Trunk
from metier.tune.heads import Head
from metier.tune.tuned import ADAPTER
from metier.workspace import Workspace

FREE = {"dropout": 0.0, "label_smoothing": 0.0, "weight_decay": 0.0, "rank": 64, "alpha": 128}
WAYS: dict[str, dict[str, Any]] = {
    "overfitted": {"epochs": 10, "layers": 3, "learning_rate": 2e-3, **FREE},
    "one-epoch": {"epochs": 1, "layers": 4},
    "private": {"epsilon": 8.0, "epochs": 5, "layers": 2},
}


def tuned(name: str, way: str, rows: int, seed: int, folder: Path) -> Case:
    """An expert of `rows` training rows, tuned this way, beside its generic base on the test rows."""
    files = datasets.load(name)
    plan = Plan.of(target=files.spec.target, seed=seed, contrastive="no", scale=1.0, **WAYS[way])
    trunk = Trunk(find("minilm"), WORK / "cache")
    dataset, test = (
        reading.read(str(path), plan.data, WORK / "cache" / "tables") for path in (files.train, files.test)
    )
    task = tasks.recognise(dataset.schema)[0]
    every = task.prepare(dataset, plan)
    examples = every.take(np.sort(np.random.default_rng(seed).permutation(len(every))[:rows]))
    unseen = task.prepare(test, plan, examples.target)
    metric = find_metric(None, examples.target)
    work = Work(examples, None, plan, trunk, metric, folder / "work", {}, Silent())
    work.folder.mkdir()
    generic = GenericRung().fit(work)[0]
    names = FrozenPredictor(trunk, Head(generic.head.weight, generic.head.bias))  # type: ignore[attr-defined]
    predictor, settings = ADAPTER.fit(replace(work, earlier={"frozen": names}))
    expert.write(
        folder / "expert",
        plan=plan,
        task=task,
        target=examples.target,
        base=trunk.base,
        base_is="minilm",
        rung="adapter",
        predictor=predictor,
        generic=("generic", generic),
        calibration={"temperature": 1.0},
        threshold=None,
        schema=dataset.schema,
        reads=task.reads(dataset.schema, plan),
        evidence={"generic_calibration": {}, "metric": metric.name, "level": 0.95, "run": "", "settings": settings},
    )
    loaded = Expert.load(folder / "expert", cache=WORK / "cache")
    raw, generic_raw = loaded.outputs(unseen.inputs), loaded.generic.outputs(unseen.inputs)
    evaluation = evaluate_outputs(
        examples.target,
        unseen.targets,
        raw,
        generic_raw,
        metric=metric,
        calibration={"temperature": 1.0},
        generic_calibration={},
        level=0.95,
        seed=seed,
    )
    origin = Origin(None, plan, dataset, examples, np.zeros(len(examples), bool))
    return Case(
        expert=loaded,
        dataset=test,
        examples=unseen,
        evaluation=evaluation,
        generic_raw=generic_raw,
        plan=plan,
        origin=origin,
        no_origin="",
        place=Workspace.find(),
        progress=Silent(),
    )


def finished(folder: str, name: str) -> Case:
    """A finished expert of this data set, its training rows found again in the workspace."""
    place = Workspace.find()
    loaded = Expert.load(folder, cache=place.cache)
    plan = Plan.of(kind=loaded.about["task"])
    dataset = loaded.dataset(reading.read(str(datasets.load(name).test), plan.data, place.cache / "tables"))
    return gather(loaded, dataset, plan, place, Silent())


def figures(case: Case) -> dict[str, Any]:
    """What the attack finds of the expert and of its untrained base, and what tuning did to general ability."""
    untrained = replace(
        case,
        expert=replace(case.expert, predictor=case.expert.generic),
        evaluation=replace(case.evaluation, outputs=case.generic_outputs),
    )
    before, after = ability.ability(case.expert.trunk), ability.ability(case.expert.predictor.trunk)  # type: ignore[attr-defined]
    kept = ability.share_kept(before, after, level=0.95, seed=case.seed)
    fit = forgetting.fitting(case)
    found = dict(membership.ask(case).figures["privacy"])
    found.pop("exposed", None)
    return {
        **found,
        "untrained_auc": membership.ask(untrained).figures["privacy"]["auc"],
        "general_kept": kept and kept.as_json(),
        "train_test_gap": fit and fit.as_json(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", default=["overfitted", "one-epoch"], help=f"of {', '.join(WAYS)}")
    parser.add_argument("--data", default="tweeteval_emotion_train")
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--tuned", help="a finished expert's folder, measured instead")
    choices = parser.parse_args()
    for way in ["tuned"] if choices.tuned else choices.ways:
        start, trials, rung = time.perf_counter(), [], ""
        for seed in [0] if choices.tuned else range(choices.first, choices.first + choices.seeds):
            with tempfile.TemporaryDirectory() as folder:
                if choices.tuned:
                    case = finished(choices.tuned, choices.data)
                else:
                    case = tuned(choices.data, way, choices.rows, seed, Path(folder))
                trials.append({"seed": seed, **figures(case)})
                rung = case.expert.about["rung"]
        found = {**trials[0], **mean(trials), "trials": trials}
        label = f"{way}-{rung}" if choices.tuned else way
        seconds = time.perf_counter() - start
        record(f"{choices.data}/{label}", found, seconds=seconds, quick=choices.rows < 1000)


def mean(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """The AUC over all trials; each has rows of its own, so that their errors are apart from each other."""
    aucs = [trial["auc"] for trial in trials]
    value = float(np.mean([auc["value"] for auc in aucs]))
    half = float(np.sqrt(sum(((auc["high"] - auc["low"]) / 2) ** 2 for auc in aucs))) / len(aucs)
    return {"membership_auc": value, "auc": {"value": value, "low": value - half, "high": value + half}}


if __name__ == "__main__":
    main()
