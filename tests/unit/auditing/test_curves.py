"""Areas, operating points and bounds: against counting by hand, and over many simulated audits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from discreet.auditing.bounds import bounds_of, one_run_bounds
from discreet.auditing.curves import area_under_curve, curve, gaussian_curve, operating_point, supports
from discreet.auditing.gates import gate_alpha, spent_alpha
from discreet.auditing.statistics import one_run_epsilon, one_run_gdp_epsilon
from discreet.errors import ConfigurationError


def test_the_area_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    members, others = np.round(rng.normal(0.5, 1, 40), 1), np.round(rng.normal(0, 1, 30), 1)
    pairs = members[:, None] - others[None]
    area, (low, high) = area_under_curve(members, others, 0.95)
    assert area == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert 0 < low < area < high < 1


def test_the_interval_of_the_area_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    for shift in (0.0, 1.0):
        truth = norm.cdf(shift / math.sqrt(2))
        covered = 0
        for _ in range(500):
            _, (low, high) = area_under_curve(rng.normal(shift, 1, 60), rng.normal(0, 1, 80), 0.9)
            covered += low <= truth <= high
        assert 428 <= covered <= 476, "450 ± 3.8 standard deviations"


def test_complete_separation_is_not_certainty() -> None:
    members, others = np.arange(20.0) + 100, np.arange(30.0)
    area, (low, high) = area_under_curve(members, others, 0.95)
    assert (area, high) == (1.0, 1.0)
    assert low == pytest.approx(0.025 ** (1 / 20))
    area, (low, high) = area_under_curve(others, members, 0.95)
    assert (area, low) == (0.0, 0.0)


def test_a_point_of_the_curve_allows_no_more_false_positives_than_asked_for() -> None:
    rng = np.random.default_rng(2)
    members, others = rng.normal(2, 1, 500), rng.normal(0, 1, 500)
    point = operating_point(members, others, 0.01, 0.95)
    assert point is not None
    assert point.false_positives == 5
    assert point.true_positives == int((members > np.sort(others)[-6]).sum())
    assert point.true_positive_interval[0] < point.true_positive_rate < point.true_positive_interval[1]


def test_no_rate_that_the_sample_cannot_support() -> None:
    assert operating_point(np.zeros(100), np.zeros(299), 0.01, 0.95) is None
    assert supports(0.01, 300)
    assert not supports(0.001, 2999)


def test_the_curve_goes_through_its_points() -> None:
    false, true = curve(np.array([3.0, 2.0, 1.0]), np.array([2.5, 0.0]))
    np.testing.assert_allclose(false, [0, 0, 0.5, 0.5, 0.5, 1])
    np.testing.assert_allclose(true, [0, 1 / 3, 1 / 3, 2 / 3, 1, 1])
    np.testing.assert_allclose(gaussian_curve(np.array([0.5]), 1.0), norm.cdf(1.0))


def test_gates_and_audits_share_their_chance_of_error() -> None:
    assert gate_alpha(0.05, 10) == pytest.approx(0.005)
    assert sum(spent_alpha(0.05, audit) for audit in range(1, 100_000)) == pytest.approx(0.05, rel=1e-4)
    assert spent_alpha(0.05, 1) > spent_alpha(0.05, 2)
    for refused in (lambda: gate_alpha(0.05, 0), lambda: spent_alpha(0.05, 0)):
        with pytest.raises(ConfigurationError):
            refused()


def test_a_bound_lies_below_its_ceiling_and_grows_with_the_leak() -> None:
    rng = np.random.default_rng(3)
    found = []
    for shift in (0.0, 1.5, 4.0):
        bounds = bounds_of(rng.normal(shift, 1, 1000), rng.normal(0, 1, 1000), 1e-5, 0.05, seed=0)
        assert [bool(bound.conditional) for bound in bounds] == [False, True]
        assert all(0 <= bound.epsilon_lower_bound <= bound.epsilon_ceiling for bound in bounds)
        found.append(bounds[0].epsilon_lower_bound)
    assert found[0] == 0.0
    assert 0.5 < found[1] < found[2]


def test_canaries_are_guessed_from_both_ends() -> None:
    is_inside = np.array([False] * 50 + [True] * 50)
    scores = np.arange(100.0)
    scores[[0, 99]] = scores[[99, 0]]  # one wrong guess at each end
    unconditional, conditional = one_run_bounds(scores, is_inside, 40, 1e-5, 0.05)
    assert unconditional.epsilon_lower_bound == one_run_epsilon(100, 40, 38, 1e-5, 0.95)
    assert conditional.epsilon_lower_bound == one_run_gdp_epsilon(100, 40, 38, 1e-5, 0.95)
    assert unconditional.epsilon_ceiling == one_run_epsilon(100, 40, 40, 1e-5, 0.95)
    assert (unconditional.conditional, bool(conditional.conditional)) == ("", True)
