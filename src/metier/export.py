"""Export: an expert as an ONNX file that other runtimes open, in a folder that metier itself still answers from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from metier import files
from metier.errors import ExpertError
from metier.expert import ABOUT, GENERIC, Expert
from metier.govern import record
from metier.tasks import blend
from metier.trunk import onnx

FORMATS = ("onnx", "onnx-int8")


def export(
    expert: str | Path | Expert,
    folder: str | Path,
    *,
    format: str = "onnx",
) -> dict[str, Any]:
    """Write an expert's folder anew with `model.onnx`, `tokenizer.json` and `labels.json` in place of torch weights.

    Raises ExpertError where the expert's rung does not read texts through a base, ResourceError without the extra.
    """
    loaded = expert if isinstance(expert, Expert) else Expert.load(expert)
    trunk, head = getattr(loaded.predictor, "trunk", None), getattr(loaded.predictor, "head", None)
    if trunk is None or head is None or not trunk.reads_texts or "runtime" in loaded.about:
        raise ExpertError(
            "nothing-to-export",
            "ONNX holds an expert that reads texts through its base: rung frozen, adapter or full.",
            found=f"the rung {loaded.about['rung']}" + (", exported before" if "runtime" in loaded.about else ""),
            fix="Copy the expert's folder as it is: it needs no base.",
        )
    with files.write_folder(folder) as building:
        onnx.write(trunk, head, building / onnx.FILE)
        if format == "onnx-int8":
            onnx.quantize(building / onnx.FILE, building / onnx.FILE)
        head.save(building / "head.safetensors")
        blend.copy(loaded.folder, building)
        shutil.copytree(loaded.folder / GENERIC, building / GENERIC)
        shutil.copyfile(Path(loaded.trunk.base.folder) / "tokenizer.json", building / "tokenizer.json")
        labels = loaded.target.values(np.arange(loaded.target.width)) if loaded.target.width > 1 else []
        files.write_json(building / "labels.json", {"labels": labels, "calibration": loaded.about["calibration"]})
        runtime = {"file": onnx.FILE, "format": format, "exported_from": loaded.about["rung"]}
        files.write_json(building / ABOUT, {**loaded.about, "rung": "frozen", "runtime": runtime})
        record.seal_expert(building)
    return {"expert": str(folder), "format": format, "bytes": _size(Path(folder))}


def smaller(exported: Path, folder: Path) -> dict[str, Any]:
    """An exported expert's folder anew, with int8 weights."""
    about = files.read_json(exported / ABOUT)
    with files.write_folder(folder) as building:
        shutil.copytree(exported, building, dirs_exist_ok=True)
        onnx.quantize(exported / onnx.FILE, building / onnx.FILE)
        files.write_json(building / ABOUT, {**about, "runtime": {**about["runtime"], "format": "onnx-int8"}})
        record.seal_expert(building)
    return {"expert": str(folder), "format": "onnx-int8", "bytes": _size(folder)}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
