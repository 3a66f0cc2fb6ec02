"""Triangle meshes: normals, cutting at a field, and the layers a picture is made of.

Shapes: V vertices, F faces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from discreet.data.people.materials import Material

Floats = NDArray[np.floating]
Ints = NDArray[np.int32]

_AROUND = 16  # sides of what is round


@dataclass(frozen=True)
class Layer:
    """One surface: skin, a garment, hair, a prop.

    Args:
        vertices: float32 [V, 3], metres, z up.
        faces: int32 [F, 3].
        texture_points: float32 [V, 3]: where on the unposed body a vertex lies, so that patterns
            and folds stick to it.
        labels: uint8 [F], part of each face (0: background).
        material: how it looks.
    """

    vertices: Floats
    faces: Ints
    texture_points: Floats
    labels: NDArray[np.uint8]
    material: Material

    def scaled(self, factor: float) -> Layer:
        """The layer so many times as large, about the origin."""
        return replace(self, vertices=self.vertices.astype(np.float32) * np.float32(factor))

    def moved(self, rotation: Floats, offset: Floats) -> Layer:
        """The layer rotated [3, 3] about the origin, then moved by [3]."""
        return replace(self, vertices=turned(self.vertices, rotation, offset))


def turned(points_N3: Floats, rotation: Floats, offset: Floats) -> Floats:
    """Points turned by [3, 3] about the origin, then moved by [3], float32."""
    x, y, z = points_N3.T
    result = np.empty(points_N3.shape, np.float32)
    for axis, row in enumerate(rotation):
        result[:, axis] = x * row[0] + y * row[1] + z * row[2] + offset[axis]
    return result


@dataclass(frozen=True)
class Cut:
    """How the vertices of a cut mesh follow from the old ones: the old, then mixes of pairs."""

    faces: Ints
    first: Ints
    second: Ints
    mix: Floats

    def extend(self, values: Floats) -> Floats:
        """Values [V, ...] of the old vertices, with those of the new ones appended."""
        mix = self.mix.reshape((-1,) + (1,) * (values.ndim - 1))
        new = values[self.first] * (1 - mix) + values[self.second] * mix
        return np.concatenate([values, new.astype(values.dtype)])

    def narrowed(self, count: int) -> tuple[NDArray[np.intp], Cut]:
        """Those of the `count` old vertices that it needs, and the same cut of a mesh of only them."""
        needed = np.zeros(count + len(self.first), bool)
        needed[self.faces] = True
        needed[self.first] = needed[self.second] = needed[count:] = True
        place = np.cumsum(needed, dtype=np.int32) - np.int32(1)
        return np.flatnonzero(needed[:count]), Cut(place[self.faces], place[self.first], place[self.second], self.mix)


def vertex_normals(vertices: Floats, faces: Ints) -> Floats:
    """Unit normals, float32 [V, 3], weighted by area; zero where no face is."""
    columns = np.ascontiguousarray(vertices.T)
    first, second, third = (columns.take(faces[:, corner], axis=1) for corner in range(3))
    left, right = second - first, third - first
    flat, total = faces.ravel(), np.empty((len(vertices), 3))
    for axis, (one, other) in enumerate(((1, 2), (2, 0), (0, 1))):
        across = left[one] * right[other] - left[other] * right[one]
        total[:, axis] = np.bincount(flat, np.repeat(across, 3), len(vertices))
    length = np.sqrt((total**2).sum(1, keepdims=True))
    return (total / np.maximum(length, 1e-12)).astype(np.float32)


def cut_at_zero(faces: Ints, field: Floats) -> Cut:
    """Keep the part of a mesh where `field` [V] is positive, splitting triangles at zero."""
    inside = (field > 0).take(faces)
    num_inside = inside[:, 0].astype(np.int8) + inside[:, 1] + inside[:, 2]
    kept = [faces[num_inside == 3]]
    firsts: list[Ints] = []
    seconds: list[Ints] = []
    next_vertex = len(field)
    for count in (1, 2):
        split, lone = faces[num_inside == count], inside[num_inside == count]
        if not len(split):
            continue
        corner = np.argmax(lone, 1) if count == 1 else np.argmin(lone, 1)
        rows = np.arange(len(split))
        apex, left, right = (split[rows, (corner + k) % 3] for k in range(3))
        on_left = (next_vertex + rows).astype(np.int32)
        on_right = (on_left + len(split)).astype(np.int32)
        next_vertex += 2 * len(split)
        firsts += [apex, apex]
        seconds += [left, right]
        if count == 1:
            kept.append(np.stack([apex, on_left, on_right], 1))
        else:
            kept += [np.stack([on_left, left, right], 1), np.stack([on_left, right, on_right], 1)]
    first = np.concatenate(firsts) if firsts else np.zeros(0, np.int32)
    second = np.concatenate(seconds) if seconds else np.zeros(0, np.int32)
    mix = field[first] / np.where(len(first), field[first] - field[second], 1)
    return Cut(np.concatenate(kept).astype(np.int32), first, second, mix.astype(np.float32))


def compact(layer: Layer) -> Layer:
    """The layer without the vertices that none of its faces uses."""
    used = np.zeros(len(layer.vertices), bool)
    used[layer.faces] = True
    return replace(
        layer,
        vertices=layer.vertices[used],
        texture_points=layer.texture_points[used],
        faces=(np.cumsum(used, dtype=np.int32) - np.int32(1))[layer.faces],
    )


def solid(vertices: Floats, faces: Ints, label: int, material: Material, texture_points: Floats | None = None) -> Layer:
    """A layer with one label, whose texture points are its vertices unless others are given."""
    vertices, faces = np.asarray(vertices, np.float32), np.asarray(faces, np.int32)
    texture_points = vertices if texture_points is None else np.asarray(texture_points, np.float32)
    return Layer(vertices, faces, texture_points, np.full(len(faces), label, np.uint8), material)


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> tuple[Floats, Ints]:
    """Vertices and faces of an upright box, each side with vertices of its own."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32)
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    corners = np.asarray(low, np.float32) + corners * (np.asarray(high, np.float32) - np.asarray(low, np.float32))
    vertices = np.concatenate([corners[list(side)] for side in sides])
    faces = np.concatenate([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * k for k in range(6)])
    return vertices.astype(np.float32), faces.astype(np.int32)


def cone(foot: Floats, low: float, high: float, height: float) -> tuple[Floats, Ints]:
    """Vertices and faces of a cup on its foot [3], by its radii there and on top, where it is closed."""
    angle = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(_AROUND)], 1)
    up = np.array([0.0, 0.0, height])
    side = [low * ring, high * ring + up]
    here, beside = np.arange(_AROUND), (np.arange(_AROUND) + 1) % _AROUND
    top, middle = 2 * _AROUND + here, np.full(_AROUND, 3 * _AROUND)
    faces = [
        np.stack([here, beside, beside + _AROUND], 1),
        np.stack([here, beside + _AROUND, here + _AROUND], 1),
        np.stack([top, 2 * _AROUND + beside, middle], 1),
    ]
    vertices = np.concatenate([*side, side[1], up[None]]) + np.asarray(foot)
    return vertices.astype(np.float32), np.concatenate(faces).astype(np.int32)


def ellipsoid(centre: ArrayLike, radii: ArrayLike) -> tuple[Floats, Ints]:
    """Vertices and faces of an ellipsoid about a point [3] with radii [3], 16 by 9 sides."""
    points, faces = _ball()
    return (np.asarray(centre) + points * np.asarray(radii)).astype(np.float32), faces.copy()


@lru_cache(maxsize=1)
def _ball() -> tuple[Floats, Ints]:
    """Vertices and faces of a unit sphere."""
    around, up = _AROUND, 9
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    height = np.linspace(-np.pi / 2, np.pi / 2, up)
    ring = np.stack([np.cos(angle), np.sin(angle)], 1)
    points = [[c * np.cos(h), s * np.cos(h), np.sin(h)] for h in height for c, s in ring]
    faces = []
    for row in range(up - 1):
        for column in range(around):
            here, beside = row * around + column, row * around + (column + 1) % around
            faces += [[here, beside, beside + around], [here, beside + around, here + around]]
    return np.array(points), np.array(faces, np.int32)
