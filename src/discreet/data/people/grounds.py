"""The ground: level, of one kind as far as the horizon, and no finer than the camera can see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.camera import Camera
from discreet.data.people.materials import Colour, blend, plain, triple
from discreet.data.people.mesh import Layer, solid
from discreet.data.people.noise import noise
from discreet.data.people.parts import Part

Rng = np.random.Generator
Floats = NDArray[np.floating]

_GROUNDS = {
    "asphalt": (0.42, 0.42, 0.43),
    "tiles": (0.56, 0.54, 0.5),
    "grass": (0.3, 0.38, 0.16),
    "gravel": (0.56, 0.5, 0.42),
    "boards": (0.5, 0.36, 0.24),
    "sand": (0.8, 0.7, 0.54),
    "carpet": (0.5, 0.45, 0.42),
    "sheet": (0.8, 0.8, 0.8),
    "snow": (0.9, 0.92, 0.95),
}
# Metres: as far as the horizon is lower than where it would be by less than a pixel; large faces are less exact.
_HORIZON_M, _NEAR_M = 2000.0, 60.0
_JOINT = 0.05  # of a tile


@dataclass(frozen=True)
class Floor:
    """Ground: asphalt, grass, gravel, tiles, boards or a seamless sheet; what pixels cannot show is averaged.

    Args:
        scale: tiles a metre. eye: [3], where it is seen from. pixel: how wide one is, a metre away; 0 shows all.
    """

    colour: Colour
    kind: str
    scale: float
    seed: int
    eye: tuple[float, float, float] = (0.0, 0.0, 1.5)
    pixel: float = 0.0

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """The colour with what the kind adds."""
        colours = plain(self.colour, len(points_N3))
        if self.kind == "sheet":
            return colours, normals_N3, 0.02
        wide, deep = self._footprints(points_N3)
        strength = {"grass": 0.7, "gravel": 0.5}.get(self.kind, 0.3)
        shade = 1 + 0.25 * self._grain(points_N3, deep, 60, 2)
        for share, frequency in ((0.5, 0.15), (0.6, 1.0), (0.4, 7.0)):
            shade += strength * share * self._grain(points_N3, deep, frequency * self.scale, 0)
        if self.kind == "grass":
            shade *= 1 + 0.8 * self._grain(points_N3, deep, (60, 25, 60), 1)
        colours = colours * shade[:, None]
        if self.kind in ("tiles", "boards"):
            along = _joints(points_N3[:, 0] * self.scale, wide[0] * self.scale)
            rows = self.scale * (1 if self.kind == "tiles" else 6)
            across = _joints(points_N3[:, 1] * rows, wide[1] * rows)
            colours = blend(colours, np.asarray(self.colour) * 0.5, 0.8 * (1 - (1 - along) * (1 - across)))
        return colours.astype(np.float32), normals_N3, 0.03

    def _footprints(self, points_N3: Floats) -> tuple[tuple[Floats, Floats], Floats]:
        """How much of the ground a pixel covers, metres: along x and y, and along the sight; [N] each."""
        x, y, height = (self.eye[axis] - points_N3[:, axis] for axis in range(3))
        level = np.maximum(np.hypot(x, y), 1e-6)
        across = self.pixel * np.hypot(level, height)
        deep = across * np.hypot(1, level / np.maximum(height, 1e-3))
        x, y = np.abs(x / level), np.abs(y / level)
        return (x * deep + y * across, y * deep + x * across), deep

    def _grain(
        self, points_N3: Floats, deep_N: Floats, frequency: float | tuple[float, float, float], number: int
    ) -> Floats:
        """Noise about 0, [N], that fades where pixels are as deep as its cells."""
        cells = deep_N * (frequency if isinstance(frequency, (int, float)) else max(frequency))
        clear = np.clip(1.25 - 0.75 * cells, 0, 1).astype(np.float32)
        some = np.flatnonzero(clear)
        clear[some] *= noise(points_N3.take(some, axis=0), frequency, self.seed + number) - 0.5
        return clear


def _joints(places_N: Floats, widths_N: Floats) -> Floats:
    """The share of joints, [N], between places half a width to both sides; in tiles."""
    widths = np.maximum(widths_N, 1e-4)
    ends = np.stack([places_N - widths / 2, places_N + widths / 2])
    whole = np.floor(ends)
    before = whole * _JOINT + np.minimum(ends - whole, _JOINT)
    return (before[1] - before[0]) / widths


def draw_ground(kinds: tuple[str, ...], camera: Camera, size_px: int, rng: Rng) -> tuple[Layer, Floats]:
    """A ground of one of some kinds, as a camera sees it, and its colour."""
    surface = str(rng.choice(kinds))
    colour = np.clip(np.asarray(_GROUNDS[surface]) * rng.uniform(0.65, 1.3) * rng.uniform(0.94, 1.06, 3), 0, 0.95)
    if surface == "sheet":
        colour = np.clip(rng.uniform(0.25, 0.95) * rng.uniform(0.8, 1.05, 3), 0, 1)
    look = {"sand": "gravel", "carpet": "gravel", "snow": "gravel"}.get(surface, surface)
    scale, seed = float(rng.uniform(0.7, 3.0)), int(rng.integers(100_000))
    eye, pixel = triple(camera.position), 2 * camera.spread / size_px
    return ground_layer(Floor(triple(colour), look, scale, seed, eye, pixel)), colour


def ground_layer(material: Floor) -> Layer:
    """A level ground up to the horizon."""
    ends = np.array([-_HORIZON_M, -_NEAR_M, _NEAR_M, _HORIZON_M], np.float32)
    y, x = (grid.ravel() for grid in np.meshgrid(ends, ends, indexing="ij"))
    low = np.arange(12).reshape(3, 4)[:, :3].ravel()
    faces = np.concatenate([np.stack([low, low + 1, low + 5], 1), np.stack([low, low + 5, low + 4], 1)])
    return solid(np.stack([x, y, np.zeros_like(x)], 1), faces.astype(np.int32), Part.BACKGROUND, material)
