"""Low-rank adapters: beside each frozen linear layer two thin ones that train, merged into it before its release.

With noise in every trained coordinate, fewer coordinates are less noise.
Source: Hu et al., LoRA, arXiv 2106.09685; Yu et al., Differentially Private Fine-tuning, arXiv 2110.06500.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

RANK = 8
_SEED = 0


class LowRankLinear(nn.Module):
    """A frozen linear layer and its adapter: x → base(x) + up(down(x)); at first the adapter adds nothing."""

    def __init__(self, base: nn.Linear, generator: torch.Generator, rank: int = RANK) -> None:
        super().__init__()
        rank = min(rank, base.in_features, base.out_features)
        self.base = base
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)
        with torch.no_grad():
            self.down.weight.normal_(std=base.in_features**-0.5, generator=generator)
            self.up.weight.zero_()
        self.to(dtype=base.weight.dtype, device=base.weight.device)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, …, D] to [B, …, P]."""
        return self.base(tokens) + self.up(self.down(tokens))

    def merged(self) -> nn.Linear:
        """The one linear layer that computes the same."""
        with torch.no_grad():
            self.base.weight.add_((self.up.weight.double() @ self.down.weight.double()).to(self.base.weight.dtype))
        return self.base


def add_adapters(model: nn.Module, keep: str) -> None:
    """Give every linear layer of a network an adapter, in place, but for the one called `keep`; the same each time."""
    generator = torch.Generator().manual_seed(_SEED)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name != keep:
            _replace(model, name, LowRankLinear(layer, generator))


def merge_adapters(model: nn.Module) -> None:
    """Put every adapter into its layer, in place: the network has the keys it had, and computes the same."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, LowRankLinear):
            _replace(model, name, layer.merged())


def _replace(model: nn.Module, name: str, layer: nn.Module) -> None:
    """Put another layer in the place called `name`."""
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, layer)
