"""Colours of clothes: mostly black, white, grey, navy, beige and denim, as on any street; vivid ones now and then."""

from __future__ import annotations

import colorsys

import numpy as np

from discreet.data.people.materials import Colour
from discreet.data.people.styles import Style

Rng = np.random.Generator

_NEUTRAL: tuple[Colour, ...] = (
    (0.05, 0.05, 0.06), (0.1, 0.1, 0.11), (0.2, 0.2, 0.22), (0.36, 0.36, 0.38), (0.6, 0.6, 0.61), (0.78, 0.78, 0.77),
    (0.93, 0.93, 0.92), (0.96, 0.95, 0.92), (0.08, 0.1, 0.18), (0.13, 0.17, 0.3), (0.2, 0.15, 0.11), (0.4, 0.29, 0.2),
    (0.66, 0.55, 0.42), (0.82, 0.75, 0.63), (0.28, 0.3, 0.21), (0.36, 0.13, 0.15),
)  # fmt: skip
_NEUTRAL_WEIGHTS = np.array([5, 3, 3, 2, 2, 2, 5, 3, 4, 2, 1.5, 1.5, 2, 2, 1.5, 1.5])
_DENIM: tuple[Colour, ...] = (
    (0.1, 0.12, 0.18), (0.16, 0.22, 0.36), (0.25, 0.34, 0.5), (0.38, 0.48, 0.63), (0.55, 0.66, 0.78),
    (0.08, 0.08, 0.09),
)  # fmt: skip


def draw_colour(style: Style, rng: Rng) -> Colour:
    """Neutral, muted or vivid: the style says how often a hue is worn at all."""
    if rng.random() > 0.2 + 0.5 * style.saturation:
        base = np.asarray(_NEUTRAL[rng.choice(len(_NEUTRAL), p=_NEUTRAL_WEIGHTS / _NEUTRAL_WEIGHTS.sum())])
        return _triple(base * rng.uniform(0.85, 1.1) * rng.uniform(0.96, 1.04, 3))
    if rng.random() < 0.65:
        return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.15, 0.5), rng.uniform(0.25, 0.9))
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.5, 0.9), rng.uniform(0.35, 0.9))


def draw_denim(rng: Rng) -> Colour:
    """Indigo to washed out, or black."""
    return _triple(np.asarray(_DENIM[rng.integers(len(_DENIM))]) * rng.uniform(0.85, 1.15))


def _triple(colour: np.ndarray) -> Colour:
    red, green, blue = (float(channel) for channel in np.clip(colour, 0, 1))
    return red, green, blue
