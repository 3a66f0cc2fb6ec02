"""Solid things: what people sit and lie on, what stands before them, what lies about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import pose_body, template
from discreet.data.people.chance import draw
from discreet.data.people.identity import draw_identity
from discreet.data.people.materials import Solid, triple
from discreet.data.people.mesh import Layer, box, cone, ellipsoid, solid, turned
from discreet.data.people.parts import Part
from discreet.data.people.pose import draw_pose, turn

Rng = np.random.Generator
Floats = NDArray[np.floating]
Box = tuple[tuple[float, float, float], tuple[float, float, float]]

# Of the largest: a statue with its arms to the sides, and a table.
_HALF_A_THING, _DEPTH_OF_A_THING = 1.0, 0.75


def _surface(rng: Rng) -> Solid:
    grey = rng.uniform(0.1, 0.85)
    colour = np.clip(grey + 0.4 * rng.random() * (rng.random(3) - 0.5), 0.03, 0.95)
    return Solid(triple(colour), float(rng.choice([0.03, 0.1, 0.4])), 0.4, int(rng.integers(9999)))


def _prop(mesh: tuple[Floats, NDArray[np.int32]], material: Solid) -> Layer:
    """Something of no part."""
    return solid(*mesh, Part.BACKGROUND, material)


def _boxes(boxes: list[Box], material: Solid) -> list[Layer]:
    return [_prop(box(low, high), material) for low, high in boxes]


def make_seat(vertices: Floats, rng: Rng) -> tuple[Layer, ...]:
    """A chair, bench, stool, sofa or step under the thighs of a seated body.

    Args:
        vertices: float32 [V, 3] of the posed body, standing at the origin and facing -y.
    """
    body = template()
    rows = body.rows("tights")
    bottom = rows[(np.abs(body.points[rows, 2] - 0.03) < 0.12) & (body.arm[rows] < 0.5)]
    hips = vertices[bottom]
    height = max(float(np.quantile(hips[:, 2], 0.04)) + 0.01, 0.08)
    x, y = float(np.median(hips[:, 0])), float(np.median(hips[:, 1]))
    front, back = y - float(rng.uniform(0.1, 0.2)), float(hips[:, 1].max()) + 0.05
    kind = draw(rng, {"chair": 0.35, "bench": 0.2, "block": 0.2, "sofa": 0.15, "stool": 0.1})
    half = {"chair": 0.23, "bench": 0.8, "block": float(rng.uniform(0.3, 1.2)), "sofa": 0.75, "stool": 0.19}[kind]
    material = _surface(rng)
    if kind in ("block", "sofa"):
        boxes: list[Box] = [((x - half, front, 0.0), (x + half, back + 0.09, height))]  # as deep as a back stands
    else:
        boxes = [((x - half, front, height - 0.05), (x + half, back, height))]
        for a in (x - half + 0.02, x + half - 0.06):
            boxes += [((a, b, 0.0), (a + 0.04, b + 0.04, height - 0.04)) for b in (front + 0.02, back - 0.06)]
    if kind == "sofa" or (kind != "stool" and rng.random() < 0.6):
        start = back + 0.03
        boxes.append(
            ((x - half, start, height + 0.02), (x + half, start + 0.06, height + float(rng.uniform(0.25, 0.5))))
        )
    if kind == "sofa":
        boxes += [((a, front, 0.0), (a + 0.16, back + 0.09, height + 0.2)) for a in (x - half - 0.16, x + half)]
    return tuple(_boxes(boxes, material))


def make_step(vertices: Floats, rng: Rng) -> tuple[Layer, ...]:
    """A step or a box under the higher foot of a body that faces -y, vertices float32 [V, 3]."""
    body = template()
    rows = body.rows("skin")
    rows = rows[(body.leg[rows] > 0.5) & (body.along_leg[rows] > 1.9)]
    feet = [vertices[rows[np.sign(body.points[rows, 0]) == side]] for side in (1, -1)]
    lower, higher = sorted(feet, key=lambda foot: float(foot[:, 2].min()))
    x, top = float(higher[:, 0].mean()), float(higher[:, 2].min())
    end = min(float(higher[:, 1].max()) + 0.02, float(lower[:, 1].min()) - 0.01)  # before the toes of the other foot
    half, deep = float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.32, 0.6))
    return tuple(_boxes([((x - half, end - deep, 0.0), (x + half, end, top))], _surface(rng)))


def make_mat(vertices: Floats, rng: Rng) -> tuple[Layer, ...]:
    """Now and then a towel, mat or blanket under somebody who lies."""
    if rng.random() < 0.5:
        return ()
    low, high = vertices[:, :2].min(0) - 0.15, vertices[:, :2].max(0) + 0.15
    corners: Box = ((float(low[0]), float(low[1]), -0.01), (float(high[0]), float(high[1]), 0.004))
    return tuple(_boxes([corners], _surface(rng)))


def make_things(low: Floats, high: Floats, room: tuple[float, float], most: int, rng: Rng) -> list[Layer]:
    """Boxes, posts, tables, balls, pots, animals and statues around people within bounds.

    Args:
        low, high: [3], corners of everybody's bounds.
        room: how far to either side, and how far behind, metres from the origin, there is floor to stand on.
        most: of them.
    """
    layers: list[Layer] = []
    half, end = room[0] - _HALF_A_THING, room[1] - _DEPTH_OF_A_THING
    first, last = float(high[1]) + 0.4, min(float(high[1]) + 5, end)
    for _ in range(int(rng.integers(0, most + 1)) if first < last and half > 0.3 else 0):
        depth = rng.uniform(first, last)
        x = rng.choice([-1, 1]) * rng.uniform(0.3, min(1.5 + depth, half))
        layers += _thing(float(x), float(depth), rng)
    return layers


def _thing(x: float, y: float, rng: Rng) -> list[Layer]:
    kind = str(rng.choice(["box", "post", "ball", "table", "pot", "animal", "bin", "statue"]))
    first, second = _surface(rng), _surface(rng)
    size = float(rng.uniform(0.7, 1.3))
    match kind:
        case "box":
            return _boxes([((x - 0.3 * size, y, 0.0), (x + 0.3 * size, y + 0.4, 0.6 * size))], first)
        case "post":
            return _boxes([((x - 0.04, y, 0.0), (x + 0.04, y + 0.08, 2.2 * size))], first)
        case "ball":
            radius = 0.14 * size
            return [_prop(ellipsoid((x, y, radius), (radius, radius, radius)), first)]
        case "table":
            return table((x - 0.6 * size, y, 0.0), (x + 0.6 * size, y + 0.7, 0.74), rng)
        case "pot":
            pot = _boxes([((x - 0.15, y - 0.15, 0.0), (x + 0.15, y + 0.15, 0.3))], first)
            green = Solid((0.16, float(rng.uniform(0.25, 0.4)), 0.12), 0.1, 1.5, int(rng.integers(999)))
            blobs = [(x + rng.normal(0, 0.12), y + rng.normal(0, 0.1), 0.35 + rng.uniform(0, 0.6)) for _ in range(16)]
            return pot + [_prop(ellipsoid(blob, (0.09, 0.09, 0.13)), green) for blob in blobs]
        case "animal":
            return _animal(x, y, size, first)
        case "statue":
            return _statue(x, y, first, rng)
        case _:
            return [_prop(cone(np.array([x, y, 0.0]), 0.19 * size, 0.23 * size, 0.8 * size), second)]


def _statue(x: float, y: float, stone: Solid, rng: Rng) -> list[Layer]:
    """Somebody of stone, or a mannequin without head and hands: shaped like a person, and none."""
    body = template()
    somebody = draw_identity("statue", rng)
    posed = pose_body(somebody.shape, draw_pose(rng, supports=("feet",)).rotations)
    vertices = posed.vertices * np.float32(somebody.height / body.height)
    plinth = float(rng.choice([0.03, 0.3, 0.6]))
    standing = turned(vertices, turn(2, float(rng.uniform(-1.2, 1.2))), np.array([x, y, plinth], np.float32))
    standing[:, 1] += min(0.3, y + _DEPTH_OF_A_THING - float(standing[:, 1].max()))  # an arm may reach back
    feet = standing[body.rows("skin")]
    feet = feet[feet[:, 2] < plinth + 0.3]
    low, high = feet.min(0) - 0.06, feet.max(0) + 0.06
    meshes = ("skin", "left_eye", "right_eye") if rng.random() < 0.5 else ("tights",)
    figure = [_prop((standing[body.rows(mesh)], body.own_faces(mesh)), stone) for mesh in meshes]
    under: Box = ((float(low[0]), float(low[1]), 0.0), (float(high[0]), float(high[1]), plinth))
    return figure + _boxes([under], stone)


def _animal(x: float, y: float, size: float, fur: Solid) -> list[Layer]:
    """A dog or a cat of blobs: body, head, legs, tail."""
    blobs = [((x, y, 0.42), (0.3, 0.13, 0.15)), ((x + 0.33, y - 0.03, 0.58), (0.12, 0.1, 0.11))]
    blobs += [((x + 0.43, y - 0.05, 0.54), (0.07, 0.05, 0.05)), ((x - 0.36, y, 0.52), (0.12, 0.03, 0.04))]
    blobs += [((x + a, y + b, 0.17), (0.045, 0.045, 0.2)) for a in (-0.22, 0.22) for b in (-0.07, 0.07)]
    centre = np.array([x, y, 0.0])
    moved = [(centre + size * (np.array(at) - centre), size * np.array(radii)) for at, radii in blobs]
    return [_prop(ellipsoid(at, radii), fur) for at, radii in moved]


def table(low: tuple[float, float, float], high: tuple[float, float, float], rng: Rng) -> list[Layer]:
    """A table with cups, bowls and pots on it."""
    (x, y, _), (right, back, top) = low, high
    boxes: list[Box] = [((x, y, top - 0.04), (right, back, top))]
    boxes += [((a, b, 0.0), (a + 0.05, b + 0.05, top - 0.04)) for a in (x, right - 0.05) for b in (y, back - 0.05)]
    layers = _boxes(boxes, _surface(rng))
    for _ in range(int(rng.integers(0, 5))):
        a, b = float(rng.uniform(x + 0.05, right - 0.05)), float(rng.uniform(y + 0.05, back - 0.05))
        wide, high_ = float(rng.uniform(0.02, 0.08)), float(rng.uniform(0.03, 0.15))
        layers.append(_prop(cone(np.array([a, b, top]), 0.8 * wide, wide, 2 * high_), _surface(rng)))
    return layers


def make_occluder(camera_position: Floats, target: Floats, rng: Rng) -> list[Layer]:
    """Something before the main person: a table, a railing, a post, leaves, a counter."""
    share = float(rng.uniform(0.35, 0.65))
    x, y, _ = (float(value) for value in target + share * (camera_position - target))
    y = min(y, -0.75)
    side = float(rng.choice([-1, 1]))
    match str(rng.choice(["table", "railing", "post", "leaves", "counter"])):
        case "table":
            return table((x - 0.8, y - 0.3, 0.0), (x + 0.8, y + 0.2, 0.72), rng)
        case "railing":
            boxes: list[Box] = [((x - 2.5, y, h), (x + 2.5, y + 0.03, h + 0.04)) for h in (0.45, 0.95)]
            boxes += [((x + a, y, 0.0), (x + a + 0.02, y + 0.02, 0.95)) for a in np.arange(-2.4, 2.5, 0.3).tolist()]
            return _boxes(boxes, _surface(rng))
        case "post":
            a = x + side * float(rng.uniform(0.1, 0.35))
            return _boxes([((a - 0.04, y, 0.0), (a + 0.04, y + 0.08, 3.0))], _surface(rng))
        case "counter":
            return _boxes([((x - 1.5, y - 0.3, 0.0), (x + 1.5, y, float(rng.uniform(0.7, 0.95))))], _surface(rng))
        case _:
            green = Solid((0.14, 0.3, 0.1), 0.1, 1.6, int(rng.integers(999)))
            spots = rng.normal((x + side * 0.4, y, 0.0), (0.12, 0.08, 0.0), (36, 3))
            spots[:, 2] = rng.uniform(0, 0.95 * float(camera_position[2]) + 0.05, 36)
            sizes = rng.uniform(0.02, 0.07, (36, 3))
            return [_prop(ellipsoid(at, radii), green) for at, radii in zip(spots, sizes, strict=True)]
