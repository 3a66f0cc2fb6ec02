"""Norms whose statistics are stored or each sample's own: gradients of scale, shift and input, in few passes.

Autograd's kernels for these sum gradients of scale and shift over the batch whether anybody wants them or not, and read
everything once more for it. So the input's gradient is computed here, too.

Shapes: B samples, C channels, G groups of channels, any number of positions behind.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

from discreet.privacy.clipping.convolution import has_ways_of_its_own

# Each gradient is computed only when it is called for: a frozen weight costs nothing.
Gradients = dict[str, Callable[[], Tensor]]


def frozen_batch_norm(layer: nn.Module, input_BCHW: Tensor, gradient_BCHW: Tensor) -> Gradients:
    """The statistics are public constants: only scale and shift have gradients."""
    assert isinstance(layer, nn.BatchNorm2d)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    mean_C, variance_C = (kept.to(gradient_BCHW.dtype) for kept in (layer.running_mean, layer.running_var))

    @cache
    def affine() -> tuple[Tensor, Tensor]:
        batch = len(input_BCHW)
        return _affine(input_BCHW, gradient_BCHW, mean_C.expand(batch, -1), variance_C.expand(batch, -1), layer.eps)

    def by_input() -> Tensor:
        slope_C = layer.weight.detach().to(gradient_BCHW.dtype) * (variance_C + layer.eps).rsqrt()
        return gradient_BCHW * slope_C[:, None, None]

    return {"weight": lambda: affine()[0], "bias": lambda: affine()[1], "input": by_input}


def group_norm(layer: nn.Module, input_BCT: Tensor, gradient_BCT: Tensor) -> Gradients:
    """The statistics are those of one sample's group: for that sample, a norm like any other."""
    assert isinstance(layer, nn.GroupNorm)
    batch, channels, groups = *input_BCT.shape[:2], layer.num_groups

    @cache
    def statistics() -> tuple[Tensor, Tensor]:
        """Mean and one over the standard deviation, by channel: [B, C]."""
        layout = torch.channels_last if has_ways_of_its_own(input_BCT) else torch.contiguous_format
        laid_out, positions = input_BCT.contiguous(memory_format=layout), input_BCT[0, 0].numel()
        _, mean_BG, rate_BG = torch.native_group_norm(
            laid_out, None, None, batch, channels, positions, groups, layer.eps
        )
        return tuple(of_group.repeat_interleave(channels // groups, 1) for of_group in (mean_BG, rate_BG))  # pyright: ignore[reportReturnType]

    @cache
    def affine() -> tuple[Tensor, Tensor]:
        mean_BC, rate_BC = statistics()
        return _affine(input_BCT, gradient_BCT, mean_BC, rate_BC.pow(-2), 0.0)

    def by_input() -> Tensor:
        """What a shift of the input, and a stretch, would change of the statistics is taken out of the gradient."""
        scale_C = layer.weight.detach().to(gradient_BCT.dtype)
        (mean_BC, rate_BC), (along_BC, sum_BC) = statistics(), affine()
        stretch_BC, shift_BC = (_group_means(scale_C * told, groups, input_BCT) for told in (along_BC, sum_BC))
        by_value_BC = -rate_BC.square() * stretch_BC
        constant_BC = -rate_BC * shift_BC - by_value_BC * mean_BC
        of_input = torch.addcmul(_spread(constant_BC, input_BCT), input_BCT, _spread(by_value_BC, input_BCT))
        return of_input.addcmul_(gradient_BCT, _spread(scale_C * rate_BC, input_BCT))

    return {"weight": lambda: affine()[0], "bias": lambda: affine()[1], "input": by_input}


def _group_means(told_BC: Tensor, groups: int, input_BCT: Tensor) -> Tensor:
    """Sums by channel as means over all numbers of a channel's group, [B, C]."""
    channels = told_BC.shape[1]
    numbers = channels // groups * input_BCT[0, 0].numel()
    means_BG = told_BC.reshape(-1, groups, channels // groups).sum(2) / numbers
    return means_BG.repeat_interleave(channels // groups, 1)


def _spread(values_BC: Tensor, like: Tensor) -> Tensor:
    """A number of each channel, seen at every position."""
    return values_BC.reshape(*values_BC.shape, *[1] * (like.dim() - 2))


def _affine(
    input_BCT: Tensor, gradient_BCT: Tensor, mean_BC: Tensor, variance_BC: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Gradients of scale and shift, [B, C] each; inputs are centred first."""
    if input_BCT.device.type != "cpu":
        return _by_plain_operations(input_BCT, gradient_BCT, mean_BC, variance_BC, eps)
    if has_ways_of_its_own(input_BCT):
        # The kernel reads both as the input lies in memory: a gradient that lies otherwise gave wrong numbers
        # (PyTorch 2.13). Copied once for all samples: a step of two small pictures is made of short operations.
        gradient_BCT = gradient_BCT.contiguous(memory_format=torch.channels_last)
        rows = zip(_rows(input_BCT), _rows(gradient_BCT), mean_BC.unbind(), variance_BC.unbind(), strict=True)
        found = [_kernel(*row, eps) for row in rows]
        return torch.stack([scale for scale, _ in found]), torch.stack([shift for _, shift in found])
    # All samples' channels as those of one sample.
    one_input, one_gradient = (
        values.contiguous().reshape(1, -1, *values.shape[2:]) for values in (input_BCT, gradient_BCT)
    )
    scale, shift = _kernel(one_input, one_gradient, mean_BC.flatten(), variance_BC.flatten(), eps)
    return scale.reshape(mean_BC.shape), shift.reshape(mean_BC.shape)


def _rows(values: Tensor) -> tuple[Tensor, ...]:
    """Each sample's, as a batch of one."""
    return values.split(1)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _kernel(
    input_1CT: Tensor, gradient_1CT: Tensor, mean_C: Tensor, variance_C: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """PyTorch's own for one sample and stored statistics, in one pass: [C] each."""
    _, scale, shift = torch.ops.aten.native_batch_norm_backward.default(
        gradient_1CT, input_1CT, None, mean_C, variance_C, None, None, False, eps, [False, True, True]
    )
    return scale, shift


def _by_plain_operations(
    input_BCT: Tensor, gradient_BCT: Tensor, mean_BC: Tensor, variance_BC: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """As `_affine`: an accelerator's kernel wants statistics of the batch, even where it is not to use them."""
    positions = tuple(range(2, input_BCT.dim()))
    rate_BC = (variance_BC + eps).rsqrt()
    centred = (input_BCT - _spread(mean_BC, input_BCT)) * gradient_BCT
    if not positions:
        return centred * rate_BC, gradient_BCT
    return centred.sum(positions) * rate_BC, gradient_BCT.sum(positions)
