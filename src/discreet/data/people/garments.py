"""Garments: pieces of the helper meshes, cut at a field and lifted off the body.

A field is a number a vertex, in about metres on the template, positive where the garment is.

Shapes: V vertices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import Figure, template
from discreet.data.people.materials import Material
from discreet.data.people.mesh import Layer, compact, cut_at_zero, solid
from discreet.data.people.noise import noise

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
Places = NDArray[np.intp]

# Heights on the template, metres.
HIP = 0.128
KNEE = -0.306
ANKLE = -0.739
WAIST = 0.27
NECK = 0.707
_ARM_LENGTH = 0.27  # metres from joint to joint, which along_arm counts as 1
_LEG_LENGTH = 0.43  # the same of legs
_FAR = np.float32(9.0)  # well inside, wherever the edge of a field is
_DRAPE_ROUNDS = 25  # each carries cloth on by one vertex


@dataclass(frozen=True)
class Garment:
    """What a piece of clothing needs to be cut.

    Args:
        mesh: "tights", "skirt" or "skin".
        field: float32 [V].
        label: CIHP id.
        lift: metres off the mesh along its normals, float32 [V] or one number.
        material: how it looks.
        crumple: metres of uneven lift.
        hides: whether nothing below can be seen through it or from under it.
        drape: 0 follows the body, 1 hangs over its hollows as thick or wide cloth does.
        rests: metres off what is below where a skirt lies on top of a lifted thigh, float32 [V] or one number.
    """

    mesh: str
    field: Floats
    label: int
    lift: Floats | float
    material: Material
    crumple: float = 0.0
    hides: bool = True
    drape: float = 0.0
    rests: Floats | float = 0.016


def cut_garment(figure: Figure, garment: Garment, seed: int = 0) -> Layer | None:
    """The garment on a figure, or None where nothing of it is left."""
    body = template()
    rows, faces = body.rows(garment.mesh), body.own_faces(garment.mesh)
    cut = cut_at_zero(faces, garment.field[rows].astype(np.float32))
    if not len(cut.faces):
        return None
    some, cut = cut.narrowed(len(rows))
    used = rows[some]
    # What hangs over hollows must know the cloth beyond its hems.
    lifted = _drape(figure, garment, seed)[some] if garment.drape else _lifted(figure, garment, used, seed)
    points = cut.extend(body.points[used])
    return compact(solid(cut.extend(lifted), cut.faces, garment.label, garment.material, points))


def _lifted(figure: Figure, garment: Garment, rows: Ints, seed: int) -> Floats:
    """Some of a figure's vertices, moved off the body."""
    lift = np.asarray(garment.lift, np.float32)
    lift = lift[rows] if lift.ndim else np.full(len(rows), lift)
    if garment.crumple:
        lift += garment.crumple * (noise(template().points[rows], 14, seed) - 0.4)
    normals = figure.normals[rows]
    if garment.mesh == "skirt":
        # What lies on top of a thigh rests on it, however wide it falls elsewhere.
        rests = np.broadcast_to(np.asarray(garment.rests, np.float32), len(garment.field))[rows]
        lift += np.clip(normals[:, 2], 0, 1) * (np.minimum(lift, rests) - lift)
    return figure.vertices[rows] + normals * lift[:, None]


def _drape(figure: Figure, garment: Garment, seed: int) -> Floats:
    """Cloth spanned over hollows: each vertex of the mesh moves out to the mean of its neighbours, never in.

    Only along the normals: vertices that slide along the cloth would bend its hems.
    """
    rows = template().rows(garment.mesh)
    beside, starts, degree = _neighbours(garment.mesh)
    base = _lifted(figure, garment, rows, seed).astype(np.float64)
    along = figure.normals[rows].astype(np.float64)
    hollow = ((np.add.reduceat(base[beside], starts) / degree[:, None] - base) * along).sum(1)
    # Of the way that a neighbour moves out, what counts along the vertex's own normal.
    share = (along[beside] * np.repeat(along, degree, axis=0)).sum(1) / np.repeat(degree, degree)
    out = np.zeros(len(rows))
    for _ in range(_DRAPE_ROUNDS):
        out = np.maximum(hollow + np.add.reduceat(share * out.take(beside), starts), 0)
    return (base + garment.drape * out[:, None] * along).astype(np.float32)


@cache
def _neighbours(mesh: str) -> tuple[Places, Places, Places]:
    """Of a mesh: the neighbours of the first vertex, of the second, and so on; where each one's begin; how many."""
    rows, faces = template().rows(mesh), template().own_faces(mesh)
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    degree = np.bincount(edges[:, 0], minlength=len(rows))
    return edges[:, 1].astype(np.intp), np.cumsum(degree) - degree, degree


def over(garment: Garment, worn: list[Garment], gap: float) -> Garment:
    """The garment lifted, where it must be, to lie `gap` metres outside of what is cut from the tights or the skirt.

    Those two meshes lie together at the hips, and the skirt outside of the tights below.
    """
    lift, rests = (
        np.broadcast_to(np.asarray(values, np.float32), len(garment.field)).copy()
        for values in (garment.lift, garment.rests)
    )
    drape = garment.drape
    for inner in worn:
        if "skin" in (garment.mesh, inner.mesh):
            continue
        covers = inner.field > -0.03
        needed = np.asarray(inner.lift, np.float32) + 0.6 * inner.crumple + 0.4 * garment.crumple + gap
        lift[covers], rests[covers] = (np.maximum(values, needed)[covers] for values in (lift, rests))
        drape = max(drape, inner.drape)
    return replace(garment, lift=lift, drape=drape, rests=rests)


def skin_layer(figure: Figure, labels: NDArray[np.uint8], material: Material, garments: list[Garment]) -> Layer:
    """The bare body without the faces that lie well inside what hides them."""
    body = template()
    hidden = np.zeros(len(body.points), bool)
    for garment in garments:
        if garment.hides:
            # Knees go through skirts close to the hem as well.
            hidden |= garment.field > (0.0 if garment.mesh == "skirt" else 0.03)
    faces = body.meshes["skin"]
    faces = faces[~(hidden[faces[:, 0]] & hidden[faces[:, 1]] & hidden[faces[:, 2]])]
    layer = Layer(figure.vertices, faces, body.points, labels[faces[:, 0]], material)
    return compact(layer)


def _is_arm() -> NDArray[np.bool_]:
    return template().arm > 0.5


def torso(hem: float, sleeve: float, neckline: Floats) -> Floats:
    """An upper garment: above `hem` (height), sleeves to `sleeve` along the arm (0–3).

    A sleeve of 0 or less leaves the shoulders bare but for straps.
    """
    body = template()
    across, _, height = body.points.T
    trunk = np.minimum(height - hem, neckline)
    if sleeve <= 0:
        # A plane by the shoulder that cuts in above the armpit, and leaves the hips alone.
        armhole = 0.168 - np.abs(across) - 0.45 * np.clip(height - 0.5, 0, 0.12) + np.clip(0.42 - height, 0, None)
        return np.where(body.arm > 0.9, -0.05, np.minimum(trunk, armhole)).astype(np.float32)
    arm = (sleeve - body.along_arm) * _ARM_LENGTH
    return np.where(_is_arm(), arm, trunk).astype(np.float32)


def neckline(kind: str) -> Floats:
    """How far below the neckline a vertex lies: "round", "vee", "wide", "high", "collar"."""
    across, depth, height = template().points.T
    # 1 in front, 0 behind, and between them a slope: a step would stick out beside the neck.
    front = np.clip((0.02 - depth) / 0.08, 0, 1)
    edge = 0.035 * (1 - front)
    match kind:
        case "vee":
            edge = edge - front * np.clip(0.13 - 1.6 * np.abs(across), 0, None)
        case "wide":
            edge = edge - (0.03 + 0.04 * front) * np.exp(-((across / 0.09) ** 2))
        case "high":
            edge = edge + 0.035 + 0.015 * front
        case "collar":
            edge = edge + 0.03 - 0.01 * front - front * np.clip(0.06 - 2 * np.abs(across), 0, None)
        case _:
            edge = edge - 0.03 * np.exp(-((across / 0.06) ** 2)) * front
    return (NECK + edge - height).astype(np.float32)


def legs(top: float, length: float) -> Floats:
    """Trousers from `top` (height) to `length` along the leg (0–2)."""
    body = template()
    height = body.points[:, 2]
    leg = np.where(height > HIP, _FAR, (length - body.along_leg) * _LEG_LENGTH)
    leg = np.where(height < ANKLE + 0.05, np.minimum(leg, (height - ANKLE) + (length - 2) * _LEG_LENGTH), leg)
    return np.where(_is_arm(), -1, np.minimum(top - height, leg)).astype(np.float32)


def leg_end(length: float) -> float:
    """The height at which trousers of a length along the leg (0 to 2) end."""
    return float(np.interp(length, (0, 1, 2), (HIP, KNEE, ANKLE)))


def cuff(sleeve: float) -> float:
    """Where a sleeve of a length along the arm ends, as patterns.unroll counts."""
    return 0.609 - 0.277 * min(sleeve, 1.0) - 0.178 * max(sleeve - 1.0, 0.0)


def skirt(top: float, hem: float) -> Floats:
    """The skirt mesh between two heights."""
    height = template().points[:, 2]
    return np.where(_is_arm(), -1, np.minimum(top - height, height - hem)).astype(np.float32)


def under_skirts(garment: Garment, worn: list[Garment]) -> Garment:
    """The garment without what lies in the skirts that hide it."""
    field = garment.field
    for outer in worn:
        if outer.hides and outer.mesh == "skirt":
            field = np.minimum(field, -outer.field)
    return replace(garment, field=field)


def open_front(field: Floats, gap: float) -> Floats:
    """A garment left open in front, `gap` metres to each side, wider below."""
    across, depth, height = template().points.T
    widening = gap * (1 + 0.6 * np.clip((0.6 - height) / 0.4, 0, 2.5))
    opening = np.where((depth < 0.0) & ~_is_arm(), np.abs(across) - widening, _FAR)
    return np.minimum(field, opening).astype(np.float32)


def foot(top: float, side: int = 0) -> Floats:
    """Below `top` metres over the ankle; side 1 the left, -1 the right, 0 both."""
    body = template()
    field = np.where(_is_arm(), -1, ANKLE + top - body.points[:, 2])
    if side:
        field = np.minimum(field, np.where(body.points[:, 0] * side > 0, _FAR, -1))
    return field.astype(np.float32)


def bare_instep() -> Floats:
    """Toe cap and rim of a shoe that leaves the instep bare, as pumps and ballerinas do."""
    _, depth, height = template().points.T
    return np.maximum(ANKLE - 0.032 - height, -0.125 - depth).astype(np.float32)


def hands() -> Floats:
    """From the wrist on."""
    body = template()
    return np.where(_is_arm(), (body.along_arm - 1.97) * _ARM_LENGTH, -1).astype(np.float32)


def wristband(side: int, start: float, width: float) -> Floats:
    """A ring about a forearm from `start` along the arm (0 to 3); side 1 the left, -1 the right."""
    body = template()
    place = (body.along_arm - start) * _ARM_LENGTH
    ring = np.minimum(place, width - place)
    return np.where(_is_arm() & (body.points[:, 0] * side > 0), ring, -1).astype(np.float32)


def strip(middle: float, half: Floats | float, low: float) -> Floats:
    """A band down the front from the neck to the height `low`, `middle` metres to the left."""
    across, depth, height = template().points.T
    band = np.minimum(half - np.abs(across - middle), np.minimum(height - low, NECK - 0.01 - height))
    return np.where((depth < -0.01) & ~_is_arm(), band, -1).astype(np.float32)


def around_neck(low: float, high: float) -> Floats:
    """A ring about the neck, from `low` below its root to `high` above."""
    across, depth, height = template().points.T
    ring = np.minimum(height - (NECK - low), NECK + high - height)
    ring = np.minimum(ring, 0.16 - np.hypot(across, 1.1 * (NECK - height)))
    below_the_chin = NECK + 0.12 + 0.8 * depth - height
    return np.minimum(ring, below_the_chin).astype(np.float32)


def cape(reach: float) -> Floats:
    """What lies over the shoulders, so many metres from the root of the neck down the chest and the back."""
    across, _, height = template().points.T
    return (reach - np.hypot(0.85 * across, height - NECK)).astype(np.float32)


def flare(start: float, metres: float) -> Floats:
    """A lift that grows from the height `start` downwards by `metres` for each metre."""
    return (metres * np.clip(start - template().points[:, 2], 0, None)).astype(np.float32)


def sleeve_lift(metres: float) -> Floats:
    """A lift that grows along the sleeve to the elbow, and shrinks again to the cuff."""
    body = template()
    return np.where(_is_arm(), metres * np.interp(body.along_arm, (0, 1, 2), (0, 1, 0.6)), 0).astype(np.float32)


def pleats(start: float, count: int, metres: float) -> Floats:
    """A lift in waves around the body that grow from the height `start` downwards by `metres` for each metre."""
    across, depth, height = template().points.T
    waves = 0.5 + 0.5 * np.sin(count * np.arctan2(across, -depth))
    return (metres * np.clip(start - height, 0, None) * waves).astype(np.float32)
