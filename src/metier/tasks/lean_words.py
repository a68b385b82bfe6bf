"""A fitted model of words in as little memory as it can answer from: what a server of many experts holds of `Words`.

A vocabulary as Python words and its weights take some megabytes an expert. Kept here are the terms' hashes; the weights
lie in an unnamed file, term by term, of which a text reads the rows of its own words.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from metier import files
from metier.tasks.contract import Array, Inputs
from metier.trunk.batches import as_texts

_TEXTS_AT_ONCE = 512
_SMALL = 1 << 17  # bytes of weights up to which a file is not worth its trouble


@dataclass(frozen=True)
class LeanWords:
    """`keys` (terms,) are the terms' hashes in rising order, `rows` gives (n, 1 + width) idf and weights by place."""

    keys: Array
    rows: _Rows
    bias: Array

    @classmethod
    def load(cls, folder: Path, scratch: Path | None = None) -> LeanWords:
        """Read what `Words.save` wrote; `scratch` is where the unnamed file is made. Raises OSError, ResourceError."""
        from safetensors.numpy import load_file

        tensors = load_file(folder / "words.safetensors")
        # Hashes of this process: 64 bits by SipHash, under a key that nobody outside knows.
        hashes = np.array([hash(term) for term in files.read_json(folder / "words.json")], np.int64)
        order = np.argsort(hashes)
        by_term = np.concatenate([tensors["idf"][:, None], tensors["weight"].T], axis=1)[order].astype(np.float32)
        return cls(hashes[order], _rows(by_term, scratch), tensors["bias"].copy())

    @property
    def parts(self) -> tuple[Array, ...]:
        """The arrays held in memory."""
        return (self.keys, self.bias, *self.rows.held)

    def outputs(self, inputs: Inputs) -> Array:
        """Texts -> what `Words.outputs` gives, (n, width) or (n,)."""
        parts = [np.zeros((0, len(self.bias)), np.float32)]
        for at in range(0, len(inputs), _TEXTS_AT_ONCE):
            parts.append(self._some(as_texts(inputs[at : at + _TEXTS_AT_ONCE])))
        out = np.concatenate(parts)
        return out[:, 0] if out.shape[1] == 1 else out

    def _some(self, texts: Any) -> Array:
        analyse = _analyser()
        counted = [Counter(analyse(text)) for text in texts]
        asked = np.array([hash(term) for counts in counted for term in counts], np.int64)
        often = np.array([count for counts in counted for count in counts.values()], np.float32)
        text = np.repeat(np.arange(len(counted)), [len(counts) for counts in counted])
        places = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        known = self.keys[places] == asked
        out = np.zeros((len(counted), len(self.bias)), np.float32)
        if known.any():
            rows, text = self.rows.read(places[known]), text[known]
            values = (1 + np.log(often[known])) * rows[:, 0]
            lengths = np.sqrt(np.bincount(text, values.astype(np.float64) ** 2, len(counted)))
            values = (values / lengths[text]).astype(np.float32)
            starts = np.flatnonzero(np.diff(text, prepend=-1))
            out[text[starts]] = np.add.reduceat(values[:, None] * rows[:, 1:], starts, axis=0)
        return np.asarray(out + self.bias, np.float32)


@dataclass(frozen=True)
class _Rows:
    """Rows of float32, (terms, across): by place, from memory or from a file."""

    across: int
    held: tuple[Array, ...]
    file: IO[bytes] | None

    def read(self, places: Array) -> Array:
        """Places (n,) -> (n, across)."""
        if self.file is None:
            return np.asarray(self.held[0][places])
        size, descriptor = 4 * self.across, self.file.fileno()
        raw = b"".join(os.pread(descriptor, size, size * place) for place in places.tolist())
        return np.frombuffer(raw, np.float32).reshape(-1, self.across)


def _rows(by_term: Array, scratch: Path | None) -> _Rows:
    """The rows in memory where they are few, else in a file without a name, which goes with its last user."""
    if by_term.nbytes <= _SMALL:
        return _Rows(by_term.shape[1], (by_term,), None)
    with files.guard(scratch or Path(tempfile.gettempdir())):
        if scratch is not None:
            scratch.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=scratch, buffering=0)  # noqa: SIM115  open as long as the rows are
        file.write(by_term.tobytes())
    rows = _Rows(by_term.shape[1], (), file)
    weakref.finalize(rows, file.close)
    return rows


@lru_cache(maxsize=1)
def _analyser() -> Callable[[str], list[str]]:
    """A text's words and word pairs as `Words` counts them."""
    from metier.tasks.words import tfidf

    analyse: Callable[[str], list[str]] = tfidf(min_df=1, vocabulary={"\0": 0}).build_analyzer()
    return analyse
