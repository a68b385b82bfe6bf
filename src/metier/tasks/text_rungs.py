"""The ladder's rungs for texts that train no weights of the base: majority, linear, generic, frozen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metier import files
from metier.tasks import blend
from metier.tasks.blend import shaped
from metier.tasks.contract import Array, Examples, Inputs, Predictor, Shared, Target, Work
from metier.trunk.batches import as_texts
from metier.trunk.features import Trunk

# Penalties walked by the frozen head, strong to weak; in units of the mean loss.
_PENALTIES = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6)
# A linear model of words learns little more from the millionth text.
_MOST_ROWS_FOR_WORDS = 300_000
_FEW = 32  # labels a class, up to which the labels' own names count and nothing is chosen on held-out rows
# Chosen on 8 and 16 labels a class of intents, medical topics, shop departments and machine parts.
_FEW_PENALTY, _NAME_WEIGHT = 0.2, 4.0


@dataclass(frozen=True)
class Constant:
    """The same outputs for every input: the class shares, or the mean."""

    values: Array  # (width,)

    def outputs(self, inputs: Inputs) -> Array:
        """(n, width) for classes, (n,) for a quantity."""
        return shaped(np.tile(self.values.astype(np.float32), (len(inputs), 1)))

    def save(self, folder: Path) -> None:
        """Write `constant.json`."""
        files.write_json(folder / "constant.json", {"values": [float(value) for value in self.values]})


class MajorityRung:
    """The floor: always the commonest answer."""

    name = "majority"
    trains = False
    summary = "always answers the commonest label, or the mean"

    def estimate(self, work: Work) -> float:
        """Seconds: none worth counting."""
        return 0.1

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Count."""
        return Constant(_floor(work.train)), {}

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:
        """Read what was counted."""
        return Constant(np.array(json.loads((folder / "constant.json").read_text())["values"]))


class LinearRung:
    """Words and word pairs (TF-IDF) with a linear model: what is reached without any pre-trained base."""

    name = "linear"
    trains = False
    summary = "TF-IDF of words and word pairs, with a linear model"

    def estimate(self, work: Work) -> float:
        """Seconds, from rows and classes; measured on two cores."""
        rows = min(len(work.train), _MOST_ROWS_FOR_WORDS)
        return 1.0 + rows * (2 + work.train.target.width) / 60_000

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Fit on the training rows; nothing is chosen on validation."""
        from metier.tasks.words import fit_words

        examples = _at_most(work.train, _MOST_ROWS_FOR_WORDS, work.plan.seed)
        return fit_words(as_texts(examples.inputs), examples.targets, examples.target), {"rows": len(examples)}

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:
        """Read the vocabulary and the weights."""
        from metier.tasks.words import load_words

        return load_words(folder)

    def share(self, folder: Path, trunk: Trunk, target: Target) -> Shared:
        """The same in less memory; features have no part in it."""
        from metier.tasks.lean_words import LeanWords

        lean = LeanWords.load(folder, trunk.cache)
        return Shared(lambda _, inputs: lean.outputs(inputs), {}, lean.parts, featureless=True)


class GenericRung:
    """The base as it comes: which label's name is nearest in meaning? Nothing is trained."""

    name = "generic"
    trains = False
    summary = "the base as it is: the label whose name is nearest in meaning"

    def estimate(self, work: Work) -> float:
        """Seconds to embed what is not cached."""
        return embedding_seconds(work)

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Embed the label names."""
        import torch

        from metier.tune.heads import Head

        names = name_features(work.trunk, work.train.target)
        # Cosines lie within a narrow band; 20 is the scale such encoders are trained with (Reimers & Gurevych 2019).
        head = Head(torch.from_numpy(20 * np.asarray(names, np.float32)), torch.zeros(len(names)))
        return FrozenPredictor(work.trunk, head), {}

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:
        """Read the label names' features."""
        return _load_frozen(folder, trunk)

    def share(self, folder: Path, trunk: Trunk, target: Target) -> Shared:
        """The same, over features that others compute."""
        return blend.share(folder, _load_frozen(folder, trunk).head, trunk, {})


class FrozenRung:
    """The base frozen, with a linear head on its cached features: one embedding pass, then seconds."""

    name = "frozen"
    trains = False
    summary = "the base frozen, with a linear head on its features"

    def estimate(self, work: Work) -> float:
        """Seconds: embedding what is not cached, and fitting some heads."""
        rows, width = len(work.train), work.train.target.width
        return embedding_seconds(work) + 0.5 + rows * width * work.trunk.width * 5e-9 * len(_PENALTIES)

    def stands(self, work: Work) -> str:
        """With few labels: its head starts from the generic base's own, the labels' names.

        Held-out rows then tell little, the less as each fit has a fifth of the labels less than the expert will have.
        """
        return "with so few labels it is taken unless proven worse" if few_labels(work.train) else ""

    def fit(self, work: Work) -> tuple[Predictor, dict[str, Any]]:
        """Embed, then walk the penalties; the best on validation stays. Time short: as many rows as it allows.

        With few labels nothing can be chosen on held-out rows: the head then stays near the labels' own names, and its
        penalty follows from the number of labels.
        """
        examples = _affordable(work)
        few = work.settings["few"] if work.settings else few_labels(examples)
        # By the time that words are counted, the features are gone: of a million rows both together are too much.
        main, l2 = self._main(work, examples, few)
        predictor, shares = (main, {}) if few else blended(main, work)
        affordable = len(examples) / max(1, len(work.train))
        settings = {"l2": l2, "rows": len(examples), "affordable": affordable, "few": few, "blend": shares}
        return predictor, settings

    def _main(self, work: Work, examples: Examples, few: bool) -> tuple[FrozenPredictor, float]:
        """The head, and its penalty."""
        from metier.tune import heads

        features = work.trunk.features(examples.inputs)
        prior = name_prior(work.trunk, examples.target) if few else None

        def fit_one(l2: float, start: heads.Head | None) -> heads.Head:
            return heads.fit(
                features,
                examples.targets,
                examples.target.width,
                loss_of(work),
                l2=l2,
                start=start,
                prior=prior,
                seed=work.plan.seed,
            )

        if work.settings is not None:
            # From strong to weak as when it was chosen: where a fit starts from decides where it ends, a little.
            l2, head = float(work.settings["l2"]), None
            for stronger in (p for p in _PENALTIES if p > l2 and not few):
                head = fit_one(stronger, head)
            head = fit_one(l2, head)
        elif few or work.validation is None:
            l2 = _FEW_PENALTY / len(examples)
            head = fit_one(l2, None)
        else:
            held_out, worth = work.trunk.features(work.validation.inputs), worth_of(work)
            head, l2 = heads.choose(_PENALTIES, fit_one, lambda head: worth(shaped(head.outputs(held_out))))
        return FrozenPredictor(work.trunk, head), l2

    def load(self, folder: Path, trunk: Trunk, target: Target) -> Predictor:
        """Read the head, and the words where there are some."""
        return blend.load(folder, _load_frozen(folder, trunk))

    def share(self, folder: Path, trunk: Trunk, target: Target) -> Shared:
        """The same, over features that others compute."""
        return blend.share(folder, _load_frozen(folder, trunk).head, trunk, {})


@dataclass(frozen=True)
class FrozenPredictor:
    """A head on a trunk's features."""

    trunk: Trunk
    head: Any  # tune.heads.Head; not named here, so that reading this file needs no torch

    def outputs(self, inputs: Inputs) -> Array:
        """Outputs for texts, in bounded memory."""
        parts = [
            self.head.outputs(self.trunk.features(inputs[at : at + 65_536])) for at in range(0, len(inputs), 65_536)
        ]
        return shaped(np.concatenate(parts) if parts else np.zeros((0, len(self.head.bias)), np.float32))

    def save(self, folder: Path) -> None:
        """Write `head.safetensors`."""
        self.head.save(folder / "head.safetensors")


def _load_frozen(folder: Path, trunk: Trunk) -> FrozenPredictor:
    from metier.tune.heads import Head

    return FrozenPredictor(trunk, Head.load(folder / "head.safetensors"))


# ------------------------------------------------------------------------------------------------- shared by the rungs


def blended(main: Predictor, work: Work) -> tuple[Predictor, dict[str, float]]:
    """The main predictor mixed with the linear rung's words, as validation (or the settings) say."""
    if work.settings is not None:
        settings = work.settings["blend"]
        if not settings.get("share"):
            return main, settings
        return blend.Blend(main, LinearRung().fit(work)[0], **settings), settings
    words = work.earlier.get("linear")
    if words is None or work.validation is None:
        return main, {}
    inputs = work.validation.inputs
    # A share moves few rows across the line: the likelihood tells shares apart, right and wrong hardly.
    fine = work.train.target.metrics().get("log_loss", work.metric)
    truth, sign = work.validation.targets, 1.0 if fine.greater_is_better else -1.0
    sides = main.outputs(inputs), words.outputs(inputs)
    return blend.choose(
        main, words, *sides, truth, work.train.target, lambda outputs: sign * fine.function(truth, outputs)
    )


def loss_of(work: Work, *, smoothing: float = 0.0) -> Any:
    """The target's loss as a function of (outputs, targets), with the plan's class weights."""
    target = work.train.target
    weights = class_weights(work)

    def loss(outputs: Any, targets: Any) -> Any:
        return target.loss(outputs, targets, smoothing=smoothing, weights=weights)

    return loss


def class_weights(work: Work) -> Any | None:
    """Weights (width,) as a torch tensor, the mean over rows being 1, or None.

    `auto` weighs rare labels up by the square root of their rarity where labels are skewed and the metric counts
    labels alike (its name begins with macro or balanced).
    """
    import torch

    target, choice = work.train.target, work.plan.training.class_weights
    even = work.metric.name.startswith(("macro", "balanced"))
    if target.width == 1 or choice == "none" or (choice == "auto" and not even):
        return None
    counts = np.bincount(work.train.targets, minlength=target.width).clip(1)
    raw = (counts.mean() / counts) ** (1.0 if choice == "balanced" else 0.5)
    return torch.from_numpy((raw / (raw * counts).sum() * counts.sum()).astype(np.float32))


def judge_of(work: Work) -> Any:
    """Held-out outputs -> a score, greater is better, to choose settings by.

    The ladder's metric and the mean log-likelihood of calibrated outputs, added up: on some hundred rows a metric of
    whole rows alone is mostly chance, and the likelihood sees far smaller differences.
    """
    assert work.validation is not None
    truth, metric, target = work.validation.targets, work.metric, work.validation.target
    sign = 1.0 if metric.greater_is_better else -1.0
    fine = target.metrics().get("log_loss")

    def judge(outputs: Array) -> float:
        score = sign * metric.function(truth, outputs)
        if fine is None:
            return score
        return score - fine.function(truth, target.calibrated(outputs, target.calibrate(outputs, truth)))

    return judge


def worth_of(work: Work) -> Callable[[Array], Array]:
    """Held-out outputs -> each row's worth, greater is better: right or wrong, or how near.

    Where the metric counts labels alike, rows of rare labels weigh more.
    """
    assert work.validation is not None
    truth = work.validation.targets
    if work.validation.target.width == 1:
        return lambda outputs: -np.abs(outputs - truth)
    weights = np.ones(len(truth))
    if work.metric.name.startswith(("macro", "balanced")):
        counts = np.bincount(truth, minlength=work.validation.target.width)
        weights = len(truth) / ((counts > 0).sum() * counts[truth])
    return lambda outputs: np.asarray((outputs.argmax(axis=1) == truth) * weights)


def name_features(trunk: Trunk, target: Target) -> Array:
    """Features of the label names written as words, float16 (width, d)."""
    return trunk.features(label_words(target) or target.record()["labels"])


def few_labels(examples: Examples) -> bool:
    """Whether there are so few labels a class that label names and pairs count."""
    return len(examples) <= _FEW * examples.target.width


def label_words(target: Target) -> list[str]:
    """The label names written as words; empty where a label's name is no word, or the target is a number."""
    labels = target.record().get("labels", [])
    if not all(any(c.isalpha() for c in label) for label in labels):
        return []
    return [label.replace("_", " ").replace("-", " ").strip() for label in labels]


def name_prior(trunk: Trunk, target: Target) -> Any | None:
    """Where a head of few labels starts and stays near: the labels' own names; None where names are no words."""
    import torch

    if not label_words(target):
        return None
    names = np.asarray(name_features(trunk, target), np.float32)
    names[:, trunk.base.hidden :] = 0
    return torch.from_numpy(_NAME_WEIGHT * (names - names.mean(axis=0)))


def embedding_seconds(work: Work) -> float:
    """Seconds to embed the rows of this work that are not cached yet."""
    parts = [part.inputs for part in (work.train, work.validation) if part is not None]
    missing = sum(work.trunk.missing(part) for part in parts)
    if not missing:
        return 0.0
    some = parts[0][: min(len(parts[0]), 512)]
    return missing * float(np.mean(work.trunk.tokens(some).lengths)) / work.trunk.speed()


def _affordable(work: Work) -> Examples:
    """The training rows that can be embedded in 70% of the time left, and within memory: evenly drawn."""
    rows, most = len(work.train), 1_500_000_000 // (2 * work.trunk.width)
    if work.seconds_left is not None and work.settings is None:
        needed = embedding_seconds(work)
        if needed > 0.7 * work.seconds_left:
            most = min(most, max(2 * work.train.target.width, int(rows * 0.7 * work.seconds_left / needed)))
    if work.settings is not None:
        # The share that could be afforded when the settings were chosen, of however many rows there are now.
        most = min(most, max(1, round(rows * work.settings["affordable"])))
    return _at_most(work.train, most, work.plan.seed)


def _at_most(examples: Examples, most: int, seed: int) -> Examples:
    if len(examples) <= most:
        return examples
    return examples.take(np.sort(np.random.default_rng(seed).permutation(len(examples))[:most]))


def _floor(examples: Examples) -> Array:
    if examples.target.width == 1:
        return np.array([examples.targets.mean()])
    counts = np.bincount(examples.targets, minlength=examples.target.width) + 0.5
    return np.asarray(np.log(counts / counts.sum()))
