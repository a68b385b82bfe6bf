"""The one training loop: every rung that changes weights goes through `train`, whatever its kind.

A `Pupil` brings a module, its batches and its score; the loop brings optimiser, schedule, clipping, early stopping,
checkpoints and resuming. Order and randomness depend on the seed alone, so that a killed run, started again, goes on
to bit-identical weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from metier.progress import Progress
from metier.tune import checkpoint

_CHECKPOINT = "checkpoint.safetensors"
_SECONDS_BETWEEN_CHECKPOINTS = 20.0


@dataclass(frozen=True)
class Course:
    """The settings of one training: plain numbers, all of them in the record.

    `learning_rate` is the peak after a linear warm-up over `warmup` of the steps; it then falls linearly to 0.
    `measures` is how often in an epoch the score is taken; `patience` counts such measurements. What is measured and
    kept is the moving average of the weights, in which `average` of the past stays at every step (Polyak & Juditsky
    1992); 0 keeps the weights as they are.
    """

    epochs: int
    learning_rate: float
    batch_size: int
    weight_decay: float
    warmup: float
    clip: float
    patience: int
    measures: int
    seed: int
    average: float = 0.0


class Pupil(Protocol):
    """What is trained."""

    module: nn.Module

    def groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """The trained parameters as optimiser groups with their learning rates."""

    def batches(self, rng: np.random.Generator) -> Sequence[Any]:
        """One epoch's batches, a function of `rng` alone."""

    def pieces(self, batch: Any) -> Sequence[tuple[Any, float]]:
        """A batch cut so that each piece fits into memory, with each piece's share of the batch's mean loss."""

    def loss(self, piece: Any) -> Tensor:
        """The mean loss of a piece, a scalar that can be differentiated."""

    def score(self) -> float | None:
        """How good the weights are now, greater is better; None when there is nothing to measure on."""


@dataclass
class Standing:
    """Where a training stands; what a checkpoint keeps beside the tensors."""

    step: int = 0
    best_score: float = -math.inf
    best_step: int = 0
    waited: int = 0
    examples: int = 0
    seconds: float = 0.0
    stopped: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


class Step(Protocol):
    """One optimiser step on one batch; `private.PrivateStep` is another than the loop's own."""

    def __call__(
        self, pupil: Pupil, batch: Any, accelerator: Any, optimizer: Any, clip: float, trained: dict[str, Tensor]
    ) -> float:
        """Change the trained parameters; returns the batch's mean loss."""


def train(
    pupil: Pupil,
    course: Course,
    *,
    folder: Path,
    progress: Progress,
    title: str = "training",
    step: Step | None = None,
) -> Standing:
    """Train `pupil.module` in place and leave its best weights in it.

    Writes `checkpoint.safetensors` into `folder` now and then, and continues from it when it is there; the caller
    removes it once what came of the training is safe. Returns how it went, `history` holding loss and score.
    """
    mixed = "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
    accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=mixed)
    optimizer = torch.optim.AdamW(
        pupil.groups(course.learning_rate), weight_decay=course.weight_decay, fused=not _on_gpu(accelerator) or None
    )
    pupil.module, optimizer = accelerator.prepare(pupil.module, optimizer)
    torch.manual_seed(course.seed)
    first = _epoch(pupil, course, 0, accelerator)
    total = len(first) * course.epochs
    peaks = [group["lr"] for group in optimizer.param_groups]
    trained = {name: p for name, p in accelerator.unwrap_model(pupil.module).named_parameters() if p.requires_grad}
    standing, best, average = checkpoint.resume(folder / _CHECKPOINT, course, Standing(), trained, optimizer)
    every = max(1, len(first) // course.measures)
    saved = started = time.monotonic()
    before = standing.seconds

    with progress.stage(title, total, "steps") as stage:
        stage.advance(standing.step)
        while standing.step < total and not standing.stopped:
            epoch, at = divmod(standing.step, len(first))
            batches = _epoch(pupil, course, epoch, accelerator)
            for batch in batches[at:]:
                _set_rates(optimizer, peaks, _shape(standing.step, total, course.warmup))
                loss = (step or _step)(pupil, batch, accelerator, optimizer, course.clip, trained)
                standing.step += 1
                _follow(average, trained, course.average, standing.step)
                standing.examples += len(batch) * accelerator.num_processes
                standing.seconds = before + time.monotonic() - started
                stage.advance(1, loss=loss, examples_per_second=standing.examples / max(standing.seconds, 1e-9))
                if standing.step % every == 0 or standing.step == total:
                    with _worn(average, trained):
                        _measure(pupil, standing, trained, best, loss, course.patience)
                    stage.advance(0, score=standing.history[-1]["score"])
                if time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS and accelerator.is_main_process:
                    checkpoint.save(folder / _CHECKPOINT, course, standing, trained, (best, average), optimizer)
                    saved = time.monotonic()
                if standing.stopped:
                    break
    if accelerator.is_main_process:
        checkpoint.save(folder / _CHECKPOINT, course, standing, trained, (best, average), optimizer)
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(best[name])
    pupil.module = accelerator.unwrap_model(pupil.module).eval()
    return standing


def forget(folder: Path) -> None:
    """Remove the checkpoint of a training whose outcome is safe."""
    (folder / _CHECKPOINT).unlink(missing_ok=True)


def _on_gpu(accelerator: Accelerator) -> bool:
    return bool(accelerator.device.type == "cuda")


def _epoch(pupil: Pupil, course: Course, epoch: int, accelerator: Accelerator) -> Sequence[Any]:
    """This process's share of an epoch's batches; all processes get equally many."""
    batches = pupil.batches(np.random.default_rng((course.seed, epoch)))
    world = accelerator.num_processes
    return batches[accelerator.process_index : len(batches) // world * world : world] if world > 1 else batches


def _shape(step: int, total: int, warmup: float) -> float:
    """The learning rate's share of its peak: linear up over the warm-up, linear down to 0 after it."""
    rising = max(1, round(total * warmup))
    return (step + 1) / rising if step < rising else (total - step) / max(1, total - rising)


def _set_rates(optimizer: Any, peaks: Sequence[float], share: float) -> None:
    for group, peak in zip(optimizer.param_groups, peaks, strict=True):
        group["lr"] = peak * share


def _step(
    pupil: Pupil, batch: Any, accelerator: Accelerator, optimizer: Any, clip: float, trained: dict[str, Tensor]
) -> float:
    pupil.module.train()
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for piece, share in pupil.pieces(batch):
        with accelerator.autocast():
            loss = pupil.loss(piece) * share
        accelerator.backward(loss)
        total += float(loss.detach())
    accelerator.clip_grad_norm_(trained.values(), clip)
    optimizer.step()
    return total


def _follow(average: dict[str, Tensor], trained: dict[str, Tensor], decay: float, step: int) -> None:
    """Move the average toward the weights; the first steps count for more, for the start is soon left behind."""
    kept = min(decay, step / (step + 10))
    with torch.no_grad():
        for name, tensor in average.items():
            tensor.lerp_(trained[name].detach(), 1 - kept)


@contextmanager
def _worn(average: dict[str, Tensor], trained: dict[str, Tensor]) -> Iterator[None]:
    """Put the average into the module while the block runs."""
    own = {name: trained[name].detach().clone() for name in average}
    with torch.no_grad():
        for name, tensor in average.items():
            trained[name].copy_(tensor)
    yield
    with torch.no_grad():
        for name, tensor in own.items():
            trained[name].copy_(tensor)


def _measure(
    pupil: Pupil, standing: Standing, trained: dict[str, Tensor], best: dict[str, Tensor], loss: float, patience: int
) -> None:
    pupil.module.eval()
    score = pupil.score()
    if score is None:
        # Nothing to choose by: the last weights are the outcome.
        score = float(standing.step)
    standing.history.append({"step": standing.step, "loss": loss, "score": score, "seconds": standing.seconds})
    if score > standing.best_score:
        standing.best_score, standing.best_step, standing.waited = score, standing.step, 0
        for name, parameter in trained.items():
            best[name].copy_(parameter.detach())
    else:
        standing.waited += 1
        standing.stopped = standing.waited >= patience
