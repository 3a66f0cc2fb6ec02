"""Smooth noise in space: one small periodic table, looked up, so that textures cost little.

Shapes: N points.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

_SIDE = 64
_BLOCK = 16384


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


def _look_up(points_N3: Floats, columns: tuple[int, ...]) -> Floats:
    """Trilinear look-up of columns of the table at points given in cells, [N, columns]."""
    result = np.empty((len(points_N3), len(columns)), np.float32)
    for start in range(0, len(points_N3), _BLOCK):
        _look_up_block(points_N3[start : start + _BLOCK], columns, result[start : start + _BLOCK])
    return result


def _look_up_block(points_N3: Floats, columns: tuple[int, ...], result: Floats) -> None:
    """Of as many points as the processor's cache holds at once."""
    points = np.ascontiguousarray(points_N3.T)
    cells = np.floor(points)
    inside = points - cells
    base = cells.astype(np.int32) & (_SIDE - 1)
    places, shares = (base, (base + 1) & (_SIDE - 1)), (1 - inside, inside)
    values, total = np.empty(len(points_N3), np.float32), np.zeros((len(columns), len(points_N3)), np.float32)
    for i in (0, 1):
        for j in (0, 1):
            row, share = (places[i][0] * _SIDE + places[j][1]) * _SIDE, shares[i][0] * shares[j][1]
            for k in (0, 1):
                flat, weight = (row + places[k][2]).astype(np.intp), share * shares[k][2]
                for number, column in enumerate(columns):
                    # No index is out of range: "clip" only spares the look for one.
                    np.take(_column(column), flat, out=values, mode="clip")
                    values *= weight
                    total[number] += values
    result[:] = total.T


def noise(points_N3: Floats, frequency: float | tuple[float, float, float], seed: int = 0) -> Floats:
    """Noise in about 0–1, float32 [N], at points in metres with `frequency` cells a metre."""
    return _look_up(_cells(points_N3, frequency, seed), (0,))[:, 0]


def noise_slope(points_N3: Floats, frequency: float | tuple[float, float, float], seed: int = 0) -> Floats:
    """The direction in which the noise grows, float32 [N, 3], per cell."""
    return _look_up(_cells(points_N3, frequency, seed), (1, 2, 3))


def _cells(points_N3: Floats, frequency: float | tuple[float, float, float], seed: int) -> Floats:
    """Points in cells, moved to a place of the table that the seed chooses."""
    shift = np.array([seed % 61, seed // 61 % 59, seed // 3599 % 53], np.float32) + 0.37
    return (points_N3 * np.asarray(frequency, np.float32) + shift).astype(np.float32)
