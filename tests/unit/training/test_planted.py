"""Canaries: fair coins, thrown once, kept from others; and those left out contribute nothing."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
import torch

from discreet.data import open_spec
from discreet.data.transforms import AugmentSettings
from discreet.errors import RunKeyError
from discreet.labels import CIHP
from discreet.m2fp import build, set_trainable
from discreet.privacy import PrivacyPlan, RunKey
from discreet.training.batches import BatchLoader
from discreet.training.gradients import PrivateGradients
from discreet.training.loop import accumulate_step
from discreet.training.planted import plant, read_planted
from discreet.training.units import units_of
from tests.e2e.conftest import write_pictures


def test_coins_are_thrown_once(tmp_path: Path) -> None:
    assert read_planted(tmp_path, "a") is None
    planted = plant(tmp_path, "a", num_units=500, count=301)
    assert plant(tmp_path, "a", num_units=500, count=301) == planted == read_planted(tmp_path, "a")
    assert plant(tmp_path, "b", num_units=500, count=301) != planted
    assert len(planted.inside) + len(planted.outside) == 301
    assert not set(planted.inside) & set(planted.outside)
    assert max(planted.inside + planted.outside) < 500
    assert planted.num_guesses == 150
    # 5 standard deviations of a fair coin.
    assert abs(len(planted.inside) - 150.5) < 44
    path = tmp_path / "canaries" / "a.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(RunKeyError, match="0600"):
        read_planted(tmp_path, "a")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, "a", num_units=8, count=8)
    (tmp_path / "canaries" / "a.json").write_text("{}")
    with pytest.raises(RunKeyError, match="damaged"):
        read_planted(tmp_path, "a")


def test_a_unit_that_is_left_out_is_drawn_and_contributes_nothing(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", 4)
    source = open_spec(f"folder:{tmp_path}@train")
    units = units_of(source, "image")
    plan = PrivacyPlan.for_noise(noise_multiplier=1.0, num_samples=4, expected_batch_size=4, num_steps=2, delta=1e-3)
    model = build("m2fp-lite", len(CIHP) + 1, seed=0)
    set_trainable(model, "norms-and-biases")

    def summed(left_out: list[int], read: list[int]) -> dict[str, torch.Tensor]:
        """The clipped sum of a step in which everybody is drawn."""
        gradients = PrivateGradients(model, plan, RunKey.for_tests(1))
        assert gradients.units(0).tolist() == [0, 1, 2, 3]
        loader = BatchLoader(
            source, units.without(left_out), AugmentSettings.of_strength("none", (64, 64)), model, seed=0, num_threads=0
        )
        original = type(source).__getitem__
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(source), "__getitem__", lambda self, i: (read.append(i), original(self, i))[1])
            accumulate_step(model, loader, gradients, 0, 1)
        sums = gradients._clipper.take()
        gradients.close()
        return sums

    everybody_read: list[int] = []
    some_read: list[int] = []
    everybody, some, only = summed([], everybody_read), summed([1, 3], some_read), summed([0, 2], [])
    assert (everybody_read, some_read) == ([0, 1, 2, 3], [0, 2]), "who is left out is not even looked at"
    for name, total in everybody.items():
        np.testing.assert_allclose((some[name] + only[name]).numpy(), total.numpy(), atol=1e-5, err_msg=name)
    assert any(not torch.equal(some[name], everybody[name]) for name in everybody)
