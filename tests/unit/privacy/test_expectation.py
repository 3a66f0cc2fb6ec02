"""What a plan can be expected to keep, by runs that were measured."""

from __future__ import annotations

import math

import pytest

from discreet.errors import PlanError
from discreet.privacy.expectation import (
    MeasuredRun,
    Measurements,
    batch_size_for,
    expectation_of,
    measurements,
    signal_of,
)
from discreet.privacy.plan import PrivacyPlan


def shape(signal: float, half: float = 900.0) -> float:
    return 0.8 * signal**2 / (signal**2 + half**2)


def measured(signals: tuple[float, ...] = (600.0, 1500.0, 4000.0)) -> Measurements:
    runs = [MeasuredRun(str(s), s, shape(s), shape(s) - 0.05, shape(s) + 0.05) for s in signals]
    return Measurements("a task", 10_000, 15_360, 60, 0.15, 0.36, runs)


def plan(**changed: object) -> PrivacyPlan:
    sizes = {"num_samples": 10_000, "expected_batch_size": 256, "num_steps": 60, "delta": 1e-5, "epsilon": 4.0}
    return PrivacyPlan.for_target(**{**sizes, **changed})  # type: ignore[arg-type]


def test_signal_is_batch_times_root_of_steps_over_noise() -> None:
    made = PrivacyPlan.for_noise(
        noise_multiplier=0.5, num_samples=1000, expected_batch_size=100, num_steps=25, delta=1e-5
    )
    assert signal_of(made) == pytest.approx(100 * 5 / 0.5)


@pytest.mark.parametrize("epsilon", [1.0, 2.0, 8.0])
def test_the_curve_that_made_the_measurements_is_found(epsilon: float) -> None:
    made = plan(epsilon=epsilon)
    found = expectation_of(made, measured())
    assert found.kept == pytest.approx(shape(signal_of(made)), abs=0.005)
    assert found.low < found.kept < found.high


def test_more_pictures_and_a_larger_epsilon_keep_more() -> None:
    def kept(**changed: object) -> float:
        return expectation_of(plan(**changed), measured()).kept

    assert kept(epsilon=1.0) < kept(epsilon=2.0) < kept(epsilon=8.0)
    assert kept(num_samples=3_000) < kept(num_samples=10_000) < kept(num_samples=40_000)


def test_a_plan_that_leaves_what_was_measured_says_so() -> None:
    known = measured()
    assert expectation_of(plan(), known).beyond is None
    assert "longer" in str(expectation_of(plan(num_steps=600), known).beyond)
    assert "fewer than 60" in str(expectation_of(plan(num_steps=20), known).beyond)
    assert "less signal" in str(expectation_of(plan(epsilon=0.1), known).beyond)


def test_batch_and_steps_grow_alike() -> None:
    assert batch_size_for(10_000, 1.536, measured()) == 256, "as measured"
    assert batch_size_for(10_000, 4 * 1.536, measured()) == 512
    assert batch_size_for(40_000, 1.536, measured()) == 512
    assert batch_size_for(500, 1.536, measured()) == 57
    assert batch_size_for(100, 60, measured()) == 25, "at most a quarter of all"
    assert batch_size_for(2, 1, measured()) == 1
    for num_samples, epochs in ((0, 1.0), (100, 0.0), (100, math.nan)):
        with pytest.raises(PlanError):
            batch_size_for(num_samples, epochs, measured())


def test_what_is_shipped_is_sound() -> None:
    shipped = measurements()
    assert len(shipped.runs) >= 2
    assert shipped.start_miou < shipped.ordinary_miou
    for run in shipped.runs:
        assert run.low <= run.kept <= run.high
        assert math.isfinite(run.signal)
    most = max(shipped.runs, key=lambda run: run.signal)
    least = min(shipped.runs, key=lambda run: run.signal)
    assert least.kept < most.kept
