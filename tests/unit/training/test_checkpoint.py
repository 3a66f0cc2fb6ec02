"""Checkpoints: whole or not at all, exact, and only for their own run."""

from __future__ import annotations

import itertools
import stat
from pathlib import Path

import pytest
import torch
from torch import nn

from discreet.errors import CheckpointError
from discreet.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from discreet.training.optimization import Optimization, schedule
from discreet.training.settings import TrainingSettings

CONFIG = "a" * 64


def small_module(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))


def some_gradients(module: nn.Module, step: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return {name: torch.randn(p.shape, generator=generator) for name, p in module.named_parameters()}


@pytest.mark.parametrize("optimizer", ["adam", "adam-bc", "scale-then-privatise", "muon"])
def test_going_on_from_a_checkpoint_is_exact(tmp_path: Path, optimizer: str) -> None:
    settings = TrainingSettings.model_validate({"learning_rate": 0.1, "ema_decay": 0.9, "optimizer": optimizer})
    whole = small_module(0)
    steady = Optimization(whole, settings, 6, noise_variance=0.5)
    for step in range(3):
        steady.step(some_gradients(whole, step), step)
    write_checkpoint(tmp_path / "c.safetensors", Checkpoint(3, CONFIG, steady.state()))
    for step in range(3, 6):
        steady.step(some_gradients(whole, step), step)

    resumed = small_module(1)
    later = Optimization(resumed, settings, 6, noise_variance=0.5)
    found = read_checkpoint(tmp_path / "c.safetensors", CONFIG)
    assert found is not None
    later.restore(found.tensors)
    for step in range(found.step, 6):
        later.step(some_gradients(resumed, step), step)
    for expected, restored in zip(steady.state().values(), later.state().values(), strict=True):
        assert expected.keys() == restored.keys()
        assert all(torch.equal(expected[name], restored[name]) for name in expected)
    assert steady.scales() == later.scales()
    assert bool(steady.scales()) == (optimizer == "scale-then-privatise")


def test_forgetting_the_moments_would_be_noticed(tmp_path: Path) -> None:
    settings = TrainingSettings(learning_rate=0.1)
    module, other = small_module(0), small_module(0)
    first, second = (Optimization(m, settings, num_steps=6) for m in (module, other))
    first.step(some_gradients(module, 0), 0)
    state = first.state()
    second.restore({**state, "optimizer": {}})
    first.step(some_gradients(module, 1), 1)
    second.step(some_gradients(module, 1), 1)
    assert not torch.equal(module[0].weight, other[0].weight)


def test_a_checkpoint_is_closed_to_others_and_leaves_no_part_behind(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, Checkpoint(1, CONFIG, {"weights": {"w": torch.ones(2)}}))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.safetensors"]


def test_no_checkpoint_is_none_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    assert read_checkpoint(path, CONFIG) is None
    write_checkpoint(path, Checkpoint(1, CONFIG, {"weights": {"w": torch.ones(2)}}))
    with pytest.raises(CheckpointError, match="another configuration"):
        read_checkpoint(path, "b" * 64)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(path, CONFIG)


def test_schedule_warms_up_and_ends_at_nothing() -> None:
    rates = [schedule(step, 10, 2) for step in range(10)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert all(a >= b for a, b in itertools.pairwise(rates[2:]))
    assert rates[-1] == pytest.approx(0.038, abs=1e-3)


def test_missing_gradients_are_zero_and_frozen_parameters_stay() -> None:
    module = small_module(0)
    module[0].weight.requires_grad_(False)
    before = module[0].weight.clone()
    optimization = Optimization(module, TrainingSettings(weight_decay=0.0), num_steps=2)
    optimization.step({}, 0)
    assert torch.equal(module[0].weight, before)
    assert torch.equal(module[2].weight, small_module(0)[2].weight)
