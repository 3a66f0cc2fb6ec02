"""Rays without a ray caster: every triangle is laid over the rays of a picture; shadows march through small cells.

First hits are as exact as Embree's: a triangle's box only proposes rays, and each is tested against the triangle
itself (Olano and Greer's homogeneous edge functions, which need no clipping). Shadows are coarse: cells of 12 mm
and more, and nothing within four of them of a surface shades it.

Shapes: V vertices, F faces, N rays, P pairs of a face and a ray that may meet, G = cells along a side of the grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int32]
Indices = NDArray[np.intp]

_MOST_CELLS_A_SIDE = 1024
_PAIRS_AT_ONCE = 1_000_000
_NEAR_M = 1e-4

_CELL_M = 0.0125
_MOST_CELLS = 16_000_000
_CELLS_OFF = 4  # Nearer, a surface met at a slant would shade itself.
_GROUND_M = 20.0  # Only the ground is as large; it is level.


class NumpyCaster:
    """See Caster."""

    def __init__(self, vertices: Floats, faces: Ints) -> None:
        self._vertices, self._faces = vertices, faces

    def first_hits(self, origin: Floats, directions: Floats) -> tuple[Ints, Floats]:
        """See Caster."""
        faces, places = np.full(len(directions), -1, np.int32), np.zeros((len(directions), 3), np.float32)
        if not len(directions):
            return faces, places
        sight = _Sight(directions)
        corners = (self._vertices.astype(np.float64) - origin)[self._faces]
        hits = [_meet(corners, directions, *pairs) for pairs in sight.pairs(corners)]
        face, ray, distance, weights = (np.concatenate(parts) for parts in zip(*hits, strict=True))
        order = np.lexsort((face, distance, ray))
        first = order[np.flatnonzero(np.diff(ray[order], prepend=-1))]
        faces[ray[first]], places[ray[first]] = face[first], weights[first]
        return faces, places

    def blocked(self, origins: Floats, directions: Floats, reach: float) -> NDArray[np.bool_]:
        """See Caster; coarse."""
        return self._cells.blocked(origins, directions, reach)

    @cached_property
    def _cells(self) -> _Cells:
        return _Cells(self._vertices[self._faces])


def _meet(corners: Floats, directions: Floats, face: Indices, ray: Indices) -> tuple[Indices, Indices, Floats, Floats]:
    """Of pairs [P] those that meet: face, ray, distance and the weights of the corners."""
    first, second, third = np.moveaxis(corners[face], 1, 0)
    direction = directions[ray].astype(np.float64)
    # Twice the same edge seen from both its sides gives exactly opposite numbers: there are no cracks.
    sides = [_cross(second, third), _cross(third, first), _cross(first, second)]
    volumes = np.stack([(side * direction).sum(1) for side in sides], 1)
    total = volumes.sum(1)
    distance = (sides[0] * first).sum(1) / np.where(total == 0, np.inf, total)
    meet = np.flatnonzero(((volumes >= 0).all(1) | (volumes <= 0).all(1)) & (distance > 0))
    return face[meet], ray[meet], distance[meet], volumes[meet] / total[meet, None]


def _cross(left: Floats, right: Floats) -> Floats:
    """Cross products [P, 3], faster than numpy's."""
    (a, b, c), (d, e, f) = left.T, right.T
    return np.stack([b * f - c * e, c * d - a * f, a * e - b * d], 1)


class _Sight:
    """Rays from one origin, sorted into the cells of a grid across their mean direction."""

    def __init__(self, directions: Floats) -> None:
        forward = directions.mean(0, dtype=np.float64)
        forward /= np.sqrt((forward**2).sum())
        upright = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
        right = np.cross(forward, upright)
        right /= np.sqrt((right**2).sum())
        self._axes = np.stack([right, np.cross(right, forward), forward], 1)
        self._side = int(np.clip(2 * np.sqrt(len(directions)), 1, _MOST_CELLS_A_SIDE))
        seen = directions @ self._axes
        if seen[:, 2].min() <= 0:
            raise ValueError("rays point a right angle or more away from their mean")
        points = seen[:, :2] / seen[:, 2:]
        self._low = points.min(0)
        self._scale = self._side / np.maximum(points.max(0) - self._low, 1e-9)
        column, row = self._cell_of(points).T
        cell = row * self._side + column
        self._order = np.argsort(cell, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=self._side**2))])

    def _cell_of(self, points: Floats) -> Indices:
        """Column and row [..., 2] of points of the plane; outside points go to the border."""
        return np.clip((points - self._low) * self._scale, 0, self._side - 1).astype(np.intp)

    def pairs(self, corners: Floats) -> Iterator[tuple[Indices, Indices]]:
        """Faces and rays [P] that may meet, some at a time, at least once; corners [F, 3, 3] seen from the origin."""
        face, row, left, right = self._rows(corners)
        starts, ends = self._starts[row * self._side + left], self._starts[row * self._side + right + 1]
        kept = np.flatnonzero(ends > starts)
        face, starts, counts = face[kept], starts[kept], (ends - starts)[kept]
        pieces = np.flatnonzero(np.diff(np.cumsum(counts) // _PAIRS_AT_ONCE)) + 1
        for some in np.split(np.arange(len(face)), pieces):
            place = _expand(starts[some], counts[some])
            yield np.repeat(face[some], counts[some]), self._order[place]

    def _rows(self, corners: Floats) -> tuple[Indices, Indices, Indices, Indices]:
        """Every row of cells under every face: face, row, first and last column."""
        low, high = _boxes(corners @ self._axes)
        extent = self._side / self._scale
        seen = np.flatnonzero(((high >= self._low) & (low <= self._low + extent)).all(1))
        # A hair wider than the box: the grid's rounding must not lose a ray on its edge.
        hair = 1e-6 * extent
        first, last = self._cell_of(low[seen] - hair), self._cell_of(high[seen] + hair)
        rows = last[:, 1] - first[:, 1] + 1
        return (
            np.repeat(seen, rows),
            _expand(first[:, 1], rows),
            np.repeat(first[:, 0], rows),
            np.repeat(last[:, 0], rows),
        )


def _expand(starts: Indices, counts: Indices) -> Indices:
    """The numbers start, start + 1, … of every run, one run after the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)


def _boxes(corners: Floats) -> tuple[Floats, Floats]:
    """Low and high ends [F, 2] of what of faces [F, 3, 3] lies ahead; upside down where nothing does."""
    depth = corners[..., 2]
    before = depth > _NEAR_M
    points = corners[..., :2] / np.where(before, depth, 1)[..., None]
    low = np.where(before[..., None], points, np.inf).min(1)
    high = np.where(before[..., None], points, -np.inf).max(1)
    crossing = np.flatnonzero(before.any(1) & ~before.all(1))
    for start, end in ((0, 1), (1, 2), (2, 0)):
        through = crossing[before[crossing, start] != before[crossing, end]]
        a, b = corners[through, start], corners[through, end]
        mix = ((_NEAR_M - a[:, 2]) / (b[:, 2] - a[:, 2]))[:, None]
        cut = (a + mix * (b - a))[:, :2] / _NEAR_M
        low[through], high[through] = np.minimum(low[through], cut), np.maximum(high[through], cut)
    return low, high


class _Cells:
    """Which cells of space hold a surface, and how high the ground is; corners float32 [F, 3, 3]."""

    def __init__(self, corners: Floats) -> None:
        size = np.ptp(corners, axis=1).max(1)
        self._ground = corners[size >= _GROUND_M][..., 2].max(initial=-np.inf)
        corners, size = corners[size < _GROUND_M], size[size < _GROUND_M]
        low, high = (corners.min((0, 1)), corners.max((0, 1))) if len(corners) else (np.zeros(3), np.zeros(3))
        self._cell = float(max(_CELL_M, (np.prod(high - low + 0.2, dtype=np.float64) / _MOST_CELLS) ** (1 / 3)))
        self._low = (low - 2 * self._cell).astype(np.float32)
        self._shape = np.ceil((high - low) / self._cell).astype(np.intp) + 4
        self._full = np.zeros(int(np.prod(self._shape)), bool)
        steps = np.ceil(size / (0.7 * self._cell)).astype(np.intp).clip(1)
        for count in np.unique(steps):
            some = corners[steps == count]
            i, j = (grid.ravel() for grid in np.mgrid[: count + 1, : count + 1])
            inside = i + j <= count
            weights = np.stack([i, j, count - i - j], 1)[inside].astype(np.float32) / count
            for part in np.array_split(some, 1 + len(some) * len(weights) // _PAIRS_AT_ONCE):
                self._full[self._index(np.einsum("wk,fkx->fwx", weights, part).reshape(-1, 3))] = True

    def _index(self, points: Floats) -> Indices:
        x, y, z = ((points - self._low) / self._cell).astype(np.intp).T
        return (x * self._shape[1] + y) * self._shape[2] + z

    def blocked(self, origins: Floats, directions: Floats, reach: float) -> NDArray[np.bool_]:
        """March cell by cell."""
        down = np.minimum(directions[:, 2], -1e-9)
        blocked = (self._ground < origins[:, 2]) & (origins[:, 2] - self._ground < -down * reach)
        enter, leave = self._crossing(origins, directions)
        start, end = np.maximum(enter, _CELLS_OFF * self._cell), np.minimum(leave, reach)
        rays = np.flatnonzero(~blocked & (start < end))
        points, along, left = origins[rays], directions[rays], (end - start)[rays]
        points = points + along * start[rays, None]
        step = along * np.float32(self._cell)
        while len(rays):
            hit = self._full[self._index(points)]
            blocked[rays[hit]] = True
            left = left - self._cell
            on = np.flatnonzero(~hit & (left > 0))
            rays, left, step = rays[on], left[on], step[on]
            points = points[on] + step
        return blocked

    def _crossing(self, origins: Floats, directions: Floats) -> tuple[Floats, Floats]:
        """Where along the rays [N] they enter and leave the box, half a cell within its empty border."""
        inverse = 1 / np.where(np.abs(directions) < 1e-9, 1e-9, directions)
        margin = np.float32(0.5 * self._cell)
        one = (self._low + margin - origins) * inverse
        other = (self._low + self._shape.astype(np.float32) * np.float32(self._cell) - margin - origins) * inverse
        return np.minimum(one, other).max(1), np.maximum(one, other).min(1)
