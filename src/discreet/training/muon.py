"""Muon: steps of matrices with all their singular values made alike, so that no direction is left behind.

It sees released gradients and public numbers only, and so costs no privacy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from discreet.training.optimizers import AdamBC

MOMENTUM = 0.95
# A quintic whose repeated use brings every singular value in (0, 1] near 1: five times is enough.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_TIMES = 5
# A step of orthogonal matrices is scaled to the root mean square that Adam's steps have, so that rates carry over.
_ADAM_RMS = 0.2


class Muon(AdamBC):
    """Orthogonalised momentum for groups with `orthogonal`, AdamW for all others; decoupled weight decay for both.

    PyTorch's own computes in bfloat16, twenty times slower on a processor without it, and takes no convolutions.

    Source: Jordan et al. 2024 (kellerjordan.github.io/posts/muon), scaled as in Liu et al. 2025 (arXiv 2502.16982).

    Args:
        groups: as of `torch.optim.AdamW`, each with `weight_decay` and `orthogonal`; kernels count as matrices of
            [output, input × height × width].
        lr: learning rate, of the size that AdamW takes.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float) -> None:
        super().__init__(groups, lr, noise_variance=0.0)

    def _apply_group(self, group: dict[str, Any]) -> None:
        """Update every parameter of a group."""
        if not group["orthogonal"]:
            super()._apply_group(group)
            return
        for parameter in group["params"]:
            self._turn(parameter, group["lr"], group["weight_decay"])

    def _turn(self, parameter: nn.Parameter, lr: float, weight_decay: float) -> None:
        """One matrix's update."""
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        step = orthogonal(gradient.lerp(state["momentum"], MOMENTUM).flatten(1))  # Nesterov's look ahead
        parameter.mul_(1 - lr * weight_decay)
        parameter.add_(step.reshape(parameter.shape), alpha=-lr * _ADAM_RMS * math.sqrt(max(step.shape)))


def orthogonal(matrix_MN: Tensor) -> Tensor:
    """The same singular vectors; singular values near 1 (0.7 to 1.2), but for those below norm / 500, [M, N]."""
    tall = matrix_MN.shape[0] > matrix_MN.shape[1]
    found = matrix_MN.T if tall else matrix_MN
    found = found / found.norm().clamp(min=1e-12)
    a, b, c = _QUINTIC
    for _ in range(_TIMES):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=b, alpha=c), found, beta=a)
    return found.T if tall else found
