"""Compose the help-desk tickets from hand-written phrasings: `python examples/support/make.py [FOLDER]`.

The same seed gives the same bytes. `phrasings/` holds what people ask, one file an intent; `frame.toml` what stands
around it; `planted.toml` what is wrong on purpose. Writes tickets.csv, tickets-test.csv and planted.csv.
"""

from __future__ import annotations

import csv
import io
import re
import sys
import tomllib
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
SEED = 20260901
FIRST, CUT, LAST = date(2025, 9, 1), date(2026, 9, 1), date(2026, 10, 31)  # the test file is the two months after CUT
ORDINARY, TEST_UNSEEN, TEST_ALL = 1100, 8, 300  # rows before planting; phrasings an intent kept for the test; its rows
RESTATED = 0.5  # share of tickets that say it twice
ALIKE = 0.6  # two ordinary tickets are never more alike than this (Jaccard, runs of five characters)
NEIGHBOURS = {"a": "s", "e": "r", "i": "o", "o": "p", "t": "r", "n": "m", "s": "d", "r": "t", "l": "k", "c": "v"}
Request = tuple[str, list[str]]  # an intent, and the phrasings of it that a ticket is made of
COLUMNS = ("ticket_id", "date", "segment", "channel", "text", "intent")


@dataclass(frozen=True)
class Ticket:
    """One row, and what was planted in it as (kind, detail)."""

    day: date
    segment: str
    channel: str
    text: str
    intent: str
    planted: tuple[tuple[str, str], ...] = ()


def weighted(rng: Random, weights: dict[str, float]) -> str:
    """Draw a key in proportion to its weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def amount(rng: Random, small: bool = False) -> str:
    """Money as people write it."""
    value = rng.choice([1.5, 2.9, 3, 4.9, 5, 7.5, 9.99, 12, 15, 19.9]) if small else rng.randint(20, 4200)
    cents = rng.choice([0, 0, 0.5, 0.95, 0.3]) if not small else 0
    number = f"{value + cents:,.2f}" if (value + cents) % 1 else f"{int(value):,}"
    return rng.choice(["£{}", "£{}", "{} pounds", "€{}", "{} euros", "EUR {}", "GBP {}"]).format(number)


def fill(rng: Random, text: str, frame: dict[str, Any], day: date) -> str:
    """Put entities into the braces of a phrasing."""
    past = day - timedelta(days=rng.randint(2, 20))

    def entity(match: re.Match[str]) -> str:
        kind = match[1]
        if kind in frame["entities"]:
            return str(rng.choice(frame["entities"][kind]))
        written = rng.choice(["{0:%B} {0.day}", "{0.day} {0:%B}", "{0.day}/{0.month}", "{0:%Y-%m-%d}", "the {0.day}."])
        return {
            "amount": amount(rng),
            "small": amount(rng, small=True),
            "last4": str(rng.randint(1000, 9999)),
            "days": rng.choice(["8", "ten", "eleven", "12", "over a dozen"]),
            "years": str(rng.randint(2, 40)),
            "minutes": str(rng.randint(15, 90)),
            "date": written.format(past),
        }[kind]

    return re.sub(r"\{(\w+)\}", entity, text)


def typo(rng: Random, text: str, rate: float) -> str:
    """Slip on the keyboard: swap, drop, double or hit the neighbour, about `rate` of all letters."""
    letters = list(text)
    for place in range(1, len(letters) - 1):
        if not letters[place].isalpha() or rng.random() >= rate:
            continue
        slip = rng.randrange(4)
        if slip == 0:
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        elif slip == 1:
            letters[place] = ""
        elif slip == 2:
            letters[place] *= 2
        else:
            letters[place] = NEIGHBOURS.get(letters[place], letters[place])
    return "".join(letters)


def swap_words(rng: Random, text: str, table: dict[str, Any], share: float) -> str:
    """Replace words by what means the same, each with probability `share`."""
    for word, others in table.items():
        if rng.random() < share:
            other = others if isinstance(others, str) else rng.choice(others)
            text = re.sub(rf"\b{re.escape(word)}\b", other, text)
    return text


def style(rng: Random, text: str, channel: str, frame: dict[str, Any]) -> str:
    """Write the way people write in this channel: careful, hasty, thumbs, shouting."""
    manner = weighted(rng, {"careful": 55, "hasty": 20, "thumbs": 26 if channel in ("chat", "app") else 5, "loud": 2})
    if manner == "hasty":
        text = typo(rng, text, rng.choice([0.005, 0.012, 0.03]))
    elif manner == "thumbs":
        text = swap_words(rng, text, frame["shorthand"], 0.5).lower().replace(",", "").replace("'", "")
        text = typo(rng, text.rstrip("."), 0.01)
    elif manner == "loud":
        text = text.upper() + "!" * rng.randint(0, 4)
    if channel in ("chat", "app") and rng.random() < 0.08:
        text += " " + rng.choice(frame["emoji"]["any"])
    return text


def compose(rng: Random, cores: list[str], frame: dict[str, Any], day: date, channel: str) -> str:
    """One or two phrasings of an intent, and what people wrap around them."""
    parts = [swap_words(rng, core, frame["swaps"], 0.4) for core in cores]
    around = frame["circumstances"]
    if rng.random() < 0.15:
        parts.insert(0, rng.choice(around["before"]))
    if rng.random() < 0.15:
        parts.append(rng.choice(around["after"]))
    if rng.random() < 0.05:
        parts.insert(rng.randint(0, len(parts)), rng.choice(around["stray"]))
    if rng.random() < 0.4:
        parts.insert(0, rng.choice(frame["openers"][channel]))
    if rng.random() < 0.35:
        parts.append(rng.choice(frame["closers"][channel]))
    text = parts[0]
    for part in parts[1:]:
        text += (" " if text[-1] in ".,:?!" else rng.choice([". ", ". ", ", ", " - "])) + part
    return style(rng, fill(rng, text, frame, day), channel, frame)


def shingles(text: str) -> set[str]:
    """Runs of five letters or digits, case and punctuation left out."""
    bare = re.sub(r"[\W_]+", "", text.lower())
    return {bare[i : i + 5] for i in range(max(1, len(bare) - 4))}


def alike(one: set[str], other: set[str]) -> float:
    """Jaccard similarity."""
    return len(one & other) / max(1, len(one | other))


def segment(rng: Random, cores: list[str], frame: dict[str, Any]) -> str:
    """Who writes: given away by the words, or drawn."""
    for name, marks in frame["marks"].items():
        if any(mark in core for core in cores for mark in marks):
            return str(name)
    return weighted(rng, frame["segments"])


def ordinary(
    rng: Random, plan: list[Request], span: tuple[date, date], frame: dict[str, Any], seen: dict[str, list[set[str]]]
) -> list[Ticket]:
    """A ticket for every request, none much like another of its intent; `seen` grows by what was written."""
    tickets: list[Ticket] = []
    for intent, cores in plan:
        others = seen.setdefault(intent, [])
        for attempt in range(60):
            day = draw_day(rng, intent, span, frame)
            channel = weighted(rng, frame["channels"])
            text = compose(rng, cores, frame, day, channel)
            grams = shingles(text)
            limit = ALIKE + attempt / 200  # the shortest phrasings need room in the end
            if all(alike(grams, other) <= limit for other in others):
                break
        others.append(grams)
        tickets.append(Ticket(day, segment(rng, cores, frame), channel, text, intent))
    return tickets


def draw_day(rng: Random, intent: str, span: tuple[date, date], frame: dict[str, Any]) -> date:
    """A day of the span; an intent's waves draw a third of it into their month."""
    months = [month for month, wave in frame["waves"].items() if wave == intent]
    if months and span[0] == FIRST and rng.random() < 1 / 3:
        return date.fromisoformat(f"{months[0]}-01") + timedelta(days=rng.randrange(28))
    return span[0] + timedelta(days=rng.randrange((span[1] - span[0]).days))


def plant(rng: Random, tickets: list[Ticket], wrong: dict[str, Any], frame: dict[str, Any]) -> list[Ticket]:
    """Add duplicates, wrong labels, personal data, strays and odd rows; each marked with its kind and detail."""
    tickets = list(tickets)
    order = rng.sample(range(len(tickets)), 150)
    for number, at in enumerate(order[:50]):
        truth = tickets[at].intent
        near = frame["confusable"].get(truth) if number >= 20 else None
        kind = "label-confusable" if near else "label-symmetric"
        label = rng.choice(near or [intent for intent in frame["intents"] if intent != truth])
        tickets[at] = replace(tickets[at], intent=label, planted=((kind, truth),))
    for number, at in enumerate(order[50:90]):
        kind, sentence, values = wrong["personal"][number % len(wrong["personal"])]
        value = values[number // len(wrong["personal"]) % len(values)]
        text = f"{tickets[at].text.rstrip()} {sentence.format(value)}"
        tickets[at] = replace(tickets[at], text=text, planted=((f"personal-{kind}", value),))
    copies = []
    for number, at in enumerate(order[90:150]):
        kind = "duplicate-exact" if number < 30 else "duplicate-near"
        text = tickets[at].text if number < 30 else retold(rng, tickets[at].text)
        day = min(tickets[at].day + timedelta(days=rng.randint(0, 9)), CUT - timedelta(days=1))
        copies.append(replace(tickets[at], day=day, text=text, planted=((kind, tickets[at].text),)))
    extra = [
        (fill(rng, text, frame, CUT), rng.choice(list(frame["intents"])), "offtopic", "") for text in wrong["offtopic"]
    ]
    extra += [(text, intent, f"odd-{kind}", "") for kind, text, intent in wrong["odd"]]
    extra += [(text, intent, "language", language) for language, text, intent in wrong["languages"]]
    for text, intent, kind, detail in extra:
        day, channel = draw_day(rng, intent, (FIRST, CUT), frame), weighted(rng, frame["channels"])
        tickets.append(Ticket(day, weighted(rng, frame["segments"]), channel, text, intent, ((kind, detail),)))
    return tickets + copies


def retold(rng: Random, text: str) -> str:
    """Nearly the same text once more: a slip or two, another case or ending."""
    changed = typo(rng, text, 0.02)
    change = rng.randrange(4)
    if change == 0:
        changed = changed[0].lower() + changed[1:].replace("!", ".")
    elif change == 1:
        changed = changed.rstrip(".!? ") + rng.choice(["!!", "...", " ?", "."])
    elif change == 2:
        changed = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), changed)
    else:
        changed = changed + rng.choice([" Thanks", " pls", " Hello?"])
    return changed if changed != text else changed + "!"


def written(tickets: list[Ticket], first: int) -> tuple[str, list[tuple[int, str, str, str]]]:
    """The CSV of tickets by date, and (row, ticket_id, kind, detail) of what was planted."""
    tickets = sorted(tickets, key=lambda ticket: ticket.day)
    numbers = {}
    for row, ticket in enumerate(tickets):
        if not any(kind.startswith("duplicate") for kind, _ in ticket.planted):
            numbers[ticket.text] = row
    out, planted = io.StringIO(), []
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row, ticket in enumerate(tickets):
        name = f"T{first + row * 7}"
        writer.writerow([name, ticket.day.isoformat(), ticket.segment, ticket.channel, ticket.text, ticket.intent])
        for kind, detail in ticket.planted:
            planted.append((row, name, kind, str(numbers[detail]) if kind.startswith("duplicate") else detail))
    return out.getvalue(), planted


def requests(rng: Random, frame: dict[str, Any]) -> tuple[list[Request], list[Request]]:
    """What is asked in the tickets trained on and in those tested on, most of the latter in phrasings unseen."""
    train: list[Request] = []
    test: list[Request] = []
    known: dict[str, list[str]] = {}

    def said(cores: list[str], core: str) -> list[str]:
        """A phrasing, and often another: people say it once more in other words."""
        second = rng.choice(cores)
        return [core, second] if second != core and rng.random() < RESTATED else [core]

    total = sum(frame["intents"].values())
    for intent, weight in sorted(frame["intents"].items()):
        cores = (HERE / "phrasings" / f"{intent}.txt").read_text(encoding="utf-8").splitlines()
        rng.shuffle(cores)
        unseen, known[intent] = cores[:TEST_UNSEEN], cores[TEST_UNSEEN:]
        test += [(intent, said(unseen, core)) for core in unseen]
        for number in range(round(ORDINARY * weight / total)):
            train.append((intent, said(known[intent], known[intent][number % len(known[intent])])))
    while len(test) < TEST_ALL:
        intent = weighted(rng, frame["intents"])
        test.append((intent, said(known[intent], rng.choice(known[intent]))))
    rng.shuffle(train)
    rng.shuffle(test)
    return train, test


def make(seed: int = SEED) -> dict[str, str]:
    """All files by name."""
    rng = Random(seed)
    frame = tomllib.loads((HERE / "frame.toml").read_text(encoding="utf-8"))
    wrong = tomllib.loads((HERE / "planted.toml").read_text(encoding="utf-8"))
    train, test = requests(rng, frame)
    seen: dict[str, list[set[str]]] = {}
    learnt = plant(rng, ordinary(rng, train, (FIRST, CUT), frame, seen), wrong, frame)
    held_out = ordinary(rng, test, (CUT, LAST), frame, seen)
    tickets, planted = written(learnt, 40210)
    unseen, _ = written(held_out, 61004)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("row", "ticket_id", "kind", "detail"))
    writer.writerows(planted)
    return {"tickets.csv": tickets, "tickets-test.csv": unseen, "planted.csv": out.getvalue()}


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name, text in make().items():
        (folder / name).write_bytes(text.encode("utf-8"))
        print(f"{folder / name}: {text.count(chr(10)):,} lines")
