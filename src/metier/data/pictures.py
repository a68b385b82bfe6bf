"""One picture as a person sees it, opened safely: turned upright, on white where it is transparent, its first frame."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from metier.data.dataset import Dataset
from metier.errors import ResourceError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"})
# How a file of one of these forms begins; WebP is told by what follows its length.
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*", b"RIFF")
_READABLE = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")

MISSING = "there is no such picture"
EMPTY = "the file is empty"
UNKNOWN = "it is no picture of a form that is read"
LARGE = "the picture is too large to be opened safely"
BROKEN = "the picture cannot be read"


class Unreadable(Exception):  # noqa: N818  a finding, counted by whoever opens many
    """Why a picture cannot be opened, in words."""


def cells(dataset: Dataset, name: str) -> tuple[list[str | None], list[Any]]:
    """A column of pictures -> what each is called, and what `opened` takes; None where the cell is missing.

    Paths are relative to the table's file, or to the folder that was read. Bytes stay where the table has them (on
    disk) until they are asked for.
    """
    column = dataset.table.column(name)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        known = column.is_valid().to_pylist()
        names = [f"picture of row {row}" if valid else None for row, valid in enumerate(known)]
        return list(names), [column[row] if valid else None for row, valid in enumerate(known)]
    paths = [path.strip() if path and path.strip() else None for path in column.to_pylist()]
    root = folder_of(dataset)
    return paths, [None if path is None else str(root / path) for path in paths]


def folder_of(dataset: Dataset) -> Path:
    """The folder that a table's paths are relative to."""
    place = Path(dataset.source.path).expanduser()
    return place if place.is_dir() else place.parent


def opened(source: str | Path | bytes | pa.Scalar, most: int | None = None) -> Any:
    """A path, a file's bytes or an Arrow cell of them -> a PIL image in RGB.

    Raises Unreadable, and ResourceError without Pillow.

    With `most` no side is longer than that many pixels: larger pictures are shrunk, evenly.
    """
    images = pillow()
    if isinstance(source, pa.Scalar):
        source = bytes(source.as_py())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", images.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning)  # odd metadata is no matter
            with images.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_READABLE) as image:
                if most is not None:
                    image.draft("RGB", (most, most))  # a JPEG is then decoded no larger than it need be
                return _seen(images, image, most)
    except FileNotFoundError as error:
        raise Unreadable(MISSING) from error
    except (images.DecompressionBombWarning, images.DecompressionBombError) as error:
        raise Unreadable(LARGE) from error
    except images.UnidentifiedImageError as error:
        raise Unreadable(_what(source)) from error
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, OverflowError) as error:
        # What Pillow raises for torn files differs from form to form.
        raise Unreadable(BROKEN) from error


def _what(source: str | Path | bytes) -> str:
    """Nothing Pillow knows: an empty file, the torn head of a picture, or something else."""
    if isinstance(source, bytes):
        head = source[:8]
    else:
        with Path(source).open("rb") as file:
            head = file.read(8)
    if not head:
        return EMPTY
    return BROKEN if head.startswith(MAGIC) else UNKNOWN


def _seen(images: ModuleType, image: Any, most: int | None) -> Any:
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        # Deep grey: spread over what a screen shows.
        deep = np.asarray(upright, np.float64)
        low, high = float(deep.min()), float(deep.max())
        upright = images.fromarray((255 * (deep - low) / max(high - low, 1e-12)).astype(np.uint8))
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        clear = upright.convert("RGBA")
        ground = images.new("RGBA", clear.size, (255, 255, 255, 255))
        upright = images.alpha_composite(ground, clear)
    plain = upright.convert("RGB")
    if most is not None:
        plain.thumbnail((most, most), images.Resampling.BICUBIC, reducing_gap=2.0)
    return plain


def pillow() -> ModuleType:
    """Pillow's Image module. Raises ResourceError where the extra is not installed."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ResourceError(
            "no-pillow",
            "Pictures are read with Pillow.",
            found="it is not installed",
            fix="pip install 'metier[images]'",
        ) from error
    return Image
