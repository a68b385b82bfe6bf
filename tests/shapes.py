"""Pictures drawn for tests: circles, squares and stripes in any colours, with a grain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

KINDS = ("circle", "square", "stripes")


def shape(kind: str, rng: np.random.Generator, side: int = 40) -> np.ndarray:
    """One picture, uint8 (side, side, 3)."""
    ground, colour = (tuple(rng.integers(0, 256, 3).tolist()) for _ in range(2))
    image = Image.new("RGB", (side, side), ground)
    draw = ImageDraw.Draw(image)
    left, top = rng.integers(2, side // 2, 2).tolist()
    size = int(rng.integers(side // 4, side // 2))
    if kind == "circle":
        draw.ellipse((left, top, left + size, top + size), fill=colour)
    elif kind == "square":
        draw.rectangle((left, top, left + size, top + size), fill=colour)
    else:
        for at in range(0, side, 8):
            draw.line((0, at, side, at), fill=colour, width=3)
    return np.clip(np.asarray(image) + rng.normal(0, 5, (side, side, 3)), 0, 255).astype(np.uint8)


def shapes(each: int, seed: int = 0) -> list[tuple[np.ndarray, str]]:
    """(picture, kind) pairs, the kinds in turn."""
    rng = np.random.default_rng(seed)
    return [(shape(kind, rng), kind) for _ in range(each) for kind in KINDS]


def write_shapes(folder: Path, each: int, seed: int = 0) -> Path:
    """A folder with a subfolder of PNG files for each kind."""
    for at, (pixels, kind) in enumerate(shapes(each, seed)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / kind / f"{at:03}.png")
    return folder
