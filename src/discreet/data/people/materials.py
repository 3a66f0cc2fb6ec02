"""How surfaces look: colour, bumps and gloss of a point, from where it lies on the body.

Colours are sRGB, 0–1, as triples. Shapes: N points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import template
from discreet.data.people.noise import noise, noise_slope

Floats = NDArray[np.floating]
Colour = tuple[float, float, float]


class Material(Protocol):
    """What a surface must answer."""

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """Colour float32 [N, 3], bent normals float32 [N, 3] (of any length), gloss 0–1."""
        ...


def _plain(colour: Colour, count: int) -> Floats:
    return np.tile(np.asarray(colour, np.float32), (count, 1))


def _blend(colours_N3: Floats, other: Colour | Floats, amount_N: Floats) -> Floats:
    amount = np.clip(amount_N, 0, 1).astype(np.float32)[:, None]
    return colours_N3 * (1 - amount) + np.asarray(other, np.float32) * amount


@dataclass(frozen=True)
class Skin:
    """Skin with lips, brows, blushed cheeks, and perhaps a beard or stubble.

    Args:
        tone, lips, hair: colours. seed: freckles and blotches.
        beard: 0 none to 1 full. brow: thickness, 1 usual.
    """

    tone: Colour
    lips: Colour
    hair: Colour
    seed: int
    beard: float = 0.0
    brow: float = 1.0

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """Blotches everywhere; the face only where the face is."""
        shade = 0.9 + 0.2 * noise(points_N3, 22, self.seed)
        colours = _plain(self.tone, len(points_N3)) * shade[:, None]
        in_face = (points_N3[:, 2] > template().eyes[0, 2] - 0.14) & (points_N3[:, 1] < -0.05)
        if in_face.any():
            colours[in_face] = self._face(points_N3[in_face], colours[in_face])
        return colours.astype(np.float32), normals_N3, 0.12

    def _face(self, points_N3: Floats, colours_N3: Floats) -> Floats:
        eye = template().eyes[0]
        across, up = np.abs(points_N3[:, 0]), points_N3[:, 2] - eye[2]
        cheek = np.exp(-((across - 0.045) ** 2 + (up + 0.035) ** 2) / (2 * 0.02**2))
        colours = _blend(colours_N3, np.asarray(self.tone) * [1.02, 0.8, 0.78], 0.5 * cheek)
        socket = np.exp(-((across - eye[0]) ** 2 / 0.02**2 + (up - 0.004) ** 2 / 0.012**2))
        colours = _blend(colours, np.asarray(self.tone) * [0.75, 0.6, 0.55], 0.45 * socket)
        if self.beard:
            jaw = np.clip((-0.035 - up) / 0.02, 0, 1) * np.clip((up + 0.16) / 0.02, 0, 1)
            jaw = np.maximum(jaw, np.clip((across - 0.055) / 0.01, 0, 1) * np.clip((0.0 - up) / 0.02, 0, 1))
            fuzz = 0.6 + 0.6 * noise(points_N3, 180, self.seed + 5)
            colours = _blend(colours, np.asarray(self.hair) * 0.8, self.beard * jaw * fuzz)
        mouth = 1 - (across / 0.026) ** 2 - ((up + 0.0685) / 0.0105) ** 2
        colours = _blend(colours, self.lips, 2.5 * mouth)
        seam = 1 - (across / 0.023) ** 2 - ((up + 0.068) / 0.0016) ** 2
        colours = _blend(colours, np.asarray(self.lips) * 0.35, 2.0 * seam)
        arch = up - 0.022 - 0.008 * self.brow + 0.3 * np.maximum(0, across - eye[0] - 0.006)
        brow = 1 - ((across - eye[0]) / 0.024) ** 2 - (arch / (0.0034 * self.brow)) ** 2
        return _blend(colours, np.asarray(self.hair) * 0.55, 1.5 * brow)


@dataclass(frozen=True)
class Eye:
    """White, iris and pupil around the point that looks forward."""

    centre: Colour
    iris: Colour

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """By the distance from the eye's axis."""
        distance = np.hypot(points_N3[:, 0] - self.centre[0], points_N3[:, 2] - self.centre[2])
        colours = _plain((0.86, 0.83, 0.81), len(points_N3))
        colours[distance < 0.0065] = self.iris
        colours[distance < 0.003] = 0.02
        return colours, normals_N3, 0.6


@dataclass(frozen=True)
class Hair:
    """Strands that run down, or curls that run everywhere."""

    colour: Colour
    seed: int
    curly: bool = False

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """Dark and light strands, and normals that follow them."""
        frequency = (110.0, 110.0, 110.0) if self.curly else (240.0, 240.0, 14.0)
        strands = 0.5 + 1.0 * noise(points_N3, frequency, self.seed)
        colours = np.asarray(self.colour, np.float32) * strands[:, None]
        return colours, normals_N3 + 0.9 * noise_slope(points_N3, frequency, self.seed + 3), 0.2


@dataclass(frozen=True)
class Cloth:
    """Fabric with a pattern and folds.

    Args:
        colour, second: sRGB. pattern: one of PATTERNS. scale: repeats a metre.
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
        colours = _blend(_plain(self.colour, len(points_N3)), self.second, self._pattern(points_N3))
        if self.faded:
            colours = _blend(colours, (0.85, 0.87, 0.9), self.faded * (noise(points_N3, 9, self.seed + 7) - 0.35))
        weave = 0.93 + 0.14 * noise(points_N3, 500, self.seed)
        wide = noise_slope(points_N3, (13, 13, 8), self.seed + 1)
        fine = noise_slope(points_N3, (38, 38, 22), self.seed + 2)
        crease = noise(points_N3, (9, 9, 6), self.seed + 9)
        colours = colours * (weave * (1 - 0.25 * self.folds * crease))[:, None]
        normals = normals_N3 - self.folds * (2.4 * wide + 1.2 * fine)
        return colours.astype(np.float32), normals.astype(np.float32), self.gloss

    def _pattern(self, points_N3: Floats) -> Floats:
        """How much of the second colour, 0–1."""
        scaled = points_N3 * self.scale
        around = np.arctan2(points_N3[:, 0], -points_N3[:, 1]) * self.scale * 0.13
        match self.pattern:
            case "stripes":
                return (scaled[:, 2] % 1 < 0.5).astype(np.float32)
            case "pinstripes":
                return (around * 2 % 1 < 0.25).astype(np.float32)
            case "check":
                return ((scaled[:, 2] * 0.5 % 1 < 0.5) * 0.5 + (around % 1 < 0.5) * 0.5).astype(np.float32)
            case "flowers":
                return ((noise(points_N3, self.scale, self.seed) > 0.58) * 1.0).astype(np.float32)
            case "camouflage":
                return np.round(2 * noise(points_N3, self.scale * 0.35, self.seed)).astype(np.float32) / 2
            case "dots":
                cell = np.stack([around, scaled[:, 2] * 0.6], 1) % 1 - 0.5
                return ((cell**2).sum(1) < 0.06).astype(np.float32)
            case "print":
                height = points_N3[:, 2] - 0.47
                near = (np.abs(points_N3[:, 0]) < 0.1) & (np.abs(height) < 0.1) & (points_N3[:, 1] < -0.05)
                return (near & (noise(points_N3, self.scale, self.seed) > 0.5)).astype(np.float32)
            case "blocks":
                return (points_N3[:, 2] > 0.42).astype(np.float32)
            case _:
                return np.zeros(len(points_N3), np.float32)


PATTERNS = ("plain", "stripes", "pinstripes", "check", "flowers", "camouflage", "dots", "print", "blocks")


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
        colours = _blend(_plain(self.upper, len(points_N3)), self.sole, (above < 0) * 1.0)
        laces = (np.abs(points_N3[:, 2] + 0.745) < 0.03) & (points_N3[:, 1] < -0.07) & (points_N3[:, 2] * 110 % 1 < 0.4)
        colours = _blend(colours, np.asarray(self.sole) * 0.9, (laces & (above > 0.015)) * 0.7)
        seam = np.where(np.abs(above) < 0.002, 0.8, 0.0)
        return _blend(colours, (0.05, 0.05, 0.05), seam), normals_N3, self.gloss


@dataclass(frozen=True)
class Solid:
    """One colour: lenses, furniture, walls; with stains where `rough`."""

    colour: Colour
    gloss: float = 0.1
    rough: float = 0.0
    seed: int = 0

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """The colour, darker and lighter in patches."""
        colours = _plain(self.colour, len(points_N3))
        if self.rough:
            colours = colours * (1 + self.rough * (noise(points_N3, 6, self.seed) - 0.5)[:, None])
        return colours.astype(np.float32), normals_N3, self.gloss


@dataclass(frozen=True)
class Floor:
    """Ground: asphalt, grass, tiles, boards or a seamless sheet."""

    colour: Colour
    kind: str
    scale: float
    seed: int

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """The colour with what the kind adds."""
        colours = _plain(self.colour, len(points_N3))
        if self.kind == "sheet":
            return colours, normals_N3, 0.02
        patches = 0.6 * noise(points_N3, self.scale, self.seed) + 0.4 * noise(points_N3, 7 * self.scale, self.seed)
        strength = {"grass": 0.7, "gravel": 0.5}.get(self.kind, 0.3)
        grain = noise(points_N3, 60, self.seed + 2)
        colours = colours * (1 + strength * (patches - 0.5) + 0.25 * (grain - 0.5))[:, None]
        if self.kind in ("tiles", "boards"):
            width = np.array([self.scale, self.scale * (1 if self.kind == "tiles" else 6)])
            joint = (points_N3[:, :2] * width % 1 < 0.05).any(1)
            colours = _blend(colours, np.asarray(self.colour) * 0.5, np.where(joint, 0.8, 0.0))
        if self.kind == "grass":
            colours = colours * (0.6 + 0.8 * noise(points_N3, (60, 25, 60), self.seed + 1))[:, None]
        return colours.astype(np.float32), normals_N3, 0.03
