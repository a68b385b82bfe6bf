"""The rung `adapter` for pictures: LoRA on an image model's linear and convolution layers, through the one loop.

As for texts it starts from the frozen rung's head and the base's own weights, so that step 0 is the rung below.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from metier import files
from metier.tasks.contract import Array, Examples, Predictor, Target, Work
from metier.tasks.image_inputs import Images
from metier.tasks.image_rungs import ADD_BASE, FROZEN, looking_seconds
from metier.tasks.text_rungs import class_weights, judge_of
from metier.trunk.features import Trunk
from metier.trunk.vision import VisionTrunk, summary
from metier.tune import adapters, loop
from metier.tune.heads import Head
from metier.tune.tuned import START, TunedPredictor, choose_scale

_RATE = 1e-3
_HEAD_RATE = 1e-3
_LAST_PASS = 0.3  # of the learning rate
_STEP_COST = 3.5  # of a training step, in passes through the base
_AVERAGE = 0.98  # of the weights' moving average stays at a step
_AT_ONCE = 16  # pictures that go through together: what a step remembers for its backward pass grows with them
_WEIGHTS, _SETTINGS, _DECIDED = "weights", "settings.json", "decided.json"


@dataclass(frozen=True)
class VisionAdapter:
    """LoRA on all linear and (ungrouped) convolution layers of the base, or of the upper share of them."""

    name: str = "adapter"
    summary: str = "LoRA on the base's linear and convolution layers, from the frozen head"
    trains: bool = True

    def lacks(self, train: Examples, trunk: Trunk) -> str:
        """A base."""
        return "" if trunk.base.layers else ADD_BASE

    def estimate(self, work: Work) -> float:
        """Seconds for the passes this rung makes."""
        return looking_seconds(work, work.trunk) + self._seconds(work, _epochs(work))

    def _seconds(self, work: Work, epochs: int) -> float:
        return 5 + len(work.train) * epochs * _STEP_COST / work.trunk.speed()

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Train; choose the best step and the scale on validation."""
        weights = work.folder / _WEIGHTS
        if not (weights / _SETTINGS).is_file():
            start, settings = self._start(work)
            settings |= _train(work, start, settings, weights)
            files.write_json(weights / _SETTINGS, settings)
            (work.folder / _DECIDED).unlink(missing_ok=True)
        return self._open(weights, work.trunk), files.read_json(weights / _SETTINGS)

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:
        """Add the update to a copy of the base's weights, and read the head."""
        return self._open(folder, trunk)

    def rescale(self, source: Path, scale: float, folder: Path, trunk: Trunk) -> None:
        """Write into `folder` the predictor that lies in `source`, its weights at `scale` of the way from the base."""
        from metier.tune.rescale import rescale_weights

        rescale_weights(source, scale, folder, trunk.model)

    def _open(self, folder: Path, trunk: Trunk) -> TunedPredictor:
        model = adapters.merge_adapter(copy.deepcopy(trunk.model), folder)
        return TunedPredictor(trunk.with_model(model), Head.load(folder / "head.safetensors"), folder)

    def _start(self, work: Work) -> tuple[Any, dict[str, Any]]:
        """The predictor training starts from, and its settings; in the last fit on all rows those of the climb.

        Where a new training on all rows would take too long, that is this rung as the climb left it, for one more pass.
        """
        frozen, here = work.earlier.get("frozen"), work.earlier.get(self.name)
        if work.settings is None:
            settings = {
                "epochs": _epochs(work),
                "learning_rate": work.plan.training.learning_rate or _RATE,
                "rank": work.plan.adapter.rank,
                "alpha": work.plan.adapter.alpha,
            }
            return frozen or FROZEN.fit(work)[0], settings
        if here is not None and not self._anew(work):
            rate = work.settings["learning_rate"] * _LAST_PASS
            return here, {**work.settings, "epochs": 1, "learning_rate": rate, "scale": 1.0}
        if frozen is None:
            # With nothing chosen before: what the climb chose for this rung is none of the head's.
            frozen = FROZEN.fit(replace(work, settings=None))[0]
        return frozen, dict(work.settings)

    def _anew(self, work: Work) -> bool:
        """Whether there is time for a new training: the first answer stands, however often the run stops."""
        assert work.settings is not None
        decided = work.folder / _DECIDED
        if not decided.is_file():
            left = work.seconds_left
            files.write_json(decided, {"anew": left is None or self._seconds(work, work.settings["epochs"]) <= left})
        return bool(files.read_json(decided)["anew"])


def _epochs(work: Work) -> int:
    """Passes over the rows: small data wants more of them."""
    return work.plan.training.epochs or int(np.clip(round(6000 / max(1, len(work.train))), 3, 12))


# ------------------------------------------------------------------------------------------------------------- training


class Learner(nn.Module):
    """A base and a head. What the base normalises by stays as it was: its statistics are no part of an adapter."""

    spread = 1.0

    def __init__(self, model: nn.Module, head: Head, dropout: float) -> None:
        super().__init__()
        self.model = model
        width, inputs = head.weight.shape
        self.head = nn.Linear(inputs, width)
        self.dropout = nn.Dropout(dropout)
        adapters.set_head(self, head)

    def train(self, mode: bool = True) -> Learner:
        """As of every module, but the base stays as it is when it predicts."""
        super().train(mode)
        self.model.eval()
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Prepared pictures (n, 3, height, width) -> outputs (n, width)."""
        outputs: Tensor = self.head(self.dropout(summary(self.model, pixels)))
        return outputs


@dataclass
class PicturePupil:
    """Pictures to learn from and pictures to be measured on, as the loop wants them."""

    module: nn.Module
    trunk: VisionTrunk
    target: Target
    images: Images
    targets: Array
    smoothing: float
    weights: Tensor | None
    batch_size: int
    judge: Callable[[Array], float] | None
    held_out: Images | None

    def groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """The base's layers at the peak rate, the head at its own."""
        named = [(name, p) for name, p in self.module.named_parameters() if p.requires_grad]
        head = [p for name, p in named if name.startswith("head.")]
        rest = [p for name, p in named if not name.startswith("head.")]
        return [{"params": rest, "lr": learning_rate}, {"params": head, "lr": _HEAD_RATE}]

    def batches(self, rng: np.random.Generator) -> Sequence[Array]:
        """Positions in random order."""
        order = rng.permutation(len(self.images))
        return [order[at : at + self.batch_size] for at in range(0, len(order), self.batch_size)]

    def pieces(self, batch: Array) -> Sequence[tuple[Array, float]]:
        """Some pictures at a time, with their share of the batch's weight."""
        parts = [batch[at : at + _AT_ONCE] for at in range(0, len(batch), _AT_ONCE)]
        sizes = [self._weight(part) for part in parts]
        return [(part, size / sum(sizes)) for part, size in zip(parts, sizes, strict=True)]

    def _weight(self, piece: Array) -> float:
        return float(len(piece) if self.weights is None else self.weights[self.targets[piece]].sum())

    def loss(self, batch: Array) -> Tensor:
        """Mean loss of these pictures."""
        outputs = self._outputs(self.images, batch)
        truth = torch.from_numpy(self.targets[batch]).to(outputs.device)
        loss: Tensor = self.target.loss(outputs.float(), truth, smoothing=self.smoothing, weights=self.weights)
        return loss

    def score(self) -> float | None:
        """The judge's view of the held-out outputs."""
        if self.held_out is None or self.judge is None:
            return None
        every = np.arange(len(self.held_out))
        with torch.inference_mode():
            found = [
                self._outputs(self.held_out, every[at : at + _AT_ONCE]).float().cpu().numpy()
                for at in range(0, len(every), _AT_ONCE)
            ]
        return self.judge(np.concatenate(found))

    def _outputs(self, images: Images, batch: Array) -> Tensor:
        """Outputs in the batch's order; pictures of one shape go through together."""
        prepared = self.trunk.prepared([images.pixels(int(at)) for at in batch])
        device = next(self.module.parameters()).device
        shapes = list(dict.fromkeys(one.shape for one in prepared))
        groups = [[at for at, one in enumerate(prepared) if one.shape == shape] for shape in shapes]
        told = [self.module(torch.from_numpy(np.stack([prepared[at] for at in here])).to(device)) for here in groups]
        back = np.argsort(np.concatenate(groups), kind="stable")
        return torch.cat(told)[torch.from_numpy(back).to(device)]


def open_adapter(model: nn.Module, share: float, *, rank: int, alpha: int, seed: int) -> Any:
    """Put PEFT's LoRA on the upper `share` of the linear and ungrouped convolution layers; returns the PeftModel."""
    layers = [
        name
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear) or (isinstance(part, nn.Conv2d) and part.groups == 1)
    ]
    layers = layers[len(layers) - max(1, round(share * len(layers))) :]
    opened = adapters.with_lora(model, layers, rank=rank, alpha=alpha, seed=seed)
    for part in opened.modules():
        # Models that pad as TensorFlow does ask their convolutions for these.
        if isinstance(getattr(part, "base_layer", None), nn.Conv2d):
            for name in ("kernel_size", "stride", "padding", "dilation"):
                setattr(part, name, getattr(part.base_layer, name))
    return opened


def _train(work: Work, start: Any, settings: dict[str, Any], weights: Path) -> dict[str, Any]:
    trunk, training = work.trunk, work.plan.training
    assert isinstance(trunk, VisionTrunk)
    model = copy.deepcopy(trunk.model)
    share = min(1.0, (work.plan.adapter.layers or trunk.base.layers) / trunk.base.layers)
    opened = open_adapter(model, share, rank=settings["rank"], alpha=settings["alpha"], seed=work.plan.seed)
    begun = getattr(start, "folder", None)
    if begun is not None:
        adapters.resume_weights(opened, begun)
    learner = Learner(model, start.head, training.dropout)
    choosing = work.validation is not None and work.settings is None
    pupil = PicturePupil(
        module=learner,
        trunk=trunk,
        target=work.train.target,
        images=work.train.inputs,
        targets=work.train.targets,
        smoothing=training.label_smoothing,
        weights=class_weights(work),
        batch_size=training.batch_size,
        judge=judge_of(work) if choosing else None,
        held_out=work.validation.inputs if choosing and work.validation is not None else None,
    )
    before = adapters.snapshot(learner)
    course = loop.Course(
        epochs=settings["epochs"],
        learning_rate=settings["learning_rate"],
        batch_size=training.batch_size,
        weight_decay=training.weight_decay,
        warmup=training.warmup,
        clip=training.clip,
        patience=training.patience,
        measures=1,
        seed=work.plan.seed,
        average=_AVERAGE,
    )
    standing = loop.train(pupil, course, folder=work.folder, progress=work.progress, title="adapter")
    learner = pupil.module.cpu()  # type: ignore[assignment]
    dial = adapters.Dial(learner, before)
    scale = choose_scale(work, dial, pupil) if work.settings is None else settings["scale"]
    dial.turn(scale)
    with files.write_folder(weights, marker=None) as folder:
        adapters.save_adapter(opened, folder, trunk.base)
        adapters.save_head(learner, folder / "head.safetensors")
        (Head.load(begun / START) if begun is not None else start.head).save(folder / START)
    loop.forget(work.folder)
    return {
        "scale": scale,
        "steps": standing.step,
        "best_step": standing.best_step,
        "examples_per_second": standing.examples / max(standing.seconds, 1e-9),
        "train_seconds": standing.seconds,
        "trained_parameters": sum(parameter.numel() for parameter in dial.trained.values()),
        "history": standing.history,
    }


ADAPTER = VisionAdapter()
