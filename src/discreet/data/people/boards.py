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


def paint_boards(canvas: Floats, camera: Camera, boards: list[Board]) -> Floats:
    """The canvas [H, W, 3] with the boards on it, which come from far to near."""
    size_px = len(canvas)
    for board in boards:
        low, high = _window(board, camera, size_px)
        if (high <= low).any():
            continue
        columns, rows = np.arange(low[0], high[0]), np.arange(low[1], high[1])
        colours, cover = _look_up(board, camera.position, camera.grid(columns + 0.5, rows + 0.5, size_px))
        shape = len(rows), len(columns)
        part = canvas[low[1] : high[1], low[0] : high[0]]
        part += cover.reshape(*shape, 1) * (colours.reshape(*shape, 3) - part)
    return canvas


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


def _look_up(board: Board, position: Floats, rays_N3: Floats) -> tuple[Floats, Floats]:
    """Colours [N, 3] and cover [N] (0–1) of the board along rays."""
    normal = np.array([board.across[1], -board.across[0], 0.0])
    slope = rays_N3 @ normal
    slope = np.where(np.abs(slope) < 1e-6, 1e-6, slope)
    reach = (board.corner - position) @ normal / slope
    places = position + np.clip(reach, 0, 1e4)[:, None] * rays_N3 - board.corner
    along = places @ board.across / (board.across @ board.across)
    up = places[:, 2] / board.height
    inside = (reach > 0) & (along >= 0) & (along < 1) & (up >= 0) & (up < 1)
    height, width = board.texture.shape[:2]
    column = (np.where(inside, along, 0) * board.repeats % 1 * width).astype(int)
    row = ((1 - np.where(inside, up, 0.5)) * height).astype(int)
    texels = board.texture[np.minimum(row, height - 1), np.minimum(column, width - 1)].astype(np.float32) / 255
    return texels[:, :3], texels[:, 3] * inside
