"""Light on surfaces: direct with shadows, from everywhere with occlusion, highlights.

Each pixel casts few rays; what they found is averaged with neighbours on the same surface, so that shadows are
soft and not grainy.

Shapes: H = W = size_px, R hits.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.scene import Scene
from discreet.data.people.stage import Stage

Rng = np.random.Generator
Floats = NDArray[np.floating]
Ints = NDArray[np.int32]

_OCCLUSION_RAYS = 3
_OCCLUSION_REACH = 0.5  # metres
_SHADOW_REACH = 30.0  # metres
# Of the ground, which is looked at where something may shade it.
_CELL_M, _CELLS_A_SIDE, _SLICES = 0.25, 320, 4
_NEIGHBOURS_PX = 4  # on each side, along rows and then along columns
_SAME_FACING = 0.8  # cosine between normals, at least
_SAME_DEPTH = 0.04  # of the distance, at most


@dataclass(frozen=True)
class Hits:
    """What rays hit.

    Args:
        pixel: [R], the picture's pixel each hit belongs to. face: [R]. place: [R, 3], corner weights.
        first: bool [R], whether it is the ray through the pixel's middle.
    """

    pixel: NDArray[np.integer]
    face: Ints
    place: Floats
    first: NDArray[np.bool_]


def shade(scene: Scene, stage: Stage, hits: Hits, behind: Floats, size_px: int, rng: Rng) -> Floats:
    """Linear colours of hits, float32 [R, 3]; `behind` is what hides the floor where it is not bare."""
    corners, weights = stage.faces[hits.face], hits.place.astype(np.float32)
    points, normals, texture_points = (
        _between(values, corners, weights)
        for values in (stage.vertices, stage.normals(hits.face), stage.texture_points)
    )
    sight = points - scene.camera.position
    distance = np.sqrt(_dot(sight, sight))
    sight = sight / distance[:, None]
    normals = normals * np.where(_dot(normals, sight) > 0, -1, 1).astype(np.float32)[:, None]
    smooth = _unit(normals)
    layer = stage.layer_of_face[hits.face]
    floor = stage.is_floor(hits.face)
    bare = np.where(floor, scene.bare.ravel()[hits.pixel], 1).astype(np.float32)
    free = np.zeros(len(points), bool)  # ground on which nothing is: it needs no rays to be bright
    free[floor] = ~_marked(_shaded_cells(scene), points[floor])
    needed = _needing_light(hits, layer, bare > 0, size_px)
    shone, dark = _visibility(scene, stage, points, smooth, needed[~free[needed]], rng)
    shone[free] = 1
    shone, dark = _averaged(np.stack([shone, dark]), hits, layer, smooth, distance, size_px)
    rows = np.flatnonzero(bare > 0)
    albedo, bent, gloss = _paint(stage, layer[rows], texture_points.take(rows, axis=0), smooth.take(rows, axis=0))
    lit = _light(scene, _unit(bent), sight.take(rows, axis=0), albedo, gloss, shone[rows], dark[rows])
    colours, share = behind.copy(), bare[rows, None]
    colours[rows] = lit * share + colours[rows] * (1 - share)
    return colours


def _shaded_cells(scene: Scene) -> NDArray[np.bool_]:
    """The cells of the ground, [G, G], that may lie in a shadow, or close to something."""
    cells = np.zeros((_CELLS_A_SIDE, _CELLS_A_SIDE), bool)
    light, stray = scene.light.direction, 2.5 * scene.light.softness
    steep = np.array([light[2] + stray, max(light[2] - stray, 0.05)])
    slants = np.array([(light[:2] + sign * stray) / rise for sign in (-1, 1) for rise in steep])
    things = [*scene.props, *(layer for person in scene.persons for layer in person.carried)]
    boxes = [person.bounds() for person in scene.persons]
    boxes += [(thing.vertices.min(0), thing.vertices.max(0)) for thing in things]
    for low, high in boxes:
        _mark(cells, low[:2] - _OCCLUSION_REACH, high[:2] + _OCCLUSION_REACH)
        for below, above in pairwise(np.linspace(max(low[2], 0), max(high[2], 0), _SLICES + 1)):
            moved = np.concatenate([below * slants, above * slants])
            _mark(cells, low[:2] - moved.max(0), high[:2] - moved.min(0))
    return cells


def _mark(cells: NDArray[np.bool_], low: Floats, high: Floats) -> None:
    """Mark the cells of a rectangle from [2] to [2]."""
    (first, top), (last, bottom) = np.clip(np.stack([_cell(low), _cell(high) + 1]), 0, _CELLS_A_SIDE)
    cells[first:last, top:bottom] = True


def _marked(cells: NDArray[np.bool_], points_N3: Floats) -> NDArray[np.bool_]:
    """Whether points lie above marked cells, [N]."""
    place = _cell(points_N3[:, :2])
    inside = ((place >= 0) & (place < _CELLS_A_SIDE)).all(1)
    return inside & cells[tuple(np.clip(place, 0, _CELLS_A_SIDE - 1).T)]


def _cell(places_N2: Floats) -> NDArray[np.intp]:
    """In which cell of the ground, whose middle is the origin, places lie."""
    return np.floor(places_N2 / _CELL_M).astype(np.intp) + _CELLS_A_SIDE // 2


def _needing_light(hits: Hits, layer: Ints, shown: NDArray[np.bool_], size_px: int) -> NDArray[np.intp]:
    """The hits whose visibility is in the picture: their own where they are shown, or their neighbours'.

    Of a pixel's other rays only those that hit another surface than its first: the rest get its average.
    """
    first = hits.pixel[hits.first]
    layers, near = np.full(size_px**2, -1, np.int32), np.zeros((size_px, size_px), bool)
    layers[first] = layer[hits.first]
    near.reshape(-1)[hits.pixel[shown]] = True
    for axis in (0, 1):
        lines = near.swapaxes(0, axis)
        reached = lines.copy()
        for shift in range(1, _NEIGHBOURS_PX + 1):
            reached[shift:] |= lines[:-shift]
            reached[:-shift] |= lines[shift:]
        near = reached.swapaxes(0, axis)
    return np.flatnonzero(np.where(hits.first, near.ravel()[hits.pixel], shown & (layers[hits.pixel] != layer)))


def _between(values_V3: Floats, corners: Ints, weights: Floats) -> Floats:
    """Values of vertices, mixed by the weights [R, 3] of faces' corners [R, 3]: [R, 3]."""
    mixed = values_V3.take(corners[:, 0], axis=0) * weights[:, :1]
    for corner in (1, 2):
        mixed += values_V3.take(corners[:, corner], axis=0) * weights[:, corner, None]
    return mixed


def _dot(first: Floats, second: Floats) -> Floats:
    """Row by row, [R]."""
    return first[:, 0] * second[:, 0] + first[:, 1] * second[:, 1] + first[:, 2] * second[:, 2]


def _unit(vectors: Floats) -> Floats:
    length = np.maximum(np.sqrt(_dot(vectors, vectors)), 1e-9)
    result = np.empty(vectors.shape, np.float32)
    for axis in range(3):
        result[:, axis] = vectors[:, axis] / length
    return result


def _paint(stage: Stage, layer: Ints, texture_points: Floats, normals: Floats) -> tuple[Floats, Floats, Floats]:
    """Linear albedo [R, 3], bent normals [R, 3] and gloss [R] of every hit, material by material."""
    albedo, bent = np.zeros_like(normals), normals.copy()
    gloss = np.zeros(len(normals), np.float32)
    order = np.argsort(layer.astype(np.int16), kind="stable")  # of so few bits, it is sorted by counting
    bounds = np.searchsorted(layer[order], np.arange(len(stage.layers) + 1))
    for number in np.flatnonzero(np.diff(bounds)):
        here = order[bounds[number] : bounds[number + 1]]
        painted = stage.layers[number].material.paint(texture_points.take(here, axis=0), normals.take(here, axis=0))
        albedo[here], bent[here], gloss[here] = painted
    return np.clip(albedo, 0, 1) ** 2.2, bent, gloss


def _visibility(
    scene: Scene, stage: Stage, points: Floats, smooth: Floats, needed: NDArray[np.intp], rng: Rng
) -> tuple[Floats, Floats]:
    """Whether the light is seen, and the share of nearby directions that are blocked; [R] each, grainy.

    Only of the rows `needed`, else 0; but all draw directions: what one picture draws depends on nothing but its hits.
    """
    light, shape = scene.light, points.shape
    upwards = smooth.take(needed, axis=0)
    above = points.take(needed, axis=0) + 0.003 * upwards
    strayed = rng.normal(0, light.softness, shape)
    lit = np.flatnonzero(_dot(upwards, np.broadcast_to(light.direction, upwards.shape)) > 0)
    towards = light.direction + strayed.take(needed[lit], axis=0).astype(np.float32)
    shone, dark = np.zeros(shape[0], np.float32), np.zeros(shape[0], np.float32)
    shone[needed[lit]] = ~stage.blocked(above.take(lit, axis=0), _unit(towards), _SHADOW_REACH)
    for _ in range(_OCCLUSION_RAYS):
        scattered = _unit(rng.normal(size=shape).take(needed, axis=0).astype(np.float32))
        dark[needed] += stage.blocked(above, _unit(upwards + scattered * 0.85), _OCCLUSION_REACH)
    return shone, dark / _OCCLUSION_RAYS


def _averaged(values_KR: Floats, hits: Hits, layer: Ints, smooth: Floats, depth: Floats, size_px: int) -> Floats:
    """Values of hits, averaged with those of neighbouring pixels on the same, equally turned surface: [K, R]."""
    shape = (size_px, size_px)
    first, pixel = np.flatnonzero(hits.first), hits.pixel[hits.first]
    maps = np.zeros((len(values_KR) + 1, size_px**2), np.float32)
    maps[:-1, pixel], maps[-1, pixel] = values_KR[:, first], 1.0  # the last counts, and is 0 where nothing was hit
    layers = np.full(size_px**2, -1, np.int32)
    facing, far = np.zeros((3, size_px**2), np.float32), np.zeros(size_px**2, np.float32)
    layers[pixel], facing[:, pixel], far[pixel] = layer[first], smooth[first].T, depth[first]
    guides = layers.reshape(shape), facing.reshape(3, *shape), far.reshape(shape)
    sums = maps.reshape(-1, *shape)
    for axis in (0, 1):
        sums = _along(sums, guides, axis)
    means = (sums[:-1] / np.maximum(sums[-1], 1e-6)).reshape(len(values_KR), -1)
    same = layers[hits.pixel] == layer
    return np.where(same, means[:, hits.pixel], values_KR).astype(np.float32)


def _along(sums: Floats, guides: tuple[Ints, Floats, Floats], axis: int) -> Floats:
    """Sums over neighbours along rows (0) or columns (1) that lie on the same surface."""
    layers, facing, far = guides
    total = sums.copy()
    for shift in range(1, _NEIGHBOURS_PX + 1):
        here, there = [slice(None)] * 2, [slice(None)] * 2
        here[axis], there[axis] = slice(None, -shift), slice(shift, None)
        one, other = tuple(here), tuple(there)
        same = (layers[one] == layers[other]) & (np.abs(far[one] - far[other]) < _SAME_DEPTH * far[one])
        x, y, z = (plane[one] * plane[other] for plane in facing)
        same &= x + y + z > _SAME_FACING
        total[(slice(None), *one)] += same * sums[(slice(None), *other)]
        total[(slice(None), *other)] += same * sums[(slice(None), *one)]
    return total


def _light(
    scene: Scene, normals: Floats, sight: Floats, albedo: Floats, gloss: Floats, shone: Floats, dark: Floats
) -> Floats:
    """What reaches the camera from each hit, linear, [R, 3]."""
    light = scene.light
    direction = np.broadcast_to(light.direction.astype(np.float32), normals.shape)
    facing = np.clip(_dot(normals, direction), 0, 1) * shone
    open_sky = (1 - 0.65 * dark) * (0.6 + 0.4 * normals[:, 2])
    fill = np.clip(-_dot(normals, sight), 0, 1) * (1 - 0.4 * dark)
    arriving = light.sun * facing[:, None] + light.sky * open_sky[:, None] + light.fill * fill[:, None]
    half = _unit(direction - sight)
    highlight = np.clip(_dot(normals, half), 0, 1) ** 40 * gloss * shone
    return (albedo * arriving + highlight[:, None] * light.sun * 0.5).astype(np.float32)
