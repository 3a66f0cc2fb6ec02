"""Listen to layers: what each was called with, and the gradient its output received.

While a layer runs, its parameters do not require gradients, so autograd keeps nothing for them
and computes only input gradients. Everywhere else they do: a parameter that is used outside its
own layer gets a gradient from autograd, and that is caught.

A layer that is called with one sample is left alone: the gradient that autograd has of its parameters is that
sample's, if the loss is of one sample, and costs what ordinary training costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.nn.modules.instancenorm import _InstanceNorm  # pyright: ignore[reportPrivateUsage]
from torch.nn.parameter import UninitializedParameter

from discreet.errors import ClippingError, IsolationError
from discreet.privacy.clipping.gradients import (
    KNOWN_LAYERS,
    has_sample_axis,
    refuse_unknown_options,
    rule_for,
    tells_of_its_input,
)

# (layer name, layer, its input, gradient of its output, {"weight" or "bias": name of the parameter in the module},
# whether the gradient of the input is wanted): that gradient, or None
Listener = Callable[[str, nn.Module, Tensor, Tensor, dict[str, str], bool], Tensor | None]
# (name of a parameter in the module, its whole gradient by the only sample)
WholeListener = Callable[[str, Tensor], None]

_Read = Callable[[], Tensor]
_Tell = Callable[[Tensor, _Read], Tensor | None]


class _Tap(torch.autograd.Function):
    """Hands on an output as it is, and on the way back tells of its gradient and of the layer's input.

    Where the listener answers with that input's gradient, the layer itself is left out of the graph: its output comes
    detached, and its input as it is; otherwise it is the other way round. The anchor puts it into the graph even where
    neither the layer's input nor its parameters are. The input is kept by autograd, which lets go of it in time, and
    where activations are checkpointed keeps none but computes it again.
    """

    @staticmethod
    def forward(ctx: Any, output: Tensor, anchor: Tensor, layer_input: Tensor, tell: _Tell) -> Tensor:
        ctx.save_for_backward(layer_input)
        ctx.tell = tell
        # The same memory but not a view: in-place changes of it come after the tap in the graph.
        return output.new_empty(0).set_(output)  # pyright: ignore[reportArgumentType]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor | None, None]:
        of_input: Tensor | None = ctx.tell(gradients[0], lambda: ctx.saved_tensors[0])
        return gradients[0] if ctx.needs_input_grad[0] else None, None, of_input, None


class LayerTaps:
    """Hooks on every layer that holds a trainable parameter.

    Args:
        module: the network; parameters with requires_grad now are the trainable ones.
        listener: called in the backward pass, once for each call of a layer with several samples.
        whole_listener: called in the backward pass of a single sample, once for each parameter (once for each
            call, where a re-entrant checkpoint makes it); the tensor is autograd's, and may change.
        views: rows of a sample.

    Raises:
        ClippingError: nothing is trainable, or a trainable parameter lives in a layer without a rule, or has a hook
            that would see its gradient before it is clipped.
        IsolationError: a norm layer computes or updates statistics over the batch.
    """

    def __init__(self, module: nn.Module, listener: Listener, whole_listener: WholeListener, views: int = 1) -> None:
        self.parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        if not self.parameters:
            raise ClippingError("no parameter requires a gradient; choose what to train before building a Clipper")
        self._module = module
        self._names = {id(parameter): name for name, parameter in self.parameters.items()}
        self._listener = listener
        self._whole_listener = whole_listener
        self._views = views
        norms = [layer for layer in module.modules() if isinstance(layer, _BatchNorm | _InstanceNorm)]
        for norm in norms:
            _refuse_batch_statistics(norm, ())
        self._layers = self._find_layers(module)
        for name, parameter in self.parameters.items():
            if parameter._post_accumulate_grad_hooks:  # pyright: ignore
                raise ClippingError(
                    f"parameter {name} has a hook that sees gradients before they are clipped, as another Clipper has "
                    "or an optimizer in the backward pass; close or remove it, and step after accumulate()"
                )
        # From here on nothing is refused, so nothing has to be undone.
        self._anchor = torch.zeros((), requires_grad=True)
        self._calls: Counter[str] = Counter()
        self._num_samples: int | None = None  # of the backward pass that runs
        self._passed: set[str] = set()  # parameters whose layers it went through with one sample
        self._muted: list[nn.Parameter] = []
        self._handles: list[Any] = [norm.register_forward_pre_hook(_refuse_batch_statistics) for norm in norms]
        for name, layer in self._layers.items():
            self._tap(name, layer)
        for name, parameter in self.parameters.items():
            self._handles.append(parameter.register_hook(partial(self._admit, name)))  # pyright: ignore
            self._handles.append(parameter.register_post_accumulate_grad_hook(partial(self._hand_over, name)))  # pyright: ignore

    def check_unchanged(self) -> None:
        """Every trainable parameter, and no other, is one that the taps see.

        Raises:
            ClippingError: one was frozen, unfrozen, replaced or added; its gradient would be plain, or missing.
        """
        now = {id(parameter): name for name, parameter in self._module.named_parameters() if parameter.requires_grad}
        changed = [(now.get(key) or self._names[key]) for key in now.keys() ^ self._names.keys()]
        if changed:
            raise ClippingError(
                f"parameter {min(changed)} was frozen, unfrozen or replaced after the Clipper was built; "
                "close it, and build a new one"
            )

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

    def num_calls(self, parameter_name: str) -> int:
        """How often layers that hold a parameter were called since the last backward pass."""
        return self._calls[parameter_name]

    @contextmanager
    def backward_pass(self, num_samples: int) -> Generator[None]:
        """A checkpointed layer runs again meanwhile, which is no call of it; afterwards calls are counted anew.

        Gradients that parameters hold already are put aside: autograd would add to them.
        """
        earlier = [(parameter, parameter.grad) for parameter in self.parameters.values()]
        try:
            for parameter in self.parameters.values():
                parameter.grad = None
            self._num_samples = num_samples
            yield
        finally:
            self._num_samples = None
            self._passed.clear()
            self._calls.clear()
            for parameter, gradient in earlier:
                parameter.grad = gradient

    def close(self) -> None:
        """Remove every hook."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._unmute()

    def _find_layers(self, module: nn.Module) -> dict[str, nn.Module]:
        """Every layer that holds a trainable parameter, by name."""
        layers: dict[str, nn.Module] = {}
        modules: dict[str, nn.Module] = dict(module.named_modules())  # pyright: ignore[reportUnknownArgumentType]
        for name, layer in modules.items():
            held = list(self._names_in(layer))
            if not held:
                continue
            shown = name or type(layer).__name__
            if any(isinstance(p, UninitializedParameter) for p in layer.parameters(recurse=False)):
                raise ClippingError(
                    f"{shown} does not know its size yet; run the module once before building a Clipper"
                )
            if rule_for(layer) is None:
                raise ClippingError(
                    f"parameter {held[0]} lives in {shown} ({type(layer).__name__}), for which there is no rule; "
                    f"keep trainable parameters in {KNOWN_LAYERS}, or freeze it"
                )
            refuse_unknown_options(shown, layer)
            layers[shown] = layer
        return layers

    def _names_in(self, layer: nn.Module) -> dict[str, str]:
        """A layer's own trainable parameters: what it calls them, and what the module calls them."""
        own = layer.named_parameters(recurse=False)
        return {key: self._names[id(parameter)] for key, parameter in own if id(parameter) in self._names}

    def _tap(self, name: str, layer: nn.Module) -> None:
        """Listen to one layer."""
        names = self._names_in(layer)
        own = (*layer.parameters(recurse=False), *layer.buffers(recurse=False)) if tells_of_its_input(layer) else ()
        is_left_alone = False

        def before(called: nn.Module, inputs: tuple[Any, ...]) -> None:
            nonlocal is_left_alone
            if called is not layer:  # a deep copy carries the hooks of its original
                return
            is_left_alone = self._sees_one_sample(layer, inputs)
            if not is_left_alone:
                self._mute(layer)

        def after(called: nn.Module, inputs: tuple[Any, ...], output: Tensor | None) -> Tensor | None:
            if called is not layer:
                return None
            self._unmute()
            # None where the layer itself raised: its own error is on the way.
            if output is None or not torch.is_grad_enabled():
                return None
            if is_left_alone:
                return self._leave_alone(name, names, inputs[0].shape, output)
            return self._record(name, layer, names, own, inputs, output)

        # Last before the layer and first after it: what other hooks change is not the layer's.
        self._handles.append(layer.register_forward_pre_hook(before))
        self._handles.append(layer.register_forward_hook(after, prepend=True, always_call=True))

    def _sees_one_sample(self, layer: nn.Module, inputs: tuple[Any, ...]) -> bool:
        """Whether what a layer is called with are the rows of one sample."""
        if len(inputs) != 1 or not isinstance(inputs[0], Tensor):
            return False
        return has_sample_axis(layer, inputs[0]) and len(inputs[0]) == self._views

    def _leave_alone(self, name: str, names: dict[str, str], shape: torch.Size, output: Tensor) -> None:
        """Let autograd have a call of a layer with one sample, once."""
        if self._num_samples is None:
            self._calls.update(names.values())
        told = False

        def tell(_: Tensor) -> None:
            nonlocal told
            if self._num_samples is None:
                raise backward_outside()
            if self._num_samples > 1:
                raise rows_are_not_samples(name, shape, self._num_samples, self._views)
            if told:
                raise _went_through_already(name)
            told = True
            self._passed.update(names.values())

        if output.requires_grad:
            # What changes a view in place afterwards leaves the view itself out of the graph, but not its base.
            seen = output if output._base is None else output._base  # pyright: ignore[reportPrivateUsage]
            seen.register_hook(tell)  # pyright: ignore[reportUnknownMemberType]

    def _admit(self, name: str, _: Tensor) -> None:
        """Before autograd writes a parameter's gradient: a single sample's pass must have gone through its layer."""
        if name not in self._passed:
            raise ClippingError(
                f"parameter {name} was used outside its own layer, where its per-sample gradient cannot be seen; "
                "call the layer instead of using its weight"
            )

    def _hand_over(self, name: str, parameter: Tensor) -> None:
        """What autograd wrote is the clipper's: nobody else may step by it."""
        gradient, parameter.grad = parameter.grad, None
        assert gradient is not None
        self._whole_listener(name, gradient)

    def _mute(self, layer: nn.Module) -> None:
        """Hide the parameters that a layer holds now from autograd while it runs."""
        # `parameters()` takes a fifth of a tap's time.
        for parameter in layer._parameters.values():  # pyright: ignore[reportPrivateUsage]
            if parameter is not None and parameter.requires_grad and id(parameter) in self._names:
                parameter.requires_grad_(False)
                self._muted.append(parameter)

    def _unmute(self) -> None:
        """Undo `_mute`, also what an interrupt left behind; a parameter that others froze stays frozen."""
        while self._muted:
            self._muted.pop().requires_grad_(True)

    def _record(
        self,
        name: str,
        layer: nn.Module,
        names: dict[str, str],
        own: tuple[Tensor, ...],
        inputs: tuple[Any, ...],
        output: Tensor,
    ) -> Tensor:
        """Let autograd keep the input until the output's gradient arrives, once.

        `own` are the tensors of a layer that tells of its input: what it tells later is right while they are the same.
        """
        if len(inputs) != 1:
            raise ClippingError(f"layer {name} was called with keyword arguments; call it as layer(input)")
        version, told = inputs[0]._version, False
        takes_over = bool(own) and inputs[0].requires_grad
        versions = _versions(own)
        if self._num_samples is None:
            self._calls.update(names.values())

        def tell(gradient: Tensor, read_input: _Read) -> Tensor | None:
            nonlocal told
            if told:
                raise _went_through_already(name)
            told = True
            changed = f"the input of layer {name} was changed in place after the call; use a new tensor"
            try:
                layer_input = read_input()
            except RuntimeError as problem:
                raise (ClippingError(changed) if "inplace operation" in str(problem) else problem) from None
            if layer_input._version != version:
                raise ClippingError(changed)
            if takes_over and _versions(own) != versions:
                raise ClippingError(f"layer {name} was changed in place after the call; step after accumulate()")
            return self._listener(name, layer, layer_input, gradient, names, takes_over)

        if takes_over:
            return _Tap.apply(output.detach(), self._anchor, inputs[0], tell)  # pyright: ignore
        return _Tap.apply(output, self._anchor, inputs[0].detach(), tell)  # pyright: ignore


def _versions(tensors: tuple[Tensor, ...]) -> list[int]:
    """How often each was changed in place."""
    return [tensor._version for tensor in tensors]


def backward_outside() -> ClippingError:
    """Gradients that nobody would clip."""
    return ClippingError("backward() was called on a module that a Clipper holds; use clipper.accumulate(loss_B)")


def rows_are_not_samples(layer_name: str, shape: Sequence[int], num_samples: int, views: int) -> ClippingError:
    """A layer's leading axis is not the sample, so that its gradients cannot be told apart."""
    of_views = f" of {views} views" if views > 1 else ""
    return ClippingError(
        f"layer {layer_name} was called with an input of shape {list(shape)}, but the loss has {num_samples} "
        f"samples{of_views}; put the sample first in every layer's input (windows and queries are not samples)"
    )


def _went_through_already(layer_name: str) -> ClippingError:
    return ClippingError(f"the loss went through layer {layer_name} once already; a forward pass counts once")


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
