"""Pixel decoders: from backbone features to mask features and three levels of context.

Shapes: B pictures, D width, T tokens, H W cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from discreet.m2fp.attention import Attention
from discreet.m2fp.deformable import DeformableLayer, cell_places
from discreet.m2fp.layers import (
    Chain,
    ConvNorm,
    FeedForward,
    flatten_cells,
    look_up_all,
    resize,
    sine_positions,
    unflatten_cells,
)

NUM_LEVELS = 3
_NUM_GROUPS = 32


@dataclass(frozen=True)
class PixelFeatures:
    """What the query decoder reads.

    Args:
        mask_features: [B, D, H/4, W/4].
        levels: [B, D, h, w] at strides 32, 16, 8, in this order.
    """

    mask_features: Tensor
    levels: list[Tensor]


def _conv_group_norm(inputs: int, outputs: int, kernel: int, *, bias: bool = False, groups: int = 1) -> ConvNorm:
    """A convolution that keeps the size, and a group norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=bias)
    nn.init.kaiming_uniform_(conv.weight, a=1)
    return ConvNorm(conv, nn.GroupNorm(_NUM_GROUPS, outputs))


def _input_projection(inputs: int, width: int) -> ConvNorm:
    """1×1 convolution with a bias, and a group norm."""
    projection = _conv_group_norm(inputs, width, 1, bias=True)
    nn.init.xavier_uniform_(projection.conv.weight)
    nn.init.zeros_(projection.conv.bias)  # pyright: ignore[reportArgumentType]
    return projection


def _mask_head(width: int) -> nn.Conv2d:
    """1×1 convolution to the features that queries are multiplied with."""
    conv = nn.Conv2d(width, width, 1)
    nn.init.kaiming_uniform_(conv.weight, a=1)
    nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType]
    return conv


class DeformablePixelDecoder(Chain):
    """Deformable attention over strides 32, 16 and 8, then one step of a feature pyramid to stride 4.

    Source: Cheng et al. 2021 (arXiv 2112.01527), MSDeformAttn pixel decoder.
    """

    def __init__(
        self, channels: Sequence[int], width: int, num_layers: int, num_heads: int, num_points: int, width_hidden: int
    ) -> None:
        super().__init__()
        finest, *others = channels
        self.input_proj = nn.ModuleList(_input_projection(inputs, width) for inputs in reversed(others))
        self.level_embed = nn.Embedding(NUM_LEVELS, width)
        self.layers = nn.ModuleList(
            DeformableLayer(width, num_heads, NUM_LEVELS, num_points, width_hidden) for _ in range(num_layers)
        )
        self.mask_features = _mask_head(width)
        self.adapter_1 = _conv_group_norm(finest, width, 1)
        self.layer_1 = _conv_group_norm(width, width, 3)

    def forward(self, features: Sequence[Tensor]) -> PixelFeatures:
        finest, *others = features
        projected = [project(level) for project, level in zip(self.input_proj, reversed(others), strict=True)]
        sizes = [(level.shape[2], level.shape[3]) for level in projected]
        tokens = torch.cat([flatten_cells(level) for level in projected], dim=1)
        positions = self._positions(sizes, tokens)
        places = cell_places(sizes, tokens)
        for layer in self.layers:
            tokens = self.run(layer, tokens, positions, places, sizes)
        split = tokens.split([height * width for height, width in sizes], dim=1)
        levels = [unflatten_cells(part, *size) for part, size in zip(split, sizes, strict=True)]
        merged = self.adapter_1(finest) + resize(levels[-1], finest.shape[2:])
        return PixelFeatures(self.mask_features(F.relu(self.layer_1(merged))), levels)

    def _positions(self, sizes: Sequence[tuple[int, int]], tokens_BTD: Tensor) -> Tensor:
        """Where a token is, and on which level: [B, T, D]."""
        level_BLD = look_up_all(self.level_embed, tokens_BTD.shape[0])
        width = tokens_BTD.shape[2]
        return torch.cat(
            [sine_positions(*size, width, tokens_BTD) + level_BLD[:, k, None] for k, size in enumerate(sizes)], dim=1
        )


class PyramidStep(nn.Module):
    """Add finer features to coarser ones, and mix: depthwise 5×5, then 1×1."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.lateral = _conv_group_norm(inputs, width, 1)
        self.spread = _conv_group_norm(width, width, 5, groups=width)
        self.mix = _conv_group_norm(width, width, 1)

    def forward(self, finer: Tensor, coarser: Tensor) -> Tensor:
        merged = self.lateral(finer) + resize(coarser, finer.shape[2:])
        return merged + F.relu(self.mix(F.relu(self.spread(merged))))


class LitePixelDecoder(Chain):
    """Self-attention where it is cheap (stride 32), then a feature pyramid of separable convolutions.

    Source: attention on the coarsest level alone, Zhao et al. 2023 (arXiv 2304.08069), section 4.2.
    """

    def __init__(self, channels: Sequence[int], width: int, num_heads: int, width_hidden: int) -> None:
        super().__init__()
        *finer, coarsest = channels
        self.input_proj = _conv_group_norm(coarsest, width, 1)
        self.attention = Attention(width, num_heads)
        self.norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, width_hidden)
        self.steps = nn.ModuleList(PyramidStep(inputs, width) for inputs in reversed(finer))
        self.mask_features = _mask_head(width)

    def forward(self, features: Sequence[Tensor]) -> PixelFeatures:
        *finer, coarsest = features
        levels = [self._attend(self.input_proj(coarsest))]
        for step, level in zip(self.steps, reversed(finer), strict=True):
            levels.append(self.run(step, level, levels[-1]))
        return PixelFeatures(self.mask_features(levels[-1]), levels[:NUM_LEVELS])

    def _attend(self, features_BDHW: Tensor) -> Tensor:
        """Let every cell of the coarsest level see the whole picture."""
        height, width = features_BDHW.shape[2:]
        tokens = flatten_cells(features_BDHW)
        placed = tokens + sine_positions(height, width, tokens.shape[2], tokens)
        tokens = self.norm(tokens + self.attention(placed, placed, tokens))
        return unflatten_cells(self.feed_forward(tokens), height, width)
