"""Faults 14 and 16 in the training loop: steps that do not happen, and batches that run into each other.

Each check is run on the loop itself, which passes, and on the fault, which must not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from discreet.data import open_spec
from discreet.data.transforms import AugmentSettings
from discreet.m2fp import build, set_trainable
from discreet.privacy import PrivacyPlan, RunKey
from discreet.toml_settings import checked
from discreet.training.batches import BatchLoader
from discreet.training.gradients import PrivateGradients
from discreet.training.loop import LoopHooks, accumulate_step, micro_batches, run_steps
from discreet.training.settings import RunSettings
from discreet.training.units import units_of
from tests.e2e.conftest import write_pictures

NUM_STEPS = 5
Split = Callable[[NDArray[np.int64], int], Iterator[list[int]]]


def prefetched_across_steps(units: NDArray[np.int64], size: int) -> Iterator[list[int]]:
    """Fault 16: a worker that fills its last micro-batch with units it has seen."""
    full = np.resize(units, -(-len(units) // size) * size) if len(units) else units
    for start in range(0, len(full), size):
        yield full[start : start + size].tolist()


def last_one_dropped(units: NDArray[np.int64], size: int) -> Iterator[list[int]]:
    """Fault 16: a worker that leaves the last, smaller micro-batch to the next step."""
    for start in range(0, len(units) - size + 1, size):
        yield units[start : start + size].tolist()


def check_every_unit_once(split: Split) -> None:
    """What a step's micro-batches hold together is what was sampled."""
    plan = PrivacyPlan.for_noise(noise_multiplier=1.0, num_samples=50, expected_batch_size=13, num_steps=40, delta=1e-3)
    sampler = plan.sampler(RunKey.for_tests(1))
    for step in range(plan.num_steps):
        sampled = sampler.batch(step)
        seen = [unit for units in split(sampled, 4) for unit in units]
        assert sorted(seen) == sampled.tolist(), "micro-batches are not what was sampled"


def test_fault_16_micro_batches_out_of_step() -> None:
    check_every_unit_once(micro_batches)
    for variant in (prefetched_across_steps, last_one_dropped):
        with pytest.raises(AssertionError, match="not what was sampled"):
            check_every_unit_once(variant)


class Watched(PrivateGradients):
    """Private gradients that remember what was sampled and what was released."""

    sampled: list[int]
    released: list[int]

    def units(self, step: int) -> NDArray[np.int64]:
        found = super().units(step)
        self.sampled.append(len(found))
        return found

    def finish(self, step: int) -> dict[str, torch.Tensor]:
        found = dict(super().finish(step))
        assert any(bool(gradient.any()) for gradient in found.values()), "a release without noise"
        self.released.append(step)
        return found


@pytest.fixture(scope="module")
def loader_and_model(tmp_path_factory: pytest.TempPathFactory):
    """Eight pictures of 32 pixels, and a network of which little trains."""
    source = open_spec(f"folder:{write_pictures(tmp_path_factory.mktemp('data'), 8)}")
    model = build("m2fp-lite", 21, seed=0)
    set_trainable(model, "norms-and-biases")
    settings = AugmentSettings.of_strength("none", (32, 32))
    return BatchLoader(source, units_of(source, "image"), settings, model, seed=0), model


def watched(model: torch.nn.Module) -> Watched:
    """One expected picture a step: under this key some steps have none."""
    plan = PrivacyPlan.for_noise(
        noise_multiplier=1.0, num_samples=8, expected_batch_size=1, num_steps=NUM_STEPS, delta=1e-2
    )
    gradients = Watched(model, plan, RunKey.for_tests(3))
    gradients.sampled, gradients.released = [], []
    return gradients


def check_every_step_happens(gradients: Watched, run: Callable[[Watched], None]) -> None:
    """Declared steps are released steps, those without a picture too."""
    run(gradients)
    gradients.close()
    assert 0 in gradients.sampled, "the key must give an empty batch, or this shows nothing"
    assert gradients.released == list(range(NUM_STEPS)), "a step did not happen"


def test_fault_14_empty_batches_still_happen(loader_and_model, tmp_path: Path) -> None:
    loader, model = loader_and_model
    content = {"data": {"train": "folder:x"}, "training": {"image_size": 32, "micro_batch_size": 2}}
    settings = checked(RunSettings, content, "test")
    told: list[int] = []

    def ours(gradients: Watched) -> None:
        hooks = LoopHooks(before_release=told.append)
        run_steps(model, loader, gradients, settings, NUM_STEPS, tmp_path, hooks)

    def skipping(gradients: Watched) -> None:
        for step in range(NUM_STEPS):
            if len(gradients.units(step)) == 0:
                continue
            accumulate_step(model, loader, gradients, step, 2)
            gradients.finish(step)

    check_every_step_happens(watched(model), ours)
    assert told == list(range(1, NUM_STEPS + 1)), "the ledger is told of every step"
    with pytest.raises(AssertionError, match="a step did not happen"):
        check_every_step_happens(watched(model), skipping)
