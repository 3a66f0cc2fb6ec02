"""Multi-scale deformable attention: each query reads a few points on each level.

Shapes: B pictures, T tokens of all levels together, M heads, L levels, P points, D width.
Source: Zhu et al. 2020 (arXiv 2010.04159), section 4.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from discreet.m2fp.layers import FeedForward

Sizes = Sequence[tuple[int, int]]


class DeformableAttention(nn.Module):
    """Learned offsets around a query's own place, and learned weights for what is read there."""

    def __init__(self, width: int, num_heads: int, num_levels: int, num_points: int) -> None:
        super().__init__()
        self.num_heads, self.num_levels, self.num_points = num_heads, num_levels, num_points
        num_reads = num_heads * num_levels * num_points
        self.sampling_offsets = nn.Linear(width, num_reads * 2)
        self.attention_weights = nn.Linear(width, num_reads)
        self.value_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)
        self._initialise()

    def forward(self, query_BTD: Tensor, places_T2: Tensor, value_BTD: Tensor, sizes: Sizes) -> Tensor:
        """Read values around each query's place.

        Args:
            query_BTD: float.
            places_T2: each query's own place, (x, y) in 0–1.
            value_BTD: the tokens of all levels, one level after another.
            sizes: (height, width) of each level.
        """
        heads, levels, points = self.num_heads, self.num_levels, self.num_points
        values = self.value_proj(value_BTD).unflatten(2, (heads, -1))
        offsets = self.sampling_offsets(query_BTD).unflatten(2, (heads, levels, points, 2))
        weights = self.attention_weights(query_BTD).unflatten(2, (heads, levels * points))
        weights_BTMLP = weights.softmax(-1).unflatten(3, (levels, points))
        # Offsets count cells of their level.
        cells_L2 = places_T2.new_tensor([(width, height) for height, width in sizes])
        read_at = places_T2[:, None, None, None] + offsets / cells_L2[:, None]
        return self.output_proj(read_points(values, sizes, read_at, weights_BTMLP))

    def _initialise(self) -> None:
        """Each head looks into its own direction, each point one cell farther; equal weights."""
        angles_M = torch.arange(self.num_heads) * (2 * math.pi / self.num_heads)
        directions_M2 = torch.stack((angles_M.cos(), angles_M.sin()), dim=1)
        directions_M2 = directions_M2 / directions_M2.abs().amax(1, keepdim=True)
        steps_P = torch.arange(1, self.num_points + 1)
        bias = directions_M2[:, None, None] * steps_P[:, None]
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(bias.expand(-1, self.num_levels, -1, -1).flatten())
        nn.init.zeros_(self.sampling_offsets.weight)
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for projection in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)


def read_points(values_BTMD: Tensor, sizes: Sizes, read_at_BTMLP2: Tensor, weights_BTMLP: Tensor) -> Tensor:
    """Weighted sum of bilinear reads over levels and points; outside a level there is zero. [B, T, M·D]."""
    batch, _, heads = values_BTMD.shape[:3]
    grids = 2 * read_at_BTMLP2.transpose(1, 2).flatten(0, 1) - 1
    weights = weights_BTMLP.transpose(1, 2).flatten(0, 1)
    by_level = values_BTMD.split([height * width for height, width in sizes], dim=1)
    total = None
    for level, (height, width) in enumerate(sizes):
        maps = by_level[level].permute(0, 2, 3, 1).flatten(0, 1).unflatten(2, (height, width))
        read = F.grid_sample(maps, grids[:, :, level], mode="bilinear", padding_mode="zeros", align_corners=False)
        weighted = (read * weights[:, None, :, level]).sum(-1)
        total = weighted if total is None else total + weighted
    assert total is not None, "there is at least one level"
    return total.unflatten(0, (batch, heads)).permute(0, 3, 1, 2).reshape(batch, grids.shape[1], -1)


def cell_places(sizes: Sizes, like: Tensor) -> Tensor:
    """Centres of the cells of every level, (x, y) in 0–1: [T, 2]."""
    places = []
    for height, width in sizes:
        y = (torch.arange(height, dtype=like.dtype, device=like.device) + 0.5) / height
        x = (torch.arange(width, dtype=like.dtype, device=like.device) + 0.5) / width
        places.append(torch.stack((x.expand(height, width), y[:, None].expand(height, width)), dim=2).flatten(0, 1))
    return torch.cat(places)


class DeformableLayer(nn.Module):
    """Deformable self-attention and a feed-forward part, norms after them."""

    def __init__(self, width: int, num_heads: int, num_levels: int, num_points: int, width_hidden: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(width, num_heads, num_levels, num_points)
        self.norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, width_hidden)

    def forward(self, tokens_BTD: Tensor, positions_BTD: Tensor, places_T2: Tensor, sizes: Sizes) -> Tensor:
        attended = self.attention(tokens_BTD + positions_BTD, places_T2, tokens_BTD, sizes)
        return self.feed_forward(self.norm(tokens_BTD + attended))
