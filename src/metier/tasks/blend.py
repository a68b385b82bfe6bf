"""Meaning and words together: a trunk's answers mixed with those of the linear rung, by a share chosen on validation.

An encoder blurs rare exact words and a word model knows nothing else; their mistakes differ. Probabilities are mixed
after each side's temperature has been fitted, values as they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metier import files
from metier.tasks.contract import Array, Inputs, LowRank, Predictor, Shared, Target
from metier.trunk.features import Trunk

_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4)
_NOTE = "blend.json"
_WORDS = "words"


@dataclass(frozen=True)
class Blend:
    """`share` of the words' answer, the rest the main predictor's; temperatures divide logits before mixing."""

    main: Predictor
    words: Predictor
    share: float
    main_temperature: float
    words_temperature: float

    def outputs(self, inputs: Inputs) -> Array:
        """(n, k) log-probabilities, or (n,) values."""
        return self.mixed(self.main.outputs(inputs), self.words.outputs(inputs))

    def mixed(self, main: Array, words: Array) -> Array:
        """Both sides' outputs -> one."""
        return mixed(main, words, self.share, self.main_temperature, self.words_temperature)

    @property
    def trunk(self) -> Trunk:
        """The main predictor's trunk."""
        trunk: Trunk = self.main.trunk  # type: ignore[attr-defined]
        return trunk

    @property
    def head(self) -> Any:
        """The main predictor's head."""
        return self.main.head  # type: ignore[attr-defined]

    def save(self, folder: Path) -> None:
        """Write the main predictor, `words/` and `blend.json`."""
        self.main.save(folder)
        (folder / _WORDS).mkdir(exist_ok=True)
        self.words.save(folder / _WORDS)
        figures = {
            "share": self.share,
            "main_temperature": self.main_temperature,
            "words_temperature": self.words_temperature,
        }
        files.write_json(folder / _NOTE, figures)


def mixed(main: Array, words: Array, share: float, main_temperature: float, words_temperature: float) -> Array:
    """Both sides' outputs -> one: log-probabilities (n, k) mixed as probabilities, or values (n,) as they are."""
    if main.ndim == 1:
        return np.asarray((1 - share) * main + share * words, np.float32)
    both = (1 - share) * _shares(main / main_temperature)
    both += share * _shares(words / words_temperature)
    return np.asarray(np.log(np.maximum(both, 1e-12)), np.float32)


def load(folder: Path, main: Predictor) -> Predictor:
    """The blend saved beside `main`, or `main` itself when there is none."""
    if not (folder / _NOTE).is_file():
        return main
    from metier.tasks.words import load_words

    return Blend(main, load_words(folder / _WORDS), **files.read_json(folder / _NOTE))


def share(folder: Path, head: Any, trunk: Trunk, updates: Mapping[str, LowRank]) -> Shared:
    """A head over features that others compute, and the blend saved beside it, if there is any."""
    weight, bias = head.weight.numpy(), head.bias.numpy()
    parts = (weight, bias)

    def meant(features: Array) -> Array:
        return shaped(np.asarray(features, np.float32) @ weight.T + bias)

    if not (folder / _NOTE).is_file():
        return Shared(lambda features, _: meant(features), updates, parts)
    from metier.tasks.lean_words import LeanWords

    lean = LeanWords.load(folder / _WORDS, trunk.cache)
    figures = files.read_json(folder / _NOTE)

    def answer(features: Array, inputs: Inputs) -> Array:
        return mixed(meant(features), lean.outputs(inputs), **figures)

    return Shared(answer, updates, (*parts, *lean.parts))


def shaped(outputs: Array) -> Array:
    """(n, 1) -> (n,): a quantity's outputs are a plain column."""
    return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs


def copy(source: Path, folder: Path) -> None:
    """Copy what `Blend.save` wrote beside the main predictor, if there is any."""
    if (source / _NOTE).is_file():
        shutil.copytree(source / _WORDS, folder / _WORDS)
        shutil.copyfile(source / _NOTE, folder / _NOTE)


def choose(
    main: Predictor,
    words: Predictor,
    main_outputs: Array,
    words_outputs: Array,
    truth: Array,
    target: Target,
    judge: Callable[[Array], float],
) -> tuple[Predictor, dict[str, float]]:
    """The share that `judge` scores highest on held-out outputs; the smaller of equals. Returns its settings too."""
    temperatures = [target.calibrate(side, truth).get("temperature", 1.0) for side in (main_outputs, words_outputs)]
    tried = [Blend(main, words, share, *temperatures) for share in _SHARES]
    scores = [judge(blend.mixed(main_outputs, words_outputs)) for blend in tried]
    best = tried[int(np.argmax(scores))]
    settings = {
        "share": best.share,
        "main_temperature": best.main_temperature,
        "words_temperature": best.words_temperature,
    }
    return (best if best.share else main), settings


def _shares(outputs: Array) -> Array:
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
