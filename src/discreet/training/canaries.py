"""Canaries with known gradients through the private step as it is: sampler, clipper, noise.

Their coordinates lie in a table of their own, one row a canary; what is released there, `auditing.mechanism` judges.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from discreet.privacy.keys import RunKey
from discreet.privacy.plan import PrivacyPlan
from discreet.training.gradients import PrivateGradients
from discreet.training.loop import micro_batches

_MICRO_BATCH = 128
# Far above any norm that is clipped to.
_STEEP = 100.0


class CanaryModel(nn.Module):
    """A table with one number a canary; the loss of a canary is steep in its own number alone.

    Args:
        num_canaries: rows.
    """

    def __init__(self, num_canaries: int) -> None:
        super().__init__()
        self.table = nn.Embedding(num_canaries, 1)

    def forward(self, rows_B: Tensor) -> Tensor:
        """One loss a canary, [B]."""
        return _STEEP * self.table(rows_B[:, None]).sum((1, 2))


def release_at_canaries(
    plan: PrivacyPlan,
    key: RunKey,
    num_others: int,
    *,
    make: Callable[..., PrivateGradients] = PrivateGradients,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Run a plan whose units are canaries.

    Args:
        plan: `num_samples` of it are members. *Public*
        key: of the run.
        num_others: canaries that are not in the data.
        make: builds the step's gradients from (module, plan, key).

    Returns:
        what is released at members' and at others' coordinates, times divisor over C, [canaries, steps] each; and the
        sensitivity that the noise was scaled to, over C.
    """
    model = CanaryModel(plan.num_samples + num_others)
    gradients = make(model, plan, key)
    seen = np.empty((plan.num_samples + num_others, plan.num_steps))
    for step in range(plan.num_steps):
        for units in micro_batches(gradients.units(step), _MICRO_BATCH):
            gradients.add(model(torch.tensor(units)))
        released = gradients.finish(step)["table.weight"][:, 0].double().numpy()
        seen[:, step] = released * plan.expected_batch_size / plan.max_grad_norm
    gradients.close()
    return seen[: plan.num_samples], seen[plan.num_samples :], gradients.sensitivity / plan.max_grad_norm
