"""A picture with its parts in colour: crisp edges, a thin dark line between parts, a light one around persons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from discreet.errors import ConfigurationError
from discreet.labels import IGNORED, LabelSet

# On either side of an edge, one pixel of line for each so many pixels of the picture's shorter side.
_SIDE_PER_LINE_PX = 640
_PART_LINE_DARKNESS = 0.55
_PERSON_LINE_GREY = 255


def overlay(
    image: NDArray[np.uint8],
    parts: NDArray[np.uint8],
    labels: LabelSet,
    *,
    persons: NDArray[np.integer] | None = None,
    opacity: float = 0.5,
) -> NDArray[np.uint8]:
    """Blend the palette over a picture.

    Background and ignored pixels stay as they are, and so does everything at opacity 0.

    Args:
        image: uint8 [H, W, 3].
        parts: part ids, uint8 [H, W].
        labels: brings the palette.
        persons: person ids, [H, W], 0 for nobody; None draws no outlines of persons.
        opacity: 0 to 1.

    Raises:
        ConfigurationError: the opacity is out of range.
    """
    if not 0 <= opacity <= 1:
        raise ConfigurationError(f"opacity is {opacity}; 0 to 1 is allowed")
    figure = (parts != 0) & (parts != IGNORED)
    colours = labels.colours()[parts].astype(np.float32)
    line_px = max(1, round(min(parts.shape) / _SIDE_PER_LINE_PX))
    colours[_edges(parts, line_px)] *= _PART_LINE_DARKNESS
    if persons is not None:
        colours[_edges(persons, line_px + 1) & (persons > 0)] = _PERSON_LINE_GREY
    blended = image * np.float32(1 - opacity) + colours * np.float32(opacity)
    return np.where(figure[..., None], np.rint(blended), image).astype(np.uint8)


def _edges(ids: NDArray[np.integer], reach_px: int) -> NDArray[np.bool_]:
    """Pixels with another id at most `reach_px` above, below, left or right of them."""
    edges = np.zeros(ids.shape, bool)
    for distance in range(1, reach_px + 1):
        across = ids[:, distance:] != ids[:, :-distance]
        edges[:, distance:] |= across
        edges[:, :-distance] |= across
        down = ids[distance:] != ids[:-distance]
        edges[distance:] |= down
        edges[:-distance] |= down
    return edges
