"""A scene: people placed in a world, a camera that looks at them, light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.identity import Identity
from discreet.data.people.mesh import Layer
from discreet.data.people.person import Person, make_person
from discreet.data.people.pose import turn
from discreet.data.people.scenery import draw_backdrop, draw_floor, draw_props
from discreet.data.people.styles import Style

Rng = np.random.Generator
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Camera:
    """Where the camera stands and how it is turned: unit vectors [3]; `spread` is the tangent of half its view."""

    position: Floats
    forward: Floats
    right: Floats
    up: Floats
    spread: float

    def horizon(self) -> float:
        """The row of the horizon as a part of the height, 0 at the top; unclipped."""
        return float(0.5 * (1 + self.forward[2] / max(self.up[2], 0.1) / self.spread))

    def rays(self, columns: Floats, rows: Floats, size_px: int) -> Floats:
        """Unit directions, float32 [N, 3], through points of the picture in pixels."""
        across = (2 * columns / size_px - 1) * self.spread
        upwards = (1 - 2 * rows / size_px) * self.spread
        directions = self.forward + across[:, None] * self.right + upwards[:, None] * self.up
        length = np.sqrt((directions**2).sum(1, keepdims=True))
        return (directions / length).astype(np.float32)


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


@dataclass(frozen=True)
class Scene:
    """Everything that is rendered. The first person is the main one."""

    persons: tuple[Person, ...]
    props: tuple[Layer, ...]
    floor: Layer
    camera: Camera
    light: Light
    backdrop: Floats
    floor_ends: tuple[float, float]

    def without(self, numbers: set[int]) -> Scene:
        """The scene without the persons of these numbers, which count from 1."""
        return replace(self, persons=tuple(p for k, p in enumerate(self.persons, 1) if k not in numbers))


def compose_scene(style: Style, main: Identity, others: list[Identity], size_px: int, rng: Rng) -> Scene:
    """Place everybody, then find a view of the main person."""
    persons = [_place(make_person(main, style, rng), np.zeros(3), rng)]
    side = float(rng.choice([-1, 1]))
    reach = [0.0, 0.0]
    for number, identity in enumerate(others):
        depth = rng.uniform(-0.15, 0.5) if rng.random() < 0.6 else rng.uniform(0.5, 3.5)
        reach[number % 2] += rng.uniform(0.38, 0.95)
        across = side * (1 if number % 2 == 0 else -1) * reach[number % 2] * (1 + 0.25 * depth)
        spot = np.array([across, depth, 0.0])
        persons.append(_place(make_person(identity, style, rng), spot, rng))
    camera = _draw_camera(style, persons, rng)
    seats = [layer for person in persons for layer in person.seat]
    return Scene(
        persons=tuple(persons),
        props=(*seats, *draw_props(style.scenery, style.clutter, rng)),
        floor=draw_floor(style.scenery, rng),
        camera=camera,
        light=_draw_light(style, camera, rng),
        backdrop=draw_backdrop(style.scenery, size_px, camera.horizon(), rng),
        floor_ends=(1.0, 3.5) if style.scenery == "studio" else (6.0, 25.0),
    )


def _place(person: Person, spot: Floats, rng: Rng) -> Person:
    """Mostly towards the camera, sometimes from the side or the back."""
    facing = rng.normal(0, 0.45) if rng.random() < 0.72 else rng.uniform(-np.pi, np.pi)
    return person.placed(turn(2, float(facing)), spot.astype(np.float32))


def _draw_camera(style: Style, persons: list[Person], rng: Rng) -> Camera:
    """A frame around the main person: whole, from the thighs up, head and shoulders, lower half."""
    main = persons[0]
    points = np.concatenate([layer.vertices for layer in main.layers])
    framing = int(rng.choice(4, p=style.framing))
    top = main.top
    low, high = ((0.0, top), (0.42 * top, top), (top - rng.uniform(0.35, 0.6), top), (0.0, 0.55 * top))[framing]
    extent = (high - low) / 2 * rng.uniform(1.05, 1.35)
    middle = (points.min(0) + points.max(0)) / 2
    if framing == 0:
        half_width = float(points[:, 0].max() - points[:, 0].min()) / 2
        extent = max(extent, half_width * 1.1)
        if len(persons) > 1 and rng.random() < 0.6:
            everybody = np.concatenate([layer.vertices for person in persons for layer in person.layers])
            extent = max(extent, float(np.ptp(everybody[:, 0])) / 2 * 1.05)
            middle = 0.3 * middle + 0.7 * (everybody.min(0) + everybody.max(0)) / 2
    extent *= 1.0 if rng.random() < 0.75 else rng.uniform(1.2, 2.2)
    target = np.array(
        [middle[0] + rng.normal(0, 0.14) * extent, middle[1], (low + high) / 2 + rng.normal(0, 0.06) * extent]
    )
    spread = float(np.tan(rng.uniform(*style.fov) / 2))
    return _look_at(target, extent / spread + 0.2, spread, style, rng)


def _look_at(target: Floats, distance: float, spread: float, style: Style, rng: Rng) -> Camera:
    """A camera at a distance from a point, at a slight angle, hardly tilted."""
    yaw = rng.uniform(-0.5, 0.5)
    pitch = rng.uniform(-0.05, 0.12) if style.scenery == "studio" else rng.uniform(-0.12, 0.35)
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])
    position = target - forward * distance
    position[2] = max(position[2], 0.25)
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    roll = rng.normal(0, 0.03)
    right, up = np.cos(roll) * right + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * right
    position, forward, right, up = (part.astype(np.float32) for part in (position, forward, right, up))
    return Camera(position, forward, right, up, spread)


def _draw_light(style: Style, camera: Camera, rng: Rng) -> Light:
    """A sun or a lamp above and mostly behind the camera."""
    facing = float(np.arctan2(-camera.forward[0], -camera.forward[1]))
    around, height = facing + rng.uniform(-1.5, 1.5), rng.uniform(0.35, 1.25)
    direction = np.array([np.sin(around) * np.cos(height), np.cos(around) * np.cos(height), np.sin(height)], np.float32)
    warmth = rng.uniform(*style.warmth)
    sun = rng.uniform(*style.sun) * np.array([1 + warmth, 1.0, 1 - warmth])
    sky = rng.uniform(*style.sky) * np.array([1 - 0.5 * warmth, 1.0, 1 + 0.5 * warmth])
    softness = 0.06 if style.scenery == "studio" else float(rng.choice([0.01, 0.05]))
    fill = np.full(3, rng.uniform(0.05, 0.5))
    return Light(direction, sun.astype(np.float32), sky.astype(np.float32), fill.astype(np.float32), softness)
