"""Where the camera stands and how much of the main person it shows.

Lengths are metres; the main person is at the origin, the camera towards -y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.chance import draw
from discreet.data.people.person import Person
from discreet.data.people.styles import Style

Rng = np.random.Generator
Floats = NDArray[np.floating]

FRAMINGS = ("whole", "knees up", "hips up", "bust", "face", "lower half", "middle", "far")
_BELOW_TOP = {"knees up": (1.25, 1.45), "hips up": (0.8, 1.0), "bust": (0.42, 0.62), "face": (0.24, 0.34)}


@dataclass(frozen=True)
class Camera:
    """Where the camera stands and how it is turned: unit vectors [3]; `spread` is the tangent of half its view."""

    position: Floats
    forward: Floats
    right: Floats
    up: Floats
    spread: float

    def may_see(self, low: Floats, high: Floats) -> bool:
        """Whether anything of a box [3] to [3] can be in the picture."""
        corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
        sight = corners - self.position
        reach = (sight @ self.forward) * self.spread
        across, upwards = sight @ self.right, sight @ self.up
        beyond = (reach < 0, across > reach, -across > reach, upwards > reach, -upwards > reach)
        return not any(side.all() for side in beyond)

    def rays(self, columns: Floats, rows: Floats, size_px: int) -> Floats:
        """Unit directions, float32 [N, 3], through points of the picture in pixels."""
        across, upwards = self._aim(columns, rows, size_px)
        return _unit_rays(self.forward + across[:, None] * self.right, upwards[:, None] * self.up)

    def grid(self, columns: Floats, rows: Floats, size_px: int) -> Floats:
        """Unit directions, float32 [rows · columns, 3], through each column of each row."""
        across, upwards = self._aim(columns, rows, size_px)
        sideways, upright = self.forward + across[:, None] * self.right, upwards[:, None] * self.up
        return _unit_rays(sideways[None], upright[:, None])

    def _aim(self, columns: Floats, rows: Floats, size_px: int) -> tuple[Floats, Floats]:
        return (2 * columns / size_px - 1) * self.spread, (1 - 2 * rows / size_px) * self.spread


def _unit_rays(sideways: Floats, upright: Floats) -> Floats:
    """Directions [N, 3] that are sums of two, float32 and of length 1."""
    x, y, z = (sideways[..., axis] + upright[..., axis] for axis in range(3))
    length = np.sqrt(x * x + y * y + z * z).ravel()
    rays = np.empty((length.size, 3), np.float32)
    for axis, direction in enumerate((x, y, z)):
        rays[:, axis] = direction.ravel() / length
    return rays


def draw_camera(style: Style, persons: list[Person], rng: Rng) -> Camera:
    """A frame around the main person, and sometimes around everybody."""
    main = persons[0]
    framing = FRAMINGS[int(rng.choice(len(FRAMINGS), p=style.framing))]
    low, high = main.bounds()
    if high[2] < 0.7 * main.scale and framing not in ("far", "face"):
        framing = "whole"
    spread = float(np.tan(rng.uniform(*style.fov) / 2))
    middle, extent = _frame(framing, main, low, high, rng)
    if framing == "whole" and len(persons) > 1 and rng.random() < 0.8:
        lows, highs = zip(*(person.bounds() for person in persons if person.bounds()[0][1] < 2.5), strict=True)
        all_low, all_high = np.min(lows, 0), np.max(highs, 0)
        extent = max(extent, min(0.55 * float(all_high[0] - all_low[0]), 2.6 * extent))
        middle = 0.35 * middle + 0.65 * (all_low + all_high) / 2
    jitter = rng.normal(0, 1, 2) * (0.14, 0.07) * extent
    target = middle + np.array([jitter[0], 0.0, jitter[1]])
    return _look_at(target, max(extent / spread, 0.55) + 0.15, spread, rng)


def _frame(framing: str, main: Person, low: Floats, high: Floats, rng: Rng) -> tuple[Floats, float]:
    """The middle of the frame [3] and half its side."""
    middle, half = (low + high) / 2, float(max(high[2] - low[2], high[0] - low[0])) / 2
    tall = float(high[2])
    head = main.head()
    match framing:
        case "whole":
            return middle, half * rng.uniform(1.03, 1.35)
        case "far":
            return middle, half * rng.uniform(1.5, 2.6)
        case "lower half":
            return np.array([middle[0], middle[1], 0.28 * tall]), half * rng.uniform(0.55, 0.7)
        case "middle":
            return np.array([middle[0], middle[1], 0.58 * tall]), half * rng.uniform(0.35, 0.6)
    # A head grows with the root of the height, more or less.
    scale = main.scale if framing in ("knees up", "hips up") else main.scale**0.5
    below = min(scale * rng.uniform(*_BELOW_TOP[framing]), 2 * half + 0.05)
    top = head[2] + 0.2 * main.scale**0.5
    mixed = head if framing in ("bust", "face") else 0.5 * (head + middle)
    return np.array([mixed[0], mixed[1], top - below / 2]), below / 2 * rng.uniform(1.02, 1.25)


def _look_at(target: Floats, distance: float, spread: float, rng: Rng) -> Camera:
    """A camera at a distance from a point: at eye level, low or high, hardly tilted."""
    yaw = float(np.clip(rng.normal(0, 0.25), -0.6, 0.6))
    heights = {
        "eyes": (1.2, 1.75),
        "level": (target[2] - 0.15, target[2] + 0.25),
        "low": (0.2, 0.8),
        "high": (1.9, 3.4),
    }
    place = draw(rng, {"eyes": 0.47, "level": 0.28, "low": 0.11, "high": 0.14})
    rise = float((rng.uniform(*heights[place]) - target[2]) / distance)
    most = 0.6 if place == "high" else 0.3
    rise = float(np.clip(rise, -0.35, most))
    pitch = float(np.arcsin(rise))
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])
    position = target - forward * distance
    position[2] = max(position[2], 0.12)
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    roll = rng.normal(0, 0.03 if rng.random() < 0.9 else 0.13)
    right, up = np.cos(roll) * right + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * right
    position, forward, right, up = (part.astype(np.float32) for part in (position, forward, right, up))
    return Camera(position, forward, right, up, spread)
