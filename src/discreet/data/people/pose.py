"""Poses: a library of arms and legs in words, turned into bone rotations.

An arm is two directions, of the upper arm and of the forearm, in the axes of the chest as the
left arm sees them: x outwards, -y forwards, z up. The elbow's plane fixes the twist. A leg is
three angles: thigh forwards, thigh outwards, knee.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import template

Floats = NDArray[np.floating]
Direction = tuple[float, float, float]

ARMS: dict[str, tuple[Direction, Direction]] = {
    "hanging": ((0.22, 0.05, -1.0), (0.12, -0.3, -1.0)),
    "loose": ((0.4, 0.1, -1.0), (0.2, -0.45, -1.0)),
    "hand on hip": ((0.8, 0.4, -0.6), (-0.75, -0.45, -0.45)),
    "across": ((0.25, -0.35, -0.9), (-0.85, -0.6, 0.1)),
    "to the ear": ((0.5, -0.6, -0.6), (-0.15, -0.1, 1.0)),
    "to the chin": ((0.2, -0.5, -0.8), (-0.25, -0.35, 1.0)),
    "holding": ((0.2, -0.25, -0.95), (-0.25, -0.9, 0.2)),
    "raised": ((0.55, -0.15, 0.9), (0.1, -0.2, 1.0)),
    "waving": ((0.9, -0.15, -0.1), (0.3, -0.3, 1.0)),
    "wide": ((1.0, 0.0, -0.15), (1.0, -0.25, 0.1)),
    "in the pocket": ((0.4, 0.25, -0.9), (0.0, -0.5, -0.9)),
    "behind the back": ((0.3, 0.4, -0.9), (-0.4, 0.25, -0.85)),
    "forwards": ((0.2, -0.85, -0.3), (0.0, -1.0, 0.1)),
}
_ARM_ODDS = {"hanging": 6, "loose": 4, "holding": 2, "in the pocket": 2, "hand on hip": 1.5, "to the ear": 0.7}

LEGS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "standing": ((0.02, 0.05, 0.03), (0.0, 0.05, 0.03)),
    "at ease": ((0.0, 0.03, 0.0), (0.25, 0.12, 0.4)),
    "astride": ((0.0, 0.25, 0.03), (0.0, 0.25, 0.03)),
    "stepping": ((0.45, 0.02, 0.15), (-0.35, 0.02, 0.35)),
    "striding": ((0.65, 0.02, 0.2), (-0.5, 0.02, 0.5)),
    "running": ((1.0, 0.02, 1.2), (-0.4, 0.02, 1.0)),
    "climbing": ((1.1, 0.1, 1.2), (0.0, 0.05, 0.05)),
    "sitting": ((1.5, 0.12, 1.5), (1.5, 0.12, 1.45)),
    "crouching": ((1.9, 0.25, 2.1), (1.5, 0.2, 2.0)),
}
_LEG_ODDS = {"standing": 4, "at ease": 4, "stepping": 3.5, "striding": 1.5, "sitting": 1.2, "crouching": 0.3}


@dataclass(frozen=True)
class Pose:
    """Bone rotations by name, and whether the person sits (and needs a seat)."""

    rotations: dict[str, Floats]
    sitting: bool


def turn(axis: int, angle: float) -> Floats:
    """Rotation [3, 3] about x (0), y (1) or z (2), radians."""
    first, second = ((1, 2), (2, 0), (0, 1))[axis]
    matrix = np.eye(3, dtype=np.float32)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def draw_pose(rng: np.random.Generator, *, swing: float = 1.0) -> Pose:
    """A random pose; `swing` scales how far from its keyed pose a limb strays."""
    legs = _draw(rng, list(LEGS), _LEG_ODDS)
    rotations = _spine(rng)
    left_first = rng.random() < 0.5
    for side, sign in (("L", 1.0), ("R", -1.0)):
        angles = np.array(LEGS[legs][0 if (side == "L") == left_first else 1])
        angles = angles + rng.normal(0, swing * np.array([0.06, 0.03, 0.05]))
        rotations.update(_leg(side, sign, angles, twist=sign * rng.uniform(0, 0.35)))
    together = rng.random() < 0.35
    arm = _draw(rng, list(ARMS), _ARM_ODDS)
    for side, sign in (("L", 1.0), ("R", -1.0)):
        if side == "R" and not together:
            arm = _draw(rng, list(ARMS), _ARM_ODDS)
        upper, fore = (np.array(part) + rng.normal(0, swing * 0.09, 3) for part in ARMS[arm])
        if legs in ("stepping", "striding", "running") and arm in ("hanging", "loose"):
            forward = 0.45 if (side == "R") == left_first else -0.4
            upper, fore = upper - [0, forward, 0], fore - [0, forward + 0.15, 0]
        rotations.update(_arm(side, sign, upper, fore))
    return Pose(rotations, sitting=legs == "sitting")


def _draw(rng: np.random.Generator, names: list[str], odds: dict[str, float]) -> str:
    """A name, those without odds of their own at 0.5."""
    weights = np.array([odds.get(name, 0.5) for name in names])
    return names[rng.choice(len(names), p=weights / weights.sum())]


def _spine(rng: np.random.Generator) -> dict[str, Floats]:
    """A slight bend and twist of the back, and a turned, tilted, nodding head."""
    bend, lean, twist = rng.normal(0, 0.07), rng.normal(0, 0.05), rng.normal(0, 0.12)
    nod, tilt, look = rng.normal(0.0, 0.13), rng.normal(0, 0.08), rng.normal(0, 0.3)
    part = turn(0, bend / 3) @ turn(1, lean / 3) @ turn(2, twist / 3)
    return {
        "spine04": part,
        "spine03": part,
        "spine02": part,
        "neck01": turn(0, nod / 2) @ turn(2, look / 2),
        "head": turn(0, nod / 2) @ turn(1, tilt) @ turn(2, look / 2),
    }


def _frame(along: Floats, bend_axis: Floats) -> Floats:
    """Orthonormal columns: the direction, the axis it bends about, and their cross product."""
    along = along / np.linalg.norm(along)
    axis = bend_axis - along * (bend_axis @ along)
    axis = axis / np.linalg.norm(axis)
    return np.stack([along, axis, np.cross(along, axis)], 1)


def _arm(side: str, sign: float, upper: Floats, fore: Floats) -> dict[str, Floats]:
    """Rotations of collarbone, upper arm and forearm for two directions (x outwards)."""
    body = template()
    mirror = np.array([sign, 1, 1])
    upper, fore = upper * mirror, fore * mirror
    joint = {name: body.heads[body.bones[f"{name}.{side}"]] for name in ("upperarm01", "lowerarm01", "wrist")}
    rest_upper, rest_fore = joint["lowerarm01"] - joint["upperarm01"], joint["wrist"] - joint["lowerarm01"]
    rest_axis, axis = np.cross(rest_upper, rest_fore), np.cross(upper, fore)
    if np.linalg.norm(axis) < 0.1:
        axis = np.cross(upper, np.array([0.0, -1.0, 0.3]))
    raising = max(0.0, float(upper[2] / np.linalg.norm(upper)) + 0.4)
    collar = turn(1, -sign * 0.35 * raising)
    upper_turn = _frame(upper, axis) @ _frame(rest_upper, rest_axis).T
    fore_turn = _frame(fore, axis) @ _frame(rest_fore, rest_axis).T
    return {
        f"clavicle.{side}": collar,
        f"upperarm01.{side}": (collar.T @ upper_turn).astype(np.float32),
        f"lowerarm01.{side}": (upper_turn.T @ fore_turn).astype(np.float32),
    }


def _leg(side: str, sign: float, angles: Floats, twist: float) -> dict[str, Floats]:
    """Rotations of thigh, shin and foot for thigh forwards, thigh outwards, knee (radians)."""
    forwards, outwards, knee = (float(angle) for angle in angles)
    knee = max(knee, 0.0)
    thigh = turn(2, twist) @ turn(1, -sign * (outwards - 0.05)) @ turn(0, -forwards)
    foot = np.clip(knee - forwards, -0.4, 0.5)
    return {
        f"upperleg01.{side}": thigh,
        f"lowerleg01.{side}": turn(0, knee),
        f"foot.{side}": turn(0, -float(foot) * 0.8),
    }
