"""The ground: a flat layer near the people, and the same ground painted far behind them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.camera import Camera
from discreet.data.people.materials import Colour, Floor
from discreet.data.people.mesh import Layer, solid
from discreet.data.people.noise import noise

Rng = np.random.Generator
Floats = NDArray[np.floating]

_GROUNDS = {
    "asphalt": (0.42, 0.42, 0.43),
    "tiles": (0.56, 0.54, 0.5),
    "grass": (0.3, 0.38, 0.16),
    "gravel": (0.56, 0.5, 0.42),
    "boards": (0.5, 0.36, 0.24),
    "sand": (0.8, 0.7, 0.54),
    "carpet": (0.5, 0.45, 0.42),
    "sheet": (0.8, 0.8, 0.8),
    "snow": (0.9, 0.92, 0.95),
}
_GROUND_OF = {
    "street": ("asphalt", "asphalt", "tiles"),
    "houses": ("asphalt", "tiles", "tiles"),
    "wall": ("asphalt", "tiles", "gravel"),
    "park": ("grass", "grass", "gravel"),
    "beach": ("sand",),
    "field": ("grass",),
    "station": ("tiles", "asphalt"),
    "corridor": ("tiles", "carpet"),
    "shop": ("tiles", "boards", "carpet"),
    "room": ("boards", "boards", "carpet", "tiles"),
    "kitchen": ("tiles", "boards"),
    "sheet": ("sheet", "sheet", "sheet", "boards"),
    "slope": ("snow",),
}


def draw_ground(kind: str, rng: Rng) -> tuple[Layer, Floats]:
    """The ground, 60 m to each side, and its colour."""
    surface = str(rng.choice(_GROUND_OF[kind]))
    colour = np.clip(np.asarray(_GROUNDS[surface]) * rng.uniform(0.65, 1.3) * rng.uniform(0.94, 1.06, 3), 0, 0.95)
    if surface == "sheet":
        colour = np.clip(rng.uniform(0.25, 0.95) * rng.uniform(0.8, 1.05, 3), 0, 1)
    red, green, blue = (float(channel) for channel in colour)
    painted: Colour = (red, green, blue)
    look = {"sand": "gravel", "carpet": "gravel", "snow": "gravel"}.get(surface, surface)
    material = Floor(painted, look, float(rng.uniform(0.7, 3.0)), int(rng.integers(100_000)))
    return ground_layer(material), colour


def ground_layer(material: Floor) -> Layer:
    """A flat ground, 60 m to each side."""
    side = 60.0
    corners = np.array([[-side, -side, 0], [side, -side, 0], [side, side, 0], [-side, side, 0]], np.float32)
    return solid(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), 0, material)


def paint_ground(canvas: Floats, rays: Floats, camera: Camera, colour: Floats, rng: Rng) -> Floats:
    """The canvas with a patchy ground where rays go down."""
    down = np.flatnonzero(rays[..., 2].ravel() < -1e-3)
    if len(down):
        directions = rays.reshape(-1, 3)[down]
        points = camera.position + directions * (camera.position[2] / -directions[:, 2:])
        seed = int(rng.integers(9999))
        patches = 0.6 * noise(points, 0.7, seed) + 0.4 * noise(points, 5.0, seed)
        flat = canvas.reshape(-1, 3).copy()
        flat[down] = colour * (0.8 + 0.4 * patches)[:, None]
        canvas = flat.reshape(canvas.shape)
    return canvas
