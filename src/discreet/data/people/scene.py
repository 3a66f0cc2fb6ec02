"""A scene: people placed in a world, a camera that looks at them, light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.camera import Camera, draw_camera
from discreet.data.people.chance import draw
from discreet.data.people.composition import place_people
from discreet.data.people.furniture import make_occluder, make_things
from discreet.data.people.identity import Identity
from discreet.data.people.lights import Light, draw_light
from discreet.data.people.mesh import Layer
from discreet.data.people.person import Person
from discreet.data.people.places import Surroundings, draw_place
from discreet.data.people.styles import Style

__all__ = ["Camera", "Light", "Scene", "compose_scene"]

Rng = np.random.Generator
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Scene:
    """Everything that is rendered. The first person is the main one.

    Args:
        bare: float32 [H, W], the share of each pixel where nothing in the backdrop stands before the floor.
        focus_m: distance that is sharp. aperture: width of the lens in metres, 0 for no blur: a
            point z metres away spreads over aperture · |1/focus_m − 1/z| / (2 · camera.spread) of
            the picture's side; the backdrop is infinitely far.
    """

    persons: tuple[Person, ...]
    props: tuple[Layer, ...]
    floor: Layer
    camera: Camera
    light: Light
    backdrop: Floats
    bare: Floats
    focus_m: float = 3.0
    aperture: float = 0.0

    def without(self, numbers: set[int]) -> Scene:
        """The scene without the persons of these numbers, which count from 1."""
        return replace(self, persons=tuple(p for k, p in enumerate(self.persons, 1) if k not in numbers))


def compose_scene(style: Style, main: Identity, others: list[Identity], size_px: int, rng: Rng) -> Scene:
    """Place everybody, find a view of the main person, and draw what is around."""
    persons = place_people(style, main, others, rng)
    camera = draw_camera(style, persons, rng)
    light = draw(rng, style.lights)
    lows, highs = zip(*(person.bounds() for person in persons), strict=True)
    low, high = np.min(lows, 0), np.max(highs, 0)
    seats = [layer for person in persons for layer in person.seat]
    seen = [persons[0], *(person for person in persons[1:] if camera.may_see(*person.bounds()))]
    lighting = draw_light(light, style, camera, rng)
    surroundings = Surroundings(camera, low, high, night=light == "night", ground_gain=lighting.on_the_ground())
    place = draw_place(draw(rng, style.places), surroundings, size_px, rng)
    props = [*seats, *make_things(low, high, place.room, style.clutter, rng)]
    head = persons[0].head()
    distance = float((head - camera.position) @ camera.forward)
    if rng.random() < 0.14 and distance > 1.5:
        props += make_occluder(camera.position, head, rng)
    aperture = float(rng.choice([0.006, 0.015, 0.03, 0.05])) if rng.random() < style.depth_blur else 0.0
    return Scene(
        persons=tuple(seen),
        props=tuple(props),
        floor=place.ground,
        camera=camera,
        light=lighting,
        backdrop=place.backdrop,
        bare=place.bare,
        focus_m=max(distance, 0.3),
        aperture=aperture,
    )
