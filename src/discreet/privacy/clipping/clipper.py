"""Clip every sample's gradient to a fixed norm, and sum.

Layers keep their input; the backward pass hands each layer its output's gradient, from which its per-sample
gradients follow at once, or, where that is cheaper, only their norms: then input and gradient are kept until all
norms are known, and the clipped sum is one ordinary weight gradient. Autograd itself computes weight gradients only
where a batch is a single sample, whose own they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from discreet.errors import ClippingError
from discreet.privacy.clipping.batch import Batch
from discreet.privacy.clipping.calls import LayerCall
from discreet.privacy.clipping.exact import full_float32
from discreet.privacy.clipping.gradients import has_sample_axis
from discreet.privacy.clipping.taps import LayerTaps, backward_outside, rows_are_not_samples

ClippingStyle = Literal["flat", "per_layer", "automatic"]
STYLES: tuple[str, ...] = get_args(ClippingStyle)

# Room for rounding in norms and sums; the noise is scaled to it.
SENSITIVITY_SLACK = 1e-3
# Clipped layer by layer, so many numbers wait for one another, 16 MiB: they are still in a processor's cache.
_HELD = 2**22
# γ of automatic clipping: keeps the direction of vanishing gradients (arXiv 2206.07136).
AUTOMATIC_STABILITY = 0.01


class Clipper:
    """Per-sample clipped gradient sums of one module.

    **Guarantees**
      - Adding or removing one sample changes what `take` returns by at most `sensitivity` in
        Euclidean norm over all parameters together, if `loss_B[b]` depends on sample b alone.
      - A sample whose loss or gradient is not finite adds exactly zero ("per_layer": in each layer
        whose gradient is not finite).
      - The norm is taken over exactly what is summed: layers called several times and
        parameters shared by layers are added up first.
      - What the clipper cannot account for raises; nothing is left out in silence.

    Styles: "flat" scales a sample by min(1, C/norm); "automatic" by C/(norm + 0.01);
    "per_layer" clips each of L layers to C/√L by itself, and forgets it soon after.

    Args:
        module: its parameters with requires_grad are the trainable ones. Until `close`, its
            forward passes are recorded; `loss.backward()` outside `accumulate` is refused.
            Leaves outside of it (a criterion's own parameter) receive ordinary gradients.
        max_grad_norm: C. *Public*
        style: "flat", "per_layer" or "automatic".
        views: pictures that the module sees of each sample, one after the other, e.g. augmented views: their
            gradients are added up before the norm is taken. *Public*

    Raises:
        ClippingError: C is not positive, there is no view, nothing is trainable, or a trainable parameter lives
            in a layer without a rule, or has a hook that would see its gradient before it is clipped.
        IsolationError: a batch norm uses batch statistics.
    """

    def __init__(
        self, module: nn.Module, max_grad_norm: float, style: ClippingStyle = "flat", *, views: int = 1
    ) -> None:
        if isinstance(max_grad_norm, bool) or not (math.isfinite(max_grad_norm) and max_grad_norm > 0):
            raise ClippingError(f"max_grad_norm is {max_grad_norm}; it must be a finite number above 0, e.g. 1.0")
        if style not in STYLES:
            raise ClippingError(f"clipping style {style!r} is unknown; choose one of {', '.join(STYLES)}")
        if views < 1:
            raise ClippingError(f"views is {views}; a sample has at least one")
        self.max_grad_norm = float(max_grad_norm)
        self.style = style
        self._views = views
        self._taps = LayerTaps(module, self._collect, self._collect_whole, views)
        names = list(self._taps.parameters)
        # Parameters that are clipped together.
        self._groups = self._taps.by_layer() if style == "per_layer" else [names]
        self._group_of = {name: group for group in self._groups for name in group}
        self._sums: dict[str, Tensor] = {}  # of what was told of so far: zeros in memory cost as much as gradients
        self._scales: Mapping[str, float] = {}
        self._began = False
        self._closed = False
        self._batch: Batch | None = None

    @property
    def sensitivity(self) -> float:
        """Bound on one sample's influence on the sum, rounding included; the noise scales with it. *Public*"""
        return self.max_grad_norm * (1 + SENSITIVITY_SLACK)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the trainable parameters, in the module's order. *Public*"""
        return tuple(self._taps.parameters)

    def rescale(self, scales: Mapping[str, float]) -> None:
        """From now on clip, and sum, each parameter's gradients times its scale; norms are of these, too.

        The bound on a sample's influence stays: a tensor with a larger scale has more of it. Whoever takes the sum
        divides by the scales after noise was added.

        Args:
            scales: by parameter name; those left out are 1. They must not depend on the samples but through what
                was released. *Public*

        Raises:
            ClippingError: unknown name, no finite number above 0, or a sum has begun under other scales.
        """
        for name, scale in scales.items():
            if name not in self._group_of:
                raise ClippingError(f"{name} is no trainable parameter; scale one of {', '.join(self.parameter_names)}")
            if not (math.isfinite(scale) and scale > 0):
                raise ClippingError(f"the scale of {name} is {scale}; it must be a finite number above 0")
        if self._began and dict(scales) != dict(self._scales):
            raise ClippingError("a sum has begun under other scales; take() it first")
        self._scales = dict(scales)

    def accumulate(self, loss_B: Tensor) -> Tensor:
        """Run one backward pass and add the clipped gradients to the sum.

        Args:
            loss_B: one number a sample, computed by the module since the last call; with several views
                their mean or sum, by the rows of that sample alone. *SENSITIVE*

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
        self._began = True
        self._batch = batch = Batch(loss_B.detach())
        try:
            with self._taps.backward_pass(len(loss_B)), full_float32():
                loss_B.sum().backward()  # pyright: ignore[reportUnknownMemberType]
            if not batch.heard:
                raise ClippingError(
                    "the loss reached no layer of the module that this Clipper holds; compute it with that module, "
                    "not with a copy, whose gradients would be plain"
                )
            with torch.no_grad(), full_float32():
                if batch.whole:
                    self._add_whole(batch)
                else:
                    self._add_clipped(batch, [group for group in self._groups if any(map(batch.holds, group))])
        finally:
            self._batch = None
        self._merge(batch)
        return batch.squares_B.sqrt()

    def take(self) -> dict[str, Tensor]:
        """The clipped sum so far, by parameter name, float32 (float64 for float64 parameters); starts anew.

        Zeros where no sample came: an empty batch is a step like any other. *SENSITIVE* until noised.
        """
        sums, self._sums, self._began = self._sums, {}, False
        return {
            name: sums.pop(name) if name in sums else torch.zeros_like(parameter, dtype=_sum_dtype(parameter))
            for name, parameter in self._taps.parameters.items()
        }

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

    def _merge(self, batch: Batch) -> None:
        """Add a finished batch to the sum, letting go of its tensors one by one."""
        for name in list(batch.sums):
            added = batch.sums.pop(name)
            if name in self._sums:
                self._sums[name] += added
            else:
                self._sums[name] = added.to(_sum_dtype(self._taps.parameters[name]))

    def _collect(
        self,
        name: str,
        layer: nn.Module,
        layer_input: Tensor,
        output_gradient: Tensor,
        names: dict[str, str],
        wants_input: bool,
    ) -> Tensor | None:
        """Take one layer call's per-sample gradients, adding to those of earlier calls; its input's, if wanted."""
        batch = self._batch
        if batch is None:
            raise backward_outside()
        num_rows = len(batch.loss_B) * self._views
        if not has_sample_axis(layer, layer_input) or {len(layer_input), len(output_gradient)} != {num_rows}:
            raise rows_are_not_samples(name, layer_input.shape, len(batch.loss_B), self._views)
        if len(batch.loss_B) == 1:  # then autograd has the other layers' gradients, and this one's would be lost
            raise ClippingError(
                f"a hook changed how many rows layer {name} was called with; register it before building the Clipper"
            )
        with torch.no_grad():
            call = LayerCall(name, layer, layer_input, output_gradient, self._views, wants_input)
            batch.take(call, names, is_whole=self._is_whole(names.values()))
            group = self._group_of[next(iter(names.values()))]
            if self.style == "per_layer" and self._is_whole(group) and all(map(batch.holds, group)):
                batch.ready.append(group)
                if batch.num_held >= _HELD:
                    self._add_clipped(batch, batch.ready)
                    batch.ready, batch.num_held = [], 0
        return call.input_gradient

    def _collect_whole(self, name: str, gradient: Tensor) -> None:
        """Take the gradient of one parameter by the only sample."""
        assert self._batch is not None
        with torch.no_grad():
            self._batch.take_whole(name, gradient)

    def _is_whole(self, names: Iterable[str]) -> bool:
        """Whether a layer that tells of some parameters tells all there is: they were used by one call each."""
        return all(self._taps.num_calls(name) == 1 for name in names)

    def _add_clipped(self, batch: Batch, groups: Sequence[list[str]]) -> None:
        """Scale each sample's gradient of some groups of parameters, each by its norm, add to the sums, and let go.

        One operation on all groups at once, where it can be: a dozen short ones on each cost more than the sums.
        Shapes: B samples, G groups, N numbers of short gradients, M numbers whose sums are squared norms.
        """
        place = {name: place for place, group in enumerate(groups) for name in group if batch.holds(name)}
        if not place:
            return
        rows = batch.short_rows(list(place), self._scales)
        long = [name for name in place if batch.holds(name)]
        squares_BM = [rows.together.double().square()]
        squares_BM += [batch.squares(name, self._scales.get(name)) for name in long]
        numbers = [self._taps.parameters[name].numel() for name in rows.names]
        group_M = _repeated(
            [place[name] for name in (*rows.names, *long)],
            numbers + [squares.shape[1] for squares in squares_BM[1:]],
            batch.squares_B.device,
        )
        squares_BG = batch.squares_B.new_zeros(len(batch.squares_B), len(groups))
        squares_BG.scatter_add_(1, group_M.expand(len(squares_BG), -1), torch.cat(squares_BM, 1))
        batch.squares_B += squares_BG.sum(1)
        finite_BG = squares_BG.isfinite() & batch.loss_B.isfinite()[:, None]
        kept_BG = None if bool(finite_BG.all()) else finite_BG
        factor_BG = _held(torch.where(finite_BG, self._scale(squares_BG.sqrt()), 0.0))
        batch.add_rows(rows, factor_BG, kept_BG, group_M[: sum(numbers)], self._taps.parameters)
        factors = factor_BG.unbind(1)
        for name in long:
            factor_B = factors[place[name]]
            if name in self._scales:
                factor_B = _held(factor_B * self._scales[name])
            kept_B = None if kept_BG is None else kept_BG[:, place[name]]
            batch.add(name, factor_B, kept_B, self._taps.parameters[name].shape)

    def _add_whole(self, batch: Batch) -> None:
        """As `_add_clipped`, of the only sample, straight into the sums of all batches.

        Nothing else is written: autograd may have given two parameters the same memory.
        Shapes: G groups, N parameters.
        """
        names = list(batch.whole)
        place = {name: place for place, group in enumerate(self._groups) for name in group}
        group_N = torch.tensor([place[name] for name in names], device=batch.loss_B.device)
        scale_N = batch.squares_B.new_tensor([self._scales.get(name, 1.0) for name in names])
        squares_G = batch.squares_B.new_zeros(len(self._groups))
        squares_G.index_add_(0, group_N, batch.whole_squares() * scale_N.square())
        batch.squares_B += squares_G.sum()
        finite_G = squares_G.isfinite() & batch.loss_B.isfinite()
        factor_G = torch.where(finite_G, self._scale(squares_G.sqrt()), 0.0)
        factors: list[float] = _held(_held(factor_G)[group_N] * scale_N).tolist()  # pyright: ignore
        for name, factor in zip(names, factors, strict=True):
            gradient = batch.whole.pop(name)
            if factor == 0.0:  # a zero does not undo a NaN
                continue
            if name in self._sums:
                self._sums[name].add_(gradient, alpha=factor)
            else:
                self._sums[name] = gradient.to(_sum_dtype(gradient)) * factor

    def _scale(self, norms: Tensor) -> Tensor:
        """The factors by which gradients of such norms are multiplied, float64."""
        bound = self.max_grad_norm / math.sqrt(len(self._groups))
        if self.style == "automatic":
            return bound / (norms + AUTOMATIC_STABILITY)
        return (bound / norms).clamp(max=1.0)


def _repeated(values: list[int], counts: list[int], device: torch.device) -> Tensor:
    """Each value as often as its count says."""
    as_tensors = (torch.tensor(numbers, device=device) for numbers in (values, counts))
    return torch.repeat_interleave(*as_tensors, output_size=sum(counts))


def _held(factor_B: Tensor) -> Tensor:
    """Zero where float32 would no longer hold a factor to full precision: norms beyond 1e37·C."""
    return factor_B.where(factor_B >= torch.finfo(torch.float32).tiny, 0.0)


def _sum_dtype(parameter: Tensor) -> torch.dtype:
    """Sums are kept in float32 at least."""
    return torch.promote_types(parameter.dtype, torch.float32)
