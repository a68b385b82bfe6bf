"""Pictures drawn for the tests: shapes on a ground, and what happens to a picture on its way from hand to hand."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance


def drawing(seed: int, size: tuple[int, int] = (240, 180)) -> Image.Image:
    """A dozen shapes of all colours on a shaded ground, another picture for every seed."""
    rng = np.random.default_rng(seed)
    across, down = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    corners = rng.integers(40, 216, (3, 3))
    ground = (
        corners[0] + across[..., None] * (corners[1] - corners[0]) + down[..., None] * (corners[2] - corners[0]) / 2
    )
    image = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = int(rng.integers(size[0])), int(rng.integers(size[1]))
        wide, high = (int(rng.integers(12, 90)) for _ in range(2))
        colour = tuple(int(level) for level in rng.integers(0, 256, 3))
        (pen.ellipse, pen.rectangle)[int(rng.integers(2))]((x, y, x + wide, y + high), fill=colour)
    return image


def recompressed(image: Image.Image, quality: int = 40) -> Image.Image:
    held = io.BytesIO()
    image.convert("RGB").save(held, "JPEG", quality=quality)
    return Image.open(io.BytesIO(held.getvalue())).copy()


def cropped(image: Image.Image, share: float = 0.05) -> Image.Image:
    wide, high = image.size
    return image.crop((int(share * wide), int(share * high), wide, high))


CHANGES = {
    "smaller": lambda image: image.resize((image.width // 2, image.height // 2)),
    "larger": lambda image: image.resize((image.width * 2, image.height * 2)),
    "compressed": recompressed,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "cut": cropped,
    "all round": lambda image: image.crop((6, 5, image.width - 6, image.height - 5)),
}


def with_another_thing(image: Image.Image) -> Image.Image:
    """The same picture, but for one thing in its middle."""
    out = image.copy()
    wide, high = out.size
    box = (int(0.4 * wide), int(0.4 * high), int(0.6 * wide), int(0.65 * high))
    middle = np.asarray(image.convert("L").crop(box)).mean()
    ImageDraw.Draw(out).rectangle(box, fill=(0, 0, 0) if middle > 110 else (255, 255, 255))
    return out


def of_another_colour(image: Image.Image) -> Image.Image:
    """The same shades of grey in other colours."""
    luma, blue, red = image.convert("YCbCr").split()
    return Image.merge("YCbCr", (luma, red, blue)).convert("RGB")
