"""The ledger under load and under attack: appends a second, concurrent writers, and random single tampers."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.postgres import binaries, running

from benchmarks.common import record
from metier.govern.actor import Actor
from metier.govern.ledger.book import Ledger, open_ledger, verify_file
from metier.govern.ledger.entry import FIELDS, Act
from metier.store.tables.ledger import ledger as table
from metier.workspace import Workspace

EXPORTED = ("edit", "delete", "insert", "reorder", "truncate")


def _write(root: str, number: int, acts: int) -> None:
    book = open_ledger(Workspace(Path(root)))
    for count in range(acts):
        book.append([Act("read", f"data:{number}", "", {"n": count})], Actor(f"process {number}"))
    book.store.close()


def concurrent(root: Path, processes: int, acts: int) -> dict[str, Any]:
    """`processes` x `acts` single appends: how long, whether all are there, in order, and whether they verify."""
    spawn = multiprocessing.get_context("spawn")
    start = time.perf_counter()
    writers = [spawn.Process(target=_write, args=(str(root), number, acts)) for number in range(processes)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    seconds = time.perf_counter() - start
    book = open_ledger(Workspace(root))
    per = {number: [r.facts["n"] for r in book.records(f"data:{number}")] for number in range(processes)}
    start = time.perf_counter()
    finding = book.verify()
    figures = {
        "processes": processes,
        "appends": processes * acts,
        "lost": sum(acts - len(found) for found in per.values()),
        "in_order": all(found == list(range(acts)) for found in per.values()),
        "ok": finding.ok,
        "seconds": round(seconds, 1),
        "appends_per_second": round(processes * acts / seconds, 1),
        "verify_seconds": round(time.perf_counter() - start, 2),
    }
    book.store.close()
    return figures


def batched(root: Path, size: int = 100, batches: int = 50) -> dict[str, Any]:
    """Appends a second where each turn keeps `size` acts."""
    book = open_ledger(Workspace(root))
    start = time.perf_counter()
    for number in range(batches):
        book.append([Act("read", f"data:batch-{number}", "", {"n": n}) for n in range(size)], Actor("one"))
    seconds = time.perf_counter() - start
    book.store.close()
    return {"batch": size, "appends": size * batches, "appends_per_second": round(size * batches / seconds, 1)}


def tampers(trials: int, acts: int = 40) -> dict[str, Any]:
    """Random single tampers, half of the database's rows and half of an exported file's bytes: how many are found."""
    with tempfile.TemporaryDirectory() as folder:
        place = Workspace(Path(folder) / "metier")
        book = open_ledger(place)
        for number in range(acts):
            book.append([Act("tuned", f"expert:e@{number}", "why", {"figure": number / 7})], Actor("anna", "author"))
        exported = Path(folder) / "ledger.jsonl"
        book.export(exported)
        missed = [seed for seed in range(trials // 2) if not _row_tamper(book, random.Random(seed))]
        missed += [trials + seed for seed in range(trials // 2) if not _file_tamper(exported, random.Random(seed))]
        book.store.close()
    return {"trials": trials // 2 * 2, "found": trials // 2 * 2 - len(missed), "missed": missed[:10]}


def _row_tamper(book: Ledger, rng: random.Random) -> bool:
    """Change the rows, ask, put them back; whether it was found (or nothing was changed after all)."""
    whole = [{name: getattr(record, name) for name in FIELDS} for record in book.records()]
    rows = [dict(row) for row in whole]
    at = rng.randrange(len(rows))
    match rng.choice(EXPORTED):
        case "edit":
            name = rng.choice([name for name in FIELDS if name != "seq"])
            rows[at][name] = str(rows[at][name])[:-1] + rng.choice("xyz019}")
        case "delete":
            del rows[at]
        case "insert":
            rows.insert(at, {**rows[at], "id": f"{rng.random()}"})
            for number, row in enumerate(rows, start=1):
                row["seq"] = number
        case "reorder":
            other = rng.randrange(len(rows))
            rows[at], rows[other] = {**rows[other], "seq": at + 1}, {**rows[at], "seq": other + 1}
        case "truncate":
            del rows[at:]
    if rows == whole:
        return True
    _put(book, rows)
    found = not book.verify().ok
    _put(book, whole)
    return found


def _put(book: Ledger, rows: list[dict[str, Any]]) -> None:
    with book.store.write() as connection:
        connection.execute(table.delete())
        if rows:
            connection.execute(table.insert(), rows)


def _file_tamper(exported: Path, rng: random.Random) -> bool:
    lines = exported.read_text(encoding="ascii").splitlines(keepends=True)
    whole, at = "".join(lines), rng.randrange(len(lines))
    match rng.choice(EXPORTED):
        case "edit":
            place = rng.randrange(len(lines[at]))
            lines[at] = lines[at][:place] + rng.choice('abcxyz0123456789{}" ,\n') + lines[at][place + 1 :]
        case "delete":
            del lines[at]
        case "insert":
            lines.insert(at, rng.choice(lines))
        case "reorder":
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        case "truncate":
            lines = [whole[: rng.randrange(len(whole) - 1)]]
    if "".join(lines) == whole:
        return True
    changed = exported.with_name("changed.jsonl")
    changed.write_text("".join(lines), encoding="ascii")
    return not verify_file(changed).ok


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--acts", type=int, default=2000)
    parser.add_argument("--trials", type=int, default=2000)
    choices = parser.parse_args()
    quick = choices.processes < 8 or choices.acts < 2000 or choices.trials < 2000
    start = time.perf_counter()
    record("tampers", tampers(choices.trials), seconds=time.perf_counter() - start, quick=quick)
    written("sqlite", choices, quick)
    programs = binaries()
    if programs is None:
        print(json.dumps({"postgresql": "not run: no PostgreSQL server is installed"}))
        return
    with running(programs, fsync=True) as server:
        os.environ["METIER_DATABASE_URL"] = server.url()
        written("postgresql", choices, quick)


def written(name: str, choices: argparse.Namespace, quick: bool) -> None:
    """Measure one database, with the folders of a fresh workspace."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        figures = concurrent(Path(folder) / "metier", choices.processes, choices.acts)
        figures["batched"] = batched(Path(folder) / "metier")
        record(f"writers/{name}", figures, seconds=time.perf_counter() - start, quick=quick)


if __name__ == "__main__":
    main()
