"""Smooth noise in space: one small periodic table, looked up, so that textures cost little.

Shapes: N points.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Frequencies = tuple[float, float, float]

_SIDE = 64  # cells; a power of two, so that places wrap around by a mask
_BLOCK = 8192  # points that are looked up at once


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


@cache
def _column(number: int) -> Floats:
    """A column of the table, alone in memory."""
    return np.ascontiguousarray(_table()[:, number])


def _look_up(points_N3: Floats, frequency: float | Frequencies, seed: int, columns: tuple[int, ...]) -> Floats:
    """Trilinear look-up of columns of the table, [N, columns]; the seed chooses where in the table."""
    scale = np.asarray(frequency, np.float32).reshape(-1, 1)
    shift = (np.array([seed % 61, seed // 61 % 59, seed // 3599 % 53], np.float32) + 0.37)[:, None]
    result = np.empty((len(points_N3), len(columns)), np.float32)
    for start in range(0, len(points_N3), _BLOCK):
        points = np.ascontiguousarray(points_N3[start : start + _BLOCK].T)
        _mix_corners((points * scale + shift).astype(np.float32), columns, result[start : start + _BLOCK])
    return result


def _mix_corners(places_3N: Floats, columns: tuple[int, ...], result: Floats) -> None:
    """Look up at places given in cells: as many as the processor's cache holds at once."""
    cells = np.floor(places_3N)
    inside = places_3N - cells
    base = cells.astype(np.int32) & (_SIDE - 1)
    (x, y, z), (a, b, c) = _pairs(base, (base + 1) & (_SIDE - 1)), _pairs(1 - inside, inside)
    corners = (((x[:, None] * _SIDE + y) * _SIDE)[:, :, None] + z).astype(np.intp)
    weights = (a[:, None] * b)[:, :, None] * c
    for number, column in enumerate(columns):
        # No index is out of range: "clip" only spares the look for one.
        values = _column(column).take(corners, mode="clip")
        values *= weights
        first, *others = values.reshape(8, -1)
        for other in others:
            first += other
        result[:, number] = first


def _pairs(first_3N: NDArray[Any], second_3N: NDArray[Any]) -> NDArray[Any]:
    """Both, axis by axis: [3, 2, N]."""
    pairs = np.empty((3, 2, first_3N.shape[1]), first_3N.dtype)
    pairs[:, 0], pairs[:, 1] = first_3N, second_3N
    return pairs


def noise(points_N3: Floats, frequency: float | Frequencies, seed: int = 0) -> Floats:
    """Noise in about 0–1, float32 [N], at points in metres with `frequency` cells a metre."""
    return _look_up(points_N3, frequency, seed, (0,))[:, 0]


def noise_slope(points_N3: Floats, frequency: float | Frequencies, seed: int = 0) -> Floats:
    """The direction in which the noise grows, float32 [N, 3], per cell."""
    return _look_up(points_N3, frequency, seed, (1, 2, 3))
