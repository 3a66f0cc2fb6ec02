"""What is worn besides clothes: scarves with their ends, ties, hoods on the back, watches, gloves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from discreet.data.people import garments as cut
from discreet.data.people.body import template
from discreet.data.people.chance import draw
from discreet.data.people.colours import draw_colour
from discreet.data.people.garments import Garment
from discreet.data.people.materials import Cloth, Colour, Material, Solid
from discreet.data.people.parts import Part
from discreet.data.people.styles import Style

Rng = np.random.Generator
Floats = NDArray[np.floating]

_METALS: tuple[Colour, ...] = ((0.06, 0.06, 0.07), (0.75, 0.75, 0.76), (0.72, 0.58, 0.3), (0.3, 0.18, 0.1))


def draw_scarf(style: Style, worn: list[Garment], rng: Rng) -> list[Garment]:
    """A thick ring about the neck, often with ends, sometimes with a shawl over the shoulders, over what is worn."""
    patterns = {"plain": 0.45, "plaid": 0.22, "stripes": 0.13, "flowers": 0.08, "knit": 0.12}
    cloth = Cloth(
        draw_colour(style, rng), draw_colour(style, rng), draw(rng, patterns),
        scale=float(rng.uniform(18, 50)), folds=0.7, seed=int(rng.integers(100_000)),
    )  # fmt: skip
    ring = cut.around_neck(rng.uniform(0.02, 0.06), rng.uniform(0.03, 0.06))
    # Thickest in the middle and close to what is below at its edges; wound over the collar of a coat.
    lift = 0.008 + _off_the_neck(worn) + rng.uniform(0.03, 0.05) * np.clip(ring / 0.02, -1, 1)
    pieces = [Garment("skin", ring, Part.SCARF, lift.astype(np.float32), cloth, crumple=0.012, hides=False)]
    if rng.random() < 0.25:
        cape = cut.cape(rng.uniform(0.17, 0.24))
        shawl = Garment("tights", cape, Part.SCARF, 0.02, cloth, crumple=0.015, hides=False, drape=1.0)
        pieces.append(cut.over(shawl, worn, 0.012))
    for side in (1, -1) if rng.random() < 0.35 else (int(rng.choice([-1, 1])),):
        if rng.random() < 0.6:
            end = cut.strip(side * rng.uniform(0.035, 0.075), rng.uniform(0.03, 0.055), rng.uniform(0.12, 0.45))
            hanging = Garment("tights", end, Part.SCARF, 0.02, cloth, crumple=0.012, hides=False, drape=0.8)
            pieces.append(cut.over(hanging, worn, 0.014))
    return pieces


def _off_the_neck(worn: list[Garment]) -> float:
    """How far the collars of what is worn stand off."""
    near = np.abs(template().points[:, 2] - cut.NECK) < 0.03
    lifts = [np.where(near & (piece.field > 0), piece.lift, 0).max() for piece in worn if piece.mesh == "tights"]
    return float(max(lifts, default=0.0))


def draw_tie(style: Style, shirt: Garment, rng: Rng) -> Garment:
    """A tie on a shirt; there is no part of that name, it counts as the shirt."""
    pattern = draw(rng, {"plain": 0.5, "stripes": 0.3, "dots": 0.2})
    cloth = Cloth(
        draw_colour(style, rng), draw_colour(style, rng), pattern, scale=60.0, folds=0.05, gloss=0.15,
        seed=int(rng.integers(100_000)),
    )  # fmt: skip
    height = template().points[:, 2]
    half = 0.014 + 0.07 * np.clip(0.64 - height, 0, 0.3)
    tie = Garment("tights", cut.strip(0.0, half, 0.3), Part.UPPER_CLOTHES, 0.016, cloth, hides=False)
    return cut.over(tie, [shirt], 0.006)


def hood_behind(garment: Garment, rng: Rng) -> Garment:
    """The hood of a garment, lying on the shoulders behind the neck."""
    body = template()
    field = np.minimum(cut.around_neck(rng.uniform(0.07, 0.11), 0.05), body.points[:, 1] + rng.uniform(0.05, 0.08))
    return replace(
        garment, mesh="skin", field=field.astype(np.float32), lift=rng.uniform(0.04, 0.06), crumple=0.03, hides=False,
        drape=0.0,
    )  # fmt: skip


def draw_watch(rng: Rng) -> Garment:
    """A watch or a bracelet; it counts as the arm."""
    side = int(rng.choice([-1, 1]))
    start = rng.uniform(1.86, 1.92)
    material = Solid(_METALS[rng.integers(len(_METALS))], gloss=0.6)
    label = Part.LEFT_ARM if side > 0 else Part.RIGHT_ARM
    return Garment("skin", cut.wristband(side, start, rng.uniform(0.02, 0.07)), label, 0.004, material, hides=False)


def draw_gloves(style: Style, rng: Rng) -> Garment:
    """Knitted, leather or padded, to the wrist or over it."""
    thick = draw(rng, {0.003: 0.4, 0.006: 0.4, 0.012: 0.2})
    material: Material = Cloth(
        draw_colour(style, rng), draw_colour(style, rng), draw(rng, {"plain": 0.85, "stripes": 0.15}),
        scale=50.0, folds=0.15, gloss=float(rng.choice([0.03, 0.35])), seed=int(rng.integers(100_000)),
    )  # fmt: skip
    return Garment("skin", cut.hands() + rng.uniform(0.0, 0.05), Part.GLOVE, thick, material)
