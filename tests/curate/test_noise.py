"""How labels go wrong is learned from probabilities and given labels alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from metier.curate.noise import fit_noise, given_probability, log_odds_wrong, noise_rates


def world(rate: float, seed: int, *, rows: int = 3000, width: int = 4, always: bool = False):
    """Honest log-probabilities of the true label, and given labels of which `rate` are wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(width, size=rows)
    logits = rng.standard_normal((rows, width)) * 2
    logits[np.arange(rows), truth] += 7
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    wrong = rng.random(rows) < rate
    step = 1 if always else rng.integers(1, width, size=rows)
    return logits, np.where(wrong, (truth + step) % width, truth), wrong


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.1, 0.3])
@pytest.mark.parametrize("always", [False, True])
def test_the_rate_is_found_whatever_the_kind_of_noise(rate, always):
    misses, held = [], 0
    for seed in range(4):
        outputs, labels, _ = world(rate, seed, always=always)
        found = noise_rates(outputs, labels, fit_noise(outputs, labels)).overall
        misses.append(abs(found.value - rate))
        held += found.low - 0.005 <= rate <= found.high + 0.005
    assert np.mean(misses) < 0.015
    assert held >= 3


def test_what_is_always_mistaken_for_what_is_learned():
    outputs, labels, _ = world(0.2, 0, always=True)
    transition = fit_noise(outputs, labels)[0].transition
    assert [int(np.argsort(row)[-2]) for row in transition] == [1, 2, 3, 0]
    assert np.allclose(transition.sum(axis=1), 1)


def test_wrong_labels_rank_first_and_by_label_rates_are_of_the_given_label():
    outputs, labels, wrong = world(0.1, 1)
    fits = fit_noise(outputs, labels)
    odds = log_odds_wrong(fits[0].posterior(outputs, labels), labels)
    assert wrong[np.argsort(-odds)[: wrong.sum()]].mean() > 0.85
    rates = noise_rates(outputs, labels, fits).by_label
    for label, rate in enumerate(rates):
        assert rate.low <= wrong[labels == label].mean() <= rate.high


def test_rows_that_are_not_judged_do_not_count():
    outputs, labels, _ = world(0.3, 2)
    fits = fit_noise(outputs, labels)
    rates = noise_rates(outputs, labels, fits, judged=labels != 0)
    assert np.isnan(rates.by_label[0].value)
    assert rates.overall.as_json()["value"] == pytest.approx(0.3, abs=0.03)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(5, 60))
def test_any_outputs_give_probabilities(seed, width, rows):
    rng = np.random.default_rng(seed)
    outputs, labels = rng.standard_normal((rows, width)) * 5, rng.integers(width, size=rows)
    fits = fit_noise(outputs, labels)
    posterior = fits[0].posterior(outputs, labels)
    assert np.allclose(np.exp(posterior).sum(axis=1), 1, atol=1e-4)
    share = given_probability(posterior, labels)
    assert np.allclose(expit(-log_odds_wrong(posterior, labels)), share, atol=1e-4)
    overall = noise_rates(outputs, labels, fits).overall
    assert 0 <= overall.low <= overall.value <= overall.high <= 1
