"""Adam under noise of a known size."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from discreet.privacy import PrivacyPlan
from discreet.privacy.keys import RunKey
from discreet.training.gradients import PrivateGradients
from discreet.training.optimizers import LEAST_LEFT, WIDEST_SCALE, AdamBC, tensor_scales


def parameter(numbers: int = 1000) -> nn.Parameter:
    return nn.Parameter(torch.zeros(numbers))


def after_steps(optimizer: torch.optim.Optimizer, held: nn.Parameter, gradients: list[Tensor]) -> Tensor:
    for gradient in gradients:
        held.grad = gradient.clone()
        optimizer.step()
    return held.detach().clone()


def test_without_noise_it_is_adam() -> None:
    gradients = [torch.randn(50) for _ in range(6)]
    first, second = parameter(50), parameter(50)
    groups = [{"params": [first], "weight_decay": 0.1}]
    found = after_steps(AdamBC(groups, 0.01, 0.0), first, gradients)
    wanted = after_steps(torch.optim.AdamW([second], 0.01, weight_decay=0.1), second, gradients)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)


def test_noise_is_taken_out_of_the_second_moments() -> None:
    """Two thirds of the numbers have no gradient, a third have one as large as the noise: its steps are Adam's own."""
    generator = torch.Generator().manual_seed(1)
    signal = torch.zeros(3000)
    signal[:1000] = 1.0
    gradients = [signal + torch.randn(3000, generator=generator) for _ in range(400)]
    moved = {}
    for variance in (0.0, 1.0):
        held = parameter(3000)
        optimizer = AdamBC([{"params": [held]}], 1e-3, variance)
        after_steps(optimizer, held, gradients[:-1])
        before = held.detach().clone()
        moved[variance] = float(-(after_steps(optimizer, held, gradients[-1:]) - before)[:1000].mean()) / 1e-3
    assert moved[0.0] == pytest.approx(1 / math.sqrt(2), rel=0.1), "the noise halves the square of a step"
    assert moved[1.0] == pytest.approx(1.0, rel=0.1)


def test_where_only_noise_is_left_the_floor_holds() -> None:
    held = parameter(1)
    optimizer = AdamBC([{"params": [held]}], 1.0, 4.0)
    moved = after_steps(optimizer, held, [torch.tensor([1.0])])
    assert float(moved) == pytest.approx(-1 / math.sqrt(LEAST_LEFT * 4.0), rel=1e-6)


def test_scales_even_out_second_moments() -> None:
    parameters = {"large": parameter(100), "small": parameter(100), "still": parameter(1)}
    optimizer = torch.optim.AdamW(parameters.values())
    assert tensor_scales(optimizer, parameters) == dict.fromkeys(parameters, 1.0)
    for name, size in (("large", 3.0), ("small", 1.0), ("still", 0.0)):
        parameters[name].grad = torch.full_like(parameters[name], size)
    optimizer.step()
    found = tensor_scales(optimizer, parameters)
    assert found["small"] / found["large"] == pytest.approx(3.0, rel=1e-6)
    assert found["large"] == pytest.approx(math.sqrt((900 + 100) / 201) / 3.0, rel=1e-6)
    assert found["still"] == WIDEST_SCALE


def test_equal_moments_leave_everything_as_it_is() -> None:
    parameters = {"a": parameter(10), "b": parameter(90)}
    optimizer = torch.optim.AdamW(parameters.values())
    for held in parameters.values():
        held.grad = torch.ones_like(held)
    optimizer.step()
    assert tensor_scales(optimizer, parameters) == pytest.approx({"a": 1.0, "b": 1.0})


@pytest.mark.parametrize("scales", [{}, {"0.weight": 4.0, "1.weight": 0.5}], ids=["equal", "unequal"])
def test_noise_is_added_to_scaled_sums_and_scaled_back(scales: dict[str, float]) -> None:
    module = nn.Sequential(nn.Linear(100, 100, bias=False), nn.Linear(100, 50, bias=False))
    plan = PrivacyPlan.for_noise(noise_multiplier=2.0, num_samples=100, expected_batch_size=8, num_steps=3, delta=1e-3)
    gradients = PrivateGradients(module, plan, RunKey.for_tests(1))
    gradients.rescale(scales)
    released = gradients.finish(0)
    gradients.close()
    for name, gradient in released.items():
        deviation = math.sqrt(gradients.noise_variance) / scales.get(name, 1.0)
        assert float(gradient.std()) == pytest.approx(deviation, rel=0.04), "no sample came: this is noise alone"


def test_what_is_released_is_the_mean_of_clipped_gradients_whatever_the_scales() -> None:
    """Almost without noise, and under a norm that clips nobody."""
    module = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 1))
    plan = PrivacyPlan.for_noise(
        noise_multiplier=1e-9, num_samples=100, expected_batch_size=8, num_steps=1, delta=1e-3, max_grad_norm=1e3
    )  # fmt: skip
    rows, found = torch.randn(6, 4), []
    for scales in ({}, {"0.weight": 4.0, "1.bias": 0.5}):
        gradients = PrivateGradients(module, plan, RunKey.for_tests(1))
        gradients.rescale(scales)
        gradients.add(module(rows).square().sum(1))
        found.append(dict(gradients.finish(0)))
        gradients.close()
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)
