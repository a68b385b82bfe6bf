"""Which bases could be started from, and which the user's limits leave out, each with its reason."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metier.errors import BaseError
from metier.plan import ChoosePlan, Plan
from metier.trunk import base as bases
from metier.trunk import forms
from metier.trunk.features import Trunk

_DEPTHS = (1 / 6, 1 / 3, 1 / 2, 2 / 3)  # how much of the bundled base its cut-down forms keep
_MIB = 1 << 20
_TIMED = 15


@dataclass(frozen=True)
class Candidate:
    """A base that keeps to the limits; `name` is what to type after --base, `latency_ms` the time to read one text."""

    name: str
    base: bases.Base
    latency_ms: float

    @property
    def cost(self) -> tuple[int, int]:
        """What ties are decided by, less is better: time in steps of 15%, then bytes."""
        return round(float(np.log(max(self.latency_ms, 1e-3)) / np.log(1.15))), self.base.bytes


@dataclass(frozen=True)
class Excluded:
    """A base that is not tried, and why."""

    name: str
    reason: str


def candidates(plan: Plan, texts: Sequence[str]) -> tuple[list[Candidate], list[Excluded]]:
    """The bundled base and its cut-down forms, what is named, and what lies in the local Hugging Face cache.

    `texts` are some of the user's own, to measure the time on. Raises BaseError only where nothing is left.
    """
    kept: list[Candidate] = []
    excluded: list[Excluded] = []
    seen: dict[str, str] = {}
    for name, where in _named(plan.choose):
        try:
            base = bases.find(where, max_tokens=plan.base.max_tokens, offline=plan.choose.offline)
            reason = _over_the_limits(base, plan.choose)
            if base.sha256 in seen:
                reason = f"the same content as {seen[base.sha256]}"
            if not reason:
                latency = measured_latency(base, texts)
                reason = _too_slow(latency, plan.choose)
        except BaseError as error:
            reason = f"{error.problem} Found: {error.found}" if error.found else error.problem
        if reason:
            excluded.append(Excluded(name, reason))
        else:
            seen[base.sha256] = name
            kept.append(Candidate(name, base, latency))
    if not kept:
        raise BaseError(
            "no-candidate",
            "At least one base must keep to all limits.",
            found="; ".join(f"{one.name}: {one.reason}" for one in excluded),
            fix="Loosen --licences, --language, --max-mib or --max-latency-ms, or name another --candidate.",
        )
    return kept, excluded


def measured_latency(base: bases.Base, texts: Sequence[str]) -> float:
    """Milliseconds to read one text on this machine, the median of fifteen. Raises BaseError for no reader."""
    trunk, spent = Trunk(base), []
    try:
        trunk.features(list(texts[:1]))
        for text in [texts[at % len(texts)] for at in range(_TIMED)]:
            start = time.perf_counter()
            trunk.features([text])
            spent.append(1000 * (time.perf_counter() - start))
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        raise BaseError(
            "not-a-text-base", "A base must turn a text into states.", found=f"{type(error).__name__}: {error}"
        ) from error
    return float(np.median(spent))


def _named(choose: ChoosePlan) -> Iterator[tuple[str, str]]:
    """(what to type, where to find it) of everything to look at; each once."""
    layers = bases.find(bases.BUNDLED).layers
    depths = sorted({max(1, round(layers * share)) for share in _DEPTHS} - {layers}, reverse=True)
    found = [(bases.BUNDLED, bases.BUNDLED), *((name, name) for name in (f"{bases.BUNDLED}:{n}" for n in depths))]
    for given in choose.candidate:
        found += [(name, name) for name in _folders(given)]
    found += list(forms.cached().items())
    yield from dict(found).items()


def _folders(given: str) -> list[str]:
    """A folder of models -> the models in it; anything else stands for itself."""
    folder = Path(given)
    if not folder.is_dir() or any(folder.glob("*.safetensors")) or (folder / "config.json").is_file():
        return [given]
    inside = sorted({path.parent for path in folder.glob("*/*.safetensors")})
    return [str(path) for path in inside] or [given]


def _over_the_limits(base: bases.Base, choose: ChoosePlan) -> str:
    """Which limit a base does not keep to; empty if none."""
    allowed = {_plain(name) for name in choose.licences}
    if allowed and _plain(base.licence) not in allowed:
        return f"its licence is {base.licence}; --licences allows {', '.join(choose.licences)}"
    if choose.max_mib is not None and base.bytes > choose.max_mib * _MIB:
        return f"its weights take {base.bytes / _MIB:.1f} MiB, more than --max-mib {choose.max_mib:g}"
    if choose.language is not None:
        stated = forms.languages(base)
        if choose.language.lower() not in [name.lower() for name in stated]:
            told = f"names {', '.join(stated)}" if stated else "names no language"
            return f"its model card {told}; --language {choose.language} was asked for"
    return ""


def _too_slow(latency: float, choose: ChoosePlan) -> str:
    if choose.max_latency_ms is None or latency <= choose.max_latency_ms:
        return ""
    return f"it takes {latency:.1f} ms to read one text here, more than --max-latency-ms {choose.max_latency_ms:g}"


def _plain(licence: str) -> str:
    return re.sub(r"[^a-z0-9]", "", licence.lower())
