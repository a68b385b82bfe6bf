"""Kinds of rows that nobody has named: clusters in feature space, told by the words and values typical of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metier.evaluate.case import Case
from metier.evaluate.slices.slicing import Division, Slice
from metier.pages.words import clip
from metier.tasks.contract import Array

_ROWS_A_CLUSTER = 80
_FEWEST, _MOST = 4, 30
_LEAST_ROWS = 100  # below which rows are too few to be cut up
_FITTED = 10_000  # rows that the centres are fitted on
_COMPONENTS = 50
_WORDS = 3
_CLIPPED = 40
_OFTEN = 0.1  # of a cluster's rows, at least, say a word that is typical of it
_PRIOR = 0.01  # of all rows: what a word's share is drawn towards


def clusters(case: Case, known: Sequence[Slice]) -> Division:
    """k-means in the feature space of the base, about 80 rows a cluster; `known` slices help to name what it finds.

    The truth and the answers play no part, so that a cluster can be tested on the very same rows.
    """
    rows = len(case.examples)
    if rows < _LEAST_ROWS:
        return Division("kind", (), f"kinds of rows are left out: {rows} rows are too few to cut up")
    vectors = np.asarray(case.expert.task.vectors(case.examples.inputs, case.expert.trunk), np.float32)
    # Sorted by content, so that the same rows in another order give the same clusters.
    order = np.lexsort((*vectors[:, :3].T, vectors.sum(axis=1)))
    code, central = np.empty(rows, np.int64), np.empty(0, np.int64)
    code[order], central = _assigned(vectors[order], case.seed)
    shown = [case.expert.task.render(case.examples.inputs, int(at)) for at in order[central]]
    names = _names(code, *_terms(case, known), shown)
    return Division("kind", tuple(Slice("kind", name, code == at) for at, name in enumerate(names)))


def _assigned(vectors: Array, seed: int) -> tuple[Array, Array]:
    """(n, d) vectors -> (n,) numbers of clusters, and the row nearest to the centre of each."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    rows = len(vectors)
    some = np.sort(np.random.default_rng([seed, rows]).permutation(rows)[:_FITTED])
    width = min(_COMPONENTS, vectors.shape[1], len(some) - 1)
    if vectors.shape[1] > _COMPONENTS:
        axes = PCA(width, svd_solver="randomized", random_state=seed).fit(vectors[some])
        vectors = axes.transform(vectors)
    count = int(np.clip(rows // _ROWS_A_CLUSTER, _FEWEST, _MOST))
    count = min(count, len(np.unique(vectors[some], axis=0)))
    found = KMeans(count, n_init=3, random_state=seed).fit(vectors[some])
    code = np.asarray(found.predict(vectors), np.int64)
    near = np.linalg.norm(vectors - found.cluster_centers_[code], axis=1)
    held, code = np.unique(code, return_inverse=True)
    central = [int(np.flatnonzero(code == at)[near[code == at].argmin()]) for at in range(len(held))]
    return np.asarray(code, np.int64), np.array(central)


def _terms(case: Case, known: Sequence[Slice]) -> tuple[list[str], Any]:
    """What may name a cluster, and which rows (n, terms) have it: words of the texts read, values of columns."""
    from scipy import sparse
    from sklearn.feature_extraction.text import CountVectorizer

    reads = case.expert.about["reads"]
    columns = [one for one in known if one.by in reads]
    names = [f"{one.by} {one.name}" for one in columns]
    blocks = [sparse.csc_matrix(np.stack([one.member for one in columns], axis=1, dtype=np.float64))] if columns else []
    texts = [name for name in case.dataset.schema.named("text") if name in reads]
    if texts:
        cells = zip(*(case.column(name) for name in texts), strict=True)
        reader = CountVectorizer(token_pattern=r"(?u)\b[^\W\d_][\w'-]{2,}\b", binary=True, min_df=3, max_df=0.2)
        try:
            blocks.append(reader.fit_transform(" ".join(str(cell or "") for cell in row) for row in cells))
            names += list(reader.get_feature_names_out())
        except ValueError:  # no word is common enough
            pass
    if not blocks:
        return [], sparse.csc_matrix((len(case.examples), 0))
    return names, sparse.hstack(blocks, format="csr").astype(np.float64)


def _names(code: Array, terms: list[str], present: Any, central: Sequence[str]) -> list[str]:
    """Each cluster's most typical terms, by the weighted log-odds of Monroe, Colaresi & Quinn (2008).

    One without any is told by its most central row.
    """
    names: list[str] = []
    total = np.asarray(present.sum(axis=0)).ravel()
    for at in range(int(code.max()) + 1):
        inside = code == at
        rows, rest = int(inside.sum()), int((~inside).sum())
        within = np.asarray(present[inside].sum(axis=0)).ravel()
        prior = _PRIOR * total + 0.5
        odds = [
            np.log((count + prior) / (size + _PRIOR * len(code) + 1 - count))
            for count, size in ((within, rows), (total - within, rest))
        ]
        error = np.sqrt(1 / (within + prior) + 1 / (total - within + prior))
        typical = np.where(within >= _OFTEN * rows, (odds[0] - odds[1]) / error, -np.inf)
        best = [place for place in np.argsort(-typical, kind="stable")[:_WORDS] if typical[place] > 2]
        told = ", ".join(terms[place] for place in best) or f"like “{clip(central[at], _CLIPPED)}”"
        names.append(told if told not in names else f"{told} ({at + 1})")
    return names
