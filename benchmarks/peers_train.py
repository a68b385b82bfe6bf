"""Ours against Hugging Face Trainer: samples a second, and how long each takes to the same test accuracy."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks import datasets, peers
from benchmarks.common import WORK, execute, record, recorded
from benchmarks.ladder import trial, tune

# Every way a person may call the ladder: time to an accuracy is the least wall time of those that reach it.
OURS = {
    "frozen": ("--rung", "frozen", "--time-limit", "none"),
    "90s": ("--time-limit", "90s"),
    "adapter": ("--rung", "adapter", "--time-limit", "none"),
    "default": (),
}
LEARNING_RATES = (2e-5, 5e-5, 1e-4, 2e-4)


def ours(files: datasets.Files) -> dict[str, Any]:
    """`metier tune` four ways, each in a fresh workspace; wall times are those of the whole process."""
    figures = {}
    for name, words in OURS.items():
        run = WORK / "peers_train" / name
        shutil.rmtree(run, ignore_errors=True)
        result = tune(files.train, files.test, files.spec.target, *words, keep=run)
        speeds = run / "rungs" / "adapter" / "metrics.json"
        if speeds.exists():
            result["examples_per_second"] = json.loads(speeds.read_text()).get("examples_per_second")
        figures[name] = {key: value for key, value in result.items() if key != "test_intervals"}
    return figures


def peer(files: datasets.Files, *words: str, python: Path | None = None) -> dict[str, Any]:
    """One run of peer_hf.py in its own environment (or with the interpreter given)."""
    from metier.trunk.base import find

    out = WORK / "peer.json"
    out.unlink(missing_ok=True)
    text = next(name for name in datasets.read(files.train)[0] if name not in (files.spec.target, "split"))
    run = execute([
        python or peers.python("hf"), "-m", "benchmarks.peer_hf", "--model", find("minilm").folder, "--train", files.train,
        "--test", files.test, "--text", text, "--target", files.spec.target, "--out", out, *words,
    ])  # fmt: skip
    if run.code:
        return {"error": run.stderr[-2000:], "process_seconds": run.seconds}
    return {**json.loads(out.read_text()), "process_seconds": run.seconds, "process_peak_mib": run.peak_mib}


def tuned_peer(files: datasets.Files, rates: list[float], epochs: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The peer at its best: learning rate and epochs chosen on 20% of the training rows, then fitted to all of them.

    Gives (the search, the final run); the search's time is recorded but not held against the peer.
    """
    tried = []
    for rate in rates:
        result = peer(files, "--full", "--learning-rate", str(rate), "--epochs", str(epochs), "--validation", "0.2")
        tried.append({"learning_rate": rate, **result})
    metric = files.spec.metric
    best = max(
        ((epoch[metric], run["learning_rate"], epoch["epoch"]) for run in tried for epoch in run.get("epochs", ())),
        default=(0.0, rates[0], epochs),
    )
    search = {
        "tried": [
            {key: run.get(key) for key in ("learning_rate", "epochs", "examples_per_second", "error")} for run in tried
        ],
        "seconds": sum(run["process_seconds"] for run in tried),
        "best": {"validation": best[0], "learning_rate": best[1], "epochs": int(best[2])},
    }
    final = peer(files, "--full", "--learning-rate", str(best[1]), "--epochs", str(int(best[2])))
    return search, final


def ratios(metric: str, mine: dict[str, Any], rival: dict[str, Any]) -> dict[str, Any]:
    """How many times faster we trained, and what share of the rival's wall time we took to its final figure."""
    reached = [
        (run["wall_seconds"], name)
        for name, run in mine.items()
        if run.get("test", {}).get(metric, -1.0) >= rival[metric]
    ]
    wall, name = min(reached, default=(None, None))
    speed = mine.get("adapter", {}).get("examples_per_second")
    return {
        "metric": metric,
        "peer_final": rival[metric],
        "peer_wall_seconds": rival["wall_seconds"],
        "peer_examples_per_second": rival["examples_per_second"],
        "our_examples_per_second": speed,
        "times_examples_per_second": speed and speed / rival["examples_per_second"],
        "our_wall_seconds": wall,
        "our_way": name,
        "share_of_wall_time": wall and wall / rival["wall_seconds"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["banking77"])
    parser.add_argument("--parts", nargs="*", default=["ours", "lora", "full"], choices=["ours", "lora", "full"])
    parser.add_argument("--learning-rates", nargs="*", type=float, default=list(LEARNING_RATES))
    parser.add_argument("--epochs", type=int, default=8, help="the longest full fine-tune tried")
    parser.add_argument("--rows", type=int, help="only so many rows of each file: a trial, not a figure")
    choices = parser.parse_args()
    quick = choices.rows is not None
    for files in datasets.available(choices.names):
        name = files.spec.name
        if quick:
            files = trial(files, choices.rows)
        done: dict[str, Any] = {}

        def keep(part: str, figures: dict[str, Any], start: float) -> None:
            done[part] = figures
            record(f"{name}/{part}", figures, seconds=time.perf_counter() - start, quick=quick,
                   peer=figures.get("versions"))  # fmt: skip

        if "ours" in choices.parts:
            start = time.perf_counter()
            keep("ours", ours(files), start)
        if "lora" in choices.parts:
            start = time.perf_counter()
            keep("lora", peer(files), start)
        if "full" in choices.parts:
            start = time.perf_counter()
            search, final = tuned_peer(files, choices.learning_rates, choices.epochs)
            keep("search", search, start)
            keep("full", final, start)
        compare(name, files.spec.metric, done, quick)


def compare(name: str, metric: str, done: dict[str, Any], quick: bool) -> None:
    """Record the ratios; a part that this run left out is taken from its latest record, with its date."""
    dates = {}
    for line in recorded("peers_train"):
        dataset, part = line["figure"].split("/")
        if dataset == name and line["quick"] == quick and (part not in done or part in dates):
            done[part], dates[part] = line["figures"], line["date"]
    for rival in ("lora", "full"):
        if "ours" in done and "accuracy" in done.get(rival, {}):
            figures = ratios(metric, done["ours"], done[rival])
            record(f"{name}/{rival}-ratios", {**figures, "taken_from": dates}, seconds=0.0, quick=quick)


if __name__ == "__main__":
    main()
