"""What is on the head: hats, headscarves, glasses. Hats and glasses are rigid, and move with the head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import Figure, template
from discreet.data.people.chance import draw
from discreet.data.people.colours import draw_colour
from discreet.data.people.garments import NECK, Garment, cut_garment
from discreet.data.people.hair import grow_hair, skull
from discreet.data.people.identity import Identity
from discreet.data.people.materials import Cloth, Colour, Hair, Material, Solid
from discreet.data.people.mesh import Layer, ellipsoid, solid
from discreet.data.people.parts import Part
from discreet.data.people.styles import Style

Rng = np.random.Generator
Floats = NDArray[np.floating]

_POMPOM_STANDS = 0.3  # radii from the hat to the middle: sewn on, not balanced
_BEFORE_THE_EYE = -0.031  # metres, of glasses: before the bridge of the nose too
_HEADSCARVES = 0.05  # of those who dress femininely


@dataclass(frozen=True)
class _Hat:
    """How far it stands off the top of the head, metres, and its odds in summer and in winter."""

    crown: float
    summer: float
    winter: float


_HATS = {
    "beanie": _Hat(0.02, 0.08, 0.75),
    "cap": _Hat(0.012, 0.5, 0.12),
    "brim": _Hat(0.03, 0.24, 0.07),
    "bucket": _Hat(0.02, 0.12, 0.04),
    "helmet": _Hat(0.03, 0.06, 0.02),
}


def dress_head(
    figure: Figure, identity: Identity, style: Style, cold: float, rng: Rng, worn: Sequence[Layer] = ()
) -> list[Layer]:
    """Hair over what is worn, and perhaps a hat or a headscarf, and glasses; `cold` is 0 in summer, 1 in winter."""
    layers: list[Layer] = []
    if identity.feminine and rng.random() < _HEADSCARVES:
        layers += _headscarf(figure, style, rng)
    elif rng.random() < style.hats * (0.8 + 0.7 * cold):
        line = float(rng.uniform(0.035, 0.055))
        layers += grow_hair(figure, identity, rng, line, worn) + _hat(figure, line, style, cold, rng)
    else:
        layers += grow_hair(figure, identity, rng, None, worn)
    glasses = rng.random()
    if glasses < style.glasses * (2.0 - 1.4 * cold):
        layers.append(_glasses(figure, rng, dark=True))
    elif glasses > 0.9:
        layers.append(_glasses(figure, rng, dark=False))
    return layers


def _headscarf(figure: Figure, style: Style, rng: Rng) -> list[Layer]:
    """A cloth around all but the face, down to the shoulders."""
    body = template()
    across, depth, height = (body.points - body.eyes.mean(0)).T
    face = 1 - (across / 0.062) ** 2 - ((height + 0.025) / 0.085) ** 2
    around_face = np.where(depth < 0.06, -0.06 * face, 0.05)
    low = rng.uniform(0.0, 0.14)
    field = np.minimum(around_face, body.points[:, 2] - (NECK - low) - 3 * across**2)
    field = np.where(body.arm > 0.3, -1, np.minimum(field, 0.16 - np.abs(body.points[:, 0])))
    cloth = Cloth(
        draw_colour(style, rng), draw_colour(style, rng), draw(rng, {"plain": 0.75, "flowers": 0.25}),
        folds=0.6, seed=int(rng.integers(100_000)),
    )  # fmt: skip
    # On the shoulders it lies over a collar.
    lift = figure.head_scale * (0.02 + 0.02 * np.clip((NECK + 0.04 - body.points[:, 2]) / 0.04, 0, 1))
    scarf = cut_garment(figure, Garment("skin", field.astype(np.float32), Part.SCARF, lift, cloth, crumple=0.012))
    return [scarf] if scarf is not None else []


def _hat(figure: Figure, line: float, style: Style, cold: float, rng: Rng) -> list[Layer]:
    """A woollen hat, a cap with a visor, a hat with a brim, a bucket hat, or a helmet."""
    share = min(cold, 1.0)
    kind = draw(rng, {name: hat.winter * share + hat.summer * (1 - share) for name, hat in _HATS.items()})
    pattern = draw(rng, {"plain": 0.75, "stripes": 0.15, "check": 0.1}) if kind == "beanie" else "plain"
    material = Cloth(
        draw_colour(style, rng), draw_colour(style, rng), pattern, scale=40.0,
        folds=0.0 if kind == "helmet" else 0.25, gloss=0.5 if kind == "helmet" else 0.03,
        seed=int(rng.integers(100_000)),
    )  # fmt: skip
    body = template()
    _, depth, height = (body.points - body.eyes.mean(0)).T
    slope = 0.35 if kind == "beanie" else 0.1
    field = np.where(body.head > 0.5, height - line + slope * np.clip(depth, 0, None), -1)
    crown = np.clip((height - line) / 0.1, 0, 1)
    lift = 0.016 + _HATS[kind].crown * crown
    if kind == "beanie" and rng.random() < 0.6:
        lift = lift + 0.008 * (height - line + slope * np.clip(depth, 0, None) < 0.045)
    lift = figure.head_scale * lift
    crumple = 0.0 if kind == "helmet" else 0.006
    shell = cut_garment(figure, Garment("skin", field, Part.HAT, lift, material, crumple), int(rng.integers(1000)))
    layers = [shell] if shell else []
    if kind not in ("beanie", "helmet"):
        layers.append(_brim(figure, kind, line, material, rng))
    if kind == "beanie" and rng.random() < 0.25:
        layers.append(_pompom(figure, lift, material.second))
    return layers


def _pompom(figure: Figure, lift: Floats, colour: Colour) -> Layer:
    """A ball of wool on top of a hat that stands off the head by `lift`, float32 [V]."""
    rows = template().rows("skin")
    top = rows[figure.shaped[rows, 2].argmax()]
    radius = 0.038 * figure.head_scale
    up = np.array([0.0, 0.0, lift[top] + _POMPOM_STANDS * radius])
    vertices, faces = ellipsoid(figure.shaped[top] + up, (radius, radius, radius))
    material = Hair(colour, seed=3, curly=True)
    return solid(figure.on_head(vertices), faces, Part.HAT, material, vertices)


def _brim(figure: Figure, kind: str, line: float, material: Material, rng: Rng) -> Layer:
    """A flat or drooping ring about the head; a visor in front only."""
    centre, radii = skull(figure, line)
    angles = np.linspace(0, 2 * np.pi, 49)
    outwards = np.stack([np.sin(angles), -np.cos(angles)], 1)
    if kind == "cap":
        facing = 0.0 if rng.random() < 0.9 else np.pi
        width = 0.085 * np.clip(np.cos(angles - facing), 0, 1) ** 0.6
        droop = 0.25
    else:
        width = np.full(len(angles), rng.uniform(0.06, 0.12) if kind == "brim" else 0.05)
        droop = 0.1 if kind == "brim" else 0.9
    scale = figure.head_scale
    width = scale * width
    # Sewn on inside, above the edge, so that nothing of the forehead is seen between.
    inner = outwards * (radii + scale * 0.006)
    outer = outwards * (radii + scale * 0.014 + width[:, None])
    rings = [np.column_stack([inner, np.full(len(angles), 0.007 * scale)]), np.column_stack([outer, -droop * width])]
    vertices = (np.concatenate(rings) + centre).astype(np.float32)
    count, row = len(angles), np.arange(len(angles) - 1)
    faces = np.concatenate(
        [np.stack([row, row + 1, row + count], 1), np.stack([row + 1, row + count + 1, row + count], 1)]
    ).astype(np.int32)
    faces = faces[(width[row] + width[row + 1])[np.tile(row, 2)] > 0.004]
    return solid(figure.on_head(vertices), faces, Part.HAT, material, vertices)


def _glasses(figure: Figure, rng: Rng, *, dark: bool) -> Layer:
    """Two lenses, a bridge and temples; without dark lenses, two rims, which count as the face behind them."""
    body = template()
    eyes = [figure.shaped[body.rows(name)].mean(0) for name in ("left_eye", "right_eye")]
    width, height = rng.uniform(0.024, 0.032), rng.uniform(0.016, 0.027)
    power = rng.uniform(0.6, 1.0)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    cosine, sine = np.cos(angles), np.sin(angles)
    scale = figure.head_scale
    rim = scale * np.stack(
        [np.sign(cosine) * np.abs(cosine) ** power * width, np.full(24, _BEFORE_THE_EYE),
         np.sign(sine) * np.abs(sine) ** power * height], 1
    )  # fmt: skip
    vertices: list[Floats] = []
    faces: list[list[int]] = []
    for eye, outwards in zip(eyes, (1, -1), strict=True):
        start = len(vertices)
        # The outer half follows the temple, the inner half stays before the nose.
        rim[:, 1] = scale * (_BEFORE_THE_EYE + 0.013 * np.clip(outwards * cosine, 0, 1) ** 2)
        if dark:
            vertices += [*(eye + rim), eye + rim.mean(0)]
            faces += [[start + k, start + (k + 1) % 24, start + 24] for k in range(24)]
        else:
            vertices += [*(eye + rim), *(eye + rim * (0.86, 1, 0.8))]
            for k in range(24):
                ahead = (k + 1) % 24
                faces += [
                    [start + k, start + ahead, start + 24 + k],
                    [start + ahead, start + 24 + ahead, start + 24 + k],
                ]
    left, right = eyes
    mirror = np.array([-1, 1, 1])
    hinge, ear = scale * np.array([width, -0.018, 0.006]), scale * np.array([0.049, 0.07, 0.01])
    bridge = scale * np.array([-width, _BEFORE_THE_EYE - 0.0015, 0.006])
    for first, last in (
        (left + hinge, left + ear),
        (right + hinge * mirror, right + ear * mirror),
        (left + bridge, right + bridge * mirror),
    ):
        start, edge = len(vertices), np.array([0, 0, 0.003])
        vertices += [first + edge, first - edge, last - edge, last + edge]
        faces += [[start, start + 1, start + 2], [start, start + 2, start + 3]]
    tint = ((0.03, 0.03, 0.04), (0.12, 0.06, 0.03), (0.05, 0.07, 0.12))[rng.integers(3)]
    label = Part.SUNGLASSES if dark else Part.FACE
    return solid(figure.on_head(np.array(vertices, np.float32)), np.array(faces), label, Solid(tint, gloss=0.9))
