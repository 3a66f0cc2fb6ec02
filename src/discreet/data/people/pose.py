"""Poses: a keyed posture, mixed with another, jittered, kept off the body, turned into bone rotations.

The elbow's plane fixes the twist of an arm; soles are put flat by the ankle as far as it bends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import template
from discreet.data.people.chance import draw
from discreet.data.people.postures import ARMS, POSTURES, Posture

Rng = np.random.Generator
Floats = NDArray[np.floating]

_MARGIN = 0.035  # metres of clothes between an arm and the torso
_THIGH, _SHIN = 0.436, 0.435  # metres, of the template
_THIGH_AHEAD, _KNEE_BENT = 0.074, 0.158  # radians, of the unposed body
# Of joints over the ground: an ankle over its sole, a knee over its shin, hips over what one sits on; metres.
_SOLE_HEIGHT, _KNEE_HEIGHT, _SEAT_HEIGHT = 0.09, 0.04, 0.06
_LIMITS = np.array([(-0.6, 2.45), (-1.65, 1.1), (0.0, 2.45)])  # radians: thigh forwards, thigh outwards, knee
_FINGERS, _SEATED_ROOT = 0.07, 0.1  # metres: beyond arm_points, and how high the spine's root sits
_SIDES = (("L", 1.0), ("R", -1.0))


@dataclass(frozen=True)
class Pose:
    """Bone rotations by name, and what they came from.

    Args:
        rotations: float32 [3, 3] by bone. posture: one of POSTURES. arms: of the left and the right, of ARMS.
    """

    rotations: dict[str, Floats]
    posture: str
    arms: tuple[str, str]

    @property
    def support(self) -> str:
        """What the body rests on: "feet", "seat", "floor" or "lying"."""
        return POSTURES[self.posture].support

    @property
    def on_a_step(self) -> bool:
        """Whether one foot stands higher than the other."""
        return "step" in POSTURES[self.posture].rests


def turn(axis: int, angle: float) -> Floats:
    """Rotation [3, 3] about x (0), y (1) or z (2), radians."""
    first, second = ((1, 2), (2, 0), (0, 1))[axis]
    matrix = np.eye(3, dtype=np.float32)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def draw_pose(rng: Rng, *, supports: tuple[str, ...] = ("feet", "seat", "floor", "lying")) -> Pose:
    """A random pose.

    Args:
        supports: what there is to rest on.
    """
    name = draw(rng, {key: posture.odds for key, posture in POSTURES.items() if posture.support in supports})
    posture = POSTURES[name]
    left_first = bool(rng.random() < 0.5)
    legs = _legs(name, left_first, rng)
    rotations = _spine(posture, left_first, rng)
    for (side, sign), angles in zip(_SIDES, legs, strict=True):
        rotations.update(_leg(side, sign, angles, posture, rng))
    arms = _arm_names(posture, legs, rng)
    for (side, sign), arm in zip(_SIDES, arms, strict=True):
        upper, fore = (np.array(part) + rng.normal(0, 0.08, 3) for part in ARMS[arm])
        if _is_prone(posture):
            upper[1], fore[1] = max(upper[1], 0.05), max(fore[1], 0.05)
        upper, fore = off_the_torso(upper, fore)
        if posture.support == "floor":
            upper, fore = _off_the_ground(upper, fore, sign, rotations)
        rotations.update(_arm(side, sign, upper, fore))
        rotations.update(_hand(side, sign, rng))
    return Pose(rotations, name, arms)


def _is_prone(posture: Posture) -> bool:
    return posture.lean[0] > 1


def _legs(name: str, left_first: bool, rng: Rng) -> Floats:
    """Angles [2, 3] of the left and the right leg, within what joints allow."""
    posture, kin = POSTURES[name], _kin(name)
    other, mix = kin[int(rng.integers(len(kin)))], 0.45 * rng.random() ** 2
    angles = np.array(posture.legs) * (1 - mix) + np.array(other.legs) * mix
    angles = angles + rng.normal(0, [0.05, 0.03, 0.05], (2, 3))
    angles = _rested(np.clip(angles, _LIMITS[:, 0], _LIMITS[:, 1]), posture)
    angles = angles if left_first else angles[::-1]
    return _planted(angles, posture.lean[0]) if posture.planted else angles


@cache
def _kin(name: str) -> list[Posture]:
    """The postures that a posture mixes with."""
    return [other for other in POSTURES.values() if _akin(POSTURES[name], other)]


def _akin(one: Posture, other: Posture) -> bool:
    """Whether a pose halfway between the two is one that people take."""
    near = np.abs(np.array(one.legs) - np.array(other.legs)).max() < 0.75
    return one.support == other.support and one.planted == other.planted and one.lean == other.lean and bool(near)


def _planted(angles: Floats, pitch: float) -> Floats:
    """The longer leg's knee bent until both ankles are equally low; the body leans by `pitch`."""
    forwards, outwards, knee = angles.T
    forwards = forwards - pitch
    drops = np.cos(outwards) * (_THIGH * np.cos(forwards) + _SHIN * np.cos(forwards - knee))
    longer = int(np.argmax(drops))
    shin = (drops.min() / np.cos(outwards[longer]) - _THIGH * np.cos(forwards[longer])) / _SHIN
    angles = angles.copy()
    angles[longer, 2] = max(angles[longer, 2], forwards[longer] + np.arccos(np.clip(shin, -1, 1)))
    return angles


def _rested(angles: Floats, posture: Posture) -> Floats:
    """Knees bent until shins and soles lie on the ground where they are to, and thighs raised until heels do."""
    angles = angles.copy()
    thighs, knees = angles[:, 0] - posture.lean[0] + _THIGH_AHEAD, angles[:, 2] + _KNEE_BENT
    kneels = "shin" in posture.rests
    hip = _THIGH * np.cos(thighs[posture.rests.index("shin")]) + _KNEE_HEIGHT if kneels else _SEAT_HEIGHT
    for leg, what in enumerate(posture.rests):
        match what:
            case "shin":
                angles[leg, 2] = thighs[leg] + np.pi / 2 - _KNEE_BENT
            case "sole":
                drop = (hip - _SOLE_HEIGHT - _THIGH * np.cos(thighs[leg])) / _SHIN
                angles[leg, 2] = thighs[leg] - _KNEE_BENT - np.arccos(np.clip(drop, -1, 1))
            case "heel":
                angles[leg, 0] += np.pi / 2 + knees[leg] / 2 - thighs[leg]
    return np.clip(angles, _LIMITS[:, 0], _LIMITS[:, 1])


def _arm_names(posture: Posture, legs: Floats, rng: Rng) -> tuple[str, str]:
    """The left and the right arm; alike more often than chance."""
    left = draw(rng, posture.arms)
    right = left if rng.random() < 0.4 else draw(rng, posture.arms)
    ahead = legs[0, 0] > legs[1, 0]
    swings = ("swung backwards", "swung forwards") if ahead else ("swung forwards", "swung backwards")
    names = [swings[k] if arm == "swung" else arm for k, arm in enumerate((left, right))]
    return names[0], names[1]


def _spine(posture: Posture, left_first: bool, rng: Rng) -> dict[str, Floats]:
    """The body's lean, a bent and twisted back, and a head that turns, tilts and nods."""
    side = 1.0 if left_first else -1.0
    bend, lean, twist = rng.normal(*posture.bend), rng.normal(0, 0.05), rng.normal(0, 0.13)
    nod, tilt, look = rng.normal(0.02, 0.13), rng.normal(0, 0.09), rng.normal(0, 0.3)
    match draw(rng, {"ahead": 0.66, "down": 0.16, "aside": 0.13, "up": 0.05}):
        case "down":
            nod += rng.uniform(0.25, 0.6)
        case "aside":
            look += rng.choice([-1, 1]) * rng.uniform(0.4, 0.9)
        case "up":
            nod -= rng.uniform(0.2, 0.45)
    if _is_prone(posture):
        nod = -abs(nod)
    elif posture.support != "lying":
        nod -= 0.55 * (bend + max(posture.lean[0], 0.0))
    nod, look = float(np.clip(nod, -0.6, 0.75)), float(np.clip(look, -1.1, 1.1))
    part = turn(0, bend / 3) @ turn(1, lean / 3) @ turn(2, twist / 3)
    return {
        "root": turn(1, side * posture.lean[1]) @ turn(0, posture.lean[0]),
        "spine04": part,
        "spine03": part,
        "spine02": part,
        "neck01": turn(0, nod / 2) @ turn(2, look / 2),
        "head": turn(0, nod / 2) @ turn(1, tilt) @ turn(2, look / 2),
    }


@lru_cache(maxsize=1)
def _torso() -> tuple[Floats, Floats]:
    """Heights [H], and the ellipse of the body there: half width, half depth and middle of the depth, [H, 3]."""
    body = template()
    rows = body.rows("skin")
    points = body.points[rows[(body.arm[rows] < 0.4) & (body.head[rows] < 0.5)]]
    heights = np.arange(-0.05, 0.68, 0.05)
    ellipses = []
    for height in heights:
        ring = points[np.abs(points[:, 2] - height) < 0.04]
        front, back = ring[:, 1].min(), ring[:, 1].max()
        ellipses.append([min(ring[:, 0].max(), 0.19), (back - front) / 2, (back + front) / 2])
    return heights, np.array(ellipses)


def torso_depth(points_N3: Floats) -> Floats:
    """How deep points lie in the unposed torso, [N]: 1 on its axis, 0 on its skin, negative outside."""
    heights, ellipses = _torso()
    across, depth, middle = (np.interp(points_N3[:, 2], heights, column) for column in ellipses.T)
    inside = 1 - np.hypot(points_N3[:, 0] / across, (points_N3[:, 1] - middle) / depth)
    outside = (points_N3[:, 2] < heights[0]) | (points_N3[:, 2] > heights[-1])
    return np.where(outside, -1.0, inside)


def arm_points(upper: Floats, fore: Floats) -> Floats:
    """Points along the left forearm and hand of an unposed body whose arm points so, [5, 3]."""
    body = template()
    shoulder, elbow, wrist = (body.heads[body.bones[f"{name}.L"]] for name in ("upperarm01", "lowerarm01", "wrist"))
    bent = shoulder + _unit(upper) * np.linalg.norm(elbow - shoulder)
    lower = float(np.linalg.norm(wrist - elbow))
    reaches = np.array([0.0, 0.4, 0.75, 1.0, 1.45]) * lower
    return bent + reaches[:, None] * _unit(fore)


def off_the_torso(upper: Floats, fore: Floats) -> tuple[Floats, Floats]:
    """Directions of an arm moved until forearm and hand lie outside the body, clothes allowed for."""
    heights, ellipses = _torso()
    for _ in range(20):
        points = arm_points(upper, fore)
        across, depth, middle = (np.interp(points[:, 2], heights, column) for column in ellipses.T)
        margin = _MARGIN / np.maximum(np.minimum(across, depth), 1e-3)
        deep = torso_depth(points) + margin
        deep[points[:, 2] < heights[0]] = -1
        worst = int(np.argmax(deep))
        if deep[worst] <= 0:
            break
        away = np.array(
            [points[worst, 0] / across[worst] ** 2, (points[worst, 1] - middle[worst]) / depth[worst] ** 2, 0]
        )
        step = 0.12 * _unit(away + np.array([1e-6, 0, 0]))
        upper = _unit(upper) + (step if worst == 0 else 0.4 * step)
        fore = _unit(fore) + (step if worst else 0)
    return upper, fore


def _off_the_ground(upper: Floats, fore: Floats, sign: float, rotations: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Directions of an arm moved until the hand is not below what one sits on: its fingers reach down to there."""
    up = (rotations["root"] @ rotations["spine04"] @ rotations["spine03"] @ rotations["spine02"])[2] * (sign, 1, 1)
    root = template().heads[template().bones["root"]]
    for _ in range(20):
        reach = arm_points(upper, fore)[-1] + _FINGERS * _unit(fore) - root
        if reach @ up > -_SEATED_ROOT:
            break
        fore = _unit(fore) + 0.08 * up
        upper = _unit(upper) + 0.03 * up
    return upper, fore


def _unit(vector: Floats) -> Floats:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _frame(along: Floats, bend_axis: Floats) -> Floats:
    """Orthonormal columns: the direction, the axis it bends about, and their cross product."""
    along = _unit(along)
    axis = _unit(bend_axis - along * (bend_axis @ along))
    return np.stack([along, axis, _cross(along, axis)], 1)


def _cross(one: Floats, other: Floats) -> Floats:
    """The cross product of two [3]; numpy's takes its time with so few numbers."""
    (a, b, c), (d, e, f) = one, other
    return np.array([b * f - c * e, c * d - a * f, a * e - b * d])


@cache
def _rest(side: str) -> tuple[Floats, Floats]:
    """Frames of the unposed upper arm and forearm, transposed."""
    body = template()
    shoulder, elbow, wrist = (
        body.heads[body.bones[f"{name}.{side}"]] for name in ("upperarm01", "lowerarm01", "wrist")
    )
    axis = _cross(elbow - shoulder, wrist - elbow)
    return _frame(elbow - shoulder, axis).T, _frame(wrist - elbow, axis).T


def _arm(side: str, sign: float, upper: Floats, fore: Floats) -> dict[str, Floats]:
    """Rotations of collarbone, upper arm and forearm for two directions (x outwards)."""
    mirror = np.array([sign, 1, 1])
    upper, fore = upper * mirror, fore * mirror
    axis = _cross(upper, fore)
    if np.linalg.norm(axis) < 0.1:
        axis = _cross(upper, np.array([0.0, -1.0, 0.3]))
    rest_upper, rest_fore = _rest(side)
    raising = max(0.0, float(upper[2] / np.linalg.norm(upper)) + 0.4)
    collar = turn(1, -sign * 0.35 * raising)
    upper_turn = _frame(upper, axis) @ rest_upper
    fore_turn = _frame(fore, axis) @ rest_fore
    return {
        f"clavicle.{side}": collar,
        f"upperarm01.{side}": (collar.T @ upper_turn).astype(np.float32),
        f"lowerarm01.{side}": (upper_turn.T @ fore_turn).astype(np.float32),
    }


def _hand(side: str, sign: float, rng: Rng) -> dict[str, Floats]:
    """A wrist that bends a little."""
    return {f"wrist.{side}": turn(0, float(rng.normal(0, 0.12))) @ turn(1, sign * float(rng.normal(0, 0.12)))}


def _leg(side: str, sign: float, angles: Floats, posture: Posture, rng: Rng) -> dict[str, Floats]:
    """Rotations of thigh, shin and foot for thigh forwards, thigh outwards, knee (radians)."""
    forwards, outwards, knee = (float(angle) for angle in angles)
    around = sign * (posture.apart + float(rng.uniform(0, 0.3)))
    thigh = turn(2, around) @ turn(1, -sign * (outwards - 0.05)) @ turn(0, -forwards)
    tilt = knee - forwards + posture.lean[0]
    flat = posture.support in ("feet", "seat") or ("sole" in posture.rests and tilt < 1)
    stretched = -1.1 if tilt > 1.2 else -0.35
    foot = np.clip(tilt, -0.6, 0.55) if flat else stretched
    return {
        f"upperleg01.{side}": thigh.astype(np.float32),
        f"lowerleg01.{side}": turn(0, knee),
        f"foot.{side}": turn(0, -float(foot)),
    }
