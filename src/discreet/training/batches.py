"""From unit indices to what the network eats: images, targets, a generator a picture.

Shapes: B pictures, H W pixels.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from discreet.data.samples import SampleSource
from discreet.data.transforms import AugmentSettings
from discreet.errors import DataError
from discreet.m2fp import M2FP
from discreet.m2fp.targets import Targets
from discreet.processes import process_pool
from discreet.training.reader import PictureReader, View, hand_over, read_there
from discreet.training.units import Units

# Enough to hide reading on a CPU; see benchmarks/read_speed.py.
NUM_THREADS = 4


@dataclass(frozen=True)
class Batch:
    """One micro-batch, where the network is. *SENSITIVE*

    Args:
        images: normalised, float32 [B, 3, H, W].
        targets: one a picture.
        generators: one a picture, for point sampling.
    """

    images: Tensor
    targets: list[Targets]
    generators: list[torch.Generator]

    def __len__(self) -> int:
        return len(self.targets)


class BatchLoader:
    """Loads, augments and normalises the pictures of a step, in threads or processes.

    What `expect` announces is read while the network computes. Pictures are the same, bit for bit, for any
    number of threads or processes, and whether or not they were expected. At most two micro-batches are in memory:
    the one last loaded, and the one expected.

    Args:
        source: the pictures.
        units: who owns them.
        settings: augmentation. *Public*
        model: says which targets and which normalisation it wants, and on which device.
        seed: of augmentation. *Public*
        num_threads: that read; 0 reads in the caller's, when asked. *Public*
        num_processes: that read instead of threads, for a network that is faster than one process can read. *Public*
        views: pictures of each unit, one after the other; see `PictureReader`. *Public*
    """

    def __init__(
        self,
        source: SampleSource,
        units: Units,
        settings: AugmentSettings,
        model: M2FP,
        *,
        seed: int,
        num_threads: int = NUM_THREADS,
        num_processes: int = 0,
        views: int = 1,
    ) -> None:
        self._reader = PictureReader(source, units, settings, model.human, seed, views)
        self._model = model
        self.views = views
        self._num_threads = num_threads
        self._num_processes = num_processes
        self._pool: Executor | None = None
        self._expected: tuple[int, tuple[int, ...]] | None = None
        self._coming: list[Future[list[View]]] = []

    def expect(self, unit_indices: Sequence[int], step: int) -> None:
        """Begin to read the micro-batch that will be loaded next; replaces what was expected before.

        Raises:
            DataError: a reading process was killed.
        """
        self._forget()
        if self._num_processes > 0:
            self._expected = (step, tuple(unit_indices))
            share = max(-(-len(unit_indices) // self._num_processes), 1)
            parts = [unit_indices[start : start + share] for start in range(0, len(unit_indices), share)]
            with _nobody_killed():
                self._coming = [self._executor().submit(read_there, part, step) for part in parts]
        elif self._num_threads > 0:
            self._expected = (step, tuple(unit_indices))
            self._coming = [self._executor().submit(self._reader.read, [unit], step) for unit in unit_indices]

    def close(self) -> None:
        """End the threads or processes; another `expect` starts them anew."""
        self._forget()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def load(self, unit_indices: Sequence[int], step: int) -> Batch | None:
        """The micro-batch of these units at this step; None if no picture of it could be read.

        Raises:
            DataError: a reading process was killed.
        """
        if self._expected != (step, tuple(unit_indices)):
            views = self._reader.read(unit_indices, step)
        else:
            coming, self._expected, self._coming = self._coming, None, []
            with _nobody_killed():
                views = [view for future in coming for view in future.result()]
        return self._assembled(views) if views else None

    def _assembled(self, views: Sequence[View]) -> Batch:
        """Pictures as the network wants them, on its device."""
        device = next(self._model.parameters()).device
        return Batch(
            self._model.batch_of([view.image for view in views], device),
            [view.things.targets(device) for view in views],
            [torch.Generator(device).manual_seed(view.seed) for view in views],
        )

    def _executor(self) -> Executor:
        """What reads; started when it is first needed."""
        if self._pool is None and self._num_processes > 0:
            self._pool = process_pool(self._num_processes, hand_over, self._reader)
        elif self._pool is None:
            self._pool = ThreadPoolExecutor(self._num_threads, "discreet-reader")
        return self._pool

    def _forget(self) -> None:
        """Drop what is expected; pictures that are being read are read to their end and dropped."""
        for future in self._coming:
            future.cancel()
        self._expected, self._coming = None, []


@contextmanager
def _nobody_killed() -> Generator[None]:
    """Reading processes end when they are told to, and not before."""
    try:
        yield
    except BrokenProcessPool:
        raise DataError(
            "a process that reads pictures was killed, perhaps for want of memory; make room, and go on with --resume"
        ) from None


def probe_picture(index: int, size_px: int, num_parts: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A made-up picture and part map for start-up checks: noise with rectangles of parts. *Public*"""
    rng = np.random.default_rng([size_px, num_parts, index])
    image = rng.integers(0, 256, (size_px, size_px, 3), dtype=np.uint8)
    parts = np.zeros((size_px, size_px), np.uint8)
    for _ in range(index + 1):
        top, left = rng.integers(0, size_px // 2, 2)
        part = rng.integers(1, num_parts)
        parts[top : top + size_px // 2, left : left + size_px // 3] = part
        image[parts == part] //= 2
    return image, parts
