"""What in a table will hurt: gaps, labels too rare, repeats, contradictions, damaged text. Counted, never mended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier.data.dataset import Dataset, Problem
from metier.data.profile import count_different
from metier.data.split import input_hashes
from metier.data.values import strings

LONG = 20_000  # characters; no base reads that many
_SKEW = 50  # the commonest label over the rarest
_DAMAGE = (
    ("control-characters", r"[\x00-\x08\x0B\x0E-\x1F\x7F]", "control characters", "Remove them in the file."),
    (
        "mojibake",
        r"\x{fffd}|Ã[\x{80}-\x{bf}]|â€|Â[\x{a0}-\x{bf}]",
        "letters garbled by a wrong encoding",
        "Try --encoding.",
    ),
)


def audit(dataset: Dataset) -> list[Problem]:
    """All that was found while reading and inferring roles, and what a look at texts and labels adds."""
    texts = dataset.schema.named("text")
    problems = list(dataset.schema.problems)
    for name in texts:
        problems += _texts(strings(dataset.table, name), name)
    target = dataset.schema.target
    if target is not None and is_labels(dataset):
        problems += _labels(label_counts(dataset), target)
    problems += _repeats(dataset, texts, target)
    return problems


def is_labels(dataset: Dataset) -> bool:
    """Whether the target is one of several labels, and not a quantity."""
    name = dataset.schema.target
    if name is None:
        return False
    column = dataset.schema.column(name)
    return 0 < column.distinct <= (20 if column.content == "number" else 5000) and column.content not in (
        "time",
        "text",
    )


def label_counts(dataset: Dataset) -> dict[str, int]:
    """Rows of each label, the commonest first, then by name."""
    assert dataset.schema.target is not None
    counted = pc.value_counts(strings(dataset.table, dataset.schema.target).drop_null())
    counts = {item["values"]: item["counts"] for item in counted.to_pylist()}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _texts(column: pa.ChunkedArray, name: str) -> Iterator[Problem]:
    if column.null_count:
        detail = f"{column.null_count:,} rows have no {name}; they are set aside where it is the only text."
        yield Problem("missing-text", "warning", detail, column.null_count, name)
    blank = _count(column, r"^\s*$")
    if blank:
        yield Problem("blank-text", "warning", f"{blank:,} cells of {name} hold only spaces.", blank, name)
    long = sum(int(pc.sum(pc.greater(pc.utf8_length(chunk), LONG)).as_py() or 0) for chunk in column.chunks)
    if long:
        longest = max(int(pc.max(pc.utf8_length(chunk)).as_py() or 0) for chunk in column.chunks)
        detail = f"{long:,} cells of {name} are longer than {LONG:,} characters, the longest {longest:,}."
        fix = "Only their beginning will be read; look whether a quote was left open."
        yield Problem("very-long-text", "warning", detail, long, name, fix)
    for code, pattern, what, fix in _DAMAGE:
        damaged = _count(column, pattern)
        if damaged:
            yield Problem(code, "warning", f"{damaged:,} cells of {name} hold {what}.", damaged, name, fix)


def _count(column: pa.ChunkedArray, pattern: str) -> int:
    return sum(int(pc.sum(pc.match_substring_regex(chunk, pattern)).as_py() or 0) for chunk in column.chunks)


def _labels(counts: dict[str, int], target: str) -> Iterator[Problem]:
    single = [label for label, rows in counts.items() if rows == 1]
    if single and len(single) < len(counts):
        detail = (
            f"{len(single):,} labels have one example: {_some(single)}. It can be trained on or measured on, not both."
        )
        yield Problem("single-example", "warning", detail, len(single), target, "Add examples, or merge these labels.")
    alike: dict[str, list[str]] = defaultdict(list)
    for label in counts:
        alike[" ".join(label.casefold().split())].append(label)
    twins = [group for group in alike.values() if len(group) > 1]
    if twins:
        detail = "Labels that differ only in case or spaces: " + "; ".join(
            " = ".join(map(repr, group)) for group in twins[:5]
        )
        rows = sum(sum(sorted(counts[label] for label in group)[:-1]) for group in twins)
        yield Problem("similar-labels", "warning", f"{detail}.", rows, target, "Write each label one way in the file.")
    common, rare = max(counts.values(), default=0), min(counts.values(), default=0)
    if len(counts) > 1 and common > _SKEW * rare:
        first = next(iter(counts))
        share = common / sum(counts.values())
        detail = f"Labels are skewed: {first!r} has {common:,} rows ({share:.0%}), the rarest {rare:,}."
        fix = "Judge by macro F1 and the per-class table, not by accuracy."
        yield Problem("skewed-labels", "note", detail, common, target, fix)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def _repeats(dataset: Dataset, texts: tuple[str, ...], target: str | None) -> Iterator[Problem]:
    """Equal inputs, and those of them that were given different labels."""
    names = texts or dataset.schema.named("category", "number", "time")
    if not names or not len(dataset):
        return
    codes = input_hashes(dataset.table.select(list(names)))
    if len(texts) == 1:
        codes = codes[~dataset.table.column(texts[0]).is_null().to_numpy()]
    repeated = len(codes) - count_different(codes)
    what = "texts" if texts else "rows (the target aside)"
    if repeated:
        detail = f"{repeated:,} {what} repeat an earlier one but for case and spaces; a split never cuts them apart."
        yield Problem("duplicates", "note", detail, repeated)
    if target is not None and repeated and is_labels(dataset):
        rows = _contradicted(dataset, names, target)
        if rows:
            detail = f"{rows:,} rows have the same {'text' if texts else 'values'} as another and a different {target}."
            yield Problem("contradictions", "warning", detail, rows, target, "Decide on one label for each of them.")


def _contradicted(dataset: Dataset, names: tuple[str, ...], target: str) -> int:
    """Rows whose input stands under more than one label."""
    table = dataset.table.select([*names, target])
    usable = np.asarray(table.column(target).is_valid().to_numpy(), bool)
    usable &= np.any([table.column(name).is_valid().to_numpy() for name in names], axis=0)
    labels = strings(table, target).combine_chunks().dictionary_encode()
    labels = labels.combine_chunks() if isinstance(labels, pa.ChunkedArray) else labels
    codes = np.asarray(labels.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)[usable]
    _, inputs = np.unique(input_hashes(table.select(list(names)))[usable], return_inverse=True)
    labelled = np.sort(inputs * (int(codes.max(initial=0)) + 1) + codes)
    first = np.diff(labelled, prepend=-1) != 0  # one of each pair of input and label
    kinds = np.bincount(labelled[first] // (int(codes.max(initial=0)) + 1), minlength=int(inputs.max(initial=0)) + 1)
    return int(np.count_nonzero(kinds[inputs] > 1))
