"""Wrong labels are found, ranked and counted; the same holds for numbers, sets of labels and tokens."""

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import tickets

from metier.curate import labels, room
from metier.curate.label_audit import audit_classes, audit_multilabel, audit_tokens
from metier.curate.label_views import neighbours, whole_folds
from metier.curate.quantity_audit import audit_quantity
from metier.data.read import read
from metier.plan import Plan
from metier.progress import Silent
from metier.trunk.base import find
from metier.trunk.features import Trunk


def blobs(shares, rows, seed, *, apart=1.6, width=24):
    """Vectors about the centre of their class."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(len(shares), size=rows, p=shares)
    centres = rng.standard_normal((len(shares), width)) * apart
    return (centres[truth] + rng.standard_normal((rows, width)) * 1.5).astype(np.float32), truth, rng


def flip(truth, rate, width, rng):
    wrong = rng.random(len(truth)) < rate
    return np.where(wrong, (truth + rng.integers(1, width, size=len(truth))) % width, truth), wrong


def gather(path: Path, base: Path | str, tmp_path: Path, **choices):
    plan = Plan.of(base=str(base), **choices)
    dataset = read(path, plan.data, tmp_path / "tables")
    return room.gather(dataset, None, Trunk(find(str(base)), tmp_path / "cache"), plan, Silent())


def write(path: Path, header, rows) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.93, 0.07], [0.1] * 10], ids=["two", "skewed", "ten"])
@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_injected_noise_is_ranked_first_and_counted(shares, rate):
    precision, misses = [], []
    for seed in range(2):
        vectors, truth, rng = blobs(shares, 700, seed)
        given, wrong = flip(truth, rate, len(shares), rng)
        audit = audit_classes(vectors, given, len(shares))
        precision.append(wrong[np.argsort(-np.nan_to_num(audit.score))[: wrong.sum()]].mean())
        misses.append(abs(audit.rates.overall.value - wrong.mean()))
        assert (audit.suggested[audit.flagged] != given[audit.flagged]).all()
    assert np.mean(precision) > 0.85
    assert np.mean(misses) < (0.1 if rate > 0.2 else 0.02)


def test_clean_labels_are_left_alone():
    flagged = []
    for seed in range(4):
        vectors, truth, _ = blobs([0.25] * 4, 300, seed)
        flagged.append(audit_classes(vectors, truth, 4).flagged.mean())
    assert np.mean(flagged) < 0.01


def test_sixty_rows_do_and_a_label_of_two_rows_is_not_judged():
    vectors, truth, _ = blobs([0.5, 0.5], 60, 0)
    given = np.concatenate([truth, [2, 2]])
    audit = audit_classes(np.concatenate([vectors, vectors[:2]]), given, 3)
    assert np.isnan(audit.score[-2:]).all()
    assert np.isfinite(audit.score[:60]).all()
    assert not audit.flagged[-2:].any()


def test_copies_of_a_row_never_vouch_for_it():
    apart, together = [], []
    for seed in range(5):
        vectors, truth, _ = blobs([0.5, 0.5], 200, seed)
        copies = np.concatenate([vectors, np.repeat(vectors[:1], 30, axis=0)])
        given = np.concatenate([truth, np.full(30, 1 - truth[0])])
        given[0] = 1 - truth[0]
        units = np.concatenate([np.arange(200), np.zeros(30, int)])
        together.append(audit_classes(copies, given, 2, units=units).flagged[0])
        apart.append(audit_classes(copies, given, 2).flagged[0])
    assert sum(together) >= 4
    assert not any(apart)


def test_folds_keep_units_whole_and_labels_spread():
    units = np.arange(100) // 2
    parts = whole_folds(np.repeat([0, 1], 50), units, 5, 0)
    assert all(len(set(parts[units == unit])) == 1 for unit in range(50))
    assert {int((parts[:50] == part).sum()) for part in range(5)} == {10}


def test_neighbours_are_the_nearest_outside_the_unit():
    rng = np.random.default_rng(0)
    vectors, units = rng.standard_normal((50, 8)).astype(np.float32), np.arange(50) // 5
    found, near = neighbours(vectors, units, 4, 0)
    plain = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = np.where(units[:, None] == units[None], -2, plain @ plain.T)
    assert (np.sort(found) == np.sort(np.argsort(-cosines, axis=1)[:, :4])).all()
    assert (np.diff(near, axis=1) <= 0).all()


def test_numbers_that_rows_alike_contradict():
    hits, alarms = [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        vectors = rng.standard_normal((400, 6)).astype(np.float32)
        values = vectors @ rng.standard_normal(6) * 3 + 100 + rng.standard_normal(400)
        typed = values.copy()
        typed[:8] *= 10
        audit = audit_quantity(vectors, typed)
        hits.append(audit.flagged[:8].mean())
        alarms.append(audit_quantity(vectors, values).flagged.mean())
        assert (np.argsort(-np.abs(audit.z))[:8] < 8).all()
    assert np.mean(hits) == 1
    assert np.mean(alarms) < 0.01


def test_sets_of_labels_and_tokens():
    rng = np.random.default_rng(0)
    truth = rng.random((600, 5)) < 0.3
    outputs = 1 / (1 + np.exp(-(np.where(truth, 3, -3) + rng.standard_normal((600, 5)))))
    given = truth.copy()
    given[:30, 2] ^= True
    rows, single = audit_multilabel(outputs, given.astype(int))
    assert set(np.argsort(-rows)[:30]) == set(range(30))
    assert single[:30, 2].min() > single[30:].max()

    sentence, words = np.arange(900) // 9, rng.integers(3, size=900)
    logits = rng.standard_normal((900, 3))
    logits[np.arange(900), words] += 5
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labelled = words.copy()
    labelled[[4, 40, 400]] = (words[[4, 40, 400]] + 1) % 3
    whole, tokens = audit_tokens(shares, labelled, sentence)
    assert set(np.argsort(-tokens)[:3]) == {4, 40, 400}
    assert set(np.argsort(-whole)[:3]) == {0, 4, 44}


def test_the_question_names_the_row_of_the_file_and_what_to_do(tmp_path):
    rows = [list(pair) for pair in tickets(240)]
    for row in (10, 50, 90):
        rows[row][1] = "fees" if rows[row][1] != "fees" else "card"
    rows.insert(5, ["", "card"])  # set aside, so that positions and rows part
    path = write(tmp_path / "t.csv", ["text", "intent"], rows)
    # The bundled base: a random one can't tell these labels apart.
    answer = labels.ask(gather(path, "minilm", tmp_path, target="intent"))
    found = {finding.row: finding for finding in answer.findings}
    assert set(found) == {11, 51, 91}
    for row in found:
        assert found[row].suggestion == tickets(240)[row - 1][1]
        assert repr(found[row].suggestion) in found[row].detail
        assert all(rows[other][1] == found[row].suggestion for other in found[row].related)
    assert answer.scores["label_error"].shape == (240,)
    rate = answer.facts["noise_rate"]
    assert rate["low"] <= 3 / 240 <= rate["high"]
    assert {one["label"] for one in answer.facts["by_label"]} == {"card", "fees", "login", "transfer"}


def test_groups_and_clusters_stay_together(tiny_base, tmp_path):
    rows = [[text, label, f"g{number // 2}"] for number, (text, label) in enumerate(tickets(40))]
    path = write(tmp_path / "g.csv", ["text", "intent", "who"], rows)
    material = gather(path, tiny_base, tmp_path, target="intent", group="who")
    material.shared["clusters"] = np.arange(40) // 4
    units = labels.whole_units(material)
    assert all(len(set(units[start : start + 4])) == 1 for start in range(0, 40, 4))


def test_without_targets_there_is_nothing_to_say(tiny_base, tmp_path):
    path = write(tmp_path / "u.csv", ["text"], [[text] for text, _ in tickets(60)])
    answer = labels.ask(gather(path, tiny_base, tmp_path, kind="text-classification"))
    assert answer.findings == ()
    assert not answer.scores


TAILS = {
    "normal": lambda rng, rows: rng.standard_normal(rows),
    "t with 3 degrees": lambda rng, rows: rng.standard_t(3, rows),
    "exponential": lambda rng, rows: rng.exponential(size=rows),
    "log-normal": lambda rng, rows: np.exp(rng.standard_normal(rows)),
    "mostly nothing": lambda rng, rows: np.where(rng.random(rows) < 0.8, 0.0, np.exp(rng.standard_normal(rows))),
}


@pytest.mark.parametrize("tail", TAILS)
def test_quantities_that_vary_much_by_nature_are_not_called_wrong(tail):
    flagged = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        vectors = rng.standard_normal((400, 8)).astype(np.float32)
        values = np.exp(0.3 * vectors[:, 0]) * (2 + TAILS[tail](rng, 400))
        flagged.append(audit_quantity(vectors, values).flagged.sum())
    assert np.mean(flagged) <= 2, flagged


@pytest.mark.parametrize("tail", ["normal", "t with 3 degrees"])
def test_wrong_quantities_are_found_beyond_such_tails(tail):
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        vectors = rng.standard_normal((400, 8)).astype(np.float32)
        values = 5 * vectors[:, 0] + TAILS[tail](rng, 400)
        wrong = rng.choice(400, 6, replace=False)
        values[wrong] += rng.choice([-1, 1], 6) * 60
        found.append(audit_quantity(vectors, values).flagged[wrong].mean())
    assert np.mean(found) >= 0.9
