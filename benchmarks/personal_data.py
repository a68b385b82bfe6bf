"""How much personal data is found, and how much is called so that is none: on planted sentences and on real texts.

A planted value is found when a hit of its type overlaps it; `covered` asks that the hit leaves none of it out. A hit
that overlaps no planted value of its type is a false alarm, also where it has the right place and the wrong type.
"""

from __future__ import annotations

import argparse
import csv
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks import datasets
from benchmarks.common import MIB, record
from benchmarks.personal_data_generator import LOCALES, TYPES, Example, examples
from metier.curate.privacy.detect import detect
from metier.evaluate.intervals import wilson

Figures = dict[str, object]
REAL = ("banking77", "sms_spam", "cfpb", "womens_clothing_reviews")


def _rate(part: int, whole: int) -> Figures:
    low, high = wilson(part, whole) if whole else (0.0, 1.0)
    return {
        "value": round(part / whole, 5) if whole else None,
        "low": round(low, 5),
        "high": round(high, 5),
        "of": whole,
    }


def score(found: Iterator[Example]) -> tuple[Counter[tuple[str, str]], Counter[str], Counter[str]]:
    """(count by (outcome, type)), planted by locale, found by locale; outcomes are found, covered, missed, false."""
    counts: Counter[tuple[str, str]] = Counter()
    planted: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for example in found:
        hits = detect(example.text)
        for value in example.planted:
            own = [hit for hit in hits if hit.type == value.type and hit.start < value.end and value.start < hit.end]
            counts["found" if own else "missed", value.type] += 1
            counts["covered", value.type] += any(hit.start <= value.start and value.end <= hit.end for hit in own)
            planted[example.locale] += 1
            right[example.locale] += bool(own)
        for hit in hits:
            own_values = (value for value in example.planted if value.type == hit.type)
            if not any(hit.start < value.end and value.start < hit.end for value in own_values):
                counts["false", hit.type] += 1
    return counts, planted, right


def rates(counts: Counter[tuple[str, str]], types: tuple[str, ...]) -> Figures:
    """Recall, precision and the share of values covered to the last sign, over these types together."""
    found, missed, false, covered = (
        sum(counts[outcome, type_] for type_ in types) for outcome in ("found", "missed", "false", "covered")
    )
    return {
        "recall": _rate(found, found + missed),
        "precision": _rate(found, found + false),
        "covered": _rate(covered, found + missed),
    }


def planted(count: int, seed: int, held_out: bool) -> Figures:
    """The figures of one part: structured types together, names apart, each type, each locale."""
    counts, by_locale, right = score(examples(count, seed, held_out=held_out))
    structured = tuple(type_ for type_ in TYPES if type_ != "name")
    return {
        "texts": count,
        "seed": seed,
        "structured": rates(counts, structured),
        "names": rates(counts, ("name",)),
        "types": {type_: rates(counts, (type_,)) for type_ in TYPES},
        "recall_by_locale": {locale: _rate(right[locale], by_locale[locale]) for locale in LOCALES},
    }


def real(name: str) -> Figures:
    """What is found in a real data set, by type, and the texts a second of one core."""
    files = datasets.load(name)
    texts = [max(row, key=len) for path in (files.train, files.test) for row in _rows(path)]
    detect(texts[0])
    start = time.process_time()
    hits = [detect(text) for text in texts]
    seconds = time.process_time() - start
    return {
        "texts": len(texts),
        "characters": round(sum(map(len, texts)) / len(texts), 1),
        "texts_with_hits": sum(map(bool, hits)),
        "types": dict(Counter(hit.type for found in hits for hit in found).most_common()),
        "texts_per_second": round(len(texts) / seconds),
    }


def table(rows: int) -> Figures:
    """The question put to a table of so many short texts, one in ten with personal data in it: seconds and memory."""
    from metier.curate import privacy, room
    from metier.lifecycle import read
    from metier.plan import Plan
    from metier.progress import Silent
    from metier.trunk.base import find
    from metier.trunk.features import Trunk
    from metier.workspace import Workspace

    sentences = [example.text.replace("\n", " ") for example in examples(20_000, 5) if not example.planted]
    personal = [example.text.replace("\n", " ") for example in examples(20_000, 5) if example.planted]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            for row in range(rows):
                text = (personal if row % 10 == 0 else sentences)[row // 10 % 3000]
                writer.writerow([f"{text} {row % 977}", "ab"[row % 2]])
        plan, place = Plan.of(target="label"), Workspace(Path(folder, "workspace"))
        material = room.gather(read(str(path), plan, place), None, Trunk(find("minilm"), place.cache), plan, Silent())
        before = psutil.Process().memory_info().rss / MIB
        start = time.process_time()
        answer = privacy.ask(material)
        seconds = time.process_time() - start
    return {
        "rows": rows,
        "findings": len(answer.findings),
        "seconds": round(seconds, 1),
        "rows_per_second": round(rows / seconds),
        "memory_before_mib": round(before),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _rows(path: Path) -> Iterator[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)
        yield from rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parts", nargs="*", default=["development", "held_out", "real", "table"])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table")
    choices = parser.parse_args()
    quick = choices.texts < 10_000
    for part in choices.parts:
        start = time.perf_counter()
        if part == "table":
            figures = table(choices.rows)
            record("table", figures, seconds=time.perf_counter() - start, quick=choices.rows < 1_000_000)
            continue
        if part != "real":
            figures = planted(choices.texts, choices.seed, held_out=part == "held_out")
            record(part, figures, seconds=time.perf_counter() - start, quick=quick)
            continue
        for name in REAL:
            start = time.perf_counter()
            try:
                figures = real(name)
            except datasets.MissingError as missing:
                print(f"skipped {missing}")
                continue
            record(f"real/{name}", figures, seconds=time.perf_counter() - start, quick=quick)


if __name__ == "__main__":
    main()
