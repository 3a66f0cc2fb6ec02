"""Hair: a cap where it grows, thin at its edges, and what hangs or is tied.

Lengths in metres from the point between the eyes: across, depth (negative in front), height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import Figure, template
from discreet.data.people.chance import draw
from discreet.data.people.garments import NECK, Garment, cut_garment
from discreet.data.people.identity import Identity
from discreet.data.people.materials import Hair, Material
from discreet.data.people.mesh import Layer, compact, cut_at_zero, ellipsoid, solid
from discreet.data.people.noise import noise
from discreet.data.people.parts import Part
from discreet.data.people.strands import braid, lay_over, locks, ribbons, tail

Rng = np.random.Generator
Floats = NDArray[np.floating]

_UNDER_A_HAT = 0.006  # metres that hair stands off the head, at most
_OFF_CLOTH = 0.006  # metres


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
    "balding": _Cut(0.004, 0.006, 0.08, thin_sides=0.3),
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


def grow_hair(
    figure: Figure, identity: Identity, rng: Rng, hat_line: float | None, worn: Sequence[Layer] = ()
) -> list[Layer]:
    """The hair of an identity; under a hat it is flat, and none is above the hat's line.

    Args:
        figure: the posed body. identity: style and colour.
        rng: the picture's own.
        hat_line: metres over the eyes from which a hat covers the head; None without one.
        worn: skin and clothes, from the inside out, that hair hangs over.
    """
    kind = identity.hair_style
    if kind == "bald":
        return []
    cut, own = _CUTS[kind], np.random.default_rng([identity.seed, 29])
    material = Hair(identity.hair, identity.seed, cut.curly, identity.skin, cut.thin_sides, cut.thin_top)
    fringe = bool(own.random() < cut.fringe)
    field = _scalp(cut, own, fringe=fringe, crown=kind != "balding")
    lift = figure.head_scale * _lift(cut, field, own, hat_line)
    layers = [cut_garment(figure, Garment("skin", field, Part.HAIR, lift, material))]
    if kind in ("bob", "long"):
        layers.append(_curtain(figure, identity, material, rng, hat_line, worn))
    for vertices, faces, sides in _strands(figure, kind, own, hat_line):
        posed = lay_over(_beside(figure, vertices), worn if kind != "bun" else (), _OFF_CLOTH, sides)
        layers.append(solid(posed, faces, Part.HAIR, material, vertices))
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
    before, low = own.uniform(0.034, 0.046), own.uniform(-0.02, 0.01)
    # Before the ear it runs out to a point.
    temple = np.minimum(depth - before, (height - low + 1.2 * (depth - 0.062)) / 1.56)
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


def _curtain(
    figure: Figure, identity: Identity, material: Material, rng: Rng, hat_line: float | None, worn: Sequence[Layer]
) -> Layer | None:
    """Hair that hangs over what is worn: ribbons, cut below, around the face, and where a hat begins."""
    body = template()
    loose = ribbons()
    points = loose.points
    across, depth, height = (points - body.eyes.mean(0)).T
    length = 0.1 + 0.0006 * (identity.seed % 100)
    if identity.hair_style == "long":
        length = 0.2 + 0.0022 * (identity.seed % 100)
    # Behind both shoulders, before one of them, or before both.
    before = draw(rng, {"none": 0.4, "left": 0.12, "right": 0.12, "both": 0.36})
    beside = np.abs(across) - 0.068 if before == "both" else across * (-1 if before == "right" else 1) - 0.064
    behind = np.maximum(depth - 0.045, height - 0.06)
    field = np.maximum(behind, beside) if before != "none" else behind
    ends = 0.05 * noise(points, (60, 60, 1), identity.seed) + 0.03 * noise(points, (240, 240, 1), identity.seed) - 0.04
    field = np.minimum(field, height + length + ends + rng.normal(0, 0.005))
    if hat_line is not None:
        field = np.minimum(field, hat_line - 0.012 - height)
    # From the shoulders down it is fuller.
    below = np.clip((NECK + 0.05 - points[:, 2]) / 0.06, 0, 1)
    lift = 0.008 + rng.uniform(0.005, 0.03) * below + 0.014 * (noise(points, 14, identity.seed) - 0.4) + loose.bulge
    lift = figure.head_scale * lift
    cut = cut_at_zero(loose.faces, field.astype(np.float32))
    if not len(cut.faces):
        return None
    rows, cut = cut.narrowed(len(points))
    posed = loose.mixed(figure.vertices, rows) + loose.mixed(figure.normals, rows) * lift[rows, None]
    posed = lay_over(posed, worn, _OFF_CLOTH + loose.bulge[rows])
    return compact(solid(cut.extend(posed), cut.faces, Part.HAIR, material, cut.extend(points[rows])))


def _strands(
    figure: Figure, kind: str, own: Rng, hat_line: float | None
) -> list[tuple[Floats, NDArray[np.int32], int]]:
    """A bun, a tail, braids or locks, beside the unposed head; under a hat only what hangs below it.

    Returns:
        Vertices, faces, and how many vertices in a row are around one place of a strand, of each.
    """
    scale, (centre, radii) = figure.head_scale, skull(figure, 0.05)
    highest = 0.06 if hat_line is None else hat_line - 0.075
    low = float(own.uniform(-0.07, 0.06))
    tied = centre + np.array([0, radii[1] - 0.25 * scale * max(low, 0), scale * min(low, highest)])
    match kind:
        case "bun" if hat_line is None or low < highest:
            size = scale * own.uniform(0.032, 0.055)
            middle = tied + scale * np.array([0, 0.012, 0.02])
            return [(*ellipsoid(middle, (size, 0.85 * size, 0.9 * size)), 1)]
        case "ponytail":
            return [(*tail(tied, float(own.uniform(0.16, 0.42)), scale * float(own.uniform(0.018, 0.034))), 12)]
        case "braids" if own.random() < 0.5:
            return [(*braid(tied, np.array([0.0, 1.0, 0.0]), float(own.uniform(0.25, 0.45)), 0.02 * scale), 7)]
        case "braids":
            length = float(own.uniform(0.2, 0.36))
            sides = [(tied * (0, 1, 1) + scale * np.array([side * 0.055, -0.03, 0.0]), side) for side in (-1, 1)]
            return [(*braid(spot, np.array([0.7 * side, -0.1, 0.0]), length, 0.015 * scale), 7) for spot, side in sides]
        case "locks":
            top = figure.shaped[template().rows("skin"), 2].max() - centre[2]
            roots = _roots(figure, own, hat_line)
            return [(*locks(roots, centre, np.array([*radii, top]), float(own.uniform(0.1, 0.3)), own), 5)]
        case _:
            return []


def _beside(figure: Figure, points_N3: Floats) -> Floats:
    """Points beside the unposed body, posed [N, 3]: from the head to the shoulders ever less with the head, and more
    with the trunk, down the back of which hair hangs however the head is bent.
    """
    body = template()
    trunk = (np.abs(body.points[:, 2] - NECK + 0.08) < 0.06) & (body.arm < 0.1)
    start, end = figure.shaped[trunk], figure.vertices[trunk]
    # The turn that takes the one as near as can be to the other (Kabsch 1976).
    left, _, right = np.linalg.svd(np.einsum("ni,nj->ij", start - start.mean(0), end - end.mean(0)))
    with_trunk = (points_N3 - start.mean(0)) @ (left @ right) + end.mean(0)
    share = np.clip((start[:, 2].max() + 0.04 - points_N3[:, 2]) / 0.12, 0, 1)[:, None]
    return (1 - share) * figure.on_head(points_N3) + share * with_trunk


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
