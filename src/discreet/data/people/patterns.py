"""Patterns on cloth: how much of a second colour a point has, from where it lies on the unposed body.

Shapes: N points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.noise import noise

Floats = NDArray[np.floating]

# Odds of each where a cloth has one.
PATTERN_ODDS = {
    "plain": 0.0, "stripes": 0.2, "pinstripes": 0.05, "check": 0.1, "plaid": 0.11, "flowers": 0.13, "camouflage": 0.03,
    "leopard": 0.03, "dots": 0.07, "text": 0.1, "emblem": 0.08, "blocks": 0.08, "knit": 0.06, "tie-dye": 0.03,
    "gradient": 0.04,
}  # fmt: skip
PATTERNS = tuple(PATTERN_ODDS)
_SHOULDER = np.array([0.174, 0.609], np.float32)  # across and up, on the template
_DOWN_THE_ARM = np.array([0.67, -0.742], np.float32)
_ACROSS_THE_ARM = np.array([0.742, 0.67], np.float32)
_CHEST = 0.49  # height of its middle, metres


def unroll(points_N3: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Cloth as if laid flat: metres around and (upwards) along it, [N] each, and whether it is a sleeve.

    A sleeve goes on below the shoulder's height, so that stripes run around it.
    """
    wide, depth, height = np.abs(points_N3[:, 0]), points_N3[:, 1], points_N3[:, 2]
    off_shoulder = np.stack([wide, height], 1) - _SHOULDER
    sleeve = (wide > 0.165) & (off_shoulder[:, 1] > -1.108 * off_shoulder[:, 0] - 0.12)
    along = np.where(sleeve, _SHOULDER[1] - off_shoulder @ _DOWN_THE_ARM, height)
    around = np.where(sleeve, off_shoulder @ _ACROSS_THE_ARM, points_N3[:, 0]) + 0.9 * depth
    return around, along, sleeve


def pattern_share(pattern: str, points_N3: Floats, scale: float, seed: int) -> Floats:
    """How much of the second colour, float32 [N], 0 to 1; `scale` is repeats a metre."""
    around, along, _ = unroll(points_N3)
    across, up = around * scale, along * scale
    match pattern:
        case "stripes":
            share = up % 1 < 0.5
        case "pinstripes":
            share = across * 2 % 1 < 0.2
        case "check":
            share = 0.5 * (up * 0.7 % 1 < 0.5) + 0.5 * (across * 0.7 % 1 < 0.5)
        case "plaid":
            share = 0.5 * (_tartan(up * 0.3) + _tartan(across * 0.3))
        case "flowers":
            share = _flowers(across * 0.45, up * 0.45, seed)
        case "camouflage":
            share = np.round(2 * noise(points_N3, scale * 0.35, seed)) / 2
        case "leopard":
            share = np.abs(noise(points_N3, scale * 1.6, seed) - 0.6) < 0.07
        case "dots":
            share = (across * 0.6 % 1 - 0.5) ** 2 + (up * 0.6 % 1 - 0.5) ** 2 < 0.06
        case "text":
            share = _text(points_N3, scale, seed)
        case "emblem":
            share = _emblem(points_N3, seed)
        case "blocks":
            share = points_N3[:, 2] > 0.3 + 0.2 * (seed % 97) / 97
        case "knit":
            # Stitches of a few millimetres, and pale: pixels that are larger make other figures of them.
            share = 0.3 * ((np.abs(7 * across % 0.5 - 0.25) + 10 * up) * 0.5 % 1)
        case "tie-dye":
            middle = np.hypot(points_N3[:, 0] - 0.05, points_N3[:, 2] - 0.4)
            share = 0.5 + 0.5 * np.sin(40 * middle + 9 * noise(points_N3, 9, seed))
        case "gradient":
            share = (along + 0.1) / 0.65
        case _:
            share = np.zeros(len(points_N3))
    return np.clip(share, 0, 1).astype(np.float32)


def _tartan(position: Floats) -> Floats:
    """Broad and narrow bands."""
    place = position % 1
    return (place < 0.42) * 0.8 + ((np.abs(place - 0.6) < 0.03) | (np.abs(place - 0.84) < 0.03)) * 0.9


def _flowers(across: Floats, up: Floats, seed: int) -> Floats:
    """Five petals a cell, each flower off its cell's middle and turned; some cells are empty."""
    column, row = np.floor(across), np.floor(up)
    chance = np.sin(column * 12.9898 + row * 78.233 + seed) * 43758.5453 % 1
    x = across - column - 0.5 - 0.3 * (chance - 0.5)
    y = up - row - 0.5 - 0.3 * (chance * 7 % 1 - 0.5)
    reach = np.hypot(x, y)
    petals = 0.3 * (0.68 + 0.32 * np.cos(5 * np.arctan2(y, x) + 6.3 * chance))
    return ((reach < petals) & (reach > 0.07) & (chance < 0.8)) * 1.0


def _on_chest(points_N3: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Metres to the wearer's right and up from the chest's middle, and what lies in front."""
    return -points_N3[:, 0], points_N3[:, 2] - _CHEST, points_N3[:, 1] < -0.05


def _text(points_N3: Floats, scale: float, seed: int) -> Floats:
    """One to three lines of what looks like letters."""
    across, up, front = _on_chest(points_N3)
    num_lines, letter = 1 + seed % 3, 0.5 / scale + 0.016
    line = np.floor(up / (1.45 * letter) + num_lines / 2)
    inside = (line >= 0) & (line < num_lines) & ((up / (1.45 * letter) + num_lines / 2) % 1 < 0.69)
    half = 0.06 + 0.05 * np.abs(np.sin(seed + 2.1 * line))
    width = 0.75 * letter
    glyph, place = np.floor(across / width), across / width % 1
    strokes = noise(np.stack([across, 3.7 * line + 0.31 * glyph, up], 1), (2.6 / letter, 9, 2.6 / letter), seed) > 0.5
    return (front & inside & (np.abs(across) < half) & (place < 0.82) & strokes) * 1.0


def _emblem(points_N3: Floats, seed: int) -> Floats:
    """A round or star-like figure, large in the middle or small on one side."""
    across, up, front = _on_chest(points_N3)
    small = seed % 2
    size, points = (0.028 if small else 0.085), 3 + seed // 7 % 6
    across, up = across + small * 0.075, up - small * 0.05
    reach, angle = np.hypot(across, up) / size, np.arctan2(up, across)
    edge = 0.78 + 0.22 * np.cos(points * angle + seed)
    return (front & (reach < edge) & ~((reach > 0.35) & (reach < 0.45))) * 1.0
