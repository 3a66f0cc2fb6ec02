"""How garments are made up: ribs, plackets, zips, pockets, lapels, belts, quilting, on any cloth.

Lengths in metres on the template. Shapes: N points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.materials import Cloth, Colour, blend
from discreet.data.people.patterns import unroll

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]

MAKES = ("", "ribbed", "shirt", "zip", "tailored", "quilted", "jeans", "belted")


@dataclass(frozen=True)
class Tailored:
    """Cloth made up into a garment.

    Args:
        cloth: what it is made of. make: one of MAKES.
        hem: height where a trunk's garment ends. cuff: where its sleeves end, along as `unroll` counts.
        trim: buttons, zip, belt, edges.
        top: height of a waistband.
    """

    cloth: Cloth
    make: str
    hem: float = -1.0
    cuff: float = -1.0
    trim: Colour = (0.1, 0.1, 0.1)
    top: float = 0.3

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """The cloth, then what the make adds."""
        colours, normals, gloss = self.cloth.paint(points_N3, normals_N3)
        around, along, sleeve = unroll(points_N3)
        wide, front = np.abs(points_N3[:, 0]), (points_N3[:, 1] < -0.02) & ~sleeve
        from_end = along - np.where(sleeve, self.cuff, self.hem)
        colours = _darker(colours, 0.35 * (np.abs(from_end - 0.022) < 0.0016))
        match self.make:
            case "ribbed":
                ribs = (from_end < 0.055) & (from_end > -0.1)
                colours = _darker(colours, ribs * (0.12 + 0.2 * (around * 130 % 1 < 0.4)))
            case "shirt" | "zip":
                colours = self._opening(colours, wide, along, front)
            case "tailored":
                colours = self._lapels(colours, wide, along, front)
            case "quilted":
                place = along / 0.085 % 1
                colours = _darker(colours, 0.45 * np.exp(-((np.minimum(place, 1 - place) / 0.07) ** 2)))
                normals = normals + np.stack([0 * place, 0 * place, 1.3 * (place - 0.5)], 1).astype(np.float32)
            case "jeans" | "belted":
                colours = self._waistband(colours, points_N3, wide)
            case _:
                pass
        return colours.astype(np.float32), normals, gloss

    def _opening(self, colours: Floats, wide: Floats, along: Floats, front: Flags) -> Floats:
        """A button placket and a breast pocket, or a zip and two pockets."""
        colours = _darker(colours, 0.35 * (front & (np.abs(wide - 0.016) < 0.0013)))
        if self.make == "zip":
            pocket = front & (np.abs(wide - 0.11 - 0.25 * (along - 0.2)) < 0.0025) & (np.abs(along - 0.2) < 0.06)
            return blend(_darker(colours, 0.5 * pocket), self.trim, (front & (wide < 0.0035)) * 0.9)
        pocket = front & (along > 0.42) & _outline(wide - 0.085, along - 0.47, 0.04, 0.045)
        colours = _darker(colours, 0.3 * pocket)
        button = front & (np.hypot(wide, (along / 0.082 % 1 - 0.5) * 0.082) < 0.0055)
        return blend(colours, self.trim, button * 0.9)

    def _lapels(self, colours: Floats, wide: Floats, along: Floats, front: Flags) -> Floats:
        """Lapels that run to a V, flapped pockets, two buttons."""
        edge = 0.02 + 0.55 * np.clip(along - 0.36, 0, 0.16) - 0.3 * np.clip(along - 0.52, 0, 0.2)
        lapel = front & (along > 0.36) & (wide < edge)
        colours = _darker(colours, 0.12 * lapel + 0.5 * (front & (along > 0.36) & (np.abs(wide - edge) < 0.0022)))
        flap = front & (along < 0.25) & _outline(wide - 0.11, along - 0.17, 0.065, 0.02)
        button = front & (np.abs(wide - 0.02) < 0.007) & (np.abs((along - 0.26) % 0.1 - 0.05) < 0.007) & (along < 0.36)
        return blend(_darker(colours, 0.4 * flap), self.trim, button * 0.9)

    def _waistband(self, colours: Floats, points_N3: Floats, wide: Floats) -> Floats:
        """A fly and pockets, or a belt with a buckle."""
        height, depth = points_N3[:, 2], points_N3[:, 1]
        front, below = depth < -0.03, self.top - height
        fly = front & (np.abs(wide - 0.002) < 0.002) & (below > 0.035) & (below < 0.17)
        slant = front & (np.abs(wide - 0.06 - 0.5 * (below - 0.04)) < 0.002) & (below > 0.04) & (below < 0.16)
        back = (depth > 0.03) & _outline(wide - 0.09, below - 0.15, 0.05, 0.055)
        colours = _darker(colours, 0.45 * (fly | slant | back | (np.abs(below - 0.038) < 0.0015)))
        if self.make == "belted":
            colours = blend(colours, self.trim, (below < 0.038) * 1.0)
            buckle = front & (below < 0.042) & _outline(wide, below - 0.02, 0.024, 0.017, 0.005)
            colours = blend(colours, (0.75, 0.7, 0.55), buckle * 1.0)
        return colours


def _darker(colours_N3: Floats, amount_N: Floats) -> Floats:
    return colours_N3 * (1 - np.asarray(amount_N, np.float32))[:, None]


def _outline(x: Floats, y: Floats, half_width: float, half_height: float, line: float = 0.0022) -> Flags:
    """The edge of a rectangle around 0, 0."""
    outside = np.maximum(np.abs(x) - half_width, np.abs(y) - half_height)
    return np.abs(outside) < line
