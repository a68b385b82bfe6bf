"""What the adapter learns from pairs when labels are few, and the head that is fitted on what it then sees."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from metier.tasks.contract import Work
from metier.tasks.text_rungs import FrozenRung, label_words
from metier.trunk.encoder import states_within
from metier.tune import contrastive, loop
from metier.tune.heads import Head

_PAIRS = "pairs"


def learn(work: Work, encoder: Any, settings: dict[str, Any], title: str) -> tuple[Head, loop.Standing]:
    """Draw texts of one label together, in place; returns the head fitted on what the base then sees, and how it went.

    The encoder's blocks below the first trained one run over each text once, where the disk budget allows.
    """
    target, texts, codes = work.train.target, list(work.train.inputs.to_pylist()), work.train.targets
    names = label_words(target)
    if names:
        texts, codes = texts + names, np.concatenate([codes, np.arange(target.width)])
    tokens = work.trunk.tokens(texts)
    below = states_within(
        work.plan.base.hidden_cache_mib,
        work.trunk.model,
        encoder.first,
        tokens,
        work.folder / "pairs.f16",
        work.progress,
    )
    pupil = contrastive.PairPupil(encoder, tokens, codes, contrastive.steps_for(len(texts)), below)
    course = loop.Course(
        epochs=1,
        learning_rate=settings["learning_rate"],
        batch_size=contrastive.TEXTS_PER_BATCH,
        weight_decay=work.plan.training.weight_decay,
        warmup=work.plan.training.warmup,
        clip=work.plan.training.clip,
        patience=1,
        measures=1,
        seed=work.plan.seed,
    )
    standing = loop.train(pupil, course, folder=work.folder / _PAIRS, progress=work.progress, title=f"{title}, pairs")
    # No time limit: the rows are few, and to look whether they fit would take longer than they do.
    tuned = replace(work, trunk=work.trunk.with_model(encoder.cpu().model), settings=None, seconds_left=None)
    return FrozenRung().fit(tuned)[0].head, standing  # type: ignore[attr-defined]


def forget(folder: Path) -> None:
    """Remove the checkpoint of a training from pairs whose outcome is safe."""
    shutil.rmtree(folder / _PAIRS, ignore_errors=True)
