"""The file of behaviours that a person writes: what an expert must answer, what must not change it, and what must.

Three kinds, after CheckList (Ribeiro, Wu, Guestrin & Singh, "Beyond accuracy", ACL 2020): minimum functionality,
invariance, directional expectation. docs/behaviours.md is the reference; every problem of a file is told at once.
"""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from metier.errors import UsageError

KINDS = ("minimum", "invariance", "directional")
MOVES = ("not fall", "not rise", "rise", "fall")
_SLOT = re.compile(r"\{(\w+)\}")
_KEYS = (
    "name", "kind", "texts", "templates", "slots", "vary", "changed", "pairs", "rows", "set", "perturbation",
    "severity", "label", "between", "must", "tolerance", "allowed", "when", "most",
)  # fmt: skip
_COLUMNS = ("name", "kind", "text", "changed", "label", "must", "tolerance", "allowed")
_MOST = 1000


@dataclass(frozen=True)
class Trial:
    """One case: a text or a record of columns, and what it becomes; a minimum has `labels` that are right, any of them.

    In a directional case `labels` names the one whose probability is watched; none: the answer given at first.
    """

    items: tuple[Any, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Behaviour:
    """One behaviour, and how many of its cases may fail (a share).

    Cases are `trials`, or made while it is asked: `rows` of the data that is evaluated, with columns `set` to each of
    their values, or changed by a `perturbation` of the kind.
    """

    name: str
    kind: str
    trials: tuple[Trial, ...] = ()
    rows: int = 0
    set: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    perturbation: str = ""
    severity: float | None = None
    labels: tuple[str, ...] = ()
    between: tuple[float, float] | None = None
    must: str = ""
    tolerance: float = 0.0
    allowed: float = 0.0
    when: tuple[str, ...] = ()


def read(path: str | Path, labels: Sequence[str]) -> tuple[Behaviour, ...]:
    """The behaviours of a .json, .jsonl or .csv file; `labels` are those the expert knows, none for a quantity.

    Raises UsageError naming every problem.
    """
    problems: list[str] = []
    found = [
        _behaviour(record, lines, place, labels, problems)
        for place, (record, lines) in enumerate(_records(Path(path)), 1)
    ]
    names = [one.name for one in found]
    problems += [f"two behaviours are named {name!r}" for name in sorted({n for n in names if names.count(n) > 1})]
    if problems or not found:
        shown = "; ".join(problems[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else "")
        raise _error("Every behaviour must be complete.", f"{path}: {shown or 'no behaviour'}")
    return tuple(found)


def _error(problem: str, found: str) -> UsageError:
    return UsageError("bad-behaviours", problem, found=found, fix="docs/behaviours.md shows each kind with an example.")


def _records(path: Path) -> list[tuple[Any, list[Trial]]]:
    """Each behaviour as it was written; of a CSV file with its cases, one a line, apart."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            return _of_csv(text)
        if path.suffix.lower() == ".jsonl":
            return [(json.loads(line), []) for line in text.splitlines() if line.strip()]
        whole = json.loads(text)
    except (OSError, ValueError) as error:
        raise _error("A file of behaviours must be JSON, JSON Lines or CSV.", f"{path}: {error}") from error
    listed = whole.get("behaviours") if isinstance(whole, dict) else whole
    if not isinstance(listed, list):
        raise _error(
            'The file must be a list, or hold one as {"behaviours": [...]}.', f"{path}: {type(whole).__name__}"
        )
    return [(record, []) for record in listed]


def _of_csv(text: str) -> list[tuple[Any, list[Trial]]]:
    """Lines of one name are one behaviour, and what is said of it stands on its first line."""
    reader = csv.DictReader(io.StringIO(text))
    unknown = sorted(set(reader.fieldnames or ()) - set(_COLUMNS))
    if unknown or not {"name", "kind", "text"} <= set(reader.fieldnames or ()):
        raise ValueError(f"columns {', '.join(reader.fieldnames or ())}; known are {', '.join(_COLUMNS)}")
    found: dict[str, tuple[dict[str, Any], list[Trial]]] = {}
    for line in reader:
        cells = {name: value for name, value in line.items() if value not in (None, "")}
        name = str(cells.get("name", ""))
        one, trials = found.setdefault(name, ({"name": name, "kind": cells.get("kind", "")}, []))
        for key in ("must", "tolerance", "allowed"):
            if key in cells:
                one.setdefault(key, cells[key] if key == "must" else float(cells[key]))
        items = tuple(cells[key] for key in ("text", "changed") if key in cells)
        trials.append(Trial(items, tuple(cells["label"].split("|")) if "label" in cells else ()))
    return list(found.values())


def _behaviour(
    record: Any, lines: Sequence[Trial], place: int, labels: Sequence[str], problems: list[str]
) -> Behaviour:
    if not isinstance(record, dict) or not str(record.get("name", "")).strip():
        problems.append(f"behaviour {place} must be an object with a name")
        return Behaviour(f"behaviour {place}", "minimum")
    name, kind = str(record["name"]), str(record.get("kind", ""))
    said: list[str] = [f"unknown key {key!r}{_near(key, _KEYS)}" for key in record if key not in _KEYS]
    if kind not in KINDS:
        said.append(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    own = _many(record.get("label"))
    trials = tuple(_trials(record, lines, kind, own, said))
    one = Behaviour(
        name,
        kind,
        trials,
        rows=_number(record, "rows", 0, said, whole=True, low=1, high=1e9),
        set=_lists(record, "set", said),
        perturbation=str(record.get("perturbation") or ""),
        severity=_number(record, "severity", None, said, low=0, high=1),
        labels=own,
        between=_between(record.get("between"), said),
        must=str(record.get("must") or ""),
        tolerance=_number(record, "tolerance", 0.1 if kind == "directional" else 0.0, said, low=0, high=1e300),
        allowed=_number(record, "allowed", 0.0, said, low=0, high=1),
        when=_many(record.get("when")),
    )
    said += _incomplete(one, labels)
    problems += [f"{name}: {what}" for what in said]
    return one


def _trials(
    record: Mapping[str, Any], lines: Sequence[Trial], kind: str, own: tuple[str, ...], said: list[str]
) -> Iterator[Trial]:
    """The cases a record spells out: one by one, in pairs, or as templates with slots; at most `most`, drawn evenly."""
    found = [*lines]
    for key in ("texts", "pairs", "templates", "changed"):
        if not isinstance(record.get(key) or [], list):
            said.append(f"{key} must be a list, not {record[key]!r}")
            return
    found += [Trial(tuple(group), own) for group in record.get("pairs") or () if isinstance(group, list)]
    found += [Trial((text,), own) for text in record.get("texts") or ()]
    templates, changed = record.get("templates") or (), record.get("changed")
    slots, vary = _lists(record, "slots", said), _many(record.get("vary"))
    if changed is not None and len(changed) != len(templates):
        said.append(f"changed must have as many entries as templates: {len(changed)} and {len(templates)}")
        return
    for at, template in enumerate(templates):
        made = _filled([template] if changed is None else [template, changed[at]], slots, vary, said)
        found += [Trial(items, own) for items in made]
    most = _number(record, "most", _MOST, said, whole=True, low=1, high=1e9)
    if len(found) > most:
        keep = np.linspace(0, len(found) - 1, most).round().astype(int)
        found = [found[at] for at in keep]
    paired = kind in ("invariance", "directional") and not record.get("perturbation")
    if any(len(trial.items) < 2 for trial in found) and paired:
        said.append("every case needs at least two texts: the first, and what it becomes")
    yield from found


def _filled(
    templates: Sequence[Any], slots: Mapping[str, Sequence[Any]], vary: Sequence[str], said: list[str]
) -> Iterator[tuple[Any, ...]]:
    """All ways to fill the slots; those of `vary` within one case, all others from case to case."""
    used = list(dict.fromkeys(name for template in templates for name in _SLOT.findall(json.dumps(template))))
    missing = [name for name in (*used, *vary) if not slots.get(name)]
    if missing:
        said.append(f"slots must list values for {', '.join(dict.fromkeys(missing))}")
        return
    fixed, varied = ([name for name in used if (name in vary) == inside] for inside in (False, True))
    for values in itertools.product(*(slots[name] for name in fixed)):
        filling = dict(zip(fixed, values, strict=True))
        yield tuple(
            _fill(template, {**filling, **dict(zip(varied, others, strict=True))})
            for others in itertools.product(*(slots[name] for name in varied))
            for template in templates
        )


def _fill(template: Any, filling: Mapping[str, Any]) -> Any:
    """A text, or a record of columns, with its slots filled; a cell that is one slot alone keeps the value's type."""
    if isinstance(template, Mapping):
        return {key: _fill(value, filling) for key, value in template.items()}
    if not isinstance(template, str):
        return template
    alone = _SLOT.fullmatch(template)
    return filling[alone[1]] if alone else _SLOT.sub(lambda found: str(filling[found[1]]), template)


def _incomplete(one: Behaviour, labels: Sequence[str]) -> Iterator[str]:
    """What a behaviour lacks to be asked."""
    named = {*one.labels, *one.when, *(label for trial in one.trials for label in trial.labels)}
    if labels:
        for label in sorted(named - set(labels)):
            yield f"{label!r} is no label of this expert{_near(label, labels)}"
    elif named:
        yield "this expert answers with a number: give between [low, high] in place of label"
    if not one.trials and not one.rows:
        yield "it has no case: give texts, templates with slots, pairs, or rows of the data"
    if one.rows and not (one.perturbation or one.set):
        yield "rows of the data need a perturbation, or columns to set"
    if one.kind == "minimum":
        right = one.between if not labels else all(trial.labels for trial in one.trials)
        if not right or one.rows:
            yield "a minimum needs texts, and the label that is right" if labels else "a minimum needs between"
    if one.kind == "directional" and one.must not in MOVES:
        yield f"must has to be one of {', '.join(MOVES)}, not {one.must!r}"
    if one.perturbation and one.kind == "minimum":
        yield "a perturbation belongs to invariance or directional"


def _lists(record: Mapping[str, Any], key: str, said: list[str]) -> dict[str, tuple[Any, ...]]:
    """An object of lists, such as slots."""
    value = record.get(key) or {}
    if not isinstance(value, dict):
        said.append(f"{key} must be an object of lists, not {value!r}")
        return {}
    return {str(name): _many(values, plain=True) for name, values in value.items()}


def _many(value: Any, *, plain: bool = False) -> tuple[Any, ...]:
    """A value or a list of them -> a tuple of texts, or of the values as they are."""
    values = [] if value is None else value if isinstance(value, list) else [value]
    return tuple(values) if plain else tuple(str(one) for one in values)


def _number(
    record: Mapping[str, Any],
    key: str,
    otherwise: Any,
    said: list[str],
    *,
    low: float,
    high: float,
    whole: bool = False,
) -> Any:
    value = record.get(key)
    if value is None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        said.append(f"{key} must be a number from {low:g} to {high:g}, not {value!r}")
        return otherwise
    return int(value) if whole else float(value)


def _between(value: Any, said: list[str]) -> tuple[float, float] | None:
    if value is None:
        return None
    try:
        low, high = (float(end) for end in value)
    except (TypeError, ValueError):
        said.append(f"between must be two numbers, not {value!r}")
        return None
    return low, high


def _near(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(word), [str(one) for one in known], n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
