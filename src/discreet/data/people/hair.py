"""Hair: a cap where it grows, and what hangs or is tied."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import Figure, template
from discreet.data.people.garments import NECK, Garment, cut_garment
from discreet.data.people.identity import Identity
from discreet.data.people.materials import Hair, Material
from discreet.data.people.mesh import Layer, ellipsoid

Rng = np.random.Generator
Floats = NDArray[np.floating]

_HAIR = 2
_VOLUME = {"cropped": 0.004, "short": 0.01, "full": 0.02, "bob": 0.013, "long": 0.012, "curls": 0.035, "afro": 0.075}
_CURLY = ("curls", "afro")


def grow_hair(figure: Figure, identity: Identity, rng: Rng, hat_line: float | None) -> list[Layer]:
    """The hair of an identity; under a hat it is flat, and none is above the hat's line.

    Args:
        figure: the posed body. identity: style and colour.
        rng: the picture's own.
        hat_line: metres over the eyes from which a hat covers the head; None without one.
    """
    kind = identity.hair_style
    if kind == "bald":
        return []
    material = Hair(identity.hair, identity.seed, curly=kind in _CURLY)
    volume = _VOLUME.get(kind, 0.008)
    volume = volume if hat_line is None else min(volume, 0.006)
    line = 0.058 if kind in ("cropped", "short", "bun", "ponytail") else 0.05
    nape = 0.075 if kind in ("cropped", "short") else 0.1
    cap = Garment("skin", _scalp(line, nape), _HAIR, volume + 0.002, material, crumple=0.4 * volume + 0.002)
    layers = [cut_garment(figure, cap, identity.seed)]
    if kind in ("bob", "long"):
        layers.append(_curtain(figure, identity, material, rng, hat_line))
    if kind == "ponytail" or (kind == "bun" and hat_line is None):
        layers.append(_tied(figure, kind, identity, material, lowered=0.0 if hat_line is None else 0.08))
    return [layer for layer in layers if layer is not None]


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


def _curtain(figure: Figure, identity: Identity, material: Material, rng: Rng, hat_line: float | None) -> Layer | None:
    """Hair that hangs: the helper mesh, cut below, around the face, and where a hat begins."""
    body = template()
    eye = body.eyes.mean(0)
    across, depth, height = (body.points - eye).T
    length = 0.13 if identity.hair_style == "bob" else 0.2 + 0.002 * (identity.seed % 100)
    parting = 0.074 + 0.00016 * (identity.seed % 100)
    beside_face = np.maximum(np.maximum(depth - 0.04, np.abs(across) - parting), height - 0.055)
    field = np.minimum(height + length + rng.normal(0, 0.005), beside_face)
    if hat_line is not None:
        field = np.minimum(field, hat_line - 0.012 - height)
    # From the shoulders down it lies over what is worn.
    over_clothes = np.clip((NECK + 0.05 - body.points[:, 2]) / 0.06, 0, 1)
    lift = 0.006 + rng.uniform(0.03, 0.055) * over_clothes
    return cut_garment(figure, Garment("hair", field, _HAIR, lift, material, crumple=0.012), identity.seed)


def _tied(figure: Figure, kind: str, identity: Identity, material: Material, *, lowered: float) -> Layer:
    """A bun or a tail at the back of the head."""
    centre, radii = skull(figure, 0.05)
    if kind == "bun":
        spot = centre + np.array([0, radii[1] + 0.015, 0.02 + 0.0004 * (identity.seed % 100)])
        vertices, faces = ellipsoid(spot, (0.045, 0.04, 0.042))
    else:
        spot = centre + np.array([0, radii[1] + 0.025, -0.1 - lowered])
        vertices, faces = ellipsoid(spot, (0.035, 0.03, 0.15))
    rest = vertices
    return Layer(figure.on_head(vertices), faces, rest, np.full(len(faces), _HAIR, np.uint8), material)


def skull(figure: Figure, over_eyes: float) -> tuple[Floats, Floats]:
    """Centre [3] and half widths (x, y) of the unposed head at a height over the eyes."""
    body = template()
    rows = body.rows("skin")
    eye_height = body.eyes[0, 2]
    ring = rows[(body.head[rows] > 0.9) & (np.abs(body.points[rows, 2] - eye_height - over_eyes) < 0.01)]
    points = figure.shaped[ring]
    low, high = points.min(0), points.max(0)
    centre = (low + high) / 2
    centre[2] = points[:, 2].mean()
    return centre.astype(np.float32), ((high - low) / 2)[:2].astype(np.float32)
