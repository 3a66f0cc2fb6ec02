"""What is on the feet: bare skin, socks, sandals, low shoes, sneakers, boots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.data.people import garments as cut
from discreet.data.people.chance import draw
from discreet.data.people.colours import draw_colour
from discreet.data.people.garments import Garment
from discreet.data.people.materials import Cloth, Colour, Shoe
from discreet.data.people.noise import noise
from discreet.data.people.parts import Part
from discreet.data.people.styles import Style

Rng = np.random.Generator
Floats = NDArray[np.floating]

_SOLES: tuple[Colour, ...] = ((0.93, 0.93, 0.91), (0.1, 0.09, 0.08), (0.45, 0.32, 0.2))


@dataclass(frozen=True)
class Sandal:
    """Straps over a bare foot, and a sole. Annotators call all of it a shoe, and so do the labels.

    Args:
        skin, strap, sole: colours. straps: how many run across the foot. seed: blotches.
    """

    skin: Colour
    strap: Colour
    sole: Colour
    straps: int
    seed: int

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """Bands across the foot and around the heel."""
        depth, height = points_N3[:, 1], points_N3[:, 2] - cut.ANKLE
        colours = np.asarray(self.skin, np.float32) * (0.92 + 0.16 * noise(points_N3, 22, self.seed))[:, None]
        across = (np.abs((depth + 0.15) * self.straps / 0.2 % 1 - 0.5) < 0.2) & (depth < 0.0)
        heel = (np.abs(height + 0.01) < 0.009) & (depth > -0.03)
        colours[across | heel] = self.strap
        colours[height < -0.072] = self.sole
        return colours.astype(np.float32), normals_N3, 0.12


def draw_footwear(style: Style, skin: Colour, cold: float, rng: Rng) -> tuple[bool, list[Garment]]:
    """Whether tall boots are worn, and socks and shoes.

    Args:
        style: odds of bare feet and colours.
        skin: tone, for what sandals show.
        cold: 0 summer to 1 winter.
        rng: the picture's own.
    """
    barefoot = rng.random() < style.barefoot
    warm = 1 - cold
    if barefoot:
        return False, [_socks(style, rng)] if rng.random() < 0.2 * cold + 0.1 else []
    kinds = {"sneaker": 0.48, "low": 0.18 + 0.1 * warm, "sandal": 0.28 * warm**2,
             "ankle boot": 0.1 + 0.25 * cold, "tall boot": 0.02 + 0.16 * cold}  # fmt: skip
    kind = draw(rng, kinds)
    # Socks show over sneakers and low shoes; in summer mostly none do.
    socks = [_socks(style, rng)] if kind in ("sneaker", "low") and rng.random() < 0.3 + 0.45 * cold else []
    return kind == "tall boot", socks + _shoes(kind, style, skin, rng)


def _socks(style: Style, rng: Rng) -> Garment:
    """From under the ankle to the knee; mostly white, black or grey."""
    height = draw(rng, {0.04: 0.25, 0.09: 0.35, 0.16: 0.27, 0.36: 0.13}) + rng.normal(0, 0.01)
    plain: Colour = ((0.92, 0.92, 0.9), (0.08, 0.08, 0.09), (0.5, 0.5, 0.52))[rng.integers(3)]
    colour = plain if rng.random() < 0.65 else draw_colour(style, rng)
    pattern = "stripes" if rng.random() < 0.15 else "plain"
    cloth = Cloth(colour, draw_colour(style, rng), pattern, scale=60.0, folds=0.15, seed=int(rng.integers(100_000)))
    return Garment("tights", cut.foot(height), Part.SOCKS, 0.004, cloth)


def _shoes(kind: str, style: Style, skin: Colour, rng: Rng) -> list[Garment]:
    """A pair."""
    upper = draw_colour(style, rng)
    sole = _SOLES[rng.choice(3, p=(0.55, 0.35, 0.1) if kind == "sneaker" else (0.1, 0.75, 0.15))]
    if kind == "sandal":
        material = Sandal(skin, upper, sole, int(rng.integers(2, 5)), int(rng.integers(100_000)))
        return [Garment("tights", cut.foot(-0.005, side), label, 0.006, material) for side, label in _SIDES]
    top = {"sneaker": rng.uniform(-0.03, 0.03), "low": rng.uniform(-0.035, -0.01),
           "ankle boot": rng.uniform(0.05, 0.14), "tall boot": rng.uniform(0.2, 0.34)}[kind]  # fmt: skip
    gloss = float(rng.choice([0.05, 0.4], p=(0.8, 0.2) if kind == "sneaker" else (0.45, 0.55)))
    shoe = Shoe(upper, sole, sole_height=float(rng.uniform(-0.81, -0.795)), gloss=gloss)
    lift = 0.014 if "boot" in kind else 0.01
    fields = [(cut.foot(top, side), label) for side, label in _SIDES]
    if kind == "low" and rng.random() < 0.55:
        fields = [(np.minimum(field, cut.bare_instep()), label) for field, label in fields]
    return [Garment("tights", field, label, lift, shoe) for field, label in fields]


_SIDES = ((1, Part.LEFT_SHOE), (-1, Part.RIGHT_SHOE))
