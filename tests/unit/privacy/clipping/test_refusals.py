"""What the clipper cannot account for raises, and says the way out."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils import parametrizations, parametrize

from discreet.errors import ClippingError, DiscreetError, IsolationError
from discreet.privacy import Clipper


def one_line(error: pytest.ExceptionInfo[BaseException]) -> bool:
    return isinstance(error.value, DiscreetError) and "\n" not in str(error.value)


@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf, True])
def test_max_grad_norm(value: float):
    with pytest.raises(ClippingError, match="finite number above 0"):
        Clipper(nn.Linear(2, 2), value)


def test_style():
    with pytest.raises(ClippingError, match="'ghost' is unknown; choose one of flat, per_layer, automatic"):
        Clipper(nn.Linear(2, 2), 1.0, "ghost")  # pyright: ignore[reportArgumentType]


class Bare(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.scale = nn.Parameter(torch.ones(2))


class Standardised(nn.Conv2d):
    """Overrides what `forward` calls, not `forward`."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(input, weight - weight.mean(), bias)


class Scaled(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


class Called(nn.Linear):
    def __call__(self, *inputs: Tensor) -> Tensor:
        return 2 * super().__call__(*inputs)


def patched() -> nn.Module:
    """As libraries do that wrap a layer's forward in place."""
    layer = nn.Linear(2, 2)
    layer.forward = lambda features: F.linear(features, layer.weight * 2)
    return layer


UNKNOWN = {
    "bare parameter": (Bare, "parameter scale lives in Bare"),
    "a list of parameters": (lambda: nn.ParameterList([torch.ones(2)]), "lives in ParameterList"),
    "packed attention": (lambda: nn.MultiheadAttention(4, 2), "parameter in_proj_weight lives in MultiheadAttention"),
    "another kind of layer": (lambda: nn.Sequential(nn.Conv1d(1, 1, 1)), r"lives in 0 \(Conv1d\)"),
    "transposed convolution": (lambda: nn.ConvTranspose2d(1, 1, 1), "ConvTranspose2d"),
    "recurrent": (lambda: nn.LSTM(2, 2), "LSTM"),
    "instance norm": (lambda: nn.InstanceNorm2d(2, affine=True), "InstanceNorm2d"),
    "slope": (nn.PReLU, "PReLU"),
    "overridden forward": (lambda: Scaled(2, 2), r"lives in Scaled"),
    "overridden convolution": (lambda: Standardised(1, 1, 3), "lives in Standardised"),
    "overridden call": (lambda: Called(2, 2), "lives in Called"),
    "forward of an instance": (patched, "there is no rule"),
    "weight norm": (lambda: parametrizations.weight_norm(nn.Linear(2, 2)), "lives in parametrizations.weight"),
    "spectral norm": (lambda: parametrizations.spectral_norm(nn.Linear(2, 2)), "lives in parametrizations.weight"),
    "complex numbers": (lambda: nn.Linear(2, 2, dtype=torch.complex64), "parameters are complex"),
    "size unknown": (lambda: nn.LazyLinear(2), "run the module once"),
    "padding by name": (lambda: nn.Conv2d(1, 1, 3, padding="same"), "give Conv2d its padding as numbers"),
    "padding by mirror": (lambda: nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), "filled with zeros"),
    "sparse table": (lambda: nn.Embedding(2, 2, sparse=True), "without max_norm"),
    "padded table": (lambda: nn.Embedding(2, 2, padding_idx=0), "without max_norm"),
    "renormalised table": (lambda: nn.Embedding(2, 2, max_norm=1.0), "without max_norm"),
    "table by frequency": (lambda: nn.Embedding(2, 2, scale_grad_by_freq=True), "without max_norm"),
}


@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
@pytest.mark.parametrize(("make", "message"), UNKNOWN.values(), ids=UNKNOWN)
def test_layers_without_a_rule(make: Callable[[], nn.Module], message: str):
    module = make()
    with pytest.raises(ClippingError, match=message) as error:
        Clipper(module, 1.0)
    assert one_line(error)
    if make is not UNKNOWN["size unknown"][0]:
        Clipper(nn.ModuleList([module.requires_grad_(False), nn.Linear(1, 1)]), 1.0).close()  # frozen, it may stay


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_older_weight_norm():
    with pytest.raises(ClippingError, match="re-parametrised"):
        Clipper(nn.utils.weight_norm(nn.Linear(2, 2)), 1.0)


def test_nothing_to_train():
    with pytest.raises(ClippingError, match="choose what to train"):
        Clipper(nn.Linear(2, 2).requires_grad_(False), 1.0)


BATCH_STATISTICS = {
    "training": lambda: nn.BatchNorm2d(2),
    "no stored statistics": lambda: nn.BatchNorm2d(2, track_running_stats=False).eval(),
    "frozen scale, moving statistics": lambda: nn.BatchNorm2d(2).requires_grad_(False),
    "no scale": lambda: nn.BatchNorm2d(2, affine=False),
    "one axis": lambda: nn.BatchNorm1d(2),
    "over processes": lambda: nn.SyncBatchNorm(2),
    "instances that are remembered": lambda: nn.InstanceNorm2d(2, track_running_stats=True),
}


@pytest.mark.parametrize("make", BATCH_STATISTICS.values(), ids=BATCH_STATISTICS)
def test_batch_statistics(make: Callable[[], nn.Module]):
    with pytest.raises(IsolationError, match=r"computes statistics over the batch; call \.eval\(\)") as error:
        Clipper(nn.ModuleList([nn.Linear(1, 1), make()]), 1.0)
    assert one_line(error)


def test_batch_statistics_switched_on_later():
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)).eval()
    with Clipper(module, 1.0) as clipper:
        clipper.accumulate(module(torch.randn(3, 1, 2, 2)).sum((1, 2, 3)))
        module.train()
        with pytest.raises(IsolationError, match="statistics over the batch"):
            module(torch.randn(3, 1, 2, 2))
        module.eval()
        clipper.accumulate(module(torch.randn(3, 1, 2, 2)).sum((1, 2, 3)))


# What happens in a forward or backward pass.


class Uses(nn.Module):
    """A network that does something with its layers that no layer sees."""

    def __init__(self, how: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.table = nn.Embedding(3, 3)
        self.how = how

    def forward(self, features: Tensor) -> Tensor:
        return self.how(self, features).square().flatten(1).sum(1)


USES = {
    "weight as a function": (lambda m, x: F.linear(m.first(x), m.second.weight), "second.weight was used outside"),
    "weight of a called layer": (lambda m, x: F.linear(m.first(x), m.first.weight), "first.weight was used outside"),
    "weight transposed": (lambda m, x: m.first(x) @ m.table.weight.T, "table.weight was used outside"),
    "penalty on a weight": (lambda m, x: m.first(x) + m.first.weight.square().sum(), "first.weight was used outside"),
    "bias added by hand": (lambda m, x: m.first(x) + m.second.bias, "second.bias was used outside"),
    "forward without the call": (lambda m, x: m.second.forward(m.first(x)), "second.(weight|bias) was used outside"),
    "keyword": (lambda m, x: m.second(input=m.first(x)), "second was called with keyword arguments"),
    "a table without the sample": (lambda m, x: m.first(x) + m.table(torch.arange(3)).sum(0), "put the sample first"),
    "one row of a table": (lambda m, x: m.first(x) + m.table(torch.tensor(1)), "put the sample first"),
    "windows": (lambda m, x: m.first(x.reshape(-1, 1, 3).expand(-1, 2, 3).flatten(0, 1)).reshape(4, 6), "first .* put"),
    "queries first": (lambda m, x: m.second(m.first(x).expand(7, 4, 3)).transpose(0, 1), "second .* put the sample"),
    "a constant": (lambda m, x: m.first(x) + m.second(torch.ones(3)), "second .* put the sample"),
}


@pytest.mark.parametrize(("how", "message"), USES.values(), ids=USES)
def test_uses_that_hide_a_gradient(how: Callable[[nn.Module, Tensor], Tensor], message: str):
    module, plain = Uses(how), Uses(lambda m, x: m.second(m.first(x)) + m.table(torch.zeros(len(x), dtype=torch.int)))
    plain.load_state_dict(module.state_dict())
    images = torch.randn(4, 3)
    with Clipper(module, 1.0) as clipper:
        with pytest.raises(ClippingError, match=message) as error:
            clipper.accumulate(module(images))
        assert one_line(error)
        assert all(not total.any() for total in clipper.take().values())
        module.how = plain.how  # and it goes on
        clipper.accumulate(module(images))
        assert all(total.any() for total in clipper.take().values())


def test_a_constant_as_long_as_the_batch():
    """Three inputs, three samples: the layer's own axis is no sample axis."""
    module = Uses(lambda m, x: m.first(x) + m.second(torch.ones(3)))
    with Clipper(module, 1.0) as clipper, pytest.raises(ClippingError, match="put the sample first"):
        clipper.accumulate(module(torch.randn(3, 3)))


def test_a_layer_norm_over_the_whole_input():
    norm = nn.LayerNorm((3, 2))
    with Clipper(norm, 1.0) as clipper, pytest.raises(ClippingError, match="put the sample first"):
        clipper.accumulate(norm(torch.randn(3, 2)).sum(1))


def test_a_picture_without_batch_axis():
    layer = nn.Conv2d(4, 4, 1)
    with Clipper(layer, 1.0) as clipper, pytest.raises(ClippingError, match=r"shape \[4, 2, 2\]"):
        clipper.accumulate(layer(torch.randn(4, 2, 2)).sum((1, 2)))


def test_input_changed_in_place():
    module = Uses(lambda m, x: m.second(m.first(x)))
    with Clipper(module, 1.0) as clipper:
        images = torch.randn(3, 3)
        loss_B = module(images)
        images.mul_(2)
        with pytest.raises(ClippingError, match="input of layer first was changed in place"):
            clipper.accumulate(loss_B)
        module.how = lambda m, x: (m.second(h := m.first(x)), h.zero_())[0]
        with pytest.raises(ClippingError, match="input of layer second was changed in place"):
            clipper.accumulate(module(torch.randn(3, 3)))


def test_losses_of_the_wrong_shape():
    module = nn.Linear(3, 2)
    images = torch.randn(4, 3)
    with Clipper(module, 1.0) as clipper:
        for loss, shape in ((module(images).mean(), r"\[\]"), (module(images), r"\[4, 2\]")):
            with pytest.raises(ClippingError, match=f"shape {shape}; give one number a sample"):
                clipper.accumulate(loss)
        with pytest.raises(ClippingError, match="the loss has 1 samples"):
            clipper.accumulate(module(images).mean()[None])
        with pytest.raises(ClippingError, match="the loss has 8 samples"):
            clipper.accumulate(module(images).flatten())
        with pytest.raises(ClippingError, match="the loss has 8 samples"):
            clipper.accumulate(torch.cat((module(images), module(images))).sum(1))


def test_losses_without_a_graph():
    module = nn.Linear(3, 2)
    with Clipper(module, 1.0) as clipper:
        with torch.no_grad():
            loss_B = module(torch.randn(4, 3)).sum(1)
        for loss in (loss_B, torch.zeros(3), torch.zeros(3, dtype=torch.int64)):
            with pytest.raises(ClippingError, match="reaches no trainable layer"):
                clipper.accumulate(loss)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True:UserWarning")
def test_reentrant_checkpoint_that_would_lose_the_gradient():
    from torch.utils.checkpoint import checkpoint

    module = nn.Linear(3, 2)
    with Clipper(module, 1.0) as clipper, pytest.raises(ClippingError, match="reaches no trainable layer"):
        clipper.accumulate(checkpoint(module, torch.randn(4, 3), use_reentrant=True).sum(1))


def test_a_pass_counts_once():
    """Nothing is stored for a linear layer that comes first, so torch would go through it again."""
    module = nn.Linear(3, 2)
    with Clipper(module, 0.01) as clipper:
        output = module(torch.randn(4, 3))
        clipper.accumulate(output.sum(1))
        with pytest.raises(ClippingError, match="once already"):
            clipper.accumulate(output[:, 0])
        loss_B = module(torch.randn(1, 3)).sum(1)
        clipper.take()
        clipper.accumulate(loss_B)
        with pytest.raises(ClippingError, match="once already"):
            clipper.accumulate(loss_B)
        assert sum(float(total.square().sum()) for total in clipper.take().values()) ** 0.5 <= clipper.sensitivity


def test_backward_outside_of_accumulate():
    module = nn.Linear(3, 2)
    with Clipper(module, 1.0):
        with pytest.raises(ClippingError, match=r"use clipper\.accumulate"):
            module(torch.randn(4, 3)).sum().backward()
        loss = module(torch.randn(4, 3, requires_grad=True)).sum()
        assert torch.autograd.grad(loss, module.weight, allow_unused=True) == (None,)
        assert module.weight.grad is None


def test_gradient_of_a_gradient():
    """A penalty on input gradients would bring samples in by a way that no layer sees."""
    module = nn.Linear(3, 2)
    with Clipper(module, 1.0):
        images = torch.randn(4, 3, requires_grad=True)
        with pytest.raises(ClippingError, match=r"use clipper\.accumulate"):
            torch.autograd.grad(module(images).tanh().sum(), images, create_graph=True)


def test_a_loss_from_before_or_after():
    module = nn.Linear(3, 2)
    before = module(torch.randn(4, 3)).sum(1)
    clipper = Clipper(module, 1.0)
    with pytest.raises(ClippingError, match="used outside its own layer"):
        clipper.accumulate(before)
    loss_B = module(torch.randn(4, 3)).sum(1)
    clipper.close()
    for loss in (loss_B, module(torch.randn(4, 3)).sum(1), torch.zeros(0)):
        with pytest.raises(ClippingError, match="closed"):
            clipper.accumulate(loss)
    assert module.weight.grad is None


def freeze(module: nn.Sequential) -> None:
    module[0].weight.requires_grad_(False)


def unfreeze(module: nn.Sequential) -> None:
    module[1].weight.requires_grad_(True)


def replace(module: nn.Sequential) -> None:
    module[0].weight = nn.Parameter(torch.ones(3, 3))


def add(module: nn.Sequential) -> None:
    module.append(nn.Linear(3, 3))


def reparametrise(module: nn.Sequential) -> None:
    parametrize.register_parametrization(module[0], "weight", nn.Tanh(), unsafe=True)


@pytest.mark.parametrize("change", [freeze, unfreeze, replace, add])
def test_what_is_trainable_changes_later(change: Callable[[nn.Sequential], None]):
    """Otherwise an optimizer that holds the parameter would apply a gradient without clipping or noise."""
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].requires_grad_(False)
    with Clipper(module, 1.0) as clipper:
        clipper.accumulate(module(torch.randn(4, 3)).sum(1))
        change(module)
        with pytest.raises(ClippingError, match=r"parameter \d\.\w+ was frozen, unfrozen or replaced") as error:
            clipper.accumulate(module(torch.randn(4, 3)).sum(1))
        assert one_line(error)
        assert all(p.grad is None for p in module.parameters())
    assert module[0].weight.requires_grad != (change is freeze)  # closing undoes nothing of others


def test_parametrised_later():
    module = nn.Sequential(nn.Linear(3, 3))
    with Clipper(module, 1.0) as clipper:
        reparametrise(module)
        with pytest.raises(ClippingError, match=r"outside its own layer|frozen, unfrozen or replaced"):
            clipper.accumulate(module(torch.randn(4, 3)).sum(1))


def test_packed_attention_with_only_its_output_trainable():
    """Its output projection is a Linear that attention uses as a function."""
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    attention.requires_grad_(False)
    attention.out_proj.requires_grad_(True)
    tokens = torch.randn(3, 5, 4)
    with Clipper(attention, 1.0) as clipper, pytest.raises(ClippingError, match=r"out_proj\.\w+ was used outside"):
        clipper.accumulate(attention(tokens, tokens, tokens)[0].sum((1, 2)))
