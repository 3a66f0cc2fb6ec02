"""Which part is in each cell of the mask logits, by all queries together: a loss that needs no matching.

Queries find their masks late; a training of few steps ends before. What the parser answers is read off all queries at
once, and that has a gradient everywhere from the first step on.

Shapes: B pictures, Q queries, P parts, h w cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from discreet.labels import IGNORED
from discreet.m2fp.output import MASK_STRIDE, M2FPOutput
from discreet.m2fp.targets import Targets

# Of a part's share in a cell: the least that a loss sees, so that no gradient is without bound.
_LEAST = 1e-4


def cells_of(targets: Targets, num_parts: int) -> Tensor:
    """The part in the middle of each cell of the mask logits, int64 [h, w]; whole persons are no part. *SENSITIVE*"""
    middle = slice(MASK_STRIDE // 2, None, MASK_STRIDE)
    num_masks = int((targets.labels < num_parts).sum())  # persons come last
    masks, labels = targets.masks[:num_masks, middle, middle], targets.labels[:num_masks].to(targets.masks.device)
    # Every labelled pixel is in exactly one of them.
    return torch.where(targets.valid[middle, middle], (masks * labels[:, None, None]).sum(0), IGNORED)


def cell_losses(output: M2FPOutput, targets: Sequence[Targets], num_parts: int) -> Tensor:
    """How surprising each picture's cells are, [B]: the mean over its parts of each part's mean over its cells.

    **Guarantees** loss[b] is a function of output[b] and targets[b].

    Args:
        output: of the model. *SENSITIVE*
        targets: one a picture. *SENSITIVE*
        num_parts: of the label set, background included. *Public*
    """
    dtype = torch.promote_types(output.class_logits.dtype, torch.float32)
    shares_BQP = output.class_logits.to(dtype).softmax(2)[..., :num_parts]
    masks_BQhw = output.mask_logits.to(dtype).sigmoid()
    scores_BPhw = torch.einsum("bqp,bqhw->bphw", shares_BQP, masks_BQhw) + _LEAST
    logs_BPhw = scores_BPhw.log() - scores_BPhw.sum(1, keepdim=True).log()
    parts_Bhw = torch.stack([cells_of(of_picture, num_parts) for of_picture in targets]).to(logs_BPhw.device)
    is_part_BPhw = parts_Bhw[:, None] == torch.arange(num_parts, device=parts_Bhw.device)[:, None, None]
    cells_BP = is_part_BPhw.sum((2, 3))
    surprise_BP = -(logs_BPhw * is_part_BPhw).sum((2, 3)) / cells_BP.clamp(min=1)
    return surprise_BP.sum(1) / (cells_BP > 0).sum(1).clamp(min=1)
