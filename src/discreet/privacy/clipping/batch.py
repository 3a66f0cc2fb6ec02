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


class Batch:
    """What one backward pass has told so far. *SENSITIVE*

    Args:
        loss_B: of its samples.

    Attributes:
        heard: whether any layer has told of itself.
        ready: groups of parameters that can be clipped before the pass ends.
        num_held: numbers told since somebody last set this to zero.
        whole: where there is one sample, its gradient of each parameter, of the parameter's shape.
    """

    def __init__(self, loss_B: Tensor) -> None:
        self.loss_B = loss_B
        self.heard = False
        self.num_held = 0
        self.ready: list[list[str]] = []
        self.squares_B = torch.zeros(len(loss_B), dtype=torch.float64, device=loss_B.device)
        self.sums: dict[str, Tensor] = {}
        self.whole: dict[str, Tensor] = {}
        self._gradients: dict[str, Tensor] = {}
        self._deferred: dict[str, LayerCall] = {}
        self._squares: dict[str, Tensor] = {}

    def take(self, call: LayerCall, names: dict[str, str], *, is_whole: bool) -> None:
        """Note one call of a layer, whose own parameters are called `names` in the module.

        Where nothing more is to come of them, norms are taken at once, while gradients are close at hand.
        """
        self.heard = True
        wanted: list[str] = []
        for key, name in names.items():
            if name in self.sums:
                raise ClippingError(
                    f"parameter {name} was clipped already; clip flat, or checkpoint without re-entrance"
                )
            self._squares.pop(name, None)
            earlier = self._deferred.pop(name, None)
            if earlier is not None:  # called again: norms do not add up, gradients do
                self._gradients[name] = earlier.gradients(["weight"])["weight"]
            if key == "weight" and name not in self._gradients and call.prefers_norm_alone():
                self._deferred[name], self._squares[name] = call, call.squared_norms()[:, None]
                self.num_held += call.layer_input.numel() + call.output_gradient.numel()
            else:
                wanted.append(key)
        for key, gradient in call.gradients(wanted).items():
            name = names[key]
            earlier = self._gradients.get(name)
            self._gradients[name] = gradient if earlier is None else earlier + gradient
            self.num_held += gradient.numel()
            if is_whole and not self._is_short(name):
                self._squares[name] = _squared_norms(self._gradients[name].flatten(1))

    def take_whole(self, name: str, gradient: Tensor) -> None:
        """Note a parameter's gradient by the only sample. It stays autograd's own, and is only read."""
        self.heard = True
        earlier = self.whole.get(name)
        self.whole[name] = gradient if earlier is None else earlier + gradient

    def whole_squares(self) -> Tensor:
        """Squared norm of each of `whole`, float64; what is left of full pieces in one operation for all."""
        rows = [_wide(gradient).reshape(-1) for gradient in self.whole.values()]
        full = [len(row) // _SHORT for row in rows]
        rest = [row[count * _SHORT :] for row, count in zip(rows, full, strict=True)]
        pieces = [_piece_norms(row, count) for row, count in zip(rows, full, strict=True) if count]
        squares_N = self.squares_B.new_zeros(len(rows))
        for parts, counts in ((pieces, full), (rest, list(map(len, rest)))):
            if parts:
                of_N = torch.repeat_interleave(torch.tensor(counts, device=squares_N.device), output_size=sum(counts))
                squares_N.index_add_(0, of_N, torch.cat(parts).double().square_())
        return squares_N

    def holds(self, name: str) -> bool:
        """Whether a parameter's gradients wait to be clipped."""
        return name in self._gradients or name in self._deferred

    def _is_short(self, name: str) -> bool:
        return name in self._gradients and self._gradients[name][0].numel() <= _SHORT

    def short_rows(self, names: Sequence[str], scales: Mapping[str, float]) -> ShortRows:
        """Gradients of those of some parameters that have few numbers, taken out, times the parameters' scales."""
        short = [name for name in names if self._is_short(name)]
        rows = [self._gradients.pop(name).flatten(1) for name in short]
        if any(name in scales for name in short):
            rows = [row * scales.get(name, 1.0) for name, row in zip(short, rows, strict=True)]
        return ShortRows(short, torch.cat(rows, 1) if rows else self.loss_B.new_empty(len(self.loss_B), 0))

    def add_rows(
        self,
        rows: ShortRows,
        factor_BG: Tensor,
        finite_BG: Tensor | None,
        group_N: Tensor,
        like: Mapping[str, Tensor],
    ) -> None:
        """As `add`, of several parameters at once, each number by the factor of its group."""
        if finite_BG is not None:
            rows = ShortRows(rows.names, rows.together.masked_fill(~finite_BG[:, group_N], 0.0))
        factor_BN = factor_BG.to(rows.together.dtype).index_select(1, group_N)
        summed = torch.split((factor_BN * rows.together).sum(0), [like[name].numel() for name in rows.names])
        for name, part in zip(rows.names, summed, strict=True):
            self.sums[name] = part.reshape(like[name].shape)

    def squares(self, name: str, scale: float | None) -> Tensor:
        """Squared norms of pieces of a parameter's gradients, times the parameter's scale, float64 [B, pieces]."""
        found = self._squares.pop(name, None)
        if found is None:
            found = _squared_norms(self._gradients[name].flatten(1))
        return found if scale is None else found * scale**2

    def add(self, name: str, scale_B: Tensor, finite_B: Tensor | None, shape: torch.Size) -> None:
        """Add a parameter's scaled gradients, which are held, to the sum.

        A zero scale does not undo a NaN: those rows themselves go. `finite_B` is None where all are finite: asking an
        accelerator again for each parameter would hold it up.
        """
        if name in self._deferred:
            self.sums[name] = self._deferred.pop(name).weighted_sum(scale_B, finite_B)
        else:
            rows = self._gradients.pop(name).flatten(1)
            if finite_B is not None:
                rows = rows.masked_fill(~finite_B[:, None], 0.0)
            self.sums[name] = (scale_B.to(rows.dtype) @ rows).reshape(shape)


def _squared_norms(rows: Tensor) -> Tensor:
    """Squared Euclidean norms of each row's pieces, float64 [B, pieces].

    Float32 sums stay short: a long one can come out one percent short, and float64 throughout takes five times as long.
    """
    whole = rows.shape[1] // _SHORT * _SHORT
    pieces = [rows[:, :whole].reshape(len(rows), -1, _SHORT), rows[:, None, whole:]]
    norms: list[Tensor] = [torch.linalg.vector_norm(piece, dim=2) for piece in pieces if piece.shape[2]]  # pyright: ignore
    return torch.cat(norms, 1).double().square_()


def _wide(gradient: Tensor) -> Tensor:
    """In float32 at least."""
    return gradient.to(torch.promote_types(gradient.dtype, torch.float32))


def _piece_norms(row: Tensor, count: int) -> Tensor:
    """Norms of a gradient's full pieces."""
    return torch.linalg.vector_norm(row[: count * _SHORT].reshape(count, _SHORT), dim=1)  # pyright: ignore
