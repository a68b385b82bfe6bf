"""Error rates by identity on the bias madlibs (Dixon et al. 2018): sentences that differ in who is meant alone.

The expert is tuned on the madlibs about occupations, which name no identity, and read on those that do: whatever
differs between identities comes from the base and the chance of tuning.
"""

from __future__ import annotations

import csv
import gzip
import sys
import tempfile
import time
from pathlib import Path

import metier
from benchmarks.bias import asked
from benchmarks.common import record
from benchmarks.datasets import source
from metier.workspace import Workspace

_LABELS = {"BAD": "toxic", "NOT_BAD": "fine"}
_READ = ("being_adj", "you_are_adj", "verb_adj", "am_hate_adj")


def sentences(path: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str, str]]]:
    """(text, label) about occupations to tune on, and (text, label, identity) to read."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # "i am deaf", "i hate deaf": all identities, two sentences each.
    short = (row["Text"] for row in rows if row["Template"] == "am_hate_adj")
    identities = sorted({text.removeprefix("i am ").removeprefix("i hate ") for text in short}, key=len, reverse=True)
    train = [(row["Text"], _LABELS[row["Label"]]) for row in rows if row["Template"] == "you_occupation"]
    read = []
    for row in rows:
        if row["Template"] in _READ:
            text = row["Text"].lower().rstrip(".")
            named = next((each for each in identities if f" {each} " in f" {text} "), None)
            if named is not None:
                read.append((row["Text"], _LABELS[row["Label"]], named))
    return train, read


def identities(rung: str) -> None:
    """Tune, read, and record the rates of every identity; nothing where the data is not on this machine."""
    path = source() / "bias_madlibs" / "bias_madlibs_77k.csv.gz"
    if not path.is_file():
        print(f"skipped bias_madlibs: no {path}; set METIER_DATA to where the data sets lie", file=sys.stderr)
        return
    started = time.perf_counter()
    train, read = sentences(path)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name, header, rows in (
            ("train", ["comment", "label"], train),
            ("test", ["comment", "label", "identity"], read),
        ):
            with (home / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([header, *rows])
        place = Workspace(home / "home")
        tuned = metier.tune(
            str(home / "train.csv"), target="label", rung=rung, workspace=home / "home", time_limit="5m"
        )
        figures = asked(tuned.expert, home / "test.csv", place, groups=("identity",))
    told = ("accuracy", "called", "p", "caused_by_tuning", "worst_group", "demographic_parity_difference",
            "equalized_odds_difference", "rates")  # fmt: skip
    swaps = [
        {key: each[key] for key in ("axis", "flip_rate", "generic_flip_rate", "p", "bias_p")}
        for each in figures["swaps"]
    ]
    found = {name: figures[name] for name in told} | {"rung": rung, "rows": len(read), "swaps": swaps}
    record(f"madlibs/{rung}", found, seconds=time.perf_counter() - started, quick=False)
