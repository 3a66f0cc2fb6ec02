"""The privacy units of a data set: pictures, or the subjects that own them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from discreet.data.samples import SampleSource, require_subjects


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
    owned: dict[str, list[int]] = {}
    for picture, subject in enumerate(require_subjects(source)):
        owned.setdefault(subject, []).append(picture)
    return Units(tuple(tuple(owned[subject]) for subject in sorted(owned)))
