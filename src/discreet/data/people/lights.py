"""Light: sun, clouds, a window, lamps, night, backlight, flash; linear RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.camera import Camera
from discreet.data.people.styles import Style

Rng = np.random.Generator
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Light:
    """Direct light from `direction` [3] and light from everywhere: linear RGB [3] each.

    `fill` is a weak direct light without shadows from the camera's side. `softness` widens shadows.
    """

    direction: Floats
    sun: Floats
    sky: Floats
    fill: Floats
    softness: float

    def on_the_ground(self) -> float:
        """How much brighter level ground is than the backdrop's white, which gets half of all light."""
        arriving = self.sun.mean() * self.direction[2] + 0.95 * self.sky.mean()
        return float(arriving / (0.5 * (self.sun.mean() + self.sky.mean())))


@dataclass(frozen=True)
class _Kind:
    """Ranges a light is drawn from.

    Angles are radians: `around` from the camera's side, to both sides, `height` over the horizon.
    """

    around: tuple[float, float]
    height: tuple[float, float]
    sun: tuple[float, float]
    sky: tuple[float, float]
    fill: tuple[float, float]
    softness: float
    warmth: tuple[float, float]


_KINDS = {
    "sun": _Kind((0.2, 1.8), (0.35, 1.3), (1.4, 2.8), (0.45, 0.8), (0.05, 0.25), 0.01, (0.0, 0.2)),
    "overcast": _Kind((0.0, 1.5), (0.8, 1.4), (0.15, 0.5), (0.8, 1.1), (0.1, 0.3), 0.2, (-0.08, 0.03)),
    "backlight": _Kind((2.2, 3.1), (0.25, 0.8), (1.2, 2.4), (0.6, 0.9), (0.35, 0.7), 0.02, (0.05, 0.3)),
    "window": _Kind((0.9, 1.8), (0.15, 0.6), (0.9, 1.7), (0.4, 0.7), (0.1, 0.35), 0.15, (-0.12, 0.08)),
    "lamps": _Kind((0.0, 3.1), (0.9, 1.45), (0.5, 1.1), (0.6, 0.9), (0.2, 0.45), 0.2, (-0.05, 0.35)),
    "night": _Kind((0.3, 2.6), (0.4, 1.2), (0.8, 1.8), (0.18, 0.4), (0.1, 0.3), 0.06, (-0.35, 0.5)),
    "flash": _Kind((0.0, 0.1), (0.05, 0.2), (1.5, 2.4), (0.2, 0.5), (0.2, 0.4), 0.01, (-0.03, 0.06)),
    "studio": _Kind((0.2, 1.2), (0.3, 0.9), (0.7, 1.3), (0.6, 1.0), (0.2, 0.5), 0.08, (-0.03, 0.15)),
}
LIGHTS = tuple(_KINDS)


def draw_light(name: str, style: Style, camera: Camera, rng: Rng) -> Light:
    """A light of a kind; the sky has the complement of its warmth, or at night a hue of its own."""
    kind = _KINDS[name]
    facing = float(np.arctan2(-camera.forward[0], -camera.forward[1]))
    around = facing + rng.choice([-1, 1]) * rng.uniform(*kind.around)
    height = rng.uniform(*kind.height)
    direction = np.array([np.sin(around) * np.cos(height), np.cos(around) * np.cos(height), np.sin(height)], np.float32)
    warmth = rng.uniform(*kind.warmth) + style.warmth
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    cool = np.array([1 - 0.5 * warmth, 1.0, 1 + 0.5 * warmth])
    if name == "night":
        cool = cool * rng.uniform(0.7, 1.3, 3)
    sun, sky = rng.uniform(*kind.sun) * tint, rng.uniform(*kind.sky) * cool
    fill = rng.uniform(*kind.fill) * (tint + cool) / 2
    sun, sky, fill = (part.astype(np.float32) for part in (sun, sky, fill))
    return Light(direction, sun, sky, fill, kind.softness)
