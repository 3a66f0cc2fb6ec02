"""As many pictures as fit, and not one more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from discreet.errors import ConfigurationError
from discreet.m2fp import build, set_trainable
from discreet.privacy import PrivacyPlan
from discreet.privacy.keys import RunKey
from discreet.training import micro_batch
from discreet.training.gradients import PlainGradients, PrivateGradients, StepGradients
from discreet.training.micro_batch import largest_micro_batch, measured_micro_batch

MIB = 2**20


def step_of(fixed: int, a_picture: int) -> Callable[[int], int]:
    return lambda count: (fixed + a_picture * count) * MIB


@pytest.mark.parametrize(("available_mib", "found"), [(10_000, 64), (1000, 32), (400, 10), (200, 2), (165, 1)], ids=str)
def test_it_is_the_largest_that_leaves_a_reserve(available_mib: int, found: int) -> None:
    measure = step_of(100, 20)
    largest = largest_micro_batch(measure, available_bytes=available_mib * MIB, at_most=64)
    assert largest == found
    room = 0.75 * available_mib * MIB
    assert measure(largest) <= room
    assert largest == 64 or measure(largest + 1) > room


def test_memory_that_does_not_grow_is_no_bound() -> None:
    assert largest_micro_batch(step_of(100, 0), available_bytes=1000 * MIB, at_most=32) == 32


def test_where_not_even_one_fits_the_way_out_is_said() -> None:
    with pytest.raises(ConfigurationError, match="takes 300 MiB, and 150 may be taken; make"):
        largest_micro_batch(step_of(280, 20), available_bytes=200 * MIB, at_most=8)


def gradients_of(model: torch.nn.Module, private: bool, views: int) -> StepGradients:
    if not private:
        return PlainGradients(model, 100, 8, seed=0)
    plan = PrivacyPlan.for_noise(noise_multiplier=1.0, num_samples=100, expected_batch_size=8, num_steps=3, delta=1e-3)
    return PrivateGradients(model, plan, RunKey.for_tests(1), views=views)


@pytest.mark.parametrize(("private", "views"), [(True, 1), (True, 2), (False, 1)])
def test_on_this_machine_it_finds_one_and_leaves_nothing_behind(
    private: bool, views: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build("m2fp-lite", 21, seed=0)
    set_trainable(model, "decoder")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    gradients = gradients_of(model, private, views)
    found = measured_micro_batch(model, gradients, (64, 96), 20, at_most=6, views=views)
    assert found == 6 * views, "tiny pictures fit"
    # Noise would hide what is left in a release.
    left = gradients._clipper.take() if isinstance(gradients, PrivateGradients) else gradients.finish(0)
    assert bool(left) == private, "every parameter has a clipped sum, and nothing an ordinary gradient"
    assert all(not bool(total.any()) for total in left.values())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    held = micro_batch._status_bytes("VmRSS")
    monkeypatch.setattr(micro_batch, "_available_bytes", lambda device: held // 4)
    with pytest.raises(ConfigurationError, match="a step with one picture takes"):
        measured_micro_batch(model, gradients, (64, 96), 20, at_most=6, views=views)
    gradients.close()
