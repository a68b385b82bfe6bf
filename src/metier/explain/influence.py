"""Which training rows made the expert say that: the gradient of the claim against the gradient of each row's loss.

Every model here ends in something linear: a head on features, weights on words, columns or the leaves of trees. With
respect to those weights both gradients are known in closed form and their product is a product of two kernels (TracIn
on the last layer, Pruthi et al. 2020). For a head fitted to its optimum under an L2 penalty, as the frozen rung's is,
this is no approximation: its logits are the sum of these terms (representer points, Yeh et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metier.tasks.contract import Array, Inputs
from metier.trunk.batches import as_texts

_MOST_LEAVES = 1024  # of one tree; the trees rung grows far fewer


@dataclass(frozen=True)
class Part:
    """A linear end of a model: what goes in, (n, d) dense or sparse, rows of length 1; and what comes out, (n, k)."""

    inside: Any
    outputs: Array
    share: float = 1.0
    temperature: float = 1.0


def parts(predictor: Any, inputs: Inputs, features: Array) -> list[Part]:
    """The linear ends of a predictor on these inputs; none where it has none. `features` are its trunk's, if any."""
    if hasattr(predictor, "words"):
        (main,), (words,) = parts(predictor.main, inputs, features), parts(predictor.words, inputs, features)
        return [
            Part(main.inside, main.outputs, 1 - predictor.share, predictor.main_temperature),
            Part(words.inside, words.outputs, predictor.share, predictor.words_temperature),
        ]
    if hasattr(predictor, "head"):
        return [Part(_unit(features), predictor.head.outputs(features))]
    if hasattr(predictor, "vectorizer"):
        matrix = predictor.vectorizer.transform(as_texts(inputs))
        return [Part(matrix, _table(predictor.outputs(inputs)))]
    if hasattr(predictor, "coefficients"):
        matrix = predictor.encoding.linear_matrix(inputs, predictor.trunk)
        return [Part(_unit(matrix), _table(predictor.outputs(inputs)))]
    if hasattr(predictor, "booster") and predictor.text:
        return [Part(_leaves(predictor, inputs), _table(predictor.outputs(inputs)))]
    return []


def joined(predictor: Any, ends: Sequence[Part]) -> Array:
    """The predictor's raw outputs, (n, k) or (n,), from those of its parts."""
    outputs = [part.outputs[:, 0] if part.outputs.shape[1] == 1 else part.outputs for part in ends]
    return np.asarray(predictor.mixed(*outputs) if hasattr(predictor, "mixed") else outputs[0])


def influence(learnt: Sequence[Part], truth: Array, asked: Sequence[Part], codes: Array) -> Array:
    """How far each training row (n) pulled the model towards each claim (m): (m, n), negative where it pulled away.

    `learnt` and `asked` are the parts of the same predictor on training rows with `truth` (n,) and on examples with
    claims `codes` (m,): classes, or +1 and -1 for more and less of a quantity.
    """
    total = np.zeros((len(codes), len(truth)), np.float32)
    mixed = np.zeros(len(codes))
    for part in asked:
        mixed += part.share * _said(part, codes)
    for own, other in zip(learnt, asked, strict=True):
        kernel = other.inside @ own.inside.T
        kernel = kernel.toarray() if hasattr(kernel, "toarray") else kernel
        total -= np.asarray(kernel, np.float32) * (_pull(other, codes, mixed) @ _miss(own, truth).T)
    return total


def _said(part: Part, codes: Array) -> Array:
    """The probability a part gives each claim, 1 for a quantity."""
    if part.outputs.shape[1] == 1:
        return np.ones(len(codes))
    return np.asarray(_shares(part.outputs / part.temperature)[np.arange(len(codes)), codes])


def _pull(part: Part, codes: Array, mixed: Array) -> Array:
    """(m, k) the gradient of each claim's log-probability in the mixture (or of the value) by a part's outputs."""
    if part.outputs.shape[1] == 1:
        return np.asarray(part.share * codes[:, None], np.float32)
    shares = _shares(part.outputs / part.temperature)
    chosen = shares[np.arange(len(codes)), codes]
    wanted = np.zeros_like(shares)
    wanted[np.arange(len(codes)), codes] = 1.0
    weight = part.share * chosen / np.maximum(mixed, 1e-12) / part.temperature
    return np.asarray(weight[:, None] * (wanted - shares), np.float32)


def _miss(part: Part, truth: Array) -> Array:
    """(n, k) the gradient of each training row's own loss by a part's outputs: what is said less what is right."""
    if part.outputs.shape[1] == 1:
        return np.asarray(part.outputs - truth[:, None], np.float32)
    shares = _shares(part.outputs)
    shares[np.arange(len(truth)), truth] -= 1.0
    return np.asarray(shares, np.float32)


def _leaves(predictor: Any, inputs: Inputs) -> Any:
    """(n, leaves) sparse: the leaf each tree sends a row to. Boosted trees are linear in these."""
    from scipy import sparse

    matrix = predictor.encoding.tree_matrix(inputs, predictor.trunk)
    found = np.atleast_2d(predictor.booster.predict(matrix, pred_leaf=True)).astype(np.int64)
    rows, trees = found.shape
    columns = (found + _MOST_LEAVES * np.arange(trees)).ravel()
    values = np.full(len(columns), 1 / np.sqrt(trees), np.float32)
    return sparse.csr_matrix((values, (np.repeat(np.arange(rows), trees), columns)), shape=(rows, _MOST_LEAVES * trees))


def _table(outputs: Array) -> Array:
    return outputs[:, None] if outputs.ndim == 1 else outputs


def _shares(outputs: Array) -> Array:
    powers = np.exp(np.asarray(outputs, np.float64) - outputs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _unit(matrix: Any) -> Any:
    """Rows of length 1, so that a row counts by its direction and not by how wild its numbers are."""
    if hasattr(matrix, "toarray"):
        from sklearn.preprocessing import normalize

        return normalize(matrix)
    plain = np.asarray(matrix, np.float32)
    return plain / np.maximum(np.linalg.norm(plain, axis=1, keepdims=True), 1e-12)
