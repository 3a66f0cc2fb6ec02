"""Which query answers for which target, within one picture.

Shapes: L outputs, Q queries, C classes, K targets, M = min(Q, K) matches, P points, h w cells.
"""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from discreet.m2fp.points import pixels, read_logits
from discreet.m2fp.targets import Targets


def match(
    class_logits_LQC: Tensor,
    mask_logits_LQhw: Tensor,
    targets: Targets,
    points_LP2: Tensor,
    weights: tuple[float, float, float],
) -> tuple[Tensor, Tensor]:
    """The cheapest one-to-one assignment for each output: query and target indices, both int64 [L, M].

    Args:
        class_logits_LQC, mask_logits_LQhw: finite.
        targets: of this picture. *SENSITIVE*
        points_LP2: where masks are compared.
        weights: of class probability, binary cross-entropy and dice.
    """
    costs_LQK = _costs(class_logits_LQC, mask_logits_LQhw, targets, points_LP2, weights)
    pairs = [linear_sum_assignment(cost_QK) for cost_QK in costs_LQK.double().cpu().numpy()]
    queries = torch.stack([torch.from_numpy(rows) for rows, _ in pairs])
    chosen = torch.stack([torch.from_numpy(columns) for _, columns in pairs])
    return queries.to(class_logits_LQC.device), chosen.to(class_logits_LQC.device)


def _costs(
    class_logits_LQC: Tensor,
    mask_logits_LQhw: Tensor,
    targets: Targets,
    points_LP2: Tensor,
    weights: tuple[float, float, float],
) -> Tensor:
    """Cost of every pair, [L, Q, K]."""
    dtype, device = class_logits_LQC.dtype, class_logits_LQC.device
    points = points_LP2.to(dtype)
    logits = read_logits(mask_logits_LQhw, points, targets.valid.shape)
    where = pixels(points, targets.valid.shape)
    valid = targets.valid.to(device).flatten()[where]
    inside = (targets.masks.to(device).flatten(1)[:, where] & valid).transpose(0, 1).to(dtype)  # [L, K, P]
    valid = valid.to(dtype)[:, None]
    # −log(1 − p) at every point, and what changes where the target is inside.
    outside_cost = (F.softplus(logits) * valid).sum(2, keepdim=True)
    entropy = (outside_cost - logits @ inside.transpose(1, 2)) / valid.sum(2, keepdim=True).clamp(min=1)
    probability = logits.sigmoid() * valid
    overlap = probability @ inside.transpose(1, 2)
    area = probability.sum(2, keepdim=True) + inside.sum(2)[:, None]
    dice = 1 - (2 * overlap + 1) / (area + 1)
    class_probability = class_logits_LQC.softmax(2)[:, :, targets.labels.to(device)]
    return weights[0] * -class_probability + weights[1] * entropy + weights[2] * dice
