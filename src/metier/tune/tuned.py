"""The rungs `adapter` and `full`: what they decide (how many layers, epochs, how far), around the one loop."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from metier import files
from metier.tasks import blend
from metier.tasks.blend import shaped
from metier.tasks.contract import Array, Inputs, Predictor, Shared, Target, Work
from metier.tasks.text_rungs import (
    FrozenPredictor,
    FrozenRung,
    blended,
    class_weights,
    judge_of,
    name_prior,
)
from metier.trunk.features import Trunk
from metier.tune import private, sizing

_HEAD_RATE = 1e-3
# A private head starts from the labels' names alone: it has further to go.
_PRIVATE_HEAD_RATE = 0.1
_SCALES = (0.5, 0.75, 1.0)
_WEIGHTS = "weights"
_SETTINGS = "settings.json"
_DECIDED = "decided.json"
# The head that training started from, kept so that an expert can be turned back toward its base (`rescale`).
START = "start.safetensors"
_SAVED = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "config.json",
    "model.safetensors",
    "head.safetensors",
    START,
)
_SPARED = "with so few labels an adapter that learns from pairs is taken unless proven worse"
_LAST_PASS = 0.3  # of the learning rate
_AVERAGE = 0.99  # of the weights' moving average stays at a step
_DEFAULT_HEAD = {"l2": 1e-5, "affordable": 1.0, "few": False, "blend": {}}


@dataclass(frozen=True)
class TunedRung:
    """`adapter`: LoRA on all linear layers of the upper blocks. `full`: all weights of the blocks."""

    name: str
    summary: str
    trains: bool = True
    private: ClassVar[bool] = True  # lends itself to a private step

    def estimate(self, work: Work) -> float:
        """Seconds for the fewest layers and epochs this rung would make do with."""
        return sizing.least_seconds(self.name, work)

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Train from the frozen rung's head; choose the best step and the scale on validation."""
        weights = work.folder / _WEIGHTS
        if not (weights / _SETTINGS).is_file():
            start, settings = self._start(work)
            settings |= self._train(work, start, settings, weights)
            files.write_json(weights / _SETTINGS, settings)
            (work.folder / _DECIDED).unlink(missing_ok=True)
        settings = files.read_json(weights / _SETTINGS)
        if private.asked(work.plan) or not settings["epochs"]:
            # The words' own model is fitted without noise: it has no share in a private expert. And of few labels no
            # share can be chosen.
            return self._open(weights, work.trunk), {**settings, "blend": {}}
        predictor, settings["blend"] = blended(self._open(weights, work.trunk), work)
        return predictor, settings

    def refuses(self, work: Work) -> str:
        """With few labels no more than pairs are learnt from; with fewer still, not even they."""
        if not sizing.pairs_alone(work):
            return ""
        if self.name == "full":
            return "with so few labels an adapter that learns from pairs is all that was seen to pay"
        return sizing.too_few(work)

    def spared(self, work: Work) -> str:
        """With few labels each of five fits would cost as much again as the expert itself."""
        return _SPARED if sizing.pairs_alone(work) else ""

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:
        """Add the update to a copy of the base's weights, and read the head and the words."""
        return blend.load(folder, self._open(folder, trunk))

    def share(self, folder: Path, trunk: Trunk, target: Target) -> Shared | None:
        """An adapter beside others on one trunk; None where all weights of the blocks were changed."""
        from metier.tune import adapters
        from metier.tune.heads import Head

        if not (folder / adapters.ADAPTER).is_file():
            return None
        return blend.share(folder, Head.load(folder / "head.safetensors"), trunk, adapters.low_rank(folder))

    def rescale(self, source: Path, scale: float, folder: Path, trunk: Trunk) -> None:
        """Write into `folder` the predictor that lies in `source`, its weights at `scale` of the way from the base."""
        from metier.tune.rescale import rescale_weights

        rescale_weights(source, scale, folder, trunk.model)
        blend.copy(source, folder)

    def _open(self, folder: Path, trunk: Trunk) -> TunedPredictor:
        from metier.tune import adapters
        from metier.tune.heads import Head

        if self.name == "adapter":
            model = adapters.merge_adapter(adapters.copy_but_words(trunk.model), folder)
        else:
            model = adapters.load_blocks(copy.deepcopy(trunk.model), folder)
        return TunedPredictor(trunk.with_model(model), Head.load(folder / "head.safetensors"), folder)

    # -------------------------------------------------------------------------------------------------- choices

    def _start(self, work: Work) -> tuple[Any, dict[str, Any]]:
        """The predictor that training starts from, and its settings.

        That is the frozen rung. In the last fit on all rows, where a new training would take too long, it is this very
        rung as the climb left it: the rows that were held out are then learnt in one more pass at a lower rate.
        """
        if private.asked(work.plan):
            return _start_without_data(work), sizing.settings(self.name, work)
        if work.settings is None:
            frozen = work.earlier.get("frozen")
            head: dict[str, Any] = {}
            if frozen is None:
                frozen, head = FrozenRung().fit(work)
            decided = work.folder / _DECIDED
            # Written down at once: a run that is taken up again has less time left, yet must not decide otherwise.
            if not decided.is_file():
                files.write_json(decided, sizing.settings(self.name, work))
            return frozen, {**files.read_json(decided), "head": head}
        here = work.earlier.get(self.name)
        frozen = work.earlier.get("frozen")
        if frozen is not None and self._anew(work, work.settings):
            return frozen, dict(work.settings)
        if here is None:
            frozen, _ = FrozenRung().fit(replace(work, settings={**_DEFAULT_HEAD, **work.settings["head"]}))
            return frozen, dict(work.settings)
        rate = work.settings["learning_rate"] * _LAST_PASS
        return here, {**work.settings, "epochs": 1, "learning_rate": rate, "scale": 1.0}

    def _anew(self, work: Work, settings: Mapping[str, Any]) -> bool:
        """Whether the last fit on all rows is a new training: the first answer stands, however often the run stops."""
        decided = work.folder / _DECIDED
        if not decided.is_file():
            left = work.seconds_left
            fits = left is None or sizing.seconds(self.name, work, settings["layers"], settings["epochs"]) <= left
            files.write_json(decided, {"anew": fits})
        return bool(files.read_json(decided)["anew"])

    # ------------------------------------------------------------------------------------------------- training

    def _train(self, work: Work, start: Any, settings: dict[str, Any], weights: Path) -> dict[str, Any]:
        from metier.trunk.encoder import Encoder
        from metier.tune import adapters, loop, pairs

        base, training = work.trunk.base, work.plan.training
        first = base.layers - settings["layers"]
        if self.name == "adapter":
            model = adapters.copy_but_words(work.trunk.model)
            opened = adapters.open_adapter(
                model,
                first,
                rank=settings["rank"],
                alpha=settings["alpha"],
                seed=work.plan.seed,
                fused=not private.asked(work.plan),
            )
        else:
            model = copy.deepcopy(work.trunk.model)
            opened = adapters.open_blocks(model, first)
        begun = getattr(getattr(start, "main", start), "folder", None)
        if begun is not None:
            adapters.resume_weights(opened, begun)
        spread = 1.0 if work.train.target.width > 1 else float(np.std(work.train.targets)) or 1.0
        learner = adapters.Learner(Encoder(model, first, base.pooling), start.head, training.dropout, spread)
        before = adapters.snapshot(learner)
        standing = loop.Standing()
        if settings["contrastive"] and begun is None:
            head, standing = pairs.learn(work, learner.encoder, settings, self.name)
            adapters.set_head(learner, head)
        pupil = self._pupil(work, learner, first) if settings["epochs"] else None
        spend = private.budget(work.plan, len(work.train), settings["epochs"]) if private.asked(work.plan) else None
        step = private.PrivateStep(learner, spend, len(work.train)) if spend else None
        course = loop.Course(
            epochs=settings["epochs"],
            learning_rate=settings["learning_rate"],
            batch_size=training.batch_size,
            weight_decay=training.weight_decay,
            warmup=training.warmup,
            clip=training.clip,
            patience=training.patience,
            measures=1,
            seed=private.secret(work.folder) if spend else work.plan.seed,
            average=_AVERAGE,
        )
        if pupil is not None:
            standing = loop.train(pupil, course, folder=work.folder, progress=work.progress, title=self.name, step=step)
            learner = pupil.module.cpu()
        if step is not None:
            step.close()
        dial = adapters.Dial(learner, before)
        scale = choose_scale(work, dial, pupil) if work.settings is None else settings["scale"]
        dial.turn(scale)
        with files.write_folder(weights, marker=None) as folder:
            if self.name == "adapter":
                adapters.save_adapter(opened, folder, base)
            else:
                adapters.save_blocks(model, folder)
            adapters.save_head(learner, folder / "head.safetensors")
            _started_from(start, begun).save(folder / START)
            if spend is not None:
                private.check_saved(folder)
        loop.forget(work.folder)
        private.forget(work.folder)
        pairs.forget(work.folder)
        for left in work.folder.glob("*.f16"):
            left.unlink()
        epochs = settings["epochs"]
        if epochs and standing.best_step < 0.5 * standing.step and work.settings is None:
            epochs = max(1, round(epochs * standing.best_step / max(1, standing.step)))
        return {
            "epochs": epochs,
            "scale": scale,
            "steps": standing.step,
            "best_step": standing.best_step,
            "examples_per_second": standing.examples / max(standing.seconds, 1e-9),
            "train_seconds": standing.seconds,
            "trained_parameters": sum(p.numel() for p in dial.trained.values()),
            "history": standing.history,
            **({"private": spend.record(standing.step)} if spend else {}),
        }

    def _pupil(self, work: Work, learner: Any, first: int) -> Any:
        from metier.tune import adapters

        base, training, target = work.trunk.base, work.plan.training, work.train.target
        tokens, words, below = _read(work, first, work.train.inputs, "train")
        held_out, secretly = None, private.asked(work.plan)
        # A private training chooses nothing on held-out rows and knows nothing of the labels' shares.
        if work.validation is not None and work.settings is None and not secretly:
            held_out = adapters.HeldOut(*_read(work, first, work.validation.inputs, "held-out"), target.width)
        judge = judge_of(work) if held_out else None
        return adapters.TextPupil(
            module=learner,
            target=target,
            tokens=tokens,
            words=words,
            targets=work.train.targets,
            below=below,
            smoothing=training.label_smoothing if base.layers and target.width > 1 else 0.0,
            weights=None if secretly else class_weights(work),
            batch_size=training.batch_size,
            head_rate=_PRIVATE_HEAD_RATE if secretly else _HEAD_RATE,
            judge=judge and (lambda outputs: judge(shaped(outputs))),
            held_out=held_out,
            private=secretly,
        )


@dataclass(frozen=True)
class TunedPredictor:
    """A tuned trunk and its head."""

    trunk: Trunk
    head: Any
    folder: Path

    def outputs(self, inputs: Inputs) -> Array:
        """Outputs for texts, in bounded memory; nothing is cached, for these features are this expert's alone."""
        parts = [
            self.head.outputs(self.trunk.features(inputs[at : at + 65_536])) for at in range(0, len(inputs), 65_536)
        ]
        return shaped(np.concatenate(parts) if parts else np.zeros((0, len(self.head.bias)), np.float32))

    def save(self, folder: Path) -> None:
        """Copy the weights' folder: PEFT's adapter layout (or all weights) and the head."""
        for name in _SAVED:
            if (self.folder / name).is_file():
                shutil.copyfile(self.folder / name, folder / name)


ADAPTER = TunedRung("adapter", "LoRA on all linear layers of the base's blocks, from the frozen head")
FULL = TunedRung("full", "all weights of the base's blocks, from the frozen head")


def _read(work: Work, first: int, inputs: Inputs, name: str) -> tuple[Any, Array, Any]:
    """Tokens, words halves and (where lower blocks stay frozen and the disk budget allows) the states below."""
    from metier.trunk.encoder import states_within

    tokens = work.trunk.tokens(inputs)
    words = work.trunk.features(inputs)[:, work.trunk.base.hidden :]
    path, mib = work.folder / f"{name}.f16", work.plan.base.hidden_cache_mib
    return tokens, words, states_within(mib, work.trunk.model, first, tokens, path, work.progress)


def _start_without_data(work: Work) -> Any:
    """A head made of the labels' names, or of zeros where they are no words: no training row has a part in it."""
    import torch

    from metier.tune.heads import Head

    names = name_prior(work.trunk, work.train.target)
    width = work.train.target.width
    weight = torch.zeros(width, work.trunk.width) if names is None else names
    return FrozenPredictor(work.trunk, Head(weight, torch.zeros(width)))


def _started_from(start: Any, begun: Path | None) -> Any:
    """The head at the far end of the dial: where `start` was itself trained before, the one that began from."""
    from metier.tune.heads import Head

    return Head.load(begun / START) if begun is not None and (begun / START).is_file() else start.head


def choose_scale(work: Work, dial: Any, pupil: Any) -> float:
    """How far from the generic to the tuned weights scores best on validation."""
    if work.plan.adapter.scale is not None:
        return work.plan.adapter.scale
    if pupil is None or pupil.held_out is None:
        return 1.0
    scored = []
    for scale in _SCALES:
        dial.turn(scale)
        scored.append((pupil.score(), scale))
    return max(scored)[1]
