"""An optimizer, a cosine schedule and a moving average: what happens to a gradient once it may be used.

All of it is post-processing: it sees released gradients and public numbers only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from discreet.training.checkpoint import optimizer_tensors, restore_optimizer
from discreet.training.muon import Muon
from discreet.training.optimizers import BETAS, AdamBC, tensor_scales
from discreet.training.settings import TrainingSettings

_BACKBONE = "backbone."


class Optimization:
    """Weights, optimizer moments and moving average of one run.

    Args:
        module: its parameters with requires_grad are trained.
        settings: learning rates, decay, warm-up, EMA. *Public*
        num_steps: length of the schedule. *Public*
        noise_variance: of each number of a gradient. *Public*
    """

    def __init__(
        self, module: nn.Module, settings: TrainingSettings, num_steps: int, noise_variance: float = 0.0
    ) -> None:
        self._parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self._settings = settings
        self._num_steps = num_steps
        self._turned = _matrices(module) if settings.optimizer == "muon" else set[int]()
        self._ema = {name: p.detach().clone() for name, p in self._parameters.items()}
        if settings.optimizer == "adam-bc":
            self._optimizer = AdamBC(self._groups(), settings.learning_rate, noise_variance)
        elif settings.optimizer == "muon":
            self._optimizer = Muon(self._groups(), settings.learning_rate)
        else:
            self._optimizer = torch.optim.AdamW(self._groups(), lr=settings.learning_rate, betas=BETAS)

    def step(self, gradients: Mapping[str, Tensor], step: int) -> None:
        """Apply one step's gradient (by parameter name; missing ones are zero)."""
        for name, parameter in self._parameters.items():
            gradient = gradients.get(name)
            parameter.grad = torch.zeros_like(parameter) if gradient is None else gradient.to(parameter.dtype)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * schedule(step, self._num_steps, self._settings.warmup_steps)
        self._optimizer.step()
        decay = min(self._settings.ema_decay, (1 + step) / (10 + step))
        for name, parameter in self._parameters.items():
            parameter.grad = None
            self._ema[name].lerp_(parameter.detach(), 1 - decay)

    def scales(self) -> dict[str, float]:
        """How the next step's gradients are to be scaled before they are clipped, by name."""
        if self._settings.optimizer != "scale-then-privatise":
            return {}
        return tensor_scales(self._optimizer, self._parameters)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Everything a later process needs to go on, as named tensors."""
        weights = {name: p.detach() for name, p in self._parameters.items()}
        return {"weights": weights, "optimizer": optimizer_tensors(self._optimizer), "ema": dict(self._ema)}

    def restore(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Go on from what `state` returned."""
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(state["weights"][name])
                self._ema[name].copy_(state["ema"][name])
        restore_optimizer(self._optimizer, state.get("optimizer", {}))

    def use_average(self) -> None:
        """Put the moving average in place of the weights."""
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(self._ema[name])

    def _groups(self) -> list[dict[str, Any]]:
        """Backbone and the rest at their own rates; scales, shifts and tables without weight decay; matrices apart."""
        groups: dict[tuple[bool, bool, bool], list[nn.Parameter]] = {}
        for name, parameter in self._parameters.items():
            decays = parameter.dim() > 1 and "embed" not in name
            kind = (name.startswith(_BACKBONE), decays, decays and id(parameter) in self._turned)
            groups.setdefault(kind, []).append(parameter)
        settings = self._settings
        return [
            {
                "params": parameters,
                "peak": settings.learning_rate * (settings.backbone_learning_rate if backbone else 1.0),
                "weight_decay": settings.weight_decay if decays else 0.0,
                "orthogonal": orthogonal,
            }
            for (backbone, decays, orthogonal), parameters in groups.items()
        ]


def _matrices(module: nn.Module) -> set[int]:
    """Identities of the weights that multiply whole vectors: of linear layers and dense convolutions."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    return {id(layer.weight) for layer in layers if getattr(layer, "groups", 1) == 1}


def schedule(step: int, num_steps: int, warmup_steps: int) -> float:
    """Linear warm-up, then half a cosine down to zero; a factor of the peak rate."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(num_steps - warmup_steps, 1)
    return 0.5 * (1 + math.cos(math.pi * progress))
