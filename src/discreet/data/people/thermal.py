"""What a thermal camera sees of a scene: warmth instead of light.

Skin is as warm as blood lets it be, cloth lies between skin and room, the thicker the cooler; surfaces seen from the
side shine less. The camera stretches what it finds over black to white, and is coarser and noisier than one for light.

Shapes: H = W = size_px.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from discreet.data.people import lens
from discreet.data.people.parts import Part
from discreet.data.people.scene import Scene
from discreet.data.people.stage import Stage, View

Rng = np.random.Generator
Floats = NDArray[np.floating]
Range = tuple[float, float]

# How far a part's surface is from the room's warmth to the blood's.
_WARMTH: dict[Part, Range] = {
    Part.FACE: (0.92, 1.0), Part.TORSO_SKIN: (0.86, 0.98), Part.LEFT_ARM: (0.72, 0.95), Part.RIGHT_ARM: (0.72, 0.95),
    Part.LEFT_LEG: (0.7, 0.92), Part.RIGHT_LEG: (0.7, 0.92), Part.HAIR: (0.4, 0.65), Part.HAT: (0.2, 0.45),
    Part.SUNGLASSES: (0.0, 0.2), Part.UPPER_CLOTHES: (0.4, 0.72), Part.DRESS: (0.38, 0.7), Part.COAT: (0.12, 0.36),
    Part.SOCKS: (0.45, 0.7), Part.PANTS: (0.34, 0.66), Part.SKIRT: (0.34, 0.66), Part.SCARF: (0.28, 0.5),
    Part.GLOVE: (0.25, 0.55), Part.LEFT_SHOE: (0.15, 0.45), Part.RIGHT_SHOE: (0.15, 0.45),
}  # fmt: skip
_ROOM_C: Range = (16.0, 26.0)
_BLOOD_C: Range = (33.0, 36.0)
_FROM_THE_SIDE_K = 1.2  # that surfaces seen from the side seem cooler


def thermograph(scene: Scene, stage: Stage, view: View, size_px: int, rng: Rng) -> NDArray[np.uint8]:
    """The picture, uint8 [H, W, 3]: grey, white is warm."""
    warmth = _warmth(scene, stage, view, size_px, rng)
    low, high = np.quantile(warmth, [0.01, 0.995])
    shown = (warmth - low) / max(float(high - low), 2.0)
    return _as_sent(np.clip(shown, 0, 1), size_px, rng)


def _warmth(scene: Scene, stage: Stage, view: View, size_px: int, rng: Rng) -> Floats:
    """Degrees Celsius as they seem to the camera, [H, W]."""
    room = rng.uniform(*_ROOM_C)
    # Light and dark things behind differ a little in warmth, too.
    seen = room + (scene.backdrop.reshape(-1, 3).mean(1) - 0.5) * rng.uniform(0.5, 3.5)
    hit = np.flatnonzero(view.faces >= 0)
    face = view.faces[hit]
    bare = np.where(stage.is_floor(face), scene.bare.ravel()[hit], 1)
    warmth = _of_faces(stage, room, rng)[face] - _FROM_THE_SIDE_K * _sideways(scene, stage, view, hit)
    seen[hit] += bare * (warmth - seen[hit])
    return seen.reshape(size_px, size_px)


def _of_faces(stage: Stage, room: float, rng: Rng) -> Floats:
    """Degrees of each face: of things their own, of people each part's in each layer."""
    degrees = room + rng.normal(0, 0.8, len(stage.layers))[stage.layer_of_face]
    for person in np.unique(stage.person_of_face[stage.person_of_face > 0]):
        blood = rng.uniform(*_BLOOD_C)
        own = stage.person_of_face == person
        for layer in np.unique(stage.layer_of_face[own]):
            worn = own & (stage.layer_of_face == layer)
            for label in np.unique(stage.label_of_face[worn]):
                share = rng.uniform(*_WARMTH[Part(label)])
                degrees[worn & (stage.label_of_face == label)] = room + share * (blood - room)
    return degrees


def _sideways(scene: Scene, stage: Stage, view: View, hit: NDArray[np.intp]) -> Floats:
    """How far each hit surface is turned away, [R]: 0 seen from the front, 1 from the side."""
    face, place = view.faces[hit], view.places[hit]
    corners = stage.faces[face]
    points = np.einsum("rk,rkd->rd", place, stage.vertices[corners])
    normals = np.einsum("rk,rkd->rd", place, stage.normals(face)[corners])
    sight = points - scene.camera.position
    lengths = np.linalg.norm(sight, axis=1) * np.maximum(np.linalg.norm(normals, axis=1), 1e-9)
    return 1 - np.abs((sight * normals).sum(1)) / lengths


def _as_sent(shown: Floats, size_px: int, rng: Rng) -> NDArray[np.uint8]:
    """Few cells, noise in cells and columns, made as large as asked for."""
    cells = max(32, round(size_px * rng.uniform(0.45, 1.0)))
    planes = lens.soften(shown[None].astype(np.float32), rng.uniform(0.4, 0.9))
    planes = lens.resize(planes, cells, cells)
    noise = rng.normal(0, rng.uniform(0.004, 0.03), (1, cells, cells))
    stripes = rng.normal(0, rng.uniform(0.0, 0.012), (1, 1, cells))
    planes = lens.resize((planes + noise + stripes).astype(np.float32), size_px, size_px)
    grey = (np.clip(planes[0], 0, 1) ** rng.uniform(0.8, 1.25) * 255 + 0.5).astype(np.uint8)
    return np.repeat(grey[..., None], 3, 2)
