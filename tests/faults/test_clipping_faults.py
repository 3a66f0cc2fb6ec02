"""Faults of clipping, summing and noising, planted one by one.

Each check holds for what discreet does, and fails on each variant. Numbers in brackets are those
of the project's catalogue of faults in differentially private training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import pytest
import torch
from torch import Tensor, nn

from discreet.errors import ClippingError, IsolationError
from discreet.privacy import Clipper, PrivacyPlan, RunKey
from discreet.privacy.clipping import shortcuts
from discreet.privacy.isolation import check_isolation
from discreet.training.gradients import PrivateGradients
from tests.equivalence.oracle import norm, single_gradients

MAX_GRAD_NORM = 0.1
Sums = dict[str, Tensor]
# The clipped sum of some samples.
Mechanism = Callable[[Tensor], Sums]


class Network(nn.Module):
    """A head that is called three times, a weight that two layers share, biases; sums over tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 4)
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.head.weight
        self.last = nn.Linear(4, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        once = self.head(tokens)
        twice = self.head(once.tanh())
        return self.last(once + twice + self.head(twice.tanh()) + self.tied(tokens))


def network() -> Network:
    torch.manual_seed(3)
    return Network().double()


def token_losses(module: nn.Module, samples: Tensor) -> Tensor:
    """One loss a token, [B, T]."""
    return module(samples).square().sum(2)


def losses(module: nn.Module, samples: Tensor) -> Tensor:
    return token_losses(module, samples).sum(1)


def samples(count: int = 6) -> Tensor:
    """Of very different size, and two that pull the other way."""
    torch.manual_seed(4)
    tokens = torch.randn(count, 3, 4, dtype=torch.float64) * torch.logspace(-1, 1, count)[:, None, None]
    return torch.cat((tokens, -tokens[-1:], -tokens[-2:-1]))


def clipped(data: Tensor) -> Sums:
    """What discreet does."""
    module = network()
    with Clipper(module, MAX_GRAD_NORM) as clipper:
        clipper.accumulate(losses(module, data))
        return clipper.take()


def singles(data: Tensor) -> list[Sums]:
    module = network()
    return single_gradients(module, lambda chosen: losses(module, data[list(chosen)]), len(data))


def add(all_sums: Iterable[Mapping[str, Tensor]]) -> Sums:
    """The sum of some, at least one."""
    total: Sums = {}
    for sums in all_sums:
        total = {name: total.get(name, 0) + tensor for name, tensor in sums.items()}
    return total


def scaled(gradients: Mapping[str, Tensor], size: float) -> Sums:
    """Clipped as if its norm were `size`."""
    factor = min(1.0, MAX_GRAD_NORM / size)
    return {name: factor * gradient for name, gradient in gradients.items()}


def check_sensitivity(mechanism: Mechanism, data: Tensor, bound: float = MAX_GRAD_NORM) -> None:
    """Leaving out any one sample moves the sum by at most the bound, in whatever company."""
    for company in (data, data[:3], data[-3:]):
        whole = mechanism(company)
        for index in range(len(company)):
            rest = mechanism(torch.cat((company[:index], company[index + 1 :])))
            moved = norm(whole[name] - rest[name] for name in whole)
            assert moved <= bound * (1 + 1e-3), f"one sample moves the sum by {moved:.4g}, not {bound:.4g}"


def after_averaging(data: Tensor) -> Sums:
    """[2] The mean is clipped, and multiplied back."""
    total = add(singles(data))
    mean = {name: tensor / len(data) for name, tensor in total.items()}
    return {name: tensor * len(data) for name, tensor in scaled(mean, norm(mean.values())).items()}


def each_parameter_by_itself(data: Tensor) -> Sums:
    """[2] Every parameter gets the whole bound."""
    return add({name: scaled({name: g}, norm([g]))[name] for name, g in single.items()} for single in singles(data))


def micro_batches_as_samples(data: Tensor) -> Sums:
    """[3] The mean of two samples is clipped, and counts for two."""
    parts = [data[start : start + 2] for start in range(0, len(data), 2)]
    return add(after_averaging(part) for part in parts)


def without_biases(data: Tensor) -> Sums:
    """[4] Only weights enter the norm; biases are summed all the same."""
    return add(scaled(g, norm(t for name, t in g.items() if name.endswith("weight"))) for g in singles(data))


def without_the_shared_head(data: Tensor) -> Sums:
    """[4] A parameter that a hook does not see is missing from the norm."""
    return add(scaled(g, norm(t for name, t in g.items() if not name.startswith("head"))) for g in singles(data))


class Unshared(Network):
    """The same function with a weight of its own for every call: what hooks see before anything is added up."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = nn.ModuleList(nn.Linear(4, 4) for _ in range(4))
        for call, source in zip(self.calls, (self.head, self.head, self.head, self.tied), strict=True):
            call.load_state_dict(source.state_dict())
        del self.head, self.tied

    def forward(self, tokens: Tensor) -> Tensor:
        once = self.calls[0](tokens)
        twice = self.calls[1](once.tanh())
        return self.last(once + twice + self.calls[2](twice.tanh()) + self.calls[3](tokens))


def sized_by_call(data: Tensor, size_of: Callable[[Sums], float]) -> Sums:
    """Right gradients, with a size computed from those of single calls."""
    torch.manual_seed(3)
    module = Unshared().double()
    by_call = single_gradients(module, lambda chosen: losses(module, data[list(chosen)]), len(data))
    return add(scaled(single, size_of(calls)) for single, calls in zip(singles(data), by_call, strict=True))


def of_the_last_call_only(data: Tensor) -> Sums:
    """[4] Each call of the head overwrites the earlier ones' share of the norm."""
    return sized_by_call(data, lambda calls: norm(t for n, t in calls.items() if n[:7] not in ("calls.0", "calls.1")))


def calls_squared_apart(data: Tensor) -> Sums:
    """[4] Squares of calls are added, where those of their sum belong: calls that agree count too little."""
    return sized_by_call(data, lambda calls: norm(calls.values()))


def windows_as_samples(data: Tensor) -> Sums:
    """[5] Every token is clipped by itself: a picture counts as often as it has windows."""
    return clipped(data.flatten(0, 1)[:, None])


def views_as_samples(data: Tensor) -> Sums:
    """[6] Every augmentation of a sample is clipped by itself."""
    return clipped(torch.cat((data, 1.1 * data, 1.2 * data)))


def not_at_all(data: Tensor) -> Sums:
    return add(singles(data))


def test_right_sensitivity():
    check_sensitivity(clipped, samples())


@pytest.mark.parametrize(
    "variant",
    [
        after_averaging,
        each_parameter_by_itself,
        micro_batches_as_samples,
        without_biases,
        without_the_shared_head,
        of_the_last_call_only,
        calls_squared_apart,
        windows_as_samples,
        views_as_samples,
        not_at_all,
    ],
)
def test_faults_of_sensitivity(variant: Mechanism):
    with pytest.raises(AssertionError, match="one sample moves the sum by"):
        check_sensitivity(variant, samples())


# [5, 6] cannot be built by mistake: the layers, or the check before step 0, refuse them.


def probe(index: int) -> Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(index), dtype=torch.float64)


def stacked(probes: Sequence[int]) -> Tensor:
    return torch.stack([probe(index) for index in probes])


def test_windows_folded_into_the_batch_are_refused():
    module, data = network(), samples(4)
    with Clipper(module, MAX_GRAD_NORM) as clipper, pytest.raises(ClippingError, match="windows and queries"):
        clipper.accumulate(losses(module, data.reshape(-1, 1, 4)).reshape(len(data), -1).sum(1))


def test_windows_and_views_with_losses_of_their_own_are_refused_at_the_start():
    def right(module: nn.Module, probes: Sequence[int]) -> Tensor:
        return losses(module, stacked(probes))

    def windows(module: nn.Module, probes: Sequence[int]) -> Tensor:
        return token_losses(module, stacked(probes)).flatten()

    def views(module: nn.Module, probes: Sequence[int]) -> Tensor:
        return losses(module, torch.cat((stacked(probes), stacked(probes).flip(1))))

    check_isolation(network(), right, max_grad_norm=MAX_GRAD_NORM)
    for wrong in (windows, views):
        with pytest.raises(IsolationError, match="give one number a sample"):
            check_isolation(network(), wrong, max_grad_norm=MAX_GRAD_NORM)


# [1, 2] the scale of the noise

NOISE_MULTIPLIER, BATCH = 2.0, 8
Release = Callable[[Sums, int], Mapping[str, Tensor]]


def plan() -> PrivacyPlan:
    return PrivacyPlan.for_noise(
        noise_multiplier=NOISE_MULTIPLIER,
        num_samples=100,
        expected_batch_size=BATCH,
        num_steps=10,
        delta=1e-5,
        max_grad_norm=MAX_GRAD_NORM,
    )


def released(sums: Sums, step: int) -> Mapping[str, Tensor]:
    """What discreet does; the sensitivity is the clipper's own."""
    with Clipper(network(), plan().max_grad_norm) as clipper:
        return plan().noise(RunKey.for_tests(1), clipper.sensitivity).privatise(sums, step)


def check_noise_scale(release: Release) -> None:
    """Around the sum over the public batch size lies noise of the multiplier times the sensitivity."""
    sums = {"weight": torch.linspace(-1, 1, 40_000), "bias": torch.ones(2_000)}
    for step in (0, 1):
        noise = release(sums, step)
        for name, total in sums.items():
            found = (noise[name].double() * BATCH - total).std().item()
            wanted = NOISE_MULTIPLIER * MAX_GRAD_NORM
            allowed = 4 / math.sqrt(2 * total.numel())
            assert abs(found / wanted - 1) <= allowed + 1e-3, f"noise of {found:.4g} in {name}, not {wanted:.4g}"


def add_noise(sums: Sums, standard_deviation: float) -> Sums:
    torch.manual_seed(5)
    return {name: (t + standard_deviation * torch.randn_like(t)) / BATCH for name, t in sums.items()}


NOISE_FAULTS: dict[str, Release] = {
    "divided by the batch size": lambda s, step: add_noise(s, NOISE_MULTIPLIER * MAX_GRAD_NORM / BATCH),
    "times the batch size": lambda s, step: add_noise(s, NOISE_MULTIPLIER * MAX_GRAD_NORM * BATCH),
    "by the root of the micro-batches": lambda s, step: add_noise(s, NOISE_MULTIPLIER * MAX_GRAD_NORM / math.sqrt(2)),
    "variance for deviation": lambda s, step: add_noise(s, (NOISE_MULTIPLIER * MAX_GRAD_NORM) ** 2),
    "without the clipping norm": lambda s, step: add_noise(s, NOISE_MULTIPLIER),
    "twice": lambda s, step: {n: t + add_noise(s, 0.2)[n].flip(0) - s[n] / BATCH for n, t in released(s, step).items()},
    "never": lambda s, step: {name: total / BATCH for name, total in s.items()},
    "shared between numbers": lambda s, step: {n: t / BATCH + add_noise(s, 0.2)[n][0] for n, t in s.items()},
}


def test_right_noise():
    check_noise_scale(released)


@pytest.mark.parametrize("variant", NOISE_FAULTS.values(), ids=NOISE_FAULTS)
def test_faults_of_noise_scale(variant: Release):
    with pytest.raises(AssertionError, match="noise of"):
        check_noise_scale(variant)


# [19, 20] samples that are not finite

# The release of one step from some samples; None: the step was skipped.
Step = Callable[[Tensor], Mapping[str, Tensor] | None]


def step(data: Tensor) -> Mapping[str, Tensor] | None:
    """What discreet does, micro-batch by micro-batch."""
    module = network()
    gradients = PrivateGradients(module, plan(), RunKey.for_tests(1))
    for start in range(0, len(data), 3):
        gradients.add(losses(module, data[start : start + 3]))
    found = gradients.finish(0)
    gradients.close()
    return found


def check_presence(release: Step, data: Tensor) -> None:
    """With a sample that is not finite, every step releases what it would have without."""
    wanted = release(data)
    assert wanted is not None
    for bad in (math.nan, math.inf, -math.inf, 1e300):
        for place in (0, len(data)):
            broken = torch.cat((data[:place], torch.full_like(data[:1], bad), data[place:]))
            found = release(broken)
            assert found is not None, f"a sample of {bad} is told by a step that is missing"
            for name, total in wanted.items():
                same = torch.allclose(found[name], total, rtol=1e-5, atol=1e-6)
                assert same, f"a sample of {bad} is told by {name}"


def with_clipping(clip: Mechanism) -> Step:
    """A step that clips in another way."""
    return lambda data: plan().noise(RunKey.for_tests(1), MAX_GRAD_NORM).privatise(clip(data), 0)


def multiplied_by_zero(data: Tensor) -> Sums:
    """[19] The factor is zero, but zero times NaN is NaN."""

    def factor(single: Sums) -> float:
        size = norm(single.values())
        return min(1.0, MAX_GRAD_NORM / size) if math.isfinite(size) else 0.0

    return add({name: factor(single) * g for name, g in single.items()} for single in singles(data))


def clipped_to_nan(data: Tensor) -> Sums:
    """[19] C / NaN is NaN, C / inf is zero."""
    return add(scaled(single, norm(single.values())) for single in singles(data))


def batch_dropped(data: Tensor) -> Sums:
    """[19] One bad sample, and nobody of the micro-batch counts."""
    whole = add(singles(data))
    return clipped(data) if all(t.isfinite().all() for t in whole.values()) else clipped(data[:0])


def replaced_by_numbers(data: Tensor) -> Sums:
    """[19] `nan_to_num` turns it into a gradient like any other."""
    numbers = [{name: g.nan_to_num(1, 1, 1) for name, g in single.items()} for single in singles(data)]
    return add(scaled(single, norm(single.values())) for single in numbers)


def skipped(data: Tensor) -> Mapping[str, Tensor] | None:
    """[20] As a loss scaler does: no step when a gradient is not finite."""
    whole = add(singles(data))
    return step(data) if all(bool(t.isfinite().all()) for t in whole.values()) else None


def scaled_down_later() -> Step:
    """[20] After a bad batch the loss scale is halved, and every later step shows it."""
    scale = [1.0]

    def release(data: Tensor) -> Mapping[str, Tensor] | None:
        found = step(data)
        if not all(bool(t.isfinite().all()) for t in add(singles(data)).values()):
            scale[0] /= 2
        return {name: total * scale[0] for name, total in (found or {}).items()}

    return release


def test_right_presence():
    check_presence(step, samples())


@pytest.mark.parametrize(
    "variant",
    [
        with_clipping(multiplied_by_zero),
        with_clipping(clipped_to_nan),
        with_clipping(batch_dropped),
        with_clipping(replaced_by_numbers),
        skipped,
        scaled_down_later(),
    ],
    ids=["times zero", "clipped to nan", "batch dropped", "nan to num", "step skipped", "loss scale"],
)
def test_faults_of_presence(variant: Step):
    with pytest.raises(AssertionError, match=r"a sample of .* is told by"):
        check_presence(variant, samples())


# [21] sums and noise below float32

HALVES = (torch.float16, torch.bfloat16)


def half_network(dtype: torch.dtype) -> nn.Linear:
    """Every sample adds exactly one to its only weight."""
    layer = nn.Linear(1, 1, bias=False)
    return layer.to(dtype)


def half_sum(dtype: torch.dtype, count: int) -> float:
    """What discreet does with a network of half precision, 50 samples at a time."""
    layer = half_network(dtype)
    with Clipper(layer, 1.0) as clipper:
        for start in range(0, count, 50):
            clipper.accumulate(layer(torch.ones(min(50, count - start), 1, dtype=dtype))[:, 0])
        return float(clipper.take()["weight"])


def sum_of_its_own_precision(dtype: torch.dtype, count: int) -> float:
    """[21] The sum has the type of the weights."""
    total = torch.zeros((), dtype=dtype)
    for start in range(0, count, 50):
        total += torch.ones(min(50, count - start), dtype=dtype).sum()
    return float(total)


def check_half_sensitivity(summed: Callable[[torch.dtype, int], float], dtype: torch.dtype) -> None:
    """Also late in a large batch, one more sample moves the sum by one."""
    for count in (200, 250, 1000, 2050, 2052):
        moved = summed(dtype, count + 1) - summed(dtype, count)
        assert 0.999 <= moved <= 1.001, f"sample {count + 1} moves the sum by {moved}"


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_right_sums_of_half_precision(dtype: torch.dtype):
    check_half_sensitivity(half_sum, dtype)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_faults_of_half_sums(dtype: torch.dtype):
    with pytest.raises(AssertionError, match="moves the sum by"):
        check_half_sensitivity(sum_of_its_own_precision, dtype)


def check_noise_precision(release: Release) -> None:
    """Noise of float32: hardly two of many numbers are equal."""
    noise = release({"weight": torch.zeros(40_000, dtype=torch.float32)}, 0)["weight"]
    assert noise.dtype == torch.float32
    distinct = len(noise.unique()) / noise.numel()
    assert distinct > 0.99, f"only {distinct:.1%} of the noise is distinct"


def test_right_noise_precision():
    check_noise_precision(released)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_faults_of_noise_precision(dtype: torch.dtype):
    def coarse(sums: Sums, step: int) -> Sums:
        return {name: total.to(dtype).float() for name, total in released(sums, step).items()}

    with pytest.raises(AssertionError, match="of the noise is distinct"):
        check_noise_precision(coarse)


def cancelling(draw: int) -> tuple[nn.Module, Tensor]:
    """A layer, and one sample whose positions pull against each other until almost nothing is left; the other, which
    keeps autograd out, adds nothing."""
    torch.manual_seed(draw)
    layer = nn.Linear(96, 64, bias=False)
    token = 1e4 * torch.randn(96)
    tokens = token + 1e-3 * torch.randn(8, 96)
    return layer, torch.stack((tokens, torch.zeros_like(tokens)))


def cancelling_loss(layer: nn.Module, samples: Tensor) -> Tensor:
    signs = torch.tensor([1.0, -1.0]).repeat(4)
    return (layer(samples).sum(2) * 1e3 * signs).sum(1)


def longest_contribution(num_draws: int = 40) -> float:
    """Over C, what a sample adds at most."""
    longest = 0.0
    for draw in range(num_draws):
        layer, samples = cancelling(draw)
        with Clipper(layer, MAX_GRAD_NORM) as clipper:
            clipper.accumulate(cancelling_loss(layer, samples))
            longest = max(longest, norm(clipper.take().values()) / clipper.sensitivity)
    return longest


def test_right_norms_of_positions_that_cancel():
    assert longest_contribution() <= 1.0


def test_faults_of_norms_of_positions_that_cancel(monkeypatch: pytest.MonkeyPatch):
    """A norm from Gram matrices that ignores its own rounding calls long gradients short."""
    monkeypatch.setattr(shortcuts, "LOST_BY_ROUNDING", 0.0)
    assert longest_contribution() > 1.05
