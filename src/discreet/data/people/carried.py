"""What people carry: backpacks, bags, phones, cups. None of it has a part of its own: it hides parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discreet.data.people import garments as cut
from discreet.data.people.body import Figure, template
from discreet.data.people.colours import draw_colour
from discreet.data.people.garments import Garment, cut_garment
from discreet.data.people.materials import Cloth, Colour, Solid
from discreet.data.people.mesh import Layer, box, ellipsoid, solid
from discreet.data.people.styles import Style

Rng = np.random.Generator
Floats = NDArray[np.floating]

_BACKGROUND = 0


def draw_carried(figure: Figure, style: Style, rng: Rng, worn: Sequence[Garment] = ()) -> list[Layer]:
    """Nothing, mostly; else one thing on the back, over a shoulder or in a hand, outside of what is worn."""
    kind = str(
        rng.choice(["", "backpack", "shoulder bag", "hand bag", "phone", "cup"], p=[0.62, 0.09, 0.09, 0.1, 0.06, 0.04])
    )
    cloth = Cloth(
        draw_colour(style, rng), draw_colour(style, rng), folds=0.3, gloss=float(rng.choice([0.03, 0.3])),
        seed=int(rng.integers(100_000)),
    )  # fmt: skip
    side = int(rng.choice([-1, 1]))
    match kind:
        case "backpack":
            return _backpack(figure, cloth, worn, rng)
        case "shoulder bag":
            return _shoulder_bag(figure, side, cloth, worn, rng)
        case "hand bag":
            return _hand_bag(figure, side, cloth, rng)
        case "phone" | "cup":
            return [_in_hand(figure, kind, side, rng)]
        case _:
            return []


def _trunk(figure: Figure) -> tuple[Floats, Floats]:
    """Middle of the chest [3], and the trunk's own axes [3, 3]: to its left, to its back, upwards."""
    body = template()
    height, on_trunk = body.points[:, 2], body.arm < 0.2
    hips = figure.vertices[on_trunk & (np.abs(height - cut.WAIST) < 0.03)].mean(0)
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


def _pack(spot: Floats, axes: Floats, half: tuple[float, float, float], material: Cloth) -> Layer:
    """A stuffed bag: a box with round edges, about a point, along axes."""
    ball, faces = ellipsoid(np.zeros(3, np.float32), (1.0, 1.0, 1.0))
    rounded = np.sign(ball) * np.abs(ball) ** 0.55 * half
    vertices = rounded @ axes + spot
    return Layer(
        vertices.astype(np.float32), faces, rounded.astype(np.float32),
        np.full(len(faces), _BACKGROUND, np.uint8), material,
    )  # fmt: skip


def _straps(
    figure: Figure, sides: tuple[int, ...], width: float, material: Cloth, worn: Sequence[Garment]
) -> list[Layer]:
    """Bands over the shoulders, above all clothes."""
    strips = (Garment("tights", cut.strap(side, width), _BACKGROUND, 0.02, material, drape=0.7) for side in sides)
    bands = (cut.over(strip, list(worn), 0.01) for strip in strips)
    return [layer for band in bands if (layer := cut_garment(figure, band)) is not None]


def _backpack(figure: Figure, cloth: Cloth, worn: Sequence[Garment], rng: Rng) -> list[Layer]:
    """On the back, with two straps."""
    chest, axes = _trunk(figure)
    depth = float(rng.uniform(0.06, 0.11))
    half = (float(rng.uniform(0.13, 0.18)), depth, float(rng.uniform(0.18, 0.27)))
    spot = chest + axes[1] * (0.15 + depth) - axes[2] * 0.06
    return [_pack(spot, axes, half, cloth), *_straps(figure, (1, -1), float(rng.uniform(0.03, 0.055)), cloth, worn)]


def _shoulder_bag(figure: Figure, side: int, cloth: Cloth, worn: Sequence[Garment], rng: Rng) -> list[Layer]:
    """At the hip, below one shoulder."""
    chest, axes = _trunk(figure)
    half = (0.05, float(rng.uniform(0.11, 0.18)), float(rng.uniform(0.08, 0.15)))
    spot = chest + axes[0] * side * 0.26 - axes[2] * rng.uniform(0.25, 0.45)
    return [_pack(spot, axes, half, cloth), *_straps(figure, (side,), float(rng.uniform(0.015, 0.04)), cloth, worn)]


def _hand_bag(figure: Figure, side: int, cloth: Cloth, rng: Rng) -> list[Layer]:
    """Hanging from a hand by two handles; a shopping bag is the large one."""
    hand, axes = _hand(figure, side), np.eye(3, dtype=np.float32)
    half = (float(rng.uniform(0.03, 0.08)), float(rng.uniform(0.1, 0.19)), float(rng.uniform(0.08, 0.2)))
    drop = float(rng.uniform(0.06, 0.16))
    handle = box(
        (hand[0] - 0.008, hand[1] - 0.03, hand[2] - drop - half[2]), (hand[0] + 0.008, hand[1] + 0.03, hand[2] + 0.01)
    )
    spot = hand - np.array([0, 0, drop + half[2]], np.float32)
    return [_pack(spot, axes, half, cloth), solid(*handle, _BACKGROUND, cloth)]


def _in_hand(figure: Figure, kind: str, side: int, rng: Rng) -> Layer:
    """A phone, or a cup."""
    hand = _hand(figure, side) + np.array([0, -0.03, 0.03], np.float32)
    dark: Colour = (0.04, 0.04, 0.05)
    if kind == "phone":
        vertices, faces = box((-0.036, -0.005, -0.07), (0.036, 0.005, 0.07))
        return solid(vertices + hand, faces, _BACKGROUND, Solid(dark, gloss=0.7))
    paper: Colour = ((0.9, 0.88, 0.84), (0.35, 0.22, 0.14), (0.75, 0.15, 0.15))[rng.integers(3)]
    return solid(*ellipsoid(hand, (0.038, 0.038, 0.06)), _BACKGROUND, Solid(paper, gloss=0.2))
