"""Where a picture lies on the canvas that a network saw, and how maps of the canvas come back to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """A rectangle of a canvas that holds the whole picture. All sizes in pixels.

    Args:
        height, width: of the picture.
        canvas_height, canvas_width: of what the network saw.
        top, left, inner_height, inner_width: the rectangle; around it is padding.
    """

    height: int
    width: int
    canvas_height: int
    canvas_width: int
    top: int
    left: int
    inner_height: int
    inner_width: int

    def invert(self, maps: Map, height: int | None = None, width: int | None = None) -> Map:
        """Maps of the canvas, at any resolution, cut to the picture and resized bilinearly.

        Args:
            maps: [..., h, w], covering the whole canvas.
            height, width: of the answer; by default the picture's.

        Returns:
            float32 [..., height, width].
        """
        rows, columns = height or self.height, width or self.width
        map_height, map_width = maps.shape[-2:]
        y = (self.top + _centres(rows) * self.inner_height) * map_height / self.canvas_height - 0.5
        x = (self.left + _centres(columns) * self.inner_width) * map_width / self.canvas_width - 0.5
        return bilinear(maps, y, x)


def resize(maps: Map, height: int, width: int) -> Map:
    """Resize maps [..., h, w] bilinearly to [..., height, width]."""
    old_height, old_width = maps.shape[-2:]
    if (height, width) == (old_height, old_width):
        return maps
    return bilinear(maps, _centres(height) * old_height - 0.5, _centres(width) * old_width - 0.5)


def bilinear(maps: Map, y: NDArray[np.float64], x: NDArray[np.float64]) -> Map:
    """Values of maps [..., h, w] at every (y, x): [..., len(y), len(x)]; beyond the edge is the edge."""
    above, below, downwards = _neighbours(y, maps.shape[-2])
    left, right, rightwards = _neighbours(x, maps.shape[-1])
    rows = _between(np.take(maps, above, -2), np.take(maps, below, -2), downwards[:, None])
    return _between(np.take(rows, left, -1), np.take(rows, right, -1), rightwards)


def _between(start: Map, end: Map, share: NDArray[np.float32]) -> Map:
    """`start` plus a share of the way to `end`; overwrites both, because maps can be large."""
    end -= start
    end *= share
    end += start
    return end


def _centres(count: int) -> NDArray[np.float64]:
    """Centres of `count` equal pixels on the interval from 0 to 1."""
    return (np.arange(count) + 0.5) / count


def _neighbours(
    positions: NDArray[np.float64], length: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """The samples before and after each position, and how much of the latter."""
    inside = np.clip(positions, 0, length - 1)
    before = np.floor(inside).astype(np.intp)
    after = np.minimum(before + 1, length - 1)
    return before, after, (inside - before).astype(np.float32)
