"""Points at which masks are compared: drawn, chosen and read.

A point is (x, y) in 0–1 of the picture. Mask logits are read bilinearly; a target's value is that
of the pixel the point falls into, so that an ignored pixel is ignored exactly.

Shapes: N rows, C masks, P points, H W pixels, h w cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from discreet.m2fp.output import MASK_STRIDE


def draw(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Uniform in 0–1, where the generator is; always float32, so that every precision sees the same points."""
    return torch.rand(*shape, generator=generator, dtype=torch.float32, device=generator.device)


def read_logits(masks_NChw: Tensor, points_NP2: Tensor, size: Sequence[int]) -> Tensor:
    """Mask logits at points that the C masks of a row share: [N, C, P].

    Args:
        masks_NChw: logits.
        points_NP2: in 0–1 of the picture.
        size: (H, W) of the picture; the cells reach beyond it where it is no multiple of the stride.
    """
    height, width = masks_NChw.shape[2:]
    reach = points_NP2.new_tensor([size[1] / (width * MASK_STRIDE), size[0] / (height * MASK_STRIDE)])
    grid = (points_NP2 * (2 * reach) - 1)[:, :, None]
    return F.grid_sample(masks_NChw, grid, padding_mode="border", align_corners=False).squeeze(3)


def read_each(masks_Nhw: Tensor, points_NP2: Tensor, size: Sequence[int]) -> Tensor:
    """Mask logits where each mask has points of its own: [N, P]."""
    return read_logits(masks_Nhw[:, None], points_NP2, size).squeeze(1)


def pixels(points: Tensor, size: Sequence[int]) -> Tensor:
    """Index, row by row, of the pixel each point falls into."""
    height, width = size
    x = (points[..., 0] * width).long().clamp(max=width - 1)
    y = (points[..., 1] * height).long().clamp(max=height - 1)
    return y * width + x


def choose_points(
    masks_Nhw: Tensor, size: Sequence[int], candidates_NP2: Tensor, num_uncertain: int, anywhere_NP2: Tensor
) -> Tensor:
    """Of each mask's candidates those where it is least certain, and the points anywhere: [N, P, 2]."""
    doubt = -read_each(masks_Nhw, candidates_NP2.to(masks_Nhw.dtype), size).abs()
    chosen = doubt.topk(num_uncertain, dim=1, sorted=False).indices
    rows = torch.arange(len(chosen), device=chosen.device)[:, None]
    return torch.cat((candidates_NP2[rows, chosen], anywhere_NP2), dim=1)
