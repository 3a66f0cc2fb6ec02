"""Small layers that every part of the network shares.

Every trainable parameter of M2FP lives in a Linear, Conv2d, GroupNorm, LayerNorm, BatchNorm2d
(frozen statistics) or Embedding, each called with the picture as leading axis: the per-sample
clipper knows these six and no others.

Shapes: B pictures, D channels, H W pixels, Q rows.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint


class FrozenBatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose statistics are public constants; scale and shift may train.

    It never enters training mode, because statistics over a batch would couple its pictures.
    """

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__(num_features, eps=eps)
        self.train(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode whatever is asked."""
        return super().train(False)


class ConvNorm(nn.Module):
    """A convolution without bias, and its norm."""

    def __init__(self, conv: nn.Conv2d, norm: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm

    def forward(self, features_BDHW: Tensor) -> Tensor:
        return self.norm(self.conv(features_BDHW))

    @torch.no_grad()
    def absorb_statistics(self) -> None:
        """Divide weights by the deviations below 1 that a frozen norm divides by: the same function, none below 1 left.

        A gradient is as much larger as the deviation is smaller. Where that is a tenth, as after depthwise layers, a
        few small tensors fill the clipping norm alone. Deviations above 1 stay: without them gradients would grow.
        """
        if isinstance(self.norm, FrozenBatchNorm2d):
            assert self.norm.running_mean is not None
            assert self.norm.running_var is not None
            variance_D = self.norm.running_var + self.norm.eps
            divisor_D = variance_D.sqrt().clamp(max=1)
            self.conv.weight.div_(divisor_D[:, None, None, None])
            self.norm.running_mean.div_(divisor_D)
            self.norm.running_var.copy_(variance_D.clamp(min=1) - self.norm.eps)


class Chain(nn.Module):
    """A part whose layers run one after the other, and may be checkpointed.

    `activation_checkpointing`: what a layer computes inside is not kept for the backward pass, which computes it
    again: less memory, about a third more time, the same numbers. Set it by `set_activation_checkpointing`.
    """

    activation_checkpointing = False

    def run(self, layer: nn.Module, *inputs: Any) -> Tensor:
        """One layer's output."""
        if self.activation_checkpointing and torch.is_grad_enabled():
            # No layer draws anything, so no random state needs keeping.
            return checkpoint(layer, *inputs, use_reentrant=False, preserve_rng_state=False)  # pyright: ignore
        return layer(*inputs)


class MLP(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, width_in: int, width_hidden: int, width_out: int, num_layers: int) -> None:
        super().__init__()
        widths = [width_in, *[width_hidden] * (num_layers - 1), width_out]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, features: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            features = F.relu(layer(features))
        return self.layers[-1](features)


class FeedForward(nn.Module):
    """Two linear layers, a residual connection and a norm after it."""

    def __init__(self, width: int, width_hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, width_hidden)
        self.linear2 = nn.Linear(width_hidden, width)
        self.norm = nn.LayerNorm(width)
        nn.init.xavier_uniform_(self.linear1.weight)
        nn.init.xavier_uniform_(self.linear2.weight)

    def forward(self, features_BTD: Tensor) -> Tensor:
        return self.norm(features_BTD + self.linear2(F.relu(self.linear1(features_BTD))))


def look_up_all(table: nn.Embedding, num_pictures: int) -> Tensor:
    """Every row of a learned table, once for each picture: [B, rows, D]."""
    rows = torch.arange(table.num_embeddings, device=table.weight.device)
    return table(rows.expand(num_pictures, -1))


def sine_positions(height: int, width: int, channels: int, like: Tensor) -> Tensor:
    """Sine position code of every cell, [H*W, channels]: rows in the first half, columns in the second.

    Source: Carion et al. 2020 (arXiv 2005.12872), normalised to one turn, temperature 10000.
    """
    half = channels // 2
    exponents = torch.arange(half, dtype=like.dtype, device=like.device).div(2, rounding_mode="floor") * 2 / half

    def code(length: int) -> Tensor:
        cells = torch.arange(1, length + 1, dtype=like.dtype, device=like.device)
        angles = (cells / (length + 1e-6) * 2 * math.pi)[:, None] / 10000**exponents
        return torch.stack((angles[:, 0::2].sin(), angles[:, 1::2].cos()), dim=2).flatten(1)

    rows = code(height)[:, None].expand(height, width, half)
    columns = code(width)[None].expand(height, width, half)
    return torch.cat((rows, columns), dim=2).flatten(0, 1)


def flatten_cells(features_BDHW: Tensor) -> Tensor:
    """A feature map as tokens: [B, H*W, D]."""
    return features_BDHW.flatten(2).transpose(1, 2)


def unflatten_cells(tokens_BTD: Tensor, height: int, width: int) -> Tensor:
    """Tokens as a feature map: [B, D, H, W]."""
    return tokens_BTD.transpose(1, 2).unflatten(2, (height, width))


def resize(features_BDHW: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Bilinear, cell centres aligned with cell centres."""
    return F.interpolate(features_BDHW, size=tuple(size), mode="bilinear", align_corners=False)
