"""Norms tell of their input's gradient themselves, and of scale and shift in one pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from discreet.errors import ClippingError
from discreet.privacy import Clipper
from discreet.privacy.clipping.gradients import per_sample_gradients
from discreet.privacy.clipping.norms import _affine, _by_plain_operations

LAYOUTS = {"apart": torch.contiguous_format, "side by side": torch.channels_last}
NORMS: dict[str, Callable[[], nn.Module]] = {
    "frozen batch norm": lambda: nn.BatchNorm2d(6).eval(),
    "group norm": lambda: nn.GroupNorm(2, 6),
}


def drawn(*shape: int, layout: str = "apart") -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).to(memory_format=LAYOUTS[layout])


def norm_of(kind: str) -> nn.Module:
    """Nothing in it is 0 or 1."""
    norm = NORMS[kind]().double()
    for tensor in (*norm.parameters(), *norm.buffers()):
        if tensor.is_floating_point():
            tensor.data.uniform_(0.5, 2)
    return norm


@pytest.mark.parametrize("gradient_layout", LAYOUTS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kind", NORMS)
def test_all_gradients_are_autograds(kind: str, batch: int, layout: str, gradient_layout: str) -> None:
    """Also where a gradient lies otherwise in memory than the input, which PyTorch's kernel does not notice."""
    torch.manual_seed(0)
    norm = norm_of(kind)
    inputs = (drawn(batch, 6, 5, 4, layout=layout) + 3).requires_grad_()
    gradient = drawn(batch, 6, 5, 4, layout=gradient_layout)
    if batch == 1 and gradient_layout == "side by side":
        gradient = gradient.as_strided(gradient.shape, (6, *gradient.stride()[1:]))  # as interpolation hands them back
    found = per_sample_gradients(norm, inputs.detach(), gradient, ("weight", "bias", "input"))
    for row in range(batch):
        wanted = torch.autograd.grad(
            norm(inputs[row : row + 1].contiguous()), [*norm.parameters(), inputs], gradient[row : row + 1].contiguous()
        )
        for name, expected in zip(("weight", "bias", "input"), wanted, strict=True):
            expected = expected[row] if name == "input" else expected
            torch.testing.assert_close(found[name][row], expected, rtol=1e-12, atol=1e-12)


def test_tokens_may_be_seen_across() -> None:
    """A view of [B, T, C] as [B, C, T], and gradients that are all one number."""
    torch.manual_seed(0)
    norm = norm_of("group norm")
    inputs = drawn(2, 5, 6).transpose(1, 2).requires_grad_()
    gradient = torch.ones((), dtype=torch.float64).expand(2, 6, 5)
    found = per_sample_gradients(norm, inputs.detach(), gradient, ("weight", "bias", "input"))
    wanted = torch.autograd.grad(norm(inputs), [*norm.parameters(), inputs], gradient)
    torch.testing.assert_close(found["weight"].sum(0), wanted[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found["bias"].sum(0), wanted[1], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found["input"], wanted[2], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_devices_without_the_fused_kernel_find_the_same(layout: str) -> None:
    torch.manual_seed(0)
    inputs, gradient = (drawn(3, 6, 5, 4, layout=layout) for _ in range(2))
    mean, variance = drawn(3, 6), drawn(3, 6).abs() + 0.5
    fused = _affine(inputs, gradient, mean, variance, 1e-3)
    plain = _by_plain_operations(inputs, gradient, mean, variance, 1e-3)
    for found, expected in zip(plain, fused, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", NORMS)
def test_a_norm_that_was_changed_after_its_call_is_refused(kind: str) -> None:
    """Autograd would notice; it is not asked."""
    module = nn.Sequential(nn.Conv2d(3, 6, 1), NORMS[kind]())
    with Clipper(module, 1.0) as clipper:
        loss_B = module(torch.randn(2, 3, 4, 4)).sum((1, 2, 3))
        with torch.no_grad():
            next(module[1].parameters()).mul_(2)
        with pytest.raises(ClippingError, match="layer 1 was changed in place after the call"):
            clipper.accumulate(loss_B)
