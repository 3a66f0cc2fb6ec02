"""What people carry: backpacks, bags, phones, cups. None of it has a part of its own: it hides parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import Figure, template
from discreet.data.people.chance import draw
from discreet.data.people.colours import draw_colour
from discreet.data.people.garments import WAIST
from discreet.data.people.materials import Cloth, Colour, Solid
from discreet.data.people.mesh import Layer, box, cone, ellipsoid, solid
from discreet.data.people.parts import Part
from discreet.data.people.styles import Style

Rng = np.random.Generator
Floats = NDArray[np.floating]
Places = NDArray[np.intp]
Rows = NDArray[np.int32]

_OVER_STRAPS = {Part.HAT, Part.HAIR, Part.SUNGLASSES, Part.SCARF, Part.FACE}  # of the face: eyes
_ANGLES = np.linspace(0, 2 * np.pi, 96, endpoint=False)
_AROUND = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)
_LINES = 5  # across a strap
_THICK, _RIM, _SINKS = 0.005, 0.006, 0.015  # metres: of a strap, of its rims, and of a bag into what it rests on

_PALM_DEEP = 0.018  # metres, from its middle to its surface


@dataclass(frozen=True)
class _Trunk:
    """From the hips to the shoulders, with all that is worn there and without the arms.

    Args:
        chest: the middle of the chest, [3]. axes: [3, 3], to the person's left, to the back, upwards.
        points: float32 [N, 3], metres along those axes from the chest. edges: int [E, 2], which of them meet.
        shoulders: the highest point of each shoulder where a strap lies, by side: 1 the left, -1 the right.
    """

    chest: Floats
    axes: Floats
    points: Floats
    edges: Places
    shoulders: dict[int, Floats]

    def outermost(self, axis: int, side: int, low: Floats, high: Floats) -> float:
        """How far it reaches along an axis, to one side, between two corners [3] of a box."""
        within = ((self.points > low) & (self.points < high)).all(1)
        return float((self.points[within, axis] * side).max(initial=0.1))

    def out(self, points_N3: Floats) -> Floats:
        """Points along the trunk's axes, where they are in the world."""
        return (points_N3 @ self.axes + self.chest).astype(np.float32)


def draw_carried(figure: Figure, style: Style, rng: Rng, worn: Sequence[Layer] = ()) -> list[Layer]:
    """Nothing, mostly; else one thing on the back, over a shoulder or in a hand, outside of what is worn."""
    kinds = {"": 0.62, "backpack": 0.09, "shoulder bag": 0.09, "hand bag": 0.1, "phone": 0.06, "cup": 0.04}
    kind = draw(rng, kinds)
    cloth = Cloth(
        draw_colour(style, rng), draw_colour(style, rng), folds=0.3, gloss=float(rng.choice([0.03, 0.3])),
        seed=int(rng.integers(100_000)),
    )  # fmt: skip
    side = int(rng.choice([-1, 1]))
    match kind:
        case "backpack":
            return _backpack(_trunk(figure, worn), cloth, rng)
        case "shoulder bag":
            return _shoulder_bag(_trunk(figure, worn), side, cloth, rng)
        case "hand bag":
            return _hand_bag(figure, side, cloth, rng)
        case "phone" | "cup":
            return [_in_hand(figure, kind, side, rng)]
        case _:
            return []


def _trunk(figure: Figure, worn: Sequence[Layer]) -> _Trunk:
    """The trunk of a figure in what it wears, but for what falls over straps: scarves, and all that is on the head."""
    body = template()
    chest, axes = _axes(figure)
    surfaces = [(figure.vertices, body.meshes["skin"], body.points)]
    surfaces += [
        (layer.vertices, layer.faces, layer.texture_points)
        for layer in worn
        if not _OVER_STRAPS.issuperset(layer.labels)
    ]
    points: list[Floats] = []
    edges: list[NDArray[np.integer]] = []
    start = 0
    for vertices, faces, places in surfaces:
        across, _, height = places.T
        # Arms hang wide of the hips on the template, but begin close to the chest.
        on_trunk = (np.abs(across) < np.where(height < 0.3, 0.3, 0.22)) & (height > 0.05) & (height < 0.73)
        faces = faces[on_trunk[faces].all(1)]
        edges += [start + faces[:, [0, 1]], start + faces[:, [1, 2]], start + faces[:, [2, 0]]]
        points.append((vertices - chest) @ axes.T)
        start += len(vertices)
    used, places_of = np.unique(np.concatenate(edges), return_inverse=True)
    shoulders = {}
    for side in (1, -1):
        rows = np.abs(body.points[:, 0] * side - 0.1) < 0.012
        own = (figure.vertices[rows & (body.points[:, 2] > 0.6) & (body.arm < 0.5)] - chest) @ axes.T
        shoulders[side] = own[own[:, 2].argmax()]
    return _Trunk(chest, axes, np.concatenate(points)[used], places_of.reshape(-1, 2), shoulders)


def _axes(figure: Figure) -> tuple[Floats, Floats]:
    """Middle of the chest [3], and the trunk's own axes [3, 3]: to its left, to its back, upwards."""
    body = template()
    height, on_trunk = body.points[:, 2], body.arm < 0.2
    hips = figure.vertices[on_trunk & (np.abs(height - WAIST) < 0.03)].mean(0)
    chest = figure.vertices[on_trunk & (np.abs(height - 0.5) < 0.03)].mean(0)
    wide = on_trunk & (np.abs(height - 0.5) < 0.05)
    left, right = (figure.vertices[wide & (sign * body.points[:, 0] > 0.05)].mean(0) for sign in (1, -1))
    up = (chest - hips) / np.linalg.norm(chest - hips)
    back = np.cross(up, left - right)
    back /= np.linalg.norm(back)
    return chest, np.stack([np.cross(back, up), back, up])


def _hand(figure: Figure, side: int) -> Floats:
    """The middle of a hand, [3]."""
    body = template()
    rows = (body.arm > 0.5) & (body.along_arm > 2.2) & (body.points[:, 0] * side > 0)
    return figure.vertices[rows].mean(0)


@cache
def _hand_rows(side: int) -> tuple[Rows, Rows, Rows]:
    """Vertices about the wrist, and about the first knuckles of the index and the little finger."""
    body, name = template(), "L" if side > 0 else "R"
    joints = (body.heads[body.bones[f"{joint}.{name}"]] for joint in ("wrist", "finger2-1", "finger5-1"))
    skin = body.rows("skin")
    wrist, index, little = (skin[np.linalg.norm(body.points[skin] - joint, axis=1) < 0.03] for joint in joints)
    return wrist, index, little


def _palm(figure: Figure, side: int) -> tuple[Floats, Floats]:
    """Middle of a palm's knuckles [3], and axes [3, 3]: to the index finger, out of the palm, along the fingers."""
    wrist, index, little = (figure.vertices[rows].mean(0) for rows in _hand_rows(side))
    knuckles = (index + little) / 2
    along = (knuckles - wrist) / np.linalg.norm(knuckles - wrist)
    out = side * np.cross(along, index - little)
    out /= np.linalg.norm(out)
    return knuckles, np.stack([np.cross(out, along), out, along])


def _pack(spot: Floats, axes: Floats, half: Floats, material: Cloth) -> Layer:
    """A stuffed bag: a box with round edges, half as wide [3] as given, about a point, along axes."""
    ball, faces = ellipsoid(np.zeros(3, np.float32), (1.0, 1.0, 1.0))
    rounded = np.sign(ball) * np.abs(ball) ** 0.55 * half
    return solid(rounded @ axes + spot, faces, Part.BACKGROUND, material, rounded)


def _strap(trunk: _Trunk, side: int, low: Floats, anchors: Sequence[Floats], width: float, material: Cloth) -> Layer:
    """A taut band over one shoulder: it lies on what stands out most, spans hollows, and is tied to a bag.

    It runs around the convex hull of the anchors [3], which lie inside the bag, and of what a surface cuts of the
    trunk above `low` [3], which lies beside it. The surface is the plane through the shoulder and `low` that goes
    straight forwards and backwards, but behind the shoulder it bends to the last anchor.
    """
    top, back = trunk.shoulders[side], np.array([0.0, 1.0, 0.0])
    down = (low - top) * (1, 0, 1)
    lowest = np.linalg.norm(down)
    down /= lowest
    plane, across = np.stack([back, down], 1), np.cross(down, back)
    tied = np.stack(anchors) - top
    beside, behind = tied[-1] @ across, max(tied[-1, 1], 0.05)

    def bend(backwards: Floats) -> Floats:
        return beside * np.clip(backwards / behind, 0, 1)

    points = trunk.points - top
    heights = points @ across - bend(points[:, 1])
    # One hull for each of some lines along the band, since shoulders slope.
    offsets = width * np.linspace(-0.5, 0.5, _LINES)
    cuts = [_section(points @ plane, heights - offset, trunk.edges) for offset in offsets]
    # Hems further down may flare through the plane again.
    held = [np.concatenate([cut[cut[:, 1] < lowest], tied @ plane]) for cut in cuts]
    middle = held[_LINES // 2].mean(0)
    lines = [_hull_radii(spots - middle) for spots in held]
    # Rims sink into the cloth below.
    radii = np.stack([lines[0] - _RIM, *(line + _THICK for line in lines), lines[-1] - _RIM], 1)
    spots = middle + radii[..., None] * _AROUND[:, None]
    aside = np.pad(offsets, 1, mode="edge") + bend(spots[..., 0])
    vertices = (top + spots @ plane.T + aside[..., None] * across).reshape(-1, 3)
    return solid(trunk.out(vertices), _tube_faces(*radii.shape), Part.BACKGROUND, material, vertices)


def _section(points_N2: Floats, heights: Floats, edges: Places) -> Floats:
    """Where edges cross height 0, [M, 2]."""
    first, second = edges[(heights[edges[:, 0]] > 0) != (heights[edges[:, 1]] > 0)].T
    mix = (heights[first] / (heights[first] - heights[second]))[:, None]
    return points_N2[first] * (1 - mix) + points_N2[second] * mix


def _hull_radii(points_N2: Floats) -> Floats:
    """How far the convex hull of points around the origin reaches in every direction of _AROUND."""
    reach = np.maximum((points_N2 @ _AROUND.T).max(0), 0.01)
    facing = _AROUND @ _AROUND.T
    return np.where(facing > 0.05, reach / np.maximum(facing, 0.05), np.inf).min(1)


def _tube_faces(num_rings: int, num_columns: int) -> NDArray[np.int32]:
    """Faces of a closed band whose vertices lie ring by ring."""
    ring, column = np.indices((num_rings, num_columns - 1)).reshape(2, -1)
    here, ahead = ring * num_columns + column, (ring + 1) % num_rings * num_columns + column
    faces = [np.stack([here, ahead, here + 1], 1), np.stack([ahead, ahead + 1, here + 1], 1)]
    return np.concatenate(faces).astype(np.int32)


def _backpack(trunk: _Trunk, cloth: Cloth, rng: Rng) -> list[Layer]:
    """On the back, with two straps."""
    depth = float(rng.uniform(0.06, 0.11))
    half = np.array([rng.uniform(0.14, 0.18), depth, rng.uniform(0.18, 0.27)])
    width = float(rng.uniform(0.03, 0.055))
    # It rests on the shoulder blades.
    front = trunk.outermost(1, 1, np.array([-0.08, -1, -0.12]), np.array([0.08, 1, 0.12])) - _SINKS
    spot = np.array([0.0, front + depth, -0.06])
    layers = [_pack(trunk.out(spot), trunk.axes, half, cloth)]
    for side in (1, -1):
        # Beside the chest, so that the straps pass below the armpits to the pack.
        flank = trunk.outermost(0, side, np.array([-1, -1, -0.17]), np.array([1, 1, -0.09])) + 0.01 + width / 2
        low = np.array([side * flank, 0.0, -0.14])
        tied = np.array([side * 0.75 * half[0], front + 0.03, spot[2] + 0.5 * half[2]])
        layers.append(_strap(trunk, side, low, [tied], width, cloth))
    return layers


def _shoulder_bag(trunk: _Trunk, side: int, cloth: Cloth, rng: Rng) -> list[Layer]:
    """At the hip, hanging from the shoulder above."""
    half = np.array([0.05, rng.uniform(0.11, 0.18), rng.uniform(0.08, 0.15)])
    spot = np.array([0.0, 0.0, -rng.uniform(0.25, 0.45)])
    beside = half * (0, 1, 1) + (1, 0, 0)
    spot[0] = side * (trunk.outermost(0, side, spot - beside, spot + beside) + half[0] - _SINKS)
    low = spot + half * (0, 0, 0.5)
    strap = _strap(
        trunk, side, low, [low - half * (0, 0.7, 0), low + half * (0, 0.7, 0)], float(rng.uniform(0.015, 0.04)), cloth
    )
    return [_pack(trunk.out(spot), trunk.axes, half, cloth), strap]


def _hand_bag(figure: Figure, side: int, cloth: Cloth, rng: Rng) -> list[Layer]:
    """Hanging from a hand by two handles; a shopping bag is the large one."""
    hand, axes = _hand(figure, side), np.eye(3, dtype=np.float32)
    half = np.array([rng.uniform(0.03, 0.08), rng.uniform(0.1, 0.19), rng.uniform(0.08, 0.2)])
    drop = float(rng.uniform(0.06, 0.16))
    handle = box(
        (hand[0] - 0.008, hand[1] - 0.03, hand[2] - drop - half[2]), (hand[0] + 0.008, hand[1] + 0.03, hand[2] + 0.01)
    )
    spot = hand - np.array([0, 0, drop + half[2]], np.float32)
    return [_pack(spot, axes, half, cloth), solid(*handle, Part.BACKGROUND, cloth)]


def _in_hand(figure: Figure, kind: str, side: int, rng: Rng) -> Layer:
    """A phone, or a cup."""
    palm, axes = _palm(figure, side)
    on_it = np.array([0, _PALM_DEEP, 0], np.float32)
    dark: Colour = (0.04, 0.04, 0.05)
    if kind == "phone":
        vertices, faces = box((-0.036, -0.005, -0.07), (0.036, 0.005, 0.07))
        return solid((vertices + on_it) @ axes + palm, faces, Part.BACKGROUND, Solid(dark, gloss=0.7))
    paper: Colour = ((0.9, 0.88, 0.84), (0.35, 0.22, 0.14), (0.75, 0.15, 0.15))[rng.integers(3)]
    foot = palm + (_PALM_DEEP + 0.03) * axes[1] * (1, 1, 0) - (0, 0, 0.055)  # upright, however the hand is held
    return solid(*cone(foot, 0.028, 0.04, 0.11), Part.BACKGROUND, Solid(paper, gloss=0.2))
