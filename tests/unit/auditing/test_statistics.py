"""Bounds against published values, and against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from discreet.auditing.mechanism import likelihood_ratios
from discreet.auditing.statistics import (
    clopper_pearson,
    epsilon_from_rates,
    epsilon_of_mu,
    mu_from_rates,
    scale_interval,
)


@pytest.mark.parametrize(
    ("hits", "trials", "confidence", "expected"),
    [
        (0, 10, 0.95, (0.0, 0.30850)),  # 1 − 0.025^(1/10)
        (10, 10, 0.95, (0.69150, 1.0)),
        (81, 263, 0.95, (0.25271, 0.36761)),
        (5, 10, 0.95, (0.18709, 0.81291)),
    ],
)
def test_clopper_pearson(hits: int, trials: int, confidence: float, expected: tuple[float, float]) -> None:
    assert clopper_pearson(hits, trials, confidence) == pytest.approx(expected, abs=1e-4)


def test_clopper_pearson_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    for rate in (0.02, 0.3, 0.8):
        hits = rng.binomial(60, rate, 2000)
        covered = sum(low <= rate <= high for low, high in (clopper_pearson(int(h), 60, 0.9) for h in hits))
        assert covered >= 0.9 * 2000 - 40


def test_the_interval_of_a_scale_covers_as_often_as_it_says_and_not_always() -> None:
    rng = np.random.default_rng(1)
    squares = np.square(rng.normal(scale=3.0, size=(2000, 50))).sum(1)
    covered = sum(low <= 3.0 <= high for low, high in (scale_interval(float(s), 50, 0.9) for s in squares))
    assert 1760 <= covered <= 1840
    missed = sum(low <= 2.4 <= high for low, high in (scale_interval(float(s), 50, 0.9) for s in squares))
    assert missed < 800


def test_epsilon_of_mu_is_the_published_curve() -> None:
    """(ε, 1e-5) allows these accuracies and AUCs under the Gaussian curve."""
    for epsilon, accuracy, auc in ((1.0, 0.553, 0.575), (4.0, 0.678, 0.744), (8.0, 0.798, 0.881)):
        low, high = 0.01, 5.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if epsilon_of_mu(middle, 1e-5) < epsilon else (low, middle)
        assert norm.cdf(low / 2) == pytest.approx(accuracy, abs=1e-3)
        assert norm.cdf(low / math.sqrt(2)) == pytest.approx(auc, abs=1e-3)


def test_rates_that_say_nothing_bound_nothing() -> None:
    assert epsilon_from_rates(0.5, 0.5, 1e-5) == 0.0
    assert epsilon_from_rates(0.1, 0.0, 1e-5) == pytest.approx(math.log((1 - 1e-5) / 0.9))
    assert epsilon_of_mu(0.0, 1e-5) == 0.0
    assert epsilon_of_mu(-1.0, 1e-5) == 0.0
    assert epsilon_of_mu(1e-9, 1e-5) == 0.0


def test_rates_and_mu_agree_on_the_gaussian_curve() -> None:
    for mu in (0.3, 1.0, 2.5):
        false_positive_rate = 0.07
        true_positive_rate = float(norm.cdf(norm.ppf(false_positive_rate) + mu))
        assert mu_from_rates(true_positive_rate, false_positive_rate) == pytest.approx(mu)
        assert epsilon_from_rates(true_positive_rate, false_positive_rate, 1e-5) < epsilon_of_mu(mu, 1e-5)


def test_the_score_is_the_likelihood_ratio_of_the_mechanism() -> None:
    seen = np.array([[0.3, -1.0, 2.0], [0.0, 0.0, 0.5]])
    for sample_rate in (0.1, 1.0):
        inside = sample_rate * norm.pdf(seen, 1.0, 0.8) + (1 - sample_rate) * norm.pdf(seen, 0.0, 0.8)
        expected = np.log(inside / norm.pdf(seen, 0.0, 0.8)).sum(1)
        np.testing.assert_allclose(likelihood_ratios(seen, 0.8, sample_rate), expected, rtol=1e-12)
