"""Rows of another data set mixed in: how surely they are found without labels, and how often a clean row is called so.

The score reads no labels: strays that carry random labels and data without any give the same figure by construction.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks import datasets
from benchmarks.common import WORK, record
from metier.curate import topic
from metier.trunk.base import find
from metier.trunk.features import Trunk

COLUMNS = {
    "banking77": "text",
    "ag_news": "text",
    "sms_spam": "message",
    "medical_abstracts": "abstract",
    "financial_phrasebank": "sentence",
    "womens_clothing_reviews": "Review Text",
    "tweeteval_emotion_joined": "text",
}
# Host and strays; the last four are hard: the strays are plainer or more alike than the host's own rows.
PAIRS = (
    ("banking77", "ag_news"),
    ("banking77", "sms_spam"),
    ("banking77", "medical_abstracts"),
    ("banking77", "own_clothing_questions"),
    ("medical_abstracts", "sms_spam"),
    ("womens_clothing_reviews", "financial_phrasebank"),
    ("ag_news", "banking77"),
    ("tweeteval_emotion_joined", "banking77"),
    ("ag_news", "financial_phrasebank"),
    ("financial_phrasebank", "ag_news"),
    ("sms_spam", "banking77"),
)
_ASKED = ("how do i return", "can i exchange", "where is", "do you have", "when will you restock", "what size is",
          "how should i wash", "is there a discount on", "i have not received", "why did you cancel")  # fmt: skip
_WORN = ("the blue dress", "these jeans in a larger size", "my winter coat", "the wool jumper", "this skirt in black",
         "the leather boots", "a rain jacket for my son", "the silk blouse", "running shoes",
         "the linen trousers")  # fmt: skip
_WHEN = ("", " that i ordered last week", " from the spring collection")


def texts_of(name: str, most: int | None) -> list[str]:
    """The training texts of a data set, or questions to a clothes shop: shaped like a bank's, of another trade."""
    if name == "own_clothing_questions":
        return [f"{asked} {worn}{when}?" for asked in _ASKED for worn in _WORN for when in _WHEN]
    rows = datasets.read(datasets.load(name).train)
    return [row[COLUMNS[name]] for row in rows if row[COLUMNS[name]].strip()][:most]


def mixed(host: np.ndarray, strays: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of the host with `share` of its rows added from the strays, shuffled; and which are strays."""
    rng = np.random.default_rng(seed)
    count = min(len(strays), round(share * len(host)))
    both = np.concatenate([host, strays[rng.choice(len(strays), count, replace=False)]])
    truth = np.r_[np.zeros(len(host)), np.ones(count)]
    order = rng.permutation(len(both))
    return both[order], truth[order]


def figures(vectors: np.ndarray, truth: np.ndarray, seed: int) -> dict[str, float]:
    """Ranking (where there are strays), and what is shown and proposed for leaving out at the room's thresholds."""
    started = time.perf_counter()
    z = topic.novelty(vectors, seed=seed).z
    out = {"seconds": time.perf_counter() - started, "rows": len(truth), "strays": float(truth.sum())}
    clean = truth == 0
    out |= {
        "false_alarms": float((z[clean] >= topic.UNUSUAL).mean()),
        "false_drops": float((z[clean] >= topic.SURE).mean()),
    }
    if truth.any():
        out |= {
            "auroc": float(roc_auc_score(truth, z)),
            "average_precision": float(average_precision_score(truth, z)),
            "found": float((z[~clean] >= topic.UNUSUAL).mean()),
        }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, help="only so many rows of each set: a trial, not a figure")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pairs", nargs="*", help="as host/strays; all if left out")
    parser.add_argument("--cache", type=Path, default=WORK / "cache")
    choices = parser.parse_args()
    trunk = Trunk(find("minilm"), choices.cache)
    known: dict[str, np.ndarray] = {}
    wanted = [tuple(pair.split("/")) for pair in choices.pairs] if choices.pairs else list(PAIRS)
    for name in dict.fromkeys(name for pair in wanted for name in pair):
        try:
            known[name] = trunk.features(texts_of(name, choices.rows))
        except datasets.MissingError as missing:
            print(f"skipped {missing}")
    tasks = [(host, strays) for host, strays in wanted if host in known and strays in known]
    tasks += [(host, "") for host in dict.fromkeys(host for host, _ in tasks)]
    for host, strays in tasks:
        start = time.perf_counter()
        none = np.zeros((0, trunk.width), np.float16)
        trials = [
            figures(*mixed(known[host], known[strays] if strays else none, choices.share, seed), seed)
            for seed in range(choices.seeds)
        ]
        mean = {name: float(np.mean([trial[name] for trial in trials])) for name in trials[0]}
        if strays:
            mean["auroc_least"] = min(trial["auroc"] for trial in trials)
        record(
            f"{host}/{strays or 'clean'}",
            mean,
            seconds=time.perf_counter() - start,
            quick=choices.rows is not None,
        )


if __name__ == "__main__":
    main()
