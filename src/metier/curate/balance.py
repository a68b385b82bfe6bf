"""Who and what is under-represented: labels and groups of few rows, label rates by group, annotators who differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from metier.curate import group_words, spurious
from metier.curate.findings import Answer, Finding
from metier.curate.labels import ask as ask_labels
from metier.curate.material import Material
from metier.curate.pictures import NO_FEATURES
from metier.data.split import input_hashes
from metier.errors import UsageError
from metier.evaluate.intervals import wilson
from metier.tasks.contract import Array

_LEARN, _MEASURE = 10, 30  # rows of a label to learn it from, and to say within some 18 points how well
_SKEWED = 20.0  # times rarer than the commonest label
_MOST_GROUPS, _MOST_LABELS = 20, 100
_LEVEL = 0.05  # after Holm
_PEOPLE = re.compile(
    r"(?:^|[\s_\-])(sex|gender|race|ethnic\w*|nation\w*|country|region|state|language|locale|age_?(?:group|band)|"
    r"segment|channel|branch|site|store|foreign\w*|religion|marital\w*|disab\w*)(?:$|[\s_\-])",
    re.IGNORECASE,
)
_ANNOTATOR = re.compile(r"^(annotator|labell?er|labell?ed_?by|annotated_?by|rater|worker)(_?id)?$", re.IGNORECASE)


def ask(material: Material) -> Answer:
    """Findings about the table (`row` None): rare labels, small groups, groups and annotators that differ, shortcuts.

    Raises UsageError where a column that the plan names is not in the table.
    """
    found, facts = _labels(material)
    for name in _group_columns(material):
        codes, levels = column_codes(material, name)
        some, told = _groups(material, name, codes, levels)
        stand_ins, words = group_words.look(material, name, codes, levels)
        found += [*some, *stand_ins]
        facts.setdefault("groups", []).append({**told, **words})
    annotator = _annotator(material)
    notes: tuple[str, ...] = ()
    if annotator is not None and material.labelled and not material.embedded:
        notes = (NO_FEATURES.format("who labels otherwise than others"),)
    elif annotator is not None and material.labelled:
        some, told = _annotators(material, annotator)
        found += some
        facts["annotators"] = told
    shortcuts = spurious.ask(material)
    return Answer((*found, *shortcuts.findings), {**facts, **shortcuts.facts}, notes=notes)


def _about(material: Material, score: float, detail: str, **more: Any) -> Finding:
    return Finding(
        kind=more.pop("kind", "imbalance"), row=None, file=material.train.file, score=score, detail=detail, **more
    )


def _labels(material: Material) -> tuple[list[Finding], dict[str, Any]]:
    """Skew and labels too rare, of targets that have labels."""
    examples = material.train.examples
    if not material.labelled or examples.target.width < 2:
        return [], {}
    column, width = material.train.dataset.schema.target, examples.target.width
    counts = np.bincount(np.asarray(examples.targets), minlength=width)
    names = [str(name) for name in examples.target.values(np.arange(width))]
    found = []
    rarest, commonest = int(np.argmin(counts)), int(np.argmax(counts))
    ratio = counts[commonest] / max(counts[rarest], 1)
    if ratio >= _SKEWED:
        detail = (
            f"{names[commonest]!r} has {counts[commonest]:,} rows, {names[rarest]!r} {counts[rarest]:,}: "
            f"{ratio:.0f} times fewer; accuracy alone would hide how the rare ones fare"
        )
        found.append(_about(material, float(1 - 1 / ratio), detail, column=column, facts={"ratio": float(ratio)}))
    for label in np.argsort(counts, kind="stable"):
        if counts[label] >= _MEASURE:
            break
        few = "to learn from" if counts[label] < _LEARN else "to measure how well it is learned"
        found.append(
            _about(
                material,
                float(1 - counts[label] / (2 * _MEASURE)),
                f"{names[label]!r} has {counts[label]} rows, too few {few}: collect more, or join it with another label",  # noqa: E501
                column=column,
                facts={"label": names[label], "rows": int(counts[label])},
            )
        )
    total = max(int(counts.sum()), 1)
    shares = [{"label": n, "rows": int(c), "share": c / total} for n, c in zip(names, counts, strict=True)]
    return found, {"labels": shares, "ratio": float(ratio)}


# ------------------------------------------------------------------------------------------------------------- groups


def _group_columns(material: Material) -> tuple[str, ...]:
    schema, table = material.train.dataset.schema, material.train.dataset.table
    named = material.plan.curate.by
    for name in (*named, *filter(None, [material.plan.curate.annotator])):
        if name not in table.column_names:
            raise UsageError(
                "no-such-column",
                "--by and --annotator must name columns of the table.",
                found=f"{name!r}; the table has {', '.join(table.column_names)}",
                fix="Correct the name.",
            )
    return named or tuple(
        column.name
        for column in schema.columns
        if column.name != schema.target and 2 <= column.distinct <= _MOST_GROUPS and _PEOPLE.search(column.name)
    )


def column_codes(material: Material, name: str) -> tuple[Array, list[str]]:
    """A column at the examples' rows: codes (n,), -1 where empty, and the levels they count, commonest first."""
    cells = material.train.dataset.table.column(name).take(pa.array(material.train.examples.rows))
    texts = cells.cast(pa.string()).to_pylist()
    plain = [None if cell is None or not cell.strip() else cell.strip() for cell in texts]
    levels, counts = np.unique([cell for cell in plain if cell is not None], return_counts=True)
    ordered = [str(level) for level in levels[np.argsort(-counts, kind="stable")]]
    place = {level: code for code, level in enumerate(ordered)}
    return np.array([-1 if cell is None else place[cell] for cell in plain], np.int64), ordered


def holm(values: Sequence[float]) -> Array:
    """p-values (m,) -> p-values that hold for all of them together (Holm 1979)."""
    plain = np.asarray(values, np.float64)
    order = np.argsort(plain, kind="stable")
    stepped = np.maximum.accumulate(plain[order] * np.arange(len(plain), 0, -1))
    out = np.empty(len(plain))
    out[order] = np.minimum(stepped, 1)
    return out


@dataclass(frozen=True)
class _Rate:
    group: int
    what: str
    value: float
    low: float
    high: float
    others: float
    rows: int
    p: float


def _groups(material: Material, name: str, codes: Array, levels: Sequence[str]) -> tuple[list[Finding], dict[str, Any]]:
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    found = []
    for group in np.flatnonzero(counts < _MEASURE)[:_MOST_GROUPS]:
        detail = f"{name} {levels[group]!r} has {counts[group]} rows: too few to say how well an expert serves it"
        facts = {"group": levels[group], "rows": int(counts[group])}
        found.append(_about(material, float(1 - counts[group] / (2 * _MEASURE)), detail, column=name, facts=facts))
    rates = list(_rates(material, codes, len(levels)))
    joint = holm([rate.p for rate in rates])
    for rate, p in zip(rates, joint, strict=True):
        if p < _LEVEL:
            detail = (
                f"{rate.what}: {_shown(rate.value)} of {name} {levels[rate.group]!r}, {_shown(rate.others)} of the others; "  # noqa: E501
                f"more than chance (p {p:.1g} after Holm): ask whether it is so in life or only in this table"
            )
            facts = {"group": levels[rate.group], "value": rate.value, "low": rate.low, "high": rate.high}
            found.append(_about(material, float(1 - p), detail, column=name, facts={**facts, "p": float(p)}))
    told = [
        {"group": levels[r.group], "what": r.what, "rows": r.rows, "value": r.value, "low": r.low, "high": r.high,
         "others": r.others, "p": float(p)}
        for r, p in zip(rates, joint, strict=True)
    ]  # fmt: skip
    sizes = [{"group": level, "rows": int(count)} for level, count in zip(levels, counts, strict=True)]
    return found, {"column": name, "sizes": sizes[:_MOST_LABELS], "rates": told[:500]}


def _shown(value: float) -> str:
    return f"{value:.1%}" if 0 <= value <= 1 else f"{value:.4g}"


def _rates(material: Material, codes: Array, groups: int) -> list[_Rate]:
    """Each label's share (or the quantity's mean) in each group of `_MEASURE` rows, beside that of all other rows."""
    from scipy.stats import fisher_exact, ttest_ind

    examples = material.train.examples
    if not material.labelled:
        return []
    targets, width, out = np.asarray(examples.targets), examples.target.width, []
    names = [
        f"{material.train.dataset.schema.target} is {value!r}" for value in examples.target.values(np.arange(width))
    ]
    for group in range(min(groups, _MOST_GROUPS)):
        inside, outside = codes == group, (codes >= 0) & (codes != group)
        rows, rest = int(inside.sum()), int(outside.sum())
        if rows < _MEASURE or rest < _MEASURE:
            continue
        if width == 1:
            mean, error = float(targets[inside].mean()), float(targets[inside].std(ddof=1) / np.sqrt(rows))
            p = float(ttest_ind(targets[inside], targets[outside], equal_var=False).pvalue)
            what = f"the mean of {material.train.dataset.schema.target}"
            interval = (mean - 1.96 * error, mean + 1.96 * error)
            out.append(_Rate(group, what, mean, *interval, float(targets[outside].mean()), rows, p))
            continue
        have, others = (np.bincount(targets[some], minlength=width) for some in (inside, outside))
        for label in range(1 if width == 2 else 0, min(width, _MOST_LABELS)):
            table = [[have[label], rows - have[label]], [others[label], rest - others[label]]]
            share, p = have[label] / rows, float(fisher_exact(table).pvalue)
            interval = wilson(float(have[label]), rows)
            out.append(_Rate(group, names[label], float(share), *interval, float(others[label] / rest), rows, p))
    return out


# --------------------------------------------------------------------------------------------------------- annotators


def _annotator(material: Material) -> str | None:
    wanted = material.plan.curate.annotator
    columns = [name for name in material.train.dataset.table.column_names if _ANNOTATOR.match(name)]
    return wanted or (columns[0] if len(columns) == 1 else None)


def _annotators(material: Material, name: str) -> tuple[list[Finding], dict[str, Any]]:
    """Who labels otherwise than rows alike suggest, beyond chance; and how far annotators agree on the same rows."""
    from scipy.stats import fisher_exact

    examples = material.train.examples
    if examples.target.width < 2:
        return [], {"column": name}
    codes, levels = column_codes(material, name)
    given = np.asarray(examples.targets)
    if "suggested_labels" not in material.shared:
        ask_labels(material)
    consensus = material.shared.get("suggested_labels", given)
    differs = consensus != given
    names = [str(value) for value in examples.target.values(np.arange(examples.target.width))]
    told, tests = [], []
    for who, level in enumerate(levels):
        mine, others = codes == who, (codes >= 0) & (codes != who)
        table = [[int(differs[some].sum()), int((~differs[some]).sum())] for some in (mine, others)]
        tests.append(float(fisher_exact(table, alternative="greater").pvalue) if others.any() else 1.0)
        pairs, times = np.unique(np.stack([consensus, given])[:, mine & differs], axis=1, return_counts=True)
        swaps = [
            {"consensus": names[pairs[0, at]], "given": names[pairs[1, at]], "rows": int(times[at])}
            for at in np.argsort(-times, kind="stable")[:5]
        ]
        low, high = wilson(float(differs[mine].sum()), int(mine.sum()))
        told.append({"annotator": level, "rows": int(mine.sum()), "differs": float(differs[mine].mean()),
                     "low": low, "high": high, "swaps": swaps})  # fmt: skip
    found = []
    for who, p in enumerate(holm(tests)):
        told[who]["p"] = float(p)
        if p < _LEVEL:
            rest = float(differs[(codes >= 0) & (codes != who)].mean())
            detail = (
                f"annotator {who + 1} of {len(levels)} labels otherwise than rows alike in {told[who]['differs']:.1%} of "  # noqa: E501
                f"{told[who]['rows']:,} rows, the others in {rest:.1%}: more than chance (p {p:.1g} after Holm)"
            )
            found.append(_about(material, float(1 - p), detail, kind="label_error", column=name, facts=told[who]))
    units = np.unique(input_hashes(examples.inputs), return_inverse=True)[1]
    alpha, rows = krippendorff(units[codes >= 0], given[codes >= 0])
    return found, {"column": name, "annotators": told, "alpha": alpha, "rows_labelled_twice": rows}


def krippendorff(units: Array, given: Array) -> tuple[float | None, int]:
    """Krippendorff's alpha (2011) of labels given to the same unit, and the labels it rests on; None where none pair."""  # noqa: E501
    width = int(given.max(initial=0)) + 1
    table = np.zeros((int(units.max(initial=-1)) + 1, width))
    np.add.at(table, (units, given), 1)
    table = table[table.sum(axis=1) >= 2]
    rows = int(table.sum())
    if not rows:
        return None, 0
    size = table.sum(axis=1)
    observed = float(((size**2 - (table**2).sum(axis=1)) / (size - 1)).sum()) / rows
    totals = table.sum(axis=0)
    expected = float(rows**2 - (totals**2).sum()) / (rows * (rows - 1))
    return (1.0 - observed / expected if expected else 1.0), rows
