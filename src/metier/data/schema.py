"""What each column is for: roles with their reasons, the target, and what of it a person should know."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pyarrow as pa

from metier.data.dataset import Column, Problem, Role, Schema
from metier.data.profile import Profile, profile
from metier.data.target import guess, quoted
from metier.data.values import NumberStyle, TimeStyle, number_style, numbers, strings, time_style, times
from metier.errors import DataError
from metier.plan import DataPlan

__all__ = [
    "NumberStyle",
    "TimeStyle",
    "check_names",
    "infer_schema",
    "number_style",
    "numbers",
    "require",
    "strings",
    "time_style",
    "times",
]


def infer_schema(table: pa.Table, plan: DataPlan) -> Schema:
    """Give every column a role: what the plan names first, then what the columns look like.

    The target is guessed where it is plain; else `schema.target` is None and a problem lists the candidates.
    Raises DataError for duplicate names and for names in the plan that the table doesn't have.
    """
    names = table.column_names
    check_names(names)
    asked = [name for name in (plan.target, plan.group) if name is not None]
    require(names, [*asked, *plan.text, *plan.ignore])
    profiles = [profile(table, name) for name in names]
    target, problems = plan.target, []
    if target is None:
        open_to = [item for item in profiles if item.name not in {*plan.text, *plan.ignore, plan.group}]
        target, problem = guess(table, open_to)
        problems.append(problem)
    columns = _seen_once(tuple(_column(item, plan, target) for item in profiles), table)
    problems += [problem for item in profiles if item.name != target for problem in _mixed(item)]
    if target is not None:
        problems += _target_problems(next(item for item in profiles if item.name == target))
    return Schema(_one_group(columns, plan), target, tuple(problems))


def check_names(names: Sequence[str]) -> None:
    """Raise DataError where two columns have one name."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            "duplicate-columns",
            "Every column must have a name of its own.",
            found=", ".join(f"{name!r} at {[i for i, n in enumerate(names, 1) if n == name]}" for name in twice[:5]),
            fix="Rename them in the file; if the first line is a row and not a header, add --header no.",
        )


def require(names: Sequence[str], wanted: Iterable[str]) -> None:
    """Raise DataError where a wanted column is missing, naming those that are near and all there are."""
    for name in wanted:
        if name in names:
            continue
        folded = {other.strip().lower(): other for other in names}
        near = [folded[match] for match in difflib.get_close_matches(name.strip().lower(), folded, n=3, cutoff=0.5)]
        shown = ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
        raise DataError(
            "no-such-column",
            f"The table must have a column named {name!r}.",
            found=f"columns {shown}",
            fix=f"Did you mean {' or '.join(quoted(other) for other in near)}?"
            if near
            else "Name one of these columns.",
        )


def _column(item: Profile, plan: DataPlan, target: str | None) -> Column:
    role, reason = item.content, item.reason
    if item.name == target:
        role, reason = "target", "named as the target" if plan.target else "taken as the target"
    elif item.name in plan.ignore:
        role, reason = "empty", "left out, as asked"
    elif item.name == plan.group:
        role, reason = "group", "named as the group"
    elif item.name in plan.text:
        role, reason = "text", "named as text"
    elif role == "text" and plan.text:
        role, reason = "empty", "text, but not among the text columns that were named"
    return Column(item.name, role, reason, item.missing, item.distinct, item.examples, item.content)


def _seen_once(columns: tuple[Column, ...], table: pa.Table) -> tuple[Column, ...]:
    """Where the table holds pictures themselves, a column of paths names them and is read for nothing."""
    images = [column.name for column in columns if column.role == "image"]
    paths = [name for name in images if not _is_bytes(table.column(name).type)]
    if len(paths) == len(images):
        return columns
    return tuple(
        replace(column, role="id", reason="names of pictures that the table itself holds")
        if column.name in paths
        else column
        for column in columns
    )


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _one_group(columns: tuple[Column, ...], plan: DataPlan) -> tuple[Column, ...]:
    """At most one column groups the rows: the one named, else the first found; the others are identifiers."""
    groups = [column.name for column in columns if column.role == "group"]
    kept = plan.group or next(iter(groups), None)
    return tuple(
        replace(column, role="id", reason=f"identifiers that repeat; the rows are grouped by {kept}")
        if column.role == "group" and column.name != kept
        else column
        for column in columns
    )


def _mixed(item: Profile) -> list[Problem]:
    if not item.odd:
        return []
    kinds: dict[Role, str] = {"number": "numbers", "time": "dates or times"}
    what = kinds.get(item.content, "like the rest")
    detail = f"{item.odd:,} cells of {item.name} are not {what}; they count as missing there."
    fix = "Mend them in the file, or leave the column out with --ignore."
    return [Problem("mixed-types", "warning", detail, item.odd, item.name, fix)]


def _target_problems(item: Profile) -> list[Problem]:
    """What makes a target impossible or doubtful to learn."""
    if item.present == 0:
        return [_target("target-missing", "Every cell of the target {} is missing.", item)]
    if item.distinct == 1:
        said = item.examples[0] if item.examples else ""
        return [
            _target(
                "target-one-value", f"Every cell of the target {{}} says {said!r}: there is nothing to learn.", item
            )
        ]
    if item.distinct == item.present and item.present > 2 and not item.numeric:
        return [
            _target("target-all-distinct", "Every cell of the target {} is different: no label has two examples.", item)
        ]
    found = []
    if item.missing:
        detail = f"{item.missing:,} rows have no {item.name}; they are set aside."
        found.append(Problem("target-gaps", "note", detail, item.missing, item.name))
    if item.odd:
        detail = f"{item.odd:,} cells of the target {item.name} are not like the rest, which are {item.content}s."
        found.append(Problem("mixed-types", "warning", detail, item.odd, item.name, "Mend them in the file."))
    return found


def _target(code: str, detail: str, item: Profile) -> Problem:
    return Problem(code, "error", detail.format(item.name), item.rows, item.name, "Name another column with --target.")
