"""A scene as one mesh for rays, and what the rays through the pixels' middles see.

Shapes: H = W = size_px, N rays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.casting import Caster, choose_caster, make_caster
from discreet.data.people.mesh import Layer, vertex_normals
from discreet.data.people.scene import Scene

Floats = NDArray[np.floating]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Stage:
    """All surfaces of a scene as one mesh, ready for rays.

    `layer_of_face`, `label_of_face` and `person_of_face` tell of each face its layer, part and person.
    """

    layers: list[Layer]
    vertices: Floats
    texture_points: Floats
    faces: Ints
    layer_of_face: Ints
    label_of_face: NDArray[np.uint8]
    person_of_face: NDArray[np.uint8]
    caster: Caster

    def is_floor(self, faces: Ints) -> NDArray[np.bool_]:
        """Whether faces are of the floor, which is the first layer."""
        return self.layer_of_face[faces] == 0

    def normals(self, seen: Ints) -> Floats:
        """Unit normals, float32 [V, 3], right for the vertices of the faces `seen`."""
        wanted = np.zeros(len(self.vertices), bool)
        wanted[self.faces[seen]] = True
        return vertex_normals(self.vertices, self.faces[wanted[self.faces].any(1)])

    def cast(self, origin: Floats, directions: Floats) -> tuple[Ints, Floats]:
        """The face each ray from one point hits first, or -1, [N]; and the hit's place in it, [N, 3]."""
        return self.caster.first_hits(origin, directions)

    def blocked(self, origins: Floats, directions: Floats, reach: float) -> NDArray[np.bool_]:
        """Whether something lies within reach along each ray."""
        return self.caster.blocked(origins, directions, reach)


def build_stage(scene: Scene, caster: str | None = None) -> Stage:
    """Join all layers into one mesh, the floor first; `caster` as in choose_caster."""
    owned = [(scene.floor, 0), *((prop, 0) for prop in scene.props)]
    owned += [(layer, number) for number, person in enumerate(scene.persons, 1) for layer in person.layers]
    owned += [(layer, 0) for person in scene.persons for layer in person.carried]
    layers = [layer for layer, _ in owned]
    starts = np.cumsum([0, *(len(layer.vertices) for layer in layers)])
    counts = [len(layer.faces) for layer in layers]
    faces = np.concatenate([layer.faces + start for layer, start in zip(layers, starts, strict=False)]).astype(np.int32)
    vertices = np.concatenate([layer.vertices for layer in layers]).astype(np.float32)
    return Stage(
        layers=layers,
        vertices=vertices,
        texture_points=np.concatenate([layer.texture_points for layer in layers]),
        faces=faces,
        layer_of_face=np.repeat(np.arange(len(layers), dtype=np.int32), counts),
        label_of_face=np.concatenate([layer.labels for layer in layers]),
        person_of_face=np.repeat(np.array([person for _, person in owned], np.uint8), counts),
        caster=make_caster(choose_caster(caster), vertices, faces),
    )


@dataclass(frozen=True)
class View:
    """What the rays through the pixels' middles hit: faces [N] (-1 nothing), places [N, 3], and the maps [H, W]."""

    faces: Ints
    places: Floats
    parts: NDArray[np.uint8]
    persons: NDArray[np.uint8]


def look(scene: Scene, stage: Stage, size_px: int) -> View:
    """Cast one ray a pixel."""
    middles = np.arange(size_px, dtype=np.float32) + 0.5
    faces, places = stage.cast(scene.camera.position, scene.camera.grid(middles, middles, size_px))
    hit = faces >= 0
    parts, persons = np.zeros(len(faces), np.uint8), np.zeros(len(faces), np.uint8)
    parts[hit], persons[hit] = stage.label_of_face[faces[hit]], stage.person_of_face[faces[hit]]
    return View(faces, places, parts.reshape(size_px, size_px), persons.reshape(size_px, size_px))


def cast_pixels(scene: Scene, stage: Stage, columns: Floats, rows: Floats, size_px: int) -> tuple[Ints, Floats]:
    """What the rays through places of the picture, in pixels, hit."""
    return stage.cast(scene.camera.position, scene.camera.rays(columns, rows, size_px))
