"""The largest micro-batch that fits: three small ones are tried on made-up pictures, the rest is a straight line.

Memory of a step grows with its pictures by the same amount each. Which size is found changes speed and memory only:
the mechanism does not know it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from discreet.errors import ConfigurationError
from discreet.m2fp import M2FP, make_targets
from discreet.training.batches import Batch, probe_picture
from discreet.training.devices import Precision
from discreet.training.gradients import StepGradients
from discreet.training.loop import picture_losses

# Of what is free, so much stays: pictures read ahead, the allocator's gaps, other programs.
_RESERVE = 0.25
_PROBES = (1, 2, 4)
_PROC = Path("/proc/self")


def largest_micro_batch(measure: Callable[[int], int], *, available_bytes: int, at_most: int) -> int:
    """The most pictures whose step fits.

    Args:
        measure: pictures -> bytes that the process holds at the peak of a step with so many.
        available_bytes: that the process may hold.
        at_most: more are never wanted.

    Raises:
        ConfigurationError: not even one picture fits.
    """
    peaks = [measure(count) for count in _PROBES]
    a_picture = max((peaks[-1] - peaks[0]) / (_PROBES[-1] - _PROBES[0]), 1.0)
    fixed = max(peaks[0] - a_picture, 0.0)
    room = available_bytes * (1 - _RESERVE)
    if peaks[0] > room:
        raise ConfigurationError(
            f"a step with one picture takes {peaks[0] / 2**20:.0f} MiB, and {room / 2**20:.0f} may be taken; make "
            "training.image_size smaller, or train less of the network"
        )
    return max(1, min(at_most, int((room - fixed) / a_picture)))


def measured_micro_batch(
    model: M2FP,
    gradients: StepGradients,
    canvas: tuple[int, int],
    num_parts: int,
    at_most: int,
    views: int = 1,
    sharing: int = 1,
    precision: Precision = "float32",
) -> int:
    """`largest_micro_batch` of a network on the machine as it is; pictures, a multiple of `views`.

    Args:
        model: in whatever mode; it is trained afterwards.
        gradients: take the losses, and drop them.
        canvas: height and width in pixels.
        num_parts: of the label set.
        at_most: units.
        views: pictures of a unit.
        sharing: processes that divide the device's memory.
        precision: of layers.

    Raises:
        ConfigurationError: memory cannot be measured here, or nothing fits.
    """

    device = next(model.parameters()).device

    def step(count: int) -> None:
        pictures = [_probe(index, canvas, num_parts) for index in range(count * views)]
        images = model.batch_of([image for image, _ in pictures], device)
        targets = [make_targets(parts, None, num_parts=num_parts, human=model.human) for _, parts in pictures]
        generators = [torch.Generator(device).manual_seed(index) for index in range(len(pictures))]
        loss = picture_losses(model, Batch(images, targets, generators), precision)
        gradients.add(loss.reshape(count, views).mean(1))
        gradients.discard()

    model.train()
    found = largest_micro_batch(
        lambda count: _peak_bytes(lambda: step(count), device),
        available_bytes=_available_bytes(device) // sharing,
        at_most=at_most,
    )
    return found * views


def _probe(index: int, canvas: tuple[int, int], num_parts: int) -> tuple[np.ndarray, np.ndarray]:
    """A made-up picture of the canvas' size."""
    image, parts = probe_picture(index % 3, max(canvas), num_parts)
    return np.ascontiguousarray(image[: canvas[0], : canvas[1]]), np.ascontiguousarray(parts[: canvas[0], : canvas[1]])


def _peak_bytes(work: Callable[[], None], device: torch.device) -> int:
    """Bytes that this process holds, on the device, at the peak of some work."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_reserved(device)
    try:
        (_PROC / "clear_refs").write_text("5")  # forgets the high-water mark
        work()
        return _status_bytes("VmHWM")
    except OSError:
        raise ConfigurationError(
            'memory cannot be measured on this system; give micro_batch_size a number instead of "auto"'
        ) from None


def _status_bytes(name: str) -> int:
    """A figure of this process."""
    return int((_PROC / "status").read_text().split(f"{name}:")[1].split()[0]) * 1024


def _available_bytes(device: torch.device) -> int:
    """What this process may hold: what it holds, and what is free on the device, or on the machine and in its group."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    free = int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) * 1024
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):  # no such group, or its limit is "max"
        free = min(free, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return free + _status_bytes("VmRSS")
