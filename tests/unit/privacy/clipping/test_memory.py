"""A logical batch holds no more than one micro-batch and one sum, whatever its size."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch

from discreet.m2fp import build, criterion, make_targets
from discreet.privacy import Clipper
from discreet.privacy.clipping.clipper import ClippingStyle
from discreet.training.batches import probe_picture

NUM_PARTS, SIZE_PX, NUM_PICTURES = 5, 96, 4
ROOM_MIB = 16.0  # what an allocator may need besides: half of one micro-batch's per-sample gradients
PICTURES = [probe_picture(index, SIZE_PX, NUM_PARTS) for index in range(NUM_PICTURES)]


def peak_mib() -> float:
    """The most that this process has held so far."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def measure(
    style: ClippingStyle, keeps_gradients: bool, answer: multiprocessing.SimpleQueue[tuple[float, float]]
) -> None:
    """Peaks after two micro-batches, when one sum is held beside the next, and after ten, in MiB."""
    torch.set_num_threads(1)
    model = build("m2fp-lite", NUM_PARTS + 1, seed=0).train()
    images = model.batch([model.normalise(image) for image, _ in PICTURES])
    targets = [make_targets(parts, None, num_parts=NUM_PARTS, human=True) for _, parts in PICTURES]
    kept: list[object] = []
    with Clipper(model, 1.0, style) as clipper:
        peaks: list[float] = []
        for _ in range(10):
            generators = [torch.Generator().manual_seed(index) for index in range(NUM_PICTURES)]
            clipper.accumulate(criterion(model(images), targets, generators))
            if keeps_gradients:
                kept.append([torch.ones(NUM_PICTURES, *parameter.shape) for parameter in model.parameters()])
            peaks.append(peak_mib())
        clipper.take()
    answer.put((peaks[1], peaks[-1]))


def growth_mib(style: ClippingStyle, *, keeps_gradients: bool) -> float:
    """What eight more micro-batches need beyond the first two."""
    context = multiprocessing.get_context("spawn")
    answer = context.SimpleQueue()
    process = context.Process(target=measure, args=(style, keeps_gradients, answer))
    process.start()
    process.join()
    assert process.exitcode == 0
    early, late = answer.get()
    return late - early


@pytest.mark.parametrize("style", ["flat", "per_layer"])
def test_ten_micro_batches_need_what_two_need(style: ClippingStyle) -> None:
    assert growth_mib(style, keeps_gradients=False) < ROOM_MIB


def test_per_sample_gradients_that_are_not_let_go_are_seen() -> None:
    assert growth_mib("flat", keeps_gradients=True) > 10 * ROOM_MIB
