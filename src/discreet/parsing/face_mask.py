"""Faces hidden, as the service does it before anything else sees a picture: under one colour, or a made-up face.

The real face is never blurred: blurred faces are recognised (Revelio, arXiv 2506.12344).

Shapes: H, W picture, N faces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    for box in boxes:
        for place, rows, columns in _around(box, scale, 1.0, image.shape):
            masked[place][rows**2 + columns**2 <= 1] = colour
    return masked


def blur_faces(image: NDArray[np.uint8], boxes: Sequence[Box], scale: float = 1.3) -> NDArray[np.uint8]:
    """A copy of the picture with a soft, made-up face over every face.

    **Guarantees** Inside the ellipse that `mask_faces` would paint, no pixel depends on the picture. The soft edge
    lies outside of it.

    Args:
        image, boxes, scale: as of `mask_faces`.
    """
    masked = image.copy()
    for box in boxes:
        for place, rows, columns in _around(box, scale, _SOFT_EDGE, image.shape):
            distance = np.sqrt(rows**2 + columns**2)
            cover = np.clip((_SOFT_EDGE - distance) / (_SOFT_EDGE - 1.0), 0.0, 1.0)[..., None]
            under = masked[place].astype(np.float64)
            masked[place] = np.rint(cover * _made_up_face(rows, columns) + (1.0 - cover) * under).astype(np.uint8)
    return masked


# Where the soft edge of a made-up face ends, in radii of its ellipse.
_SOFT_EDGE = 1.12
_SKIN = np.array((172.0, 142.0, 124.0))
_SHADES = np.array((70.0, 66.0, 60.0))


def _made_up_face(rows: NDArray[np.floating], columns: NDArray[np.floating]) -> NDArray[np.floating]:
    """Blurred eyes and a mouth, the same for everybody: [h, w, 3] at places in radii of the ellipse."""
    shade = 0.25 * rows + 0.3 * columns**2
    for y, x, height, width in ((-0.18, -0.32, 0.12, 0.2), (-0.18, 0.32, 0.12, 0.2), (0.42, 0.0, 0.1, 0.3)):
        shade = shade + 0.55 * np.exp(-(((rows - y) / height) ** 2) - ((columns - x) / width) ** 2)
    return np.clip(_SKIN - shade[..., None] * _SHADES, 0.0, 255.0)


def _around(
    box: Box, scale: float, reach: float, shape: tuple[int, ...]
) -> Iterator[tuple[tuple[slice, slice], NDArray[np.floating], NDArray[np.floating]]]:
    """The rectangle around a face's ellipse, and where its rows and columns lie in radii; nothing for an empty box."""
    x0, y0, x1, y1 = box
    centre_x, centre_y = (x0 + x1) / 2, (y0 + y1) / 2
    radius_x, radius_y = scale * (x1 - x0) / 2, scale * (y1 - y0) / 2
    if radius_x <= 0 or radius_y <= 0:
        return
    top, bottom = max(int(centre_y - reach * radius_y), 0), min(int(centre_y + reach * radius_y) + 2, shape[0])
    left, right = max(int(centre_x - reach * radius_x), 0), min(int(centre_x + reach * radius_x) + 2, shape[1])
    rows = (np.arange(top, bottom)[:, None] + 0.5 - centre_y) / radius_y
    columns = (np.arange(left, right)[None] + 0.5 - centre_x) / radius_x
    yield (slice(top, bottom), slice(left, right)), rows, columns
