"""One labelled picture, and what every data set looks like from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from discreet.errors import DataError
from discreet.labels import LabelSet


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture with its labels. *SENSITIVE* unless generated.

    Args:
        name: unique in its data set.
        image: RGB, uint8 [H, W, 3].
        parts: part ids, uint8 [H, W]; 255 is ignored.
        persons: person ids, uint8 [H, W], 0 for nobody; None where nobody told persons apart.
        subject: who owns the picture, where known.
    """

    name: str
    image: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    persons: NDArray[np.uint8] | None
    subject: str | None


@dataclass(frozen=True)
class Problem:
    """Something wrong with one file of a data set.

    Args:
        file: the file, or the data set where no single file is at fault.
        what: one line: what is wrong, and the way out.
    """

    file: str
    what: str


class SampleSource(Protocol):
    """A data set: names first, pictures when asked for."""

    spec: str
    label_set: LabelSet
    names: Sequence[str]
    subjects: Sequence[str | None]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """Read one picture.

        Raises:
            DataError: a file of it is missing, unreadable or inconsistent; it is named.
        """
        ...


def require_subjects(source: SampleSource) -> Sequence[str]:
    """The subject of every picture.

    Raises:
        DataError: a picture has none.
    """
    known = [subject for subject in source.subjects if subject is not None]
    if len(known) < len(source):
        nameless = next(name for name, subject in zip(source.names, source.subjects, strict=True) if subject is None)
        raise DataError(
            f"{source.spec}: picture {nameless} has no subject; write subjects.csv with a line name,subject for every "
            'picture, set data.shared_pictures where several share one, or use unit = "image"'
        )
    return known
