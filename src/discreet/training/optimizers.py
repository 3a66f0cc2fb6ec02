"""Adam where gradients carry noise of a known size: without its share of the second moments, or with less of it.

Everything here sees released gradients and public numbers only, and so costs no privacy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)
# Of the noise's variance: the least that is left of a second moment when the noise is taken away.
LEAST_LEFT = 0.1
# No tensor is scaled by more, up or down: one whose gradients vanish would take everybody's room under the norm.
WIDEST_SCALE = 8.0


class AdamBC(torch.optim.Optimizer):
    """Adam that subtracts the noise's variance from its second moments, with decoupled weight decay.

    Noise makes second moments of all coordinates alike, and Adam then is momentum with a small rate. Source: Tang et
    al. 2023 (arXiv 2312.14334), algorithm 1, with the floor as a share of the noise's variance.

    Args:
        groups: as of `torch.optim.AdamW`, each with `weight_decay`.
        lr: learning rate.
        noise_variance: of each number of a gradient; 0 makes it AdamW. *Public*
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, noise_variance: float) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})
        self._noise_variance = noise_variance

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Apply the gradients that the parameters carry."""
        for group in self.param_groups:
            self._apply_group(group)

    def _apply_group(self, group: dict[str, Any]) -> None:
        """Update every parameter of a group."""
        for parameter in group["params"]:
            self._apply(parameter, group["lr"], group["weight_decay"])

    def _apply(self, parameter: nn.Parameter, lr: float, weight_decay: float) -> None:
        """One parameter's update."""
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        first, second = (1 - beta ** float(state["step"]) for beta in BETAS)
        state["exp_avg"].lerp_(gradient, 1 - BETAS[0])
        state["exp_avg_sq"].lerp_(gradient.square(), 1 - BETAS[1])
        left = (state["exp_avg_sq"] / second - self._noise_variance).clamp(min=LEAST_LEFT * self._noise_variance)
        parameter.mul_(1 - lr * weight_decay)
        parameter.addcdiv_(state["exp_avg"], left.sqrt() + 1e-8, value=-lr / first)


def tensor_scales(optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]) -> dict[str, float]:
    """What each tensor's gradients are multiplied with before they are clipped: more where second moments are small.

    Relative to the root mean square of all, so that equal ones leave everything as it is. Before the first step, 1.

    Source: scale-then-privatise, Ganesh et al. 2025 (arXiv 2507.01129), here with one scale a tensor, under which
    norms without gradients stay exact.

    Args:
        optimizer: an Adam, after any number of released steps. *Public*
        parameters: by name.
    """
    means: dict[str, float] = {}
    for name, parameter in parameters.items():
        moments: Tensor | None = optimizer.state.get(parameter, {}).get("exp_avg_sq")
        means[name] = 0.0 if moments is None else float(moments.mean(dtype=torch.float64))
    numbers = sum(parameter.numel() for parameter in parameters.values())
    overall = sum(means[name] * parameter.numel() for name, parameter in parameters.items()) / numbers
    return {name: _scale(overall, mean) for name, mean in means.items()}


def _scale(overall: float, mean: float) -> float:
    """Root of a ratio of second moments, within bounds."""
    ratio = math.sqrt(overall / mean) if mean > 0 else (WIDEST_SCALE if overall > 0 else 1.0)
    return min(max(ratio, 1 / WIDEST_SCALE), WIDEST_SCALE)
