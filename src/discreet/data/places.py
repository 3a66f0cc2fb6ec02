"""Generated people before photographs of places: what lies around a person is not always drawn by the same hand.

A network that saw generated backgrounds alone calls many a real thing a person. Here everything but the persons is
replaced by a piece of a panorama, often with pieces of others in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from discreet.data.pictures import read_picture
from discreet.data.samples import Sample, SampleSource
from discreet.errors import DataError

Picture = NDArray[np.uint8]

_NARROWEST_PX = 110  # of a panorama: less is a blur
_WIDEST = 0.5  # of the whole turn
_MOST_PIECES = 4


class BeforePlaces:
    """The pictures of a data set, their backgrounds replaced; each always by the same.

    Args:
        source: generated people; parts stay, all else goes, with what was held or stood before somebody.
        folder: panoramas, PNG, twice as wide as high. *Public*
        seed: of what comes behind whom. *Public*

    Raises:
        DataError: the folder holds no panorama, or one that cannot be read.
    """

    def __init__(self, source: SampleSource, folder: Path, seed: int) -> None:
        self._source, self._seed = source, seed
        self._places = [read_picture(path).pixels for path in sorted(folder.glob("*.png"))]
        if not self._places:
            raise DataError(f"{folder} holds no PNG; fetch them: python tools/places.py {folder}")
        self.spec = f"{source.spec}, before {folder.name}"
        self.label_set = source.label_set
        self.names: Sequence[str] = source.names
        self.subjects: Sequence[str | None] = source.subjects

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Sample:
        """Read one picture.

        Raises:
            DataError: as of the source.
        """
        sample, rng = self._source[index], np.random.default_rng([self._seed, index])
        place = self._piece(rng, sample.parts.shape[0], sample.parts.shape[1])
        for _ in range(int(rng.integers(_MOST_PIECES + 1)) if rng.random() < 0.5 else 0):
            self._hang(place, rng)
        light = (place / 255.0) ** np.exp(rng.uniform(-0.5, 0.5)) * np.exp(rng.uniform(-0.4, 0.2))
        figure = Image.fromarray(np.uint8(255) * (sample.parts > 0).astype(np.uint8))
        edge = np.asarray(figure.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9))), np.float32)[..., None] / 255
        image = edge * sample.image + (1 - edge) * np.clip(255 * light, 0, 255)
        return replace(sample, image=image.astype(np.uint8))

    def _piece(self, rng: np.random.Generator, height: int, width: int) -> Picture:
        """Part of a panorama near its horizon, of a size, sometimes out of focus."""
        place = self._places[rng.integers(len(self._places))]
        whole_height, whole_width = place.shape[:2]
        cut_width = rng.uniform(_NARROWEST_PX, max(_WIDEST * whole_width, _NARROWEST_PX + 1))
        cut_height = min(cut_width * height / width, 0.8 * whole_height)
        rows, columns = max(round(cut_height), 1), max(round(cut_height * width / height), 1)
        top = int(np.clip(rng.normal(0.5, 0.08) * whole_height - rows / 2, 0, whole_height - rows))
        turned = np.arange(columns) + rng.integers(whole_width)
        cut = Image.fromarray(place[top : top + rows].take(turned, axis=1, mode="wrap"))
        if rng.random() < 0.5:
            cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        piece = cut.resize((width, height), Image.Resampling.BICUBIC)
        if rng.random() < 0.25:
            piece = piece.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2.0)))
        return np.array(piece)

    def _hang(self, place: Picture, rng: np.random.Generator) -> None:
        """A piece of another place like a poster or a window, in place."""
        height, width = place.shape[:2]
        rows, columns = (int(rng.uniform(0.1, 0.5) * side) + 2 for side in (height, width))
        top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
        place[top : top + rows, left : left + columns] = self._piece(rng, rows, columns)
