"""From a unit to what is on its pictures at one step: read, augmented, things told apart; nothing of the network yet.

Augmentation and point sampling of a picture follow from (seed, step, its name) alone, so that
adding a picture to the data set, or another micro-batch size, shifts nobody's random stream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.data.samples import SampleSource
from discreet.data.transforms import AugmentSettings, augment
from discreet.errors import DataError
from discreet.m2fp.targets import Things, things_of
from discreet.training.units import Units


@dataclass(frozen=True)
class View:
    """One augmented picture on its way to the network. *SENSITIVE*

    Args:
        image: uint8 RGB [H, W, 3].
        things: what is on it.
        seed: of the points at which its loss looks.
    """

    image: NDArray[np.uint8]
    things: Things
    seed: int


@dataclass(frozen=True)
class PictureReader:
    """Reads the views of one unit after another; a plain value, so that other processes can have it.

    Args:
        source: the pictures.
        units: who owns them.
        settings: augmentation. *Public*
        human: whether persons are told apart; see `make_targets`. *Public*
        seed: of augmentation. *Public*
        views: pictures of each unit: different ones while it owns as many, then the same ones augmented anew. *Public*
    """

    source: SampleSource
    units: Units
    settings: AugmentSettings
    human: bool
    seed: int
    views: int = 1

    def read(self, units: Sequence[int], step: int) -> list[View]:
        """All views of some units, one unit after the other.

        All pictures were read before step 0; a unit with one that has become unreadable since contributes
        nothing, because a message about it would say that it was sampled.
        """
        return [view for unit in units for view in self._views_of(unit, step)]

    def _views_of(self, unit: int, step: int) -> list[View]:
        """None at all if the unit owns nothing, or one of its pictures cannot be read."""
        if not self.units.pictures[unit]:
            return []
        try:
            return [self._view(unit, step, number) for number in range(self.views)]
        except DataError:
            return []

    def _view(self, unit: int, step: int, number: int) -> View:
        """One augmented picture of a unit."""
        owned = self.units.pictures[unit]
        names = [self.source.names[picture] for picture in owned]
        first = 0 if len(owned) == 1 else int(self._random(step, "/".join(names), "pick").integers(len(owned)))
        which = (first + number) % len(owned)
        rng = self._random(step, names[which], f"augment {number}" if number else "augment")
        sample = augment(self.source[owned[which]], rng, self.settings, self.source.label_set)
        seed = int(rng.integers(2**63))
        num_parts = len(self.source.label_set)
        return View(sample.image, things_of(sample.parts, sample.persons, num_parts=num_parts, human=self.human), seed)

    def _random(self, step: int, name: str, purpose: str) -> np.random.Generator:
        """A generator of one picture, step and purpose."""
        digest = hashlib.sha256(f"{self.seed}/{step}/{purpose}/{name}".encode()).digest()
        return np.random.default_rng(np.frombuffer(digest, np.uint32))


class _Handed:
    """What a reading process was given when it started."""

    reader: PictureReader


def hand_over(reader: PictureReader) -> None:
    """Called in a reading process before anything else."""
    _Handed.reader = reader


def read_there(units: Sequence[int], step: int) -> list[View]:
    """`PictureReader.read` of the one that was handed over."""
    return _Handed.reader.read(units, step)
