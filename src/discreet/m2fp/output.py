"""What M2FP says of a batch of pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

# One cell of the mask logits covers this many pixels on a side.
MASK_STRIDE = 4


@dataclass(frozen=True)
class M2FPOutput:
    """Classes and masks of every query; B pictures, Q queries, C classes, H W pixels.

    Args:
        class_logits: [B, Q, C+1]; the last class is "no object".
        mask_logits: [B, Q, ceil(H/4), ceil(W/4)].
        auxiliary: the same two after each earlier layer, first layer first; for deep supervision.
    """

    class_logits: Tensor
    mask_logits: Tensor
    auxiliary: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def outputs(self) -> list[tuple[Tensor, Tensor]]:
        """(class_logits, mask_logits) of every layer, the final one last."""
        return [*self.auxiliary, (self.class_logits, self.mask_logits)]
