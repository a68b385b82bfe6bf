"""Ours against Hugging Face Trainer: samples a second, and how long each takes to the same test accuracy."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import datasets, peers
from benchmarks.common import WORK, execute, record, recorded
from benchmarks.ladder import speed, trial, tune

# Every way a person may call the ladder: time to an accuracy is the least wall time of those that reach it.
OURS = {
    "30s": ("--time-limit", "30s"),
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
        result = tune(files.train, files.test, files.spec.target, *words)
        figures[name] = {key: value for key, value in result.items() if key != "test_intervals"}
    return figures


def peer(files: datasets.Files, *words: str, python: Path | None = None) -> dict[str, Any]:
    """One run of peer_hf.py in its own environment (or with the interpreter given)."""
    from metier.trunk.base import find

    out = WORK / "peer.json"
    out.unlink(missing_ok=True)
    text = next(name for name in datasets.read(files.train)[0] if name not in (files.spec.target, "split"))
    run = execute([
        python or peers.python("hf"), "-m", "benchmarks.peer_hf", "--model", find("minilm").folder,
        "--train", files.train, "--test", files.test, "--text", text, "--target", files.spec.target,
        "--out", out, *words,
    ])  # fmt: skip
    if run.code:
        raise RuntimeError(f"the peer failed: {run.command}\n{run.stderr[-2000:]}")
    return {**json.loads(out.read_text()), "process_seconds": run.seconds, "process_peak_mib": run.peak_mib}


def searched(files: datasets.Files, rates: list[float], epochs: int) -> dict[str, Any]:
    """The best learning rate and number of epochs of a full fine-tune, by 20% of the training rows.

    The search's time is recorded and not held against the peer.
    """
    tried = []
    for rate in rates:
        result = peer(files, "--full", "--learning-rate", str(rate), "--epochs", str(epochs), "--validation", "0.2")
        tried.append({"learning_rate": rate, **result})
    best = max(
        ((epoch[files.spec.metric], run["learning_rate"], epoch["epoch"]) for run in tried for epoch in run["epochs"]),
    )
    kept = ("learning_rate", "epochs", "examples_per_second")
    return {
        "tried": [{key: run[key] for key in kept} for run in tried],
        "seconds": sum(run["process_seconds"] for run in tried),
        "best": {"validation": best[0], "learning_rate": best[1], "epochs": int(best[2])},
        "versions": tried[0]["versions"],
    }


def ratios(metric: str, mine: dict[str, Any], rival: dict[str, Any]) -> dict[str, Any]:
    """How many times faster we trained, and what share of the rival's time we took to its final figure.

    Both on one thread: then processor seconds are compared, which a busy machine does not lengthen. Else wall seconds.
    """
    clock = "cpu_seconds" if rival.get("threads") == 1 else "wall_seconds"
    reached = [
        (run[clock], name) for name, run in mine.items() if run.get("test", {}).get(metric, -1.0) >= rival[metric]
    ]
    seconds, name = min(reached, default=(None, None))
    loop, whole = speed(mine.get("adapter", {})).values()
    peer_speed = rival["examples_per_cpu_second" if clock == "cpu_seconds" else "examples_per_second"]
    return {
        "metric": metric,
        "clock": clock,
        "peer_final": rival[metric],
        "peer_seconds": rival[clock],
        "peer_examples_per_second": peer_speed,
        "our_examples_per_second": loop,
        "times_examples_per_second": loop and loop / peer_speed,
        "times_examples_per_second_of_whole_rung": whole and whole / peer_speed,
        "our_seconds": seconds,
        "our_way": name,
        "share_of_time": seconds and seconds / rival[clock],
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
        some = files if choices.rows is None else trial(files, choices.rows)
        done: dict[str, Any] = {}
        start = time.perf_counter()
        for part, figures in parts(some, choices):
            done[part] = figures
            record(f"{files.spec.name}/{part}", figures, seconds=time.perf_counter() - start, quick=quick,
                   peer=figures.get("versions"))  # fmt: skip
            start = time.perf_counter()
        compare(files.spec.name, files.spec.metric, done, quick)


def parts(files: datasets.Files, choices: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """The parts asked for, each given as soon as it is done, so that a broken-off run keeps what it has."""
    if "ours" in choices.parts:
        yield "ours", ours(files)
    if "lora" in choices.parts:
        yield "lora", peer(files)
    if "full" in choices.parts:
        search = searched(files, choices.learning_rates, choices.epochs)
        yield "search", search
        best = search["best"]
        yield (
            "full",
            peer(files, "--full", "--learning-rate", str(best["learning_rate"]), "--epochs", str(best["epochs"])),
        )


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
