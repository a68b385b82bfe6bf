"""Which column is to be predicted, where that is plain; which ones it could be, where it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from metier.data.dataset import Problem
from metier.data.header import normal, words
from metier.data.profile import Profile

# Earlier ones win. The second list holds outcomes, which count as the last word too: `machine_failure`, `tx_fraud`.
_RANKED = """target label labels class intent category y sentiment emotion topic outcome
    gold gold_label ground_truth target_label"""
_NAMES = tuple(_RANKED.split())
_OUTCOMES = words(
    "default churn churned fraud spam readmitted survived diagnosis failure toxic toxicity is_spam is_fraud"
)
_SCORES = words("rating ratings score stars")
_MOST_LABELS = 1000


def guess(table: pa.Table, profiles: Sequence[Profile]) -> tuple[str | None, Problem]:
    """The target's name, or None, and a Problem that says why it was taken or which columns it could be."""
    by_name = {item.name: item for item in profiles}
    named = _named(profiles)
    likely = [item.name for item in profiles if _is_labels(item)]
    if named:
        others = [name for name in named[1:] + likely if name != named[0]]
        return named[0], _taken(named[0], "by its name", list(dict.fromkeys(others)))
    texts = [item for item in profiles if item.content == "text"]
    if texts and len(likely) == 1:
        return likely[0], _taken(likely[0], "as the only column of labels beside the text", [])
    scores = [item.name for item in profiles if normal(item.name) in _SCORES and item.content in ("number", "category")]
    if len(scores) == 1 and not [name for name in likely if name != scores[0]]:
        return scores[0], _taken(scores[0], "by its name", [])
    last = _last(profiles)
    if not texts and last and _stands_alone(table, last, by_name):
        return last, _taken(last, "as the last column", [name for name in likely if name != last])
    return None, _unknown(profiles, likely)


def _named(profiles: Sequence[Profile]) -> list[str]:
    """Columns whose names say that they are the target, the surest first."""
    ranked = []
    for position, item in enumerate(profiles):
        if item.content not in ("category", "number") or item.distinct < 2:
            continue
        name = normal(item.name)
        parts = name.split("_")
        if name in _NAMES:
            ranked.append((_NAMES.index(name), position, item.name))
        elif parts[-1] in ("label", "target", "class", "sentiment", "intent") and len(parts) > 1:
            ranked.append((50, position, item.name))
        elif name in _OUTCOMES or parts[-1] in _OUTCOMES:
            ranked.append((100, position, item.name))
    return [name for _, _, name in sorted(ranked)]


def _is_labels(item: Profile) -> bool:
    """A handful of values that repeat."""
    few = 2 <= item.distinct <= min(_MOST_LABELS, max(2, item.present // 5))
    small_numbers = item.content == "number" and item.whole and item.distinct <= 20
    return few and (item.content == "category" or small_numbers) and item.missing < item.rows


def _last(profiles: Sequence[Profile]) -> str | None:
    used = [item for item in profiles if item.content != "empty"]
    if len(used) < 2 or not _is_labels(used[-1]) or used[-1].content != "category" or used[-1].distinct > 100:
        return None
    return used[-1].name


def _stands_alone(table: pa.Table, last: str, profiles: Mapping[str, Profile]) -> bool:
    """Whether no other column has the same values: the last of several yes/no columns is not plainly the target."""
    values = set(pc.unique(table.column(last)).to_pylist())
    rivals = [item.name for item in profiles.values() if item.name != last and item.distinct == profiles[last].distinct]
    return all(set(pc.unique(table.column(name)).to_pylist()) != values for name in rivals)


def _taken(name: str, why: str, others: list[str]) -> Problem:
    also = f" It could also be {', '.join(others[:8])}." if others else ""
    return Problem(
        "target-guessed",
        "warning" if why.startswith("as the last") else "note",
        f"{name} is taken as the column to predict, {why}.{also}",
        column=name,
        fix=f"Name it to be sure: --target {quoted(name)}",
    )


def _unknown(profiles: Sequence[Profile], likely: list[str]) -> Problem:
    candidates = likely or [item.name for item in profiles if item.content in ("category", "number")]
    said = (
        f"; it could be {', '.join(candidates[:12])}" if candidates else "; no column looks like labels or a quantity"
    )
    return Problem(
        "no-target",
        "warning",
        f"Which column to predict is not plain{said}.",
        fix=f"Name it: --target {quoted(candidates[0])}" if candidates else "Add a column of labels.",
    )


def quoted(name: str) -> str:
    """A name as it is typed on a command line."""
    return name if name.replace("_", "").replace("-", "").isalnum() else "'" + name.replace("'", "'\\''") + "'"
