"""Upright painted boards in space, seen by the camera without casting rays: walls, fronts, trees, cars.

Colours are sRGB, 0–1. Shapes: H = W = size_px; h, w a texture's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from discreet.data.people.camera import Camera

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Board:
    """A rectangle that stands upright.

    Args:
        corner: [3], its lower left. across: [3], from its left to its right edge, level. height: metres.
        texture: uint8 [h, w, 4], row 0 on top. repeats: how often the texture fits across it.
    """

    corner: Floats
    across: Floats
    height: float
    texture: NDArray[np.uint8]
    repeats: float = 1.0


def facing_board(x: float, depth: float, foot: float, picture: Image.Image, height: float) -> Board:
    """A board that faces the camera's side, centred at x, as wide as its picture asks."""
    width = height * picture.width / picture.height
    return Board(np.array([x - width / 2, depth, foot]), np.array([width, 0.0, 0.0]), height, np.asarray(picture))


def wide_board(
    half: float, depth: float, height: float, texture: Image.Image | NDArray[np.uint8], repeats: float = 1.0
) -> Board:
    """A board that faces the camera's side, from so far left of the middle to as far right of it."""
    corner, across = np.array([-half, depth, 0.0]), np.array([2 * half, 0.0, 0.0])
    return Board(corner, across, height, np.asarray(texture, np.uint8), repeats)


def paint_boards(canvas: Floats, camera: Camera, boards: list[Board]) -> tuple[Floats, Floats]:
    """The canvas [H, W, 3] with the boards on it, which come from far to near; and what share of it is left, [H, W]."""
    size_px = len(canvas)
    left = np.ones((size_px, size_px), np.float32)
    for board in boards:
        low, high = _window(board, camera, size_px)
        if (high <= low).any():
            continue
        columns, rows = np.arange(low[0], high[0]), np.arange(low[1], high[1])
        rays = camera.grid(columns + 0.5, rows + 0.5, size_px)
        hit, colours, cover = _look_up(board, camera.position, rays)
        below, aside = np.divmod(hit, len(columns))
        place = low[1] + below, low[0] + aside
        canvas[place] += cover[:, None] * (colours - canvas[place])
        left[place] *= 1 - cover
    return canvas, left


def _window(board: Board, camera: Camera, size_px: int) -> tuple[Floats, Floats]:
    """Columns and rows the board can be seen in, from [2] and to [2]."""
    upright = np.array([0, 0, board.height])
    corners = np.array([board.corner + a * board.across + b * upright for a in (0, 1) for b in (0, 1)])
    sight = corners - camera.position
    ahead = sight @ camera.forward
    if (ahead < 0.05).any():
        return np.zeros(2, int), np.full(2, size_px if (ahead > 0.05).any() else 0)
    places = np.stack([sight @ camera.right, -(sight @ camera.up)], 1) / ahead[:, None] / camera.spread
    pixels = (places + 1) / 2 * size_px
    return np.clip(np.floor(pixels.min(0)), 0, size_px).astype(int), np.clip(np.ceil(pixels.max(0)), 0, size_px).astype(
        int
    )


def _look_up(board: Board, position: Floats, rays_N3: Floats) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Which rays meet the board, [M], and of these the colours [M, 3] and the cover [M] (0–1)."""
    normal = np.array([board.across[1], -board.across[0], 0.0])
    slope = rays_N3[:, 0] * normal[0] + rays_N3[:, 1] * normal[1]
    slope = np.where(np.abs(slope) < 1e-6, 1e-6, slope)
    reach = (board.corner - position) @ normal / slope
    far = np.clip(reach, 0, 1e4)
    x, y, z = (position[axis] + far * rays_N3[:, axis] - board.corner[axis] for axis in range(3))
    along = (x * board.across[0] + y * board.across[1]) / (board.across @ board.across)
    up = z / board.height
    hit = np.flatnonzero((reach > 0) & (along >= 0) & (along < 1) & (up >= 0) & (up < 1))
    height, width = board.texture.shape[:2]
    column = (along[hit] * board.repeats % 1 * width).astype(int)
    row = ((1 - up[hit]) * height).astype(int)
    texels = board.texture[np.minimum(row, height - 1), np.minimum(column, width - 1)].astype(np.float32) / 255
    return hit, texels[:, :3], texels[:, 3]
