"""How surfaces look: colour, bumps and gloss of a point, from where it lies on the body.

Colours are sRGB, 0–1, as triples. Shapes: N points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.noise import noise, noise_slope
from discreet.data.people.patterns import pattern_share

Floats = NDArray[np.floating]
Colour = tuple[float, float, float]

_CROWN = 0.905  # height on the template where the sides of the head end and its top begins
_FOOT = 0.19  # metres from the middle of the template to that of a foot
# Of the template, metres: where hair falls from, and the head's radius there.
_WHORL, _HEAD_RADIUS = np.array([0.0, -0.03], np.float32), 0.08


class Material(Protocol):
    """What a surface must answer."""

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """Colour float32 [N, 3], bent normals float32 [N, 3] (of any length), gloss 0–1."""
        ...


def triple(values: Floats) -> Colour:
    """Three numbers, such as a colour's, as a tuple of floats."""
    first, second, third = (float(value) for value in values)
    return first, second, third


def plain(colour: Colour, count: int) -> Floats:
    """One colour for `count` points, float32 [N, 3]."""
    return np.tile(np.asarray(colour, np.float32), (count, 1))


def blend(colours_N3: Floats, other: Colour | Floats, amount_N: Floats) -> Floats:
    """Towards another colour by an amount, which is clipped to 0-1."""
    amount = np.clip(amount_N, 0, 1).astype(np.float32)[:, None]
    return colours_N3 * (1 - amount) + np.asarray(other, np.float32) * amount


def _from_the_crown(points_N3: Floats) -> Floats:
    """Places on hair that falls from the crown to all sides, [N, 3]: whereabouts around it, and how far down."""
    around = points_N3[:, :2] - _WHORL
    away = np.maximum(np.linalg.norm(around, axis=1), 0.004)
    return np.column_stack([_HEAD_RADIUS * around / away[:, None], away - points_N3[:, 2]]).astype(np.float32)


def _around_the_crown(places_N3: Floats, slope_N3: Floats) -> Floats:
    """A slope between strands as a direction in space, [N, 3]: they differ around the head, not along it."""
    across = np.column_stack([-places_N3[:, 1], places_N3[:, 0]]) / _HEAD_RADIUS
    steep = (slope_N3[:, :2] * across).sum(1, keepdims=True)
    return np.column_stack([steep * across, np.zeros(len(steep))]).astype(np.float32)


@dataclass(frozen=True)
class Hair:
    """Strands that run down, or curls that run everywhere; shaved thin, the skin shows through.

    Args:
        colour, skin: sRGB. seed: which strands. curly: see above.
        thin_sides, thin_top: how much of the skin shows, 0 to 1.
    """

    colour: Colour
    seed: int
    curly: bool = False
    skin: Colour = (0.8, 0.6, 0.5)
    thin_sides: float = 0.0
    thin_top: float = 0.0

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """Strands of several shades in locks, which bend the normals: strong in dark hair, faint in light hair."""
        places, locks, strands = (points_N3, 130.0, 420.0)
        if not self.curly:
            places, locks, strands = _from_the_crown(points_N3), (260.0, 260.0, 9.0), (900.0, 900.0, 25.0)
        contrast = 1 - 0.65 * float(np.mean(self.colour))
        shade = 0.8 * noise(places, strands, self.seed) + 0.6 * noise(places, locks, self.seed + 11) - 0.7
        colours = np.asarray(self.colour, np.float32) * (1 + contrast * shade)[:, None]
        if self.thin_sides or self.thin_top:
            top = np.clip((points_N3[:, 2] - _CROWN) / 0.03, 0, 1)
            stubble = 0.4 + 1.2 * noise(points_N3, 420, self.seed + 5)
            colours = blend(colours, self.skin, (self.thin_sides + (self.thin_top - self.thin_sides) * top) * stubble)
        slope = noise_slope(places, locks, self.seed + 3)
        if not self.curly:
            slope = _around_the_crown(places, slope)
        return colours, normals_N3 + 0.9 * contrast * slope, 0.2


@dataclass(frozen=True)
class Cloth:
    """Fabric with a pattern and folds.

    Args:
        colour, second: sRGB. pattern: one of patterns.PATTERNS. scale: repeats a metre.
        folds: 0 smooth to 1 crumpled. gloss: 0 wool to 0.5 leather. seed: which folds.
        faded: how much it pales where it is worn.
    """

    colour: Colour
    second: Colour
    pattern: str = "plain"
    scale: float = 30.0
    folds: float = 0.3
    gloss: float = 0.03
    seed: int = 0
    faded: float = 0.0

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """Pattern, weave and wear; folds bend the normals."""
        colours = plain(self.colour, len(points_N3))
        if self.pattern != "plain":
            colours = blend(colours, self.second, pattern_share(self.pattern, points_N3, self.scale, self.seed))
        if self.faded:
            colours = blend(colours, (0.85, 0.87, 0.9), self.faded * (noise(points_N3, 9, self.seed + 7) - 0.35))
        weave = 0.93 + 0.14 * noise(points_N3, 500, self.seed)
        wide = noise_slope(points_N3, (13, 13, 8), self.seed + 1)
        fine = noise_slope(points_N3, (38, 38, 22), self.seed + 2)
        crease = noise(points_N3, (9, 9, 6), self.seed + 9)
        colours = colours * (weave * (1 - 0.25 * self.folds * crease))[:, None]
        normals = normals_N3 - self.folds * (2.4 * wide + 1.2 * fine)
        return colours.astype(np.float32), normals.astype(np.float32), self.gloss


@dataclass(frozen=True)
class Shoe:
    """An upper and a sole of another colour below `sole_height` (metres, on the template)."""

    upper: Colour
    sole: Colour
    sole_height: float
    gloss: float = 0.15

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """Two colours and a dark seam between them."""
        above = points_N3[:, 2] - self.sole_height
        colours = blend(plain(self.upper, len(points_N3)), self.sole, (above < 0) * 1.0)
        across, depth, height = points_N3.T
        tongue = (np.abs(np.abs(across) - _FOOT) < 0.02) & (depth < -0.07) & (np.abs(height + 0.745) < 0.03)
        laces = tongue & (height * 110 % 1 < 0.4)
        colours = blend(colours, np.asarray(self.sole) * 0.9, (laces & (above > 0.015)) * 0.7)
        seam = np.where(np.abs(above) < 0.002, 0.8, 0.0)
        return blend(colours, (0.05, 0.05, 0.05), seam), normals_N3, self.gloss


@dataclass(frozen=True)
class Solid:
    """One colour: lenses, furniture, walls; with stains where `rough`."""

    colour: Colour
    gloss: float = 0.1
    rough: float = 0.0
    seed: int = 0

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """The colour, darker and lighter in patches."""
        colours = plain(self.colour, len(points_N3))
        if self.rough:
            colours = colours * (1 + self.rough * (noise(points_N3, 6, self.seed) - 0.5)[:, None])
        return colours.astype(np.float32), normals_N3, self.gloss
