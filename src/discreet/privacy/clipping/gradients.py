"""The per-sample gradient of each layer kind, from its input and the gradient of its output.

Shapes: B samples, T positions (pixels or tokens), D inputs, P outputs, K kernel positions,
G groups, V table rows. The leading axis of every input and output is the sample.

Source: Book-keeping (arXiv 2210.00038), instantiated per-sample gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from discreet.errors import ClippingError

Rule = Callable[[nn.Module, Tensor, Tensor], dict[str, Tensor]]


def _linear(layer: nn.Module, input_BTD: Tensor, gradient_BTP: Tensor) -> dict[str, Tensor]:
    """Any number of middle axes, none included, counts as positions."""
    batch = input_BTD.shape[0]
    inputs = input_BTD.reshape(batch, -1, input_BTD.shape[-1])
    gradients = gradient_BTP.reshape(batch, -1, gradient_BTP.shape[-1])
    return {"weight": torch.bmm(gradients.transpose(1, 2), inputs), "bias": gradients.sum(1)}


def _conv2d(layer: nn.Module, input_BDHW: Tensor, gradient_BPHW: Tensor) -> dict[str, Tensor]:
    """Each group's patches times that group's output gradients."""
    assert isinstance(layer, nn.Conv2d)
    batch, groups = input_BDHW.shape[0], layer.groups
    gradients = gradient_BPHW.reshape(batch, groups, layer.out_channels // groups, -1)
    if layer.kernel_size == (1, 1) and layer.padding == (0, 0):
        rows, columns = layer.stride
        patches = input_BDHW[:, :, ::rows, ::columns].reshape(batch, groups, layer.in_channels // groups, -1)
    else:
        unfolded = F.unfold(input_BDHW, layer.kernel_size, layer.dilation, layer.padding, layer.stride)  # pyright: ignore[reportArgumentType]
        patches = unfolded.reshape(batch, groups, -1, unfolded.shape[-1])
    weight_BGPK = torch.matmul(gradients, patches.transpose(2, 3))
    return {"weight": weight_BGPK.reshape(batch, *layer.weight.shape), "bias": gradient_BPHW.sum((2, 3))}


def _channel_affine(normalised: Tensor, gradient: Tensor) -> dict[str, Tensor]:
    """Scale and shift by channel: everything after the channel axis is summed."""
    batch, channels = gradient.shape[:2]
    return {
        "weight": (gradient * normalised).reshape(batch, channels, -1).sum(2),
        "bias": gradient.reshape(batch, channels, -1).sum(2),
    }


def _group_norm(layer: nn.Module, input_BDT: Tensor, gradient_BDT: Tensor) -> dict[str, Tensor]:
    assert isinstance(layer, nn.GroupNorm)
    return _channel_affine(F.group_norm(input_BDT, layer.num_groups, eps=layer.eps), gradient_BDT)


def _frozen_batch_norm(layer: nn.Module, input_BDHW: Tensor, gradient_BDHW: Tensor) -> dict[str, Tensor]:
    """The statistics are public constants: only scale and shift have gradients."""
    assert isinstance(layer, nn.BatchNorm2d)
    normalised = F.batch_norm(input_BDHW, layer.running_mean, layer.running_var, eps=layer.eps)
    return _channel_affine(normalised, gradient_BDHW)


def _layer_norm(layer: nn.Module, input_BTD: Tensor, gradient_BTD: Tensor) -> dict[str, Tensor]:
    assert isinstance(layer, nn.LayerNorm)
    batch, shape = input_BTD.shape[0], layer.normalized_shape
    normalised = F.layer_norm(input_BTD, shape, eps=layer.eps)
    return {
        "weight": (gradient_BTD * normalised).reshape(batch, -1, *shape).sum(1),
        "bias": gradient_BTD.reshape(batch, -1, *shape).sum(1),
    }


def _embedding(layer: nn.Module, index_BT: Tensor, gradient_BTD: Tensor) -> dict[str, Tensor]:
    """Rows are looked up by each sample for itself; a row looked up twice is summed."""
    assert isinstance(layer, nn.Embedding)
    batch, (num_rows, width) = index_BT.shape[0], layer.weight.shape
    offsets_B1 = torch.arange(batch, device=index_BT.device)[:, None] * num_rows
    rows = (index_BT.reshape(batch, -1) + offsets_B1).flatten()
    table = gradient_BTD.new_zeros(batch * num_rows, width)
    table.index_add_(0, rows, gradient_BTD.reshape(-1, width))
    return {"weight": table.reshape(batch, num_rows, width)}


_RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv2d,
    nn.GroupNorm: _group_norm,
    nn.LayerNorm: _layer_norm,
    nn.BatchNorm2d: _frozen_batch_norm,
    nn.Embedding: _embedding,
}
KNOWN_LAYERS = ", ".join(kind.__name__ for kind in _RULES)


def rule_for(layer: nn.Module) -> Rule | None:
    """The rule of a layer's kind; None where its forward is not that kind's own.

    A subclass may add methods, but one that computes something else has another gradient.
    """
    for kind, rule in _RULES.items():
        if isinstance(layer, kind) and type(layer).forward is kind.forward:
            return rule
    return None


def refuse_unknown_options(name: str, layer: nn.Module) -> None:
    """Options of a known layer that would change its gradient.

    Raises:
        ClippingError: padding by name or other than with zeros; a table that renormalises,
            scales by frequency, pads or is sparse; parameters beyond weight and bias.
    """
    own = {key for key, _ in layer.named_parameters(recurse=False)}
    if own - {"weight", "bias"}:
        raise ClippingError(f"{name}: parameters {sorted(own)} are re-parametrised; use a plain {type(layer).__name__}")
    if isinstance(layer, nn.Conv2d) and (layer.padding_mode != "zeros" or isinstance(layer.padding, str)):
        raise ClippingError(f"{name}: give Conv2d its padding as numbers, filled with zeros; pad before it otherwise")
    if isinstance(layer, nn.Embedding) and (
        layer.max_norm is not None or layer.scale_grad_by_freq or layer.sparse or layer.padding_idx is not None
    ):
        raise ClippingError(f"{name}: build Embedding without max_norm, scale_grad_by_freq, sparse and padding_idx")


def per_sample_gradients(layer: nn.Module, layer_input: Tensor, output_gradient: Tensor) -> dict[str, Tensor]:
    """Gradients of a layer's own trainable parameters, one for each sample.

    Args:
        layer: one of KNOWN_LAYERS.
        layer_input: what the layer was called with, [B, …]. *SENSITIVE*
        output_gradient: gradient of the summed loss by the layer's output, [B, …]. *SENSITIVE*

    Returns:
        "weight" and "bias", as far as they exist, each [B, *shape]; at least float32. *SENSITIVE*
    """
    rule = rule_for(layer)
    assert rule is not None, "the clipper admits only layers that have a rule"
    wide = torch.promote_types(output_gradient.dtype, torch.float32)
    if layer_input.is_floating_point():
        layer_input = layer_input.to(wide)
    own = {key for key, _ in layer.named_parameters(recurse=False)}
    with torch.autocast(output_gradient.device.type, enabled=False):
        gradients = rule(layer, layer_input, output_gradient.to(wide))
    return {key: gradient for key, gradient in gradients.items() if key in own}
