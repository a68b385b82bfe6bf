"""An expert of several parts, each fitted on its own shard of the rows: to forget a row one part alone is fitted anew.

Sharding as in SISA (Bourtoule et al. 2021), without its slices: a row's shard follows from the hash of its input, so
that it is known without a list and copies of a row share it; the parts' answers are averaged. Which rows are held out
follows from that hash, too: taking a row away moves no other.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from metier import files
from metier.errors import DataError, UsageError
from metier.plan import Plan
from metier.tasks.contract import Array, Examples, Inputs, Predictor, Rung, Target, Work
from metier.trunk.features import Trunk

FILE = "shards.json"
ROWS = "rows.npy"
_NAME = "shard-{}"
_FINISHED = "shard.json"


@dataclass(frozen=True)
class Shards:
    """The parts, one a shard, in order."""

    parts: tuple[Predictor, ...]

    def outputs(self, inputs: Inputs) -> Array:
        """(n, k) logarithms of the parts' mean probabilities, or (n,) mean values."""
        each = [part.outputs(inputs) for part in self.parts]
        if each[0].ndim == 1:
            return np.asarray(np.mean(each, axis=0), np.float32)
        shares = [np.exp(found - found.max(axis=1, keepdims=True)) for found in each]
        mean = np.mean([share / share.sum(axis=1, keepdims=True) for share in shares], axis=0)
        return np.asarray(np.log(np.maximum(mean, 1e-12)), np.float32)

    def save(self, folder: Path) -> None:
        """Write every part into a folder of its own, and `shards.json`."""
        for at, part in enumerate(self.parts):
            (folder / _NAME.format(at)).mkdir(exist_ok=True)
            part.save(folder / _NAME.format(at))
        files.write_json(folder / FILE, {"shards": len(self.parts)})


@dataclass(frozen=True)
class ShardedRung:
    """A rung of the ladder, fitted once a shard; in all else the rung it is made of."""

    rung: Rung
    shards: int

    @property
    def name(self) -> str:
        """The rung's own."""
        return self.rung.name

    @property
    def trains(self) -> bool:
        """As the rung does."""
        return self.rung.trains

    @property
    def summary(self) -> str:
        """The rung's, and in how many parts."""
        return f"{self.rung.summary}, in {self.shards} parts on rows of their own"

    def estimate(self, work: Work) -> float:
        """Seconds: the rows are the same, only dealt out."""
        return self.rung.estimate(work)

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Fit every shard that is not fitted yet; a shard whose rows and settings are the same is read."""
        shard = shard_of(work.train, self.shards)
        parts, settings = [], []
        for at in range(self.shards):
            rows = np.flatnonzero(shard == at)
            part, chosen = self._part(work, at, work.train.take(rows))
            parts.append(part)
            settings.append(chosen)
        return Shards(tuple(parts)), {"shards": settings}

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:
        """Read every part."""
        return load(self.rung, folder, trunk, target)

    def _part(self, work: Work, at: int, train: Examples) -> tuple[Predictor, dict[str, Any]]:
        folder = work.folder / _NAME.format(at)
        own = self._work(work, at, train, folder)
        key = _key(own)
        finished = folder / _FINISHED
        if finished.is_file():
            about = files.read_json(finished)
            if about["key"] == key:
                return self.rung.load(folder, work.trunk, train.target), about["settings"]
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        part, chosen = self.rung.fit(own)
        part.save(folder)
        files.write_array(folder / ROWS, train.rows)
        files.write_json(finished, {"key": key, "settings": chosen})
        return part, chosen

    def _work(self, work: Work, at: int, train: Examples, folder: Path) -> Work:
        """A shard's own work: its rows, its share of the time, and the earlier rungs' parts of the same shard."""
        earlier = {name: found.parts[at] for name, found in work.earlier.items() if isinstance(found, Shards)}
        left = None if work.seconds_left is None else work.seconds_left / (self.shards - at)
        settings = None if work.settings is None else work.settings["shards"][at]
        return replace(work, train=train, folder=folder, earlier=earlier, seconds_left=left, settings=settings)


def check(plan: Plan) -> None:
    """Raise UsageError for what shards cannot be combined with."""
    for choice, other in (
        (plan.private.epsilon is not None, "--epsilon"),
        (plan.fair.mitigate != "none", "--mitigate"),
    ):
        if choice and plan.ladder.shards > 1:
            raise UsageError(
                "shards-alone",
                "Shards deal the rows out by themselves.",
                found=f"--shards together with {other}",
                fix=f"Leave one of them out: {other} draws rows over all shards.",
            )


def sharded(rungs: Sequence[Rung], shards: int) -> tuple[Rung, ...]:
    """The ladder's rungs, in so many parts each where there is more than one."""
    return tuple(rungs) if shards == 1 else tuple(ShardedRung(rung, shards) for rung in rungs)


def load(rung: Rung, folder: Path, trunk: Trunk, target: Target) -> Predictor:
    """What lies in a folder, in one part or several."""
    if not (folder / FILE).is_file():
        return rung.load(folder, trunk, target)
    count = int(files.read_json(folder / FILE)["shards"])
    return Shards(tuple(rung.load(folder / _NAME.format(at), trunk, target) for at in range(count)))


def shard_of(examples: Examples, shards: int) -> Array:
    """(n,) the shard of each example, from the hash of its input. Raises DataError where one would be empty."""
    found = np.asarray(_units(examples) % np.uint64(shards), np.int64)
    counts = np.bincount(found, minlength=shards)
    if counts.min() < 2:
        raise DataError(
            "too-many-shards",
            "Every shard must have two rows to be fitted on.",
            found=f"{len(found)} rows in {shards} shards",
            fix="Ask for fewer with --shards.",
        )
    return found


def held_out(examples: Examples, share: float) -> Array:
    """(n,) which examples are held out, by the hash of their input alone."""
    # Other bits than those that choose the shard, so that every shard holds out its share.
    return np.asarray((_units(examples) >> np.uint64(32)) / 2**32 < share, bool)


def inherit(source: Path, folder: Path) -> None:
    """Copy the shards that an earlier run fitted; those whose rows have changed since are fitted anew."""
    for finished in sorted((source / "rungs").glob(f"*/*/{_NAME.format('*')}/{_FINISHED}")):
        target = folder / finished.parent.relative_to(source)
        if not target.exists():
            shutil.copytree(finished.parent, target)


def _units(examples: Examples) -> Array:
    """(n,) uint64: of rows that belong to a group the group's hash, of others their input's."""
    found = _hashes(examples.inputs)
    if examples.groups is None:
        return found
    told = [value is not None and value == value for value in examples.groups.tolist()]
    return np.where(told, _digests(str(value) for value in examples.groups.tolist()), found)


def _hashes(inputs: Inputs) -> Array:
    """(n,) uint64, equal where inputs are equal but for case and spaces; the same on every machine and ever after."""
    if hasattr(inputs, "hashes"):
        return np.asarray(inputs.hashes(), np.uint64)
    if hasattr(inputs, "column_names"):
        columns = [inputs.column(name).cast("string").to_pylist() for name in inputs.column_names]
        texts = ["\x1f".join(cell or "" for cell in row) for row in zip(*columns, strict=True)]
    else:
        texts = [str(text) for text in inputs.to_pylist()]
    return _digests(" ".join(text.lower().split()) for text in texts)


def _digests(texts: Iterable[str]) -> Array:
    raw = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(raw), "<u8")


def _key(own: Work) -> str:
    """What a shard's fit depends on; time left is not part of it, as it isn't of a run that is taken up again."""
    return files.digest(
        {
            "train": _content(own.train),
            "validation": None if own.validation is None else _content(own.validation),
            "settings": own.settings,
            "seed": own.plan.seed,
            "plan": {
                name: getattr(own.plan, name).model_dump(mode="json") for name in ("training", "adapter", "private")
            },
            "base": own.trunk.base.sha256,
            "metric": own.metric.name,
        }
    )


def _content(examples: Examples) -> str:
    found = hashlib.sha256(np.ascontiguousarray(_hashes(examples.inputs)).tobytes())
    found.update(np.ascontiguousarray(examples.targets).tobytes())
    return found.hexdigest()
