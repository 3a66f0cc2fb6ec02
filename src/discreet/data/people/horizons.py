"""What closes the view far behind everybody, from edge to edge: trees, hills."""

from __future__ import annotations

import numpy as np

from discreet.data.people import textures
from discreet.data.people.boards import Board, wide_board

Rng = np.random.Generator


def greenery(depth: float, rng: Rng, height: float) -> Board:
    """A hedge of trees from edge to edge with a ragged top."""
    size = (640, 110)
    pixels = np.zeros((size[1], size[0], 4), np.uint8)
    pixels[..., :3] = textures.leaves(*size, rng) * np.linspace(1.15, 0.6, size[1])[:, None, None].clip(0, 1) * 255
    top = textures.plane_noise(*size, (18, 0.01), int(rng.integers(9999))) * 0.75 * size[1]
    pixels[..., 3] = np.where(np.arange(size[1])[:, None] > top, 255, 0)
    return wide_board(70.0, depth, height, pixels)


def hill(depth: float, rng: Rng) -> Board:
    """A white slope with rocks and woods, from edge to edge."""
    size = (480, 160)
    ridge = textures.plane_noise(*size, (6, 0.01), int(rng.integers(9999))) * 0.8 * size[1]
    dark = textures.plane_noise(*size, (40, 16), int(rng.integers(9999))) > rng.uniform(0.55, 0.75)
    pixels = np.full((size[1], size[0], 4), 255, np.uint8)
    pixels[..., :3] = np.where(dark[..., None], (86, 92, 98), (222, 228, 236))
    pixels[..., 3] = np.where(np.arange(size[1])[:, None] > ridge, 255, 0)
    return wide_board(250.0, depth, float(rng.uniform(25, 70)), pixels)
