"""What `metier curate` finds of the faults planted in the help-desk tickets, and how often it cries wolf."""

from __future__ import annotations

import argparse
import csv
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT, WORK, metier, record

TICKETS = ROOT / "examples" / "support"
# Kind of planted fault -> the kinds of finding that would be right on such a row.
ANSWERS = {
    "duplicate-exact": {"duplicate"},
    "duplicate-near": {"duplicate", "near_duplicate"},
    "label-symmetric": {"label_error"},
    "label-confusable": {"label_error"},
    "personal": {"personal_data"},
    "offtopic": {"off_topic", "wrong_language", "broken"},
    "language": {"wrong_language"},
}


def planted() -> dict[str, dict[int, str]]:
    """Kind -> row -> detail; kinds of personal data are one kind."""
    found: dict[str, dict[int, str]] = defaultdict(dict)
    with (TICKETS / "planted.csv").open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            kind = "personal" if line["kind"].startswith("personal") else line["kind"]
            found[kind][int(line["row"])] = line["detail"]
    return dict(found)


def measured(answer: dict[str, Any]) -> dict[str, Any]:
    """Of each planted kind: how many rows were found, flagged for action, and named rightly; alarms elsewhere by kind.

    A copy counts as found on either of its two rows. Names in ordinary sentences are not listed as planted, so not all
    alarms of personal data are false.
    """
    faults = planted()
    kinds: dict[int, set[str]] = defaultdict(set)
    acted: set[int] = set()
    labels: dict[int, str] = {}
    for one in answer["findings"]:
        if one["row"] is None or one["file"] != str(TICKETS / "tickets.csv"):
            continue
        kinds[one["row"]].add(one["kind"])
        kinds_of_related = one["related"] if one["kind"] in ("duplicate", "near_duplicate") else []
        for row in kinds_of_related:
            kinds[row].add(one["kind"])
        if one["action"] in ("drop", "relabel", "rewrite"):
            acted.add(one["row"])
        if one["kind"] == "label_error":
            labels[one["row"]] = one["suggestion"]
    found: dict[str, Any] = {}
    for name, rows in sorted(faults.items()):
        right = ANSWERS.get(name, {"broken", "invalid", "wrong_language", "off_topic", "truncated"})
        seen = [row for row in rows if kinds[row] & right]
        told = {"planted": len(rows), "found": len(seen), "acted_on": len([row for row in seen if row in acted])}
        if name.startswith("label"):
            told["right_suggestion"] = sum(labels.get(row) == detail for row, detail in rows.items())
        found[name] = told
    sound = {row for row in kinds if not any(row in rows for rows in faults.values())}
    copied = {int(detail) for name in ("duplicate-exact", "duplicate-near") for detail in faults[name].values()}
    alarms = Counter(kind for row in sound - copied for kind in kinds[row])
    proposals = Counter(
        one["kind"]
        for one in answer["findings"]
        if one["row"] in sound - copied and one["action"] in ("drop", "relabel", "rewrite")
    )
    return {"kinds": found, "elsewhere": dict(alarms), "acted_on_elsewhere": dict(proposals)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=WORK / "planted")
    choices, words = parser.parse_known_args()
    start = time.perf_counter()
    command = ["curate", str(TICKETS / "tickets.csv"), "--target", "intent"]
    answer, run = metier(*command, "--workspace", choices.workspace, *words)
    if "error" in answer:
        figures: dict[str, Any] = {"error": answer["error"]}
    else:
        kept = ("summary", "noise_rate", "questions", "fates")
        figures = {**measured(answer), **{name: answer[name] for name in kept}, "wall_seconds": round(run.seconds, 1)}
    record("planted", figures, seconds=time.perf_counter() - start, quick=bool(words))


if __name__ == "__main__":
    main()
