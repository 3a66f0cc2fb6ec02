"""Sampler and noise: repeatable by key and step, apart from each other, exact where they must be."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from discreet.errors import PlanError
from discreet.privacy.keys import RunKey
from discreet.privacy.noise import GaussianNoise, standard_normal
from discreet.privacy.sampling import PoissonSampler, included

KEY = RunKey.for_tests(0)


def noise_of(noise_multiplier: float = 2.0, sensitivity: float = 0.5, divisor: int = 8) -> GaussianNoise:
    return GaussianNoise(KEY, noise_multiplier, sensitivity, divisor)


def test_a_batch_belongs_to_its_key_and_step() -> None:
    sampler = PoissonSampler(KEY, 500, 0.2)
    assert np.array_equal(sampler.batch(3), PoissonSampler(RunKey.for_tests(0), 500, 0.2).batch(3))
    assert not np.array_equal(sampler.batch(3), sampler.batch(4))
    assert not np.array_equal(sampler.batch(3), PoissonSampler(RunKey.for_tests(1), 500, 0.2).batch(3))


def test_a_batch_is_ascending_units_without_repetition() -> None:
    batch = PoissonSampler(KEY, 500, 0.2).batch(0)
    assert batch.dtype == np.int64
    assert (np.diff(batch) > 0).all()
    assert 0 <= batch.min() <= batch.max() < 500


def test_batches_may_be_empty_or_everything() -> None:
    assert len(PoissonSampler(KEY, 3, 1e-9).batch(0)) == 0
    assert PoissonSampler(KEY, 3, 1.0).batch(0).tolist() == [0, 1, 2]


def test_a_unit_added_at_the_end_changes_nobody_elses_coin() -> None:
    small, large = PoissonSampler(KEY, 99, 0.3).batch(2), PoissonSampler(KEY, 100, 0.3).batch(2)
    assert np.array_equal(small, large[large < 99])


def test_coins_are_compared_as_integers() -> None:
    threshold = int(0.3 * 2**64)
    draws = np.array([0, threshold - 1, threshold, threshold + 1, 2**64 - 1], np.uint64)
    assert included(draws, 0.3).tolist() == [True, True, False, False, False]


@pytest.mark.parametrize(("num_units", "rate"), [(0, 0.5), (5, 0.0), (5, 1.01), (5, math.nan)])
def test_a_sampler_of_nothing_is_refused(num_units: int, rate: float) -> None:
    with pytest.raises(PlanError):
        PoissonSampler(KEY, num_units, rate)
    with pytest.raises(PlanError, match="from 0"):
        PoissonSampler(KEY, 5, 0.5).batch(-1)


def test_noise_is_the_same_alone_and_within_a_larger_array() -> None:
    stream = KEY.stream("noise", 0, "x")
    whole = standard_normal(stream, 100_001)  # filled by several threads
    for count in (0, 1, 7, 8192, 8193, 40_000):
        assert np.array_equal(standard_normal(stream, count), whole[:count])


def test_a_step_done_again_is_the_same_release() -> None:
    sums = {"a": torch.randn(3, 4), "b": torch.randn(())}
    first, again = noise_of().privatise(sums, 5), noise_of().privatise(sums, 5)
    assert all(torch.equal(first[name], again[name]) for name in sums)


def test_every_step_and_name_has_noise_of_its_own() -> None:
    zeros = {"a": torch.zeros(100), "b": torch.zeros(100)}
    one, two = noise_of().privatise(zeros, 0), noise_of().privatise(zeros, 1)
    assert not torch.equal(one["a"], one["b"])
    assert not torch.equal(one["a"], two["a"])


def test_a_release_is_sum_and_noise_over_the_fixed_divisor_in_float64() -> None:
    sums = torch.tensor([1e6, -3.25, 1 / 3], dtype=torch.float64)
    noise = noise_of()
    expected = (sums.numpy() + noise.noise_array(2, "w", (3,))) / 8
    released = noise.privatise({"w": sums}, 2)["w"]
    assert released.dtype == torch.float32
    assert np.array_equal(released.numpy(), expected.astype(np.float32))
    assert noise.noise_array(2, "w", (3, 0)).shape == (3, 0)


def test_the_noise_has_the_accounted_deviation() -> None:
    noise = noise_of(noise_multiplier=3.0, sensitivity=0.7)
    assert noise.standard_deviation == pytest.approx(2.1)
    assert noise.noise_array(0, "w", (200_000,)).std() == pytest.approx(2.1, rel=0.01)


def test_an_empty_batch_is_released_as_noise() -> None:
    released = noise_of().privatise({"w": torch.zeros(1000)}, 0)["w"]
    assert released.std().item() == pytest.approx(1.0 / 8, rel=0.1)


def test_sums_are_left_as_they_were() -> None:
    sums = {"w": torch.ones(5, dtype=torch.float64)}
    noise_of().privatise(sums, 0)
    assert torch.equal(sums["w"], torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_noise_that_is_none_or_endless_is_refused(bad: float) -> None:
    for arguments in ((bad, 1.0, 1), (1.0, bad, 1), (1.0, 1.0, bad)):
        with pytest.raises(PlanError):
            GaussianNoise(KEY, *arguments)  # type: ignore[arg-type]
