"""From unit indices to what the network eats: images, targets, a generator a picture.

Augmentation and point sampling of a picture follow from (seed, step, its name) alone, so that
adding a picture to the data set, or another micro-batch size, shifts nobody's random stream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from discreet.data.samples import Sample, SampleSource
from discreet.data.transforms import AugmentSettings, augment
from discreet.errors import DataError
from discreet.m2fp import M2FP, make_targets
from discreet.m2fp.targets import Targets

# Enough to hide reading on a CPU; see benchmarks/read_speed.py.
NUM_THREADS = 4


@dataclass(frozen=True)
class Batch:
    """One micro-batch. *SENSITIVE*

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


@dataclass(frozen=True)
class Units:
    """The privacy units of a data set: which pictures each one owns.

    Args:
        pictures: picture indices, one tuple a unit, in a fixed order; empty for one that was left out. *SENSITIVE*
    """

    pictures: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def without(self, left_out: Iterable[int]) -> Units:
        """The same units, some of which own nothing: they are drawn as ever, and contribute nothing."""
        gone = set(left_out)
        return Units(tuple(() if unit in gone else owned for unit, owned in enumerate(self.pictures)))


def units_of(source: SampleSource, unit: str) -> Units:
    """Pictures are units themselves, or belong to the subject that owns them.

    Raises:
        DataError: subjects are asked for and a picture has none.
    """
    if unit == "image":
        return Units(tuple((picture,) for picture in range(len(source))))
    from discreet.data.samples import require_subjects

    owned: dict[str, list[int]] = {}
    for picture, subject in enumerate(require_subjects(source)):
        owned.setdefault(subject, []).append(picture)
    return Units(tuple(tuple(owned[subject]) for subject in sorted(owned)))


@dataclass(frozen=True)
class _Loaded:
    """One picture, ready for the network. *SENSITIVE*"""

    image: Tensor
    targets: Targets
    generator: torch.Generator


class BatchLoader:
    """Loads, augments and normalises the pictures of a step, in threads.

    What `expect` announces is read while the network computes. Pictures are the same, bit for bit, for any
    number of threads, and whether or not they were expected. At most two micro-batches are in memory: the
    one last loaded, and the one expected.

    Args:
        source: the pictures.
        units: who owns them.
        settings: augmentation. *Public*
        model: says which targets and which normalisation it wants.
        seed: of augmentation. *Public*
        num_threads: that read; 0 reads in the caller's, when asked. *Public*
        views: pictures of each unit, one after the other: different pictures while it owns as many, then the
            same ones augmented anew. *Public*
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
        views: int = 1,
    ) -> None:
        self._source = source
        self._units = units
        self._settings = settings
        self._model = model
        self._seed = seed
        self.views = views
        self._num_threads = num_threads
        self._pool: ThreadPoolExecutor | None = None
        self._expected: tuple[int, tuple[int, ...]] | None = None
        self._coming: list[Future[list[_Loaded]]] = []

    def expect(self, unit_indices: Sequence[int], step: int) -> None:
        """Begin to read the micro-batch that will be loaded next; replaces what was expected before."""
        self._forget()
        if self._num_threads > 0:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._num_threads, "discreet-reader")
            self._expected = (step, tuple(unit_indices))
            self._coming = [self._pool.submit(self._read, unit, step) for unit in unit_indices]

    def close(self) -> None:
        """End the threads; another `expect` starts them anew."""
        self._forget()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def load(self, unit_indices: Sequence[int], step: int) -> Batch | None:
        """The micro-batch of these units at this step; None if no picture of it could be read.

        All pictures were read before step 0; a unit with one that has become unreadable since contributes
        zero, because a message about it would say that it was sampled.
        """
        if self._expected != (step, tuple(unit_indices)):
            read = [self._read(unit, step) for unit in unit_indices]
        else:
            coming, self._expected, self._coming = self._coming, None, []
            read = [future.result() for future in coming]
        found = [picture for pictures in read for picture in pictures]
        if not found:
            return None
        images = self._model.batch([p.image for p in found])
        return Batch(images, [p.targets for p in found], [p.generator for p in found])

    def _forget(self) -> None:
        """Drop what is expected; pictures that are being read are read to their end and dropped."""
        for future in self._coming:
            future.cancel()
        self._expected, self._coming = None, []

    def _read(self, unit: int, step: int) -> list[_Loaded]:
        """All views of a unit; none if it owns nothing, or one of them cannot be read."""
        if not self._units.pictures[unit]:
            return []
        try:
            sampled = [self._sample(unit, step, view) for view in range(self.views)]
        except DataError:
            return []
        return [_Loaded(self._model.normalise(s.image), self._targets(s), generator) for s, generator in sampled]

    def _sample(self, unit: int, step: int, view: int) -> tuple[Sample, torch.Generator]:
        """One augmented picture of a unit, and the generator of its points."""
        owned = self._units.pictures[unit]
        names = [self._source.names[picture] for picture in owned]
        first = 0 if len(owned) == 1 else int(self._random(step, "/".join(names), "pick").integers(len(owned)))
        which = (first + view) % len(owned)
        rng = self._random(step, names[which], f"augment {view}" if view else "augment")
        sample = augment(self._source[owned[which]], rng, self._settings, self._source.label_set)
        return sample, torch.Generator().manual_seed(int(rng.integers(2**63)))

    def _random(self, step: int, name: str, purpose: str) -> np.random.Generator:
        """A generator of one picture, step and purpose."""
        digest = hashlib.sha256(f"{self._seed}/{step}/{purpose}/{name}".encode()).digest()
        return np.random.default_rng(np.frombuffer(digest, np.uint32))

    def _targets(self, sample: Sample) -> Targets:
        """What the network should say of a picture."""
        human = self._model.human
        return make_targets(sample.parts, sample.persons, num_parts=len(self._source.label_set), human=human)


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
