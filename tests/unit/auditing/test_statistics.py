"""Bounds against published values, and against each other."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm

from discreet.auditing.mechanism import likelihood_ratios
from discreet.auditing.statistics import (
    clopper_pearson,
    clopper_pearson_epsilon,
    epsilon_from_rates,
    gdp_epsilon,
    mu_from_rates,
    one_run_ceiling,
    one_run_epsilon,
    one_run_gdp_epsilon,
    one_run_p_value,
    scale_interval,
)
from discreet.errors import ConfigurationError
from discreet.privacy.gaussian import epsilon_of_mu, mu_of_epsilon


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
        mu = mu_of_epsilon(epsilon, 1e-5)
        assert epsilon_of_mu(mu, 1e-5) == pytest.approx(epsilon, abs=1e-9)
        assert norm.cdf(mu / 2) == pytest.approx(accuracy, abs=1e-3)
        assert norm.cdf(mu / math.sqrt(2)) == pytest.approx(auc, abs=1e-3)


def test_rates_that_say_nothing_bound_nothing() -> None:
    assert epsilon_from_rates(0.5, 0.5, 1e-5) == 0.0
    assert epsilon_from_rates(0.1, 0.0, 1e-5) == pytest.approx(math.log((1 - 1e-5) / 0.9))
    assert epsilon_of_mu(0.0, 1e-5) == 0.0
    assert epsilon_of_mu(-1.0, 1e-5) == 0.0
    assert epsilon_of_mu(1e-9, 1e-5) == 0.0
    assert epsilon_of_mu(30.0, 1e-5) == pytest.approx(450 + 30 * 4.2649, rel=2e-3), "Φ(4.2649) = 1 − 1e-5"


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


def test_the_published_p_value_of_one_run() -> None:
    assert one_run_p_value(100, 100, 75, math.log(3), 0.0) == pytest.approx(0.553, abs=5e-4)


@pytest.mark.parametrize(
    ("num_canaries", "num_correct", "delta", "expected"),
    [(100, 75, 0.0, 0.702), (100, 75, 1e-4, 0.699), (1000, 75, 1e-4, 0.673)],
)
def test_the_published_bounds_of_one_run(num_canaries: int, num_correct: int, delta: float, expected: float) -> None:
    found = one_run_epsilon(num_canaries, 100, num_correct, delta, 0.95)
    assert found == pytest.approx(expected, abs=5e-4)


def test_a_perfect_run_has_a_bound_in_closed_form() -> None:
    for guesses in (16, 50):
        assert one_run_epsilon(guesses, guesses, guesses, 0.0, 0.95) == pytest.approx(
            -math.log(0.05 ** (-1 / guesses) - 1), abs=1e-6
        )
    assert one_run_epsilon(16, 16, 16, 0.0, 0.95) == pytest.approx(1.580323, abs=1e-6)


def test_the_published_ceilings_of_one_run() -> None:
    for num_canaries, expected in ((100, 3.49), (1000, 5.78), (10_000, 7.83)):
        assert one_run_epsilon(num_canaries, num_canaries, num_canaries, 1e-5, 0.95) == pytest.approx(
            expected, abs=5e-3
        )
    assert one_run_ceiling(100, 1e-5, 0.95) == pytest.approx(3.49, abs=5e-3)


def test_clopper_pearson_of_a_perfect_attack() -> None:
    assert clopper_pearson_epsilon(500, 500, 0, 500, 0.0, 0.01) == pytest.approx(4.541916, abs=1e-6)
    assert clopper_pearson_epsilon(0, 500, 500, 500, 0.0, 0.01) == 0.0, "an attack the wrong way round shows nothing"
    assert clopper_pearson_epsilon(250, 500, 250, 500, 0.0, 0.01) == 0.0


def test_conditional_bounds_are_tighter() -> None:
    counts = (300, 500, 20, 500, 1e-5, 0.05)
    assert gdp_epsilon(*counts) > clopper_pearson_epsilon(*counts) > 0
    assert one_run_gdp_epsilon(1000, 100, 90, 1e-5, 0.95) > one_run_epsilon(1000, 100, 90, 1e-5, 0.95) > 0


def test_one_run_on_a_true_mechanism_says_what_is_published() -> None:
    """A perfect attack on the Gaussian mechanism at (ε, 1e-5), 1000 canaries, at its best number of guesses."""
    rng = np.random.default_rng(0)
    for epsilon, unconditional, conditional in ((4.0, 1.37, 2.19), (8.0, 2.64, 4.35)):
        mu = mu_of_epsilon(epsilon, 1e-5)
        coins = rng.integers(0, 2, (20, 1000))
        seen = rng.normal(size=(20, 1000)) + mu * (coins - 0.5)
        surest = np.argsort(-np.abs(seen), axis=1)
        right = np.take_along_axis((seen > 0) == coins, surest, axis=1).cumsum(1).mean(0)
        guesses = [50, 100, 200, 400]
        found = [
            max(bound(1000, count, int(right[count - 1]), 1e-5, 0.95) for count in guesses)
            for bound in (one_run_epsilon, one_run_gdp_epsilon)
        ]
        assert found == pytest.approx([unconditional, conditional], rel=0.08)
        assert max(found) < epsilon


@pytest.mark.parametrize(
    "asked",
    [
        lambda: clopper_pearson_epsilon(501, 500, 0, 500, 0.0, 0.01),
        lambda: clopper_pearson_epsilon(0, 0, 0, 500, 0.0, 0.01),
        lambda: clopper_pearson_epsilon(1, 500, -1, 500, 0.0, 0.01),
        lambda: gdp_epsilon(1, 500, 1, 500, 1.0, 0.01),
        lambda: gdp_epsilon(1, 500, 1, 500, 0.0, 0.0),
        lambda: one_run_epsilon(10, 11, 5, 0.0, 0.95),
        lambda: one_run_epsilon(10, 5, 6, 0.0, 0.95),
        lambda: one_run_epsilon(10, 0, 0, 0.0, 0.95),
        lambda: one_run_epsilon(10, 5, 5, 0.0, 1.0),
    ],
)
def test_impossible_counts_are_refused(asked: Callable[[], float]) -> None:
    with pytest.raises(ConfigurationError):
        asked()
