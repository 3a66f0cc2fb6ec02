"""Points at which masks are compared: drawn, chosen and read.

A point is (x, y) in 0–1 of the picture. Mask logits are read bilinearly; a target's value is that
of the pixel the point falls into, so that an ignored pixel is ignored exactly.

Shapes: N rows, C masks, L outputs, M matched masks, K targets, P points, H W pixels, h w cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from discreet.m2fp.output import MASK_STRIDE
from discreet.m2fp.targets import Targets


def draw(shape: Sequence[int], generator: torch.Generator, device: torch.device) -> Tensor:
    """Uniform in 0–1; always float32, so that every precision sees the same points."""
    return torch.rand(*shape, generator=generator, dtype=torch.float32).to(device)


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


def read_each(masks_LMhw: Tensor, points_LMP2: Tensor, size: Sequence[int]) -> Tensor:
    """Mask logits where each mask has points of its own: [L, M, P]."""
    read = read_logits(masks_LMhw.flatten(0, 1)[:, None], points_LMP2.flatten(0, 1), size)
    return read.squeeze(1).unflatten(0, masks_LMhw.shape[:2])


def pixels(points: Tensor, size: Sequence[int]) -> Tensor:
    """Index, row by row, of the pixel each point falls into."""
    height, width = size
    x = (points[..., 0] * width).long().clamp(max=width - 1)
    y = (points[..., 1] * height).long().clamp(max=height - 1)
    return y * width + x


def read_targets(targets: Targets, indices_LM: Tensor, points_LMP2: Tensor) -> tuple[Tensor, Tensor]:
    """Value of each chosen target at its points, and where it is valid: both [L, M, P], 0 or 1."""
    device, dtype = points_LMP2.device, points_LMP2.dtype
    where = pixels(points_LMP2, targets.valid.shape)
    valid = targets.valid.to(device).flatten()[where]
    inside = targets.masks.to(device).flatten(1)[indices_LM[:, :, None], where] & valid
    return inside.to(dtype), valid.to(dtype)


def choose_points(
    masks_LMhw: Tensor,
    size: Sequence[int],
    num_points: int,
    oversample_ratio: float,
    importance_share: float,
    generator: torch.Generator,
) -> Tensor:
    """Mostly where a mask is least certain, the rest anywhere: [L, M, P, 2]."""
    lead, device = masks_LMhw.shape[:2], masks_LMhw.device
    num_candidates, num_uncertain = int(num_points * oversample_ratio), int(num_points * importance_share)
    candidates = draw((*lead, num_candidates, 2), generator, device)
    anywhere = draw((*lead, num_points - num_uncertain, 2), generator, device)
    doubt = -read_each(masks_LMhw, candidates.to(masks_LMhw.dtype), size).abs()
    chosen = doubt.flatten(0, 1).topk(num_uncertain, dim=1, sorted=False).indices
    rows = torch.arange(len(chosen), device=device)[:, None]
    uncertain = candidates.flatten(0, 1)[rows, chosen].unflatten(0, lead)
    return torch.cat((uncertain, anywhere), dim=2)
