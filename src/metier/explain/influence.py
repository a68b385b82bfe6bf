"""Which training rows made the expert say that: the gradient of the claim against the gradient of each row's loss.

Every model here ends in something linear: a head on features, weights on words, columns or the leaves of trees. With
respect to those weights both gradients are known in closed form, and their product is that of two kernels (TracIn on
the last layer, Pruthi et al. 2020; for a head fitted to its optimum under an L2 penalty these are the terms its logits
are the sum of: representer points, Yeh et al. 2018). They are compared by their direction alone, as RelatIF does it
(Barshan, Brunet & Dziugaite 2020): rows that the expert could not learn have the longest gradients and would come first
everywhere. Of rows with a planted trigger and a wrong label, which an expert learns by heart, length hides the most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metier.tasks.contract import Array, Inputs
from metier.trunk.batches import as_texts

_MOST_LEAVES = 1024  # of one tree; the trees rung grows far fewer


@dataclass(frozen=True)
class Part:
    """A linear end of a model: what goes in, (n, d) dense or sparse, rows of length 1; and what comes out, (n, k).

    `middle` (d,) is the direction all rows have in common, shortened by `shrink`: see `levelled`.
    """

    inside: Any
    outputs: Array
    share: float = 1.0
    temperature: float = 1.0
    middle: Array | None = None
    shrink: float = 1.0


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


def levelled(part: Part) -> Part:
    """The part of the training rows, with what all of them have in common no longer than what tells them apart.

    States of an encoder lie in a narrow cone (Ethayarajh 2019): as they are, every row is like every other. The bias
    stands for the common direction anyway.
    """
    if hasattr(part.inside, "toarray") or not len(part.inside):
        return part
    middle = part.inside.mean(axis=0)
    middle = middle / max(float(np.linalg.norm(middle)), 1e-12)
    common = float(np.mean((part.inside @ middle) ** 2))
    shrink = min(1.0, float(np.sqrt(max(1 - common, 0.0) / max(common, 1e-12))))
    return replace(part, inside=_shortened(part.inside, middle, shrink), middle=middle, shrink=shrink)


def _shortened(inside: Array, middle: Array, shrink: float) -> Array:
    return np.asarray(_unit(inside - (1 - shrink) * np.outer(inside @ middle, middle)))


def joined(predictor: Any, ends: Sequence[Part]) -> Array:
    """The predictor's raw outputs, (n, k) or (n,), from those of its parts."""
    outputs = [part.outputs[:, 0] if part.outputs.shape[1] == 1 else part.outputs for part in ends]
    return np.asarray(predictor.mixed(*outputs) if hasattr(predictor, "mixed") else outputs[0])


def misses(learnt: Sequence[Part], truth: Array) -> list[Array]:
    """The direction (n, k) in which each part missed each training row: what `influence` asks of them every time."""
    return [_unit(_miss(part, truth)) for part in learnt]


def influence(
    learnt: Sequence[Part], truth: Array, asked: Sequence[Part], codes: Array, missed: Sequence[Array] | None = None
) -> Array:
    """How far each training row (n) pulled the model towards each claim (m): (m, n), negative where it pulled away.

    `learnt` and `asked` are the parts of the same predictor on training rows with `truth` (n,) and on examples with
    claims `codes` (m,): classes, or +1 and -1 for more and less of a quantity. `missed` is what `misses` gives.
    """
    missed = misses(learnt, truth) if missed is None else missed
    total = np.zeros((len(codes), len(truth)), np.float32)
    for own, other, miss in zip(learnt, asked, missed, strict=True):
        inside = other.inside if own.middle is None else _shortened(other.inside, own.middle, own.shrink)
        kernel = inside @ own.inside.T
        kernel = kernel.toarray() if hasattr(kernel, "toarray") else kernel
        total -= other.share * np.asarray(kernel, np.float32) * (_pull(other, codes) @ miss.T)
    return total


def _pull(part: Part, codes: Array) -> Array:
    """(m, k) the direction in which a part's outputs would have to move for each claim to be made more surely."""
    if part.outputs.shape[1] == 1:
        return np.asarray(codes[:, None], np.float32)
    pull = -_shares(part.outputs / part.temperature)
    pull[np.arange(len(codes)), codes] += 1.0
    return np.asarray(_unit(pull))


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
