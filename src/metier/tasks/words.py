"""TF-IDF with a linear model, kept as plain numbers and words so that it loads without pickle."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from metier import files
from metier.tasks.contract import Array, Inputs, Target
from metier.trunk.batches import as_texts

_MOST_WORDS = 100_000
_NEVER_SEEN = -10.0  # the bias of a class without a training row


@dataclass(frozen=True)
class Words:
    """A fitted vocabulary and a linear model over it: weight (width, words), bias (width,)."""

    vectorizer: TfidfVectorizer
    weight: Array
    bias: Array

    def outputs(self, inputs: Inputs) -> Array:
        """Texts -> log-probabilities up to a constant (n, width), or values (n,)."""
        parts = [np.zeros((0, len(self.bias)), np.float32)]
        for at in range(0, len(inputs), 65_536):
            matrix = self.vectorizer.transform(as_texts(inputs[at : at + 65_536]))
            parts.append(np.asarray(_product(matrix, self.weight) + self.bias, np.float32))
        out = np.concatenate(parts)
        return out[:, 0] if out.shape[1] == 1 else out

    def occurrences(self, text: str) -> tuple[list[tuple[tuple[int, int], ...]], Array, Array]:
        """Every known word and word pair of a text: where its words stand, its column, and its part of the value there.

        Summed by column the values are the text's row of the matrix. Where the text in its plain form (lower case, no
        accents) falls into other words than as it stands, nothing can be placed, and all three are empty.
        """
        plain = self.vectorizer.build_preprocessor()
        found = [(match.span(), plain(match[0])) for match in re.finditer(self.vectorizer.token_pattern, text)]
        names, known = [name for _, name in found], self.vectorizer.vocabulary_
        places: list[tuple[tuple[int, int], ...]] = []
        columns: list[int] = []
        if names == self.vectorizer.build_tokenizer()(plain(text)):
            for at, (span, name) in enumerate(found):
                pair = f"{name} {names[at + 1]}" if at + 1 < len(names) else ""
                for term, spans in ((name, (span,)), (pair, (span, found[min(at + 1, len(found) - 1)][0]))):
                    if term in known:
                        places.append(spans)
                        columns.append(known[term])
        where = np.asarray(columns, np.int64)
        row = self.vectorizer.transform([text]).toarray()[0] if columns else np.zeros(1)
        return places, where, row[where] / np.bincount(where)[where] if columns else np.zeros(0)

    def save(self, folder: Path) -> None:
        """Write `words.json` (the vocabulary in order) and `words.safetensors`."""
        names = sorted(self.vectorizer.vocabulary_, key=self.vectorizer.vocabulary_.__getitem__)
        files.write_text(folder / "words.json", json.dumps(names, ensure_ascii=False))
        tensors = {"weight": self.weight, "bias": self.bias, "idf": self.vectorizer.idf_}
        tensors = {name: np.ascontiguousarray(value, np.float32) for name, value in tensors.items()}
        files.write_bytes(folder / "words.safetensors", save(tensors))


def fit_words(texts: Sequence[str], targets: Array, target: Target) -> Words:
    """Fit vocabulary and model. Texts (n,), targets (n,) class codes or values."""
    vectorizer = tfidf(min_df=2 if len(texts) > 2000 else 1)
    try:
        matrix = vectorizer.fit_transform(texts)
    except ValueError:
        # No word at all (emoji, punctuation, a script without spaces): one made-up word carries a constant.
        vectorizer = tfidf(min_df=1, vocabulary={"\0": 0})
        matrix = vectorizer.fit_transform([*texts, "\0"])[: len(texts)]
    if target.width == 1:
        model = Ridge(alpha=1.0, solver="sparse_cg").fit(matrix, targets)
        return _as_stored(vectorizer, model.coef_.reshape(1, -1), np.atleast_1d(model.intercept_))
    if len(np.unique(targets)) == 1:
        bias = np.full(target.width, _NEVER_SEEN)
        bias[targets[0]] = 0.0
        return _as_stored(vectorizer, np.zeros((target.width, matrix.shape[1])), bias)
    with warnings.catch_warnings():
        # That few rows of many labels might be numbers: the plan knows that they are labels.
        warnings.filterwarnings("ignore", "The number of unique classes is greater than", UserWarning)
        model = LogisticRegression(C=10.0, max_iter=200, tol=1e-3).fit(matrix, targets)
    return _as_stored(vectorizer, *_all_classes(model, target.width))


def _as_stored(vectorizer: TfidfVectorizer, weight: Array, bias: Array) -> Words:
    """In the precision that `save` writes: a run that is taken up again must answer to the last bit as this one."""
    vectorizer.idf_ = vectorizer.idf_.astype(np.float32)
    return Words(vectorizer, np.ascontiguousarray(weight, np.float32), np.ascontiguousarray(bias, np.float32))


def _product(matrix: Any, weight: Array) -> Array:
    """Rows of words (n, words) times the weights (width, words): only of words that occur, the others are not read."""
    from scipy.sparse import csr_matrix

    used, columns = np.unique(matrix.indices, return_inverse=True)
    narrow = csr_matrix((matrix.data, columns, matrix.indptr), shape=(matrix.shape[0], len(used)))
    return np.asarray(narrow @ np.ascontiguousarray(weight[:, used].T))


def load_words(folder: Path) -> Words:
    """Read what `Words.save` wrote."""
    names = json.loads((folder / "words.json").read_text(encoding="utf-8"))
    tensors = load_file(folder / "words.safetensors")
    vectorizer = tfidf(min_df=1, vocabulary={name: at for at, name in enumerate(names)})
    vectorizer.idf_ = tensors["idf"]
    return Words(vectorizer, tensors["weight"], tensors["bias"])


def tfidf(*, min_df: int, vocabulary: dict[str, int] | None = None) -> TfidfVectorizer:
    """Words and word pairs, counted as every model of words here counts them; not fitted."""
    return TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        strip_accents="unicode",
        token_pattern=r"(?u)\b\w+\b",
        min_df=min_df,
        max_features=None if vocabulary else _MOST_WORDS,
        vocabulary=vocabulary,
        dtype=np.float32,
    )


def _all_classes(model: LogisticRegression, width: int) -> tuple[Array, Array]:
    """One row a class also where two classes share one row, or where a class had no training row."""
    weight, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        weight, bias = np.concatenate([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
    full, offset = np.zeros((width, weight.shape[1])), np.full(width, _NEVER_SEEN)
    full[model.classes_], offset[model.classes_] = weight, bias
    return full, offset
