"""Hair that hangs in strands: tails, braids and locks, as tubes in the frame of the unposed head; ribbons of loose
hair; and how all of it comes to lie on what is below.

Shapes: P points of a path, S sides of a tube, N points, R rungs or rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import template
from discreet.data.people.mesh import Layer, vertex_normals
from discreet.data.people.parts import Part

Floats = NDArray[np.floating]
Ints = NDArray[np.int32]
Rng = np.random.Generator

_NEAR = 0.05  # metres beside a vertex of a surface within which it holds hair up
_ACROSS = np.linspace(-0.3, 1.3, 7)  # places across a ribbon, 0 and 1 its edges: neighbours overlap


def tube(path_P3: Floats, radii_P: Floats, sides: int = 8) -> tuple[Floats, Ints]:
    """Vertices and faces around a path; ends whose radius is small look closed."""
    path_P3 = np.asarray(path_P3, np.float32)
    along = np.gradient(path_P3, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    # A path that hangs runs along z: x and its own normal are never parallel to it.
    second = np.zeros(along.shape)
    second[:, 1], second[:, 2] = along[:, 2], 0 - along[:, 1]
    second /= np.maximum(np.linalg.norm(second, axis=1, keepdims=True), 1e-9)
    first = np.cross(second, along)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = np.cos(angle)[None, :, None] * first[:, None] + np.sin(angle)[None, :, None] * second[:, None]
    vertices = (path_P3[:, None] + ring * np.asarray(radii_P)[:, None, None]).reshape(-1, 3)
    return vertices.astype(np.float32), _tube_faces(len(path_P3), sides)


@cache
def _tube_faces(count: int, sides: int) -> Ints:
    """Faces between `count` rings of vertices."""
    row, side = (grid.ravel() for grid in np.mgrid[: count - 1, :sides])
    here, beside = row * sides + side, row * sides + (side + 1) % sides
    faces = [np.stack([here, beside, beside + sides], 1), np.stack([here, beside + sides, here + sides], 1)]
    return np.concatenate(faces).astype(np.int32)


def join(pieces: list[tuple[Floats, Ints]]) -> tuple[Floats, Ints]:
    """Several meshes as one."""
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in pieces)])
    faces = [piece[1] + start for piece, start in zip(pieces, starts, strict=False)]
    return np.concatenate([vertices for vertices, _ in pieces]), np.concatenate(faces).astype(np.int32)


def falling(start_3: Floats, outwards_3: Floats, length: float, reach: float, count: int = 9) -> Floats:
    """A path [P, 3] that leaves a point outwards, then hangs: `reach` metres out, `length` metres in all."""
    step = np.linspace(0, 1, count)[:, None]
    out = np.asarray(outwards_3) * reach * (1 - (1 - step) ** 3)
    down = np.array([0.0, 0.0, -1.0]) * length * (0.25 * step + 0.75 * step**2)
    return (np.asarray(start_3) + out + down).astype(np.float32)


def tail(start_3: Floats, length: float, width: float) -> tuple[Floats, Ints]:
    """A ponytail: narrow where it is tied, full in the middle, thin at its end."""
    path = falling(start_3, np.array([0.0, 1.0, 0.25]), length, 0.07, 12)
    step = np.linspace(0, 1, 12)
    return tube(path, width * (0.45 + 1.1 * np.sqrt(step) * (1 - step**3)) * (1 - 0.9 * step**8), 12)


def braid(start_3: Floats, outwards_3: Floats, length: float, width: float) -> tuple[Floats, Ints]:
    """A plait: a tube that swells and narrows."""
    count = 28
    path = falling(start_3, outwards_3, length, 0.035, count)
    step = np.linspace(0, 1, count)
    return tube(path, width * (1 - 0.35 * step) * (0.75 + 0.3 * np.abs(np.sin(step * np.pi * length / 0.045))), 7)


def locks(roots_N3: Floats, middle_3: Floats, radii_3: Floats, length: float, rng: Rng) -> tuple[Floats, Ints]:
    """Dreadlocks from roots on the scalp, falling away from the middle of the head, around its half widths."""
    pieces = []
    for root in roots_N3:
        outwards = (root - middle_3) * (1, 1, 0.2)
        # From the front of the crown they fall to the sides, not over the face.
        outwards[0] += np.copysign(max(-outwards[1], 0), outwards[0])
        outwards[1] = max(outwards[1], 0)
        outwards /= max(float(np.linalg.norm(outwards)), 1e-6)
        # From the crown a lock first has to get over the side of the head.
        over = max(0.0, 0.085 - float(np.hypot(*(root - middle_3)[:2])))
        path = falling(root, outwards, length * rng.uniform(0.75, 1.1), over + rng.uniform(0.02, 0.045), 8)
        path = _outside(path, middle_3, radii_3)
        pieces.append(tube(path, np.full(8, rng.uniform(0.007, 0.01)) * np.r_[np.ones(7), 0.4], 5))
    return join(pieces)


def _outside(path_P3: Floats, middle_3: Floats, radii_3: Floats) -> Floats:
    """A path moved out of the head, which is half an ellipsoid on top of a tube."""
    place = (path_P3 - middle_3) / radii_3
    place[:, 2] = np.maximum(place[:, 2], 0)
    away = np.maximum(np.linalg.norm(place, axis=1, keepdims=True), 1e-3)
    return path_P3 + place / away * np.maximum(1 - away, 0) * radii_3


def lay_over(points_N3: Floats, worn: Sequence[Layer], gap: Floats | float, ring: int = 1) -> Floats:
    """Points of hair moved out of what is worn, and of the body below the head.

    Args:
        points_N3: metres, posed.
        worn: what they may not go through, from the inside out.
        gap: metres that they keep off, for each or for all.
        ring: how many points in a row belong to one place of a strand, which moves as a whole.

    Returns:
        The points, float32 [N, 3].
    """
    points_N3 = points_N3.astype(np.float32)
    gap_N = np.broadcast_to(np.float32(gap), len(points_N3))
    # Twice, as what one pushed away may have come into another.
    for _ in range(2):
        ways = []
        for layer in worn:
            ways.append(_way_out(points_N3, layer, gap_N, ring))
            points_N3 = points_N3 + ways[-1]
        worn = [layer for layer, way in zip(worn, ways, strict=True) if way.any()]
    return points_N3


def _way_out(points_N3: Floats, layer: Layer, gap_N: Floats, ring: int) -> Floats:
    """How far points must move to lie `gap_N` outside of the nearest vertices of a surface, [N, 3]."""
    held = layer.faces[layer.labels != Part.FACE]
    faces = held[_within(layer.vertices, points_N3)[held[:, 0]]]
    moves, needed = np.zeros_like(points_N3), np.zeros(len(points_N3), np.float32)
    if not len(faces):
        return moves
    rows = np.unique(faces)
    surface = layer.vertices[rows]
    near = np.flatnonzero(_within(points_N3, surface))
    # Not by a matrix product, whose last digits may depend on the number of threads.
    x, y, z = (np.multiply.outer(points_N3[near, axis], surface[:, axis]) for axis in range(3))
    nearest = ((surface**2).sum(1) / 2 - x - y - z).argmin(1)
    away, outwards = points_N3[near] - surface[nearest], vertex_normals(layer.vertices, faces)[rows[nearest]]
    height = (away * outwards).sum(1)
    beside = np.sqrt(np.maximum((away**2).sum(1) - height**2, 0))
    # Above a collar, or beside an open coat, nothing is in the way.
    needed[near] = np.maximum(gap_N[near] - height, 0) * np.clip(2 - 2 * beside / _NEAR, 0, 1)
    moves[near] = needed[near, None] * outwards
    most = needed.reshape(-1, ring).argmax(1)
    return np.repeat(moves.reshape(-1, ring, 3)[np.arange(len(most)), most], ring, 0)


def _within(points_N3: Floats, others_M3: Floats) -> NDArray[np.bool_]:
    """Which points are in the box around others, or near it, [N]."""
    low, high = others_M3.min(0) - _NEAR, others_M3.max(0) + _NEAR
    x, y, z = ((column > start) & (column < end) for column, start, end in zip(points_N3.T, low, high, strict=True))
    return x & y & z


@dataclass(frozen=True)
class Ribbons:
    """Loose hair: the helper mesh's strips of hair, made wider and finer so that they overlap like locks.

    Args:
        corners: int [N, 4], the vertices of the body that make each point. shares: float32 [N, 4], of each of them.
        bulge: float32 [N], metres that a point stands off, most in the middle of its ribbon.
        faces: int32 [F, 3].
    """

    corners: Ints
    shares: Floats
    bulge: Floats
    faces: Ints

    def mixed(self, values_V3: Floats, rows: NDArray[np.intp]) -> Floats:
        """Values of the body's vertices at some of the points, float32 [R, 3]."""
        return np.einsum("nk,nki->ni", self.shares[rows], values_V3[self.corners[rows]])

    @cached_property
    def points(self) -> Floats:
        """Where the points are on the template, float32 [N, 3]."""
        return self.mixed(template().points, np.arange(len(self.corners)))


@cache
def ribbons() -> Ribbons:
    """The ribbons of the template, which follow every shape and pose."""
    corners, shares, faces, bulges, start = [], [], [], [], 0
    arch = 0.007 * (1 - ((2 * _ACROSS - 1) / 1.6) ** 2)
    for number, edges in enumerate(_rungs()):
        rows = np.linspace(0, len(edges) - 1, 2 * len(edges) - 1)
        upper = np.minimum(rows.astype(int), len(edges) - 2)
        down, across = np.meshgrid(rows - upper, _ACROSS, indexing="ij")
        corners.append(np.repeat(np.concatenate([edges[upper], edges[upper + 1]], 1), len(_ACROSS), 0))
        mixes = [(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across]
        shares.append(np.stack(mixes, -1).reshape(-1, 4))
        bulges.append(np.tile(arch + 0.003 * (number % 2), len(rows)))
        row, column = (grid.ravel() for grid in np.mgrid[: len(rows) - 1, : len(_ACROSS) - 1])
        here, below = start + row * len(_ACROSS) + column, start + (row + 1) * len(_ACROSS) + column
        faces += [np.stack([here, here + 1, below + 1], 1), np.stack([here, below + 1, below], 1)]
        start += len(corners[-1])
    parts = (np.concatenate(values) for values in (corners, shares, bulges, faces))
    return Ribbons(*(part.astype(kind) for part, kind in zip(parts, (np.int32, "f4", "f4", np.int32), strict=True)))


def _rungs() -> list[Ints]:
    """Of each ribbon of the helper mesh of hair, the vertices of the edges between its quads, [R, 2] each."""
    quads = template().meshes["hair"].reshape(-1, 6)
    starts = np.flatnonzero(quads.min(1)[1:] > quads.max(1)[:-1]) + 1
    rungs = []
    for strip in np.split(quads, starts):
        vertices = np.unique(strip)
        # The first quad alone counts along its sides.
        rungs.append(np.concatenate([vertices[[1, 3, 0, 2]], vertices[4:]]).reshape(-1, 2))
    return rungs
