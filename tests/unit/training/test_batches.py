"""Reading ahead changes no bit, holds little, and ends."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from discreet.data import open_spec
from discreet.data.transforms import AugmentSettings
from discreet.m2fp import build
from discreet.training.batches import Batch, BatchLoader, units_of


def loader_of(folder: Path, num_threads: int) -> BatchLoader:
    source = open_spec(f"folder:{folder}")
    model = build("m2fp-lite", 4, seed=0)
    settings = AugmentSettings.of_strength("full", (64, 64))
    return BatchLoader(source, units_of(source, "image"), settings, model, seed=3, num_threads=num_threads)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for kind in ("images", "parts"):
        (tmp_path / kind).mkdir()
    for name in "abcdef":
        Image.fromarray(rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(tmp_path / "images" / f"{name}.jpg")
        Image.fromarray(rng.integers(0, 3, (50, 70), dtype=np.uint8)).save(tmp_path / "parts" / f"{name}.png")
    (tmp_path / "labels.json").write_text(json.dumps(["sky", "shirt", "hat"]))
    return tmp_path


def same(one: Batch | None, other: Batch | None) -> bool:
    assert one is not None
    assert other is not None
    return torch.equal(one.images, other.images) and all(
        torch.equal(a.get_state(), b.get_state()) for a, b in zip(one.generators, other.generators, strict=True)
    )


@pytest.mark.parametrize("num_threads", [1, 4])
def test_what_was_expected_is_bit_for_bit_what_is_read_when_asked(folder: Path, num_threads: int) -> None:
    plain, ahead = loader_of(folder, 0), loader_of(folder, num_threads)
    for step in range(3):
        ahead.expect([5, 0, 2], step)
        assert same(ahead.load([5, 0, 2], step), plain.load([5, 0, 2], step))
        assert not same(ahead.load([5, 0, 2], step), plain.load([5, 0, 2], step + 1)), "steps differ"
    ahead.close()


def test_another_batch_than_expected_is_read_and_not_mistaken(folder: Path) -> None:
    plain, ahead = loader_of(folder, 0), loader_of(folder, 2)
    ahead.expect([0, 1], 0)
    assert same(ahead.load([2, 3], 0), plain.load([2, 3], 0))
    assert same(ahead.load([0, 1], 1), plain.load([0, 1], 1))
    ahead.close()


def test_a_picture_that_became_unreadable_is_left_out_in_threads_too(folder: Path) -> None:
    ahead = loader_of(folder, 2)
    (folder / "images" / "b.jpg").write_bytes(b"")
    ahead.expect([0, 1, 2], 0)
    batch = ahead.load([0, 1, 2], 0)
    assert batch is not None
    assert len(batch) == 2
    ahead.expect([1], 1)
    assert ahead.load([1], 1) is None
    ahead.close()


def test_what_a_thread_raises_reaches_the_caller_and_closing_ends_the_threads(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = loader_of(folder, 2)
    monkeypatch.setattr(ahead, "_sample", lambda unit, step: 1 // 0)
    ahead.expect([0, 1], 0)
    with pytest.raises(ZeroDivisionError):
        ahead.load([0, 1], 0)
    ahead.expect([0, 1], 1)
    ahead.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("discreet-reader")]
