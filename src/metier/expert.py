"""Expert: a tuned model in one folder. Load it and predict; merge it into one plain model; nothing else is needed.

The folder holds the tuned weights (PEFT's layout for an adapter), the head, `generic/` (what the base alone would say,
to compare with), `metier.json` (what it is, what it reads and how sure it is), and `manifest.json` (hashes of it all).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from metier import __version__, files, tasks
from metier.answering import Answering
from metier.answering import Prediction as Prediction
from metier.data.dataset import Dataset, Schema
from metier.errors import ExpertError
from metier.govern import record
from metier.plan import Plan
from metier.progress import Progress, Silent
from metier.tasks import blend, targets
from metier.tasks.contract import Array, Inputs, Predictor, Rung, Target, Task
from metier.trunk import base as bases
from metier.trunk.features import Trunk
from metier.tune import shards
from metier.workspace import Workspace

ABOUT = "metier.json"
GENERIC = "generic"
_FORMAT = 1
_CHUNK = 65_536


@dataclass(frozen=True)
class Expert(Answering):
    """A tuned model, ready to predict."""

    trunk: Trunk
    predictor: Predictor
    generic: Predictor

    @classmethod
    def load(cls, folder: str | Path, *, cache: Path | None = None, progress: Progress | None = None) -> Expert:
        """Read an expert's folder, or a packed one. `cache` is a workspace's, to reuse features embedded before.

        Raises ExpertError when the folder is no expert or incomplete, BaseError when its base is not here.
        """
        with whole(folder):
            opened = manner(folder_of(folder, Workspace.find() if cache is None else Workspace(cache.parent)))
            trunk = opened.task.trunk(base_of(opened), cache, progress or Silent())
            rung = rung_of(opened, opened.about["generic"])
            generic = shards.load(rung, opened.folder / GENERIC, trunk, opened.target)
            own = own_predictor(opened, trunk)
            return cls(opened.folder, opened.about, opened.task, opened.target, trunk, own, generic)

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
            asked = self.asked(piece)
            yield self.answered(asked, self.predictor.outputs(asked.inputs) if len(asked) else None)

    def outputs(self, inputs: Inputs, shifts: Array | None = None) -> Array:
        """Inputs -> raw outputs (n, k) or (n,); less `shifts` where the expert has a threshold for each group."""
        return self.shifted(self.predictor.outputs(inputs), shifts)

    def merge(self, folder: str | Path) -> Path:
        """Write one self-contained expert: the tuned weights as a plain transformers model, and what goes with them.

        Only rungs that read through a base can be merged. Returns the folder; raises ExpertError.
        """
        trunk, head = getattr(self.predictor, "trunk", None), getattr(self.predictor, "head", None)
        if trunk is None or head is None or not trunk.base.layers:
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
                bases.PREPROCESSOR,
            ):
                if (origin / name).is_file():
                    (building / name).parent.mkdir(exist_ok=True)
                    shutil.copyfile(origin / name, building / name)
            save_blocks(trunk.model, building)
            head.save(building / "head.safetensors")
            blend.copy(self.folder, building)
            shutil.copytree(self.folder / GENERIC, building / GENERIC)
            about = {**self.about, "rung": "frozen", "merged_from": self.about["rung"]}
            about["base"] = self.task.base(str(building)).record() | {"name": self.about["name"]}
            about["base_is"] = "."
            files.write_json(building / ABOUT, about)
            record.seal_expert(building)
        return Path(folder)


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


# -------------------------------------------------------------------------------------------- the parts of an expert


def folder_of(path: str | Path, place: Workspace) -> Path:
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


@contextmanager
def whole(folder: str | Path) -> Iterator[None]:
    """What is missing or broken in an expert's folder becomes an ExpertError."""
    try:
        yield
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise ExpertError(
            "broken-expert",
            "An expert's folder must be whole, as metier wrote it.",
            found=f"{folder}: {type(error).__name__}: {error}",
            fix=f"metier verify {folder} names the first file that differs; copy the whole folder again.",
        ) from error


def manner(folder: str | Path) -> Answering:
    """How the expert in a folder reads and answers; no weights are read. Raises ExpertError."""
    about = read_about(Path(folder))
    return Answering(Path(folder), about, tasks.get(about["task"]), targets.from_record(about["target"]))


def rung_of(expert: Answering, name: str) -> Rung:
    """A rung of the ladder that the expert was tuned on."""
    return {rung.name: rung for rung in expert.task.rungs(expert.target)}[name]


def own_predictor(expert: Answering, trunk: Trunk) -> Predictor:
    """The expert's own predictor, over this trunk of its base or, where it was exported, over its own file."""
    if "runtime" in expert.about:
        from metier.trunk.onnx import OnnxTrunk

        trunk = OnnxTrunk(trunk.base, expert.folder / expert.about["runtime"]["file"], trunk.progress)
    return shards.load(rung_of(expert, expert.about["rung"]), expert.folder, trunk, expert.target)


def base_of(expert: Answering) -> bases.Base:
    """The base that the expert was tuned from. Raises BaseError where it is not here, ExpertError where it differs."""
    wanted = expert.about["base"]
    name = str(expert.folder) if expert.about["base_is"] == "." else expert.about["base_is"]
    packed = expert.folder.parent / "base"  # an expert that was packed with its base brings it along
    if (expert.folder.parent.parent.name, expert.folder.name) == ("packs", "expert") and packed.is_dir():
        name = str(packed) + (f":{wanted['form']}" if wanted.get("form") else "")
    base = expert.task.base(name, max_tokens=wanted["max_tokens"] or None)
    if base.sha256 != wanted["sha256"]:
        raise ExpertError(
            "other-base",
            f"This expert was tuned from the base with hash {wanted['sha256'][:16]}.",
            found=f"{base.name} with hash {base.sha256[:16]}",
            fix="Put the same base back, or tune again.",
        )
    return base
