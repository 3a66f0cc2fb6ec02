"""A module that a clipper holds stays usable, and is as it was once let go."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from discreet.errors import ClippingError, IsolationError
from discreet.privacy import Clipper


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)).eval()


def pictures(count: int = 3) -> Tensor:
    return torch.randn(count, 1, 4, 4)


def losses(module: nn.Module, images: Tensor) -> Tensor:
    return module(images).square().sum(1)


def hooks(module: nn.Module) -> list[int]:
    found = []
    for layer in module.modules():
        found += [len(getattr(layer, kind)) for kind in vars(layer) if "hooks" in kind and getattr(layer, kind)]
    of_parameters = [h for p in module.parameters() for h in (p._backward_hooks, p._post_accumulate_grad_hooks) if h]
    return found + [len(kept) for kept in of_parameters]


class Fails(nn.Module):
    """Raises when told so, in the forward or the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.where = ""

    def forward(self, features: Tensor) -> Tensor:
        if self.where == "forward":
            raise OSError("in the forward pass")
        if self.where == "backward":
            features.register_hook(self._fail)
        return features

    def _fail(self, gradient: Tensor) -> None:
        raise OSError("in the backward pass")


@pytest.mark.parametrize("leave", ["close", "with", "exception"])
def test_close_restores_the_module_exactly(leave: str):
    module = network()
    module[4].bias.requires_grad_(False)
    module[0].weight.grad = torch.full_like(module[0].weight, 7.0)
    values = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    flags = {name: p.requires_grad for name, p in module.named_parameters()}
    if leave == "close":
        clipper = Clipper(module, 1.0)
        clipper.accumulate(losses(module, pictures()))
        clipper.close()
        clipper.close()
    elif leave == "with":
        with Clipper(module, 1.0) as clipper:
            clipper.accumulate(losses(module, pictures()))
    else:
        clipper = Clipper(module, 1.0)
        clipper.accumulate(losses(module, pictures()))
        with pytest.raises(RuntimeError, match="channels"), clipper:
            module(torch.randn(2, 3, 4, 4))
    assert hooks(module) == []
    assert {name: p.requires_grad for name, p in module.named_parameters()} == flags
    assert all(torch.equal(tensor, values[name]) for name, tensor in module.state_dict().items())
    grads = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    assert list(grads) == ["0.weight"]
    assert (grads["0.weight"] == 7).all()
    assert all(total.any() for name, total in clipper.take().items())  # what was accumulated is not lost
    module.zero_grad()
    losses(module, pictures()).sum().backward()  # an ordinary module again
    assert all((p.grad is not None) == p.requires_grad for p in module.parameters())


def test_a_refused_module_is_left_alone():
    module = nn.Sequential(nn.BatchNorm2d(3).eval(), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    with pytest.raises(IsolationError, match="BatchNorm2d computes statistics"):
        Clipper(module, 1.0)
    assert hooks(module) == []


def test_accumulating_leaves_every_grad_alone():
    module = network()
    with Clipper(module, 1.0) as clipper:
        clipper.accumulate(losses(module, pictures()))
    assert all(p.grad is None for p in module.parameters())


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_an_exception_leaves_the_module_usable_and_the_sum_as_it_was(where: str):
    fails = Fails()
    module = nn.Sequential(nn.Linear(4, 4), fails, nn.Linear(4, 2))
    images = torch.randn(3, 4)
    with Clipper(module, 0.5) as clipper:
        clipper.accumulate(losses(module, images))
        wanted = clipper.take()
        clipper.accumulate(losses(module, images))
        fails.where = where
        with pytest.raises(OSError, match=where):
            clipper.accumulate(losses(module, images))
        fails.where = ""
        assert all(p.requires_grad for p in module.parameters())
        assert all(torch.equal(total, wanted[name]) for name, total in clipper.take().items())
        clipper.accumulate(losses(module, images))
        assert all(torch.equal(total, wanted[name]) for name, total in clipper.take().items())


def test_a_layer_that_raises_gets_its_parameters_back():
    module = network()
    with Clipper(module, 1.0) as clipper:
        with pytest.raises(RuntimeError, match="channels"):
            module(torch.randn(2, 3, 4, 4))
        assert all(p.requires_grad for p in module.parameters())
        clipper.accumulate(losses(module, pictures()))


def test_an_interrupt_inside_a_layer_is_healed():
    """An interrupt is no Exception: torch calls no hook for it."""
    layer = nn.Linear(4, 2)
    module = nn.Sequential(layer)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with Clipper(module, 1.0) as clipper:
        handle = layer.register_forward_pre_hook(interrupt)  # after the clipper's own
        with pytest.raises(KeyboardInterrupt):
            module(torch.randn(3, 4))
        handle.remove()
        clipper.accumulate(module(torch.randn(3, 4)).sum(1))
        handle = layer.register_forward_pre_hook(interrupt)
        with pytest.raises(KeyboardInterrupt):
            module(torch.randn(3, 4))
        handle.remove()
    assert all(p.requires_grad for p in module.parameters())


def test_autograd_computes_no_weight_gradient():
    """Its graph ends in no parameter: what the clipper computes is not computed twice."""
    module = network()
    with Clipper(module, 1.0):
        waiting, leaves = [losses(module, pictures()).grad_fn], []
        while waiting:
            node = waiting.pop()
            leaves += [node.variable] if hasattr(node, "variable") else []
            waiting += [edge for edge, _ in node.next_functions if edge is not None]
    assert leaves
    assert not {id(leaf) for leaf in leaves} & {id(p) for p in module.parameters()}


def test_a_deep_copy_is_an_ordinary_module():
    """The moving average may be copied while a clipper holds the model."""
    module = network()
    with Clipper(module, 1.0) as clipper:
        clipper.accumulate(losses(module, pictures()))
        twin = copy.deepcopy(module)
        losses(twin, pictures()).sum().backward()
        assert all(p.grad is not None and p.requires_grad for p in twin.parameters())
        assert all(p.grad is None and p.requires_grad for p in module.parameters())
        clipper.accumulate(losses(module, pictures()))
    with Clipper(twin, 1.0) as clipper:
        clipper.accumulate(losses(twin, pictures()))


def test_other_hooks_do_not_mislead():
    """What a user's hooks change on the way in or out is not the layer's doing."""
    layer, images = nn.Linear(4, 2).double(), torch.randn(3, 4, dtype=torch.float64)
    plain = nn.Linear(4, 2).double()
    plain.load_state_dict(layer.state_dict())
    layer.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 3,))
    layer.register_forward_hook(lambda module, inputs, output: output * 2)
    with Clipper(layer, 1e6) as clipper, Clipper(plain, 1e6) as truth:
        layer.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1,))
        layer.register_forward_hook(lambda module, inputs, output: output.tanh())
        norms = clipper.accumulate(layer(images).sum(1))
        wanted = truth.accumulate((plain(images * 3 + 1) * 2).tanh().sum(1))
        torch.testing.assert_close(norms, wanted, rtol=1e-12, atol=0)
        expected = truth.take()
        for name, total in clipper.take().items():
            torch.testing.assert_close(total, expected[name], rtol=1e-12, atol=1e-15)


def test_a_clipper_after_another_on_the_same_module():
    module, images = network(), pictures()
    found = []
    for _ in range(2):
        with Clipper(module, 0.5) as clipper:
            clipper.accumulate(losses(module, images))
            found.append(clipper.take())
    assert all(torch.equal(total, found[1][name]) for name, total in found[0].items())


def test_weights_may_change_between_accumulations():
    """As an optimizer does, in place."""
    module, images = network(), pictures()
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    with Clipper(module, 0.5) as clipper:
        for _ in range(3):
            clipper.accumulate(losses(module, images))
            for name, total in clipper.take().items():
                module.get_parameter(name).grad = total
            optimizer.step()
            optimizer.zero_grad()
        norms = clipper.accumulate(losses(module, images))
    with Clipper(copy.deepcopy(module), 0.5) as clipper:
        fresh = clipper._taps._module
        torch.testing.assert_close(clipper.accumulate(losses(fresh, images)), norms, rtol=0, atol=0)


def test_a_second_clipper_at_once_is_refused_and_the_first_goes_on():
    module = nn.Linear(4, 2)
    for count in (1, 3):
        with Clipper(module, 1.0) as first:
            with pytest.raises(ClippingError, match=r"parameter weight has a hook .* as another Clipper has"):
                Clipper(module, 1.0)
            first.accumulate(module(torch.randn(count, 4)).sum(1))
            assert all(total.any() for total in first.take().values())
    assert all(p.requires_grad for p in module.parameters())


def test_a_frozen_part_may_be_used_freely():
    """Functional use of frozen weights, unknown layers that are frozen: none of the clipper's business."""

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frozen = nn.Conv1d(4, 4, 1).requires_grad_(False)
            self.free = nn.Linear(4, 4)

        def forward(self, features: Tensor) -> Tensor:
            features = self.frozen(self.free(features)[..., None])[..., 0]
            return F.linear(features, self.frozen.weight[..., 0])

    module, images = Mixed().double(), torch.randn(3, 4, dtype=torch.float64)
    with Clipper(module, 1e6) as clipper:
        clipper.accumulate(losses(module, images))
        sums = clipper.take()
    losses(module, images).sum().backward()
    for name, total in sums.items():
        torch.testing.assert_close(total, module.get_parameter(name).grad, rtol=1e-12, atol=1e-14)
