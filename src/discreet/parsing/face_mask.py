"""A constant colour over faces, as the service draws it before anything else sees the picture.

Shapes: H, W picture, N faces.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]


def mask_faces(
    image: NDArray[np.uint8], boxes: Sequence[Box], scale: float = 1.3, colour: tuple[int, int, int] = (0, 0, 0)
) -> NDArray[np.uint8]:
    """A copy of the picture with a solid ellipse over every face.

    Args:
        image: uint8 [H, W, 3]. *SENSITIVE*
        boxes: x0, y0, x1, y1 in pixels of each face, x1 and y1 outside; they may reach over the edge.
        scale: of the ellipse's axes to the box's sides. *Public*
        colour: red, green, blue. *Public*
    """
    masked = image.copy()
    height, width = image.shape[:2]
    for x0, y0, x1, y1 in boxes:
        centre_x, centre_y = (x0 + x1) / 2, (y0 + y1) / 2
        radius_x, radius_y = scale * (x1 - x0) / 2, scale * (y1 - y0) / 2
        if radius_x <= 0 or radius_y <= 0:
            continue
        top, bottom = max(int(centre_y - radius_y), 0), min(int(centre_y + radius_y) + 2, height)
        left, right = max(int(centre_x - radius_x), 0), min(int(centre_x + radius_x) + 2, width)
        rows = (np.arange(top, bottom)[:, None] + 0.5 - centre_y) / radius_y
        columns = (np.arange(left, right)[None] + 0.5 - centre_x) / radius_x
        masked[top:bottom, left:right][rows**2 + columns**2 <= 1] = colour
    return masked
