"""How a table becomes numbers: fitted on the training rows, stored as JSON and arrays, the same ever after.

`slots` are the columns of the matrix boosted trees read (missing values stay NaN, levels are codes); the linear model
reads the same slots imputed, standardised and one-hot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metier.data.schema import number_style, numbers, strings, time_style, times
from metier.errors import DataError

if TYPE_CHECKING:
    from metier.trunk.features import Trunk

Array = np.ndarray
FeatureRole = Literal["number", "category", "time", "text"]
FEATURE_ROLES: tuple[FeatureRole, ...] = ("number", "category", "time", "text")
MOST_LEVELS = 254  # LightGBM's bins and a sane width of the one-hot block
TEXT_COMPONENTS = 32
_CLIP = 10.0  # a mistyped number far outside the training range must not decide a linear prediction alone
_LARGEST = 1e100  # whose square is still a number
# What is read from a moment: name, levels where the linear model should see them one-hot (0: as a number).
_MOMENT = (("days", 0), ("year", 0), ("month", 12), ("weekday", 7), ("hour", 24))


@dataclass(frozen=True)
class Feature:
    """One column as the training rows showed it.

    `levels` are a category's, commonest first; `first` is a time's earliest moment in days from 1970; `style` is how
    the file wrote numbers or times, so that later tables are read alike.
    """

    name: str
    role: FeatureRole
    style: str | None = None
    levels: tuple[str, ...] = ()
    first: float = 0.0


@dataclass(frozen=True)
class Slot:
    """One column of the trees' matrix: `levels` > 0 says that its values are codes 0..levels-1."""

    name: str
    levels: int = 0
    ordered: bool = True  # codes whose order means something (months) are numbers to a tree


@dataclass(frozen=True)
class Encoding:
    """A fitted encoding; `arrays` holds means, scales and the components of text columns."""

    features: tuple[Feature, ...]
    arrays: Mapping[str, Array] = field(default_factory=dict)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The columns of the trees' matrix, in order."""
        found: list[Slot] = []
        for feature in self.features:
            if feature.role == "number":
                found.append(Slot(feature.name))
            elif feature.role == "category":
                # One code past the known levels is for rare and unseen ones.
                found.append(Slot(feature.name, len(feature.levels) + 1, ordered=False))
            elif feature.role == "time":
                found += [Slot(f"{feature.name}: {part}", levels) for part, levels in _MOMENT]
            else:
                width = len(self.arrays[f"text.{feature.name}.components"])
                found += [Slot(f"{feature.name}: {index + 1}") for index in range(width)]
        return tuple(found)

    def tree_matrix(self, table: pa.Table, trunk: Trunk | None) -> Array:
        """(n, slots) float64: NaN where a value is missing, codes for levels. Raises DataError on missing columns."""
        self._check(table)
        blocks = [self._block(feature, table, trunk) for feature in self.features]
        return np.hstack(blocks) if blocks else np.zeros((table.num_rows, 0))

    def linear_matrix(self, table: pa.Table, trunk: Trunk | None) -> Any:
        """(n, d) float32 array, or a CSR matrix where one-hot columns are many; standardised, nothing missing."""
        from scipy import sparse

        self._check(table)
        plain = tuple(feature for feature in self.features if feature.role != "text")
        small = Encoding(plain, {})
        matrix = small.tree_matrix(table, trunk)
        dense, hot = _split(matrix, small.slots)
        texts = [_embed(table, feature.name, trunk) for feature in self.features if feature.role == "text"]
        dense = np.hstack([_impute(dense, self.arrays["median"]), *texts])
        dense = np.clip((dense - self.arrays["mean"]) / self.arrays["scale"], -_CLIP, _CLIP).astype(np.float32)
        codes, sizes = hot
        block = _one_hot(codes, sizes)
        if block.shape[1] <= 256:
            return np.hstack([dense, block.toarray()])
        return sparse.hstack([sparse.csr_matrix(dense), block], format="csr")

    def record(self) -> dict[str, Any]:
        """Plain JSON; the arrays are stored beside it."""
        return {"features": [asdict(one) | {"levels": list(one.levels)} for one in self.features]}

    @classmethod
    def of(cls, record: Mapping[str, Any], arrays: Mapping[str, Array]) -> Encoding:
        """Rebuild from `record()` and the arrays."""
        features = tuple(Feature(**{**one, "levels": tuple(one["levels"])}) for one in record["features"])
        return cls(features, arrays)

    def _check(self, table: pa.Table) -> None:
        missing = [one.name for one in self.features if one.name not in table.column_names]
        if missing:
            raise DataError(
                "missing-columns",
                f"The table must have every column the expert was tuned on; {len(missing)} of {len(self.features)} "
                f"are missing: {', '.join(missing)}.",
                found="columns " + ", ".join(table.column_names),
                fix="Add the missing columns (empty cells are allowed) or rename those that stand for them.",
            )

    def _block(self, feature: Feature, table: pa.Table, trunk: Trunk | None) -> Array:
        if feature.role == "number":
            return numbers_of(table, feature)[:, None]
        if feature.role == "category":
            return _codes(strings_of(table, feature.name), feature.levels)[:, None]
        if feature.role == "time":
            return _moment(times(table, feature.name, cast(Any, feature.style)), feature.first)
        embedded = _embed(table, feature.name, trunk) - self.arrays[f"text.{feature.name}.mean"]
        return cast(Array, embedded @ self.arrays[f"text.{feature.name}.components"].T)


def fit_encoding(table: pa.Table, trunk: Trunk | None) -> Encoding:
    """Learn levels, medians, scales and text components from the training rows.

    `table` is the inputs of training examples, each field's `role` in its metadata; other roles are left out.
    """
    features: list[Feature] = []
    arrays: dict[str, Array] = {}
    for name, role in roles(table).items():
        feature = _fit_feature(table, name, role)
        if feature is not None:
            features.append(feature)
            if role == "text":
                mean, components = _principal(_embed(table, name, trunk))
                arrays |= {f"text.{name}.mean": mean, f"text.{name}.components": components}
    plain = Encoding(tuple(feature for feature in features if feature.role != "text"), {})
    dense, _ = _split(plain.tree_matrix(table, trunk), plain.slots)
    dense = np.clip(dense, -_LARGEST, _LARGEST)
    arrays["median"] = np.array([np.median(seen) if len(seen := one[~np.isnan(one)]) else 0.0 for one in dense.T])
    texts = [_embed(table, feature.name, trunk) for feature in features if feature.role == "text"]
    dense = np.hstack([_usual(_impute(dense, arrays["median"])), *texts])
    scale = dense.std(axis=0) if len(dense) else np.ones(dense.shape[1])
    arrays["mean"] = dense.mean(axis=0) if len(dense) else np.zeros(dense.shape[1])
    arrays["scale"] = np.where(scale > 1e-12, scale, 1.0)
    return Encoding(tuple(features), arrays)


def roles(table: pa.Table) -> dict[str, FeatureRole]:
    """The feature columns of an inputs table and their roles, as the fields' metadata says."""
    found: dict[str, FeatureRole] = {}
    for one in table.schema:
        role = (one.metadata or {}).get(b"role", b"").decode()
        if role in FEATURE_ROLES:
            found[one.name] = cast(FeatureRole, role)
    return found


def numbers_of(table: pa.Table, feature: Feature) -> Array:
    """A number column as (n,) float64, NaN where a cell is missing, infinite or no number."""
    return numbers(table, feature.name, cast(Any, feature.style))


def strings_of(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A category column as strings; `1.0` is the level `1`, as many programs write it once a cell is missing."""
    trimmed = pc.utf8_trim_whitespace(strings(table, name))
    return pc.replace_substring_regex(trimmed, r"^(-?\d+)\.0+$", r"\1")


def text_of(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A text column as strings, empty where the cell is missing."""
    return pc.fill_null(strings(table, name), "")


def _fit_feature(table: pa.Table, name: str, role: FeatureRole) -> Feature | None:
    if role == "category":
        counts = pc.value_counts(strings_of(table, name))
        seen = {one["values"]: one["counts"] for one in counts.to_pylist() if one["values"] is not None}
        rare = max(2, min(10, table.num_rows // 200))
        kept = sorted((level for level in seen if seen[level] >= rare), key=lambda level: (-seen[level], level))
        return Feature(name, role, levels=tuple(kept[:MOST_LEVELS])) if seen else None
    if role == "time":
        # Typed columns have no style: a text file that comes later is looked at by itself.
        style = None if pa.types.is_temporal(table.schema.field(name).type) else time_style(table, name)
        moments = times(table, name, style)
        known = moments[~np.isnat(moments)]
        return Feature(name, role, style, first=float(_days(known).min())) if len(known) else None
    worded = role == "number" and pa.types.is_string(table.schema.field(name).type)
    return Feature(name, role, number_style(table, name) if worded else None)


def _codes(values: pa.ChunkedArray, levels: tuple[str, ...]) -> Array:
    """(n,) float64: the level's code, `len(levels)` for a rare or unseen one, NaN for a missing cell."""
    found = pc.fill_null(pc.index_in(values, value_set=pa.array(levels, values.type)), len(levels))
    codes = np.asarray(found.to_numpy(), dtype=np.float64)
    return np.where(np.asarray(pc.is_null(values).to_numpy(), dtype=bool), np.nan, codes)


def _days(moments: Array) -> Array:
    return cast(Array, moments.astype("datetime64[s]").astype(np.int64) / 86400.0)


def _moment(moments: Array, first: float) -> Array:
    """(n, 5): days since the first training moment, year, month 0..11, weekday 0..6 from Monday, hour."""
    known = ~np.isnat(moments)
    safe = np.where(known, moments, np.datetime64(0, "s")).astype("datetime64[s]")
    days = safe.astype("datetime64[D]").astype(np.int64)
    months = safe.astype("datetime64[M]").astype(np.int64)
    hour = (safe - safe.astype("datetime64[D]")).astype(np.int64) // 3600
    # 1 January 1970 was a Thursday.
    parts = np.stack([_days(safe) - first, 1970 + months // 12, months % 12, (days + 3) % 7, hour], axis=1)
    return np.where(known[:, None], parts.astype(np.float64), np.nan)


def _embed(table: pa.Table, name: str, trunk: Trunk | None) -> Array:
    assert trunk is not None, "a table with text columns needs a trunk"
    return np.asarray(trunk.features(text_of(table, name)), dtype=np.float32)


def _principal(embedded: Array) -> tuple[Array, Array]:
    """Mean (d,) and the leading principal directions (k <= 32, d) of embedded texts."""
    mean = embedded.mean(axis=0)
    centred = embedded - mean
    values, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    useful = int((values > values.max() * 1e-9).sum()) if values.max() > 0 else 1
    count = max(1, min(TEXT_COMPONENTS, len(embedded) // 10, useful))
    components = vectors[:, ::-1][:, :count].T
    # An eigenvector's sign is arbitrary; fix it so that the same rows give the same weights everywhere.
    signs = np.sign(components[np.arange(count), np.abs(components).argmax(axis=1)])
    return mean, np.ascontiguousarray(components * signs[:, None])


def _split(matrix: Array, slots: tuple[Slot, ...]) -> tuple[Array, tuple[Array, list[int]]]:
    """The trees' matrix as its plain numbers (n, p) and its codes (n, q) with the levels of each."""
    hot = np.array([slot.levels > 0 for slot in slots], dtype=bool)
    return matrix[:, ~hot], (matrix[:, hot], [slot.levels for slot in slots if slot.levels])


def _impute(dense: Array, median: Array) -> Array:
    """Numbers with medians where missing, and beside them one indicator a column."""
    missing = np.isnan(dense)
    known = np.where(missing, median, np.clip(dense, -_LARGEST, _LARGEST))
    return np.hstack([known, missing.astype(np.float64)])


def _usual(dense: Array) -> Array:
    """Each column within its middle 99.8%: one mistyped cell must not flatten all others when it is standardised."""
    if not dense.size:
        return dense
    low, high = np.quantile(dense, [0.001, 0.999], axis=0, method="inverted_cdf")
    return cast(Array, np.clip(dense, low, high))


def _one_hot(codes: Array, sizes: list[int]) -> Any:
    """CSR (n, sum of sizes + 1 each): every code its column, the last of each block for missing cells."""
    from scipy import sparse

    starts = np.concatenate([[0], np.cumsum([size + 1 for size in sizes])]).astype(np.int64)
    filled = np.where(np.isnan(codes), np.array(sizes, dtype=np.float64), codes).astype(np.int64)
    rows = np.repeat(np.arange(len(codes)), len(sizes))
    columns = (filled + starts[:-1]).ravel()
    shape = (len(codes), int(starts[-1]))
    return sparse.csr_matrix((np.ones(len(columns), np.float32), (rows, columns)), shape=shape)
