"""One person as layers, standing at the origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import part_labels, pose_body, template
from discreet.data.people.carried import draw_carried
from discreet.data.people.expression import draw_expression, face_shift
from discreet.data.people.face import Eye, Skin, draw_face, with_straight_borders
from discreet.data.people.furniture import make_mat, make_seat, make_step
from discreet.data.people.garments import cut_garment, skin_layer
from discreet.data.people.headwear import dress_head
from discreet.data.people.identity import Identity
from discreet.data.people.materials import triple
from discreet.data.people.mesh import Layer, solid
from discreet.data.people.parts import Part
from discreet.data.people.pose import Pose, draw_pose
from discreet.data.people.postures import POSTURES
from discreet.data.people.styles import Style
from discreet.data.people.wardrobe import draw_cold, draw_outfit

Floats = NDArray[np.floating]
Box = tuple[Floats, Floats]

_BESIDE_A_SEAT = 0.1  # metres: a hand or a foot that reaches out of a footprint does not reach through furniture


@dataclass(frozen=True)
class Person:
    """Somebody in a picture.

    Args:
        subject: the identity's name. layers: what is labelled. seat: what the person sits or steps on, which stays.
        top: metres from the ground to the highest point. posture: one of POSTURES.
        carried: what goes where the person goes, without a part of its own.
        scale: how tall the person is, standing, beside the template.
    """

    subject: str
    layers: tuple[Layer, ...]
    seat: tuple[Layer, ...]
    top: float
    posture: str = "upright"
    carried: tuple[Layer, ...] = ()
    scale: float = 1.0

    @property
    def lies(self) -> bool:
        """Whether the person lies, and so is wide and low."""
        return POSTURES[self.posture].support == "lying"

    def scaled(self, factor: float) -> Person:
        """The person with all that belongs to it, so many times as large."""
        larger = self._with_each(lambda layer: layer.scaled(factor))
        return replace(larger, top=factor * self.top, scale=factor * self.scale)

    def placed(self, rotation: Floats, offset: Floats) -> Person:
        """The person turned by [3, 3] and moved by [3]."""
        return self._with_each(lambda layer: layer.moved(rotation, offset))

    def shifted(self, step: Floats, times: int) -> Person:
        """The person moved along the ground by [2], so many times."""
        return self._with_each(lambda layer: replace(layer, vertices=_stepped(layer.vertices, step, times)))

    def _with_each(self, change: Callable[[Layer], Layer]) -> Person:
        """The person with a change to every layer that belongs to it."""
        layers, seat, carried = (tuple(map(change, part)) for part in (self.layers, self.seat, self.carried))
        return replace(self, layers=layers, seat=seat, carried=carried)

    def bounds(self) -> Box:
        """The lowest and the highest corner of all that is labelled, [3] each."""
        return self._bounds

    @cached_property
    def _bounds(self) -> Box:
        lows, highs = zip(*(_corners(layer.vertices) for layer in self.layers), strict=True)
        return np.min(lows, 0), np.max(highs, 0)

    def footprint(self, step: Floats | None = None, times: int = 0) -> Box:
        """A box on the ground around the person and the seat, [2] each: hands may reach out of it but of who lies.

        Args:
            step, times: as if the person were shifted so.
        """
        points = self._ground if step is None else _stepped(self._ground, step, times)
        outside = 0.0 if self.lies else 0.02
        low, high = np.quantile(points, (outside, 1 - outside), axis=0)
        for layer in self.seat:
            corners = layer.vertices if step is None else _stepped(layer.vertices, step, times)
            low = np.minimum(low, corners[:, :2].min(0) - _BESIDE_A_SEAT)
            high = np.maximum(high, corners[:, :2].max(0) + _BESIDE_A_SEAT)
        return low, high

    @cached_property
    def _ground(self) -> Floats:
        """A few of the person's points, seen from above, [N, 2]."""
        return np.concatenate([layer.vertices[:, :2] for layer in self.layers])[::11]

    def head(self) -> Floats:
        """The middle of the face [3]; where it is all hidden, the top of the person."""
        skin = self.layers[0]
        rows = skin.faces[skin.labels == Part.FACE]
        low, high = self.bounds()
        return skin.vertices[rows[:, 0]].mean(0) if len(rows) else np.array([*(low + high)[:2] / 2, high[2] - 0.12])


def _corners(points_N3: Floats) -> Box:
    """The lowest and the highest of each coordinate, [3] each."""
    columns = [points_N3[:, axis] for axis in range(3)]
    return np.array([column.min() for column in columns]), np.array([column.max() for column in columns])


def _stepped(points: Floats, step: Floats, times: int) -> Floats:
    """Points [N, 2 or 3] moved along the ground by [2], so many times: rounded each time."""
    moved = points.copy()
    for _ in range(times):
        moved[:, :2] += step
    return moved


def make_person(
    identity: Identity, style: Style, rng: np.random.Generator, supports: tuple[str, ...] = ("feet",)
) -> Person:
    """An identity in a new pose and new clothes: dressed at the template's height, then made as tall as it is."""
    body = template()
    pose = draw_pose(rng, supports=supports)
    expression = draw_expression(rng)
    figure = pose_body(identity.shape, pose.rotations, face_shift(expression))
    cold = draw_cold(style, rng)
    legs_bent = pose.support != "feet" or pose.posture == "crouching"
    outfit = draw_outfit(identity, style, cold, rng, legs_bent=legs_bent)
    face = draw_face(np.random.default_rng([identity.seed, 13]), female=identity.feminine, years=identity.years)
    skin = Skin(identity.skin, identity.lips, identity.hair, identity.seed, identity.beard, identity.brow, face)
    layers = [with_straight_borders(skin_layer(figure, part_labels(), skin, outfit))]
    for name, eye in zip(("left_eye", "right_eye"), body.eyes, strict=True):
        rows, faces = body.rows(name), body.own_faces(name)
        material = Eye(triple(eye), identity.iris, identity.skin, expression.gaze, expression.lids)
        layers.append(solid(figure.vertices[rows], faces, Part.FACE, material, body.points[rows]))
    # One seed for all: pieces that crumple alike go on in each other, and lie over each other.
    crumple = int(rng.integers(1000))
    pieces = [cut_garment(figure, garment, crumple) for garment in outfit]
    layers += [piece for piece in pieces if piece is not None]
    layers += dress_head(figure, identity, style, cold, rng, layers)
    bare = figure.vertices[body.rows("skin")]
    seat = _rest(pose, bare, figure.vertices, rng)
    carried = draw_carried(figure, style, rng, layers)
    top = float(bare[:, 2].max())
    dressed = Person(identity.name, tuple(layers), seat, top, pose.posture, tuple(carried))
    return dressed.scaled(identity.height / body.height)


def _rest(pose: Pose, skin: Floats, vertices: Floats, rng: np.random.Generator) -> tuple[Layer, ...]:
    """What the body rests on, if it is not the ground."""
    if pose.support == "seat":
        return make_seat(vertices, rng)
    if pose.on_a_step:
        return make_step(vertices, rng)
    return make_mat(skin, rng) if pose.support == "lying" else ()
