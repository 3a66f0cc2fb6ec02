"""Hair: a cap where it grows, thin at its edges, and what hangs or is tied.

Lengths in metres from the point between the eyes: across, depth (negative in front), height.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import Figure, template
from discreet.data.people.garments import NECK, Garment, cut_garment
from discreet.data.people.identity import Identity
from discreet.data.people.materials import Hair, Material
from discreet.data.people.mesh import Layer, ellipsoid
from discreet.data.people.noise import noise
from discreet.data.people.strands import braid, locks, tail

Rng = np.random.Generator
Floats = NDArray[np.floating]

_HAIR = 2
_UNDER_A_HAT = 0.006


@dataclass(frozen=True)
class _Cut:
    """A hair style: metres that hair stands off the top and the sides of the head, and how much is shaved thin.

    `nape` is how far below the eyes it grows at the back, `fringe` the odds of one.
    """

    top: float
    sides: float
    nape: float = 0.1
    fringe: float = 0.0
    curly: bool = False
    thin_sides: float = 0.0
    thin_top: float = 0.0


_CUTS = {
    "balding": _Cut(0.004, 0.007, 0.08),
    "cropped": _Cut(0.004, 0.003, 0.07, thin_sides=0.5, thin_top=0.2),
    "short": _Cut(0.016, 0.008, 0.075, fringe=0.3),
    "undercut": _Cut(0.03, 0.003, 0.06, fringe=0.15, thin_sides=0.6),
    "full": _Cut(0.03, 0.02, 0.095, fringe=0.35),
    "bob": _Cut(0.02, 0.014, fringe=0.45),
    "long": _Cut(0.018, 0.012, fringe=0.25),
    "bun": _Cut(0.009, 0.008, fringe=0.15),
    "ponytail": _Cut(0.009, 0.008, fringe=0.25),
    "braids": _Cut(0.009, 0.007, fringe=0.1),
    "locks": _Cut(0.012, 0.01, curly=True),
    "curls": _Cut(0.042, 0.035, curly=True, fringe=0.3),
    "afro": _Cut(0.08, 0.075, curly=True),
}


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
    cut, own = _CUTS[kind], np.random.default_rng([identity.seed, 29])
    material = Hair(identity.hair, identity.seed, cut.curly, identity.skin, cut.thin_sides, cut.thin_top)
    fringe = bool(own.random() < cut.fringe)
    field = _scalp(cut, own, fringe=fringe, crown=kind != "balding")
    layers = [cut_garment(figure, Garment("skin", field, _HAIR, _lift(cut, field, own, hat_line), material))]
    if kind in ("bob", "long"):
        layers.append(_curtain(figure, identity, material, rng, hat_line))
    layers += _strands(figure, kind, own, material, hat_line)
    return [layer for layer in layers if layer is not None]


def _scalp(cut: _Cut, own: Rng, *, fringe: bool, crown: bool) -> Floats:
    """Where hair grows: above the brow, over the temples, around the ears, down to the nape."""
    body = template()
    points = body.points - body.eyes.mean(0)
    across, depth, height = points.T
    wide = np.abs(across)
    line = float(own.uniform(0.062, 0.08))
    recession = float(own.uniform(0.0, 0.02))
    front = height - line - recession * np.exp(-(((wide - 0.042) / 0.014) ** 2))
    if fringe:
        # Bangs hang over the forehead, straight or to one side.
        slant = float(own.choice([0.0, 0.25, -0.25]))
        front = height - own.uniform(0.022, 0.045) + slant * across
    temple = np.minimum(depth - own.uniform(0.034, 0.046), height - own.uniform(-0.02, 0.01))
    behind = np.minimum(depth - 0.098, height + cut.nape)
    hairline = _soft_max(np.minimum(front, 0.05), temple, 0.008)
    around_ear = 0.036 * (np.hypot((depth - 0.087) / 0.034, (height + 0.004) / 0.043) - 1)
    ear = np.where(wide > 0.05, around_ear, 0.05)
    field = np.minimum(np.maximum(hairline, behind), ear)
    if not crown:
        field = np.minimum(field, 0.062 + 0.25 * depth - height)
    ragged = 0.012 * (_on_the_head((170, 170, 50), int(own.integers(100_000))) - 0.5)
    return np.where(body.head > 0.5, field + ragged, -1).astype(np.float32)


def _on_the_head(frequency: tuple[float, float, float], seed: int) -> Floats:
    """Noise for every vertex of the head, float32 [V]; what is not of the head grows no hair."""
    rows, points = _head()
    found = np.zeros(len(template().points), np.float32)
    found[rows] = noise(points, frequency, seed)
    return found


@cache
def _head() -> tuple[NDArray[np.int32], Floats]:
    """The vertices of the head that belong to the skin, and their points."""
    body = template()
    skin = body.rows("skin")
    rows = skin[body.head[skin] > 0.5]
    return rows, body.points[rows]


def _soft_max(first: Floats, second: Floats, width: float) -> Floats:
    """The larger of two, without a corner where they meet."""
    return width * np.logaddexp(first / width, second / width)


def _lift(cut: _Cut, field: Floats, own: Rng, hat_line: float | None) -> Floats:
    """How far hair stands off: more on top, nothing at its edges, to one side of a parting, in tufts."""
    body = template()
    across, depth, height = (body.points - body.eyes.mean(0)).T
    top = np.clip((height - 0.03) / 0.05, 0, 1)
    volume = cut.sides + (cut.top - cut.sides) * top
    tufts = _on_the_head((34, 34, 16), int(own.integers(100_000))) - 0.5
    volume = volume * (1 + (0.7 if not cut.curly else 0.45) * tufts)
    if not cut.curly and own.random() < 0.6:
        side, parting = float(own.choice([-1, 1])), float(own.choice([0.0, 0.028, 0.036]))
        swept = 1 + 0.5 * np.clip(side * across / 0.06, -1, 1)
        groove = 1 - 0.75 * np.exp(-(((side * across + parting) / 0.007) ** 2)) * (depth < 0.12)
        volume = volume * (1 + (swept * groove - 1) * top)
    edge = np.clip(field / (0.012 + 0.35 * cut.sides), 0, 1)
    lift = 0.0015 + volume * edge * (2 - edge)
    return (lift if hat_line is None else np.minimum(lift, _UNDER_A_HAT)).astype(np.float32)


def _curtain(figure: Figure, identity: Identity, material: Material, rng: Rng, hat_line: float | None) -> Layer | None:
    """Hair that hangs: the helper mesh, cut below, around the face, and where a hat begins."""
    body = template()
    across, depth, height = (body.points - body.eyes.mean(0)).T
    length = 0.1 + 0.0006 * (identity.seed % 100)
    if identity.hair_style == "long":
        length = 0.2 + 0.0022 * (identity.seed % 100)
    # Behind both shoulders, before one of them, or before both.
    before = str(rng.choice(["none", "left", "right", "both"], p=[0.4, 0.12, 0.12, 0.36]))
    beside = np.abs(across) - 0.068 if before == "both" else across * (-1 if before == "right" else 1) - 0.064
    behind = np.maximum(depth - 0.045, height - 0.06)
    field = np.maximum(behind, beside) if before != "none" else behind
    hangs = body.rows("hair")
    ends = np.zeros(len(body.points), np.float32)
    ends[hangs] = 0.05 * (noise(body.points[hangs], (60, 60, 1), identity.seed) - 0.5)
    field = np.minimum(field, height + length + ends + rng.normal(0, 0.005))
    if hat_line is not None:
        field = np.minimum(field, hat_line - 0.012 - height)
    # From the shoulders down it lies over what is worn.
    over_clothes = np.clip((NECK + 0.05 - body.points[:, 2]) / 0.06, 0, 1)
    lift = 0.008 + rng.uniform(0.03, 0.055) * over_clothes
    return cut_garment(figure, Garment("hair", field, _HAIR, lift, material, crumple=0.014), identity.seed)


def _strands(figure: Figure, kind: str, own: Rng, material: Material, hat_line: float | None) -> list[Layer]:
    """A bun, a tail, braids or locks; under a hat only what hangs below it."""
    centre, radii = skull(figure, 0.05)
    highest = 0.06 if hat_line is None else hat_line - 0.075
    low = float(own.uniform(-0.07, 0.06))
    tied = centre + np.array([0, radii[1] - 0.25 * max(low, 0), min(low, highest)])
    match kind:
        case "bun" if hat_line is None or low < highest:
            size = own.uniform(0.032, 0.055)
            mesh = ellipsoid(tied + np.array([0, 0.012, 0.02]), (size, 0.85 * size, 0.9 * size))
        case "ponytail":
            mesh = tail(tied, float(own.uniform(0.16, 0.42)), float(own.uniform(0.018, 0.034)))
        case "braids" if own.random() < 0.5:
            mesh = braid(tied, np.array([0.0, 1.0, 0.0]), float(own.uniform(0.25, 0.45)), 0.02)
        case "braids":
            length = float(own.uniform(0.2, 0.36))
            sides = [(tied * (0, 1, 1) + (side * 0.055, -0.03, 0.0), side) for side in (-1, 1)]
            pairs = [braid(spot, np.array([0.7 * side, -0.1, 0.0]), length, 0.015) for spot, side in sides]
            return [_on_head(figure, *pair, material) for pair in pairs]
        case "locks":
            mesh = locks(_roots(figure, own, hat_line), centre, float(own.uniform(0.1, 0.3)), own)
        case _:
            return []
    return [_on_head(figure, *mesh, material)]


def _roots(figure: Figure, own: Rng, hat_line: float | None) -> Floats:
    """Where locks begin, [N, 3]: on the scalp, below a hat."""
    body = template()
    across, depth, height = (body.points - body.eyes.mean(0)).T
    grows = (
        (body.head > 0.9)
        & (depth > 0.05)
        & (np.abs(height - 0.02) < 0.075)
        & ((np.abs(across) < 0.07) | (height > 0.04))
    )
    if hat_line is not None:
        grows &= height < hat_line - 0.02
    rows = np.intersect1d(body.rows("skin"), np.flatnonzero(grows))
    return figure.shaped[own.choice(rows, min(46, len(rows)), replace=False)]


def _on_head(figure: Figure, vertices: Floats, faces: NDArray[np.int32], material: Material) -> Layer:
    return Layer(figure.on_head(vertices), faces, vertices, np.full(len(faces), _HAIR, np.uint8), material)


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
