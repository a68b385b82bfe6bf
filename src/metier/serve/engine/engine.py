"""Engine: experts by name, and mixed batches of questions to them answered in one pass over each base.

What an expert answers here is what `Expert.predict` answers, whatever stands beside it in a batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metier.answering import Asked, Prediction
from metier.errors import DataError, ExpertError, MetierError, ResourceError
from metier.serve.engine import explaining
from metier.serve.engine.opening import Opened, facts, opened, verified
from metier.serve.engine.summary import added
from metier.serve.engine.trunk import SharedTrunk
from metier.tasks.contract import Array, Inputs
from metier.trunk import base as bases
from metier.trunk.batches import as_texts

Row = str | Mapping[str, Any]
_REMEMBERED_MIB = 64.0


@dataclass(frozen=True)
class Ask:
    """Rows for one expert: all of them texts, or all of them objects with the columns that it reads."""

    expert: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Loaded:
    """An expert that is served under a name. `facts` are plain JSON: folder, root, rung, base, memory, seconds."""

    name: str
    facts: Mapping[str, Any]


@dataclass
class _Job:
    """One ask on its way: what its expert reads of it, then the answers; or what was wrong with it."""

    expert: Opened
    asked: Asked
    texts: Sequence[str] = ()
    answers: list[Prediction] | MetierError | None = None


class Engine:
    """Experts on shared trunks. `cache` is a workspace's cache, used for scratch files and for explanations.

    At most `max_loaded` different experts are held, in at most `memory_mib` beside this program's own memory, bases
    included. All methods may be called from any thread; `answer` runs one call at a time, loading never stops it.
    `remembered_mib` bounds what is remembered of frequent texts, a base. With `summaries` every answer says where its
    row lies among the expert's features.
    """

    def __init__(
        self,
        cache: Path | None = None,
        max_loaded: int | None = None,
        memory_mib: int | None = None,
        *,
        remembered_mib: float = _REMEMBERED_MIB,
        summaries: bool = False,
    ) -> None:
        self.cache = cache
        self.max_loaded, self.memory_mib, self.remembered_mib = max_loaded, memory_mib, remembered_mib
        self.summaries = summaries
        # Replaced as a whole, never changed: who answers keeps the one it began with.
        self._experts: Mapping[str, Opened] = {}
        self._trunks: dict[tuple[str, int], SharedTrunk] = {}
        self._loading, self._answering = threading.Lock(), threading.Lock()
        self._explainers = explaining.Explainers(cache)

    def load(self, name: str, folder: str | Path) -> Loaded:
        """Serve the expert in `folder` under `name`, in place of what went by it; what is loaded already is not again.

        Raises ExpertError where the folder is no expert, altered or broken, BaseError where its base is not here,
        ResourceError where there is no room.
        """
        folder = Path(folder)
        root = verified(folder)
        with self._loading:
            kept = {held.root: held for other, held in self._experts.items() if other != name}
            found = kept.get(root) or self._held(name, root)
            if found is None:
                self._check_room(len(kept) + 1, sum(held.bytes for held in kept.values()))
                found = opened(folder, root, self._trunk)
                self._check_room(len(kept) + 1, found.bytes + sum(held.bytes for held in kept.values()))
            self._experts = {**self._experts, name: found}
        return Loaded(name, facts(found))

    def unload(self, name: str) -> None:
        """Serve this expert no longer; what is being answered still is. Raises ExpertError for a name not served."""
        with self._loading:
            gone = self.expert(name)
            self._experts = {other: held for other, held in self._experts.items() if other != name}
            if gone not in self._experts.values():
                self._explainers.forget(gone.root)
            used = {id(held.trunk) for held in self._experts.values()}
            self._trunks = {key: trunk for key, trunk in self._trunks.items() if id(trunk) in used}

    def loaded(self) -> dict[str, dict[str, Any]]:
        """The facts of every expert that is served, by its name."""
        return {name: facts(held) for name, held in self._experts.items()}

    def expert(self, name: str) -> Opened:
        """The expert that is served under a name. Raises ExpertError where there is none."""
        return _named(self._experts, name)

    def answer(self, asks: Sequence[Ask]) -> list[list[Prediction] | MetierError]:
        """Answer many asks at once: for each a prediction a row, or what was wrong with it alone."""
        served = self._experts
        jobs = [_read(served, ask) for ask in asks]
        with self._answering:
            _run([job for job in jobs if isinstance(job, _Job)], self.summaries)
        return [job if isinstance(job, MetierError) else job.answers or [] for job in jobs]

    def similar(self, expert: str, row: Row, most: int = 5) -> list[dict[str, Any]]:
        """The training rows nearest to this one, `{"row", "text", "label", "similarity"}`, nearest first.

        Not part of a batch: it takes as long as it takes. Raises ExpertError where the training rows are not at hand.
        """
        return self._explainers.similar(self.expert(expert), row, most)

    def explain(self, expert: str, row: Row, **choices: Any) -> dict[str, Any]:
        """Why an expert answers so, in the shape of `metier explain --json`; `choices` are the plan's. As `similar`."""
        return self._explainers.explain(self.expert(expert), row, choices)

    def forget_texts(self) -> None:
        """Drop all that is remembered of texts that were answered."""
        with self._answering:
            for trunk in self._trunks.values():
                trunk.memory.clear()

    # ---------------------------------------------------------------------------------------------------- loading

    def _held(self, name: str, root: str) -> Opened | None:
        held = self._experts.get(name)
        return held if held is not None and held.root == root else None

    def _trunk(self, base: bases.Base) -> SharedTrunk:
        """The trunk of a base; where only the longest text differs the weights are still the same ones."""
        key = (base.sha256, base.max_tokens)
        if key not in self._trunks:
            trunk = SharedTrunk(base, self.cache, memory_mib=self.remembered_mib)
            twins = [other for (sha256, _), other in self._trunks.items() if sha256 == base.sha256]
            trunk.__dict__["model"] = twins[0].model if twins else trunk.model
            self._trunks = {**self._trunks, key: trunk}
        return self._trunks[key]

    def _check_room(self, experts: int, size: int) -> None:
        size += sum({key[0]: trunk.base.bytes for key, trunk in self._trunks.items()}.values())
        over_number = self.max_loaded is not None and experts > self.max_loaded
        over_memory = self.memory_mib is not None and size > self.memory_mib * 2**20
        if over_number or over_memory:
            raise ResourceError(
                "engine-full",
                f"At most {self.max_loaded} experts are loaded at a time."
                if over_number
                else f"The experts loaded must fit into {self.memory_mib} MiB.",
                found=f"{experts} experts, {size / 2**20:.0f} MiB with their bases",
                fix="Unload an expert, or allow more.",
            )


def _named(experts: Mapping[str, Opened], name: str) -> Opened:
    if name not in experts:
        raise ExpertError(
            "no-such-expert",
            "The expert asked must be one that is served here.",
            found=f"{name!r}; served are {', '.join(sorted(experts)[:8]) or 'none'}",
            fix="Ask one of these, or load it first.",
        )
    return experts[name]


# -------------------------------------------------------------------------------------------------------- answering


def _read(experts: Mapping[str, Opened], ask: Ask) -> _Job | MetierError:
    """What its expert reads of an ask."""
    try:
        found, rows = _named(experts, ask.expert), list(ask.rows)
        texts = [row for row in rows if isinstance(row, str)]
        if len(texts) == len(rows):
            "".join(texts).encode()  # half a surrogate pair, as JSON may hold, is no text
            asked = found.expert.asked_texts(texts)
        elif all(isinstance(row, Mapping) for row in rows):
            asked = found.expert.asked(found.expert.dataset(rows))
        else:
            raise DataError(
                "mixed-rows",
                "The rows of one ask are all texts or all objects.",
                found=", ".join(sorted({type(row).__name__ for row in rows})),
                fix="Ask twice.",
            )
        return _Job(found, asked, as_texts(asked.inputs) if found.shared is not None else ())
    except Exception as error:  # noqa: BLE001  whatever one ask has in it, the others are answered
        return told(error)


def _run(jobs: list[_Job], summaries: bool) -> None:
    """Compute the outputs of all: trunk by trunk, then expert by expert."""
    features: dict[int, Array] = {}
    trunks = {id(job.expert.trunk): job.expert.trunk for job in jobs if _reads(job)}
    for trunk in trunks.values():
        assert trunk is not None
        _carefully(
            [job for job in jobs if job.expert.trunk is trunk and _reads(job)],
            lambda some, trunk=trunk: features.update(_features(some, trunk)),  # type: ignore[misc]
        )
    by_expert: dict[int, list[_Job]] = {}
    for job in jobs:
        if job.answers is None:
            by_expert.setdefault(id(job.expert), []).append(job)
    for mine in by_expert.values():
        _carefully(mine, lambda some: _answer(some, features, summaries))


def _reads(job: _Job) -> bool:
    """Whether an answer needs features."""
    return len(job.asked) > 0 and job.expert.shared is not None and not job.expert.shared.featureless


def _features(jobs: Sequence[_Job], trunk: SharedTrunk) -> dict[int, Array]:
    """Each job's features, by its identity, of one pass over all their texts."""
    texts = [text for job in jobs for text in job.texts]
    adapters = [job.expert.adapter for job in jobs for _ in job.texts]
    found = trunk.embed(trunk.tokens(texts), adapters)
    return dict(zip(map(id, jobs), _parted(found, jobs), strict=True))


def _answer(jobs: Sequence[_Job], features: Mapping[int, Array], summaries: bool) -> None:
    """Answer jobs that are all of one expert."""
    expert, read = jobs[0].expert, [job for job in jobs if len(job.asked)]
    inputs = () if expert.own is None else _joined([job.asked.inputs for job in read])
    if inputs is None:
        for job in jobs:
            _carefully([job], lambda some: _answer(some, features, summaries))
        return
    outputs, seen = None, np.zeros((0, 0))
    if read and expert.shared is not None:
        mine = [features[id(job)] for job in read if id(job) in features]
        texts = [text for job in read for text in job.texts]
        seen = np.concatenate(mine) if mine else seen
        outputs = expert.shared.answer(seen, texts)
    elif read and expert.own is not None:
        outputs = expert.own.outputs(inputs)
    asked = Asked.joined([job.asked for job in jobs])
    answers = expert.expert.answered(asked, outputs)
    if summaries and outputs is not None:
        answers = added(answers, asked.rows, seen, outputs)
    start = 0
    for job in jobs:
        job.answers = answers[start : start + job.asked.total]
        start += job.asked.total


def _parted(found: Array, jobs: Sequence[_Job]) -> list[Array]:
    """What was computed for all, job by job."""
    return np.split(found, np.cumsum([len(job.asked) for job in jobs])[:-1])


def _joined(inputs: Sequence[Inputs]) -> Inputs | None:
    """Inputs end to end, as long as they are of one form."""
    import pyarrow as pa

    if len(inputs) < 2:
        return inputs[0] if inputs else ()
    if all(isinstance(each, list) for each in inputs):
        return [one for each in inputs for one in each]
    if all(isinstance(each, pa.Table) and each.schema.equals(inputs[0].schema) for each in inputs):
        return pa.concat_tables(inputs)
    if all(isinstance(each, pa.ChunkedArray) and each.type == inputs[0].type for each in inputs):
        return pa.chunked_array([chunk for each in inputs for chunk in each.chunks], inputs[0].type)
    return None


def _carefully(jobs: list[_Job], run: Callable[[list[_Job]], None]) -> None:
    """Run jobs together; where that fails halve them, until those that cannot be run fail alone."""
    if not jobs:
        return
    try:
        run(jobs)
    except Exception as error:  # noqa: BLE001  whatever one ask has in it, the others are answered
        if len(jobs) == 1:
            jobs[0].answers = told(error)
            return
        _carefully(jobs[: len(jobs) // 2], run)
        _carefully(jobs[len(jobs) // 2 :], run)


def told(error: Exception) -> MetierError:
    """An error as an asker is told it: of others than our own the kind alone, for their words may quote the text."""
    if isinstance(error, MetierError):
        return error
    return DataError(
        "unreadable-row",
        "Every row must be one that the expert can read.",
        found=type(error).__name__,
        fix="Give plain text in Unicode, or an object of texts and numbers by the columns' names.",
    )
