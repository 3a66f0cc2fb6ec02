"""Every layer kind, and every way of calling it, against a loop over single samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

from discreet.privacy import Clipper
from discreet.privacy.clipping import clipper, convolution, shortcuts
from tests.equivalence.oracle import assert_equivalent, norm, single_gradients

NUM_SAMPLES = 4
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


def randomise(module: nn.Module) -> nn.Module:
    """No weight is zero or one, no statistic standard: those hide mistakes."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for name, buffer in module.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 2.0)
    return module


def sample_losses(output: Tensor) -> Tensor:
    """One number a sample, with a gradient that differs by sample and place; sizes differ a hundredfold."""
    flat = output.reshape(len(output), -1)
    weights = torch.linspace(-1, 1, flat.shape[1], dtype=flat.dtype)
    return (flat * weights).sum(1) + 0.5 * flat.square().sum(1) + (3 * flat).tanh().sum(1)


def spread(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Samples of very different size."""
    scale = torch.logspace(-1, 0.5, shape[0], dtype=dtype).reshape(-1, *[1] * (len(shape) - 1))
    return torch.randn(shape, dtype=dtype) * scale


def check(module: nn.Module, inputs: Tensor, *, tolerance: float | None = None, **options: object) -> None:
    """The module by itself, on rows of `inputs`."""
    dtype = next(module.parameters()).dtype
    assert_equivalent(
        module,
        lambda samples: sample_losses(module(inputs[list(samples)])),
        len(inputs),
        tolerance=TOLERANCE[dtype] if tolerance is None else tolerance,
        **options,
    )


@dataclass(frozen=True)
class Case:
    """A layer and the shape of one sample; `rows` for a table's indices."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    rows: int = 0

    def inputs(self, dtype: torch.dtype) -> Tensor:
        shape = (NUM_SAMPLES, *self.shape)
        return torch.randint(self.rows, shape) if self.rows else spread(shape, dtype)


CASES = {
    "linear, a vector": Case(lambda: nn.Linear(5, 3), (5,)),
    "linear, tokens": Case(lambda: nn.Linear(5, 3), (7, 5)),
    "linear, a map": Case(lambda: nn.Linear(5, 3), (2, 3, 5)),
    "linear, no bias": Case(lambda: nn.Linear(5, 3, bias=False), (7, 5)),
    "linear, to one": Case(lambda: nn.Linear(4, 1), (4,)),
    "linear, as wide as the batch": Case(lambda: nn.Linear(NUM_SAMPLES, NUM_SAMPLES), (NUM_SAMPLES, NUM_SAMPLES)),
    "conv 1x1": Case(lambda: nn.Conv2d(4, 6, 1), (4, 5, 6)),
    "conv 1x1, stride": Case(lambda: nn.Conv2d(4, 6, 1, stride=(2, 3)), (4, 5, 8)),
    "conv 1x1, padded": Case(lambda: nn.Conv2d(4, 6, 1, padding=1), (4, 5, 6)),
    "conv 1x1, groups": Case(lambda: nn.Conv2d(4, 6, 1, groups=2), (4, 5, 6)),
    "conv 3x3": Case(lambda: nn.Conv2d(3, 4, 3, padding=1, bias=False), (3, 6, 5)),
    "conv, stride leaves a rest": Case(lambda: nn.Conv2d(3, 4, 3, stride=2), (3, 8, 6)),
    "conv, rectangular": Case(lambda: nn.Conv2d(3, 4, (1, 5), stride=(2, 1), padding=(0, 2)), (3, 6, 7)),
    "conv, dilated": Case(lambda: nn.Conv2d(3, 4, 3, dilation=(2, 1), padding=(2, 0)), (3, 6, 7)),
    "conv, groups": Case(lambda: nn.Conv2d(4, 6, 3, groups=2, padding=1), (4, 5, 6)),
    "conv, depthwise": Case(lambda: nn.Conv2d(4, 8, 5, groups=4, padding=2, stride=2), (4, 7, 6)),
    "conv, depthwise, tiled": Case(lambda: nn.Conv2d(6, 6, 5, groups=6, padding=2), (6, 7, 6)),
    "conv, depthwise, tiled, wide": Case(
        lambda: nn.Conv2d(4, 4, (7, 4), groups=4, padding=(3, 1), stride=2), (4, 9, 8)
    ),
    "conv 3x3, many positions": Case(lambda: nn.Conv2d(3, 4, 3, padding=1), (3, 11, 12)),
    "norm alone, linear": Case(lambda: nn.Linear(48, 40), (3, 48)),
    "norm alone, a vector": Case(lambda: nn.Linear(48, 40), (48,)),
    "norm alone, conv 1x1": Case(lambda: nn.Conv2d(40, 48, 1, stride=2), (40, 4, 3)),
    "norm alone, conv 3x3": Case(lambda: nn.Conv2d(16, 24, 3, padding=1), (16, 3, 4)),
    "group norm": Case(lambda: nn.GroupNorm(2, 6), (6, 4, 3)),
    "group norm, a vector": Case(lambda: nn.GroupNorm(2, 6), (6,)),
    "group norm, instances": Case(lambda: nn.GroupNorm(6, 6), (6, 4, 3)),
    "layer norm": Case(lambda: nn.LayerNorm(6), (5, 6)),
    "layer norm, a vector": Case(lambda: nn.LayerNorm(6, eps=1e-3), (6,)),
    "layer norm, two axes": Case(lambda: nn.LayerNorm((5, 6)), (3, 5, 6)),
    "layer norm, no bias": Case(lambda: nn.LayerNorm(6, bias=False), (5, 6)),
    "frozen batch norm": Case(lambda: nn.BatchNorm2d(6).eval(), (6, 4, 3)),
    "table, repeated rows": Case(lambda: nn.Embedding(3, 4), (9,), rows=3),
    "table, one row": Case(lambda: nn.Embedding(5, 4), (), rows=5),
    "table, a map of rows": Case(lambda: nn.Embedding(5, 4), (2, 3), rows=5),
}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_layer(case: Case, dtype: torch.dtype):
    check(randomise(case.make()).to(dtype), case.inputs(dtype))


PICTURES = {name: case for name, case in CASES.items() if len(case.shape) == 3 and ("conv" in name or "norm" in name)}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("many", [1, 10**9], ids=["one by one", "all at once"])
@pytest.mark.parametrize("case", PICTURES.values(), ids=PICTURES)
def test_layer_of_channels_side_by_side(case: Case, many: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(convolution, "MANY_POSITIONS", many)
    monkeypatch.setattr(convolution, "FEW_NUMBERS", many)
    # PyTorch's own group norm crashes on such inputs where they need no gradient.
    module, inputs = randomise(case.make()).to(dtype), case.inputs(dtype).requires_grad_()

    def losses(samples: Sequence[int]) -> Tensor:
        return sample_losses(module(side_by_side(inputs[list(samples)])))

    assert_equivalent(module, losses, len(inputs), tolerance=TOLERANCE[dtype])


def side_by_side(pictures: Tensor) -> Tensor:
    """The same numbers, laid out in memory with all channels of a position together."""
    return pictures.contiguous(memory_format=torch.channels_last) if pictures.dim() == 4 else pictures


@pytest.mark.parametrize("case", [case for name, case in CASES.items() if name.startswith("norm alone")])
def test_norms_alone_are_taken_where_they_are_meant_to_be(case: Case, monkeypatch: pytest.MonkeyPatch):
    asked: list[nn.Module] = []
    real = shortcuts.weighted_sum
    monkeypatch.setattr(shortcuts, "weighted_sum", lambda layer, *rest: asked.append(layer) or real(layer, *rest))
    check(case.make().double(), case.inputs(torch.float64))
    assert len(asked) == 3  # once for each style


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("frozen", ["weight", "bias"])
@pytest.mark.parametrize("case", ["linear, tokens", "conv, groups", "group norm", "layer norm", "frozen batch norm"])
def test_half_of_a_layer(case: str, frozen: str, dtype: torch.dtype):
    layer = randomise(CASES[case].make()).to(dtype)
    getattr(layer, frozen).requires_grad_(False)
    check(layer, CASES[case].inputs(dtype))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_any_convolution(data: st.DataObject):
    def pair(low: int, high: int) -> tuple[int, int]:
        return data.draw(st.tuples(st.integers(low, high), st.integers(low, high)))

    groups = data.draw(st.integers(1, 3))
    kernel, dilation = pair(1, 3), pair(1, 2)
    layer = nn.Conv2d(
        groups * data.draw(st.integers(1, 2)),
        groups * data.draw(st.integers(1, 2)),
        kernel,
        stride=pair(1, 3),
        padding=pair(0, 2),
        dilation=dilation,
        groups=groups,
        bias=data.draw(st.booleans()),
    ).double()
    inputs = spread((3, layer.in_channels, *(5 + extra for extra in pair(0, 3))), torch.float64)
    layout = data.draw(st.sampled_from([torch.contiguous_format, torch.channels_last]))
    layer.register_forward_pre_hook(lambda _, given: (given[0].contiguous(memory_format=layout),))
    check(layer, inputs, styles=("flat",))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(1, 4), max_size=3),
    st.sampled_from(["linear", "layer norm", "group norm", "table"]),
    st.integers(1, 5),
)
def test_any_number_of_axes(middle: list[int], kind: str, batch: int):
    if kind == "group norm":
        layer, inputs = nn.GroupNorm(2, 4), spread((batch, 4, *middle, 3), torch.float64)
    elif kind == "table":
        layer, inputs = nn.Embedding(4, 3), torch.randint(4, (batch, *middle))
    else:
        layer = nn.Linear(4, 3) if kind == "linear" else nn.LayerNorm(4)
        inputs = spread((batch, *middle, 4), torch.float64)
    check(randomise(layer).double(), inputs, styles=("flat",))


class Repeated(nn.Module):
    """One layer three times in a row, as the head that M2FP calls after each of its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        once = self.layer(inputs)
        twice = self.layer(once.tanh())
        return torch.cat((once, twice, self.layer(twice.tanh())), dim=-1)


class RepeatedWide(Repeated):
    """The same with a weight so large that a single call's norm would be taken alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(40, 40)


class Tied(nn.Module):
    """A table whose weight is also the weight of the last layer, and a bias that two layers share."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.middle = nn.Linear(4, 5)
        self.last = nn.Linear(4, 5)
        self.last.weight = self.table.weight
        self.last.bias = self.middle.bias

    def forward(self, rows: Tensor) -> Tensor:
        features = self.table(rows)
        return self.last(features.tanh()) * self.middle(features)


class Attention(nn.Module):
    """Attention whose queries come from a table, with its projections in layers of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.queries = nn.Embedding(3, 4)
        self.project = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.norm = nn.LayerNorm(4)

    def forward(self, tokens: Tensor) -> Tensor:
        queries = self.queries(torch.arange(3).expand(len(tokens), -1))
        query, key, value = (layer(x) for layer, x in zip(self.project, (queries, tokens, tokens), strict=True))
        return self.norm(queries + F.scaled_dot_product_attention(query, key, value))


class InPlace(nn.Module):
    """Changes of a layer's output in place, also where the output is a view."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        features = F.relu_(self.first(tokens))
        features = self.second(features * 2)
        features += tokens
        features[:, 0].mul_(3)
        features[:, 1] = 0
        return features


class Checkpointed(nn.Module):
    """The middle is computed again in the backward pass."""

    def __init__(self, *, reentrant: bool) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.middle = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 4), nn.LayerNorm(4))
        self.reentrant = reentrant

    def forward(self, tokens: Tensor) -> Tensor:
        return checkpoint(self.middle, self.first(tokens), use_reentrant=self.reentrant)


def frozen_between() -> nn.Module:
    """Gradients pass through frozen layers, batch norm with stored statistics among them."""
    chain = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4, 2)
    ).eval()
    chain[1].requires_grad_(False)
    chain[3].weight.requires_grad_(False)
    return chain


MODULES = {
    "repeated": Case(Repeated, (3, 4)),
    "repeated, wide": Case(RepeatedWide, (2, 40)),
    "tied": Case(Tied, (6,), rows=5),
    "attention": Case(Attention, (5, 4)),
    "in place": Case(InPlace, (3, 4)),
    "checkpointed": Case(lambda: Checkpointed(reentrant=False), (3, 4)),
    "checkpointed, reentrant": Case(lambda: Checkpointed(reentrant=True), (3, 4)),
    "frozen between": Case(frozen_between, (3, 5, 5)),
}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("num_held", [1, clipper._HELD], ids=["one by one", "in one go"])
@pytest.mark.parametrize("case", MODULES.values(), ids=MODULES)
def test_module(case: Case, num_held: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clipper, "_HELD", num_held)
    module = randomise(case.make()).to(dtype)
    inputs = case.inputs(dtype)
    if isinstance(module, Tied):  # by_layer counts a shared parameter for its first layer, the loop by its name
        check(module, inputs, styles=("flat", "automatic"))
    else:
        check(module, inputs)


def test_tied_parameters_are_clipped_with_their_first_layer():
    module = randomise(Tied()).double()
    rows = torch.randint(5, (NUM_SAMPLES, 6))
    singles = single_gradients(module, lambda samples: sample_losses(module(rows[list(samples)])), NUM_SAMPLES)
    with Clipper(module, 0.1, "per_layer") as clipper:
        clipper.accumulate(sample_losses(module(rows)))
        sums = clipper.take()
    groups = [["table.weight"], ["middle.weight", "middle.bias"]]  # nothing is left for `last`
    assert sorted(sums) == sorted([*groups[0], *groups[1]])
    for group in groups:
        factors = [min(1.0, 0.1 / 2**0.5 / norm(g[name] for name in group)) for g in singles]
        for name in group:
            expected = torch.stack([f * g[name] for f, g in zip(factors, singles, strict=True)]).sum(0)
            torch.testing.assert_close(sums[name], expected, rtol=1e-9, atol=1e-12)


class Lent(nn.Module):
    """A layer that is never called, whose weight one layer uses and whose bias another."""

    def __init__(self) -> None:
        super().__init__()
        self.owner = nn.Linear(70, 70)
        self.first, self.second = nn.Linear(70, 70), nn.Linear(70, 70)
        self.second.weight, self.first.bias = self.owner.weight, self.owner.bias

    def forward(self, rows: Tensor) -> Tensor:
        return self.second(self.first(rows).tanh())


def test_parameters_of_one_layer_that_others_use_are_clipped_together(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clipper, "_HELD", 1)
    module, rows = randomise(Lent()).double(), torch.randn(NUM_SAMPLES, 3, 70).double()
    singles = single_gradients(module, lambda samples: sample_losses(module(rows[list(samples)])), NUM_SAMPLES)
    with Clipper(module, 0.1, "per_layer") as held:
        held.accumulate(sample_losses(module(rows)))
        sums = held.take()
    group = ["owner.weight", "owner.bias"]
    factors = [min(1.0, 0.1 / 3**0.5 / norm(g[name] for name in group)) for g in singles]
    for name in group:
        expected = torch.stack([f * g[name] for f, g in zip(factors, singles, strict=True)]).sum(0)
        torch.testing.assert_close(sums[name], expected, rtol=1e-9, atol=1e-12)


def test_first_layer_and_later_ones_see_inputs_that_want_gradients_or_not():
    layer = randomise(nn.Linear(4, 3)).double()
    inputs = spread((NUM_SAMPLES, 4), torch.float64)
    found = []
    for wants in (False, True):
        with Clipper(layer, 0.5) as clipper:
            clipper.accumulate(sample_losses(layer(inputs.clone().requires_grad_(wants))))
            found.append(clipper.take()["weight"])
    torch.testing.assert_close(*found, rtol=0, atol=0)


def assert_near(sums: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Each sum is off by at most two hundredths of its length: bfloat16 holds about three digits."""
    assert sums.keys() == wanted.keys()
    for name, total in wanted.items():
        gap, length = norm([sums[name].double() - total.double()]), norm([total.double()])
        assert gap <= 0.02 * length, f"{name} is off by {gap / length:.4f} of its length"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("kind", ["linear, tokens", "conv 3x3", "layer norm", "group norm", "frozen batch norm"])
def test_half_precision_comes_near_the_truth(kind: str, dtype: torch.dtype):
    module = randomise(CASES[kind].make()).to(dtype)
    inputs = 0.3 * torch.randn((NUM_SAMPLES, *CASES[kind].shape), dtype=torch.float32).to(dtype)
    exact = CASES[kind].make().to(torch.float64)
    exact.load_state_dict(module.state_dict())
    with Clipper(exact, 1.0) as truth, Clipper(module, 1.0) as clipper:
        wanted = truth.accumulate(sample_losses(exact(inputs.double())))
        found = clipper.accumulate(sample_losses(module(inputs)))
        sums = clipper.take()
        assert all(total.dtype == torch.float32 for total in sums.values())
        torch.testing.assert_close(found, wanted, rtol=0.02, atol=0)
        assert_near(sums, truth.take())


def test_autocast_comes_near_the_truth():
    module = randomise(nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 2)))
    inputs = torch.randn(NUM_SAMPLES, 6, 5)
    with Clipper(module, 1.0) as clipper:
        exact = clipper.accumulate(sample_losses(module(inputs)))
        expected = clipper.take()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = module(inputs)
        found = clipper.accumulate(sample_losses(output.float()))
        sums = clipper.take()
    torch.testing.assert_close(found, exact, rtol=0.02, atol=0)
    assert all(total.dtype == torch.float32 for total in sums.values())
    assert_near(sums, expected)
