"""Clip every sample's gradient to a fixed norm, and sum.

Layers keep their input; the backward pass hands each layer its output's gradient, from which
its per-sample gradients follow at once. Autograd itself never computes a weight gradient.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from discreet.errors import ClippingError
from discreet.privacy.clipping.gradients import has_sample_axis, per_sample_gradients
from discreet.privacy.clipping.taps import LayerTaps

ClippingStyle = Literal["flat", "per_layer", "automatic"]
STYLES: tuple[str, ...] = get_args(ClippingStyle)

# Room for rounding in norms and sums; the noise is scaled to it.
SENSITIVITY_SLACK = 1e-3
# γ of automatic clipping: keeps the direction of vanishing gradients (arXiv 2206.07136).
AUTOMATIC_STABILITY = 0.01


class Clipper:
    """Per-sample clipped gradient sums of one module.

    **Guarantees**
      - Adding or removing one sample changes what `take` returns by at most `sensitivity` in
        Euclidean norm over all parameters together, if `loss_B[b]` depends on sample b alone.
      - A sample whose loss or gradient is not finite adds exactly zero.
      - The norm is taken over exactly what is summed: layers called several times and
        parameters shared by layers are added up first.
      - What the clipper cannot account for raises; nothing is left out in silence.

    Styles: "flat" scales a sample by min(1, C/norm); "automatic" by C/(norm + 0.01);
    "per_layer" clips each of L layers to C/√L by itself.

    Args:
        module: its parameters with requires_grad are the trainable ones. Until `close`, its
            forward passes are recorded; `loss.backward()` outside `accumulate` is refused.
            Leaves outside of it (a criterion's own parameter) receive ordinary gradients.
        max_grad_norm: C. *Public*
        style: "flat", "per_layer" or "automatic".

    Raises:
        ClippingError: C is not positive, nothing is trainable, or a trainable parameter lives
            in a layer without a rule.
        IsolationError: a batch norm uses batch statistics.
    """

    def __init__(self, module: nn.Module, max_grad_norm: float, style: ClippingStyle = "flat") -> None:
        if isinstance(max_grad_norm, bool) or not (math.isfinite(max_grad_norm) and max_grad_norm > 0):
            raise ClippingError(f"max_grad_norm is {max_grad_norm}; it must be a finite number above 0, e.g. 1.0")
        if style not in STYLES:
            raise ClippingError(f"clipping style {style!r} is unknown; choose one of {', '.join(STYLES)}")
        self.max_grad_norm = float(max_grad_norm)
        self.style = style
        self._taps = LayerTaps(module, self._collect)
        names = list(self._taps.parameters)
        # Parameters that are clipped together.
        self._groups = self._taps.by_layer() if style == "per_layer" else [names]
        self._sums = self._zeros()
        self._closed = False
        self._batch: int | None = None
        self._pending: dict[str, Tensor] = {}

    @property
    def sensitivity(self) -> float:
        """Bound on one sample's influence on the sum, rounding included; the noise scales with it. *Public*"""
        return self.max_grad_norm * (1 + SENSITIVITY_SLACK)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the trainable parameters, in the module's order. *Public*"""
        return tuple(self._taps.parameters)

    def accumulate(self, loss_B: Tensor) -> Tensor:
        """Run one backward pass and add the clipped gradients to the sum.

        Args:
            loss_B: one number a sample, computed by the module since the last call. *SENSITIVE*

        Returns:
            per-sample gradient norms before clipping, float64 [B]. *SENSITIVE*

        Raises:
            ClippingError: the loss is not one number a sample, or a layer saw another number of
                samples, or a parameter was used outside its layer. The sum is as before.
        """
        if self._closed:
            raise ClippingError("this Clipper is closed, and sees no gradient; build a new one")
        if loss_B.dim() != 1:
            raise ClippingError(f"the loss has shape {list(loss_B.shape)}; give one number a sample, [B], not a mean")
        if loss_B.shape[0] == 0:
            return loss_B.new_zeros(0, dtype=torch.float64)
        if not loss_B.requires_grad:
            raise ClippingError("the loss reaches no trainable layer; compute it with gradients on, through the module")
        self._taps.check_unchanged()
        with self._collecting(loss_B.shape[0]):
            loss_B.sum().backward()  # pyright: ignore[reportUnknownMemberType]
            return self._add_clipped(self._pending, loss_B)

    def take(self) -> dict[str, Tensor]:
        """The clipped sum so far, by parameter name, float32 (float64 for float64 parameters); starts anew.

        Zeros where no sample came: an empty batch is a step like any other. *SENSITIVE* until noised.
        """
        sums, self._sums = self._sums, self._zeros()
        return sums

    def close(self) -> None:
        """Detach: the module is as it was before. What was accumulated can still be taken."""
        self._closed = True
        self._taps.close()

    def __enter__(self) -> Clipper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _zeros(self) -> dict[str, Tensor]:
        """An empty sum."""
        return {
            name: torch.zeros_like(parameter, dtype=torch.promote_types(parameter.dtype, torch.float32))
            for name, parameter in self._taps.parameters.items()
        }

    @contextmanager
    def _collecting(self, batch: int) -> Generator[None]:
        """Layers may report gradients of `batch` samples inside; what they reported is dropped at the end."""
        self._batch, self._pending = batch, {}
        try:
            yield
        finally:
            self._batch, self._pending = None, {}

    def _collect(
        self, name: str, layer: nn.Module, layer_input: Tensor, output_gradient: Tensor, names: dict[str, str]
    ) -> None:
        """Take one layer call's per-sample gradients, adding to those of earlier calls."""
        if self._batch is None:
            raise ClippingError(
                "backward() was called on a module that a Clipper holds; use clipper.accumulate(loss_B)"
            )
        shape = list(layer_input.shape)
        if not has_sample_axis(layer, layer_input) or {shape[0], output_gradient.shape[0]} != {self._batch}:
            raise ClippingError(
                f"layer {name} was called with an input of shape {shape}, but the loss has {self._batch} samples; "
                "put the sample first in every layer's input (windows and queries are not samples)"
            )
        with torch.no_grad():
            for key, gradient in per_sample_gradients(layer, layer_input, output_gradient, names).items():
                earlier = self._pending.get(names[key])
                self._pending[names[key]] = gradient if earlier is None else earlier + gradient

    @torch.no_grad()
    def _add_clipped(self, gradients: dict[str, Tensor], loss_B: Tensor) -> Tensor:
        """Scale each sample's gradient, add to the sum, return the norms."""
        squares = {name: _norms(gradient.flatten(1)).square() for name, gradient in gradients.items()}
        zero_B = torch.zeros(loss_B.shape[0], dtype=torch.float64, device=loss_B.device)
        norms_B = sum(squares.values(), zero_B).sqrt()
        finite_B = norms_B.isfinite() & loss_B.isfinite()
        for group in self._groups:
            present = [name for name in group if name in gradients]
            group_norms_B = sum((squares[name] for name in present), zero_B).sqrt()
            scale_B = torch.where(finite_B, self._scale(group_norms_B), 0.0)
            for name in present:
                # A zero weight does not undo a NaN: the rows themselves must go.
                rows = gradients[name].flatten(1)
                rows = rows if bool(finite_B.all()) else rows.masked_fill(~finite_B[:, None], 0.0)
                total = self._sums[name]
                total += (scale_B.to(rows.dtype) @ rows).reshape(total.shape).to(total.dtype)
        return norms_B

    def _scale(self, norms_B: Tensor) -> Tensor:
        """The factor by which each sample's gradient is multiplied, float64 [B].

        Zero where float32 would no longer hold the factor to full precision, at norms beyond 1e37·C.
        """
        bound = self.max_grad_norm / math.sqrt(len(self._groups))
        if self.style == "automatic":
            scale_B = bound / (norms_B + AUTOMATIC_STABILITY)
        else:
            scale_B = (bound / norms_B).clamp(max=1.0)
        return scale_B.where(scale_B >= torch.finfo(torch.float32).tiny, 0.0)


def _norms(rows: Tensor) -> Tensor:
    """Euclidean norm of each row, summed in float64: a long float32 sum can come out one percent short."""
    return torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)  # pyright: ignore
