"""What counts as right when a parser is judged by keypoints and masks that others found. Numpy only.

A keypoint is looked up in the part map within a small disc, because wrists are narrow and the pose
network is a few pixels off. It is "right" if a part that may lie there is in the disc, "side" if that
part is there only as its left or right opposite, "background" if no part is there at all, else "other".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

OUTCOMES = ("right", "side", "background", "other")

_HEAD = ("Face", "Hair", "Hat", "Sunglasses")
_TOPS = ("UpperClothes", "Dress", "Coat", "Jumpsuits")
_BOTTOMS = ("Pants", "Skirt")
# Keypoint without its side: parts that may lie there. A part in braces takes the keypoint's side.
_ACCEPTED: dict[str, tuple[str, ...]] = {
    "nose": _HEAD,
    "eye": _HEAD,
    "ear": (*_HEAD, "Scarf"),
    "shoulder": (*_TOPS, "Torso-skin", "Scarf", "Hair", "{}-arm"),
    "elbow": (*_TOPS, "{}-arm"),
    "wrist": (*_TOPS, "Glove", "{}-arm"),
    "hip": (*_TOPS, *_BOTTOMS, "Torso-skin"),
    "knee": ("Dress", "Coat", "Jumpsuits", *_BOTTOMS, "{}-leg"),
    "ankle": ("Dress", "Coat", "Jumpsuits", *_BOTTOMS, "Socks", "{}-leg", "{}-shoe"),
}
_OPPOSITE = {"Left": "Right", "Right": "Left"}


def accepted_parts(keypoint: str) -> tuple[frozenset[str], frozenset[str]]:
    """Names of parts that may lie at a keypoint such as "nose" or "left wrist", and their wrong-sided twins."""
    side, _, joint = keypoint.rpartition(" ")
    names = _ACCEPTED[joint]
    side = side.capitalize()
    right = frozenset(name.format(side) for name in names)
    mirrored = frozenset(name.format(_OPPOSITE[side]) for name in names if "{}" in name) if side else frozenset()
    return right, mirrored


def judge_keypoint(
    parts_HW: NDArray[np.uint8], names: Sequence[str], keypoint: str, x: float, y: float, radius_px: float
) -> str:
    """One of OUTCOMES for a keypoint at (x, y) of a part map; the point must lie in the picture."""
    height, width = parts_HW.shape
    x0, x1 = max(0, int(x - radius_px)), min(width, int(x + radius_px) + 1)
    y0, y1 = max(0, int(y - radius_px)), min(height, int(y + radius_px) + 1)
    rows, columns = np.mgrid[y0:y1, x0:x1]
    disc = (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= max(radius_px, 0.71) ** 2
    found = {names[part] for part in np.unique(parts_HW[y0:y1, x0:x1][disc]) if part < len(names)}
    right, mirrored = accepted_parts(keypoint)
    if found & right:
        return "right"
    if found & mirrored:
        return "side"
    return "other" if found - {names[0]} else "background"


def foreground_iou(parts_HW: NDArray[np.uint8], mask_HW: NDArray[np.bool_]) -> float:
    """IoU of "any part" with a mask of people; 1 where both are empty."""
    person = parts_HW > 0
    union = np.count_nonzero(person | mask_HW)
    return np.count_nonzero(person & mask_HW) / union if union else 1.0


def foreground_errors(parts_HW: NDArray[np.uint8], mask_HW: NDArray[np.bool_]) -> dict[str, float]:
    """Share of the mask that the parser missed, and what it called person outside, as a share of the mask."""
    person, size = parts_HW > 0, max(1, np.count_nonzero(mask_HW))
    return {
        "missed": float(np.count_nonzero(mask_HW & ~person) / size),
        "invented": float(np.count_nonzero(person & ~mask_HW) / size),
    }


def elsewhere(shape: tuple[int, int], boxes: Iterable[tuple[float, float, float, float]]) -> NDArray[np.bool_]:
    """Pixels outside all boxes (x0, y0, x1, y1, as shares of the width and the height), bool [H, W]."""
    outside_HW = np.ones(shape, bool)
    for x0, y0, x1, y1 in boxes:
        outside_HW[round(y0 * shape[0]) : round(y1 * shape[0]), round(x0 * shape[1]) : round(x1 * shape[1])] = False
    return outside_HW


def tally(judged: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Shares over (keypoint, outcome) pairs: right, side error, and the same by joint (sides together)."""
    by_joint: dict[str, Counter[str]] = {}
    for keypoint, outcome in judged:
        by_joint.setdefault(keypoint.rpartition(" ")[2], Counter())[outcome] += 1
    total: Counter[str] = sum(by_joint.values(), Counter())
    return {"all": _shares(total), **{joint: _shares(by_joint[joint]) for joint in sorted(by_joint)}}


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    """Counts as shares, with their number."""
    num = sum(counts.values())
    return {"num": num, **{outcome: (counts.get(outcome, 0) / num if num else 0.0) for outcome in OUTCOMES}}


def mask_faces(
    image_HWC: NDArray[np.uint8], faces: Iterable[tuple[float, float, float, float, float]], colour: int = 128
) -> NDArray[np.uint8]:
    """The picture with every face under a solid ellipse: (x, y, half width, half height, roll in radians)."""
    masked = image_HWC.copy()
    rows, columns = np.mgrid[: image_HWC.shape[0], : image_HWC.shape[1]]
    for x, y, half_width, half_height, roll in faces:
        along = (columns + 0.5 - x) * np.cos(roll) + (rows + 0.5 - y) * np.sin(roll)
        across = (rows + 0.5 - y) * np.cos(roll) - (columns + 0.5 - x) * np.sin(roll)
        masked[(along / half_width) ** 2 + (across / half_height) ** 2 <= 1] = colour
    return masked
