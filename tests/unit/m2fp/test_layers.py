import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from discreet.m2fp import absorb_statistics
from discreet.m2fp.layers import ConvNorm, FrozenBatchNorm2d, sine_positions
from m2fp.support import fill, small_model


def test_frozen_norm_never_trains():
    norm = fill(FrozenBatchNorm2d(3))
    before = {key: value.clone() for key, value in norm.state_dict().items()}
    assert not norm.training
    assert not norm.train().training
    features = torch.randn(4, 3, 5, 5)
    alone = norm(features[:1])
    assert torch.equal(norm(features)[:1], alone)
    assert all(torch.equal(value, before[key]) for key, value in norm.state_dict().items())
    expected = F.batch_norm(features, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    assert torch.equal(norm(features), expected)


def test_sine_positions_by_hand():
    """Channels: sine and cosine of the row at two speeds, then of the column."""
    codes = sine_positions(2, 3, 8, torch.zeros((), dtype=torch.float64)).unflatten(0, (2, 3))
    row, column = 2 / (2 + 1e-6) * 2 * math.pi, 1 / (3 + 1e-6) * 2 * math.pi
    slow = 10000**0.5
    expected = [f(angle / speed) for angle in (row, column) for speed in (1, slow) for f in (math.sin, math.cos)]
    torch.testing.assert_close(codes[1, 0], torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("groups", [1, 4])
def test_absorbed_statistics_leave_the_function_and_let_no_gradient_grow(groups: int):
    norm = FrozenBatchNorm2d(8, eps=1e-3)
    layer = fill(ConvNorm(nn.Conv2d(4, 8, 3, groups=groups, bias=False), norm).double())
    norm.running_var.copy_(torch.logspace(-4, 2, 8))
    deviation = (norm.running_var + norm.eps).sqrt()
    features = torch.randn(2, 4, 9, 9, dtype=torch.float64)
    before = layer(features)
    before.square().sum().backward()
    gradient = layer.conv.weight.grad
    assert gradient is not None
    expected = gradient * deviation.clamp(max=1)[:, None, None, None]
    layer.conv.weight.grad = None
    layer.absorb_statistics()
    after = layer(features)
    after.square().sum().backward()
    torch.testing.assert_close(after, before, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close((norm.running_var + norm.eps).sqrt(), deviation.clamp(min=1))
    torch.testing.assert_close(layer.conv.weight.grad, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["m2fp-lite", "m2fp-r50"])
def test_a_network_with_absorbed_statistics_is_the_same(name: str):
    model = small_model(name)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        before = model(images)
        absorb_statistics(model)
        once = {key: value.clone() for key, value in model.state_dict().items()}
        after = model(images)
        absorb_statistics(model)
    torch.testing.assert_close(after.mask_logits, before.mask_logits, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(after.class_logits, before.class_logits, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(dict(model.state_dict()), once, msg="twice is as once")
    norms = [part for part in model.modules() if isinstance(part, FrozenBatchNorm2d)]
    assert len(norms) > 15
    assert all(bool((norm.running_var + norm.eps).min() > 1 - 1e-9) for norm in norms)
