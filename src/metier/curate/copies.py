"""Which rows are copies of one another, within the training file and across to the test file: found once, used by all.

A kind of input is asked through its sketch: what is equal but for form, which pairs are worth comparing, and whether
a pair is one thing twice. Texts and tables and pictures have theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, singledispatch
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from metier.curate.material import Material
from metier.curate.pictures import Pictures

Array = np.ndarray


class Sketch(Protocol):
    """n inputs, seen as copies of one another or not."""

    @property
    def meant(self) -> bool:
        """Whether inputs may mean the same without being copies, as paraphrases do."""

    @property
    def exact(self) -> Array:
        """(n,) numbers, equal where inputs are equal but for form."""

    @property
    def exact_sure(self) -> Array:
        """(n,) whether an equal input is no accident."""

    def candidates(self, positions: Array) -> Array:
        """Pairs (m, 2) among these positions that are worth comparing."""

    def compare(self, pairs: Array) -> tuple[Array, Array]:
        """Likeness (m,) in 0..1, 0 where a pair is no copy; and (m,) whether it is one beyond doubt."""

    def may_mean_the_same(self, pairs: Array) -> Array:
        """(m,) whether nothing plain, such as a number, speaks against a pair's meaning the same."""

    def quality(self, positions: Array) -> Array:
        """(m,) how good a one of its kind each is, greater is better."""


@singledispatch
def sketch(inputs: Any) -> Sketch:
    """The sketch of these inputs; another form of input registers its own."""
    raise TypeError(f"no way is known to tell copies among {type(inputs).__name__}")


@sketch.register(pa.Array)
@sketch.register(pa.ChunkedArray)
def _texts(inputs: Any) -> Sketch:
    from metier.curate.text_copies import TextSketch

    return TextSketch(inputs)


@sketch.register
def _rows(inputs: pa.Table) -> Sketch:
    from metier.curate.row_copies import RowSketch

    return RowSketch(inputs)


@sketch.register
def _pictures(inputs: Pictures) -> Sketch:
    from metier.curate.picture_copies import PictureSketch

    return PictureSketch(inputs)


@dataclass(frozen=True)
class Copies:
    """All copies among N = train + test inputs, the training ones first.

    `pairs` (m, 2) are near copies, between the first of each exact number; `likeness` (m,) in 0..1; `sure` (m,) whether
    they are copies beyond doubt.
    """

    sketch: Sketch
    train: int
    pairs: Array
    likeness: Array
    sure: Array

    @cached_property
    def first(self) -> Array:
        """(N,) the position of the first exact copy of each."""
        _, first, inverse = np.unique(self.sketch.exact, return_index=True, return_inverse=True)
        return np.asarray(first[inverse], np.int64)

    @cached_property
    def clusters(self) -> Array:
        """(N,) int64 numbers of the sets that hang together by copies, from 0 in order of appearance."""
        return connected(len(self.first), np.concatenate([self._exact_links, self.pairs]))

    @property
    def _exact_links(self) -> Array:
        later = np.flatnonzero(self.first != np.arange(len(self.first)))
        return np.stack([self.first[later], later], axis=1)

    def across(self, side: Array) -> tuple[Array, Array, Array]:
        """Pairs (m, 2) of copies, and their likeness and sureness, of which exactly one has `side` (N,) true.

        The one with it stands second. Every such row has at least one pair where it has a copy on the other side:
        its exact copies if it has some, else its near ones.
        """
        order = np.lexsort((side, self.sketch.exact))
        exact = self.sketch.exact[order]
        begins = np.flatnonzero(np.diff(exact, prepend=-1))
        ends = np.append(begins[1:], len(order))
        both = [
            (begin, begin + int(np.count_nonzero(~side[order[begin:end]])), end)
            for begin, end in zip(begins[ends - begins > 1].tolist(), ends[ends - begins > 1].tolist(), strict=True)
        ]
        found = [
            np.stack([np.repeat(order[begin], end - middle), order[middle:end]], axis=1)
            for begin, middle, end in both
            if begin < middle < end
        ] + [
            np.stack([order[begin:middle], np.repeat(order[middle], middle - begin)], axis=1)
            for begin, middle, end in both
            if begin < middle < end
        ]
        pairs = np.unique(np.concatenate([np.zeros((0, 2), np.int64), *found]), axis=0)
        near, likeness, sure = self._near_across(side)
        told = np.isin(near[:, 1], pairs[:, 1]) & np.isin(near[:, 0], pairs[:, 0])
        return (
            np.concatenate([pairs, near[~told]]),
            np.concatenate([np.ones(len(pairs)), likeness[~told]]),
            np.concatenate([self.sketch.exact_sure[pairs[:, 1]], sure[~told]]),
        )

    def _near_across(self, side: Array) -> tuple[Array, Array, Array]:
        """Near pairs with their exact copies written out, those kept that have `side` on one end."""
        count = len(self.first)
        order = np.argsort(self.first, kind="stable")
        starts = np.searchsorted(self.first[order], np.arange(count + 1))
        sizes = np.diff(starts)
        pairs, which = [self.pairs], [np.arange(len(self.pairs))]
        # Of many exact copies on either side the first few stand for all: each still finds a partner.
        for at in np.flatnonzero(sizes[self.pairs].max(axis=1, initial=0) > 1).tolist():
            left, right = (order[starts[one] : starts[one + 1]] for one in self.pairs[at])
            all_pairs = np.array([(a, b) for a in left for b in right[:2]] + [(a, b) for a in left[:2] for b in right])
            pairs.append(all_pairs)
            which.append(np.full(len(all_pairs), at))
        together, origin = np.concatenate(pairs), np.concatenate(which)
        crossing = side[together[:, 0]] != side[together[:, 1]]
        together, origin = together[crossing], origin[crossing]
        turned = side[together[:, 0]]
        together = np.where(turned[:, None], together[:, ::-1], together)
        together, kept = np.unique(together, axis=0, return_index=True)
        return together, self.likeness[origin[kept]], self.sure[origin[kept]]


def copies(material: Material) -> Copies:
    """All copies of the material, found when first asked for and kept in `material.shared`."""
    if "copies" not in material.shared:
        inputs = material.train.examples.inputs
        if material.test is not None and len(material.test.examples):
            inputs = joined(inputs, material.test.examples.inputs)
        with material.progress.stage("looking for copies", 2) as stage:
            seen = sketch(inputs)
            found = Copies(
                seen, len(material.train.examples), *(np.zeros((0, 2), np.int64), np.zeros(0), np.zeros(0, bool))
            )
            pairs = seen.candidates(np.unique(found.first))
            stage.advance()
            likeness, sure = seen.compare(pairs)
            stage.advance()
        near = likeness > 0
        found = replace(found, pairs=pairs[near], likeness=likeness[near], sure=sure[near])
        material.shared["copies"] = found
        material.shared["clusters"] = connected(found.train, _within(found))
    found = material.shared["copies"]
    assert isinstance(found, Copies)
    return found


def _within(found: Copies) -> Array:
    """Links among training inputs alone: what only a test row holds together is not one cluster."""
    links = np.concatenate([found._exact_links, found.pairs])
    return links[(links < found.train).all(axis=1)]


def clusters(material: Material) -> Array:
    """int64 (n,): near-duplicate clusters of the training examples; one that has no copy has a number of its own."""
    copies(material)
    return np.asarray(material.shared["clusters"], np.int64)


def connected(count: int, links: Array) -> Array:
    """(count,) int64 numbers, equal for what is linked directly or through others, from 0 in order of appearance."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not count:
        return np.empty(0, np.int64)
    graph = coo_array((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def joined(one: Any, other: Any) -> Any:
    """Inputs of two files, one after the other; a table's columns as the first file has them."""
    if isinstance(one, Pictures):
        return one.joined(other)
    if not isinstance(one, pa.Table):
        sides = [part if isinstance(part, pa.ChunkedArray) else pa.chunked_array([part]) for part in (one, other)]
        return pa.chunked_array([chunk.cast(sides[0].type) for part in sides for chunk in part.chunks], sides[0].type)
    names = [name for name in one.column_names if name in other.column_names]
    parts = [one.select(names), other.select(names)]
    fields = []
    for name in names:
        kinds = {part.schema.field(name).type for part in parts}
        wanted = kinds.pop() if len(kinds) == 1 else pa.string()
        fields.append(pa.field(name, wanted, metadata=one.schema.field(name).metadata))
    schema = pa.schema(fields)
    return pa.concat_tables([part.cast(schema) for part in parts])
