"""Compose product reviews with stars: `python examples/reviews/make.py [FOLDER]`; the same seed gives the same bytes.

A reviewer has a mood, picks things to say that fit it from `phrases.toml`, and rates by what was said, give or take.
"""

from __future__ import annotations

import csv
import io
import sys
import tomllib
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
SEED = 20260903
ROWS = 500
ASPECTS = {"quality": 5, "use": 5, "delivery": 3, "price": 2, "service": 2}
WEIGHT = {"quality": 1.0, "use": 1.0, "delivery": 0.5, "price": 0.6, "service": 0.7, "irony": 1.6}


def remarks(rng: Random, phrases: dict[str, Any]) -> list[tuple[str, int, str]]:
    """(aspect, praise, sentence) of one reviewer, who is more or less of one mind."""
    mood = rng.choices((-2, -1, 0, 1, 2), (15, 17, 18, 25, 25))[0]
    said: list[tuple[str, int, str]] = []
    if abs(mood) == 2 and rng.random() < 0.15:
        said.append(("irony", mood, rng.choice(phrases["irony"][str(mood)])))
    for aspect in draw_aspects(rng, rng.choices((1, 2, 3, 4), (20, 40, 28, 12))[0]):
        praise = max(-2, min(2, mood + rng.choices((-2, -1, 0, 1, 2), (4, 16, 60, 16, 4))[0]))
        said.append((aspect, praise, rng.choice(phrases[aspect][str(praise)])))
    return said


def draw_aspects(rng: Random, count: int) -> list[str]:
    """So many different things to talk about, the weightier ones more often."""
    return sorted(ASPECTS, key=lambda aspect: rng.random() ** (1 / ASPECTS[aspect]), reverse=True)[:count]


def write(rng: Random, said: list[tuple[str, int, str]], thing: str, phrases: dict[str, Any]) -> str:
    """Join the remarks as people do, with a turn where praise and blame meet."""
    text = ""
    before = 0
    for _, praise, sentence in said:
        if text and praise * before < 0 and rng.random() < 0.7:
            hedge = rng.choice(phrases["talk"]["hedges"])
            sentence = hedge + (sentence if sentence.startswith("I") else sentence[0].lower() + sentence[1:])
        text += (" " if text else "") + sentence
        before = praise
    if rng.random() < 0.35:
        aside = rng.choice(phrases["talk"]["lines"])
        text = f"{aside} {text}" if rng.random() < 0.5 else f"{text} {aside}"
    if rng.random() < 0.2:
        text = text.lower().rstrip(".")
    return text.replace("{it}", phrases["things"][thing])


def make(seed: int = SEED) -> dict[str, str]:
    """All files by name."""
    rng = Random(seed)
    phrases = tomllib.loads((HERE / "phrases.toml").read_text(encoding="utf-8"))
    rows: list[tuple[str, str, str, str, int]] = []
    texts: set[str] = set()
    while len(rows) < ROWS:
        said, thing = remarks(rng, phrases), rng.choice(list(phrases["things"]))
        text = write(rng, said, thing, phrases)
        total = sum(WEIGHT[aspect] for aspect, _, _ in said)
        mean = sum(WEIGHT[aspect] * praise for aspect, praise, _ in said) / total
        rating = max(1, min(5, round(3 + 1.05 * mean + rng.gauss(0, 0.35))))
        if text in texts:
            continue
        texts.add(text)
        day = (date(2025, 1, 6) + timedelta(days=rng.randrange(420))).isoformat()
        rows.append((f"R{3001 + len(rows)}", day, thing, text, rating))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("review_id", "date", "product", "text", "rating"))
    writer.writerows(rows)
    return {"reviews.csv": out.getvalue()}


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name, text in make().items():
        (folder / name).write_bytes(text.encode("utf-8"))
        print(f"{folder / name}: {text.count(chr(10)):,} lines")
