"""The accountant against closed forms, a numerical integral and another library."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from discreet.errors import PlanError
from discreet.privacy.accountant import (
    Event,
    attacker_tpr,
    coarse_epsilon,
    delta_of,
    epsilon_curve,
    epsilon_of,
    mu_of,
    mu_regret,
    renyi_epsilon,
    replace_one_epsilon,
)
from discreet.privacy.gaussian import epsilon_of_mu
from discreet.privacy.plan import PrivacyPlan

SAMPLED = Event(1.5, 0.1, 30)
WHOLE = Event(4.0, 1.0, 9)  # without sampling: a Gaussian mechanism of μ = √9 / 4


def gaussian_delta(mu: float, epsilon: float) -> float:
    """δ of a Gaussian mechanism (arXiv 1905.02383, corollary 2.13)."""
    return norm.cdf(-epsilon / mu + mu / 2) - math.exp(epsilon) * norm.cdf(-epsilon / mu - mu / 2)


def exact_delta(noise: float, rate: float, epsilon: float) -> float:
    """δ of one sampled Gaussian step by integration, the worse of adding and removing."""
    odds = math.exp(epsilon)

    def removed(x: float) -> float:
        with_it = (1 - rate) * norm.pdf(x, 0, noise) + rate * norm.pdf(x, 1, noise)
        return max(0.0, with_it - odds * norm.pdf(x, 0, noise))

    def added(x: float) -> float:
        with_it = (1 - rate) * norm.pdf(x, 0, noise) + rate * norm.pdf(x, 1, noise)
        return max(0.0, norm.pdf(x, 0, noise) - odds * with_it)

    edges = np.linspace(-12 * noise, 12 * noise + 1, 25)
    sums = [sum(quad(f, a, b)[0] for a, b in pairwise(edges)) for f in (removed, added)]
    return max(sums)


@pytest.mark.parametrize(("noise", "rate", "epsilon"), [(0.8, 0.2, 1.0), (1.0, 0.05, 0.5), (2.0, 0.5, 0.1)])
def test_one_step_agrees_with_the_integral_from_above(noise: float, rate: float, epsilon: float) -> None:
    exact = exact_delta(noise, rate, epsilon)
    found = delta_of(Event(noise, rate, 1), epsilon)
    assert exact * (1 - 1e-6) <= found <= exact * 1.001


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 2.0])
def test_unsampled_steps_are_one_gaussian(epsilon: float) -> None:
    assert delta_of(WHOLE, epsilon) == pytest.approx(gaussian_delta(0.75, epsilon), rel=1e-3)


def test_epsilon_and_delta_are_inverse() -> None:
    assert delta_of(SAMPLED, epsilon_of(SAMPLED, 1e-5)) == pytest.approx(1e-5, rel=1e-3)


def test_parts_cost_what_the_whole_costs() -> None:
    parts = [SAMPLED._replace(num_steps=n) for n in (7, 20, 3)]
    assert epsilon_of(parts, 1e-5) == epsilon_of(SAMPLED, 1e-5)
    assert epsilon_of([], 1e-5) == 0
    assert epsilon_of(SAMPLED._replace(num_steps=0), 1e-5) == 0


def test_different_events_compose_in_any_order_and_add_less_than_their_sum() -> None:
    other = Event(3.0, 0.3, 10)
    together = epsilon_of([SAMPLED, other], 1e-5)
    assert together == epsilon_of([other, SAMPLED], 1e-5)
    apart = [epsilon_of(event, 1e-5) for event in (SAMPLED, other)]
    assert max(apart) < together < sum(apart)


def test_quick_bounds_are_bounds() -> None:
    exact = epsilon_of(SAMPLED, 1e-5)
    assert exact <= coarse_epsilon(SAMPLED, 1e-5) <= exact * 1.001
    assert exact <= renyi_epsilon(SAMPLED, 1e-5) <= exact * 1.3


def test_exchanging_a_unit_costs_more() -> None:
    assert replace_one_epsilon(SAMPLED, 1e-5) > 1.3 * epsilon_of(SAMPLED, 1e-5)


def test_mu_of_a_gaussian_is_its_own() -> None:
    assert mu_of(WHOLE, 1e-5) == pytest.approx(0.75, rel=1e-3)
    assert mu_of(WHOLE, 1e-5) >= 0.75 * (1 - 1e-6)
    assert mu_regret(WHOLE, 1e-5) < 1e-3


def covers(mu: float, event: Event) -> bool:
    """Whether μ promises no more than the PLD allows, at any of many false positive rates."""
    rates = np.geomspace(1.1e-10, 0.5, 333)
    best = np.array([attacker_tpr(event, float(rate)) for rate in rates])
    return bool((norm.cdf(norm.ppf(rates) + mu) >= best * (1 - 1e-9)).all())


def test_mu_covers_and_nothing_smaller_does() -> None:
    event = Event(1.0, 0.05, 40)
    mu = mu_of(event, 1e-5)
    assert covers(mu, event)
    assert not covers(mu * 0.99, event)
    central_limit = 0.05 * math.sqrt(40 * (math.e - 1))
    assert not covers(central_limit, event)
    assert 0 < mu_regret(event, 1e-5) < 0.1


def test_mu_covers_epsilon_where_it_is_told_of_beyond_the_floor() -> None:
    event = Event(0.5, 0.02, 200)
    epsilon, mu = epsilon_of(event, 1e-5), mu_of(event, 1e-5)
    assert epsilon_of_mu(mu, 1e-5) == pytest.approx(epsilon, rel=1e-9)
    assert covers(mu, event)


@pytest.mark.parametrize("noise_multiplier", [0.05, 0.07, 0.1, 0.3])
def test_mu_is_finite_where_there_is_hardly_any_noise(noise_multiplier: float) -> None:
    assert mu_of(Event(noise_multiplier, 1.0, 1), 1e-5) == pytest.approx(1 / noise_multiplier, rel=1e-3)


@pytest.mark.parametrize("rate", [1e-9, 1e-4, 0.01, 0.1])
def test_the_best_attack_on_one_sampled_step_is_the_threshold_test(rate: float) -> None:
    exact = 0.875 * rate + 0.125 * norm.sf(norm.isf(rate) - 1)
    found = attacker_tpr(Event(1.0, 0.125, 1), rate)
    assert exact * (1 - 1e-9) <= found <= exact * 1.0001


def test_no_simulated_attack_beats_the_best_one() -> None:
    """Likelihood-ratio tests on simulated runs, weighted so that rare false positives are seen."""
    generator = np.random.default_rng(5)
    present = 1.5 * generator.standard_normal((100_000, 30)) + (generator.random((100_000, 30)) < 0.1)
    losses = np.sort(np.log1p(0.1 * np.expm1((present - 0.5) / 1.5**2)).sum(axis=1))[::-1]
    fpr = np.cumsum(np.exp(-losses)) / len(losses)
    for rate in (1e-4, 0.01):
        seen = (np.searchsorted(fpr, rate) + 1) / len(losses)
        assert seen == pytest.approx(attacker_tpr(SAMPLED, rate), abs=4 * math.sqrt(seen / len(losses)))


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.3])
def test_the_best_attack_on_a_gaussian_is_the_known_one(rate: float) -> None:
    assert attacker_tpr(WHOLE, rate) == pytest.approx(norm.cdf(norm.ppf(rate) + 0.75), rel=2e-3)


def test_attacks_grow_with_steps_and_never_fall_below_guessing() -> None:
    rates = [attacker_tpr(SAMPLED._replace(num_steps=n), 0.01) for n in (0, 1, 10, 30)]
    assert rates[0] == 0.01
    assert rates == sorted(rates)
    with pytest.raises(PlanError, match="false_positive_rate"):
        attacker_tpr(SAMPLED, 1.5)


def test_the_curve_rises_to_the_plans_own_epsilon() -> None:
    plan = PrivacyPlan.for_noise(noise_multiplier=3.0, num_samples=1000, expected_batch_size=100, num_steps=30)
    curve = epsilon_curve(plan, points=6)
    assert [step for step, _ in curve] == [5, 10, 15, 20, 25, 30]
    epsilons = [epsilon for _, epsilon in curve]
    assert epsilons == sorted(epsilons)
    assert epsilons[-1] == plan.epsilon
    assert all(epsilon >= epsilon_of(plan.event(step), plan.delta) for step, epsilon in curve)


@pytest.mark.parametrize("delta", [0.0, 1.0, -1.0, 1e-13, math.nan])
def test_a_delta_out_of_range_is_refused(delta: float) -> None:
    with pytest.raises(PlanError, match="delta"):
        epsilon_of(SAMPLED, delta)


def test_next_to_no_noise_is_refused() -> None:
    with pytest.raises(PlanError, match="noise_multiplier"):
        epsilon_of(Event(1e-4, 0.5, 1000), 1e-5)
