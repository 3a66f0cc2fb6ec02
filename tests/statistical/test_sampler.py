"""The Poisson sampler's distribution; each check also rejects a sampler that is a little wrong."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from discreet.privacy.keys import RunKey
from discreet.privacy.sampling import PoissonSampler

NUM_UNITS, RATE, NUM_STEPS = 400, 0.3, 600
LIKELY = 1e-4  # a check with this p-value or more passes; keys are fixed, so it passes always or never

Batches = Callable[[int], NDArray[np.int64]]


def drawn(step: int) -> np.random.Generator:
    """A step's own, so that a test alone sees what it sees in company."""
    return np.random.default_rng([1, step])


def inclusions(batch: Batches) -> NDArray[np.bool_]:
    """bool [steps, units]."""
    table = np.zeros((NUM_STEPS, NUM_UNITS), bool)
    for step in range(NUM_STEPS):
        table[step, batch(step)] = True
    return table


def rate_is_right(table: NDArray[np.bool_]) -> bool:
    z = (table.mean() - RATE) / math.sqrt(RATE * (1 - RATE) / table.size)
    return 2 * norm.sf(abs(z)) > LIKELY


def sizes_vary_as_they_should(table: NDArray[np.bool_]) -> bool:
    """Batch sizes have the binomial's variance, neither less nor more."""
    return _variance_fits(table.sum(axis=1), NUM_UNITS)


def units_take_equal_turns_by_chance(table: NDArray[np.bool_]) -> bool:
    """How often each unit came has the binomial's variance too."""
    return _variance_fits(table.sum(axis=0), NUM_STEPS)


def _variance_fits(counts: NDArray[np.int64], trials: int) -> bool:
    statistic = ((counts - trials * RATE) ** 2).sum() / (trials * RATE * (1 - RATE))
    p = chi2.cdf(statistic, len(counts))
    return 2 * min(p, 1 - p) > LIKELY


def steps_are_apart(table: NDArray[np.bool_]) -> bool:
    """A unit's coin at one step says nothing about its coin at the next."""
    return _correlation_is_chance(table[:-1], table[1:])


def units_are_apart(table: NDArray[np.bool_]) -> bool:
    """A unit's coin says nothing about its neighbour's."""
    return _correlation_is_chance(table[:, :-1], table[:, 1:])


def _correlation_is_chance(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> bool:
    z = np.corrcoef(first.ravel(), second.ravel())[0, 1] * math.sqrt(first.size)
    return 2 * norm.sf(abs(z)) > LIKELY


def a_little_too_often(step: int) -> NDArray[np.int64]:
    return np.flatnonzero(drawn(step).random(NUM_UNITS) < RATE * 1.02)


def always_the_same_size(step: int) -> NDArray[np.int64]:
    return drawn(step).choice(NUM_UNITS, int(NUM_UNITS * RATE), replace=False)


def size_from_a_poisson_law(step: int) -> NDArray[np.int64]:
    generator = drawn(step)
    return generator.choice(NUM_UNITS, min(generator.poisson(NUM_UNITS * RATE), NUM_UNITS), replace=False)


def shuffled_epochs(step: int) -> NDArray[np.int64]:
    size = int(NUM_UNITS * RATE)
    epoch, position = divmod(step, NUM_UNITS // size)
    return np.random.default_rng(epoch).permutation(NUM_UNITS)[position * size : (position + 1) * size]


def every_batch_twice(step: int) -> NDArray[np.int64]:
    return PoissonSampler(RunKey.for_tests(0), NUM_UNITS, RATE).batch(step // 2)


def neighbours_together(step: int) -> NDArray[np.int64]:
    return np.flatnonzero(np.repeat(drawn(step).random(NUM_UNITS // 2) < RATE, 2))


def favourites(step: int) -> NDArray[np.int64]:
    weights = np.where(np.arange(NUM_UNITS) % 2, 0.9, 1.1)
    return np.flatnonzero(drawn(step).random(NUM_UNITS) < RATE * weights)


CHECKS = (
    rate_is_right, sizes_vary_as_they_should, units_take_equal_turns_by_chance, steps_are_apart, units_are_apart,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_the_sampler_passes_every_check(seed: int) -> None:
    table = inclusions(PoissonSampler(RunKey.for_tests(seed), NUM_UNITS, RATE).batch)
    assert [check.__name__ for check in CHECKS if not check(table)] == []


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (a_little_too_often, rate_is_right),
        (always_the_same_size, sizes_vary_as_they_should),
        (size_from_a_poisson_law, sizes_vary_as_they_should),
        (neighbours_together, sizes_vary_as_they_should),
        (neighbours_together, units_are_apart),
        (shuffled_epochs, units_take_equal_turns_by_chance),
        (shuffled_epochs, steps_are_apart),
        (every_batch_twice, steps_are_apart),
        (favourites, units_take_equal_turns_by_chance),
    ],
)
def test_a_wrong_sampler_is_rejected(wrong: Batches, check: Callable[[NDArray[np.bool_]], bool]) -> None:
    assert not check(inclusions(wrong))
