"""One person as layers, standing at the origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import part_labels, pose_body, template
from discreet.data.people.expression import draw_expression, face_shift
from discreet.data.people.face import Eye, Skin, draw_face
from discreet.data.people.garments import cut_garment, skin_layer
from discreet.data.people.hair import dress_head
from discreet.data.people.identity import Identity
from discreet.data.people.materials import Colour, Solid
from discreet.data.people.mesh import Layer, box, compact, solid
from discreet.data.people.pose import draw_pose
from discreet.data.people.styles import Style
from discreet.data.people.wardrobe import draw_outfit

Floats = NDArray[np.floating]

_FACE = 13


@dataclass(frozen=True)
class Person:
    """Somebody in a picture.

    Args:
        subject: the identity's name. layers: what is labelled. seat: what the person sits on.
        top: metres from the ground to the highest point.
    """

    subject: str
    layers: tuple[Layer, ...]
    seat: tuple[Layer, ...]
    top: float

    def placed(self, rotation: Floats, offset: Floats) -> Person:
        """The person turned by [3, 3] and moved by [3]."""
        layers = tuple(layer.moved(rotation, offset) for layer in self.layers)
        seat = tuple(layer.moved(rotation, offset) for layer in self.seat)
        return Person(self.subject, layers, seat, self.top)


def make_person(identity: Identity, style: Style, rng: np.random.Generator) -> Person:
    """An identity in a new pose and new clothes."""
    body = template()
    pose = draw_pose(rng)
    expression = draw_expression(rng)
    figure = pose_body(identity.shape, pose.rotations, face_shift(expression))
    outfit = draw_outfit(identity, style, rng)
    face = draw_face(np.random.default_rng([identity.seed, 13]), female=identity.feminine)
    skin = Skin(identity.skin, identity.lips, identity.hair, identity.seed, identity.beard, identity.brow, face)
    layers = [skin_layer(figure, part_labels(), skin, outfit)]
    for name, eye in zip(("left_eye", "right_eye"), body.eyes, strict=True):
        x, y, z = (float(value) for value in eye)
        faces = body.meshes[name]
        labels = np.full(len(faces), _FACE, np.uint8)
        material = Eye((x, y, z), identity.iris, identity.skin, expression.gaze, expression.lids)
        layers.append(compact(Layer(figure.vertices, faces, body.points, labels, material)))
    pieces = [cut_garment(figure, garment, int(rng.integers(1000))) for garment in outfit]
    layers += [piece for piece in pieces if piece is not None]
    layers += dress_head(figure, identity, style, rng)
    used = body.meshes["skin"]
    seat = _seat(figure.vertices, rng) if pose.sitting else ()
    return Person(identity.name, tuple(layers), seat, float(figure.vertices[used, 2].max()))


def _seat(vertices: Floats, rng: np.random.Generator) -> tuple[Layer, ...]:
    """A block under the thighs, sometimes with a back."""
    body = template()
    rows = np.unique(body.meshes["tights"])
    bottom = rows[(np.abs(body.points[rows, 2] - 0.05) < 0.1) & (body.arm[rows] < 0.5)]
    height = float(np.quantile(vertices[bottom, 2], 0.03)) - 0.005
    middle = vertices[bottom].mean(0)
    red, green, blue = (float(value) for value in rng.uniform(0.1, 0.8, 3))
    colour: Colour = (red, green, blue)
    half = float(rng.uniform(0.22, 0.7))
    low = (float(middle[0]) - half, float(middle[1]) - 0.12, 0.0 if rng.random() < 0.6 else height - 0.06)
    high = (float(middle[0]) + half, float(middle[1]) + 0.3, height)
    blocks = [box(low, high)]
    if rng.random() < 0.4:
        blocks.append(box((low[0], high[1], 0.0), (high[0], high[1] + 0.06, height + float(rng.uniform(0.3, 0.6)))))
    material = Solid(colour, gloss=0.1, rough=0.5, seed=int(rng.integers(1000)))
    return tuple(solid(vertices, faces, 0, material) for vertices, faces in blocks)
