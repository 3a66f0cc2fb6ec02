"""What a face does: moods as small moves of the skin, cut on the template and so the same for every shape.

Lengths in metres from the point between the eyes: across (mirrored), up, and depth (negative in front).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import template

Floats = NDArray[np.floating]

SEAM = -0.0722
"""Height of the line between the lips below the eyes."""


@dataclass(frozen=True)
class Expression:
    """How much of each move, 0 to 1 (smile from -1, sad). `gaze` is how far the pupils stray, across and up, metres.

    `lids` is how far the eyelids are closed.
    """

    smile: float = 0.0
    open_mouth: float = 0.0
    raised_brows: float = 0.0
    frown: float = 0.0
    lids: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)


def draw_expression(rng: np.random.Generator) -> Expression:
    """Mostly calm or smiling; one face in twenty-five has closed eyes."""
    smile, parted, brows, frown = rng.random(4)
    glance = rng.normal(0, (0.0016, 0.0007))
    return Expression(
        smile=float(rng.uniform(0.2, 1.0)) if smile < 0.5 else float(rng.uniform(-0.4, 0.25)),
        open_mouth=float(rng.uniform(0.15, 1.0)) if parted < 0.25 else 0.0,
        raised_brows=float(rng.uniform(0.3, 1.0)) if brows < 0.2 else 0.0,
        frown=float(rng.uniform(0.3, 1.0)) if frown < 0.15 else 0.0,
        lids=1.0 if rng.random() < 0.04 else float(rng.uniform(0.0, 0.4)),
        gaze=(float(np.clip(glance[0], -0.0035, 0.0035)), float(np.clip(glance[1], -0.0015, 0.0015))),
    )


def face_shift(expression: Expression) -> Floats:
    """Where the expression moves every vertex of the unposed body, float32 [V, 3], metres."""
    moves = _moves()
    amounts = (expression.smile, expression.open_mouth, expression.raised_brows, expression.frown)
    return np.einsum("k,kvi->vi", np.asarray(amounts, np.float32), moves)


@lru_cache(maxsize=1)
def _moves() -> Floats:
    """Smile, open mouth, raised brows and frown at full strength, float32 [4, V, 3]."""
    body = template()
    place = body.points - body.eyes.mean(0)
    side, across, depth, up = np.sign(place[:, 0]), np.abs(place[:, 0]), place[:, 1], place[:, 2]
    skin = np.zeros(len(place), np.float32)
    skin[body.rows("skin")] = 1
    skin *= body.head > 0.5

    def push(centre: tuple[float, float], reach: float, by: tuple[float, float, float]) -> Floats:
        """A bump of moves around (across, up) on the front of the face; `by` is outwards, depth, up."""
        near = np.exp(-((across - centre[0]) ** 2 + (up - centre[1]) ** 2) / (2 * reach**2)) * (depth < 0.03) * skin
        outwards = np.tanh(across / 0.006) * side
        return near[:, None] * np.stack([by[0] * outwards, np.full_like(up, by[1]), np.full_like(up, by[2])], 1)

    smile = push((0.025, SEAM), 0.011, (0.0045, 0.003, 0.0055)) + push((0.042, -0.04), 0.014, (0.001, -0.0025, 0.002))
    brows = push((0.032, 0.026), 0.011, (0.0, -0.0005, 0.0055))
    frown = push((0.014, 0.022), 0.01, (-0.0028, -0.001, -0.0035))
    below = np.clip((SEAM + 0.0006 - up) / 0.0025, 0, 1)
    corner = np.clip((0.034 - across) / 0.022, 0, 1) + np.clip((SEAM - 0.012 - up) / 0.025, 0, 1)
    front = np.clip((0.075 - depth) / 0.07, 0, 1) * np.clip((up + 0.14) / 0.02, 0, 1)
    jaw = below * np.clip(corner, 0, 1) * front * skin
    opened = jaw[:, None] * np.array([0, 0.0025, -0.011])
    return np.stack([smile, opened, brows, frown]).astype(np.float32)
