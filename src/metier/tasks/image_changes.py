"""What goes wrong with pictures in use: blur, noise, a crop, other light, and strong compression.

Every picture draws its numbers once, whatever the severity: the same grain of noise, only stronger; the same corner,
only nearer (after the common corruptions of Hendrycks & Dietterich 2019).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from metier.data.pictures import pillow
from metier.tasks.contract import Array, Examples, Perturbation
from metier.tasks.image_inputs import Images

_LEVELS = (1 / 3, 2 / 3, 1.0)
_BLUR = 0.06  # of the longer side: the widest radius
_NOISE = 64.0  # the strongest noise's standard deviation, of 255
_GAMMA = 3.0  # the strongest light: shares of full light to this power, or to its inverse
_BEST, _WORST = 95, 5  # JPEG quality


@dataclass(frozen=True)
class Changed:
    """One change of one picture: which, how strongly (0..1), and the two numbers (0..1) it drew."""

    name: str
    severity: float
    draws: tuple[float, float]

    @property
    def stamp(self) -> bytes:
        """All of it."""
        return f"{self.name} {self.severity!r} {self.draws!r}".encode()

    def __call__(self, pixels: Array) -> Array:
        """Change."""
        return _CHANGES[self.name](pixels, self.severity, self.draws)


def perturbations() -> tuple[Perturbation, ...]:
    """All changes of pictures. What a right answer is stays as it was, as far as a person can still see it."""
    return (
        Perturbation("blur", "a radius of 2, 4 or 6% of the longer side", _change("blur"), _LEVELS),
        Perturbation("noise", "grain of a twelfth, a sixth or a quarter of full light", _change("noise"), _LEVELS),
        Perturbation("crop", "share of each side that is cut away", _change("crop")),
        Perturbation(
            "brightness", "too dark or too bright: a little, clearly, strongly", _change("brightness"), _LEVELS
        ),
        Perturbation("JPEG", "compressed to quality 65, 35 or 5 of 100", _change("JPEG"), _LEVELS),
    )


def _change(name: str) -> Callable[[Examples, float, np.random.Generator], Images]:
    def changed(examples: Examples, severity: float, rng: np.random.Generator) -> Images:
        images: Images = examples.inputs
        draws = rng.random((len(images), 2)).tolist()
        return images.edited([Changed(name, severity, (one, other)) if severity else None for one, other in draws])

    return changed


def _blurred(pixels: Array, severity: float, _draws: tuple[float, float]) -> Array:
    from PIL import ImageFilter

    radius = severity * _BLUR * max(pixels.shape[:2])
    return np.asarray(pillow().fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)), np.uint8)


def _noisy(pixels: Array, severity: float, draws: tuple[float, float]) -> Array:
    grain = np.random.default_rng(int(draws[0] * 2**53)).standard_normal(pixels.shape, np.float32)
    return np.asarray(np.clip(pixels + severity * _NOISE * grain, 0, 255), np.uint8)


def _cropped(pixels: Array, severity: float, draws: tuple[float, float]) -> Array:
    cuts = []
    for length, draw in zip(pixels.shape[:2], draws, strict=True):
        kept = max(1, round(length * (1 - severity)))
        start = round(draw * (length - kept))
        cuts.append(slice(start, start + kept))
    return np.ascontiguousarray(pixels[cuts[0], cuts[1]])


def _lit(pixels: Array, severity: float, draws: tuple[float, float]) -> Array:
    power = _GAMMA ** (severity if draws[0] < 0.5 else -severity)
    return np.asarray(np.round(255 * (pixels / np.float32(255)) ** np.float32(power)), np.uint8)


def _compressed(pixels: Array, severity: float, _draws: tuple[float, float]) -> Array:
    held = io.BytesIO()
    pillow().fromarray(pixels).save(held, "JPEG", quality=round(_BEST + severity * (_WORST - _BEST)))
    return np.asarray(pillow().open(held).convert("RGB"), np.uint8)


_CHANGES: dict[str, Callable[[Array, float, tuple[float, float]], Array]] = {
    "blur": _blurred,
    "noise": _noisy,
    "crop": _cropped,
    "brightness": _lit,
    "JPEG": _compressed,
}
