"""A batch of one sample: its gradient is autograd's own, taken over whole, and no rule is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from discreet.errors import ClippingError
from discreet.m2fp import build, criterion, make_targets, set_activation_checkpointing
from discreet.privacy import Clipper
from discreet.privacy.clipping import calls
from discreet.privacy.clipping.taps import LayerTaps
from discreet.training.batches import probe_picture
from tests.equivalence.oracle import STYLES, norm
from tests.equivalence.test_layers import CASES, MODULES, TOLERANCE, Case, Tied, check, randomise, sample_losses

MAX_GRAD_NORM = 0.5


@pytest.fixture
def no_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(layer: nn.Module, *_: object) -> NoReturn:
        pytest.fail(f"{layer} was asked for per-sample gradients")

    monkeypatch.setattr(calls, "per_sample_gradients", asked)
    monkeypatch.setattr(calls.shortcuts, "squared_norms", asked)


@pytest.mark.usefixtures("no_rules")
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("case", [*CASES.values(), *MODULES.values()], ids=[*CASES, *MODULES])
def test_layers_and_modules(case: Case, dtype: torch.dtype):
    module = randomise(case.make()).to(dtype)
    styles = ("flat", "automatic") if isinstance(module, Tied) else STYLES
    check(module, case.inputs(dtype)[2:3], styles=styles)


class Small(nn.Module):
    """Two layers, one of them called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.twice = nn.Linear(6, 6)

    def forward(self, rows: Tensor) -> Tensor:
        return self.twice(self.twice(self.first(rows)).tanh())


@pytest.mark.usefixtures("no_rules")
@pytest.mark.parametrize("style", STYLES)
def test_views_of_one_sample(style: str):
    module, views = randomise(Small()).double(), torch.randn(3, 4).double()
    sample_losses(module(views)).mean().backward()
    plain = {name: parameter.grad for name, parameter in module.named_parameters()}
    module.zero_grad()
    length = norm(plain.values())
    with Clipper(module, 2 * length, style, views=3) as clipper:  # pyright: ignore[reportArgumentType]
        found = clipper.accumulate(sample_losses(module(views)).mean()[None])
        sums = clipper.take()
    assert float(found) == pytest.approx(length, rel=1e-12)
    if style == "flat":
        torch.testing.assert_close(sums, plain, rtol=1e-12, atol=0)


@pytest.mark.parametrize("style", STYLES)
def test_one_after_the_other_is_all_at_once(style: str):
    module, rows = randomise(Small()).double(), torch.randn(5, 4).double()
    with Clipper(module, MAX_GRAD_NORM, style) as clipper:  # pyright: ignore[reportArgumentType]
        together = clipper.accumulate(sample_losses(module(rows)))
        wanted = clipper.take()
        single = torch.cat([clipper.accumulate(sample_losses(module(row[None]))) for row in rows])
        torch.testing.assert_close(clipper.take(), wanted, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(single, together, rtol=1e-9, atol=0)


@pytest.mark.usefixtures("no_rules")
@pytest.mark.parametrize("checkpointed", [False, True])
def test_a_picture_through_m2fp_is_its_plain_gradient(checkpointed: bool):
    model = build("m2fp-lite", 6, seed=0).train()
    image, parts = probe_picture(0, 64, 5)
    images, targets = model.batch([model.normalise(image)]), [make_targets(parts, None, num_parts=5, human=True)]
    set_activation_checkpointing(model, checkpointed)

    def loss_of_one() -> Tensor:
        return criterion(model(images), targets, [torch.Generator().manual_seed(0)])

    loss_of_one().sum().backward()
    plain = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    factor = MAX_GRAD_NORM / norm(plain.values())
    with Clipper(model, MAX_GRAD_NORM) as clipper:
        clipper.accumulate(loss_of_one())
        sums = clipper.take()
    assert factor < 1
    assert set(sums) == set(plain)
    for name, gradient in plain.items():
        torch.testing.assert_close(sums[name], gradient * factor, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("style", STYLES)
def test_what_autograd_wrote_is_only_read(style: str):
    """It may have given two parameters the same memory, or somebody else."""
    module = Small()
    seen: list[tuple[Tensor, Tensor]] = []
    with Clipper(module, 1e-3, style) as clipper:  # pyright: ignore[reportArgumentType]
        listener = clipper._taps._whole_listener

        def note(name: str, gradient: Tensor) -> None:
            seen.append((gradient, gradient.clone()))
            listener(name, gradient)

        clipper._taps._whole_listener = note
        clipper.rescale({"first.weight": 30.0})
        for _ in range(2):
            clipper.accumulate(sample_losses(module(torch.randn(1, 4))))
        sums = clipper.take()
    assert len(seen) == 2 * len(sums)
    assert all(torch.equal(*pair) for pair in seen)
    assert len({tensor.untyped_storage().data_ptr() for tensor in (*sums.values(), *(g for g, _ in seen))}) == 12


def test_under_autocast_the_norm_is_of_what_is_summed():
    module = randomise(Small())
    with Clipper(module, MAX_GRAD_NORM) as clipper:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = module(torch.randn(1, 4))
        assert float(clipper.accumulate(sample_losses(output.float()))) > MAX_GRAD_NORM
        assert norm(clipper.take().values()) == pytest.approx(MAX_GRAD_NORM, rel=1e-5)


def test_gradients_that_lie_there_are_neither_counted_nor_lost():
    """Autograd adds to what a parameter holds."""
    module = randomise(Small())
    row = torch.randn(1, 4)
    with Clipper(module, 1e6) as clipper:
        clipper.accumulate(sample_losses(module(row)))
        wanted = clipper.take()
        module.first.weight.grad = earlier = torch.full_like(module.first.weight, 7.0)
        clipper.accumulate(sample_losses(module(row)))
        torch.testing.assert_close(clipper.take(), wanted, rtol=0, atol=0)
    assert module.first.weight.grad is earlier
    assert bool((earlier == 7).all())
    assert all(p.grad is None for name, p in module.named_parameters() if name != "first.weight")


def test_backward_outside_of_accumulate():
    module = Small()
    with Clipper(module, 1.0):
        with pytest.raises(ClippingError, match=r"use clipper\.accumulate"):
            module(torch.randn(1, 4)).sum().backward()
        assert all(p.grad is None for p in module.parameters())


def test_a_loss_from_before_the_clipper_or_after():
    """Nobody saw how many rows it is of."""
    module = Small()
    before = sample_losses(module(torch.randn(3, 4))).mean()[None]
    with Clipper(module, 1.0) as clipper:
        with pytest.raises(ClippingError, match="was used outside its own layer"):
            clipper.accumulate(before)
        after = sample_losses(module(torch.randn(1, 4)))
    with pytest.raises(ClippingError, match=r"use clipper\.accumulate"):
        after.sum().backward()
    assert all(p.grad is None for p in module.parameters())


def test_a_weight_used_as_a_function():
    module = Small()
    with Clipper(module, 1.0) as clipper, pytest.raises(ClippingError, match=r"twice\.weight was used outside its own"):
        clipper.accumulate(sample_losses(F.linear(module.first(torch.randn(1, 4)), module.twice.weight)))


def test_hooks_that_would_see_a_gradient_unclipped():
    module = Small()
    handle = module.first.bias.register_post_accumulate_grad_hook(lambda _: None)
    with pytest.raises(ClippingError, match=r"first\.bias has a hook"):
        Clipper(module, 1.0)
    handle.remove()
    Clipper(module, 1.0).close()


def test_an_interrupt_leaves_no_gradient(monkeypatch: pytest.MonkeyPatch):
    """It comes when autograd has written a gradient and the clipper has not taken it."""

    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(LayerTaps, "_hand_over", interrupted)
    module = Small()
    with Clipper(module, 1.0) as clipper, pytest.raises(KeyboardInterrupt):
        clipper.accumulate(sample_losses(module(torch.randn(1, 4))))
    assert all(p.grad is None for p in module.parameters())


def test_a_pass_counts_once_whatever_comes_between():
    module = nn.Linear(4, 2).requires_grad_(False)
    module.bias.requires_grad_(True)  # its gradient needs nothing that autograd would let go of
    with Clipper(module, 0.01) as clipper:
        output = module(torch.randn(1, 4))
        clipper.accumulate(output.sum(1))
        module(torch.randn(1, 4))
        with pytest.raises(ClippingError, match="once already"):
            clipper.accumulate(output[:, 0])


SHARED: dict[str, Callable[[Small, Tensor], Tensor]] = {
    "one row for all": lambda module, rows: module.first(rows) + module.twice(torch.ones(1, 6)),
    "a mean over samples": lambda module, rows: module.first(rows) + module.first(rows.mean(0, keepdim=True)),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("forward", SHARED.values(), ids=SHARED)
def test_one_row_that_several_samples_share_is_none_of_theirs(forward: Callable[..., Tensor], style: str):
    module = Small()
    with Clipper(module, 1.0, style) as clipper:  # pyright: ignore[reportArgumentType]
        with pytest.raises(ClippingError, match=r"shape \[1, \d\], but the loss has 3 samples; put the sample first"):
            clipper.accumulate(sample_losses(forward(module, torch.randn(3, 4))))
        assert all(not total.any() for total in clipper.take().values())
    assert all(p.grad is None for p in module.parameters())


def test_several_rows_are_not_one_sample():
    """Else a batch's sum would be clipped as if it were one sample's, and each could move it as far as it likes."""
    module = Small()
    with Clipper(module, 1.0) as clipper, pytest.raises(ClippingError, match="the loss has 1 samples"):
        clipper.accumulate(sample_losses(module(torch.randn(3, 4))).mean()[None])


def test_a_late_hook_that_changes_the_rows_is_refused():
    """The layer would be hidden from autograd, whose gradients alone are summed."""
    module = Small()
    with Clipper(module, 1.0) as clipper:
        module.twice.register_forward_pre_hook(lambda _, given: (given[0][:1],))
        features = module.first(torch.randn(1, 4))
        with pytest.raises(ClippingError, match="a hook changed how many rows layer twice was called with"):
            clipper.accumulate(sample_losses(module.twice(features.expand(2, -1))))
        assert all(not total.any() for total in clipper.take().values())


def test_a_failing_pass_leaves_no_gradient_and_no_sum():
    module = Small()
    with Clipper(module, 1.0) as clipper:
        clipper.accumulate(sample_losses(module(torch.randn(1, 4))))
        features = module.first(torch.randn(1, 4))
        features.register_hook(lambda _: (_ for _ in ()).throw(OSError("in the backward pass")))
        with pytest.raises(OSError, match="in the backward pass"):
            clipper.accumulate(sample_losses(module.twice(features)))
        clipper.accumulate(sample_losses(module(torch.randn(1, 4))))
        assert norm(clipper.take().values()) <= 2 * clipper.sensitivity
    assert all(p.grad is None for p in module.parameters())


def test_one_sample_that_is_not_finite_adds_nothing():
    module = Small()
    with Clipper(module, 1.0) as clipper:
        clipper.accumulate(sample_losses(module(torch.full((1, 4), float("nan")))))
        assert all(not total.any() for total in clipper.take().values())
