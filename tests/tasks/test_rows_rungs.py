"""The rungs for tables: each learns what there is, repeats itself, and comes back from its folder unchanged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from metier.errors import ExpertError
from metier.evaluate.metrics import find_metric
from metier.plan import Plan
from metier.progress import Silent
from metier.tasks.classes import Classes
from metier.tasks.contract import Examples, Rung, Work
from metier.tasks.quantity import Quantity
from metier.tasks.rows import ROWS
from metier.tasks.rows_folds import choose_shift, inner_folds, log_shares, shifted, widen

RUNGS = ["majority", "linear", "trees"]
TARGETS = ["classes", "three classes", "quantity"]


class Letters:
    """A trunk of the simplest kind: how often each letter stands in a text."""

    def features(self, texts: Sequence[str]) -> np.ndarray:
        plain = [str(text) for text in texts]
        return np.array([[text.count(chr(97 + i)) for i in range(26)] for text in plain], np.float16).reshape(-1, 26)


def examples(kind: str = "classes", rows: int = 240, seed: int = 0, text: bool = False) -> Examples:
    """Rows whose target hangs on an amount (with gaps), a segment, the month and, with `text`, a word."""
    rng = np.random.default_rng(seed)
    amount, segment = rng.gamma(2.0, 1.0, rows), rng.integers(0, 3, rows)
    month, word = rng.integers(1, 13, rows), rng.integers(0, 2, rows)
    names = np.array(["retail", "business", "private"])
    columns: dict[str, tuple[str, pa.Array]] = {
        "amount": ("number", pa.array([f"{one:.4f}" for one in amount], mask=rng.random(rows) < 0.1)),
        "segment": ("category", pa.array(names[segment].tolist(), mask=rng.random(rows) < 0.1)),
        "opened": ("time", pa.array([f"2024-{one:02d}-03" for one in month])),
    }
    if text:
        columns["note"] = ("text", pa.array(np.array(["all is well", "zip zap zoo"])[word].tolist()))
    value = amount + 1.5 * (segment == 1) + 0.2 * (month > 6) + 3 * word * text + rng.normal(0, 0.3, rows)
    fields = [pa.field(name, array.type, metadata={"role": role}) for name, (role, array) in columns.items()]
    table = pa.table([array for _, array in columns.values()], schema=pa.schema(fields))
    if kind == "quantity":
        return Examples(table, value, Quantity(), np.arange(rows))
    count = 2 if kind == "classes" else 3
    codes = np.digitize(value, np.quantile(value, np.arange(1, count) / count))
    return Examples(table, codes, Classes(tuple("abc"[:count])), np.arange(rows))


def work(train: Examples, folder: Path, settings: Mapping[str, Any] | None = None, **changes: Any) -> Work:
    plan = Plan.of(seed=3, **changes.pop("plan", {}))
    metric = find_metric(changes.pop("metric", None), train.target)
    return Work(train, None, plan, Letters(), metric, folder, {}, Silent(), settings=settings, **changes)  # type: ignore[arg-type]


def rung(name: str) -> Rung:
    return next(one for one in ROWS.rungs(Classes(("a", "b"))) if one.name == name)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """Every rung on every target, fitted once: (predictor, settings, examples)."""
    found = {}
    for kind in TARGETS:
        train = examples(kind, text=kind == "three classes")
        for name in RUNGS:
            found[name, kind] = (*rung(name).fit(work(train, tmp_path_factory.mktemp(name))), train)
    return found


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("name", RUNGS)
def test_outputs_have_the_contracts_shape(fitted: dict[tuple[str, str], Any], name: str, kind: str) -> None:
    predictor, _, train = fitted[name, kind]
    outputs = predictor.outputs(train.inputs)
    assert outputs.dtype == np.float32
    assert outputs.shape == ((240,) if kind == "quantity" else (240, train.target.width))
    assert np.isfinite(outputs).all()
    if kind != "quantity":
        assert np.allclose(np.exp(outputs).sum(axis=1), 1, atol=1e-5)
    assert predictor.outputs(train.inputs.slice(0, 0)).shape == (0, *outputs.shape[1:])


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("name", RUNGS)
def test_a_predictor_comes_back_from_its_folder_unchanged(
    fitted: dict[tuple[str, str], Any], name: str, kind: str, tmp_path: Path
) -> None:
    predictor, _, train = fitted[name, kind]
    predictor.save(tmp_path)
    again = rung(name).load(tmp_path, Letters(), train.target)  # type: ignore[arg-type]
    fresh = examples(kind, seed=9, text=kind == "three classes").inputs
    assert np.array_equal(predictor.outputs(fresh), again.outputs(fresh))
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".pkl", ".joblib", ".bin")]


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("name", RUNGS)
def test_settings_repeat_the_fit_exactly(
    fitted: dict[tuple[str, str], Any], name: str, kind: str, tmp_path: Path
) -> None:
    predictor, settings, train = fitted[name, kind]
    plain = json.loads(json.dumps(settings))
    again, same = rung(name).fit(work(train, tmp_path, plain))
    assert same == plain
    assert np.array_equal(predictor.outputs(train.inputs), again.outputs(train.inputs))


@pytest.mark.parametrize("kind", TARGETS)
def test_linear_and_trees_learn_far_more_than_the_majority(fitted: dict[tuple[str, str], Any], kind: str) -> None:
    fresh = examples(kind, seed=5, text=kind == "three classes")
    metric = find_metric("mae" if kind == "quantity" else "accuracy", fresh.target)
    scores = {n: metric.function(fresh.targets, fitted[n, kind][0].outputs(fresh.inputs)) for n in RUNGS}
    for name in ("linear", "trees"):
        gained = scores[name] - scores["majority"] if metric.greater_is_better else scores["majority"] - scores[name]
        assert gained > 0.2, scores


@pytest.mark.parametrize("name", ["linear", "trees"])
def test_choosing_twice_gives_the_same_weights(name: str, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        rung(name).fit(work(examples(rows=120), folder))[0].save(folder)
    files = [sorted(path.name for path in folder.iterdir()) for folder in folders]
    assert files[0] == files[1]
    assert len(files[0]) >= 2
    for file in files[0]:
        assert (folders[0] / file).read_bytes() == (folders[1] / file).read_bytes()


@pytest.mark.parametrize("name", ["linear", "trees"])
def test_unseen_levels_and_empty_cells_are_answered(fitted: dict[tuple[str, str], Any], name: str) -> None:
    predictor, _, train = fitted[name, "classes"]
    strange = train.inputs.slice(0, 2)
    for index, values in enumerate((["a lot", None], ["never seen", None], ["soon", None])):
        strange = strange.set_column(index, strange.schema.field(index), pa.array(values, pa.string()))
    assert np.isfinite(predictor.outputs(strange)).all()


@pytest.mark.parametrize("name", RUNGS)
def test_a_class_without_training_rows_gets_a_small_share(name: str, tmp_path: Path) -> None:
    train = examples(rows=100)
    train = Examples(train.inputs, train.targets * 2, Classes(("a", "b", "c")), train.rows)
    outputs = rung(name).fit(work(train, tmp_path))[0].outputs(train.inputs)
    assert outputs.shape == (100, 3)
    assert np.all(np.exp(outputs[:, 1]) < 0.02)
    assert np.allclose(np.exp(outputs).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", RUNGS)
def test_one_class_alone_is_still_answered(name: str, tmp_path: Path) -> None:
    train = examples(rows=40)
    train = Examples(train.inputs, np.zeros(40, np.int64), Classes(("a", "b")), train.rows)
    predictor, settings = rung(name).fit(work(train, tmp_path))
    assert (predictor.outputs(train.inputs).argmax(axis=1) == 0).all()
    assert rung(name).fit(work(train, tmp_path, settings))[1] == settings


@pytest.mark.parametrize("name", RUNGS)
def test_ten_rows_are_enough_to_be_fitted(name: str, tmp_path: Path) -> None:
    train = examples(rows=10)
    assert np.isfinite(rung(name).fit(work(train, tmp_path))[0].outputs(train.inputs)).all()


def test_the_average_is_the_one_the_metric_likes(tmp_path: Path) -> None:
    train = examples("quantity", rows=40)
    train = Examples(train.inputs, np.r_[np.zeros(30), np.full(10, 100.0)], Quantity(), train.rows)
    for metric, average in (("mae", "median"), ("rmse", "mean")):
        predictor, settings = rung("majority").fit(work(train, tmp_path, metric=metric))
        assert settings == {"average": average}
        assert predictor.outputs(train.inputs)[0] == (0.0 if average == "median" else 25.0)


def test_little_time_means_fewer_sizes_and_fewer_trees(tmp_path: Path) -> None:
    train = examples(rows=240)
    _, hurried = rung("trees").fit(work(train, tmp_path, seconds_left=0.0))
    assert hurried["leaves"] == 4
    assert hurried["rounds"] == 1


def test_balanced_weights_raise_the_rare_class(tmp_path: Path) -> None:
    train = examples(rows=200)
    rare = Examples(train.inputs, (np.arange(200) % 10 == 0).astype(np.int64), train.target, train.rows)
    found = {}
    for choice in ("none", "balanced"):
        predictor, settings = rung("linear").fit(work(rare, tmp_path, plan={"class_weights": choice}))
        found[choice] = (settings["shift"], float(np.exp(predictor.outputs(train.inputs))[:, 1].mean()))
    assert found["none"][0] == 0.0
    assert found["balanced"][0] == 1.0
    assert found["balanced"][1] > 3 * found["none"][1]


@pytest.mark.parametrize("damage", ["predictor.json", "predictor.safetensors", "trees.txt"])
def test_a_torn_folder_is_a_clear_error(fitted: dict[tuple[str, str], Any], damage: str, tmp_path: Path) -> None:
    predictor, _, train = fitted["trees", "classes"]
    predictor.save(tmp_path)
    whole = (tmp_path / damage).read_bytes()
    (tmp_path / damage).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ExpertError) as caught:
        rung("trees").load(tmp_path, Letters(), train.target)  # type: ignore[arg-type]
    assert caught.value.code == "broken-expert"


def test_estimates_grow_with_the_rows(tmp_path: Path) -> None:
    for name in ("linear", "trees"):
        few, many = (rung(name).estimate(work(examples(rows=rows), tmp_path)) for rows in (100, 10_000))
        assert 0 < few < many


def test_inner_folds_keep_groups_together_and_spread_labels() -> None:
    train = examples(rows=200)
    grouped = Examples(train.inputs, train.targets, train.target, train.rows, groups=np.arange(200) // 4)
    for on, compare in inner_folds(grouped, 0):
        assert not set(grouped.groups[on]) & set(grouped.groups[compare])  # type: ignore[index]
    folds = inner_folds(train, 0)
    assert len(folds) == 5
    assert np.array_equal(np.sort(np.concatenate([compare for _, compare in folds])), np.arange(200))
    shares = [train.targets[compare].mean() for _, compare in folds]
    assert max(shares) - min(shares) < 0.06


def test_large_data_is_compared_on_one_part_of_a_sample() -> None:
    many = Examples(pa.table({"x": np.zeros(30_000)}), np.zeros(30_000), Quantity(), np.arange(30_000))
    folds = inner_folds(many, 0, most=25_000)
    assert len(folds) == 1
    assert sum(len(part) for part in folds[0]) == 25_000


def test_taking_out_the_prior_is_worth_it_only_where_the_metric_says_so() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random(2000) < 0.1).astype(np.int64)
    odds = np.log(0.1 / 0.9) + 1.2 * (rng.normal(0, 1, 2000) + 1.5 * truth)
    outputs = np.stack([-np.log1p(np.exp(odds)), -np.log1p(np.exp(-odds))], axis=1)
    prior, metrics = log_shares(truth, 2), Classes(("0", "1")).metrics()
    assert choose_shift(outputs, truth, prior, metrics["accuracy"], "auto") == 0.0
    assert choose_shift(outputs, truth, prior, metrics["log_loss"], "auto") == 0.0
    assert choose_shift(outputs, truth, prior, metrics["macro_f1"], "auto") > 0.0
    assert np.allclose(np.exp(shifted(outputs, prior, 0.5)).sum(axis=1), 1)


def test_widening_keeps_the_odds_of_the_fitted_classes() -> None:
    prior = log_shares(np.array([0, 0, 2, 2, 2]), 3)
    fitted = np.log(np.array([[0.2, 0.8]]))
    wide = np.exp(widen(fitted, np.array([0, 2]), prior))
    assert wide.sum() == pytest.approx(1)
    assert wide[0, 2] / wide[0, 0] == pytest.approx(4)
    assert wide[0, 1] == pytest.approx(np.exp(prior[1]))
