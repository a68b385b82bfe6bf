"""Attribution by gradients: integrated gradients on token embeddings through the tuned trunk, its head and the blend.

The path runs from an empty example (embeddings of zero, no word counted) to the whole one. A blend is followed on both
sides: the trunk by automatic differentiation, the words (TF-IDF) in closed form, for they are linear before mixing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from metier.explain.subject import Claims, Subject
from metier.tasks.contract import Array
from metier.trunk.batches import by_token_budget
from metier.trunk.features import pooled

_TOKENS_AT_ONCE = 2048  # of all steps together: what is remembered for the backward pass grows with them


@dataclass(frozen=True)
class _Sides:
    """A predictor taken apart: trunk and head, and the words it may be blended with."""

    trunk: Any
    head: Any
    words: Any
    share: float
    main_temperature: float
    words_temperature: float


def applies(predictor: Any) -> bool:
    """Whether the predictor is a head on a trunk, alone or in a blend."""
    return hasattr(predictor, "trunk") and hasattr(predictor, "head")


def integrated(subject: Subject, claims: Claims, steps: int) -> list[Array]:
    """Each unit's part (units,) of the claim's log-probability (or value), one array an example.

    `steps` points on the path, midpoint rule (Sundararajan, Taly & Yan 2017); with one the whole example itself is
    taken: gradient times input. Special tokens are no unit's; what they get is left out.
    """
    sides = _sides(subject.predictor)
    texts = [subject.task.render(claims.inputs, at) for at in range(len(claims))]
    spans = [subject.task.units(claims.inputs, at) for at in range(len(claims))]
    encoded = sides.trunk.tokenizer.encode_batch(texts)
    lengths = np.array([max(1, len(one.ids)) for one in encoded])
    points = np.ones(1) if steps == 1 else (np.arange(steps) + 0.5) / steps
    out: list[Array] = [np.zeros(0)] * len(claims)
    for batch in by_token_budget(lengths, max(int(lengths.max()), _TOKENS_AT_ONCE // steps)):
        counted = [_occurrences(sides.words, texts[at]) for at in batch]
        ids = np.zeros((len(batch), lengths[batch].max()), np.int64)
        mask = np.zeros_like(ids)
        for row, at in enumerate(batch):
            ids[row, : lengths[at]] = encoded[at].ids or [0]
            mask[row, : lengths[at]] = 1
        by_token, pull = _along(sides, ids, mask, counted, claims.codes[batch], points)
        for row, at in enumerate(batch):
            offsets = encoded[at].offsets
            found = _spread(by_token[row, : len(offsets)], [(offset,) for offset in offsets], spans[at])
            if counted[row][1].size:
                places, columns, values = counted[row]
                found += _spread(values * (sides.words.weight[:, columns].T @ pull[row]), places, spans[at])
            out[at] = found
    return out


def _sides(predictor: Any) -> _Sides:
    main, words = getattr(predictor, "main", predictor), getattr(predictor, "words", None)
    if words is None:
        return _Sides(main.trunk, main.head, None, 0.0, 1.0, 1.0)
    temperatures = predictor.main_temperature, predictor.words_temperature
    return _Sides(main.trunk, main.head, words, predictor.share, *temperatures)


def _occurrences(words: Any, text: str) -> tuple[Any, Array, Array]:
    return ([], np.zeros(0, np.int64), np.zeros(0)) if words is None else words.occurrences(text)


def _along(
    sides: _Sides, ids: Array, mask: Array, counted: Sequence[Any], codes: Array, points: Array
) -> tuple[Array, Array]:
    """Token attributions (n, tokens), and the mean gradient (n, width) with respect to the words' logits."""
    rows, steps = len(ids), len(points)
    model = sides.trunk.model
    table = _embedding(model)
    with torch.no_grad():
        vectors = table(torch.from_numpy(ids))
    along = torch.from_numpy(np.repeat(points, rows).astype(np.float32))
    moved = (vectors.repeat(steps, 1, 1) * along[:, None, None]).requires_grad_()
    counts = _counts(sides.words, counted, len(sides.head.bias))
    words = torch.from_numpy(np.tile(counts[0], (steps, 1))) * along[:, None] + torch.from_numpy(counts[1])
    words.requires_grad_()
    asked = torch.from_numpy(np.tile(mask, (steps, 1)))
    hook = table.register_forward_hook(lambda _module, _inputs, _outcome: moved)
    try:
        with torch.enable_grad():
            states = model(
                input_ids=torch.from_numpy(np.tile(ids, (steps, 1))),
                attention_mask=None if mask.all() else asked,
                output_hidden_states=True,
            ).hidden_states
            features = pooled(states[0], states[-1], asked, sides.trunk.base.pooling)
            said = _said(sides, features @ sides.head.weight.T + sides.head.bias, words, np.tile(codes, steps))
            by_vector, by_words = torch.autograd.grad(said.sum(), [moved, words], allow_unused=True)
    finally:
        hook.remove()
    shape = (steps, rows, ids.shape[1], -1)
    by_token = (by_vector.view(*shape).mean(0) * vectors).sum(-1).numpy()
    pull = np.zeros((rows, len(sides.head.bias)), np.float32)
    if by_words is not None:
        pull = by_words.view(steps, rows, -1).mean(0).numpy()
    return by_token, pull


def _said(sides: _Sides, main: Tensor, words: Tensor, codes: Array) -> Tensor:
    """What the blend says of each claim: its log-probability, or a quantity by its sign."""
    if main.shape[1] == 1:
        return ((1 - sides.share) * main[:, 0] + sides.share * words[:, 0]) * torch.from_numpy(codes)
    which = torch.from_numpy(codes)[:, None]
    one = torch.log_softmax(main / sides.main_temperature, 1).gather(1, which)[:, 0]
    if not sides.share:
        return one
    other = torch.log_softmax(words / sides.words_temperature, 1).gather(1, which)[:, 0]
    return torch.logaddexp(one + np.log(1 - sides.share), other + np.log(sides.share))


def _counts(words: Any, counted: Sequence[Any], width: int) -> tuple[Array, Array]:
    """What the words add to each logit (n, width), and their bias (width,)."""
    if words is None:
        return np.zeros((len(counted), width), np.float32), np.zeros(width, np.float32)
    added = [words.weight[:, columns] @ values for _, columns, values in counted]
    return np.stack(added).astype(np.float32), words.bias.astype(np.float32)


def _embedding(model: nn.Module) -> nn.Embedding:
    """The table of token vectors: the largest embedding there is."""
    tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    return max(tables, key=lambda module: module.num_embeddings)


def _spread(parts: Array, places: Sequence[Sequence[tuple[int, int]]], spans: Sequence[tuple[int, int]]) -> Array:
    """Parts with the places they come from -> (units,), each part shared evenly by the units it touches."""
    out = np.zeros(len(spans))
    starts, ends = (np.array(side, np.int64) for side in zip(*spans, strict=True)) if spans else (out, out)
    for part, spots in zip(parts, places, strict=True):
        touched = [unit for start, end in spots for unit in np.flatnonzero((starts < end) & (ends > start))]
        for unit in touched:
            out[unit] += part / len(touched)
    return out
