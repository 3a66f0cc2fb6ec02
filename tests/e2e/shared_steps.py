"""A program for tests: some private steps in float64, by this process alone or by those that torchrun starts.

Usage: DATA OUT [noise-everywhere]. Each process writes down its units, the noise it made and what of the
connection outlived it; the leader, the weights.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from discreet.data import open_spec
from discreet.data.transforms import AugmentSettings
from discreet.m2fp import build, set_trainable
from discreet.privacy import PrivacyPlan, RunKey
from discreet.privacy.noise import GaussianNoise
from discreet.toml_settings import checked
from discreet.training.batches import BatchLoader
from discreet.training.gradients import PrivateGradients
from discreet.training.loop import LoopHooks, run_steps
from discreet.training.ranks import ranks_of_environment
from discreet.training.settings import RunSettings
from discreet.training.units import units_of

NUM_STEPS = 4


class NoiseEverywhere(PrivateGradients):
    """Fault 17: every process adds the step's noise to its own sum."""

    def finish(self, step: int) -> Mapping[str, Tensor]:
        return self._ranks.sum(self._noise.privatise(self._clipper.take(), step))


def main(data: str, out: Path, make: type[PrivateGradients]) -> None:
    """Train, and write down what happened."""
    source = open_spec(f"folder:{data}@train")
    units = units_of(source, "image")
    plan = PrivacyPlan.for_noise(
        noise_multiplier=0.5, num_samples=len(units), expected_batch_size=4, num_steps=NUM_STEPS, delta=1e-3
    )
    model = build("m2fp-lite", len(source.label_set) + 1, seed=0).double()
    set_trainable(model, "norms-and-biases")
    batch_of = model.batch_of
    model.batch_of = lambda pictures, device="cpu": batch_of(pictures, device).double()  # type: ignore[method-assign]
    settings = checked(
        RunSettings, {"data": {"train": source.spec}, "training": {"micro_batch_size": 2, "image_size": 64}}, "test"
    )
    seen: dict[int, list[int]] = {}
    made: dict[str, str] = {}
    noise_array = GaussianNoise.noise_array

    def watched(self: GaussianNoise, step: int, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        noise = noise_array(self, step, name, shape)
        made[f"{step}/{name}"] = hashlib.sha256(noise.tobytes()).hexdigest()
        return noise

    GaussianNoise.noise_array = watched  # type: ignore[method-assign]
    with ranks_of_environment() as ranks:
        gradients = make(model, plan, RunKey.for_tests(3), ranks=ranks)
        seen = {step: gradients.units(step).tolist() for step in range(NUM_STEPS)}
        loader = BatchLoader(source, units, AugmentSettings.of_strength("full", (64, 64)), model, seed=1)
        hooks = LoopHooks(before_release=lambda step: None, keeps_checkpoints=ranks.leads)
        run_steps(model, loader, gradients, settings, NUM_STEPS, out, hooks)
        loader.close()
        if ranks.leads:
            save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, out / "weights")
    told = {"units": seen, "noise": made, "threads_left": [name for name in thread_names() if "gloo" in name]}
    (out / f"rank-{ranks.rank}.json").write_text(json.dumps(told))


def thread_names() -> list[str]:
    """Threads of this process, Python's and others."""
    return [(thread / "comm").read_text().strip() for thread in Path("/proc/self/task").iterdir()]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), NoiseEverywhere if "noise-everywhere" in sys.argv else PrivateGradients)
