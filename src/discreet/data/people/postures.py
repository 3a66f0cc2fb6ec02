"""Keyed poses in words: where arms point, how far legs bend, and what goes with what.

An arm is two directions, of the upper arm and of the forearm, in the axes of the chest as the
left arm sees them: x outwards, -y forwards, z up. A leg is three angles in radians: thigh
forwards, thigh outwards, knee.
"""

from __future__ import annotations

from dataclasses import dataclass

Direction = tuple[float, float, float]
LegAngles = tuple[float, float, float]

ARMS: dict[str, tuple[Direction, Direction]] = {
    "hanging": ((0.24, 0.05, -1.0), (0.14, -0.3, -1.0)),
    "loose": ((0.4, 0.1, -1.0), (0.2, -0.45, -1.0)),
    "hand on hip": ((0.8, 0.4, -0.6), (-0.75, -0.45, -0.45)),
    "across": ((0.3, -0.4, -0.9), (-0.8, -0.75, 0.15)),
    "to the ear": ((0.5, -0.6, -0.6), (-0.15, -0.1, 1.0)),
    "to the chin": ((0.2, -0.6, -0.8), (-0.25, -0.3, 1.0)),
    "to the hair": ((0.85, -0.4, 0.2), (-0.6, 0.05, 0.8)),
    "holding": ((0.25, -0.3, -0.95), (-0.3, -0.95, 0.25)),
    "before the face": ((0.3, -0.75, -0.5), (-0.35, -0.6, 0.75)),
    "raised": ((0.55, -0.15, 0.9), (0.1, -0.2, 1.0)),
    "over the head": ((0.6, -0.1, 0.75), (-0.45, -0.15, 0.9)),
    "waving": ((0.9, -0.15, -0.1), (0.3, -0.3, 1.0)),
    "wide": ((1.0, 0.0, -0.15), (1.0, -0.25, 0.1)),
    "around a shoulder": ((0.95, 0.05, 0.0), (0.9, -0.4, 0.1)),
    "in the pocket": ((0.42, 0.3, -0.9), (0.0, -0.5, -0.9)),
    "behind the back": ((0.35, 0.5, -0.85), (-0.3, 0.35, -0.85)),
    "clasped": ((0.25, -0.25, -1.0), (-0.4, -0.75, -0.55)),
    "forwards": ((0.2, -0.85, -0.3), (0.0, -1.0, 0.1)),
    "pointing": ((0.6, -0.7, 0.0), (0.5, -0.85, 0.1)),
    "swung forwards": ((0.2, -0.5, -0.9), (0.05, -0.95, -0.25)),
    "swung backwards": ((0.25, 0.55, -0.85), (0.15, 0.15, -1.0)),
    "on the thigh": ((0.22, -0.45, -0.85), (-0.05, -0.9, -0.25)),
    "on the knee": ((0.2, -0.7, -0.65), (-0.05, -0.9, -0.35)),
    "propped": ((0.35, 0.65, -0.75), (0.15, 0.2, -1.0)),
}

_LYING_ARMS = {
    "hanging": 2.0,
    "loose": 2,
    "wide": 1,
    "raised": 0.6,
    "over the head": 1,
    "to the chin": 0.6,
    "across": 1,
}
_SEATED_ARMS = {
    "on the thigh": 5.0,
    "on the knee": 3,
    "clasped": 2,
    "holding": 2,
    "across": 1.2,
    "to the chin": 1.2,
    "to the ear": 0.7,
    "before the face": 0.5,
    "waving": 0.3,
    "to the hair": 0.4,
    "forwards": 0.4,
    "around a shoulder": 0.4,
    "raised": 0.2,
}
_STANDING_ARMS = {
    "hanging": 6.0,
    "loose": 4,
    "holding": 2.5,
    "in the pocket": 2.2,
    "hand on hip": 1.6,
    "across": 1.4,
    "clasped": 1.3,
    "behind the back": 1.1,
    "to the ear": 0.8,
    "to the chin": 0.5,
    "to the hair": 0.6,
    "before the face": 0.7,
    "raised": 0.4,
    "over the head": 0.3,
    "waving": 0.6,
    "wide": 0.3,
    "around a shoulder": 0.5,
    "forwards": 0.5,
    "pointing": 0.4,
}
_WALKING_ARMS = {
    "swung": 7.0,
    "hanging": 1.5,
    "in the pocket": 1,
    "holding": 1.5,
    "to the ear": 0.7,
    "before the face": 0.5,
}
_LIVELY_ARMS = {
    "raised": 2.0,
    "over the head": 1,
    "waving": 2,
    "wide": 2,
    "pointing": 1,
    "forwards": 1,
    "swung": 2,
    "hand on hip": 1,
    "to the hair": 0.7,
    "loose": 1,
}
_RUNNING_ARMS = {"swung": 5.0, "forwards": 0.5, "raised": 0.5}
_SQUATTING_ARMS = {"on the knee": 4.0, "on the thigh": 2, "holding": 2, "clasped": 1, "forwards": 1, "to the chin": 0.7}


@dataclass(frozen=True)
class Posture:
    """A keyed pose of the whole body.

    Args:
        support: "feet", "seat" (something to sit on is needed), "floor" (sits or kneels on it) or "lying".
        legs: angles of the two legs, before the sides are dealt. arms: odds of each arm; "swung" is
            against the leg of its side.
        odds: how often, against the others.
        lean: of the whole body forwards, radians; and to its left.
        bend: of the back forwards, mean and standard deviation.
        planted: whether both soles are on the ground: knees are bent until they are.
        apart: each thigh turned outwards about the vertical, radians.
        rests: of each leg "step", which its foot has below it, or what lies on the ground beside the knees or the
            seat, "shin", "sole" or "heel": knees are bent, or thighs raised, until it does.
    """

    support: str
    legs: tuple[LegAngles, LegAngles]
    arms: dict[str, float]
    odds: float
    lean: tuple[float, float] = (0.0, 0.0)
    bend: tuple[float, float] = (0.0, 0.07)
    planted: bool = False
    apart: float = 0.0
    rests: tuple[str, str] = ("", "")


POSTURES: dict[str, Posture] = {
    "upright": Posture("feet", ((0.02, 0.05, 0.03), (0.0, 0.05, 0.03)), _STANDING_ARMS, 5, planted=True),
    "at ease": Posture("feet", ((0.0, 0.03, 0.0), (0.25, 0.14, 0.45)), _STANDING_ARMS, 5, planted=True),
    "astride": Posture("feet", ((0.03, 0.24, 0.05), (0.0, 0.24, 0.05)), _STANDING_ARMS, 1.5, planted=True),
    "crossed ankles": Posture("feet", ((0.0, 0.02, 0.0), (0.3, -0.1, 0.35)), _STANDING_ARMS, 0.5),
    "leaning on a wall": Posture("feet", ((0.22, 0.05, 0.0), (0.5, 0.07, 1.0)), _STANDING_ARMS, 0.6, lean=(-0.14, 0.0)),
    "stepping": Posture("feet", ((0.38, 0.02, 0.12), (-0.3, 0.02, 0.3)), _WALKING_ARMS, 4),
    "striding": Posture("feet", ((0.55, 0.02, 0.18), (-0.42, 0.02, 0.45)), _WALKING_ARMS, 2.5, lean=(0.05, 0.0)),
    "mid-stride": Posture("feet", ((0.05, 0.02, 0.05), (0.15, 0.02, 0.9)), _WALKING_ARMS, 1.2, lean=(0.04, 0.0)),
    "running": Posture("feet", ((1.0, 0.02, 1.2), (-0.35, 0.02, 0.9)), _RUNNING_ARMS, 0.7, lean=(0.15, 0.0)),
    "sprinting": Posture("feet", ((1.25, 0.02, 1.7), (-0.5, 0.02, 0.5)), _RUNNING_ARMS, 0.3, lean=(0.25, 0.0)),
    "climbing": Posture("feet", ((1.0, 0.1, 1.1), (0.0, 0.05, 0.05)), _STANDING_ARMS, 0.4, rests=("step", "")),
    "dancing": Posture("feet", ((0.3, 0.35, 0.7), (0.0, 0.1, 0.1)), _LIVELY_ARMS, 0.8, lean=(0.0, 0.1)),
    "lunging": Posture("feet", ((0.9, 0.1, 0.95), (-0.5, 0.1, 0.2)), _LIVELY_ARMS, 0.4, planted=True),
    "kicking": Posture("feet", ((0.95, 0.1, 0.25), (-0.05, 0.05, 0.12)), _LIVELY_ARMS, 0.3, lean=(-0.12, 0.0)),
    "ready": Posture("feet", ((0.6, 0.3, 0.9), (0.6, 0.3, 0.9)), _LIVELY_ARMS, 0.5, lean=(0.3, 0.0), planted=True),
    "bowing": Posture(
        "feet", ((0.55, 0.05, 0.1), (0.55, 0.08, 0.15)), _SQUATTING_ARMS, 0.4, (0.5, 0.0), (0.5, 0.15), True
    ),
    "sitting": Posture("seat", ((1.5, 0.12, 1.5), (1.5, 0.14, 1.45)), _SEATED_ARMS, 3, bend=(0.06, 0.12)),
    "sitting wide": Posture(
        "seat", ((1.45, 0.05, 1.5), (1.45, 0.05, 1.6)), _SEATED_ARMS, 1, bend=(0.15, 0.15), apart=0.4
    ),
    "feet forwards": Posture("seat", ((1.45, 0.1, 0.75), (1.45, 0.15, 1.0)), _SEATED_ARMS, 1, lean=(-0.15, 0.0)),
    "legs crossed": Posture("seat", ((1.5, 0.05, 1.45), (1.78, -0.22, 1.2)), _SEATED_ARMS, 1.2),
    "leaning forwards": Posture(
        "seat", ((1.55, 0.25, 1.7), (1.55, 0.25, 1.6)), _SQUATTING_ARMS, 0.8, (0.15, 0.0), (0.4, 0.12)
    ),
    "cross-legged": Posture(
        "floor", ((1.5, -1.5, 2.3), (1.5, -1.55, 2.2)), _SEATED_ARMS, 0.7, bend=(0.2, 0.1), apart=0.75
    ),
    "legs stretched": Posture(
        "floor",
        ((1.4, 0.12, 0.05), (1.7, 0.15, 0.65)),
        {"propped": 3.0, "on the thigh": 2, "clasped": 1},
        0.5,
        (-0.2, 0.0),
        (0.2, 0.1),
        rests=("heel", "heel"),
    ),
    "knees drawn up": Posture(
        "floor",
        ((2.35, 0.12, 1.75), (2.3, 0.15, 1.65)),
        {"forwards": 2.0, "on the knee": 3, "propped": 1},
        0.5,
        bend=(0.25, 0.1),
        rests=("sole", "sole"),
    ),
    "crouching": Posture(
        "feet", ((1.75, 0.3, 2.2), (1.6, 0.25, 2.15)), _SQUATTING_ARMS, 0.7, (0.15, 0.0), (0.35, 0.12)
    ),
    "on one knee": Posture(
        "floor",
        ((1.55, 0.15, 1.55), (0.0, 0.05, 1.57)),
        _SQUATTING_ARMS,
        0.5,
        bend=(0.12, 0.1),
        rests=("sole", "shin"),
    ),
    "kneeling": Posture(
        "floor", ((0.3, 0.1, 1.75), (0.3, 0.1, 1.75)), _SEATED_ARMS, 0.4, lean=(0.1, 0.0), rests=("shin", "shin")
    ),
    "on the back": Posture("lying", ((0.1, 0.1, 0.1), (0.5, 0.12, 1.0)), _LYING_ARMS, 0.6, lean=(-1.57, 0.0)),
    "on the front": Posture(
        "lying",
        ((0.15, 0.12, 0.1), (0.15, 0.15, 0.1)),
        {"over the head": 2.0, "raised": 1, "wide": 1},
        0.4,
        lean=(1.57, 0.0),
        bend=(-0.03, 0.05),
        rests=("shin", "shin"),
    ),
    "on the side": Posture(
        "lying",
        ((0.5, 0.0, 0.8), (0.8, 0.0, 1.2)),
        {"forwards": 2.0, "holding": 1, "on the thigh": 2},
        0.5,
        lean=(0.0, 1.5),
    ),
}
