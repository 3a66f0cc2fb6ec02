"""The head: hair, hats and sunglasses. Hats and glasses are rigid, and move with the head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import Figure, template
from discreet.data.people.garments import Garment, cut_garment
from discreet.data.people.identity import Identity
from discreet.data.people.materials import Cloth, Colour, Hair, Material, Solid
from discreet.data.people.mesh import Layer, ellipsoid, solid
from discreet.data.people.styles import Style

Rng = np.random.Generator
Floats = NDArray[np.floating]

_HAT, _HAIR, _SUNGLASSES = 1, 2, 4
_VOLUME = {"cropped": 0.004, "short": 0.01, "full": 0.02, "bob": 0.013, "long": 0.012, "curls": 0.035}


def dress_head(figure: Figure, identity: Identity, style: Style, rng: Rng) -> list[Layer]:
    """Hair, and perhaps a hat and sunglasses."""
    hatted = rng.random() < style.hats
    layers = _hair(figure, identity, rng, hatted=hatted)
    if hatted:
        layers += _hat(figure, rng)
    if rng.random() < style.glasses:
        layers.append(_sunglasses(figure, rng))
    return layers


def _scalp(line: float, nape: float) -> Floats:
    """Where hair grows: above a line over the brow and behind one that slopes to the nape."""
    body = template()
    eye = body.eyes.mean(0)
    across, depth, height = (body.points - eye).T
    front = height - line + 0.35 * np.clip(np.abs(across) - 0.035, 0, None)
    sideburn = np.minimum(depth - 0.062, height + 0.01)
    behind = np.minimum(depth - 0.098, height + nape)
    ear = np.maximum(np.maximum(0.07 - np.abs(across), np.abs(depth - 0.09) - 0.03), np.abs(height + 0.005) - 0.034)
    field = np.minimum(np.maximum(np.maximum(front, behind), sideburn), ear)
    return np.where(body.head > 0.5, field, -1).astype(np.float32)


def _hair(figure: Figure, identity: Identity, rng: Rng, *, hatted: bool) -> list[Layer]:
    """The hair of an identity, flattened under a hat."""
    kind = identity.hair_style
    if kind == "bald":
        return []
    material = Hair(identity.hair, identity.seed, curly=kind == "curls")
    volume = _VOLUME.get(kind, 0.008)
    volume = min(volume, 0.008) if hatted else volume
    line = 0.058 if kind in ("cropped", "short", "bun", "ponytail") else 0.05
    nape = 0.075 if kind in ("cropped", "short") else 0.1
    cap = Garment("skin", _scalp(line, nape), _HAIR, volume + 0.002, material, crumple=0.4 * volume + 0.002)
    layers = [cut_garment(figure, cap, identity.seed)]
    if kind in ("bob", "long"):
        layers.append(_curtain(figure, identity, material, rng))
    if kind in ("bun", "ponytail"):
        layers.append(_tied(figure, kind, identity, material))
    return [layer for layer in layers if layer is not None]


def _curtain(figure: Figure, identity: Identity, material: Material, rng: Rng) -> Layer | None:
    """Hair that hangs: the helper mesh, cut below and around the face."""
    body = template()
    eye = body.eyes.mean(0)
    across, depth, height = (body.points - eye).T
    length = 0.13 if identity.hair_style == "bob" else 0.2 + 0.002 * (identity.seed % 100)
    parting = 0.074 + 0.00016 * (identity.seed % 100)
    beside_face = np.maximum(np.maximum(depth - 0.04, np.abs(across) - parting), height - 0.055)
    field = np.minimum(height + length + rng.normal(0, 0.005), beside_face)
    return cut_garment(figure, Garment("hair", field, _HAIR, 0.006, material, crumple=0.012), identity.seed)


def _tied(figure: Figure, kind: str, identity: Identity, material: Material) -> Layer:
    """A bun or a tail at the back of the head."""
    centre, radii = _skull(figure, 0.05)
    if kind == "bun":
        spot = centre + np.array([0, radii[1] + 0.015, 0.02 + 0.0004 * (identity.seed % 100)])
        vertices, faces = ellipsoid(spot, (0.045, 0.04, 0.042))
    else:
        spot = centre + np.array([0, radii[1] + 0.025, -0.1])
        vertices, faces = ellipsoid(spot, (0.035, 0.03, 0.15))
    rest = vertices
    return Layer(figure.on_head(vertices), faces, rest, np.full(len(faces), _HAIR, np.uint8), material)


def _skull(figure: Figure, over_eyes: float) -> tuple[Floats, Floats]:
    """Centre [3] and half widths (x, y) of the unposed head at a height over the eyes."""
    body = template()
    rows = np.unique(body.meshes["skin"])
    eye_height = body.eyes[0, 2]
    ring = rows[(body.head[rows] > 0.9) & (np.abs(body.points[rows, 2] - eye_height - over_eyes) < 0.01)]
    points = figure.shaped[ring]
    low, high = points.min(0), points.max(0)
    centre = (low + high) / 2
    centre[2] = points[:, 2].mean()
    return centre.astype(np.float32), ((high - low) / 2)[:2].astype(np.float32)


def _hat(figure: Figure, rng: Rng) -> list[Layer]:
    """A woollen hat, a cap with a visor, a hat with a brim, or a bucket hat."""
    kind = str(rng.choice(["beanie", "cap", "brim", "bucket"], p=[0.3, 0.35, 0.2, 0.15]))
    colour: Colour = tuple(float(c) for c in rng.random(3) ** 1.5 * 0.9)  # type: ignore[assignment]
    second: Colour = tuple(float(c) for c in rng.random(3))  # type: ignore[assignment]
    pattern = str(rng.choice(["plain", "stripes", "check"], p=[0.75, 0.15, 0.1])) if kind == "beanie" else "plain"
    material = Cloth(colour, second, pattern, scale=40.0, folds=0.25, seed=int(rng.integers(100_000)))
    body = template()
    _, depth, height = (body.points - body.eyes.mean(0)).T
    line = float(rng.uniform(0.035, 0.055))
    slope = 0.35 if kind == "beanie" else 0.1
    field = np.where(body.head > 0.5, height - line + slope * np.clip(depth, 0, None), -1)
    crown = np.clip((height - line) / 0.1, 0, 1)
    lift = 0.016 + {"beanie": 0.02, "cap": 0.012, "brim": 0.03, "bucket": 0.02}[kind] * crown
    shell = cut_garment(figure, Garment("skin", field, _HAT, lift, material, crumple=0.006), int(rng.integers(1000)))
    layers = [shell] if shell else []
    if kind != "beanie":
        layers.append(_brim(figure, kind, line, material, rng))
    return layers


def _brim(figure: Figure, kind: str, line: float, material: Material, rng: Rng) -> Layer:
    """A flat or drooping ring about the head; a visor in front only."""
    centre, radii = _skull(figure, line)
    angles = np.linspace(0, 2 * np.pi, 49)
    outwards = np.stack([np.sin(angles), -np.cos(angles)], 1)
    if kind == "cap":
        facing = 0.0 if rng.random() < 0.9 else np.pi
        width = 0.085 * np.clip(np.cos(angles - facing), 0, 1) ** 0.6
        droop = 0.25
    else:
        width = np.full(len(angles), rng.uniform(0.06, 0.12) if kind == "brim" else 0.05)
        droop = 0.1 if kind == "brim" else 0.9
    inner = outwards * (radii + 0.012)
    outer = outwards * (radii + 0.014 + width[:, None])
    rings = [np.column_stack([inner, np.zeros(len(angles))]), np.column_stack([outer, -droop * width])]
    vertices = (np.concatenate(rings) + centre).astype(np.float32)
    count, row = len(angles), np.arange(len(angles) - 1)
    faces = np.concatenate(
        [np.stack([row, row + 1, row + count], 1), np.stack([row + 1, row + count + 1, row + count], 1)]
    ).astype(np.int32)
    faces = faces[(width[row] + width[row + 1])[np.tile(row, 2)] > 0.004]
    return Layer(figure.on_head(vertices), faces, vertices, np.full(len(faces), _HAT, np.uint8), material)


def _sunglasses(figure: Figure, rng: Rng) -> Layer:
    """Two lenses, a bridge and temples."""
    body = template()
    eyes = [figure.shaped[np.unique(body.meshes[name])].mean(0) for name in ("left_eye", "right_eye")]
    width, height = rng.uniform(0.024, 0.03), rng.uniform(0.016, 0.024)
    power = rng.uniform(0.6, 1.0)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    cosine, sine = np.cos(angles), np.sin(angles)
    rim = np.stack(
        [np.sign(cosine) * np.abs(cosine) ** power * width, -0.026 + 0.008 * cosine**2,
         np.sign(sine) * np.abs(sine) ** power * height], 1
    )  # fmt: skip
    vertices: list[Floats] = []
    faces: list[list[int]] = []
    for eye in eyes:
        start = len(vertices)
        vertices += [*(eye + rim), eye + rim.mean(0)]
        faces += [[start + k, start + (k + 1) % 24, start + 24] for k in range(24)]
    left, right = eyes
    mirror = np.array([-1, 1, 1])
    hinge, ear = np.array([width, -0.018, 0.006]), np.array([0.045, 0.085, 0.01])
    bridge = np.array([-width, -0.024, 0.004])
    for first, last in (
        (left + hinge, left + ear),
        (right + hinge * mirror, right + ear * mirror),
        (left + bridge, right + bridge * mirror),
    ):
        start, edge = len(vertices), np.array([0, 0, 0.003])
        vertices += [first + edge, first - edge, last - edge, last + edge]
        faces += [[start, start + 1, start + 2], [start, start + 2, start + 3]]
    tint = ((0.03, 0.03, 0.04), (0.12, 0.06, 0.03), (0.05, 0.07, 0.12))[rng.integers(3)]
    return solid(figure.on_head(np.array(vertices, np.float32)), np.array(faces), _SUNGLASSES, Solid(tint, gloss=0.9))
