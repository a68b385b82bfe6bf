"""CheckList's 38 behavioural tests of sentiment (Ribeiro et al. 2020), run on an expert tuned on sentiment.

The expert learns from reviews, financial news and tweets; none of them is about airlines, which the tests are. Three
tests of the released suite hold no texts (a pickled editor's stubs): they are made anew after the paper's example.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.common import WORK, metier, record
from metier import lifecycle
from metier.evaluate import room
from metier.evaluate.robustness import behaviours
from metier.evaluate.robustness.behaviours_file import Behaviour, Trial
from metier.expert import Expert
from metier.plan import Plan
from metier.progress import Silent
from metier.workspace import Workspace

LABELS = ("negative", "neutral", "positive")
_FEELINGS = {"anger": "negative", "sadness": "negative", "joy": "positive", "optimism": "positive"}
_KINDS = {"MFT": "minimum", "INV": "invariance", "DIR": "directional"}
_TOLERANCE = 0.1  # CheckList's own threshold of INV and DIR
# Directional test -> the label watched (none: the answer given first), how it must move, and the answers it is about.
_MOVES: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "intensifiers": ((), "not fall", ("negative", "positive")),
    "reducers": ((), "not rise", ("negative", "positive")),
    "add positive phrases": (("positive",), "not fall", ()),
    "add negative phrases": (("positive",), "not rise", ()),
    '"used to" should reduce': ((), "not rise", ("negative", "positive")),
}
_STUB = "__main__.Stub"


def sentiment(most: int) -> tuple[Path, Path]:
    """Train and test files of texts with one of three labels, from three sets; their own splits are kept.

    `most` reviews are taken of each end of the scale.
    """
    folder = WORK / "data" / f"sentiment-{most}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "train.csv", folder / "test.csv"
    sets = [
        datasets.load(name) for name in ("financial_phrasebank", "tweeteval_emotion_train", "womens_clothing_rating")
    ]
    for part, path in enumerate(paths):
        news, tweets, reviews = (datasets.read((one.train, one.test)[part]) for one in sets)
        rows = [(row["sentence"], row["sentiment"]) for row in news]
        rows += [(row["text"], _FEELINGS[row["emotion"]]) for row in tweets]
        for label, stars in (("negative", ("1", "2")), ("positive", ("5",))):
            some = [(row["Review Text"], label) for row in reviews if row["Rating"] in stars and row["Review Text"]]
            rows += some[: most if part == 0 else most // 5]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "sentiment"])
            writer.writerows(rows)
    return paths


def tuned(train: Path, test: Path, rung: str) -> Path:
    """The expert, made once."""
    folder = WORK / f"{train.parent.name}-{rung}"
    if not (folder / "metier.json").exists():
        words: list[str | Path] = ["tune", train, "--target", "sentiment", "--rung", rung, "--time-limit", "none"]
        answer, run = metier(*words, "--test", test, "-o", folder, "--workspace", WORK / "home")
        if run.code:
            raise SystemExit(str(answer))
    return folder


def suite() -> dict[str, list[dict[str, Any]]]:
    """Test -> its cases, in the released order."""
    path = datasets.source() / "checklist_sentiment" / "sentiment_suite.jsonl.gz"
    found: dict[str, list[dict[str, Any]]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            case = json.loads(line)
            found.setdefault(case["test"], []).append(case)
    return found


def behaviour(name: str, cases: list[dict[str, Any]], words: dict[str, list[str]], most: int) -> Behaviour:
    """One test as a behaviour, with at most so many of its cases, evenly taken."""
    kind = _KINDS[cases[0]["type"]]
    watched, must, when = _MOVES.get(name, ((), "", ()))
    if any(_STUB in text for text in cases[0]["texts"]):
        trials = list(rebuilt(name, words))
    elif kind == "minimum":
        trials = [Trial(tuple(case["texts"]), right(case)) for case in cases]
    else:
        trials = [Trial(tuple(case["texts"]), watched) for case in cases]
    keep = np.unique(np.linspace(0, len(trials) - 1, min(most, len(trials))).round().astype(int))
    some = tuple(trials[at] for at in keep)
    return Behaviour(name, kind, some, must=must, tolerance=0.0 if kind == "minimum" else _TOLERANCE, when=when)


def right(case: dict[str, Any]) -> tuple[str, ...]:
    """The labels that are right."""
    return ("neutral", "positive") if case["expect"] == "not_negative" else (LABELS[int(case["label"])],)


def adjectives(tests: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    """The suite's own words of each sentiment, out of its sentences about a flight."""
    found: dict[str, list[str]] = {label: [] for label in LABELS}
    for name in ("Sentiment-laden words in context", "neutral words in context"):
        for case in tests[name]:
            head, _, tail = case["texts"][0].partition(" flight is ")
            if head == "The" and tail.count(" ") == 0:
                found[LABELS[int(case["label"])]].append(tail.rstrip("."))
    return {label: sorted(set(some)) for label, some in found.items()}


def rebuilt(name: str, words: dict[str, list[str]]) -> Iterator[Trial]:
    """The tests that came without texts: "I wouldn't say, given it's a Tuesday, that this pilot was great"."""
    doubts = ("I can't say", "I don't think", "I wouldn't say")
    asides = ("given it's a Tuesday", "given that I bought it last week", "given all I have seen over the years")
    nouns = ("pilot", "flight", "seat", "service", "aircraft")
    kind = "neutral" if name.startswith("negation of neutral") else "positive" if "of positive" in name else "negative"
    labels = {"neutral": ("neutral",), "positive": ("negative",), "negative": ("neutral", "positive")}[kind]
    for doubt, aside, noun, word in itertools.product(doubts, asides, nouns, words[kind]):
        article = "an" if word[0].lower() in "aeiou" else "a"
        yield Trial((f"{doubt}, {aside}, that this is {article} {word} {noun}.",), labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=500, help="cases of each test, evenly taken")
    parser.add_argument("--rung", default="frozen")
    parser.add_argument("--reviews", type=int, default=1500, help="of each end of the scale, to learn from")
    choices = parser.parse_args()
    start = time.perf_counter()
    train, test = sentiment(choices.reviews)
    expert = Expert.load(tuned(train, test, choices.rung))
    plan, place = Plan.of(kind=expert.about["task"]), Workspace.find(WORK / "home")
    case = room.gather(expert, expert.dataset(lifecycle.read(str(test), plan, place)), plan, place, Silent())
    tests = suite()
    words = adjectives(tests)
    rows = []
    for name, cases in tests.items():
        result = behaviours.run(case, behaviour(name, cases, words, choices.most))
        told = {key: value for key, value in result.as_json().items() if key not in ("examples", "allowed", "passed")}
        rows.append({**told, "capability": cases[0]["capability"], "rebuilt": _STUB in cases[0]["texts"][0]})
        share = "–" if told["rate"] is None else f"{told['rate']:6.1%}"
        print(f"{share} of {told['cases']:5}  {told['kind']:11}  {name}", flush=True)
    rates = {kind: float(np.mean([row["rate"] for row in rows if row["kind"] == kind and row["cases"]]))
             for kind in _KINDS.values()}  # fmt: skip
    figures = {
        "tests": len(rows),
        "cases": sum(row["cases"] for row in rows),
        "accuracy": case.evaluation.metrics["accuracy"].as_json(),
        "failure_rates": rates,
        "table": rows,
    }
    quick = choices.most < 500 or choices.reviews < 1500
    record(f"checklist/{choices.rung}", figures, seconds=time.perf_counter() - start, quick=quick)


if __name__ == "__main__":
    main()
