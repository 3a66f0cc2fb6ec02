"""From a scene to a picture, part labels and person ids: rays cast by Embree, shaded by numpy.

Labels come from the ray through the middle of each pixel; edges get more rays for colour only.

Shapes: H = W = size_px, N rays, R of them hitting something.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.develop import develop
from discreet.data.people.development import Development
from discreet.data.people.lens import circles_of_confusion
from discreet.data.people.materials import Floor
from discreet.data.people.mesh import Layer, vertex_normals
from discreet.data.people.scene import Scene
from discreet.errors import DependencyError

Rng = np.random.Generator
Floats = NDArray[np.floating]
Ints = NDArray[np.int32]

_EDGE_OFFSETS = ((-0.33, -0.17), (0.17, -0.33), (0.25, 0.3))
_OCCLUSION_RAYS = 3
_OCCLUSION_REACH = 0.5


@dataclass(frozen=True)
class Stage:
    """All surfaces of a scene as one mesh, ready for rays.

    `layer_of_face`, `label_of_face` and `person_of_face` tell of each face its layer, part and person.
    """

    layers: list[Layer]
    vertices: Floats
    normals: Floats
    texture_points: Floats
    faces: Ints
    layer_of_face: Ints
    label_of_face: NDArray[np.uint8]
    person_of_face: NDArray[np.uint8]
    caster: Any

    def cast(self, origins: Floats, directions: Floats) -> tuple[Ints, Floats]:
        """The face each ray hits first, or -1, [N]; and the hit's place in it, [N, 3]."""
        hits = self.caster.run(origins, directions, query="INTERSECT", output=True)
        second, third = hits["u"], hits["v"]
        return hits["primID"], np.stack([1 - second - third, second, third], 1)

    def blocked(self, origins: Floats, directions: Floats, reach: float) -> NDArray[np.bool_]:
        """Whether something lies within reach along each ray."""
        reaches = np.full(len(origins), reach, np.float32)
        return self.caster.run(origins, directions, reaches, query="OCCLUDED") != -1


def build_stage(scene: Scene) -> Stage:
    """Join all layers into one mesh, the floor first.

    Raises:
        DependencyError: embreex is not installed.
    """
    try:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene
    except ImportError:
        raise DependencyError("people need embreex: pip install 'discreet[people]'") from None
    owned = [(scene.floor, 0), *((prop, 0) for prop in scene.props)]
    owned += [(layer, number) for number, person in enumerate(scene.persons, 1) for layer in person.layers]
    layers = [layer for layer, _ in owned]
    starts = np.cumsum([0, *(len(layer.vertices) for layer in layers)])
    counts = [len(layer.faces) for layer in layers]
    faces = np.concatenate([layer.faces + start for layer, start in zip(layers, starts, strict=False)]).astype(np.int32)
    vertices = np.concatenate([layer.vertices for layer in layers]).astype(np.float32)
    caster = EmbreeScene()
    TriangleMesh(caster, vertices, faces)
    return Stage(
        layers=layers,
        vertices=vertices,
        normals=vertex_normals(vertices, faces),
        texture_points=np.concatenate([layer.texture_points for layer in layers]),
        faces=faces,
        layer_of_face=np.repeat(np.arange(len(layers), dtype=np.int32), counts),
        label_of_face=np.concatenate([layer.labels for layer in layers]),
        person_of_face=np.repeat(np.array([person for _, person in owned], np.uint8), counts),
        caster=caster,
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
    row, column = np.mgrid[:size_px, :size_px].reshape(2, -1).astype(np.float32) + 0.5
    faces, places = _cast_pixels(scene, stage, column, row, size_px)
    hit = faces >= 0
    parts, persons = np.zeros(len(faces), np.uint8), np.zeros(len(faces), np.uint8)
    parts[hit], persons[hit] = stage.label_of_face[faces[hit]], stage.person_of_face[faces[hit]]
    return View(faces, places, parts.reshape(size_px, size_px), persons.reshape(size_px, size_px))


def _cast_pixels(scene: Scene, stage: Stage, columns: Floats, rows: Floats, size_px: int) -> tuple[Ints, Floats]:
    directions = scene.camera.rays(columns, rows, size_px)
    origins = np.broadcast_to(scene.camera.position, directions.shape).copy()
    return stage.cast(origins, directions)


def photograph(
    scene: Scene, stage: Stage, view: View, development: Development, size_px: int, rng: Rng
) -> NDArray[np.uint8]:
    """The picture, uint8 [H, W, 3]: shaded, edges smoothed, developed."""
    row, column = np.mgrid[:size_px, :size_px].reshape(2, -1)
    pixels = [np.arange(size_px**2)]
    faces, places = [view.faces], [view.places]
    offsets = [np.zeros((size_px**2, 2), np.float32)]
    edges = np.flatnonzero(_edges(stage, view, size_px))
    for across, down in _EDGE_OFFSETS:
        more = _cast_pixels(scene, stage, column[edges] + 0.5 + across, row[edges] + 0.5 + down, size_px)
        pixels.append(edges)
        faces.append(more[0])
        places.append(more[1])
        offsets.append(np.tile(np.array([[across, down]], np.float32), (len(edges), 1)))
    pixel, face, place = np.concatenate(pixels), np.concatenate(faces), np.concatenate(places)
    level = float((scene.light.sun + scene.light.sky).mean()) * 0.5
    colours = scene.backdrop.reshape(-1, 3)[pixel] ** 2.2 * level
    hit = np.flatnonzero(face >= 0)
    colours[hit] = _shade(scene, stage, face[hit], place[hit], colours[hit], rng)
    colours = np.minimum(colours, 4.0)
    counts = np.bincount(pixel, minlength=size_px**2)
    summed = np.stack([np.bincount(pixel, colours[:, channel], size_px**2) for channel in range(3)], 1)
    linear = (summed / counts[:, None]).reshape(size_px, size_px, 3).astype(np.float32)
    meter = float((scene.light.sun * 0.6 + scene.light.sky * 0.7 + scene.light.fill * 0.6).mean())
    depth = _depth(scene, stage, view, size_px)
    circles = circles_of_confusion(
        depth, focus_m=scene.focus_m, aperture=scene.aperture, spread=scene.camera.spread, size_px=size_px
    )
    return develop(linear / meter, depth, circles, development, rng)


def _depth(scene: Scene, stage: Stage, view: View, size_px: int) -> Floats:
    """Metres along the view to what each pixel shows, infinite where that is nothing, [H, W]."""
    along = (stage.vertices - scene.camera.position) @ scene.camera.forward
    hit = np.flatnonzero(view.faces >= 0)
    depth = np.full(size_px**2, np.inf, np.float32)
    depth[hit] = (along[stage.faces[view.faces[hit]]] * view.places[hit]).sum(1)
    return depth.reshape(size_px, size_px)


def _edges(stage: Stage, view: View, size_px: int) -> NDArray[np.bool_]:
    """Pixels beside one that shows another layer, [H·W]."""
    layer = np.where(view.faces >= 0, stage.layer_of_face[view.faces], -1).reshape(size_px, size_px)
    edge = np.zeros_like(layer, bool)
    sideways, downwards = layer[:, 1:] != layer[:, :-1], layer[1:] != layer[:-1]
    edge[:, 1:] |= sideways
    edge[:, :-1] |= sideways
    edge[1:] |= downwards
    edge[:-1] |= downwards
    return edge.ravel()


def _shade(scene: Scene, stage: Stage, face: Ints, place: Floats, behind: Floats, rng: Rng) -> Floats:
    """Linear colours of hits, float32 [R, 3]; `behind` is what a far floor fades into."""
    corners = stage.faces[face]
    weights = place[..., None]
    points = (stage.vertices[corners] * weights).sum(1)
    normals = (stage.normals[corners] * weights).sum(1)
    texture_points = (stage.texture_points[corners] * weights).sum(1)
    sight = points - scene.camera.position
    distance = np.sqrt((sight**2).sum(1))
    sight = sight / distance[:, None]
    normals = normals * np.where((normals * sight).sum(1) > 0, -1, 1)[:, None]
    smooth = _unit(normals)
    albedo, normals, gloss = _paint(stage, stage.layer_of_face[face], texture_points, smooth)
    colours = _light(scene, stage, points.astype(np.float32), smooth, _unit(normals), sight, albedo, gloss, rng)
    start, end = scene.floor_ends
    is_floor = np.array([isinstance(layer.material, Floor) for layer in stage.layers])[stage.layer_of_face[face]]
    reach = np.hypot(points[:, 0], points[:, 1])
    fade = np.where(is_floor, np.clip((reach - start) / (end - start), 0, 1), 0)[:, None]
    return (colours * (1 - fade) + behind * fade).astype(np.float32)


def _unit(vectors: Floats) -> Floats:
    return (vectors / np.maximum(np.sqrt((vectors**2).sum(1, keepdims=True)), 1e-9)).astype(np.float32)


def _paint(stage: Stage, layer: Ints, texture_points: Floats, normals: Floats) -> tuple[Floats, Floats, Floats]:
    """Linear albedo [R, 3], bent normals [R, 3] and gloss [R] of every hit, material by material."""
    albedo, bent = np.zeros_like(normals), normals.copy()
    gloss = np.zeros(len(normals), np.float32)
    for number in np.unique(layer):
        here = np.flatnonzero(layer == number)
        painted = stage.layers[number].material.paint(texture_points[here], normals[here])
        albedo[here], bent[here], gloss[here] = painted
    return np.clip(albedo, 0, 1) ** 2.2, bent, gloss


def _light(
    scene: Scene, stage: Stage, points: Floats, smooth: Floats, normals: Floats, sight: Floats,
    albedo: Floats, gloss: Floats, rng: Rng,
) -> Floats:  # fmt: skip
    """Direct light with shadows, light from everywhere with occlusion, highlights."""
    light = scene.light
    above = points + 0.003 * smooth
    towards = light.direction + rng.normal(0, light.softness, points.shape).astype(np.float32)
    facing = np.clip((normals * light.direction).sum(1), 0, 1)
    lit = (facing > 0) & ((smooth * light.direction).sum(1) > 0)
    shone = np.zeros(len(points), np.float32)
    shone[lit] = ~stage.blocked(above[lit], _unit(towards[lit]), 30.0)
    dark = np.zeros(len(points), np.float32)
    for _ in range(_OCCLUSION_RAYS):
        scattered = _unit(smooth + _unit(rng.normal(size=points.shape).astype(np.float32)) * 0.85)
        dark += stage.blocked(above, scattered, _OCCLUSION_REACH)
    open_sky = (1 - 0.65 * dark / _OCCLUSION_RAYS) * (0.6 + 0.4 * normals[:, 2])
    fill = np.clip(-(normals * sight).sum(1), 0, 1)
    arriving = light.sun * (facing * shone)[:, None] + light.sky * open_sky[:, None] + light.fill * fill[:, None]
    half = _unit(light.direction - sight)
    highlight = np.clip((normals * half).sum(1), 0, 1) ** 40 * gloss * shone
    return (albedo * arriving + highlight[:, None] * light.sun * 0.5).astype(np.float32)
