"""How large a training may be: the layers and epochs that fit the time, from the best choice down."""

from __future__ import annotations

from typing import Any

import numpy as np

from metier.errors import UsageError
from metier.tasks.contract import Work
from metier.tasks.text_rungs import embedding_seconds, few_labels
from metier.tune import private

# Peak learning rates: LoRA wants some ten times full fine-tuning's (Schulman 2025, "LoRA without regret").
_RATES = {"adapter": 1e-3, "full": 1e-4}
# A training step on a block costs about this many forward passes of it: forward, backward, optimiser.
_STEP_COST = {"adapter": 3.0, "full": 4.5}
_PRIVATE_EPOCHS = 10
_FEWEST_FOR_PAIRS = 10  # training rows a label


def least_seconds(name: str, work: Work) -> float:
    """Seconds for the fewest layers and epochs that the rung would make do with, and to embed what is not cached."""
    layers = work.plan.adapter.layers or _layer_choices(work)[-1]
    return embedding_seconds(work) + seconds(name, work, layers, _epochs(work)[-1])


def settings(name: str, work: Work) -> dict[str, Any]:
    """How many layers and epochs: the most that the time allows, from the best choice down."""
    training, adapter = work.plan.training, work.plan.adapter
    total = work.trunk.base.layers
    layer_choices = [adapter.layers] if adapter.layers else _layer_choices(work)
    if layer_choices[0] > total:
        raise UsageError(
            "too-many-layers",
            f"--layers must be at most the base's {total} layers.",
            found=str(layer_choices[0]),
            fix=f"--layers {total}",
        )
    left = work.seconds_left
    choices = [(layers, epochs) for layers in layer_choices for epochs in _epochs(work)]
    fitting = [c for c in choices if left is None or seconds(name, work, *c) <= left] or choices[-1:]
    layers, epochs = fitting[0]
    return {
        "layers": layers,
        "epochs": epochs,
        "learning_rate": training.learning_rate or _RATES[name],
        "rank": adapter.rank,
        "alpha": adapter.alpha,
        "contrastive": by_pairs_first(work),
    }


def seconds(name: str, work: Work, layers: int, epochs: int) -> float:
    """Seconds a training of so many upper layers and epochs takes on this machine, pairs before it included."""
    rows = len(work.train)
    some = work.train.inputs[: min(rows, 512)]
    tokens = rows * float(np.mean(work.trunk.tokens(some).lengths))
    share = layers / work.trunk.base.layers
    below = tokens * (1 - share)
    if by_pairs_first(work):
        from metier.tune import contrastive

        seen = contrastive.steps_for(rows + work.train.target.width) * contrastive.TEXTS_PER_BATCH
        below += seen * tokens / max(1, rows) * share * _STEP_COST[name]
    return 10 + (tokens * epochs * share * _STEP_COST[name] + below) / work.trunk.speed()


def by_pairs_first(work: Work) -> bool:
    """Whether training starts from pairs of texts: where the plan says so or, left to itself, with few labels."""
    if private.asked(work.plan):
        return False
    asked = work.plan.adapter.contrastive
    return work.train.target.width > 1 and (asked == "yes" or (asked == "auto" and few_labels(work.train)))


def pairs_alone(work: Work) -> bool:
    """Whether pairs are all the training: with few labels and few texts, unless the plan asks for pairs or epochs."""
    if work.plan.adapter.contrastive != "auto" or work.plan.training.epochs or not by_pairs_first(work):
        return False
    from metier.tune.contrastive import MOST_TEXTS

    return len(work.train) + work.train.target.width <= MOST_TEXTS


def too_few(work: Work) -> str:
    """Why there is not even enough for pairs to learn from, or an empty string."""
    if len(work.train) >= _FEWEST_FOR_PAIRS * work.train.target.width:
        return ""
    return f"with fewer than {_FEWEST_FOR_PAIRS} training rows a label pairs were not seen to be worth their time"


def _layer_choices(work: Work) -> list[int]:
    """The upper two thirds or, at three quarters of that cost, the upper half.

    What the lower ones hold is the language itself: tuning them too was seen to cost more and to gain nothing.
    """
    total = work.trunk.base.layers
    return sorted({max(1, round(total * 2 / 3)), max(1, total // 2)}, reverse=True)


def _epochs(work: Work) -> list[int]:
    """Passes over the rows, best first: small data wants more of them, and too many unlearn."""
    if work.plan.training.epochs:
        return [work.plan.training.epochs]
    if pairs_alone(work):
        return [0]
    best = int(np.clip(round(12_000 / max(1, len(work.train))), 3, 12))
    if private.asked(work.plan):
        return [_PRIVATE_EPOCHS, _PRIVATE_EPOCHS // 2]
    return sorted({best, max(2, best // 2), 2}, reverse=True)
