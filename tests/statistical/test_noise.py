"""The noise's distribution; each check also rejects noise that is a little wrong."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, kstest, norm

from discreet.privacy.keys import RunKey
from discreet.privacy.noise import GaussianNoise, standard_normal

COUNT = 100_000
LIKELY = 1e-4  # keys are fixed: a check passes always or never
Noise = Callable[[int, str], NDArray[np.float64]]


def drawn(step: int, name: str) -> np.random.Generator:
    """Of a step and a name, so that a test alone sees what it sees in company."""
    return np.random.default_rng([2, step, *name.encode()])


def scale_is_right(noise: Noise) -> bool:
    p = chi2.cdf((noise(0, "a") ** 2).sum(), COUNT)
    return 2 * min(p, 1 - p) > LIKELY


def centre_is_right(noise: Noise) -> bool:
    return 2 * norm.sf(abs(noise(0, "a").mean()) * math.sqrt(COUNT)) > LIKELY


def shape_is_right(noise: Noise) -> bool:
    return kstest(noise(0, "a"), "norm").pvalue > LIKELY


def tails_are_right(noise: Noise) -> bool:
    """As many numbers beyond three deviations as there should be."""
    expected = 2 * norm.sf(3) * COUNT
    found = (np.abs(noise(0, "a")) > 3).sum()
    return 2 * norm.sf(abs(found - expected) / math.sqrt(expected)) > LIKELY


def steps_are_apart(noise: Noise) -> bool:
    return _uncorrelated(noise(0, "a"), noise(1, "a"))


def names_are_apart(noise: Noise) -> bool:
    return _uncorrelated(noise(0, "a"), noise(0, "b"))


def numbers_are_apart(noise: Noise) -> bool:
    """Neither neighbours nor the two halves that come from the same uniforms hang together."""
    numbers = noise(0, "a")
    return all(
        _uncorrelated(f(numbers[:-lag]), f(numbers[lag:])) for lag in (1, 4096) for f in (lambda x: x, np.square)
    )


def _uncorrelated(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    z = np.corrcoef(first, second)[0, 1] * math.sqrt(len(first))
    return 2 * norm.sf(abs(z)) > LIKELY


def right(step: int, name: str) -> NDArray[np.float64]:
    return GaussianNoise(RunKey.for_tests(7), 1.0, 1.0, 1).noise_array(step, name, (COUNT,))


CHECKS = (
    scale_is_right, centre_is_right, shape_is_right, tails_are_right,
    steps_are_apart, names_are_apart, numbers_are_apart,
)  # fmt: skip


def two_percent_too_little(step: int, name: str) -> NDArray[np.float64]:
    return 0.98 * right(step, name)


def off_centre(step: int, name: str) -> NDArray[np.float64]:
    return right(step, name) + 0.02


def sum_of_four_uniforms(step: int, name: str) -> NDArray[np.float64]:
    return (drawn(step, name).random((4, COUNT)) - 0.5).sum(axis=0) * math.sqrt(3)


def heavy_tails(step: int, name: str) -> NDArray[np.float64]:
    return drawn(step, name).standard_t(12, COUNT) * math.sqrt(10 / 12)


def every_step_the_same(step: int, name: str) -> NDArray[np.float64]:
    return right(0, name)


def every_name_the_same(step: int, name: str) -> NDArray[np.float64]:
    return right(step, "a")


def sizes_that_repeat(step: int, name: str) -> NDArray[np.float64]:
    """Signs are fresh, but sizes come again every 4096 numbers: each number normal, together not independent."""
    stream = RunKey.for_tests(3).stream("noise", step, name)
    signs = np.where(stream.uint64(COUNT) & np.uint64(1), 1.0, -1.0)
    return np.resize(standard_normal(stream, 4096), COUNT) * signs


@pytest.mark.parametrize("check", CHECKS)
def test_the_noise_passes_every_check(check: Callable[[Noise], bool]) -> None:
    assert check(right)


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (two_percent_too_little, scale_is_right),
        (off_centre, centre_is_right),
        (sum_of_four_uniforms, shape_is_right),
        (sum_of_four_uniforms, tails_are_right),
        (heavy_tails, tails_are_right),
        (every_step_the_same, steps_are_apart),
        (every_name_the_same, names_are_apart),
        (sizes_that_repeat, numbers_are_apart),
    ],
)
def test_wrong_noise_is_rejected(wrong: Noise, check: Callable[[Noise], bool]) -> None:
    assert not check(wrong)
