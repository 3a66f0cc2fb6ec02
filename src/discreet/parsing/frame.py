"""Where a picture lies on the canvas that a network saw, and how maps of the canvas come back to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
_ALL = slice(None)


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

    def invert(self, maps: Map, height: int | None = None, width: int | None = None, rows: slice = _ALL) -> Map:
        """Maps of the canvas, at any resolution, cut to the picture and resized bilinearly.

        Args:
            maps: [..., h, w], covering the whole canvas.
            height, width: of the answer; by default the picture's.
            rows: of the answer; by default all.

        Returns:
            float32 [..., height, width], or fewer rows.
        """
        map_height, map_width = maps.shape[-2:]
        y = (self.top + _centres(height or self.height) * self.inner_height) * map_height / self.canvas_height - 0.5
        x = (self.left + _centres(width or self.width) * self.inner_width) * map_width / self.canvas_width - 0.5
        return bilinear(maps, y[rows], x)


def resize(maps: Map, height: int, width: int, rows: slice = _ALL, columns: slice = _ALL) -> Map:
    """Resize maps [..., h, w] bilinearly to [..., height, width], or to some rows and columns of that."""
    old_height, old_width = maps.shape[-2:]
    if (height, width) == (old_height, old_width):
        return maps[..., rows, columns]
    y, x = resized_positions(old_height, height), resized_positions(old_width, width)
    return bilinear(maps, y[rows], x[columns])


def resized_positions(old_length: int, length: int) -> NDArray[np.float64]:
    """Where on an axis of `old_length` samples `resize` reads its `length` ones."""
    return np.clip(_centres(length) * old_length - 0.5, 0, old_length - 1)


def bilinear(maps: Map, y: NDArray[np.float64], x: NDArray[np.float64]) -> Map:
    """Values of maps [..., h, w] at every (y, x): [..., len(y), len(x)]; beyond the edge is the edge."""
    above, below, downwards = _neighbours(y, maps.shape[-2])
    left, right, rightwards = _neighbours(x, maps.shape[-1])
    # Columns first, while the maps are still small: single numbers are gathered slowly, whole rows fast.
    needed = maps[..., above.min() : below.max() + 1, :]
    wide = _between(np.take(needed, left, -1), np.take(needed, right, -1), rightwards)
    above, below = above - above.min(), below - above.min()
    return _between(np.take(wide, above, -2), np.take(wide, below, -2), downwards[:, None])


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
