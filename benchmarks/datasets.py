"""The data sets of the benchmarks as plain train.csv and test.csv, with fixed splits, under benchmarks/.work/data.

They are read from the folder METIER_DATA names, or from shared/data beside the repository. Official splits are kept;
where there is none, 20% of the rows are held out: stratified, seed 0, equal texts (or patients) never cut apart.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import os
import random
import sys
import zipfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import ROOT, WORK

Row = dict[str, str]
VERSION = 3  # of the files written; older ones are made anew


@dataclass(frozen=True)
class Spec:
    """A data set: `read` gives (train, test) rows from its folder; `metric` is the one its figure is quoted in."""

    name: str
    folder: str
    target: str
    kind: str
    metric: str
    read: Callable[[Path], tuple[list[Row], list[Row]]]
    note: str
    flags: tuple[str, ...] = ()  # what a person would add to the command: the group column of patients


@dataclass(frozen=True)
class Files:
    """A data set on disk."""

    spec: Spec
    train: Path
    test: Path
    rows: tuple[int, int]


class MissingError(Exception):
    """The data set's folder is not on this machine."""


def source() -> Path:
    """Where the data sets lie."""
    return Path(os.environ.get("METIER_DATA") or ROOT.parent / "shared" / "data")


def load(name: str) -> Files:
    """Write the CSVs of a data set unless they stand already; raises MissingError when its folder is not there."""
    spec = SPECS[name]
    folder = source() / spec.folder
    if not folder.is_dir():
        raise MissingError(f"{name}: no folder {folder}; set METIER_DATA to where the data sets lie")
    place = WORK / "data" / name
    done = place / "done.json"
    if not done.exists() or json.loads(done.read_text())["version"] != VERSION:
        train, test = spec.read(folder)
        place.mkdir(parents=True, exist_ok=True)
        write(place / "train.csv", train)
        write(place / "test.csv", test)
        done.write_text(json.dumps({"version": VERSION, "rows": [len(train), len(test)]}), encoding="utf-8")
    train_rows, test_rows = json.loads(done.read_text())["rows"]
    return Files(spec, place / "train.csv", place / "test.csv", (train_rows, test_rows))


def available(names: Sequence[str]) -> list[Files]:
    """Those of `names` that can be had; the others are told on stderr and left out."""
    found = []
    for name in names:
        try:
            found.append(load(name))
        except MissingError as missing:
            print(f"skipped {missing}", file=sys.stderr)
    return found


def read(path: Path) -> list[Row]:
    """The rows of a CSV with a header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: Sequence[Row]) -> None:
    """Rows to a CSV with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def held_out(rows: Sequence[Row], target: str, group: str, share: float = 0.2) -> tuple[list[Row], list[Row]]:
    """(train, test): `share` of the groups of each label held out with seed 0; a group's first row gives its label.

    Every label keeps at least one group in training; the rows of both parts stay in the file's order.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        groups[row[group].strip()].append(position)
    by_label: dict[str, list[str]] = defaultdict(list)
    for key, positions in groups.items():
        by_label[rows[positions[0]][target]].append(key)
    rng = random.Random(0)
    test: set[int] = set()
    for label in sorted(by_label):
        keys = by_label[label]
        rng.shuffle(keys)
        for key in keys[: min(round(share * len(keys)), len(keys) - 1)]:
            test.update(groups[key])
    return [row for at, row in enumerate(rows) if at not in test], [row for at, row in enumerate(rows) if at in test]


def _banking77(folder: Path) -> tuple[list[Row], list[Row]]:
    return read(folder / "train.csv"), read(folder / "test.csv")


def _emotion(parts: Sequence[str], split: bool) -> Callable[[Path], tuple[list[Row], list[Row]]]:
    def part(folder: Path, name: str) -> list[Row]:
        mapping = (folder / "mapping.txt").read_text(encoding="utf-8").split("\n")
        names = dict(line.split("\t") for line in mapping if line)
        texts = (folder / f"{name}_text.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
        codes = (folder / f"{name}_labels.txt").read_text(encoding="utf-8").split()
        extra = {"split": "validation" if name == "val" else name} if split else {}
        return [{"text": text, "emotion": names[code], **extra} for text, code in zip(texts, codes, strict=True)]

    def both(folder: Path) -> tuple[list[Row], list[Row]]:
        test = [{"text": row["text"], "emotion": row["emotion"]} for row in part(folder, "test")]
        return [row for name in parts for row in part(folder, name)], test

    return both


def _phrasebank(folder: Path) -> tuple[list[Row], list[Row]]:
    lines = (folder / "Sentences_50Agree.txt").read_text(encoding="latin-1").splitlines()
    pairs = [line.rsplit("@", 1) for line in lines if line]
    return held_out([{"sentence": text, "sentiment": label} for text, label in pairs], "sentiment", "sentence")


def _spam(folder: Path) -> tuple[list[Row], list[Row]]:
    lines = (folder / "SMSSpamCollection").read_text(encoding="utf-8").split("\n")
    pairs = [line.split("\t", 1) for line in lines if line]
    return held_out([{"message": text, "label": label} for label, text in pairs], "label", "message")


def _abstracts(folder: Path) -> tuple[list[Row], list[Row]]:
    names = {row["condition_label"]: row["condition_name"] for row in read(folder / "medical_tc_labels.csv")}
    rows = read(folder / "medical_tc_test.csv")
    named = [{"abstract": row["medical_abstract"], "condition": names[row["condition_label"]]} for row in rows]
    return held_out(named, "condition", "abstract")


def _clothing(target: str) -> Callable[[Path], tuple[list[Row], list[Row]]]:
    def both(folder: Path) -> tuple[list[Row], list[Row]]:
        packed = next(folder.glob("*.csv.gz")).read_bytes()
        rows = list(csv.DictReader(io.StringIO(gzip.decompress(packed).decode("utf-8"), newline="")))
        kept = [{"Review Text": row["Review Text"], target: row[target]} for row in rows if row["Review Text"].strip()]
        return held_out(kept, target, "Review Text")

    return both


def _complaints(folder: Path) -> tuple[list[Row], list[Row]]:
    text, target = "Consumer complaint narrative", "Product"
    rows = [
        {text: row[text], target: row[target]} for row in read(folder / "complaints_sample.csv") if row[text].strip()
    ]
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row[target]] += 1
    return held_out([row for row in rows if counts[row[target]] >= 5], target, text)


def _news(folder: Path) -> tuple[list[Row], list[Row]]:
    names = (folder / "classes.txt").read_text(encoding="utf-8").split("\n")
    with (folder / "test.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    named = [
        {"text": f"{title}. {text}".replace("\\", " "), "topic": names[int(code) - 1]} for code, title, text in rows
    ]
    return held_out(named, "topic", "text")


def _credit(folder: Path) -> tuple[list[Row], list[Row]]:
    rows = [{**row, "_row": str(at)} for at, row in enumerate(read(folder / "german_credit.csv"))]
    return _without(held_out(rows, "default", "_row"), "_row")


def _machines(folder: Path) -> tuple[list[Row], list[Row]]:
    text = (folder / "ai4i2020.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    return _without(held_out(rows, "Machine_failure", "UDI"), "TWF", "HDF", "PWF", "OSF", "RNF")


def _diabetes(folder: Path) -> tuple[list[Row], list[Row]]:
    with zipfile.ZipFile(folder / "dataset_diabetes.zip") as packed:
        text = packed.read("dataset_diabetes/diabetic_data.csv").decode("utf-8")
    rows = [
        {name: "" if value == "?" else value for name, value in row.items()}
        for row in csv.DictReader(io.StringIO(text, newline=""))
    ]
    return held_out(rows, "readmitted", "patient_nbr")


def _without(parts: tuple[list[Row], list[Row]], *names: str) -> tuple[list[Row], list[Row]]:
    train, test = ([{key: row[key] for key in row if key not in names} for row in rows] for rows in parts)
    return train, test


TEXT, NUMBER, TABLE = "text-classification", "text-regression", "rows"
SPECS = {
    spec.name: spec
    for spec in (
        Spec("banking77", "banking77", "category", TEXT, "accuracy", _banking77, "official split"),
        Spec("tweeteval_emotion", "tweeteval_emotion", "emotion", TEXT, "macro_f1",
             _emotion(("train", "val"), True), "official split; validation rows marked by a `split` column"),
        Spec("tweeteval_emotion_joined", "tweeteval_emotion", "emotion", TEXT, "macro_f1",
             _emotion(("train", "val"), False), "official test; training and validation rows joined, unmarked"),
        Spec("tweeteval_emotion_train", "tweeteval_emotion", "emotion", TEXT, "macro_f1",
             _emotion(("train",), False), "official test; official training rows only"),
        Spec("financial_phrasebank", "financial_phrasebank", "sentiment", TEXT, "accuracy", _phrasebank,
             "50Agree; own 80/20, equal sentences kept together"),
        Spec("sms_spam", "sms_spam", "label", TEXT, "macro_f1", _spam, "own 80/20, equal messages kept together"),
        Spec("medical_abstracts", "medical_abstracts", "condition", TEXT, "accuracy", _abstracts,
             "own 80/20 of the published test file"),
        Spec("womens_clothing_reviews", "womens_clothing_reviews", "Recommended IND", TEXT, "macro_f1",
             _clothing("Recommended IND"), "own 80/20; review text only"),
        Spec("womens_clothing_rating", "womens_clothing_reviews", "Rating", NUMBER, "r2", _clothing("Rating"),
             "own 80/20; review text only", ("--kind", NUMBER)),
        Spec("cfpb", "cfpb_complaints_sample", "Product", TEXT, "accuracy", _complaints,
             "own 80/20 of the rows with a narrative; products with fewer than 5 of them left out"),
        Spec("ag_news", "ag_news_test", "topic", TEXT, "accuracy", _news, "own 80/20 of the published test file"),
        Spec("german_credit", "german_credit", "default", TABLE, "auroc", _credit, "own 80/20"),
        Spec("ai4i2020", "ai4i2020", "Machine_failure", TABLE, "auroc", _machines,
             "own 80/20; the columns that give the answer away (TWF to RNF) left out"),
        Spec("diabetes_130", "diabetes_130", "readmitted", TABLE, "macro_f1", _diabetes,
             "own 80/20 by patient", ("--group", "patient_nbr")),
    )
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SPECS))
    for files in available(parser.parse_args().names):
        print(f"{files.spec.name:28} {files.rows[0]:>7} train {files.rows[1]:>6} test  {files.spec.note}")


if __name__ == "__main__":
    main()
