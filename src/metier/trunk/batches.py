"""Texts as tokens, and tokens as batches of nearly equal length, so that little is spent on padding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# About 2,048 tokens fill a matmul without leaving the caches of a laptop's processor.
TOKENS_PER_BATCH = 2048
_TEXTS_PER_CALL = 8192
# A text under this share of the longest one's tokens begins a new batch, where that one has at least so many tokens:
# a pass costs what 30 tokens do.
_ALIKE, _WORTH_A_PASS = 0.8, 128


@dataclass(frozen=True)
class Tokens:
    """Token ids of many texts end to end: text i is `flat[offsets[i]:offsets[i + 1]]`."""

    flat: np.ndarray  # int32 (tokens,)
    offsets: np.ndarray  # int64 (texts + 1,)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, int64 (texts,)."""
        return np.diff(self.offsets)

    def pad(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ids and mask of these texts, int64 (n, longest), padded with 0 on the right."""
        starts, lengths = self.offsets[positions], self.offsets[positions + 1] - self.offsets[positions]
        across = np.arange(int(lengths.max()))
        mask = across[None, :] < lengths[:, None]
        where = np.where(mask, starts[:, None] + across[None, :], 0)
        return np.where(mask, self.flat[where], 0).astype(np.int64), mask.astype(np.int64)


def tokenize(tokenizer: Tokenizer, texts: Iterable[str]) -> Tokens:
    """Texts -> Tokens, with the tokenizer's own special tokens and cut."""
    flat: list[np.ndarray] = []
    lengths: list[int] = []
    for some in _chunks(texts, _TEXTS_PER_CALL):
        encodings = tokenizer.encode_batch(some)
        # Without special tokens an empty text has none at all; one stands for it, so that there is a state to read.
        ids = [encoding.ids or [0] for encoding in encodings]
        lengths += [len(some) for some in ids]
        flat.append(np.fromiter((i for some in ids for i in some), np.int32))
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return Tokens(np.concatenate(flat) if flat else np.zeros(0, np.int32), offsets)


def by_token_budget(
    lengths: np.ndarray, budget: int = TOKENS_PER_BATCH, *, alike: float = _ALIKE
) -> Iterator[np.ndarray]:
    """Positions in batches of similar length whose padded size stays under `budget` tokens; longest first.

    A text longer than the budget comes alone. Longest first, so that too little memory shows at once. Texts much
    shorter than a batch's longest begin a new one, where what it holds is worth a pass: of a hundred texts a third of
    the work would be padding. With `alike` 0 they never do.
    """
    order = np.argsort(-lengths, kind="stable")
    falling = -lengths[order]
    start = 0
    while start < len(order):
        longest = max(1, -int(falling[start]))
        end = start + max(1, budget // longest)
        shorter = start + int(np.searchsorted(falling[start:end], -alike * longest, side="right"))
        end = min(end, max(shorter, start - (-_WORTH_A_PASS // longest)))
        yield order[start:end]
        start = end


def by_length(lengths: np.ndarray, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """One epoch's training batches: random, yet each of rows of similar length.

    Rows are shuffled, cut into pools of 32 batches, sorted by length within a pool and cut into batches, which are
    shuffled again. Every row comes exactly once.
    """
    order = rng.permutation(len(lengths))
    batches: list[np.ndarray] = []
    for start in range(0, len(order), batch_size * 32):
        pool = order[start : start + batch_size * 32]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[at : at + batch_size] for at in range(0, len(pool), batch_size)]
    return [batches[at] for at in rng.permutation(len(batches))]


def _chunks(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    some: list[str] = []
    for text in texts:
        some.append(text)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def as_texts(texts: Sequence[str]) -> Sequence[str]:
    """Plain strings from a list or a pyarrow array; missing texts become empty ones."""
    plain = texts.to_pylist() if hasattr(texts, "to_pylist") else texts
    return ["" if text is None else text for text in plain]
