"""The per-sample gradient of each layer kind, from its input and the gradient of its output.

Shapes: B samples, T positions (pixels or tokens), D inputs, P outputs, K kernel positions,
G groups, V table rows. The leading axis of every input and output is the sample.

Source: Book-keeping (arXiv 2210.00038), instantiated per-sample gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from discreet.errors import ClippingError
from discreet.privacy.clipping.convolution import per_sample_weight
from discreet.privacy.clipping.exact import without_autocast
from discreet.privacy.clipping.norms import Gradients, frozen_batch_norm, group_norm
from discreet.privacy.clipping.shortcuts import as_tokens

Rule = Callable[[nn.Module, Tensor, Tensor], Gradients]


def _linear(layer: nn.Module, input_BTD: Tensor, gradient_BTP: Tensor) -> Gradients:
    """Any number of middle axes, none included, counts as positions."""
    inputs, gradients = as_tokens(input_BTD), as_tokens(gradient_BTP)
    return {"weight": lambda: torch.bmm(gradients.transpose(1, 2), inputs), "bias": lambda: gradients.sum(1)}


def _conv2d(layer: nn.Module, input_BDHW: Tensor, gradient_BPHW: Tensor) -> Gradients:
    assert isinstance(layer, nn.Conv2d)
    return {
        "weight": lambda: per_sample_weight(layer, input_BDHW, gradient_BPHW),
        "bias": lambda: gradient_BPHW.sum((2, 3)),
    }


def _layer_norm(layer: nn.Module, input_BTD: Tensor, gradient_BTD: Tensor) -> Gradients:
    """The normalised axes keep their shape; those between them and the sample are summed."""
    assert isinstance(layer, nn.LayerNorm)
    shape = layer.normalized_shape

    def summed(values: Tensor) -> Tensor:
        return values.reshape(values.shape[0], values.shape[1 : values.dim() - len(shape)].numel(), *shape).sum(1)

    return {
        "weight": lambda: summed(gradient_BTD * F.layer_norm(input_BTD, shape, eps=layer.eps)),
        "bias": lambda: summed(gradient_BTD),
    }


def _embedding(layer: nn.Module, index_BT: Tensor, gradient_BTD: Tensor) -> Gradients:
    """Rows are looked up by each sample for itself; a row looked up twice is summed."""
    assert isinstance(layer, nn.Embedding)
    batch, (num_rows, width) = index_BT.shape[0], layer.weight.shape

    def weight() -> Tensor:
        offsets_B1 = torch.arange(batch, device=index_BT.device)[:, None] * num_rows
        rows = (index_BT.reshape(batch, -1) + offsets_B1).flatten()
        table = gradient_BTD.new_zeros(batch * num_rows, width)
        table.index_add_(0, rows, gradient_BTD.reshape(-1, width))
        return table.reshape(batch, num_rows, width)

    return {"weight": weight}


_RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv2d,
    nn.GroupNorm: group_norm,
    nn.LayerNorm: _layer_norm,
    nn.BatchNorm2d: frozen_batch_norm,
    nn.Embedding: _embedding,
}
# What decides what a layer computes.
_WAYS = ("__call__", "_call_impl", "forward", "_conv_forward")
KNOWN_LAYERS = ", ".join(kind.__name__ for kind in _RULES)


def rule_for(layer: nn.Module) -> Rule | None:
    """The rule of a layer's kind; None where what it computes is not that kind's own.

    A subclass may add methods, but one that computes something else has another gradient.
    """
    given, itself = type(layer), vars(layer)
    for kind, rule in _RULES.items():
        if isinstance(layer, kind):
            own = all(getattr(given, way, None) is getattr(kind, way, None) and way not in itself for way in _WAYS)
            return rule if own else None
    return None


def tells_of_its_input(layer: nn.Module) -> bool:
    """Whether a layer's rule has the gradient of its input, too, so that autograd need not compute it again."""
    return isinstance(layer, nn.BatchNorm2d | nn.GroupNorm)


def has_sample_axis(layer: nn.Module, layer_input: Tensor) -> bool:
    """Whether the leading axis of an input is left for the sample, not one that the layer itself works on."""
    if isinstance(layer, nn.Conv2d | nn.BatchNorm2d):
        return layer_input.dim() == 4
    if isinstance(layer, nn.Embedding):
        return layer_input.dim() >= 1
    return layer_input.dim() > (len(layer.normalized_shape) if isinstance(layer, nn.LayerNorm) else 1)


def refuse_unknown_options(name: str, layer: nn.Module) -> None:
    """Options of a known layer that would change its gradient.

    Raises:
        ClippingError: padding by name or other than with zeros; a table that renormalises,
            scales by frequency, pads or is sparse; parameters beyond weight and bias, or complex ones.
    """
    own = {key for key, _ in layer.named_parameters(recurse=False)}
    if own - {"weight", "bias"}:
        raise ClippingError(f"{name}: parameters {sorted(own)} are re-parametrised; use a plain {type(layer).__name__}")
    if any(parameter.is_complex() for parameter in layer.parameters(recurse=False)):
        raise ClippingError(f"{name}: parameters are complex; train real and imaginary parts as real numbers")
    if isinstance(layer, nn.Conv2d) and (layer.padding_mode != "zeros" or isinstance(layer.padding, str)):
        raise ClippingError(f"{name}: give Conv2d its padding as numbers, filled with zeros; pad before it otherwise")
    if isinstance(layer, nn.Embedding) and (
        layer.max_norm is not None or layer.scale_grad_by_freq or layer.sparse or layer.padding_idx is not None
    ):
        raise ClippingError(f"{name}: build Embedding without max_norm, scale_grad_by_freq, sparse and padding_idx")


def per_sample_gradients(
    layer: nn.Module, layer_input: Tensor, output_gradient: Tensor, wanted: Collection[str]
) -> dict[str, Tensor]:
    """Gradients of a layer's own trainable parameters, one for each sample.

    Args:
        layer: one of KNOWN_LAYERS.
        layer_input: what the layer was called with, [B, …]. *SENSITIVE*
        output_gradient: gradient of the summed loss by the layer's output, [B, …]. *SENSITIVE*
        wanted: any of "weight", "bias" and, of layers that tell of it, "input". *Public*

    Returns:
        those wanted, each [B, *shape]; at least float32. *SENSITIVE*
    """
    rule = rule_for(layer)
    assert rule is not None, "the clipper admits only layers that have a rule"
    wide = torch.promote_types(output_gradient.dtype, torch.float32)
    if layer_input.is_floating_point():
        layer_input = layer_input.to(wide)
    with without_autocast(output_gradient.device.type):
        gradients = rule(layer, layer_input, output_gradient.to(wide))
        return {key: gradients[key]() for key in wanted}
