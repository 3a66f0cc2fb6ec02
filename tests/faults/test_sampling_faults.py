"""Faults 12, 13, 14, 18: batches that are not what was accounted for.

Each fault is written as a sampler; one check passes the right sampler and fails it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from discreet.privacy.keys import RunKey
from discreet.privacy.plan import PrivacyPlan
from discreet.privacy.sampling import included

Batches = Callable[[int], NDArray[np.int64]]

PLAN = PrivacyPlan.for_noise(noise_multiplier=1.0, num_samples=200, expected_batch_size=100, num_steps=400)
SMALL = PrivacyPlan.for_noise(noise_multiplier=1.0, num_samples=20, expected_batch_size=1, num_steps=200)
KEY = RunKey.for_tests(12)


def drawn(step: int) -> np.random.Generator:
    """A step's own, so that a test alone sees what it sees in company."""
    return np.random.default_rng([3, step])


def batch_sizes_are_those_of_independent_coins(batch: Batches, plan: PrivacyPlan) -> bool:
    """The sizes have mean N·q and variance N·q·(1-q): by chi-square, two-sided."""
    sizes = np.array([len(batch(step)) for step in range(plan.num_steps)])
    variance = plan.num_samples * plan.sample_rate * (1 - plan.sample_rate)
    p = chi2.cdf(((sizes - plan.expected_batch_size) ** 2).sum() / variance, plan.num_steps)
    return 1e-4 < p < 1 - 1e-4


def empty_batches_come_as_often_as_they_should(batch: Batches, plan: PrivacyPlan) -> bool:
    """Every declared step happens, about (1-q)^N of them with nobody in it."""
    empty = np.mean([len(batch(step)) == 0 for step in range(plan.num_steps)])
    expected = (1 - plan.sample_rate) ** plan.num_samples
    return bool(abs(empty - expected) < 4 * math.sqrt(expected * (1 - expected) / plan.num_steps))


def test_fault_12_fixed_batches_sold_as_poisson() -> None:
    def shuffled(step: int) -> NDArray[np.int64]:
        epoch, half = divmod(step, 2)
        return np.random.default_rng(epoch).permutation(200)[100 * half : 100 * (half + 1)]

    def drawn_without_replacement(step: int) -> NDArray[np.int64]:
        return drawn(step).choice(200, 100, replace=False)

    assert batch_sizes_are_those_of_independent_coins(PLAN.sampler(KEY).batch, PLAN)
    assert not batch_sizes_are_those_of_independent_coins(shuffled, PLAN)
    assert not batch_sizes_are_those_of_independent_coins(drawn_without_replacement, PLAN)


def test_fault_13_a_poisson_count_then_without_replacement() -> None:
    def counted(step: int) -> NDArray[np.int64]:
        generator = drawn(step)
        return generator.choice(200, min(200, generator.poisson(100)), replace=False)

    assert batch_sizes_are_those_of_independent_coins(PLAN.sampler(KEY).batch, PLAN)
    assert not batch_sizes_are_those_of_independent_coins(counted, PLAN)


def test_fault_14_empty_batches_skipped_drawn_again_or_filled() -> None:
    right = SMALL.sampler(KEY).batch

    full = [step for step in range(3 * SMALL.num_steps) if len(right(step))]

    def skipped(step: int) -> NDArray[np.int64]:
        return right(full[step])

    def drawn_again(step: int) -> NDArray[np.int64]:
        attempt = step
        while not len(right(attempt)):
            attempt += SMALL.num_steps
        return right(attempt)

    def filled(step: int) -> NDArray[np.int64]:
        batch = right(step)
        return batch if len(batch) else np.zeros(1, np.int64)

    assert empty_batches_come_as_often_as_they_should(right, SMALL)
    for fault in (skipped, drawn_again, filled):
        assert not empty_batches_come_as_often_as_they_should(fault, SMALL)


def rare_units_stay_rare(include: Callable[[NDArray[np.uint64], float], NDArray[np.bool_]]) -> bool:
    """At q = 2⁻³⁰ a draw of a millionth part of 2⁶⁴ is far too large, and one just below q·2⁶⁴ is not."""
    draws = np.array([2**34 - 1, 2**34, 2**44 // 5], np.uint64)
    return include(draws, 2.0**-30).tolist() == [True, False, False]


def test_fault_18_single_precision_coins() -> None:
    def in_single_precision(draws: NDArray[np.uint64], rate: float) -> NDArray[np.bool_]:
        uniform = (draws >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)  # as random() of float32 does
        return uniform < np.float32(rate)

    assert rare_units_stay_rare(included)
    assert not rare_units_stay_rare(in_single_precision)
