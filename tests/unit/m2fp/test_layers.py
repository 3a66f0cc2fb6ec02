import math

import torch
from torch.nn import functional as F  # noqa: N812

from discreet.m2fp.layers import FrozenBatchNorm2d, sine_positions
from m2fp.support import fill


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
