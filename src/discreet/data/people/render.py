"""From a scene to a picture: rays cast, hits shaded, the picture developed.

Labels come from the ray through the middle of each pixel; edges get more rays for colour only.

Shapes: H = W = size_px.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.develop import develop
from discreet.data.people.development import Development
from discreet.data.people.lens import circles_of_confusion
from discreet.data.people.scene import Scene
from discreet.data.people.shading import Hits, shade
from discreet.data.people.stage import Stage, View, cast_pixels

Rng = np.random.Generator
Floats = NDArray[np.floating]

_EDGE_OFFSETS = ((-0.33, -0.17), (0.17, -0.33), (0.25, 0.3))


def photograph(
    scene: Scene, stage: Stage, view: View, development: Development, size_px: int, rng: Rng
) -> NDArray[np.uint8]:
    """The picture, uint8 [H, W, 3]: shaded, edges smoothed, developed."""
    row, column = np.mgrid[:size_px, :size_px].reshape(2, -1)
    pixels = [np.arange(size_px**2)]
    faces, places = [view.faces], [view.places]
    edges = np.flatnonzero(_edges(stage, view, size_px))
    for across, down in _EDGE_OFFSETS:
        more = cast_pixels(scene, stage, column[edges] + 0.5 + across, row[edges] + 0.5 + down, size_px)
        pixels.append(edges)
        faces.append(more[0])
        places.append(more[1])
    pixel, face, place = np.concatenate(pixels), np.concatenate(faces), np.concatenate(places)
    level = float((scene.light.sun + scene.light.sky).mean()) * 0.5
    colours = scene.backdrop.reshape(-1, 3)[pixel] ** 2.2 * level
    hit = np.flatnonzero(face >= 0)
    hits = Hits(pixel[hit], face[hit], place[hit], hit < size_px**2)
    colours[hit] = shade(scene, stage, hits, colours[hit], size_px, rng)
    linear = _mean_light(np.minimum(colours, 4.0), edges, size_px)
    meter = float((scene.light.sun * 0.6 + scene.light.sky * 0.7 + scene.light.fill * 0.6).mean())
    depth = _depth(scene, stage, view, size_px)
    circles = circles_of_confusion(
        depth, focus_m=scene.focus_m, aperture=scene.aperture, spread=scene.camera.spread, size_px=size_px
    )
    return develop(linear / meter, depth, circles, development, rng)


def _mean_light(colours: Floats, edges: NDArray[np.intp], size_px: int) -> Floats:
    """Of the rays of each pixel, float32 [H, W, 3]: one for all, then more for the edges, round by round."""
    first, *more = np.split(colours, size_px**2 + len(edges) * np.arange(len(_EDGE_OFFSETS)))
    summed, counts = first.astype(np.float64), np.ones(size_px**2)
    for light in more:
        summed[edges] += light
        counts[edges] += 1
    return (summed / counts[:, None]).reshape(size_px, size_px, 3).astype(np.float32)


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


def _depth(scene: Scene, stage: Stage, view: View, size_px: int) -> Floats:
    """Metres along the view to what each pixel shows, infinite where that is nothing, [H, W]."""
    along = (stage.vertices - scene.camera.position) @ scene.camera.forward
    hit = np.flatnonzero(view.faces >= 0)
    depth = np.full(size_px**2, np.inf, np.float32)
    depth[hit] = np.einsum("rk,rk->r", along[stage.faces[view.faces[hit]]], view.places[hit])
    return depth.reshape(size_px, size_px)
