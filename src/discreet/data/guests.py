"""Persons of other pictures step into a picture: more people, nearer together, than anybody drew.

Copy-paste, for generated people (Ghiasi et al. 2021, arXiv 2012.07177): the same pictures show new groups, and
persons behind persons, for the price of reading two of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from discreet.data.samples import Sample, SampleSource

_MOST_GUESTS = 3
_ZOOM = (0.5, 1.3)
_SMALLEST_PX = 8  # a side of a guest: less shows no part


@dataclass(frozen=True, eq=False)
class _Guest:
    """A person cut out: image, parts and how much of each pixel is theirs, [h, w]; and whether their own picture's
    upper, lower, left and right edge cut them."""

    image: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    share: NDArray[np.float32]
    cut: tuple[bool, bool, bool, bool]


class WithGuests:
    """The pictures of a data set, half of them with persons of others; each always with the same.

    Args:
        source: generated people, whose persons are told apart; what they hold stays at home.
        seed: of who comes, and where they stand. *Public*
    """

    def __init__(self, source: SampleSource, seed: int) -> None:
        self._source, self._seed = source, seed
        self.spec = f"{source.spec}, with guests"
        self.label_set = source.label_set
        self.names: Sequence[str] = source.names
        self.subjects: Sequence[str | None] = [None] * len(source)  # a picture shows persons of several

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Sample:
        """Read one picture, and one whose persons visit it.

        Raises:
            DataError: as of the source.
        """
        sample, rng = self._source[index], np.random.default_rng([self._seed, index])
        if rng.random() < 0.5 or sample.persons is None:
            return replace(sample, subject=None)
        other = self._source[int(rng.integers(len(self._source)))]
        image, parts, persons = sample.image.copy(), sample.parts.copy(), sample.persons.copy()
        for guest in _guests(other, rng):
            _seat(guest, image, parts, persons, rng)
        return replace(sample, image=image, parts=parts, persons=persons, subject=None)


def _guests(sample: Sample, rng: np.random.Generator) -> list[_Guest]:
    """Some persons of a picture, nearer or farther than they were there."""
    if sample.persons is None:
        return []
    known = np.setdiff1d(np.unique(sample.persons), [0])
    chosen = rng.permutation(known)[: rng.integers(1, _MOST_GUESTS + 1)]
    guests = []
    for person in chosen:
        mask = sample.persons == person
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        zoom = np.exp(rng.uniform(*np.log(_ZOOM)))
        size = (round(zoom * mask[box].shape[1]), round(zoom * mask[box].shape[0]))
        if min(size) < _SMALLEST_PX:
            continue
        share = np.asarray(Image.fromarray(np.uint8(255) * mask[box]).resize(size, Image.Resampling.BILINEAR))
        guests.append(
            _Guest(
                np.asarray(Image.fromarray(sample.image[box]).resize(size, Image.Resampling.BICUBIC)),
                np.asarray(Image.fromarray(sample.parts[box] * mask[box]).resize(size, Image.Resampling.NEAREST)),
                share.astype(np.float32) / np.float32(255),
                (rows[0] == 0, rows[-1] == mask.shape[0] - 1, columns[0] == 0, columns[-1] == mask.shape[1] - 1),
            )
        )
    return guests


def _seat(
    guest: _Guest,
    image: NDArray[np.uint8],
    parts: NDArray[np.uint8],
    persons: NDArray[np.uint8],
    rng: np.random.Generator,
) -> None:
    """Put a guest before or behind who is there, in place."""
    height, width = parts.shape
    rows, columns = guest.parts.shape
    top = _start(rows, height, *guest.cut[:2], rng)
    left = _start(columns, width, *guest.cut[2:], rng)
    here = np.s_[max(top, 0) : min(top + rows, height), max(left, 0) : min(left + columns, width)]
    there = np.s_[max(-top, 0) : min(height - top, rows), max(-left, 0) : min(width - left, columns)]
    share = guest.share[there]
    if rng.random() < 0.5:
        share = share * (parts[here] == 0)
    image[here] = share[..., None] * guest.image[there] + (1 - share[..., None]) * image[here]
    # Who says what part a pixel is must say whose it is, too.
    theirs = (share > 0.5) & (guest.parts[there] > 0)
    parts[here] = np.where(theirs, guest.parts[there], parts[here])
    persons[here] = np.where(theirs, min(int(persons.max()) + 1, 254), persons[here])


def _start(length: int, room: int, cut_before: bool, cut_after: bool, rng: np.random.Generator) -> int:
    """Where a guest begins along one side: an edge that cut them cuts them here; else anywhere, up to half outside."""
    if cut_after:
        return room - length
    return 0 if cut_before else int(rng.integers(-(length // 2), max(room - length // 2, 1)))
