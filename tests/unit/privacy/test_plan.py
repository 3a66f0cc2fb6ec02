"""A plan is frozen, hits its target from below, and refuses nonsense with a way out."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from discreet.errors import PlanError
from discreet.privacy import PrivacyPlan
from discreet.privacy.accountant import SMALLEST_DELTA, Event, epsilon_of
from discreet.privacy.keys import RunKey
from discreet.privacy.plan import MOST_UNITS, default_delta, num_steps_for

SIZES: dict[str, Any] = {"num_samples": 1000, "expected_batch_size": 100, "num_steps": 20}
NOISY: dict[str, Any] = {**SIZES, "noise_multiplier": 1.0}


@pytest.fixture(scope="module")
def targeted() -> PrivacyPlan:
    return PrivacyPlan.for_target(epsilon=3, delta=1e-5, **SIZES)


def test_a_target_is_met_from_below_and_closely(targeted: PrivacyPlan) -> None:
    assert 3 * 0.995 <= targeted.epsilon <= 3


def test_less_noise_would_miss_the_target(targeted: PrivacyPlan) -> None:
    less = Event(targeted.noise_multiplier - 2e-4, targeted.sample_rate, targeted.num_steps)
    assert epsilon_of(less, 1e-5) > 3


@pytest.mark.parametrize(
    ("epsilon", "sizes"),
    [
        (0.05, SIZES),
        (1, {"num_samples": 60000, "expected_batch_size": 64, "epochs": 2}),
        (8, {"num_samples": 300, "expected_batch_size": 300, "num_steps": 1}),
    ],
)
def test_targets_far_from_the_usual_are_met_too(epsilon: float, sizes: dict[str, Any]) -> None:
    assert epsilon * 0.995 <= PrivacyPlan.for_target(epsilon=epsilon, **sizes).epsilon <= epsilon


NONSENSE: list[tuple[str, dict[str, Any]]] = [
    ("num_samples", {"num_samples": 0}),
    ("num_samples", {"num_samples": True}),
    ("num_samples", {"num_samples": 10.5}),
    ("num_samples", {"num_samples": "1000"}),
    ("expected_batch_size", {"expected_batch_size": 0}),
    ("expected_batch_size", {"expected_batch_size": -3}),
    ("expected_batch_size", {"expected_batch_size": 1001}),
    ("num_steps", {"num_steps": 0}),
    ("num_steps", {"num_steps": True}),
    ("num_steps", {"num_steps": None}),
    ("num_steps", {"epochs": 2.0}),
    ("whole batch", {"num_steps": None, "epochs": 0.01}),
    ("epochs", {"num_steps": None, "epochs": math.nan}),
    ("max_grad_norm", {"max_grad_norm": 0.0}),
    ("max_grad_norm", {"max_grad_norm": math.inf}),
    ("delta", {"delta": 0.0}),
    ("delta", {"delta": -1e-5}),
    ("delta", {"delta": 1e-3}),
    ("delta", {"delta": 0.5}),
    ("delta", {"delta": 1e-13}),
    ("delta", {"delta": math.nan}),
    ("unit", {"unit": "person"}),
    ("clipping", {"clipping": "global"}),
]


@pytest.mark.parametrize(("named", "change"), NONSENSE)
def test_nonsense_is_refused_in_one_line(named: str, change: dict[str, Any]) -> None:
    for arguments in ({**NOISY, **change}, {**SIZES, "epsilon": 8, **change}):
        make = PrivacyPlan.for_noise if "noise_multiplier" in arguments else PrivacyPlan.for_target
        with pytest.raises(PlanError) as refusal:
            make(**arguments)
        assert named in str(refusal.value)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("epsilon", [0, -1, math.nan, math.inf, True, "8", 1e6])
def test_an_impossible_target_is_refused(epsilon: Any) -> None:
    with pytest.raises(PlanError, match="epsilon"):
        PrivacyPlan.for_target(epsilon=epsilon, **SIZES)


@pytest.mark.parametrize("noise", [0, -1.0, math.nan, math.inf, False, None])
def test_noise_that_is_none_is_refused(noise: Any) -> None:
    with pytest.raises(PlanError, match="noise_multiplier"):
        PrivacyPlan.for_noise(noise_multiplier=noise, **SIZES)


@pytest.mark.parametrize("noise", [1.1e6, 1e9, 1e300])
def test_noise_that_drowns_everything_is_refused(noise: float) -> None:
    with pytest.raises(PlanError, match="it must lie above 0 and be at most 1e\\+06"):
        PrivacyPlan.for_noise(noise_multiplier=noise, **SIZES)


def test_missing_unknown_and_other_relations_are_refused() -> None:
    content = PrivacyPlan.for_noise(**NOISY).model_dump()
    with pytest.raises(PlanError, match="delta"):
        PrivacyPlan.model_validate({name: value for name, value in content.items() if name != "delta"})
    with pytest.raises(PlanError, match="epsilon"):
        PrivacyPlan.model_validate({**content, "epsilon": 0.1})
    with pytest.raises(PlanError, match="add_or_remove_one"):
        PrivacyPlan.model_validate({**content, "neighbouring_relation": "replace_one"})


def test_a_plan_never_changes_and_survives_json() -> None:
    plan = PrivacyPlan.for_noise(**NOISY)
    with pytest.raises(ValueError, match="frozen"):
        plan.noise_multiplier = 0.1  # type: ignore[misc]
    assert PrivacyPlan.model_validate_json(plan.model_dump_json()) == plan


def test_defaults_and_steps() -> None:
    assert default_delta(100) == 1e-5
    assert default_delta(MOST_UNITS) == SMALLEST_DELTA
    with pytest.raises(PlanError, match="at most 100,000,000,000"):
        default_delta(MOST_UNITS + 1)
    assert default_delta(30462) == pytest.approx(0.1 / 30462)
    assert num_steps_for(30, 30462, 1024) == 892
    assert num_steps_for(2.3, 100, 10) == 23  # in binary 2.3 · 100 / 10 is below 23
    assert num_steps_for(0.9999, 100, 10) == 9
    assert (
        PrivacyPlan.for_noise(noise_multiplier=1.0, num_samples=30462, expected_batch_size=1024, epochs=30).num_steps
        == 892
    )
    assert PrivacyPlan.for_noise(**{**NOISY, "num_samples": np.int64(1000)}).num_samples == 1000


def test_sampler_noise_and_event_come_from_the_plan() -> None:
    plan, key = PrivacyPlan.for_noise(**NOISY), RunKey.for_tests(0)
    assert plan.event() == Event(1.0, 0.1, 20)
    assert plan.event(3) == Event(1.0, 0.1, 3)
    assert (plan.sampler(key).num_units, plan.sampler(key).sample_rate) == (1000, 0.1)
    noise = plan.noise(key, 1.001)
    assert (noise.standard_deviation, noise.divisor) == (1.001, 100)


def test_a_sensitivity_below_the_clipping_norm_is_refused() -> None:
    with pytest.raises(PlanError, match="sensitivity"):
        PrivacyPlan.for_noise(**NOISY).noise(RunKey.for_tests(0), 0.9)


def test_planning_and_book_keeping_never_load_torch() -> None:
    code = """
import pathlib, sys, tempfile
from discreet.privacy import Ledger, PrivacyPlan
plan = PrivacyPlan.for_noise(noise_multiplier=1.0, num_samples=100, expected_batch_size=10, num_steps=5)
plan.mu
with Ledger.open(pathlib.Path(tempfile.mkdtemp()) / "state" / "ledger") as ledger:
    units = ledger.fingerprint([b"a"])
    ledger.begin_run("run", units, plan)
    ledger.epsilon_spent(units, 1e-5)
print([name for name in ("torch", "opacus") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
