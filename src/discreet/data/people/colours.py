"""Colours of clothes: mostly black, white, grey, navy, beige and denim, as on any street; vivid ones now and then."""

from __future__ import annotations

import colorsys

import numpy as np

from discreet.data.people.chance import draw
from discreet.data.people.materials import Colour, triple
from discreet.data.people.styles import Style

Rng = np.random.Generator

# Each with its odds against the others.
_NEUTRAL: dict[Colour, float] = {
    (0.05, 0.05, 0.06): 5, (0.1, 0.1, 0.11): 3, (0.2, 0.2, 0.22): 3, (0.36, 0.36, 0.38): 2, (0.6, 0.6, 0.61): 2,
    (0.78, 0.78, 0.77): 2, (0.93, 0.93, 0.92): 5, (0.96, 0.95, 0.92): 3, (0.08, 0.1, 0.18): 4, (0.13, 0.17, 0.3): 2,
    (0.2, 0.15, 0.11): 1.5, (0.4, 0.29, 0.2): 1.5, (0.66, 0.55, 0.42): 2, (0.82, 0.75, 0.63): 2,
    (0.28, 0.3, 0.21): 1.5, (0.36, 0.13, 0.15): 1.5,
}  # fmt: skip
_DENIM: tuple[Colour, ...] = (
    (0.1, 0.12, 0.18), (0.16, 0.22, 0.36), (0.25, 0.34, 0.5), (0.38, 0.48, 0.63), (0.55, 0.66, 0.78),
    (0.08, 0.08, 0.09),
)  # fmt: skip


def draw_colour(style: Style, rng: Rng) -> Colour:
    """Neutral, muted or vivid: the style says how often a hue is worn at all."""
    if rng.random() > 0.2 + 0.5 * style.saturation:
        base = np.asarray(draw(rng, _NEUTRAL))
        return triple(np.clip(base * rng.uniform(0.85, 1.1) * rng.uniform(0.96, 1.04, 3), 0, 1))
    if rng.random() < 0.65:
        return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.15, 0.5), rng.uniform(0.25, 0.9))
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.5, 0.9), rng.uniform(0.35, 0.9))


def draw_denim(rng: Rng) -> Colour:
    """Indigo to washed out, or black."""
    return triple(np.clip(np.asarray(_DENIM[rng.integers(len(_DENIM))]) * rng.uniform(0.85, 1.15), 0, 1))
