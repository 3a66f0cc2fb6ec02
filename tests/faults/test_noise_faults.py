"""Faults 15, 17, 22, 23, 24: divisors, noise and keys that betray what they should hide."""

from __future__ import annotations

import hashlib
import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from discreet.privacy import keys, noise, randomness, sampling
from discreet.privacy.keys import RunKey
from discreet.privacy.noise import GaussianNoise
from discreet.privacy.plan import PrivacyPlan

PLAN = PrivacyPlan.for_noise(noise_multiplier=2.0, num_samples=50, expected_batch_size=7, num_steps=5)
KEY = RunKey.for_tests(15)
NOISE = PLAN.noise(KEY, 1.001)

# (clipped sums of the micro-batches, size of the realised batch, step) → released
Release = Callable[[list[torch.Tensor], int, int], torch.Tensor]
SIZE = 20_000


def right(micro_sums: list[torch.Tensor], realised: int, step: int) -> torch.Tensor:
    return NOISE.privatise({"w": torch.stack(micro_sums).sum(dim=0)}, step)["w"]


def the_divisor_knows_nothing_of_the_batch(release: Release) -> bool:
    """One more unit in the batch, with a gradient of zero, changes nothing that is released."""
    sums = [torch.ones(100)]
    return torch.equal(release(sums, 5, 0), release(sums, 6, 0))


def test_fault_15_divisor_from_the_realised_batch() -> None:
    def by_realised_batch(micro_sums: list[torch.Tensor], realised: int, step: int) -> torch.Tensor:
        return right(micro_sums, realised, step) * NOISE.divisor / max(realised, 1)

    assert the_divisor_knows_nothing_of_the_batch(right)
    assert not the_divisor_knows_nothing_of_the_batch(by_realised_batch)


def test_fault_15_divisor_rounded_down() -> None:
    """floor(N·q) loses a unit to rounding; the plan's divisor is the declared batch itself."""
    lossy = [(n, b) for n in range(2, 200) for b in range(1, n) if math.floor(n * (b / n)) != b]
    assert lossy
    for num_samples, batch in lossy[:5]:
        plan = PrivacyPlan.for_noise(
            noise_multiplier=1.0, num_samples=num_samples, expected_batch_size=batch, num_steps=1
        )
        assert plan.noise(KEY, 1.0).divisor == batch


def one_noise_a_step(release: Release) -> bool:
    """Released zeros have the accounted deviation, however the batch is cut into micro-batches."""
    expected = PLAN.noise_multiplier * 1.001 / PLAN.expected_batch_size
    found = [release([torch.zeros(SIZE)] * parts, 7, 0).std().item() for parts in (1, 4)]
    return all(abs(deviation / expected - 1) < 0.05 for deviation in found)


def names_have_noise_of_their_own(released: dict[str, torch.Tensor]) -> bool:
    first, second = released.values()
    return bool(abs(np.corrcoef(first.numpy(), second.numpy())[0, 1]) < 5 / math.sqrt(SIZE))


def test_fault_17_noise_for_each_micro_batch() -> None:
    def noise_each_time(micro_sums: list[torch.Tensor], realised: int, step: int) -> torch.Tensor:
        parts = [NOISE.privatise({f"w{k}": part}, step)[f"w{k}"] for k, part in enumerate(micro_sums)]
        return torch.stack(parts).sum(dim=0)

    def noise_never(micro_sums: list[torch.Tensor], realised: int, step: int) -> torch.Tensor:
        return torch.stack(micro_sums).sum(dim=0) / NOISE.divisor

    assert one_noise_a_step(right)
    assert not one_noise_a_step(noise_each_time)
    assert not one_noise_a_step(noise_never)


def test_fault_17_the_same_noise_in_two_places() -> None:
    zeros = {"a": torch.zeros(SIZE), "b": torch.zeros(SIZE)}
    shared = NOISE.privatise({"a": zeros["a"]}, 0)["a"]
    assert names_have_noise_of_their_own(NOISE.privatise(zeros, 0))
    assert not names_have_noise_of_their_own({"a": shared, "b": shared.clone()})


# [22] What a computer's Gaussian cannot be betrays what it was added to (arXiv 2112.05307).

# (the clipped sum, at every number) → released: the two normals of each Box-Muller pair, [2, pairs]
PairRelease = Callable[[float], NDArray[np.floating]]
NUM_PAIRS = 4096


def box_muller(cells: NDArray[np.int64], bits: int, dtype: type[np.floating]) -> NDArray[np.floating]:
    """Two normals from two uniforms, each the middle of one of 2^bits cells: as frameworks make them."""
    u, v = ((cells + 0.5) * 2.0**-bits).astype(dtype)
    radius, angle = np.sqrt(dtype(-2) * np.log(u)), dtype(2 * math.pi) * v
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)))


def can_be_noise_alone(released: NDArray[np.floating], bits: int) -> NDArray[np.bool_]:
    """Whether some two uniforms make exactly these two normals, of each pair: those near the true ones are tried."""
    x, y = released.astype(np.longdouble)
    u, v = np.exp(-(x * x + y * y) / 2), np.arctan2(y, x) / (2 * np.longdouble(math.pi)) % 1
    nearest = np.floor(np.stack((u, v)) * 2.0**bits).astype(np.int64)
    found = np.zeros(released.shape[1], bool)
    around = range(-2, 3)
    with np.errstate(invalid="ignore", divide="ignore"):  # cells below 0 make no number
        for moved in ((du, dv) for du in around for dv in around):
            again = box_muller(nearest + np.array(moved)[:, None], bits, released.dtype.type)
            found |= (again == released).all(axis=0)
    return found


def a_sum_is_betrayed(release: PairRelease, bits: int) -> bool:
    """Noise alone can be noise alone more often than noise with a sum under it."""
    alone, with_sum = (can_be_noise_alone(release(total), bits).mean() for total in (0.0, 1.0))
    return bool(alone - with_sum > 0.05)


@pytest.mark.parametrize(("bits", "dtype"), [(52, np.float64), (24, np.float32)])
def test_fault_22_the_gaps_of_a_floating_point_gaussian(bits: int, dtype: type[np.floating]) -> None:
    gaussian = GaussianNoise(KEY, noise_multiplier=1.0, sensitivity=1.0, divisor=1)
    shape = (2, NUM_PAIRS)

    def rounded(total: float) -> NDArray[np.floating]:
        return gaussian.privatise({"w": torch.full(shape, total)}, 0)["w"].numpy().astype(dtype)

    def before_it_is_rounded(total: float) -> NDArray[np.floating]:
        return (gaussian.noise_array(0, "w", shape) + total).astype(dtype)

    def of_two_uniforms(total: float) -> NDArray[np.floating]:
        cells = np.random.default_rng(22).integers(0, 2**bits, shape)
        return (box_muller(cells, bits, dtype) + dtype(total)).astype(dtype)

    assert can_be_noise_alone(of_two_uniforms(0.0), bits).all()
    assert a_sum_is_betrayed(of_two_uniforms, bits)
    assert not a_sum_is_betrayed(rounded, bits)
    assert not a_sum_is_betrayed(before_it_is_rounded, bits)


def test_fault_22_one_pair_of_uniforms_in_place_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator as it is, but for the number of normals that are added up."""
    monkeypatch.setattr(noise, "_SUMMANDS", 1)
    monkeypatch.setattr(noise, "_DRAWS", 2 * noise._PAIRS)
    gaussian = GaussianNoise(KEY, noise_multiplier=2.0, sensitivity=1.0, divisor=1)  # a half, where four are added up

    def before_it_is_rounded(total: float) -> NDArray[np.floating]:
        return gaussian.noise_array(0, "w", (2, NUM_PAIRS)) + total

    assert a_sum_is_betrayed(before_it_is_rounded, 52)


# (folder of the run) → its key; called again when the run is resumed
KeySource = Callable[[Path, bool], RunKey]


def create_or_load(folder: Path, resumed: bool) -> RunKey:
    return RunKey.load(folder) if resumed else RunKey.create(folder)


def numbers(key: RunKey, step: int) -> NDArray[np.float64]:
    return PLAN.noise(key, 1.0).noise_array(step, "w", (8,))


def noise_is_new_in_every_run_and_step(source: KeySource, tmp_path: Path) -> bool:
    """Two runs differ, two steps differ, and a resumed run goes on with the same key at another step."""
    first, second = source(tmp_path / "first", False), source(tmp_path / "second", False)
    resumed = source(tmp_path / "first", True)
    used = [numbers(first, 0), numbers(first, 1), numbers(second, 0), numbers(resumed, 2)]
    distinct = len({array.tobytes() for array in used}) == len(used)
    return distinct and np.array_equal(numbers(resumed, 1), numbers(first, 1))


def test_fault_23_a_seed_used_twice(tmp_path: Path) -> None:
    def hard_coded(folder: Path, resumed: bool) -> RunKey:
        return RunKey.for_tests(42)

    def new_at_every_start(folder: Path, resumed: bool) -> RunKey:
        return RunKey(np.random.default_rng().bytes(32), is_test=False)

    assert noise_is_new_in_every_run_and_step(create_or_load, tmp_path / "right")
    assert not noise_is_new_in_every_run_and_step(hard_coded, tmp_path / "hard")
    assert not noise_is_new_in_every_run_and_step(new_at_every_start, tmp_path / "new")


def test_fault_23_the_noise_of_the_first_steps_again_after_resuming() -> None:
    def steps_of(first: int, offset: int) -> set[bytes]:
        """The noise of three steps, by a loop whose step counter starts at `offset`."""
        return {numbers(KEY, offset + k).tobytes() for k in range(first, first + 3)}

    before = steps_of(0, 0)
    assert before.isdisjoint(steps_of(0, 3))  # the counter goes on
    assert before == steps_of(0, 0)  # a counter that starts again repeats the noise: hence step is an argument
    assert "step" in inspect.signature(NOISE.privatise).parameters


# Whatever numpy, torch or the standard library draw, by whatever name it was imported.
_PREDICTABLE = re.compile(
    r"""\b(np|numpy|torch)\.random\b | \bdefault_rng\b | \bRandomState\b | \bmanual_seed\b | \bGenerator\(
    | \btorch\.(rand|normal|bernoulli|multinomial)\w* | \.(normal|uniform|bernoulli|random|exponential)_\(
    | \bimport\ random\b | \bfrom\ random\b | \brandom\.(random|gauss|seed|choice)\b""",
    re.VERBOSE,
)


def randomness_is_cryptographic(source: str) -> bool:
    """No generator that can be predicted from its output."""
    return _PREDICTABLE.search(source) is None


def by_numpy(key: bytes, step: int, size: int) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(key + bytes([step])).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(size)


def by_torch_in_place(total: torch.Tensor, scale: float) -> torch.Tensor:
    return total + torch.empty_like(total).normal_(0, scale)


def by_torch(size: int) -> torch.Tensor:
    return torch.randn(size)


def by_the_standard_library(size: int) -> list[float]:
    from random import gauss

    return [gauss(0, 1) for _ in range(size)]


def test_fault_24_a_generator_that_can_be_predicted() -> None:
    for variant in (by_numpy, by_torch_in_place, by_torch, by_the_standard_library):
        assert not randomness_is_cryptographic(inspect.getsource(variant)), variant.__name__
    for module in (keys, noise, randomness, sampling):
        assert randomness_is_cryptographic(inspect.getsource(module)), module.__name__


def test_fault_24_a_key_from_a_clock_or_a_small_seed(tmp_path: Path) -> None:
    """A key drawn from 16 bits is found by trying; the operating system's is not among them."""

    def found_by_trying(key: RunKey) -> bool:
        guesses = (RunKey.for_tests(seed) for seed in range(2**10))
        return any(guess.identity == key.identity for guess in guesses)

    assert not found_by_trying(RunKey.create(tmp_path))
    small = RunKey.for_tests(777)
    assert found_by_trying(small)
    assert small.is_test  # and so no statement calls its run private
