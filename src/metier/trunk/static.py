"""A base that is one table of word vectors: no attention, far quicker (Model2Vec, Tulkens & van Dongen 2024).

It stands where a transformer stands; this file finds and describes it, `static_model` is the module made of it.
"""

from __future__ import annotations

from pathlib import Path

from metier.errors import BaseError
from metier.trunk import base as bases

TABLES = ("embeddings", "embedding.weight")  # as Model2Vec and as sentence-transformers name the table
_BESIDE = {"mapping", "weights"}  # Model2Vec: which row is a token's, and how much the token weighs
_MAX_TOKENS = 512


def recognises(folder: Path) -> bool:
    """Whether the folder's only weights are one table of vectors, and what goes with it."""
    weights = sorted(folder.glob("*.safetensors"))
    if len(weights) != 1:
        return False
    try:
        names = set(bases.header(weights[0]))
    except BaseError:
        return False
    return len(names - _BESIDE) == 1 and names - _BESIDE <= set(TABLES)


def describe(folder: Path, name: str, source: str, max_tokens: int | None) -> bases.Base:
    """The table as a Base of one layer. Raises BaseError without a tokenizer, or where the table is no table."""
    path = next(folder.glob("*.safetensors"))
    found = bases.header(path)
    shape = next(entry["shape"] for key, entry in found.items() if key in TABLES)
    if not (folder / "tokenizer.json").is_file() or len(shape) != 2:
        raise BaseError(
            "static-incomplete",
            "A static base is a table (words, numbers) in *.safetensors and a tokenizer.json beside it.",
            found=f"a table of shape {tuple(shape)} in {folder}; there are {bases.listing(folder)}",
            fix="Copy the whole folder.",
        )
    return bases.Base(
        name=name,
        source=source,
        folder=str(folder),
        sha256=bases.content_hash(folder, [path]),
        architecture=bases.STATIC,
        hidden=shape[1],
        layers=1,
        parameters=shape[0] * shape[1],
        bytes=path.stat().st_size,
        max_tokens=min(_MAX_TOKENS, max_tokens or _MAX_TOKENS),
        pooling="mean",
        licence=bases.licence(folder),
    )
