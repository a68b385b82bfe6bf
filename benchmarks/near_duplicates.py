"""Near-duplicates: recall and precision on texts with edits injected, documents a second, memory at a million, beside
datasketch where it is installed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import datasets
from benchmarks.common import record

LETTERS = "abcdefghijklmnopqrstuvwxyz "
TEXTS = {"banking77": "text", "ag_news": "text", "sms_spam": "message", "financial_phrasebank": "sentence"}
# A found pair of two originals counts as a real repeat, and not as a false alarm, from this share of words in common.
NATURAL = 0.7
_RESIDENT = "ru_maxrss"


def edited(text: str, share: float, rng: np.random.Generator) -> str:
    """`share` of the characters substituted, inserted or deleted, at random places; one at least."""
    out = list(text)
    for _ in range(max(1, round(share * len(text)))):
        at, letter = int(rng.integers(len(out))), LETTERS[rng.integers(len(LETTERS))]
        match rng.integers(3):
            case 0:
                out[at] = letter
            case 1:
                out.insert(at, letter)
            case _ if len(out) > 1:
                del out[at]
    return "".join(out)


def documents(count: int, words: int = 20, seed: int = 0) -> list[str]:
    """Unrelated documents of so many words, drawn by Zipf's law from 30,000 made-up words."""
    rng = np.random.default_rng(seed)
    letters = np.array(list(LETTERS[:26]))
    vocabulary = np.array(["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(30_000)])
    shares = 1 / np.arange(1, len(vocabulary) + 1)
    shares /= shares.sum()
    made: list[str] = []
    for start in range(0, count, 50_000):
        drawn = rng.choice(len(vocabulary), (min(50_000, count - start), words), p=shares)
        made += [" ".join(row) for row in vocabulary[drawn].tolist()]
    return made


def planted(originals: list[str], share: float, seed: int) -> tuple[list[str], dict[int, int]]:
    """The texts with edited copies of a fifth of them after them, and which text each copy is of."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(originals))[: len(originals) // 5].tolist()
    copies = [edited(originals[at], share, rng) for at in chosen]
    return originals + copies, {len(originals) + at: source for at, source in enumerate(chosen)}


def ours(texts: list[str]) -> np.ndarray:
    """Pairs found, between all members of equal texts and of near ones."""
    from metier.curate.copies import sketch

    seen = sketch(pa.array(texts, pa.large_string()))
    _, first, inverse = np.unique(seen.exact, return_index=True, return_inverse=True)
    pairs = seen.candidates(np.sort(first))
    likeness, _ = seen.compare(pairs)
    same = np.flatnonzero(first[inverse] != np.arange(len(texts)))
    return np.concatenate([pairs[likeness > 0], np.stack([first[inverse][same], same], axis=1)])


def datasketch(texts: list[str]) -> np.ndarray:
    """The peer as its documentation has it: 128 permutations of character 5-grams, threshold 0.5."""
    from datasketch import MinHash, MinHashLSH

    index, found = MinHashLSH(threshold=0.5, num_perm=128), []
    for at, text in enumerate(texts):
        text = " ".join(text.lower().split())
        made = MinHash(num_perm=128)
        made.update_batch([text[i : i + 5].encode() for i in range(max(1, len(text) - 4))])
        found += [(int(other), at) for other in index.query(made)]
        index.insert(str(at), made)
    return np.array(found, np.int64).reshape(-1, 2)


def judged(texts: list[str], source: dict[int, int], find: Callable[[list[str]], np.ndarray]) -> dict[str, float]:
    """Recall of the planted pairs; precision over all pairs found, real repeats among the originals left out.

    A found pair is right where both are of one original (or of two that are real repeats of each other); repeats are
    told by the share of words in common, a rule that no method here uses.
    """
    start = time.process_time()
    pairs = find(texts)
    seconds = time.process_time() - start
    origin = np.arange(len(texts))
    for copy, of in source.items():
        origin[copy] = of
    same = sets(len(texts), pairs)
    hits = sum(same[copy] == same[of] for copy, of in source.items())
    right = wrong = repeats = 0
    words: dict[int, set[str]] = {}
    for one, other in pairs.tolist():
        a, b = int(origin[one]), int(origin[other])
        if a == b:
            right += 1
        elif _alike(words.setdefault(a, plain(texts[a])), words.setdefault(b, plain(texts[b]))) >= NATURAL:
            repeats += 1
        else:
            wrong += 1
    return {
        "documents": len(texts),
        "planted": len(source),
        "recall": hits / max(1, len(source)),
        "precision": right / max(1, right + wrong),
        "pairs_wrong": wrong,
        "pairs_real_repeats": repeats,
        "documents_per_second": len(texts) / seconds,
    }


def sets(count: int, pairs: np.ndarray) -> np.ndarray:
    from metier.curate.copies import connected

    return connected(count, pairs)


def plain(text: str) -> set[str]:
    return set("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())


def _alike(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(1, len(one | other))


def million(count: int) -> dict[str, Any]:
    """Documents and a hundredth of them again, edited, in a process of its own: its seconds and its peak memory."""
    words = [sys.executable, "-m", "benchmarks.near_duplicates", "--child", str(count)]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def child(count: int) -> None:
    import resource

    originals = documents(count * 100 // 101)
    rng = np.random.default_rng(1)
    chosen = rng.permutation(len(originals))[: count - len(originals)].tolist()
    texts = originals + [edited(originals[at], 0.05, rng) for at in chosen]
    source = {len(originals) + at: of for at, of in enumerate(chosen)}
    before = getattr(resource.getrusage(resource.RUSAGE_SELF), _RESIDENT) / 1024**2
    figures: dict[str, Any] = judged(texts, source, ours)
    peak = getattr(resource.getrusage(resource.RUSAGE_SELF), _RESIDENT) / 1024**2
    print(json.dumps({**figures, "peak_gib": round(peak, 3), "documents_gib": round(before, 3)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.05, help="share of characters edited")
    parser.add_argument("--parts", nargs="*", default=["texts", "generated", "million", "peer"])
    parser.add_argument("--million", type=int, default=1_000_000)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    choices = parser.parse_args()
    if choices.child:
        child(choices.child)
        return
    quick = choices.seeds < 3 or choices.million < 1_000_000
    collections: list[tuple[str, list[str]]] = []
    if {"texts", "peer"} & set(choices.parts):
        for files in datasets.available(list(TEXTS)):
            collections.append((files.spec.name, [row[TEXTS[files.spec.name]] for row in datasets.read(files.train)]))
    if "generated" in choices.parts:
        collections.append(("generated", documents(20_000)))
    ways: list[tuple[str, Callable[[list[str]], np.ndarray]]] = [("ours", ours)]
    if "peer" in choices.parts:
        try:
            import datasketch as _  # noqa: F401

            ways.append(("datasketch", datasketch))
        except ImportError:
            print("skipped datasketch: not installed", file=sys.stderr)
    for name, texts in collections:
        for way, find in ways:
            start = time.perf_counter()
            seeds = [judged(*planted(texts, choices.share, seed), find) for seed in range(choices.seeds)]
            figures = {key: float(np.mean([one[key] for one in seeds])) for key in seeds[0]}
            record(f"{name}/{way}", figures, seconds=time.perf_counter() - start, quick=quick)
    if "million" in choices.parts:
        start = time.perf_counter()
        record("million/ours", million(choices.million), seconds=time.perf_counter() - start, quick=quick)


if __name__ == "__main__":
    main()
