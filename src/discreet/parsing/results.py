"""What parsing a picture gives: a part map, and persons with their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discreet.errors import ConfigurationError
from discreet.labels import LabelSet
from discreet.parsing.overlay import overlay


@dataclass(frozen=True, eq=False)
class Person:
    """One person of a picture.

    Args:
        score: 0 to 1; the mean of `part_scores`, where those are known.
        box: (x0, y0, x1, y1) in pixels around `mask`; x1 and y1 lie just outside.
        mask: bool [H, W], the parts of this person and of nobody else.
        parts: part ids, uint8 [H, W]; 0 outside the mask.
        part_scores: by part id: how sure the part is, times how sure the person is.
    """

    score: float
    box: tuple[int, int, int, int]
    mask: NDArray[np.bool_]
    parts: NDArray[np.uint8]
    part_scores: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ParseResult:
    """Parts and persons of one picture. *SENSITIVE* as the picture is.

    Args:
        parts: part ids, uint8 [H, W].
        persons: the surest first.
        labels: what the ids mean.
        image: the picture, uint8 [H, W, 3], where it was kept.
    """

    parts: NDArray[np.uint8]
    persons: tuple[Person, ...]
    labels: LabelSet
    image: NDArray[np.uint8] | None = None

    def overlay(self, opacity: float = 0.5) -> NDArray[np.uint8]:
        """The picture with its parts in colour and every person outlined, uint8 [H, W, 3].

        Raises:
            ConfigurationError: the picture was not kept, or the opacity is not within 0 to 1.
        """
        if self.image is None:
            raise ConfigurationError("this result keeps no picture; call parsing.overlay(image, result.parts, ...)")
        return overlay(self.image, self.parts, self.labels, persons=self.person_ids(), opacity=opacity)

    def person_ids(self) -> NDArray[np.uint16]:
        """Which person each pixel belongs to, uint16 [H, W]: 1 is the first of `persons`, 0 is nobody."""
        ids = np.zeros(self.parts.shape, np.uint16)
        for number, person in enumerate(self.persons, start=1):
            ids[person.mask] = number
        return ids

    def summary(self) -> dict[str, Any]:
        """What can be said without pixels: width, height, persons[{score, box, parts[]}], parts{name: pixels}."""
        height, width = self.parts.shape
        return {
            "width": width,
            "height": height,
            "persons": [
                {
                    "score": round(person.score, 4),
                    "box": list(person.box),
                    "parts": list(_count_parts(person.parts, self.labels)),
                }
                for person in self.persons
            ],
            "parts": _count_parts(self.parts, self.labels),
        }


def box_around(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) of a mask that has at least one pixel; x1 and y1 lie just outside."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _count_parts(parts: NDArray[np.uint8], labels: LabelSet) -> dict[str, int]:
    """Pixels of every part that is there, background left out."""
    names: Sequence[str] = labels.names
    counts = np.bincount(parts.ravel(), minlength=len(names))
    return {names[part]: int(counts[part]) for part in range(1, len(names)) if counts[part]}
