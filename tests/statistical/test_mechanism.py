"""Canaries through the whole private step: the right one passes, and every planted fault is found by its question."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from discreet.auditing.mechanism import MechanismVerdict, Stated, judge
from discreet.privacy import PrivacyPlan
from discreet.privacy.keys import RunKey
from discreet.training.canaries import release_at_canaries
from discreet.training.gradients import PrivateGradients

SAMPLE_RATE, NUM_STEPS, DELTA = 0.5, 16, 1e-5


class NoiseTenPercentShort(PrivateGradients):
    def __init__(self, module: nn.Module, plan: PrivacyPlan, key: RunKey) -> None:
        super().__init__(module, plan, key)
        self._noise = replace(self._noise, noise_multiplier=0.9 * plan.noise_multiplier)


class EverySampleTwice(PrivateGradients):
    def units(self, step: int) -> NDArray[np.int64]:
        return np.repeat(super().units(step), 2)


class Shuffled(PrivateGradients):
    """Each epoch's permutation cut into batches, as ordinary training does, accounted as Poisson."""

    def __init__(self, module: nn.Module, plan: PrivacyPlan, key: RunKey) -> None:
        super().__init__(module, plan, key)
        self._plan = plan

    def units(self, step: int) -> NDArray[np.int64]:
        epoch, half = divmod(step, 2)
        order = np.random.default_rng(epoch).permutation(self._plan.num_samples)
        return order[half * self._plan.expected_batch_size :][: self._plan.expected_batch_size]


class ShuffledInFours(Shuffled):
    """The same, four batches an epoch."""

    def units(self, step: int) -> NDArray[np.int64]:
        epoch, quarter = divmod(step, 4)
        size = self._plan.expected_batch_size
        return np.random.default_rng(epoch).permutation(self._plan.num_samples)[quarter * size :][:size]


def verdict_of(
    epsilon: float,
    num_members: int,
    make: type[PrivateGradients],
    num_steps: int = NUM_STEPS,
    sample_rate: float = SAMPLE_RATE,
) -> MechanismVerdict:
    plan = PrivacyPlan.for_target(
        epsilon=epsilon, num_samples=num_members, expected_batch_size=int(num_members * sample_rate),
        num_steps=num_steps, delta=DELTA,
    )  # fmt: skip
    members, others, sensitivity = release_at_canaries(plan, RunKey.for_tests(1), num_members, make=make)
    return judge(members, others, Stated(plan.epsilon, DELTA, plan.noise_multiplier, sensitivity, sample_rate))


@pytest.mark.parametrize("epsilon", [2.0, 8.0])
def test_the_mechanism_does_what_its_plan_says(epsilon: float) -> None:
    verdict = verdict_of(epsilon, 4000, PrivateGradients)
    assert verdict.failed == ()
    assert verdict.unconditional_epsilon < verdict.conditional_epsilon <= epsilon


@pytest.mark.parametrize(
    ("epsilon", "num_members", "fault", "question"),
    [
        (2.0, 1000, NoiseTenPercentShort, "noise"),
        (8.0, 1000, NoiseTenPercentShort, "noise"),
        (2.0, 1000, EverySampleTwice, "contribution"),
        (8.0, 1000, EverySampleTwice, "contribution"),
        (8.0, 1000, EverySampleTwice, "attack"),
        (8.0, 4000, Shuffled, "sampling"),
    ],
)
def test_each_fault_is_found(epsilon: float, num_members: int, fault: type[PrivateGradients], question: str) -> None:
    assert question in verdict_of(epsilon, num_members, fault).failed


@pytest.mark.parametrize(("epsilon", "num_members"), [(2.0, 12_000), (8.0, 4000)])
def test_batches_cut_from_a_permutation_are_told_from_coins(epsilon: float, num_members: int) -> None:
    """Four steps: what an epoch shows against the noise shrinks with the number of steps that share the budget."""
    assert "sampling" not in verdict_of(epsilon, num_members, PrivateGradients, num_steps=4).failed
    found = verdict_of(epsilon, num_members, Shuffled, num_steps=4)
    assert "sampling" in found.failed
    assert found.covariance[0] < -(SAMPLE_RATE**2) < found.covariance[1] < 0


def test_longer_epochs_are_told_from_coins() -> None:
    right = verdict_of(8.0, 12_000, PrivateGradients, num_steps=4, sample_rate=0.25)
    assert right.covariance[0] <= 0 <= right.covariance[1]
    assert verdict_of(8.0, 12_000, ShuffledInFours, num_steps=4, sample_rate=0.25).covariance[1] < 0


def test_one_step_has_nobody_to_be_compared_with() -> None:
    assert verdict_of(8.0, 1000, PrivateGradients, num_steps=1).covariance == (-1.0, 1.0)
