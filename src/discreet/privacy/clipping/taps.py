"""Listen to layers: what each was called with, and the gradient its output received.

While a layer runs, its parameters do not require gradients, so autograd keeps nothing for them
and computes only input gradients. Everywhere else they do: a parameter that is used outside its
own layer gets a gradient from autograd, and that is caught.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.nn.modules.instancenorm import _InstanceNorm  # pyright: ignore[reportPrivateUsage]

from discreet.errors import ClippingError, IsolationError
from discreet.privacy.clipping.gradients import KNOWN_LAYERS, refuse_unknown_options, rule_for

Listener = Callable[[str, nn.Module, Tensor, Tensor], None]


class _Anchor(torch.autograd.Function):
    """Puts an output into the graph although neither the layer's input nor its parameters are."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, anchor: Tensor) -> Tensor:  # noqa: D102
        ctx.mark_dirty(output)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None]:  # noqa: D102
        return None, None


class LayerTaps:
    """Hooks on every layer that holds a trainable parameter.

    Args:
        module: the network; parameters with requires_grad now are the trainable ones.
        listener: called in the backward pass with (layer name, layer, its input, gradient of its output).

    Raises:
        ClippingError: nothing is trainable, or a trainable parameter lives in a layer without a rule.
        IsolationError: a norm layer computes or updates statistics over the batch.
    """

    def __init__(self, module: nn.Module, listener: Listener) -> None:
        self.parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        if not self.parameters:
            raise ClippingError("no parameter requires a gradient; choose what to train before building a Clipper")
        self._names = {id(parameter): name for name, parameter in self.parameters.items()}
        self._listener = listener
        self._layers = self._find_layers(module)
        self._handles: list[Any] = []
        self._anchor = torch.zeros((), requires_grad=True)
        for layer in module.modules():
            if isinstance(layer, _BatchNorm | _InstanceNorm):
                _refuse_batch_statistics(layer, ())
                self._handles.append(layer.register_forward_pre_hook(_refuse_batch_statistics))
        for name, layer in self._layers.items():
            self._tap(name, layer)
        for name, parameter in self.parameters.items():
            self._handles.append(parameter.register_hook(_refuser(name)))

    def name_of(self, layer: nn.Module, key: str) -> str | None:
        """The trainable parameter `key` of a layer, by its name in the module; None if frozen."""
        return self._names.get(id(getattr(layer, key)))

    def by_layer(self) -> list[list[str]]:
        """Names of the trainable parameters, grouped by the layer that holds them (shared ones: the first)."""
        groups: list[list[str]] = []
        seen: set[str] = set()
        for layer in self._layers.values():
            names = [self._names[id(p)] for p in layer.parameters(recurse=False) if id(p) in self._names]
            fresh = [name for name in names if name not in seen]
            seen.update(fresh)
            if fresh:
                groups.append(fresh)
        return groups

    def close(self) -> None:
        """Remove every hook."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _find_layers(self, module: nn.Module) -> dict[str, nn.Module]:
        """Every layer that holds a trainable parameter, by name."""
        layers: dict[str, nn.Module] = {}
        for name, layer in module.named_modules():
            held = [key for key, p in layer.named_parameters(recurse=False) if id(p) in self._names]
            if not held:
                continue
            shown = name or type(layer).__name__
            if rule_for(layer) is None:
                raise ClippingError(
                    f"parameter {held[0]} lives in {shown} ({type(layer).__name__}), for which there is no rule; "
                    f"keep trainable parameters in {KNOWN_LAYERS}, or freeze it"
                )
            refuse_unknown_options(shown, layer)
            layers[shown] = layer
        return layers

    def _tap(self, name: str, layer: nn.Module) -> None:
        """Listen to one layer."""
        own = [p for p in layer.parameters(recurse=False) if id(p) in self._names]

        def before(_: nn.Module, __: tuple[Any, ...]) -> None:
            for parameter in own:
                parameter.requires_grad_(False)

        def after(_: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
            for parameter in own:
                parameter.requires_grad_(True)
            # None where the layer itself raised: its own error is on the way.
            if output is None or not torch.is_grad_enabled():  # pyright: ignore[reportUnnecessaryComparison]
                return output
            if not output.requires_grad:
                output = _Anchor.apply(output, self._anchor)  # pyright: ignore[reportAssignmentType]
            self._record(name, layer, inputs, output)
            return output

        self._handles.append(layer.register_forward_pre_hook(before))
        self._handles.append(layer.register_forward_hook(after, always_call=True))

    def _record(self, name: str, layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep the input until the output's gradient arrives."""
        if len(inputs) != 1:
            raise ClippingError(f"layer {name} was called with keyword arguments; call it as layer(input)")
        kept = inputs[0].detach()
        version = kept._version

        def on_gradient(gradient: Tensor) -> None:
            if kept._version != version:
                raise ClippingError(f"the input of layer {name} was changed in place after the call; use a new tensor")
            self._listener(name, layer, kept, gradient)

        output.register_hook(on_gradient)


def _refuser(name: str) -> Callable[[Tensor], NoReturn]:
    """A hook for a parameter that autograd reaches although its layer's call is hidden from it."""

    def refuse(gradient: Tensor) -> NoReturn:
        raise ClippingError(
            f"parameter {name} was used outside its own layer, where its per-sample gradient cannot be seen; "
            "call the layer instead of using its weight"
        )

    return refuse


def _refuse_batch_statistics(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
    """A norm over the batch, or one that remembers it, couples samples."""
    assert isinstance(layer, _BatchNorm | _InstanceNorm)
    couples = layer.training or layer.running_mean is None
    if isinstance(layer, _InstanceNorm):
        couples = layer.training and layer.track_running_stats
    if couples:
        raise IsolationError(
            f"{type(layer).__name__} computes statistics over the batch; call .eval() on it, so that its stored "
            "statistics are used, or replace it by GroupNorm"
        )
