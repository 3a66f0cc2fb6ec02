"""Faces covered as the service covers them, with the errors of a detector.

Shapes: H, W picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.parts import Part
from discreet.parsing.face_mask import Box, mask_faces

_SMALL_PX = 12  # a face with a shorter side may be missed
_MISSED_WHEN_SMALL = 0.3  # of such faces
_LEAST_PIXELS = 6  # of a face that counts as seen


def face_boxes(parts: NDArray[np.uint8], persons: NDArray[np.uint8]) -> list[Box]:
    """The box around each person's face pixels, in order of person id; none for a face hardly seen, or from behind."""
    boxes: list[Box] = []
    for number in range(1, int(persons.max(initial=0)) + 1):
        own = np.where(persons == number, parts, 0)
        rows, columns = np.nonzero(own == Part.FACE)
        if len(rows) < _LEAST_PIXELS:
            continue
        x0, y0, x1, y1 = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
        # Ears with hair between them are the back of a head, and no detector calls that a face.
        if len(rows) > np.count_nonzero(own[y0:y1, x0:x1] == Part.HAIR):
            boxes.append((float(x0), float(y0), float(x1), float(y1)))
    return boxes


def mask_as_served(
    image: NDArray[np.uint8], parts: NDArray[np.uint8], persons: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The picture with its faces covered: boxes a little off, a small face missed now and then.

    Args:
        image: uint8 [H, W, 3]. parts: CIHP ids, uint8 [H, W]. persons: ids from 1, uint8 [H, W].
        rng: of this picture's mask alone.
    """
    found: list[Box] = []
    for x0, y0, x1, y1 in face_boxes(parts, persons):
        width, height = x1 - x0, y1 - y0
        missed = rng.random() < _MISSED_WHEN_SMALL and min(width, height) < _SMALL_PX
        across, down, wider, taller = rng.normal(0, (0.05, 0.05, 0.06, 0.06))
        centre_x, centre_y = (x0 + x1) / 2 + across * width, (y0 + y1) / 2 + down * height
        half_x, half_y = width / 2 * np.exp(wider), height / 2 * np.exp(taller)
        if not missed:
            found.append((centre_x - half_x, centre_y - half_y, centre_x + half_x, centre_y + half_y))
    grey = int(rng.integers(96, 160)) if rng.random() < 0.25 else 0
    return mask_faces(image, found, float(rng.uniform(1.3, 1.5)), (grey, grey, grey))
