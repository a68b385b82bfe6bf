"""Ours against SetFit at a few examples a class: the same training rows, the same test rows, seed by seed.

Both sides compute on one thread, and their processor seconds are compared, imports included: what else the machine
does then costs neither side.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks import datasets, peers
from benchmarks.common import WORK, execute, record
from benchmarks.ladder import tune

NAMES = ("tweeteval_emotion_train", "financial_phrasebank", "sms_spam", "ag_news")
PLACE = WORK / "few_shot"


def jobs(files: datasets.Files, shots: int, seed: int, test_rows: int) -> dict[str, Any]:
    """Write one draw: `shots` training rows of each label by this seed, and the test rows all draws share."""
    spec = files.spec
    by_label: dict[str, list[datasets.Row]] = defaultdict(list)
    for row in datasets.read(files.train):
        by_label[row[spec.target]].append(row)
    rng = random.Random(f"{spec.name} {shots} {seed}")
    train = [row for label in sorted(by_label) for row in rng.sample(by_label[label], shots)]
    rng.shuffle(train)
    test = datasets.read(files.test)
    if len(test) > test_rows:
        test = random.Random(0).sample(test, test_rows)
    PLACE.mkdir(parents=True, exist_ok=True)
    paths = PLACE / f"{spec.name}-{shots}-{seed}.csv", PLACE / f"{spec.name}-test-{test_rows}.csv"
    for path, rows in zip(paths, (train, test), strict=True):
        datasets.write(path, rows)
    return {
        "id": f"{spec.name}/{shots}/{seed}", "train": str(paths[0]), "test": str(paths[1]), "target": spec.target,
        "text": next(name for name in train[0] if name != spec.target), "seed": seed,
    }  # fmt: skip


def ours(job: dict[str, Any]) -> dict[str, Any]:
    """`metier tune` with default settings, process start to process end."""
    result = tune(Path(job["train"]), Path(job["test"]), job["target"])
    if "error" in result:
        return {"id": job["id"], "error": result["error"]}
    return {
        "id": job["id"],
        "accuracy": result["test"]["accuracy"],
        "macro_f1": result["test"]["macro_f1"],
        "seconds": result["seconds"],
        "wall_seconds": result["wall_seconds"],
        "cpu_seconds": result["cpu_seconds"],
        "chosen": result["chosen"],
    }


def setfit(todo: list[dict[str, Any]], out: Path) -> dict[str, dict[str, Any]]:
    """Run the jobs that `out` has no line for yet; a crash costs one job, not the night."""
    from metier.trunk.base import find

    done = lines(out)
    missing = [job for job in todo if job["id"] not in done]
    if missing:
        listed = PLACE / "jobs.json"
        listed.write_text(json.dumps(missing), encoding="utf-8")
        command = [peers.python("setfit"), "-m", "benchmarks.setfit_peer", "--jobs", listed, "--out", out]
        execute([*command, "--model", find("minilm").folder])
    return lines(out)


def lines(path: Path) -> dict[str, dict[str, Any]]:
    """JSON lines by job."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return {line["id"]: line for line in map(json.loads, text.splitlines())}


def interval(differences: np.ndarray, level: float = 0.95) -> dict[str, float | None]:
    """Mean of paired differences with Student's interval over the seeds; one seed has none."""
    mean = float(differences.mean())
    if len(differences) < 2:
        return {"mean": mean, "low": None, "high": None}
    half = float(stats.t.ppf((1 + level) / 2, len(differences) - 1) * stats.sem(differences))
    return {"mean": mean, "low": mean - half, "high": mean + half}


def summary(mine: dict[str, Any], theirs: dict[str, Any], metric: str = "accuracy") -> dict[str, Any]:
    """Figures over the jobs both finished; `share_of_time` charges each side its whole process, imports included.

    SetFit's imports are added to every job of its, because a person who tunes once waits for them once, as ours does.
    """
    both = [job for job in mine if job in theirs and metric in mine[job] and metric in theirs[job]]
    if not both:
        return {"jobs": 0, "failed": sorted(mine)}
    a = np.array([mine[job][metric] for job in both])
    b = np.array([theirs[job][metric] for job in both])
    spent = sum(mine[job]["cpu_seconds"] for job in both)
    rival_spent = sum(theirs[job]["cpu_seconds"] + theirs[job]["import_cpu_seconds"] for job in both)
    seeds: dict[str, list[float]] = defaultdict(list)
    for job, difference in zip(both, a - b, strict=True):
        seeds[job.rsplit("/", 1)[1]].append(float(difference))
    return {
        "jobs": len(both),
        "seeds": len(seeds),
        "failed": sorted(set(mine) - set(both)),
        "ours": float(a.mean()),
        "setfit": float(b.mean()),
        "difference": interval(np.array([np.mean(each) for each in seeds.values()])),
        "our_cpu_seconds": spent / len(both),
        "setfit_cpu_seconds": rival_spent / len(both),
        "share_of_time": spent / rival_spent,
        "chosen": {
            name: sum(mine[job]["chosen"] == name for job in both) for name in {mine[job]["chosen"] for job in both}
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--shots", nargs="*", type=int, default=[8, 16])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--resume", action="store_true", help="keep the jobs an earlier, broken-off run finished")
    parser.add_argument(
        "--parts", nargs="*", default=["ours", "setfit"], choices=["ours", "setfit"],
        help="whose jobs to run; the other side's kept results stand beside them",
    )  # fmt: skip
    choices = parser.parse_args()
    found = datasets.available(choices.names)
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", RAYON_NUM_THREADS="1")
    mine_at, theirs_at = PLACE / "ours.jsonl", PLACE / "setfit.jsonl"
    for part, path in (("ours", mine_at), ("setfit", theirs_at)):
        if part in choices.parts and not choices.resume:
            path.unlink(missing_ok=True)
    # Fewer seeds are shown too, with their number; they never meet the figure.
    quick = choices.test_rows < 1000 or len(found) < len(NAMES)
    start = time.perf_counter()
    todo = [
        jobs(files, shots, seed, choices.test_rows)
        for seed in range(choices.seeds)
        for files in found
        for shots in choices.shots
    ]
    mine = lines(mine_at)
    for job in todo:
        if "ours" in choices.parts and job["id"] not in mine:
            mine[job["id"]] = ours(job)
            with mine_at.open("a", encoding="utf-8") as file:
                file.write(json.dumps(mine[job["id"]]) + "\n")
    theirs = setfit(todo, theirs_at) if "setfit" in choices.parts else lines(theirs_at)
    mine = {job["id"]: mine[job["id"]] for job in todo if job["id"] in mine}
    versions = next(iter(theirs.values()), {}).get("versions")
    for part in [*(f"{files.spec.name}/{shots}" for files in found for shots in choices.shots), "all"]:
        chosen = {job: line for job, line in mine.items() if part == "all" or job.startswith(f"{part}/")}
        if chosen:
            record(part, summary(chosen, theirs), seconds=time.perf_counter() - start, quick=quick, peer=versions)


if __name__ == "__main__":
    main()
