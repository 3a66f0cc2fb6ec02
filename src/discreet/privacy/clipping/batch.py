"""What one backward pass has told so far: per-sample gradients, or norms and what sums follow from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from discreet.errors import ClippingError
from discreet.privacy.clipping.calls import LayerCall

# Numbers summed in float32 before float64 takes over; gradients of no more are short.
_SHORT = 4096


@dataclass(frozen=True)
class ShortRows:
    """Per-sample gradients of many small parameters side by side: one operation on all instead of a dozen on each.

    Args:
        names: of the parameters.
        together: [B, numbers of all].
    """

    names: list[str]
    together: Tensor

    def squares(self) -> Tensor:
        """Squared norms over all of them, float64 [B]."""
        return _squared_norms(self.together)


class Batch:
    """What one backward pass has told so far. *SENSITIVE*

    Args:
        loss_B: of its samples.
    """

    def __init__(self, loss_B: Tensor) -> None:
        self.loss_B = loss_B
        self.heard = False
        self.squares_B = torch.zeros(len(loss_B), dtype=torch.float64, device=loss_B.device)
        self.sums: dict[str, Tensor] = {}
        self._gradients: dict[str, Tensor] = {}
        self._deferred: dict[str, tuple[LayerCall, Tensor]] = {}

    def take(self, call: LayerCall, names: dict[str, str]) -> None:
        """Note one call of a layer, whose own parameters are called `names` in the module."""
        self.heard = True
        wanted: list[str] = []
        for key, name in names.items():
            if name in self.sums:
                raise ClippingError(
                    f"parameter {name} was clipped already; clip flat, or checkpoint without re-entrance"
                )
            earlier = self._deferred.pop(name, None)
            if earlier is not None:  # called again: norms do not add up, gradients do
                self._gradients[name] = earlier[0].gradients(["weight"])["weight"]
            if key == "weight" and name not in self._gradients and call.prefers_norm_alone():
                self._deferred[name] = (call, call.squared_norms())
            else:
                wanted.append(key)
        for key, gradient in call.gradients(wanted).items():
            earlier = self._gradients.get(names[key])
            self._gradients[names[key]] = gradient if earlier is None else earlier + gradient

    def holds_any(self, names: Sequence[str]) -> bool:
        """Whether gradients of some of these parameters wait to be clipped."""
        return any(name in self._gradients or name in self._deferred for name in names)

    def holds_short_alone(self, names: Sequence[str]) -> bool:
        """Whether all gradients of these parameters that wait have few numbers."""
        return all(self._is_short(name) for name in names if name in self._gradients or name in self._deferred)

    def _is_short(self, name: str) -> bool:
        return name in self._gradients and self._gradients[name][0].numel() <= _SHORT

    def short_rows(self, names: Sequence[str], scales: Mapping[str, float]) -> ShortRows:
        """Gradients of those of some parameters that have few numbers, taken out, times the parameters' scales."""
        short = [name for name in names if self._is_short(name)]
        rows = [self._gradients.pop(name).flatten(1) for name in short]
        if any(name in scales for name in short):
            rows = [row * scales.get(name, 1.0) for name, row in zip(short, rows, strict=True)]
        return ShortRows(short, torch.cat(rows, 1) if rows else self.loss_B.new_empty(len(self.loss_B), 0))

    def add_rows(self, rows: ShortRows, scale: Tensor, finite: Tensor | None, shapes: Sequence[torch.Size]) -> None:
        """As `add`, of several parameters at once; a scale a sample, [B], or one for each number, [B, numbers]."""
        summed = torch.split(_weighted(rows.together, scale, finite), [shape.numel() for shape in shapes])
        for name, part, shape in zip(rows.names, summed, shapes, strict=True):
            self.sums[name] = part.reshape(shape)

    def squares(self, name: str) -> Tensor:
        """Squared norms of a parameter's gradients, float64 [B]; zero where nothing reached it."""
        if name in self._deferred:
            return self._deferred[name][1]
        if name in self._gradients:
            return _squared_norms(self._gradients[name].flatten(1))
        return torch.zeros_like(self.squares_B)

    def add(self, name: str, scale_B: Tensor, finite_B: Tensor | None, shape: torch.Size) -> None:
        """Add a parameter's scaled gradients to the sum. A zero scale does not undo a NaN: those rows themselves go.

        `finite_B` is None where all are finite: asking an accelerator again for each parameter would hold it up.
        """
        if name in self._deferred:
            call, _ = self._deferred.pop(name)
            self.sums[name] = call.weighted_sum(scale_B, finite_B)
        elif name in self._gradients:
            self.sums[name] = _weighted(self._gradients.pop(name).flatten(1), scale_B, finite_B).reshape(shape)


def _weighted(rows: Tensor, scale: Tensor, finite: Tensor | None) -> Tensor:
    """The sum of rows [B, N] times their scale, [B] or [B, N]; what is not finite goes, whatever its scale."""
    if finite is not None:
        rows = rows.masked_fill(~(finite if finite.dim() == 2 else finite[:, None]), 0.0)
    scale = scale.to(rows.dtype)
    return scale @ rows if scale.dim() == 1 else (scale * rows).sum(0)


def _squared_norms(rows: Tensor) -> Tensor:
    """Squared Euclidean norm of each row, float64 [B].

    Float32 sums stay short: a long one can come out one percent short, and float64 throughout takes five times as long.
    """
    whole = rows.shape[1] // _SHORT * _SHORT
    pieces = [rows[:, :whole].reshape(len(rows), -1, _SHORT)] if whole else []
    pieces += [rows[:, None, whole:]] if whole < rows.shape[1] else []
    zero_B = rows.new_zeros(len(rows), dtype=torch.float64)
    return sum((torch.linalg.vector_norm(piece, dim=2).double().square().sum(1) for piece in pieces), zero_B)  # pyright: ignore
