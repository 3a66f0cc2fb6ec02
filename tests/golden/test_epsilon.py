"""Published ε values at fixed settings, by two accountants that share no code."""

from __future__ import annotations

import pytest

from discreet.errors import PlanError
from discreet.privacy.accountant import Event, epsilon_of, replace_one_epsilon
from discreet.privacy.cross_check import cross_check, require_agreement
from discreet.privacy.plan import PrivacyPlan

# data size, expected batch, steps, noise multiplier, δ, ε by PLD, ε by PRV
ROWS = [
    (28280, 2048, 552, 2.0, 1e-6, 4.564, 4.574),
    (30462, 1024, 1487, 1.0, 1e-6, 9.678, 9.688),
    (1716, 512, 201, 4.0, 1e-5, 4.846, 4.856),
]


def plan_of(row: tuple[int, int, int, float, float, float, float]) -> PrivacyPlan:
    num_samples, batch, num_steps, noise, delta, _, _ = row
    return PrivacyPlan.for_noise(
        num_samples=num_samples, expected_batch_size=batch, num_steps=num_steps, noise_multiplier=noise, delta=delta
    )


@pytest.mark.parametrize("row", ROWS)
def test_epsilon_by_pld_and_prv(row: tuple[int, int, int, float, float, float, float]) -> None:
    plan = plan_of(row)
    assert plan.epsilon == pytest.approx(row[5], abs=1e-3)
    second = cross_check(plan)
    assert second == pytest.approx(row[6], abs=1e-3)
    assert require_agreement(plan) == second


def test_exchanging_a_unit_costs_about_twice_as_much() -> None:
    assert replace_one_epsilon(plan_of(ROWS[0]).event(), 1e-6) == pytest.approx(9.027, abs=1e-3)


def test_ten_runs_at_eight_cost_about_thirty_three() -> None:
    one = Event(1.0422, 1024 / 30462, 1487)
    assert epsilon_of(one, 1e-5) == pytest.approx(8, abs=0.01)
    assert epsilon_of([one] * 10, 1e-5) == pytest.approx(33, abs=1)


@pytest.mark.parametrize("noise", [1000.0, 1e6])
def test_an_epsilon_finer_than_the_accounting_is_refused_at_once(noise: float) -> None:
    """The second accountant would take minutes and all memory, or find no number."""
    plan = plan_of((1000, 100, 30, noise, 1e-5, 0.0, 0.0))
    with pytest.raises(PlanError, match=r"less than 0\.01 is finer than the accounting: lower it"):
        cross_check(plan)


def test_accountants_that_disagree_stop_the_plan() -> None:
    plan = plan_of(ROWS[2])
    plan.__dict__["epsilon"] = 4.373  # what a central-limit accountant would have said of a like plan
    with pytest.raises(PlanError, match="disagree"):
        require_agreement(plan)
