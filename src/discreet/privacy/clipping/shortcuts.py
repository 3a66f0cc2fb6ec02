"""Norms without gradients: where few positions meet a large weight, two small Gram matrices say how long a sample's
gradient is, and the clipped sum is one ordinary weight gradient once the norms are known.

Shapes: B samples, G groups, T positions, D inputs, P outputs of a group.
Source: ghost norm, Li et al., arXiv 2110.05679; book-keeping, Bu et al., arXiv 2210.00038.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from discreet.privacy.clipping.convolution import (
    as_positions,
    is_channels_last,
    is_pointwise,
    pointwise_tokens,
    weighted_weight,
)

# Measured on two CPU cores (`benchmarks/norm_choice.py`): what a number moved costs in multiply-adds, 3.3 … 5.5.
MULTIPLY_ADDS_A_NUMBER = 5.0
# Per-sample gradients are written once and read twice.
PASSES = 3
# Units in the last place by which blocked float sums of products can be off, with room.
LOST_BY_ROUNDING = 8.0


def prefers_norm_alone(layer: nn.Module, layer_input: Tensor, output_gradient: Tensor, views: int = 1) -> bool:
    """Whether a layer's weight is better clipped by its norm alone: faster, or nearly so and smaller.

    Depends on shapes alone, so that a resumed run repeats the same roundings. *Public*
    """
    if isinstance(layer, nn.Linear):
        inputs, outputs = layer.in_features, layer.out_features
        positions = output_gradient.shape[1:-1].numel()
        stored = layer_input[0].numel() + output_gradient[0].numel()
    elif isinstance(layer, nn.Conv2d) and layer.groups == 1:
        inputs, outputs = layer.weight[0].numel(), layer.out_channels
        positions = output_gradient.shape[2:].numel()
        stored = layer_input[0].numel() + output_gradient[0].numel()
    else:
        return False
    positions, stored = positions * views, stored * views
    gram = positions * positions * (inputs + outputs)
    moved = PASSES * inputs * outputs * MULTIPLY_ADDS_A_NUMBER
    return gram <= moved and stored <= inputs * outputs


def squared_norms(layer: nn.Module, layer_input: Tensor, output_gradient: Tensor, views: int = 1) -> Tensor:
    """Squared norm of each sample's weight gradient, rounded up, float64 [B / views]; the views of one add up.

    **Guarantees**: where positions cancel, float32 could call a long gradient short. What rounding can take away, here
    and in `weighted_sum`, is at most a few units in the last place of (Σ over t of |input t|·|gradient t|)²; that
    much is added, so that clipping by this norm bounds what is summed.
    """
    inputs, gradients = (
        rows.reshape(-1, views * rows.shape[1], rows.shape[2])
        for rows in _as_matrices(layer, layer_input, output_gradient)
    )
    seen = torch.bmm(inputs, inputs.transpose(1, 2))
    told = torch.bmm(gradients, gradients.transpose(1, 2))
    squares = (seen * told).sum((1, 2), dtype=torch.float64).clamp(min=0.0)
    lengths = inputs.square().sum(2, dtype=torch.float64) * gradients.square().sum(2, dtype=torch.float64)
    return squares + LOST_BY_ROUNDING * torch.finfo(inputs.dtype).eps * lengths.sqrt().sum(1).square()


def weighted_sum(layer: nn.Module, layer_input: Tensor, output_gradient: Tensor, scale_B: Tensor) -> Tensor:
    """The sum over samples of scale times weight gradient, of the weight's shape."""
    if isinstance(layer, nn.Conv2d) and not is_pointwise(layer):
        return weighted_weight(layer, layer_input, output_gradient, scale_B)
    inputs, gradients = _as_matrices(layer, layer_input, output_gradient)
    scaled = gradients * scale_B.to(gradients.dtype)[:, None, None]
    weight = scaled.flatten(0, 1).T @ inputs.flatten(0, 1)
    return weight.reshape(layer.weight.shape)  # pyright: ignore


def _as_matrices(layer: nn.Module, layer_input: Tensor, output_gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs [B, T, D] and output gradients [B, T, P]."""
    if isinstance(layer, nn.Conv2d) and is_pointwise(layer) and is_channels_last(layer_input):
        return pointwise_tokens(layer, layer_input, output_gradient)
    if isinstance(layer, nn.Conv2d):
        gradients, seen = as_positions(layer, layer_input, output_gradient)
        return seen[:, 0].transpose(1, 2), gradients[:, 0].transpose(1, 2)
    return as_tokens(layer_input), as_tokens(output_gradient)


def as_tokens(values: Tensor) -> Tensor:
    """[B, …, D] as [B, T, D]."""
    return values.reshape(values.shape[0], values.shape[1:-1].numel(), values.shape[-1])
