"""Which query answers for which target, within one picture; several pictures at once.

Shapes: B pictures, L outputs, Q queries, C classes, K targets (of the picture with most), M = min(Q, K) matches of a
picture, P points, h w cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils.rnn import pad_sequence

from discreet.m2fp.points import pixels, read_logits
from discreet.m2fp.targets import Targets

_HUGE = 1e30


def match(
    class_logits_BLQC: Tensor,
    mask_logits: Sequence[Tensor],
    targets: Sequence[Targets],
    points_BLP2: Tensor,
    weights: tuple[float, float, float],
) -> list[tuple[Tensor, Tensor]]:
    """The cheapest one-to-one assignment of each picture and output: queries and targets, int64 [L, M], on the CPU.

    Args:
        class_logits_BLQC: finite.
        mask_logits: of each output, [B, Q, h, w], finite.
        targets: one a picture, all of one size. *SENSITIVE*
        points_BLP2: where masks are compared.
        weights: of class probability, binary cross-entropy and dice.
    """
    costs_BLQK = _costs(class_logits_BLQC, mask_logits, targets, points_BLP2, weights).double().cpu().numpy()
    # Sums over huge, finite logits may be infinite; such a picture must not stop the others, nor be seen to.
    costs_BLQK = np.nan_to_num(costs_BLQK, nan=_HUGE, posinf=_HUGE, neginf=-_HUGE)
    found: list[tuple[Tensor, Tensor]] = []
    for costs_LQK, target in zip(costs_BLQK, targets, strict=True):
        pairs = np.array([linear_sum_assignment(costs_QK[:, : len(target.labels)]) for costs_QK in costs_LQK])
        queries_LM, chosen_LM = torch.from_numpy(pairs).unbind(1)
        found.append((queries_LM, chosen_LM))
    return found


def _costs(
    class_logits_BLQC: Tensor,
    mask_logits: Sequence[Tensor],
    targets: Sequence[Targets],
    points_BLP2: Tensor,
    weights: tuple[float, float, float],
) -> Tensor:
    """Cost of every pair, [B, L, Q, K]; where a picture has fewer targets, the last ones mean nothing."""
    dtype, device, size = class_logits_BLQC.dtype, class_logits_BLQC.device, targets[0].valid.shape
    points = points_BLP2.to(dtype)
    logits = torch.stack([read_logits(masks, points[:, k], size) for k, masks in enumerate(mask_logits)], dim=1)
    where = pixels(points, size)
    pictures = torch.arange(len(targets), device=device)
    valid = torch.stack([target.valid for target in targets]).to(device).flatten(1)[pictures[:, None, None], where]
    masks_BKT = pad_sequence([target.masks.flatten(1) for target in targets], batch_first=True).to(device)
    kinds = torch.arange(masks_BKT.shape[1], device=device)
    read = masks_BKT[pictures[:, None, None, None], kinds[:, None], where[:, :, None]]
    inside = (read & valid[:, :, None]).to(dtype)  # [B, L, K, P]
    valid = valid.to(dtype)[:, :, None]
    # −log(1 − p) at every point, and what changes where the target is inside.
    outside_cost = (F.softplus(logits) * valid).sum(3, keepdim=True)
    entropy = (outside_cost - logits @ inside.transpose(2, 3)) / valid.sum(3, keepdim=True).clamp(min=1)
    probability = logits.sigmoid() * valid
    overlap = probability @ inside.transpose(2, 3)
    area = probability.sum(3, keepdim=True) + inside.sum(3)[:, :, None]
    dice = 1 - (2 * overlap + 1) / (area + 1)
    labels_BK = pad_sequence([target.labels for target in targets], batch_first=True).to(device)
    wanted = labels_BK[:, None, None].expand(*logits.shape[:3], -1)
    class_probability = class_logits_BLQC.softmax(3).gather(3, wanted)
    return weights[0] * -class_probability + weights[1] * entropy + weights[2] * dice
