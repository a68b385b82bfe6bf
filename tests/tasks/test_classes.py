"""Classes: labels in and out of codes, calibration, abstaining, and what its report shows."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.evaluate.metrics import confidences
from metier.plan import Plan
from metier.tasks.classes import Classes, from_record, label_text
from metier.tasks.contract import Evidence, Section, Target

PETS = Classes(("cat", "dog", "newt"))


def evidence(target: Target, truth: np.ndarray, outputs: np.ndarray, threshold: float | None = None) -> Evidence:
    rows = np.arange(len(truth)) * 10
    return Evidence(target, truth, outputs, 3 * outputs, rows, lambda at: f"text {at}", 0.95, 0, {}, threshold)


def shown(found: Evidence) -> dict[str, Section]:
    return {section.template: section for section in found.target.views(found)}


def drawn(rows: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, width, rows)
    outputs = rng.normal(size=(rows, width))
    outputs[np.arange(rows), truth] += 2
    return truth, outputs


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["b", "a", None, "b", ""], ("a", "b")),
        ([10, 9, 2, 10], ("2", "9", "10")),
        (["10", "9", "-1"], ("-1", "9", "10")),
        ([3.0, 1.0, float("nan")], ("1", "3")),
        ([1.5, 1.0], ("1", "1.5")),
        ([True, False], ("False", "True")),
        (["other", "2", "10"], ("2", "10", "other")),
        ([" yes", "no "], ("no", "yes")),
        (pa.chunked_array([["b", None], ["a", "b"]]), ("a", "b")),
        (pa.chunked_array([[10, 2], [None, 9]]), ("2", "9", "10")),
        (pa.array([True, None, False]), ("False", "True")),
    ],
)
def test_the_vocabulary_is_sorted_as_a_person_would(values: object, labels: tuple[str, ...]) -> None:
    assert Classes.of(values).labels == labels  # type: ignore[arg-type]


def test_labels_read_the_same_from_text_and_from_typed_files() -> None:
    target = Classes.of(["1", "2", "3"])
    for values in ([1, 2, 9, None], [1.0, 2.0, 9.0, float("nan")], ["1", " 2", "9", ""], pa.array([1, 2, 9, None])):
        codes = target.encode(values)  # type: ignore[arg-type]
        assert codes.tolist() == [0, 1, -1, -1]
        assert codes.dtype == np.int64
    assert Classes.of(["True", "False"]).encode([True, False, 1]).tolist() == [1, 0, -1]


def test_no_values_make_no_codes() -> None:
    assert PETS.encode([]).tolist() == []
    assert PETS.encode(pa.array([], pa.string())).tolist() == []  # type: ignore[arg-type]
    assert PETS.encode(pa.nulls(2, pa.string())).tolist() == [-1, -1]  # type: ignore[arg-type]


@given(st.lists(st.one_of(st.text(max_size=4), st.integers(), st.booleans(), st.none()), max_size=40))
def test_values_undoes_encode(values: list[object]) -> None:
    target = Classes.of(values)
    assert target.values(target.encode(values)) == [label_text(value) for value in values]
    assert len(set(target.labels)) == target.width


@given(st.lists(st.sampled_from(["a", "b ", "", None]), max_size=20))
def test_arrow_columns_read_as_lists_do(values: list[str | None]) -> None:
    column = pa.array(values, pa.string())
    assert Classes.of(column) == Classes.of(values)
    assert PETS.encode(column).tolist() == PETS.encode(values).tolist()  # type: ignore[arg-type]


def test_a_record_rebuilds_the_target() -> None:
    target = Classes.of(["no"] * 9 + ["yes"])
    assert from_record(json.loads(json.dumps(target.record()))) == target
    assert from_record({"kind": "classes", "labels": ["a", "b"]}) == Classes(("a", "b"))


@pytest.mark.parametrize(
    ("values", "positive"),
    [(["no", "Yes", "Yes"], "Yes"), ([0, 1, 1], "1"), (["ham", "ham", "spam"], "spam"), (["a", "b", "c"], None)],
)
def test_the_positive_label_is_the_one_looked_for(values: list[object], positive: str | None) -> None:
    assert Classes.of(values).positive == positive


def test_the_positive_label_decides_average_precision() -> None:
    truth, outputs = drawn(60, 2)
    yes_first, yes_last = Classes(("yes", "zero"), "yes"), Classes(("no", "yes"), "yes")
    found = yes_first.metrics()["average_precision"].function(1 - truth, outputs[:, ::-1])
    assert found == pytest.approx(yes_last.metrics()["average_precision"].function(truth, outputs))


def test_skewed_labels_are_not_judged_by_accuracy() -> None:
    assert Classes.of(["ok"] * 79 + ["fault"] * 21).default_metric == "accuracy"
    assert Classes.of(["ok"] * 81 + ["fault"] * 19).default_metric == "macro_f1"


def test_loss_is_cross_entropy_over_known_rows() -> None:
    import torch

    truth, outputs = drawn(30, 3)
    expected = PETS.metrics()["log_loss"].function(truth, outputs)
    found = PETS.loss(torch.tensor(outputs), torch.tensor(truth), smoothing=0.0, weights=None)
    assert float(found) == pytest.approx(expected)
    codes = np.append(truth, -1)
    padded = PETS.loss(
        torch.tensor(np.vstack([outputs, outputs[:1]])), torch.tensor(codes), smoothing=0.0, weights=None
    )
    assert float(padded) == pytest.approx(expected)
    heavy = PETS.loss(
        torch.tensor(outputs), torch.tensor(truth), smoothing=0.1, weights=torch.tensor([1.0, 1.0, 5.0]).double()
    )
    assert float(heavy) != pytest.approx(expected)


def test_calibration_makes_confidence_honest_without_changing_answers() -> None:
    truth, outputs = drawn(2000, 3)
    raw = 4 * outputs
    calibration = PETS.calibrate(raw[:1000], truth[:1000])
    ece = PETS.metrics()["ece"]
    after = PETS.calibrated(raw[1000:], calibration)
    assert after.shape == raw[1000:].shape
    assert np.exp(after).sum(axis=1) == pytest.approx(1.0)
    assert ece.function(truth[1000:], after) < ece.function(truth[1000:], raw[1000:]) / 2
    assert (after.argmax(axis=1) == raw[1000:].argmax(axis=1)).all()


def test_decode_names_labels_and_abstains_under_the_threshold() -> None:
    outputs = np.log(np.array([[0.9, 0.05, 0.05], [0.2, 0.5, 0.3]]))
    found = PETS.decode(outputs, {"temperature": 1.0}, 0.6)
    assert found.values == ["cat", "dog"]
    assert found.confidence == pytest.approx([0.9, 0.5], abs=1e-6)
    assert found.abstain.tolist() == [False, True]
    assert not PETS.decode(outputs, {}, None).abstain.any()
    assert PETS.decode(outputs[:0], {}, 0.5).values == []


def test_decode_in_pieces_is_decode_at_once() -> None:
    outputs = drawn(70_000, 3)[1]
    found = PETS.decode(outputs, {"temperature": 2.0}, 0.5)
    part = PETS.decode(outputs[65_000:66_000], {"temperature": 2.0}, 0.5)
    assert found.values[65_000:66_000] == part.values
    assert (found.confidence[65_000:66_000] == part.confidence).all()
    assert (found.abstain[65_000:66_000] == part.abstain).all()


def test_the_threshold_follows_the_plan_and_the_stricter_wish_wins() -> None:
    truth, outputs = drawn(2000, 3)
    assert PETS.threshold(outputs, truth, Plan()) is None
    assert PETS.threshold(outputs, truth, Plan.of(error_cost=4.0)) == pytest.approx(0.75)
    precise = PETS.threshold(outputs, truth, Plan.of(precision=0.97))
    assert precise is not None
    answered = confidences(outputs) >= precise
    assert (outputs[answered].argmax(axis=1) == truth[answered]).mean() >= 0.97
    assert PETS.threshold(outputs, truth, Plan.of(precision=0.97, error_cost=1.5)) == precise
    assert PETS.threshold(outputs, truth, Plan.of(precision=0.97, error_cost=1e6)) == pytest.approx(1 - 1e-6)


def test_views_have_the_shapes_the_pages_draw() -> None:
    truth, outputs = drawn(300, 20)
    target = Classes(tuple(f"label {code:02}" for code in range(20)))
    sections = shown(evidence(target, truth, outputs))
    assert list(sections) == ["confusion", "classes", "reliability", "answering", "errors"]
    data = json.loads(json.dumps({name: section.data for name, section in sections.items()}, allow_nan=False))
    size = len(data["confusion"]["labels"])
    assert 2 <= size <= 12
    assert np.asarray(data["confusion"]["matrix"]).shape == (size, size)
    assert [set(row) for row in data["classes"]["rows"]] == [
        {"label", "rows", "precision", "recall", "f1", "low", "high"}
    ] * 20
    assert set(data["reliability"]) == {"ece", "ece_before", "bins"}
    assert set(data["reliability"]["bins"][0]) == {"confidence", "accuracy", "rows"}
    assert set(data["answering"]["points"][0]) == {"answered", "precision", "threshold"}
    assert set(data["errors"]["rows"][0]) == {"row", "text", "picture", "truth", "prediction", "confidence"}
    for section in sections.values():
        assert section.lead.endswith(".")


def test_the_classes_view_has_the_f1_of_each_label_within_its_interval() -> None:
    from sklearn.metrics import f1_score

    truth, outputs = drawn(200, 3)
    rows = shown(evidence(PETS, truth, outputs))["classes"].data["rows"]
    expected = dict(zip(PETS.labels, f1_score(truth, outputs.argmax(axis=1), average=None), strict=True))
    assert [row["f1"] for row in rows] == sorted(expected.values())
    for row in rows:
        assert row["f1"] == pytest.approx(expected[row["label"]])
        assert 0 <= row["low"] < row["f1"] < row["high"] <= 1


def test_the_interval_of_a_labels_f1_holds_the_truth_as_often_as_it_says() -> None:
    true_truth, true_outputs = drawn(100_000, 3, seed=1)
    rows = shown(evidence(PETS, true_truth, true_outputs))["classes"].data["rows"]
    true = {row["label"]: row["f1"] for row in rows}
    held = 0
    for trial in range(200):
        rows = shown(evidence(PETS, *drawn(90, 3, seed=trial + 2)))["classes"].data["rows"]
        held += sum(row["low"] <= true[row["label"]] <= row["high"] for row in rows)
    assert 0.93 <= held / 600 <= 0.97


def test_the_confusion_shows_the_pair_most_often_mixed_up() -> None:
    truth = np.repeat(np.arange(20), 10)
    guess = truth.copy()
    guess[:7] = 19
    target = Classes(tuple(f"label {code:02}" for code in range(20)))
    section = shown(evidence(target, truth, 5.0 * np.eye(20)[guess]))["confusion"]
    assert section.data == {"labels": ["label 00", "label 19"], "matrix": [[3, 7], [0, 10]]}
    assert "7 rows of “label 00” were taken for “label 19”" in section.lead


def test_errors_are_wrong_rows_the_surest_first() -> None:
    truth, outputs = drawn(300, 3)
    rows = shown(evidence(PETS, truth, outputs))["errors"].data["rows"]
    assert len(rows) == 20
    sure = [row["confidence"] for row in rows]
    assert sure == sorted(sure, reverse=True)
    wrong = outputs.argmax(axis=1) != truth
    assert sure[0] == pytest.approx(confidences(outputs)[wrong].max())
    for row in rows:
        place = row["row"] // 10
        assert row["text"] == f"text {place}"
        assert row["truth"] == PETS.labels[truth[place]] != row["prediction"]


def test_a_perfect_model_still_has_its_pages() -> None:
    truth = np.array([0, 1, 1])
    sections = shown(evidence(PETS, truth, 9.0 * np.eye(3)[truth], threshold=0.5))
    assert sections["errors"].data["rows"] == []
    assert "No label" in sections["confusion"].lead
    newt = next(row for row in sections["classes"].data["rows"] if row["label"] == "newt")
    assert (newt["rows"], newt["f1"]) == (0, None)
    json.dumps([section.data for section in sections.values()], allow_nan=False)


def test_no_rows_give_no_pages() -> None:
    assert shown(evidence(PETS, np.zeros(0, dtype=int), np.zeros((0, 3)))) == {}


@pytest.mark.parametrize(
    ("threshold", "told"), [(None, "every row"), (0.9, "go to a person"), (1.01, "hands every row")]
)
def test_answering_says_what_the_threshold_does(threshold: float | None, told: str) -> None:
    section = shown(evidence(PETS, *drawn(100, 3), threshold=threshold))["answering"]
    assert told in section.lead
    assert section.data["threshold"] == threshold
