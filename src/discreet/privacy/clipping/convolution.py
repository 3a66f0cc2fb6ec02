"""The weight gradient of a convolution for each sample, and for a weighted sum of them.

PyTorch's own kernels do the work: a batch of B samples with C channels is handed to them as one sample with
B·C channels in B groups. Where they are slow, the same numbers are had another way. Pictures whose channels lie
side by side in memory ("channels last") cannot be regrouped so without a copy, and have ways of their own.

Shapes: B samples, D inputs, P outputs, G groups, K×K kernel, H×W pixels, T output positions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

# Measured on two CPU cores: with fewer positions, grouped kernels lose to unfolding.
FEW_POSITIONS = 100
# The widest depthwise kernel for which PyTorch has a fast weight gradient on the CPU; wider ones are taken in strips.
STRIP = 3
# Measured likewise, channels last: with as many positions, a kernel call a sample is cheaper than a copy of all.
MANY_POSITIONS = 900
# Measured likewise: of smaller pictures a copy is cheaper than a kernel call a sample, depthwise.
FEW_NUMBERS = 50_000


def per_sample_weight(layer: nn.Conv2d, input_BDHW: Tensor, gradient_BPHW: Tensor) -> Tensor:
    """Each sample's weight gradient, [B, P, D/G, K, K]."""
    if has_ways_of_its_own(input_BDHW):
        return _channels_last(layer, input_BDHW, gradient_BPHW)
    if is_pointwise(layer):
        gradients, inputs = as_positions(layer, input_BDHW, gradient_BPHW)
        return torch.matmul(gradients, inputs.transpose(-1, -2)).reshape(len(input_BDHW), *layer.weight.shape)
    return _channels_first(layer, input_BDHW, gradient_BPHW)


def _channels_first(layer: nn.Conv2d, input_BDHW: Tensor, gradient_BPHW: Tensor) -> Tensor:
    """As `per_sample_weight`, of wider kernels."""
    if layer.groups == 1 and gradient_BPHW.shape[2:].numel() < FEW_POSITIONS:
        gradients, inputs = as_positions(layer, input_BDHW, gradient_BPHW)
        return torch.matmul(gradients, inputs.transpose(-1, -2)).reshape(len(input_BDHW), *layer.weight.shape)
    return _wide(layer, input_BDHW, gradient_BPHW)


def _channels_last(layer: nn.Conv2d, input_BDHW: Tensor, gradient_BPHW: Tensor) -> Tensor:
    """As `per_sample_weight`, with as few copies as can be."""
    if is_pointwise(layer) and layer.groups == 1:
        inputs, gradients = pointwise_tokens(layer, input_BDHW, gradient_BPHW)
        return torch.bmm(gradients.transpose(1, 2), inputs).reshape(len(input_BDHW), *layer.weight.shape)
    if _is_depthwise(layer):
        one_by_one = input_BDHW[0].numel() >= FEW_NUMBERS
    else:
        one_by_one = gradient_BPHW.shape[2:].numel() >= MANY_POSITIONS
    if not one_by_one:
        return _channels_first(layer, input_BDHW, gradient_BPHW)
    weight = gradient_BPHW.new_empty(len(input_BDHW), *layer.weight.shape)
    for sample, found in enumerate(weight):
        found.copy_(_wide(layer, input_BDHW[sample : sample + 1], gradient_BPHW[sample : sample + 1])[0])
    return weight


def has_ways_of_its_own(values: Tensor) -> bool:
    """Whether pictures are better taken one by one than copied: on a CPU, where their channels lie side by side.

    An accelerator copies sooner than it starts a kernel a picture.
    """
    return values.device.type == "cpu" and is_channels_last(values)


def is_channels_last(values: Tensor) -> bool:
    """Whether a picture's channels lie side by side in memory, as only `memory_format=torch.channels_last` has them."""
    return values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last) and not values.is_contiguous()


def pointwise_tokens(layer: nn.Conv2d, input_BDHW: Tensor, gradient_BPHW: Tensor) -> tuple[Tensor, Tensor]:
    """What each output position of a pointwise layer saw, [B, T, D], and its gradient, [B, T, P]."""
    rows, columns = layer.stride
    seen = input_BDHW[:, :, ::rows, ::columns]
    return seen.permute(0, 2, 3, 1).flatten(1, 2), gradient_BPHW.permute(0, 2, 3, 1).flatten(1, 2)


def weighted_weight(layer: nn.Conv2d, input_BDHW: Tensor, gradient_BPHW: Tensor, scale_B: Tensor) -> Tensor:
    """The sum over samples of scale times weight gradient, [P, D/G, K, K]: one ordinary weight gradient."""
    scaled = gradient_BPHW * scale_B.to(gradient_BPHW.dtype)[:, None, None, None]
    return _weight_gradient(
        scaled, input_BDHW, layer.weight.shape, layer.stride, _as_pair(layer.padding), layer.dilation, layer.groups
    )


def is_pointwise(layer: nn.Conv2d) -> bool:
    """Whether every output position sees one input position."""
    return layer.kernel_size == (1, 1) and layer.padding == (0, 0)


def as_positions(layer: nn.Conv2d, input_BDHW: Tensor, gradient_BPHW: Tensor) -> tuple[Tensor, Tensor]:
    """Output gradients [B, G, P/G, T], and what each output position saw, [B, G, D/G·K·K, T]."""
    batch = len(input_BDHW)
    gradients = gradient_BPHW.reshape(batch, layer.groups, layer.out_channels // layer.groups, -1)
    if is_pointwise(layer):
        rows, columns = layer.stride
        seen = input_BDHW[:, :, ::rows, ::columns]
    else:
        seen = F.unfold(input_BDHW, layer.kernel_size, layer.dilation, _as_pair(layer.padding), layer.stride)
    return gradients, seen.reshape(batch, layer.groups, -1, gradients.shape[-1])


def _as_pair(padding: str | tuple[int, ...]) -> tuple[int, int]:
    """Padding as numbers; names are refused before anything runs."""
    assert not isinstance(padding, str)
    rows, columns = padding
    return rows, columns


def _is_depthwise(layer: nn.Conv2d) -> bool:
    """Whether every channel has a kernel of its own."""
    return layer.groups == layer.in_channels == layer.out_channels


def _wide(layer: nn.Conv2d, input_BDHW: Tensor, gradient_BPHW: Tensor) -> Tensor:
    """By PyTorch's kernel; a wide depthwise one some columns at a time: each strip is a smaller kernel's gradient."""
    (rows, columns), (kernel_rows, kernel_columns) = _as_pair(layer.padding), layer.kernel_size
    if not _is_depthwise(layer) or kernel_columns <= STRIP or input_BDHW.device.type != "cpu":
        return _grouped(layer, input_BDHW, gradient_BPHW, layer.kernel_size, (rows, columns))
    strips: list[Tensor] = []
    for first in range(0, kernel_columns, STRIP):
        width = min(STRIP, kernel_columns - first)
        start = first * layer.dilation[1] - columns
        reach = (gradient_BPHW.shape[3] - 1) * layer.stride[1] + (width - 1) * layer.dilation[1] + 1
        seen = F.pad(input_BDHW, (-start, start + reach - input_BDHW.shape[3]))
        strips.append(_grouped(layer, seen, gradient_BPHW, (kernel_rows, width), (rows, 0)))
    return torch.cat(strips, -1)


def _grouped(
    layer: nn.Conv2d, input_BDHW: Tensor, gradient_BPHW: Tensor, kernel: tuple[int, ...], padding: tuple[int, int]
) -> Tensor:
    """All samples in one call, as groups of one sample: [B, P, D/G, *kernel]."""
    batch = len(input_BDHW)
    shape = (layer.out_channels, layer.in_channels // layer.groups, *kernel)
    if batch > 1:
        gradient_BPHW = gradient_BPHW.reshape(1, -1, *gradient_BPHW.shape[2:])
        input_BDHW = input_BDHW.reshape(1, -1, *input_BDHW.shape[2:])
    weight = _weight_gradient(
        gradient_BPHW, input_BDHW, (batch * shape[0], *shape[1:]), layer.stride, padding, layer.dilation,
        layer.groups * batch,
    )  # fmt: skip
    return weight.reshape(batch, *shape)


def _weight_gradient(
    gradient: Tensor,
    layer_input: Tensor,
    shape: tuple[int, ...] | torch.Size,
    stride: tuple[int, ...],
    padding: tuple[int, int],
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """PyTorch's weight gradient; of the weight itself only the shape matters."""
    weight = gradient.new_empty(shape)
    wanted = [False, True, False]
    found = torch.ops.aten.convolution_backward(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        gradient, layer_input, weight, None, stride, padding, dilation, False, (0, 0), groups, wanted
    )
    return found[1]  # pyright: ignore[reportUnknownVariableType]
