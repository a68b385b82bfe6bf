"""Which method explains this expert: measured once on its own rows, kept beside the caches by the expert's hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from metier import __version__, files
from metier.errors import ResourceError, UsageError
from metier.expert import Expert
from metier.explain import faithfulness
from metier.explain.attribution import METHODS, PLAIN, RANDOM
from metier.explain.neighbours import root_of
from metier.explain.subject import Subject
from metier.progress import Progress
from metier.tasks.contract import Examples, Inputs

_ROWS = 32  # a method no better than chance shows on these; what separates good methods is small
_FEWEST = 8


@dataclass(frozen=True)
class Choice:
    """The method taken, None where none is better than random; and how faithful every method was, where measured."""

    method: str | None
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, Any]:
        """The method's own, as `explain --json` shows them, None where nothing was measured."""
        methods = self.measured.get("methods", {})
        own, random = methods.get(self.method or RANDOM), methods.get(RANDOM)
        return {
            "comprehensiveness": own and own["comprehensiveness"],
            "sufficiency": own and own["sufficiency"],
            "random": random and random["comprehensiveness"],
        }


def chosen(
    expert: Expert,
    subject: Subject,
    rows: Examples | None,
    cache: Path,
    *,
    asked: str | None,
    seed: int,
    progress: Progress,
) -> Choice:
    """The method asked for or, if None, the one that was most faithful; measured on `rows` unless it has been already.

    Without rows to measure on, every method may be asked for and leaving one out is taken. Raises UsageError for a
    method that is none, that this expert's kind of model does not allow, or that was no better than random order.
    """
    _known(asked, subject)
    measured = stored(expert, cache)
    if measured is None and rows is not None and len(rows) >= _FEWEST:
        progress.say("how faithful each method is has not been measured on this expert yet; doing that once")
        inputs = sample(rows.inputs, _ROWS, seed)
        found = faithfulness.measure(
            subject, subject.claims(inputs), level=float(expert.about["level"]), seed=seed, progress=progress
        )
        measured = store(expert, cache, found.as_json())
    if measured is None:
        return Choice(asked or PLAIN)
    if asked is not None and measured["methods"][asked]["refused"]:
        raise _refused(asked, measured)
    return Choice(asked or measured["best"], measured)


def sample(inputs: Inputs, most: int, seed: int) -> Inputs:
    """At most `most` of the inputs, drawn by the seed, in their order."""
    count = len(inputs)
    if count <= most:
        return inputs
    return inputs.take(pa.array(np.sort(np.random.default_rng([seed, count]).choice(count, most, replace=False))))


def stored(expert: Expert, cache: Path) -> dict[str, Any] | None:
    """What was measured of this expert before, by this version and these methods; else None."""
    try:
        found = files.read_json(_path(expert, cache))
    except (ResourceError, ValueError):
        return None
    fits = isinstance(found, dict) and found.get("version") == __version__ and found.get("known") == list(METHODS)
    return found if fits else None


def store(expert: Expert, cache: Path, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what was measured: the folder of an expert is sealed, so it lies in the workspace's cache."""
    record = {**measured, "version": __version__, "known": list(METHODS)}
    path = _path(expert, cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(path, record)
    return record


def _path(expert: Expert, cache: Path) -> Path:
    return cache / "explanations" / f"{root_of(expert)}.json"


def _known(asked: str | None, subject: Subject) -> None:
    usable = [name for name, method in METHODS.items() if method.applies(subject)]
    if asked is not None and asked not in usable:
        why = "it needs a base that gradients go through" if asked in METHODS else "no method of that name"
        raise UsageError(
            "no-such-method",
            "--method must name a way to explain this expert.",
            found=f"{asked}: {why}",
            fix=f"One of {', '.join(usable)}; or leave it out: the most faithful one is taken.",
        )


def _refused(asked: str, measured: Mapping[str, Any]) -> UsageError:
    gain = measured["methods"][asked]["over_random"]
    best = measured["best"]
    return UsageError(
        "unfaithful-method",
        "An explanation must name what the expert goes by better than chance would.",
        found=f"{asked} is ahead of random order by {gain['points']:.3f} ({gain['low']:.3f} to {gain['high']:.3f}) in "
        f"comprehensiveness on {measured['rows']} rows: within chance",
        fix=f"--method {best} is the most faithful one." if best else "No method is better than chance on this expert.",
    )
