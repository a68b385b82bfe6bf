"""A tuned trunk and its head as one ONNX file, in float32 or int8, and a Trunk that runs through it."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from metier.errors import ResourceError
from metier.progress import Progress
from metier.trunk import base as bases
from metier.trunk.features import Trunk, pooled

FILE = "model.onnx"
# Static shapes must not be 1 in the example the graph is traced with: 1 is broadcast.
_EXAMPLE = (2, 9)


def write(trunk: Trunk, head: Any, path: Path) -> None:
    """Write `input_ids` and `attention_mask` (n, tokens) -> `features` (n, 2 * hidden), `outputs` (n, k) to a file.

    Raises ResourceError without the extra `onnx`.
    """
    torch, _ = _needed()
    graph = _graph(trunk, head)
    rows, tokens = torch.export.Dim("rows", min=1, max=1 << 16), torch.export.Dim("tokens", min=2, max=1 << 16)
    shapes = {name: {0: rows, 1: tokens} for name in ("input_ids", "attention_mask")}
    ids = torch.ones(_EXAMPLE, dtype=torch.long)
    with tempfile.TemporaryDirectory() as folder, _quiet(), torch.no_grad():
        program = torch.onnx.export(
            graph, (ids, torch.ones_like(ids)), dynamo=True, verbose=False, dynamic_shapes=shapes,
            input_names=list(shapes), output_names=["features", "outputs"],
        )  # fmt: skip
        whole = Path(folder) / FILE
        program.save(str(whole))
        path.write_bytes(whole.read_bytes())


def quantize(whole: Path, path: Path) -> None:
    """Write the same graph with 8-bit weights in its linear layers; activations are quantised as they come."""
    _, quantization = _needed()
    with tempfile.TemporaryDirectory() as folder, _quiet():
        small = Path(folder) / FILE
        quantization.quantize_dynamic(str(whole), str(small), weight_type=quantization.QuantType.QInt8)
        path.write_bytes(small.read_bytes())


def _needed() -> tuple[Any, Any]:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
        import torch
        from onnxruntime import quantization
    except ImportError as error:
        raise ResourceError(
            "extra-missing",
            "ONNX files are written and run by packages of an extra.",
            found=f"no {error.name}",
            fix="pip install 'metier[onnx]'",
        ) from error
    return torch, quantization


def available() -> bool:
    """Whether the extra `onnx` is installed."""
    try:
        _needed()
    except ResourceError:
        return False
    return True


def _graph(trunk: Trunk, head: Any) -> Any:
    import torch

    class Graph(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = trunk.model
            self.weight = torch.nn.Parameter(head.weight.detach().float().clone(), requires_grad=False)
            self.bias = torch.nn.Parameter(head.bias.detach().float().clone(), requires_grad=False)

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            states = self.model(
                input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True
            ).hidden_states
            features = pooled(states[0], states[-1], attention_mask, trunk.base.pooling)
            return features, features @ self.weight.T + self.bias

    return Graph().eval()


@contextlib.contextmanager
def _quiet() -> Any:
    """The exporter's remarks on packages that are not needed here are kept from a person's terminal."""
    loggers = [logging.getLogger(name) for name in ("", "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class OnnxTrunk(Trunk):
    """A trunk whose features come from an ONNX file; nothing of them is cached, for they are this expert's alone."""

    def __init__(self, base: bases.Base, path: Path, progress: Progress | None = None) -> None:
        super().__init__(base, None, progress)
        self.path = path

    @cached_property
    def session(self) -> Any:
        """The opened file. Raises ResourceError without onnxruntime."""
        _needed()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", 0)) or len(os.sched_getaffinity(0))
        return onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])

    def _forward(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        if ids.shape[1] == 1:  # the graph was traced for two tokens or more
            ids, mask = (np.concatenate([each, np.zeros_like(each)], axis=1) for each in (ids, mask))
        wanted = {"input_ids": ids.astype(np.int64), "attention_mask": mask.astype(np.int64)}
        return np.asarray(self.session.run(["features"], wanted)[0], np.float16)
