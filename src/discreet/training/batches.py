"""From unit indices to what the network eats: images, targets, a generator a picture.

Augmentation and point sampling of a picture follow from (seed, step, its name) alone, so that
adding a picture to the data set, or another micro-batch size, shifts nobody's random stream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
        pictures: picture indices, one tuple a unit, in a fixed order. *SENSITIVE*
    """

    pictures: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.pictures)


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


class BatchLoader:
    """Loads, augments and normalises the pictures of a step.

    Args:
        source: the pictures.
        units: who owns them; a unit contributes one of its pictures a step.
        settings: augmentation. *Public*
        model: says which targets and which normalisation it wants.
        seed: of augmentation. *Public*
    """

    def __init__(
        self, source: SampleSource, units: Units, settings: AugmentSettings, model: M2FP, *, seed: int
    ) -> None:
        self._source = source
        self._units = units
        self._settings = settings
        self._model = model
        self._seed = seed

    def load(self, unit_indices: Sequence[int], step: int) -> Batch | None:
        """The micro-batch of these units at this step; None if no picture of it could be read.

        All pictures were read before step 0; one that has become unreadable since contributes
        zero, because a message about it would say that it was sampled.
        """
        images: list[Tensor] = []
        targets: list[Targets] = []
        generators: list[torch.Generator] = []
        for unit in unit_indices:
            try:
                sample, generator = self._sample(unit, step)
            except DataError:
                continue
            images.append(self._model.normalise(sample.image))
            targets.append(self._targets(sample))
            generators.append(generator)
        return Batch(torch.stack(images), targets, generators) if images else None

    def _sample(self, unit: int, step: int) -> tuple[Sample, torch.Generator]:
        """One augmented picture of a unit, and the generator of its points."""
        owned = self._units.pictures[unit]
        names = [self._source.names[picture] for picture in owned]
        which = 0 if len(owned) == 1 else int(self._random(step, "/".join(names), "pick").integers(len(owned)))
        rng = self._random(step, names[which], "augment")
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
