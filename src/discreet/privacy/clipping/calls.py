"""One call of a layer, as the backward pass tells of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from discreet.errors import ClippingError
from discreet.privacy.clipping import shortcuts
from discreet.privacy.clipping.exact import without_autocast
from discreet.privacy.clipping.gradients import per_sample_gradients


@dataclass
class LayerCall:
    """A layer, what it was called with, and the gradient its output received. *SENSITIVE*

    Args:
        name: of the layer, for messages.
        layer: one that has a rule.
        layer_input: [B, …].
        output_gradient: of the summed loss, [B, …].
        views: rows that belong to one sample, one after the other; B is the number of samples times this.
        wants_input: whether the gradient of the input is asked for; `gradients` computes it beside the others.

    Attributes:
        input_gradient: [B, …], once it was computed.
    """

    name: str
    layer: nn.Module
    layer_input: Tensor
    output_gradient: Tensor
    views: int = 1
    wants_input: bool = False
    input_gradient: Tensor | None = field(default=None, init=False)
    _versions: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._versions = self._now()

    def gradients(self, wanted: Collection[str]) -> dict[str, Tensor]:
        """Per-sample gradients of "weight", "bias" or both, each [B / views, *shape]; see `per_sample_gradients`."""
        self._check_unchanged()
        asked = {*wanted, "input"} if self.wants_input else wanted
        found = per_sample_gradients(self.layer, self.layer_input, self.output_gradient, asked)
        if self.wants_input:
            self.input_gradient = found.pop("input").to(self.layer_input.dtype)
        if self.views == 1:
            return found
        return {key: rows.reshape(-1, self.views, *rows.shape[1:]).sum(1) for key, rows in found.items()}

    def prefers_norm_alone(self) -> bool:
        """Whether the weight is better clipped by its norm alone. *Public*: shapes decide."""
        return shortcuts.prefers_norm_alone(self.layer, self.layer_input, self.output_gradient, self.views)

    def squared_norms(self) -> Tensor:
        """Squared norms of the weight's per-sample gradients, float64 [B / views]."""
        layer_input, gradient = self._wide()
        with without_autocast(gradient.device.type):
            return shortcuts.squared_norms(self.layer, layer_input, gradient, self.views)

    def weighted_sum(self, scale_B: Tensor, finite_B: Tensor | None) -> Tensor:
        """The weight's gradients times their scale, summed, without samples that are not finite (None: all are finite).

        Raises:
            ClippingError: somebody changed input or gradient in place since the norms were taken.
        """
        self._check_unchanged()
        layer_input, gradient = self._wide()
        scale_B = scale_B.repeat_interleave(self.views)
        if finite_B is not None:
            if not bool(finite_B.any()):
                return torch.zeros_like(self.layer.weight, dtype=gradient.dtype)  # pyright: ignore
            finite_B = finite_B.repeat_interleave(self.views)
            layer_input, gradient, scale_B = layer_input[finite_B], gradient[finite_B], scale_B[finite_B]
        with without_autocast(gradient.device.type):
            return shortcuts.weighted_sum(self.layer, layer_input, gradient, scale_B)

    def _wide(self) -> tuple[Tensor, Tensor]:
        """Input and gradient in float32 at least."""
        wide = torch.promote_types(self.output_gradient.dtype, torch.float32)
        return self.layer_input.to(wide), self.output_gradient.to(wide)

    def _now(self) -> tuple[int, int]:
        return self.layer_input._version, self.output_gradient._version

    def _check_unchanged(self) -> None:
        """A norm of other numbers than those that are summed would bound nothing."""
        if self._now() != self._versions:
            raise ClippingError(
                f"input or gradient of layer {self.name} was changed in place during the backward pass; use new tensors"
            )
