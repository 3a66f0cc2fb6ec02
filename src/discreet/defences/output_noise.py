"""Noise on what a network says: it blurs every answer, and guarantees nothing for those who were trained on.

Whoever asks often enough averages it away, and weights that leave carry none of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from discreet.errors import ConfigurationError
from discreet.m2fp import M2FP, Decisions, M2FPOutput

Logits = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class OutputNoise:
    """How answers are blurred. *Public*

    Args:
        class_noise, mask_noise: standard deviation of what is added to class and mask logits.
        smooth_cells: masks are averaged over so many cells each way; 0 leaves contours as they are.

    Raises:
        ConfigurationError: a number that is negative or not finite, or nothing that blurs.
    """

    class_noise: float = 0.0
    mask_noise: float = 0.0
    smooth_cells: int = 0

    def __post_init__(self) -> None:
        if not all(0 <= given < math.inf for given in (self.class_noise, self.mask_noise, self.smooth_cells)):
            raise ConfigurationError("class_noise, mask_noise and smooth_cells are finite, and 0 or more")
        if not (self.class_noise or self.mask_noise or self.smooth_cells):
            raise ConfigurationError("output noise that changes nothing; give class_noise, mask_noise or smooth_cells")


class BlurredM2FP(M2FP):
    """A network whose every answer is blurred anew.

    Args:
        model: whose weights are copied.
        noise: how.
        seed: of the noise, so that a measurement can be repeated.
    """

    def __init__(self, model: M2FP, noise: OutputNoise, seed: int = 0) -> None:
        super().__init__(model.shape)
        self.load_state_dict(model.state_dict())
        self._noise = noise
        self._generator = torch.Generator().manual_seed(seed)

    def forward(self, images_B3HW: Tensor, decisions: Decisions | None = None) -> M2FPOutput:
        """As of M2FP, blurred after every layer: an attacker sees no more than the answer."""
        output = super().forward(images_B3HW, decisions)
        *auxiliary, (classes, masks) = [self._blurred(both) for both in output.outputs()]
        return M2FPOutput(classes, masks, auxiliary=auxiliary)

    def infer(self, images_B3HW: Tensor) -> Logits:
        """As of M2FP, blurred."""
        return self._blurred(super().infer(images_B3HW))

    def _blurred(self, logits: Logits) -> Logits:
        classes, masks = (tensor.float() for tensor in logits)
        cells = self._noise.smooth_cells
        if cells:
            # Beyond the edge lies what lies at the edge.
            padded = F.pad(masks, (cells,) * 4, mode="replicate")
            masks = F.avg_pool2d(padded, 2 * cells + 1, stride=1)
        return (
            classes + self._noise.class_noise * self._drawn(classes),
            masks + self._noise.mask_noise * self._drawn(masks),
        )

    def _drawn(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self._generator).to(like)
