"""Expert: a tuned model in one folder. Load it and predict; merge it into one plain model; nothing else is needed.

The folder holds the tuned weights (PEFT's layout for an adapter), the head, `generic/` (what the base alone would say,
to compare with), `metier.json` (what it is, what it reads and how sure it is), and `manifest.json` (hashes of it all).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from safetensors import SafetensorError

from metier import __version__, files, tasks
from metier.data.dataset import Column, Dataset, Schema, Source
from metier.errors import DataError, ExpertError
from metier.govern import record
from metier.plan import Plan
from metier.progress import Progress, Silent
from metier.tasks import blend, targets
from metier.tasks.contract import Array, Examples, Inputs, Predictor, Target, Task
from metier.trunk import base as bases
from metier.trunk.features import Trunk
from metier.tune import shards
from metier.tune.mitigation import GroupThresholds
from metier.workspace import Workspace

ABOUT = "metier.json"
GENERIC = "generic"
_FORMAT = 1
_CHUNK = 65_536


@dataclass(frozen=True)
class Prediction:
    """One answer: a label or a number, how sure (0..1), and whether a person should answer instead.

    `low` and `high` hold a number's interval. A row that could not be read has prediction None and abstains.
    """

    prediction: Any
    confidence: float
    abstain: bool
    low: float | None = None
    high: float | None = None

    def as_json(self) -> dict[str, Any]:
        """What `predict` writes for one row."""
        out = {"prediction": self.prediction, "confidence": round(self.confidence, 6), "abstain": self.abstain}
        return out if self.low is None else {**out, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Expert:
    """A tuned model, ready to predict."""

    folder: Path
    about: Mapping[str, Any]
    task: Task
    target: Target
    trunk: Trunk
    predictor: Predictor
    generic: Predictor

    @classmethod
    def load(cls, folder: str | Path, *, cache: Path | None = None, progress: Progress | None = None) -> Expert:
        """Read an expert's folder, or a packed one. `cache` is a workspace's, to reuse features embedded before.

        Raises ExpertError when the folder is no expert or incomplete, BaseError when its base is not here.
        """
        folder = opened(folder, Workspace.find() if cache is None else Workspace(cache.parent))
        about = read_about(folder)
        try:
            task = tasks.get(about["task"])
            target = targets.from_record(about["target"])
            trunk = Trunk(base_of(folder, about), cache, progress or Silent())
            rungs = {rung.name: rung for rung in task.rungs(target)}
            own = trunk
            if "runtime" in about:
                from metier.trunk.onnx import OnnxTrunk

                own = OnnxTrunk(trunk.base, folder / about["runtime"]["file"], trunk.progress)
            return cls(
                folder=folder,
                about=about,
                task=task,
                target=target,
                trunk=trunk,
                predictor=shards.load(rungs[about["rung"]], folder, own, target),
                generic=shards.load(rungs[about["generic"]], folder / GENERIC, trunk, target),
            )
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise ExpertError(
                "broken-expert",
                "An expert's folder must be whole, as metier wrote it.",
                found=f"{folder}: {type(error).__name__}: {error}",
                fix=f"metier verify {folder} names the first file that differs; copy the whole folder again.",
            ) from error

    def predict(self, rows: Any) -> list[Prediction]:
        """Answer rows, one Prediction each, in order.

        `rows` is a list of texts, a list of dicts, a Dataset, or a table (pyarrow, polars, pandas).

        >>> expert = Expert.load("expert")  # doctest: +SKIP
        >>> expert.predict(["I lost my card"])[0].prediction  # doctest: +SKIP
        'card_lost'
        """
        return [answer for some in self.predicted(self.dataset(rows)) for answer in some]

    def predicted(self, dataset: Dataset) -> Iterator[list[Prediction]]:
        """Answers in pieces of up to 65,536 rows, so that memory stays bounded."""
        for at in range(0, len(dataset), _CHUNK):
            piece = replace(dataset, table=dataset.table.slice(at, _CHUNK))
            yield self._answers(piece)

    def examples(self, rows: Any) -> Examples:
        """Rows -> Examples with this expert's own labels."""
        return self.task.prepare(self.dataset(rows), self.plan, self.target)

    def unlabelled(self, dataset: Dataset) -> Examples:
        """Rows -> Examples that no label is read for, whatever stands in a column of labels."""
        without = replace(dataset, schema=replace(dataset.schema, target=None))
        return self.task.prepare(without, self.plan, self.target)

    @property
    def thresholds(self) -> GroupThresholds | None:
        """What is taken off a label's outputs group by group, where the expert was tuned so."""
        record = self.about.get("group_thresholds")
        return None if record is None else GroupThresholds.read(record)

    def shifts(self, table: pa.Table, rows: Array) -> Array | None:
        """(n,) what `thresholds` take off these rows of a table, None where there are none; for `outputs`."""
        thresholds = self.thresholds
        return None if thresholds is None else thresholds.of(table, rows)

    def outputs(self, inputs: Inputs, shifts: Array | None = None) -> Array:
        """Inputs -> raw outputs (n, k) or (n,); less `shifts` where the expert has a threshold for each group."""
        return self.shifted(self.predictor.outputs(inputs), shifts)

    def shifted(self, outputs: Array, shifts: Array | None) -> Array:
        """Raw outputs less what each row's group has taken off."""
        thresholds = self.thresholds
        if thresholds is None or shifts is None:
            return outputs
        return thresholds.applied(outputs, shifts, self.target)

    def dataset(self, rows: Any) -> Dataset:
        """Any rows as a Dataset whose columns mean what they meant in tuning."""
        if isinstance(rows, Dataset):
            return replace(rows, schema=self._schema(rows.table))
        table = _table(rows, self.about["reads"])
        return Dataset(table, self._schema(table), Source("memory", "", 0, "memory"))

    def merge(self, folder: str | Path) -> Path:
        """Write one self-contained expert: the tuned weights as a plain transformers model, tokenizer and head.

        Only kinds that read texts through the base can be merged. Returns the folder; raises ExpertError.
        """
        trunk, head = getattr(self.predictor, "trunk", None), getattr(self.predictor, "head", None)
        if trunk is None or head is None:
            raise ExpertError(
                "nothing-to-merge",
                "Merging needs an expert whose rung uses the base: frozen, adapter or full.",
                found=f"the rung {self.about['rung']}",
                fix="Copy the folder as it is: it does not depend on a base.",
            )
        from metier.tune.adapters import save_blocks

        with files.write_folder(folder) as building:
            origin = Path(self.trunk.base.folder)
            for name in (
                "tokenizer.json",
                "tokenizer_config.json",
                "sentence_bert_config.json",
                "1_Pooling/config.json",
            ):
                if (origin / name).is_file():
                    (building / name).parent.mkdir(exist_ok=True)
                    shutil.copyfile(origin / name, building / name)
            save_blocks(trunk.model, building)
            head.save(building / "head.safetensors")
            blend.copy(self.folder, building)
            shutil.copytree(self.folder / GENERIC, building / GENERIC)
            about = {**self.about, "rung": "frozen", "merged_from": self.about["rung"]}
            about["base"] = bases.find(str(building)).record() | {"name": self.about["name"]}
            about["base_is"] = "."
            files.write_json(building / ABOUT, about)
            record.seal_expert(building)
        return Path(folder)

    # -------------------------------------------------------------------------------------------------- inside

    def _answers(self, dataset: Dataset) -> list[Prediction]:
        answers = [Prediction(None, 0.0, True)] * len(dataset)
        try:
            # Whatever stands in a column of labels: nothing, or a label nobody has trained on.
            examples = self.unlabelled(dataset)
        except DataError as error:
            if error.code == "nothing-left":
                return answers
            raise
        if not len(examples.rows):
            return answers
        outputs = self.outputs(examples.inputs, self.shifts(dataset.table, examples.rows))
        found = self.target.decode(outputs, self.about["calibration"], self.about["threshold"])
        for at, row in enumerate(examples.rows):
            low, high = (None, None) if found.interval is None else map(float, found.interval[at])
            answers[row] = Prediction(found.values[at], float(found.confidence[at]), bool(found.abstain[at]), low, high)
        return answers

    @property
    def plan(self) -> Plan:
        """What its kind is asked with: nothing but the kind."""
        return Plan.of(kind=self.about["task"])

    def _schema(self, table: pa.Table) -> Schema:
        absent = [name for name in self.about["reads"] if name not in table.column_names]
        if absent:
            raise ExpertError(
                "missing-columns",
                f"This expert reads the columns {', '.join(self.about['reads'])}.",
                found=f"no {', '.join(absent)} among {', '.join(table.column_names)}",
                fix="Rename the columns, or give texts as a plain list or one text a line.",
            )
        columns = tuple(Column(**column) for column in self.about["columns"] if column["name"] in table.column_names)
        named = {column.name for column in columns}
        target = self.about["target_column"]
        return Schema(columns, target if target in named else None)


def name_of(folder: str | Path) -> str:
    """The name an expert was given. Raises ExpertError where the folder is none."""
    return str(read_about(Path(folder))["name"])


def write(
    folder: Path,
    *,
    plan: Plan,
    task: Task,
    target: Target,
    base: bases.Base,
    base_is: str,
    rung: str,
    predictor: Predictor,
    generic: tuple[str, Predictor],
    calibration: Mapping[str, float],
    threshold: float | None,
    schema: Schema,
    reads: Sequence[str],
    evidence: Mapping[str, Any],
) -> None:
    """Write an expert's folder; nothing is seen of it until it is whole. `evidence` goes into metier.json as it is.

    What lies at `folder` is replaced, whatever it is: `folder` is part of a run, so metier's own.
    """
    with files.write_folder(folder, marker=None) as building:
        predictor.save(building)
        (building / GENERIC).mkdir()
        generic[1].save(building / GENERIC)
        files.write_json(
            building / ABOUT,
            {
                "format": _FORMAT,
                "version": __version__,
                "name": plan.name,
                "task": task.name,
                "rung": rung,
                "generic": generic[0],
                "target_column": schema.target,
                "target": target.record(),
                "reads": list(reads),
                # In the order they are read: texts are joined in it.
                "columns": [_column(schema, name, plan) for name in (*reads, schema.target) if name is not None],
                "base": base.record(),
                "base_is": base_is,
                "calibration": dict(calibration),
                "threshold": threshold,
                "seed": plan.seed,
                **evidence,
            },
        )
        record.seal_expert(building)


def _column(schema: Schema, name: str, plan: Plan) -> dict[str, Any]:
    """What an expert keeps of a column; of a private one's no cell."""
    about = asdict(schema.column(name))
    return {**about, "examples": ()} if plan.private.epsilon is not None else about


def read_about(folder: Path) -> dict[str, Any]:
    """What an expert's metier.json holds. Raises ExpertError where the folder holds none, or one metier cannot read."""
    path = folder / ABOUT
    if not path.is_file():
        inside = sorted(folder.glob("expert/" + ABOUT)) if folder.is_dir() else []
        raise ExpertError(
            "no-expert",
            f"An expert is a folder with {ABOUT}.",
            found=f"none in {folder}" if folder.is_dir() else f"{folder} is not a folder",
            fix=f"Did you mean {inside[0].parent}?" if inside else "metier tune DATA --target COLUMN makes one.",
        )
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        newer = about["format"] > _FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise ExpertError("broken-expert", f"{ABOUT} must be what metier wrote.", found=f"{path}: {error}") from error
    if newer:
        raise ExpertError(
            "newer-expert",
            "This expert was written by a newer metier.",
            found=f"format {about['format']}",
            fix="pip install -U metier",
        )
    return about


def opened(path: str | Path, place: Workspace) -> Path:
    """The expert's folder; of a packed one, once it has been verified, the folder it is unpacked to.

    Raises ExpertError for a pack that was altered or signed by a key that is not trusted.
    """
    if not Path(path).is_file():
        return Path(path)
    from metier.govern.packing.packed import unpacked

    return unpacked(path, place)


def copied(folder: Path, output: str | Path | None) -> Path:
    """A copy of an expert's folder at `output`; the folder itself where that is None."""
    if output is None:
        return folder
    with files.write_folder(output) as building:
        shutil.copytree(folder, building, dirs_exist_ok=True)
    return Path(output)


def base_of(folder: Path, about: Mapping[str, Any]) -> bases.Base:
    """The base of an expert's folder: the one recorded, by its hash. Raises BaseError, ExpertError."""
    wanted = about["base"]
    name = str(folder) if about["base_is"] == "." else about["base_is"]
    packed = folder.parent / "base"  # an expert that was packed with its base brings it along
    if (folder.parent.parent.name, folder.name) == ("packs", "expert") and packed.is_dir():
        name = str(packed) + (f":{wanted['form']}" if wanted.get("form") else "")
    base = bases.find(name, max_tokens=wanted["max_tokens"])
    if base.sha256 != wanted["sha256"]:
        raise ExpertError(
            "other-base",
            f"This expert was tuned from the base with hash {wanted['sha256'][:16]}.",
            found=f"{base.name} with hash {base.sha256[:16]}",
            fix="Put the same base back, or tune again.",
        )
    return base


def _table(rows: Any, reads: Sequence[str]) -> pa.Table:
    if isinstance(rows, pa.Table):
        return rows
    if hasattr(rows, "to_arrow"):
        return rows.to_arrow()
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        return pa.Table.from_pandas(rows, preserve_index=False)
    rows = [rows] if isinstance(rows, str | Mapping) else list(rows)
    if rows and isinstance(rows[0], Mapping):
        names = dict.fromkeys(name for row in rows for name in row)
        return pa.table({str(name): _values([row.get(name) for row in rows]) for name in names})
    texts = pa.array([None if text is None else str(text) for text in rows], pa.large_string())
    return pa.table(
        {name: texts if at == 0 else pa.nulls(len(rows), pa.large_string()) for at, name in enumerate(reads)}
    )


def _values(values: list[Any]) -> pa.Array:
    """A column of Python values; of several types in one column, as the texts that a file would hold."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values], pa.large_string())
