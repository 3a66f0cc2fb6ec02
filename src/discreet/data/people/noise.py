"""Smooth noise in space: one small periodic table, looked up, so that textures cost little.

Shapes: N points.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

_SIDE = 64
_CORNERS = tuple((i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1))


@lru_cache(maxsize=1)
def _table() -> Floats:
    """Float32 [64³, 4]: value in about 0–1 with mean 0.5, and its gradient per cell."""
    rng = np.random.default_rng(20_251)
    coarse = rng.random((_SIDE // 2,) * 3)
    for axis in range(3):
        coarse = np.repeat(coarse, 2, axis)
    values = coarse
    for axis in range(3):
        values = (values + np.roll(values, 1, axis)) / 2
    values = 0.75 * values + 0.25 * rng.random((_SIDE,) * 3)
    values = np.clip(0.5 + 1.6 * (values - 0.5), 0, 1)
    slopes = [(np.roll(values, -1, axis) - np.roll(values, 1, axis)) / 2 for axis in range(3)]
    return np.stack([values, *slopes], -1).reshape(-1, 4).astype(np.float32)


@lru_cache(maxsize=2)
def _columns(first: int, last: int) -> Floats:
    """Some columns of the table, side by side in memory."""
    return np.ascontiguousarray(_table()[:, first:last])


def _look_up(points_N3: Floats, first: int, last: int) -> Floats:
    """Trilinear look-up of columns of the table at points given in cells."""
    table = _columns(first, last)
    cells = np.floor(points_N3)
    inside = (points_N3 - cells).astype(np.float32).T
    base = cells.astype(np.int32).T & (_SIDE - 1)
    steps = [(base, (base + 1) & (_SIDE - 1)), (1 - inside, inside)]
    result = np.zeros((len(points_N3), last - first), np.float32)
    for i, j, k in _CORNERS:
        flat = (steps[0][i][0] * _SIDE + steps[0][j][1]) * _SIDE + steps[0][k][2]
        weight = steps[1][i][0] * steps[1][j][1] * steps[1][k][2]
        result += table[flat] * weight[:, None]
    return result


def noise(points_N3: Floats, frequency: float | tuple[float, float, float], seed: int = 0) -> Floats:
    """Noise in about 0–1, float32 [N], at points in metres with `frequency` cells a metre."""
    return _look_up(_cells(points_N3, frequency, seed), 0, 1)[:, 0]


def noise_slope(points_N3: Floats, frequency: float | tuple[float, float, float], seed: int = 0) -> Floats:
    """The direction in which the noise grows, float32 [N, 3], per cell."""
    return _look_up(_cells(points_N3, frequency, seed), 1, 4)


def _cells(points_N3: Floats, frequency: float | tuple[float, float, float], seed: int) -> Floats:
    """Points in cells, moved to a place of the table that the seed chooses."""
    shift = np.array([seed % 61, seed // 61 % 59, seed // 3599 % 53], np.float32) + 0.37
    return (points_N3 * np.asarray(frequency, np.float32) + shift).astype(np.float32)
