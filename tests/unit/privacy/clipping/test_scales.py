"""Tensors that share the room under the clipping norm unequally: the bound stays what it was."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from discreet.errors import ClippingError
from discreet.privacy import Clipper
from discreet.privacy.clipping.clipper import ClippingStyle

SCALES = {"0.weight": 4.0, "0.bias": 0.25, "3.weight": 2.0}


def network() -> nn.Sequential:
    """The last layer is clipped by its norm alone, the others by kept gradients."""
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.LayerNorm(6), nn.Linear(6, 300)).double()


def losses(module: nn.Module, rows: Tensor) -> Tensor:
    return module(rows).square().sum(1)


def of_each(module: nn.Module, rows: Tensor) -> list[dict[str, Tensor]]:
    """Plain gradients, sample by sample."""
    found: list[dict[str, Tensor]] = []
    for row in rows:
        module.zero_grad()
        losses(module, row[None]).sum().backward()
        found.append({name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None})
    module.zero_grad()
    return found


@pytest.mark.parametrize("style", ["flat", "per_layer", "automatic"])
def test_the_sum_is_of_scaled_gradients_clipped_by_their_own_norm(style: ClippingStyle) -> None:
    module, rows = network(), torch.randn(5, 4, dtype=torch.float64)
    singles = of_each(module, rows)
    layers = [["0.weight", "0.bias"], ["2.weight", "2.bias"], ["3.weight", "3.bias"]]
    groups = layers if style == "per_layer" else [[*layers[0], *layers[1], *layers[2]]]
    bound = 0.3 / math.sqrt(len(groups))
    wanted = {name: torch.zeros_like(p) for name, p in module.named_parameters()}
    for gradients in singles:
        scaled = {name: SCALES.get(name, 1.0) * gradient for name, gradient in gradients.items()}
        for group in groups:
            norm = math.sqrt(sum(float(scaled[name].square().sum()) for name in group))
            factor = bound / (norm + 0.01) if style == "automatic" else min(1.0, bound / norm)
            for name in group:
                wanted[name] += factor * scaled[name]
    with Clipper(module, 0.3, style) as clipper:
        clipper.rescale(SCALES)
        clipper.accumulate(losses(module, rows))
        found = clipper.take()
    for name, total in wanted.items():
        torch.testing.assert_close(found[name], total, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("style", ["flat", "per_layer", "automatic"])
def test_no_scale_lets_a_sample_move_the_sum_further(style: ClippingStyle) -> None:
    module = network()
    with Clipper(module, 0.3, style) as clipper:
        for power in (-30, -3, 0, 3, 30):
            clipper.rescale({name: 10.0 ** (power if "weight" in name else -power) for name in clipper.parameter_names})
            clipper.accumulate(losses(module, 10 * torch.randn(1, 4, dtype=torch.float64)))
            moved = math.sqrt(sum(float(total.double().square().sum()) for total in clipper.take().values()))
            assert moved <= clipper.sensitivity


def test_scales_that_cannot_be_meant() -> None:
    module = network()
    with Clipper(module, 0.3) as clipper:
        with pytest.raises(ClippingError, match=r"9\.weight is no trainable parameter; scale one of 0\.weight"):
            clipper.rescale({"9.weight": 1.0})
        for scale in (0.0, -1.0, math.inf, math.nan):
            with pytest.raises(ClippingError, match="finite number above 0"):
                clipper.rescale({"0.weight": scale})
        clipper.accumulate(losses(module, torch.randn(2, 4, dtype=torch.float64)))
        clipper.rescale({})
        with pytest.raises(ClippingError, match=r"take\(\) it first"):
            clipper.rescale(SCALES)
        clipper.take()
        clipper.rescale(SCALES)
