"""What `Clipper` promises to whoever uses it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from discreet.privacy import Clipper
from discreet.privacy.clipping.clipper import SENSITIVITY_SLACK

STYLES = ("flat", "per_layer", "automatic")


def network(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.LayerNorm(6), nn.Linear(6, 2)).to(dtype)


def losses(module: nn.Module, inputs: Tensor) -> Tensor:
    return module(inputs).square().sum(1)


def inputs(count: int = 5, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, 4, dtype=dtype)


def length(sums: dict[str, Tensor]) -> float:
    return math.sqrt(sum(float(total.double().square().sum()) for total in sums.values()))


def test_accumulate_returns_norms_before_clipping():
    module, pictures = network(), inputs()
    with Clipper(module, 1e-3) as clipper:
        norms = clipper.accumulate(losses(module, pictures))
    assert norms.dtype == torch.float64
    assert norms.shape == (5,)
    for index in range(5):
        module.zero_grad()
        losses(module, pictures[index : index + 1]).sum().backward()
        assert float(norms[index]) == pytest.approx(length({n: p.grad for n, p in module.named_parameters()}), rel=1e-9)


@pytest.mark.parametrize("style", STYLES)
def test_take_returns_the_sum_by_name_and_starts_anew(style: str):
    module, pictures = network(), inputs(6)
    with Clipper(module, 0.5, style) as clipper:
        clipper.accumulate(losses(module, pictures))
        whole = clipper.take()
        assert list(whole) == [name for name, _ in module.named_parameters()] == list(clipper.parameter_names)
        assert length(clipper.take()) == 0
        for start in (0, 1, 3):  # the mechanism does not know micro-batches
            clipper.accumulate(losses(module, pictures[start : {0: 1, 1: 3, 3: 6}[start]]))
        for name, total in clipper.take().items():
            torch.testing.assert_close(total, whole[name], rtol=1e-12, atol=1e-14)


def test_what_was_taken_does_not_change_later():
    module = network()
    with Clipper(module, 1.0) as clipper:
        clipper.accumulate(losses(module, inputs()))
        taken = clipper.take()
        kept = {name: total.clone() for name, total in taken.items()}
        clipper.accumulate(losses(module, inputs()))
        assert all(torch.equal(taken[name], kept[name]) for name in kept)


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
    ],
    ids=str,
)
def test_sums_are_float32_or_better(dtype: torch.dtype, wanted: torch.dtype):
    module = network(dtype)
    with Clipper(module, 1.0) as clipper:
        for _ in range(2):
            assert {total.dtype for total in clipper.take().values()} == {wanted}
            clipper.accumulate(losses(module, inputs(dtype=dtype)))
            assert length(clipper.take()) > 0


def test_empty_take_is_zeros_of_every_parameter():
    module = network()
    with Clipper(module, 1.0) as clipper:
        for name, total in clipper.take().items():
            assert total.shape == module.get_parameter(name).shape
            assert not total.any()


def test_an_empty_batch_adds_nothing():
    module = network()
    with Clipper(module, 1.0) as clipper:
        for loss_B in (torch.zeros(0), losses(module, inputs(0))):
            assert clipper.accumulate(loss_B).shape == (0,)
        assert length(clipper.take()) == 0


def test_batch_of_one():
    module = network()
    with Clipper(module, 0.01) as clipper:
        assert float(clipper.accumulate(losses(module, inputs(1)))) > 0.01
        assert length(clipper.take()) == pytest.approx(0.01, rel=1e-12)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("max_grad_norm", [1e-3, 1.0, 1e6])
def test_one_sample_stays_within_the_sensitivity(style: str, max_grad_norm: float):
    module = network(torch.float32)
    with Clipper(module, max_grad_norm, style) as clipper:
        assert clipper.sensitivity == max_grad_norm * (1 + SENSITIVITY_SLACK)
        for size in (1e-20, 1e-3, 1.0, 1e3, 1e10):
            clipper.accumulate(losses(module, inputs(1, torch.float32) * size))
            assert length(clipper.take()) <= clipper.sensitivity


def test_styles_scale_as_they_say():
    layer = nn.Linear(3, 1, bias=False).double()
    rows = torch.tensor([[3.0, 0, 0], [0, 0.5, 0], [0, 0, 0]], dtype=torch.float64)
    for style, first, second in (
        ("flat", 1.0, 0.5),
        ("per_layer", 1.0, 0.5),
        ("automatic", 3 / 3.01, 0.5 / 0.51),
    ):
        with Clipper(layer, 1.0, style) as clipper:
            norms = clipper.accumulate(layer(rows).sum(1))
            assert norms.tolist() == pytest.approx([3.0, 0.5, 0.0])
            assert clipper.take()["weight"].tolist()[0] == pytest.approx([first, second, 0.0])


def test_per_layer_gives_each_layer_its_share():
    module = nn.Sequential(*[nn.Linear(4, 4) for _ in range(4)]).double()
    with Clipper(module, 1.0, "per_layer") as clipper:
        clipper.accumulate(100 * losses(module, inputs(1)))
        sums = clipper.take()
    for index in range(4):
        assert length({k: sums[f"{index}.{k}"] for k in ("weight", "bias")}) == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize("style", STYLES)
def test_a_gradient_of_zero_adds_zero_and_no_nan(style: str):
    module = network()
    with Clipper(module, 1.0, style) as clipper:
        norms = clipper.accumulate(losses(module, inputs()) * torch.tensor([0.0, 1, 0, 0, 0]))
        assert (norms > 0).tolist() == [False, True, False, False, False]
        sums = clipper.take()
        assert all(bool(total.isfinite().all()) for total in sums.values())
        assert 0 < length(sums) <= clipper.sensitivity


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["input", "loss", "gradient"])
def test_a_sample_that_is_not_finite_adds_exactly_zero(style: str, bad: float, where: str):
    module, pictures = network(torch.float32), inputs(4, torch.float32)
    others = torch.cat((pictures[:1], pictures[2:]))
    with Clipper(module, 0.5, style) as clipper:
        clipper.accumulate(losses(module, others))
        wanted = clipper.take()
        if where == "input":
            pictures = pictures.index_fill(0, torch.tensor([1]), bad)
        output = module(pictures)
        if where == "gradient":
            output = output * torch.tensor([[1], [bad], [1], [1]])
        loss_B = output.square().sum(1)
        if where == "loss":
            loss_B = loss_B + torch.tensor([0, bad, 0, 0])
        norms = clipper.accumulate(loss_B)
        found = clipper.take()
    assert norms[[0, 2, 3]].isfinite().all()
    for name, total in wanted.items():
        torch.testing.assert_close(found[name], total, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("num_samples", [1, 2])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", [1e15, 1e18, 1e19, 1e25, 1e30, 1e37, 3e38])
def test_huge_gradients_are_clipped_or_dropped(style: str, size: float, num_samples: int):
    """Squares overflow float32 from 1e19 on; the clipping factor leaves its range beyond 1e37."""
    layer = nn.Linear(1000, 8, bias=False)
    with Clipper(layer, 1e-3, style) as clipper:
        clipper.accumulate(layer(torch.eye(num_samples, 1)[:, [0] * 1000]).sum(1) * size)
        assert length(clipper.take()) <= clipper.sensitivity


@pytest.mark.parametrize(
    ("num_samples", "tolerance"), [(2, 1e-6), (1, 1e-5)], ids=["by its norm alone", "in runs of 4096 numbers"]
)
def test_the_norm_of_millions_of_numbers_is_not_short(num_samples: int, tolerance: float):
    """Added up in float32, these equal squares come out 1 % short, and the sum 1 % long."""
    layer = nn.Linear(2048, 2048, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
    with Clipper(layer, 1.0) as clipper:
        norms = clipper.accumulate((layer(torch.full((num_samples, 2048), 0.1)) * 0.7).sum(1))
        added = length(clipper.take())
    assert norms.tolist() == pytest.approx([0.07 * 2048] * num_samples, rel=tolerance)
    assert added == pytest.approx(num_samples, rel=1e-5)


def test_two_forward_passes_before_either_is_accumulated():
    module, first, second = network(), inputs(3), inputs(4)
    with Clipper(module, 0.5) as clipper:
        clipper.accumulate(losses(module, torch.cat((first, second))))
        wanted = clipper.take()
        loss_first, loss_second = losses(module, first), losses(module, second)
        clipper.accumulate(loss_second)
        clipper.accumulate(loss_first)
        for name, total in clipper.take().items():
            torch.testing.assert_close(total, wanted[name], rtol=1e-12, atol=1e-14)


def test_views_of_a_sample_are_clipped_together():
    """Two passes, one loss a sample: its gradient is the mean of its views'."""
    module, picture = network(), inputs(1)
    with Clipper(module, 0.01) as clipper:
        views = torch.stack([losses(module, picture), losses(module, -picture)])
        norms = clipper.accumulate(views.mean(0))
        assert norms.shape == (1,)
        assert float(norms) > 1
        assert length(clipper.take()) <= clipper.sensitivity


def test_passes_whose_graph_is_never_used_leave_no_trace():
    module, pictures = network(), inputs()
    with Clipper(module, 0.5) as clipper:
        clipper.accumulate(losses(module, pictures))
        wanted = clipper.take()
        used = losses(module, pictures)
        losses(module, inputs(7))
        with torch.no_grad():
            losses(module, inputs(2))
        with torch.inference_mode():
            losses(module, inputs(2))
        clipper.accumulate(used)
        for name, total in clipper.take().items():
            assert torch.equal(total, wanted[name])


def test_inputs_are_let_go_after_the_backward_pass():
    """The caller may still hold the last loss while the next one is computed."""
    import gc
    import weakref

    module = network()
    with Clipper(module, 1.0) as clipper:
        pictures = inputs()
        loss_B = losses(module, pictures)
        memory = weakref.ref(pictures.untyped_storage())
        clipper.accumulate(loss_B)
        del pictures
        gc.collect()
        assert memory() is None
        assert loss_B.shape == (5,)


def test_same_bits_every_time():
    module, pictures = network(torch.float32), inputs(5, torch.float32)
    with Clipper(module, 0.5) as clipper:
        found = []
        for _ in range(2):
            clipper.accumulate(losses(module, pictures))
            found.append(clipper.take())
    assert all(torch.equal(total, found[1][name]) for name, total in found[0].items())
