"""Skin and eyes: what is painted on a bare body, most of it on the face.

Lengths in metres from the point between the eyes: across (mirrored), up, and depth (negative in front). Colours are
sRGB, 0-1, as triples. Shapes: N points.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.body import template
from discreet.data.people.chance import draw
from discreet.data.people.expression import SEAM
from discreet.data.people.materials import Colour, blend, plain, triple
from discreet.data.people.mesh import Layer
from discreet.data.people.noise import noise
from discreet.data.people.parts import Part

Floats = NDArray[np.floating]

_BEARD_ODDS = {"stubble": 0.4, "full": 0.3, "goatee": 0.18, "moustache": 0.12}
BEARDS = tuple(_BEARD_ODDS)
_EYE_RADIUS = 0.0152  # metres


@dataclass(frozen=True)
class FaceLook:
    """What makes a face somebody's.

    Args:
        age: 0 young to 1 old: lines, folds, spots. mouth: width of the lips, 1 usual. lips: their fullness, 1 usual.
        arch: of the brows, 0 straight to 1. brow_height: metres above the usual.
        beard: one of BEARDS; how much of it is Skin's. freckles, redness: 0 to 1.
        shadow: colour on the eyelids, or None. liner: how dark the lashes are, 0 to 1.
    """

    age: float = 0.3
    mouth: float = 1.0
    lips: float = 1.0
    arch: float = 0.5
    brow_height: float = 0.0
    beard: str = "full"
    freckles: float = 0.0
    redness: float = 0.5
    shadow: Colour | None = None
    liner: float = 0.5


def draw_face(rng: np.random.Generator, *, female: bool, years: float) -> FaceLook:
    """A new face of somebody so many years old: it begins to age at 18, and children are not made up."""
    age = float(np.clip((years - 18) / 67, 0, 1))
    made_up = bool(rng.random() < 0.35) and female and age > 0
    shadow = triple(rng.uniform(0.15, 0.6, 3))
    return FaceLook(
        age=age,
        mouth=float(rng.uniform(0.86, 1.12)),
        lips=float(rng.uniform(0.9, 1.3) if female else rng.uniform(0.7, 1.15)),
        arch=float(rng.random() * (1.0 if female else 0.6)),
        brow_height=float(rng.normal(0, 0.0012)),
        beard=draw(rng, _BEARD_ODDS),
        freckles=float(rng.uniform(0.3, 1.0)) if rng.random() < 0.15 else 0.0,
        redness=float(rng.uniform(0.2, 1.0)),
        shadow=shadow if made_up else None,
        liner=float(rng.uniform(0.7, 1.0) if made_up else rng.uniform(0.35, 0.6)),
    )


def _bump(distance_N: Floats, width: float) -> Floats:
    return np.exp(-((distance_N / width) ** 2))


@dataclass(frozen=True)
class Skin:
    """Skin: blotches and blood everywhere; the face where the face is.

    Args:
        tone, lips, hair: colours. seed: blotches, freckles, hairs.
        beard: 0 none to 1 full. brow: thickness of the brows, 1 usual. look: the rest of the face.
    """

    tone: Colour
    lips: Colour
    hair: Colour
    seed: int
    beard: float = 0.0
    brow: float = 1.0
    look: FaceLook = field(default_factory=FaceLook)

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """Colour and gloss of skin."""
        shade = 0.93 + 0.1 * noise(points_N3, 22, self.seed) + 0.05 * noise(points_N3, 140, self.seed + 1)
        colours = plain(self.tone, len(points_N3)) * shade[:, None]
        colours = blend(colours, self._blood(), 0.3 * _joints(points_N3))
        colours = blend(colours, np.asarray(self.tone) * 0.6 + (0.36, 0.24, 0.23), 0.7 * _nails(points_N3))
        in_head = points_N3[:, 2] > template().eyes[0, 2] - 0.15
        if in_head.any():
            colours[in_head] = self._face(points_N3[in_head], colours[in_head])
        return np.clip(colours, 0, 1).astype(np.float32), normals_N3, 0.1

    def _blood(self) -> Floats:
        """The tone where blood shines through: less of it shows on dark skin."""
        return np.asarray(self.tone) * (1.03, 0.74, 0.7)

    def _face(self, points_N3: Floats, colours_N3: Floats) -> Floats:
        place = points_N3 - template().eyes.mean(0)
        across, depth, up = np.abs(place[:, 0]), place[:, 1], place[:, 2]
        front = np.clip((0.05 - depth) / 0.02, 0, 1)
        colours = self._flush(colours_N3, points_N3, across, depth, up, front)
        colours = self._lines(colours, across, up, depth, front)
        colours = self._eyelids(colours, across, up, depth)
        colours = self._hairs(colours, points_N3, across, up, front)
        return self._mouth(colours, points_N3, across, depth, up)

    def _flush(
        self, colours: Floats, points_N3: Floats, across: Floats, depth: Floats, up: Floats, front: Floats
    ) -> Floats:
        """Red cheeks, nose and ears; freckles and spots of age."""
        cheek = _bump(np.hypot(across - 0.045, up + 0.036), 0.024) * front
        nose = _bump(np.hypot(across, up + 0.043), 0.013) * (depth < -0.025)
        ear = ((across > 0.068) & (depth > 0.06) & (np.abs(up + 0.012) < 0.045)).astype(np.float32)
        flush = np.clip(0.6 * cheek + 0.65 * nose + 0.4 * ear, 0, 1)
        colours = blend(colours, self._blood(), self.look.redness * flush)
        spots = np.clip((noise(points_N3, 420, self.seed + 9) - 0.68) * 6, 0, 1)
        spread = _bump(up + 0.03, 0.03) * front * self.look.freckles
        aged = np.clip((noise(points_N3, 130, self.seed + 8) - 0.78) * 6, 0, 1) * np.clip(self.look.age - 0.6, 0, 1)
        return blend(colours, np.asarray(self.tone) * (0.74, 0.58, 0.48), 0.7 * spots * spread + aged)

    def _lines(self, colours: Floats, across: Floats, up: Floats, depth: Floats, front: Floats) -> Floats:
        """Folds beside the mouth, lines on the brow, feet of crows, bags; nostrils."""
        age = self.look.age
        fold_at = 0.0165 + 0.42 * np.clip(-0.044 - up, 0, None)
        fold = _bump(across - fold_at, 0.002) * ((up < -0.044) & (up > -0.078))
        waves = np.clip(np.sin((up + 0.25 * across) * 900) - 0.72, 0, 1)
        brow = 3 * waves * ((up > 0.034) & (up < 0.066) & (across < 0.04))
        rays = np.clip(np.sin(np.arctan2(up, across - 0.043) * 16) - 0.6, 0, 1)
        crow = 2 * rays * _bump(np.hypot(across - 0.054, up), 0.007)
        bag = _bump(np.hypot((across - 0.031) / 1.7, up + 0.0165 - 0.5 * np.abs(across - 0.031)), 0.0028)
        socket = _bump(np.hypot((across - 0.03) / 1.5, up - 0.006), 0.013)
        crease = (0.1 + 0.45 * age) * fold + 0.55 * np.clip(age - 0.35, 0, 1) * (brow + crow) + (0.08 + 0.3 * age) * bag
        amount = np.clip(crease + 0.3 * socket, 0, 0.6) * front
        colours = blend(colours, np.asarray(self.tone) * (0.7, 0.54, 0.5), amount)
        hole = 1 - ((across - 0.0068) / 0.0034) ** 2 - ((up + 0.0492) / 0.0026) ** 2 - ((depth + 0.033) / 0.008) ** 2
        return blend(colours, np.asarray(self.tone) * (0.28, 0.16, 0.14), 2.5 * hole)

    def _eyelids(self, colours: Floats, across: Floats, up: Floats, depth: Floats) -> Floats:
        """Lashes at the rims, the crease above, shadow of make-up between crease and brow."""
        eye = template().eyes[0]
        away = np.linalg.norm(np.stack([across - eye[0], depth, up], 1), axis=1)
        near = (away < 0.03) & (depth < 0.006)
        rim = np.clip((_EYE_RADIUS + 0.0019 - away) / 0.0009, 0, 1) * near
        if self.look.shadow is not None:
            lid = _bump(np.hypot((across - eye[0]) / 1.5, up - 0.01), 0.0075) * (up > 0) * near
            colours = blend(colours, 0.5 * np.asarray(self.look.shadow) + 0.5 * np.asarray(self.tone), 0.6 * lid)
        dark = np.asarray(self.tone) * 0.3 * (1 - self.look.liner) + 0.03
        colours = blend(colours, dark, rim * np.where(up > 0, 0.5 + 0.5 * self.look.liner, 0.4 * self.look.liner))
        tear = _bump(np.hypot(across - 0.0165, up + 0.0035), 0.002) * near
        return blend(colours, self._blood() * (1.0, 0.85, 0.85), 0.6 * tear)

    def _hairs(self, colours: Floats, points_N3: Floats, across: Floats, up: Floats, front: Floats) -> Floats:
        """Brows that taper outwards, and a beard of the look's shape."""
        look, thick = self.look, self.brow
        along = np.clip((across - 0.011) / 0.042, 0, 1)
        bend = 0.0065 * np.sin(np.pi * 0.82 * along) * (0.4 + 0.8 * look.arch)
        middle = 0.0185 + look.brow_height + bend
        half = 0.0031 * thick * (1 - 0.6 * along**2)
        inside = np.clip((half - np.abs(up - middle)) / 0.0013 + 0.5, 0, 1)
        inside = inside * np.clip((across - 0.0105) / 0.004, 0, 1) * np.clip((0.054 - across) / 0.008, 0, 1)
        strands = 0.45 + 0.75 * noise(points_N3, (900, 300, 500), self.seed + 4)
        dark = np.asarray(self.hair) * 0.6
        colours = blend(colours, dark, inside * strands * front)
        if not self.beard:
            return colours
        grown = _beard(look.beard, across, up)
        fuzz = 0.35 + 0.9 * noise(points_N3, (500, 500, 220), self.seed + 5)
        strength = 0.4 if look.beard == "stubble" else 0.55 + 0.5 * self.beard
        return blend(colours, np.asarray(self.hair) * 0.75, strength * grown * fuzz * front)

    def _mouth(self, colours: Floats, points_N3: Floats, across: Floats, depth: Floats, up: Floats) -> Floats:
        """Lips with a bow, the dark line between them, and what an open mouth shows."""
        wide, full = 0.0252 * self.look.mouth, 0.55 + 0.45 * self.look.lips
        curve = np.clip(1 - (across / wide) ** 2, 0, 1)
        bow = 0.0014 * _bump(across, 0.003)
        upper = SEAM + (0.0114 * curve**0.8 - bow) * full
        lower = SEAM - 0.0128 * curve**0.9 * full
        soft = np.minimum(upper - up, up - lower) / 0.0011
        lip = np.clip(soft + 0.4, 0, 1) * (across < wide) * (depth < 0)
        texture = 0.9 + 0.2 * noise(points_N3, (900, 200, 120), self.seed + 6)
        tint = np.asarray(self.lips) * np.where(up > SEAM, 0.9, 1.02)[:, None] * texture[:, None]
        colours = blend(colours, tint, 0.85 * lip)
        seam = _bump(up - SEAM, 0.0009) * (across < wide) * (depth < 0)
        colours = blend(colours, np.asarray(self.lips) * 0.3, 0.8 * seam)
        surface = -0.0335 + 14 * across**2
        inner = (
            np.clip((depth - surface - 0.0085) / 0.002, 0, 1)
            * (across < 0.022)
            * (up > SEAM - 0.009)
            * (up < SEAM + 0.02)
            * (depth < 0.03)
        )
        teeth = inner * ((up > SEAM - 0.001) & (up < SEAM + 0.012) & (depth < surface + 0.022))
        colours = blend(colours, (0.2, 0.06, 0.06), inner)
        return blend(colours, (0.84, 0.8, 0.74), teeth)


def _beard(kind: str, across: Floats, up: Floats) -> Floats:
    """Where a beard grows, 0 to 1."""
    moustache = np.clip((0.03 - across) / 0.006, 0, 1) * np.clip((-0.0535 - up) / 0.003, 0, 1) * (up > SEAM - 0.006)
    if kind == "moustache":
        return moustache
    fade = np.clip((up + 0.15) / 0.02, 0, 1)
    chin = np.clip((0.03 - across) / 0.006, 0, 1) * np.clip((-0.087 - up) / 0.003, 0, 1) * fade
    corner = np.clip((0.006 - np.abs(across - 0.029)) / 0.003, 0, 1) * ((up < -0.058) & (up > -0.095))
    if kind == "goatee":
        return np.maximum(np.maximum(moustache, chin), corner)
    cheek = np.clip((-0.052 - 0.5 * (0.06 - across) - up + 0.012) / 0.01, 0, 1) * fade
    cheek = np.maximum(cheek, np.clip((across - 0.058) / 0.008, 0, 1) * np.clip(-up / 0.02, 0, 1) * fade)
    return np.maximum(cheek, np.maximum(moustache, chin))


def with_straight_borders(skin: Layer) -> Layer:
    """The skin with triangles cut where head and arms begin, so that parts meet in lines and not along triangles."""
    field_V, part_V = _parts(skin.texture_points)
    inside, count = field_V > 0, len(field_V)
    one, two, three = (inside[skin.faces[:, corner]] for corner in range(3))
    above_legs = skin.labels <= Part.RIGHT_ARM
    crossed = np.flatnonzero(((one != two) | (one != three)) & above_legs)
    labels = np.where(above_legs, np.where(one, part_V[skin.faces[:, 0]], Part.TORSO_SKIN), skin.labels)
    # The corner that is alone on its side of the border, then the other two.
    alone = np.where(two == three, 0, np.where(one == three, 1, 2))[crossed]
    split = skin.faces[crossed]
    apex, left, right = (split[np.arange(len(split)), (alone + k) % 3] for k in range(3))
    # Neighbours share the vertices on the border, else light would show it.
    first, second = np.concatenate([apex, apex]).astype(np.int64), np.concatenate([left, right])
    edges, place = np.unique(np.minimum(first, second) * count + np.maximum(first, second), return_inverse=True)
    on_left, on_right = np.split((count + place).astype(np.int32), 2)
    new = [(apex, on_left, on_right), (on_left, left, right), (on_left, right, on_right)]
    first, second = edges // count, edges % count
    mix = (field_V[first] / (field_V[first] - field_V[second]))[:, None]
    vertices, points = (
        np.concatenate([values, values[first] * (1 - mix) + values[second] * mix])
        for values in (skin.vertices, skin.texture_points)
    )
    own, others = (np.where(inside[corner], part_V[corner], Part.TORSO_SKIN) for corner in (apex, left))
    return replace(
        skin, vertices=vertices, texture_points=points,
        faces=np.concatenate([np.delete(skin.faces, crossed, 0), *(np.stack(corners, 1) for corners in new)]),
        labels=np.concatenate([np.delete(labels, crossed), own, others, others]).astype(np.uint8),
    )  # fmt: skip


def _parts(points_N3: Floats) -> tuple[Floats, NDArray[np.uint8]]:
    """How far a point of the skin is inside of the head or an arm, metres, [N]; and which of them is next to it, [N].

    They begin at planes near which two bones share the skin half and half: below the jaw, and through each shoulder.
    """
    across, depth, height = points_N3.T
    eyes = template().eyes.mean(0)
    head = height - eyes[2] - np.minimum(0.94 * (depth - eyes[1]) - 0.163, -0.047)
    arm = np.abs(across) - 0.1 * depth + 0.082 * height - 0.2167
    part = np.where(head > arm, Part.FACE, np.where(across > 0, Part.LEFT_ARM, Part.RIGHT_ARM))
    return np.maximum(head, arm), part.astype(np.uint8)


@lru_cache(maxsize=1)
def _spots() -> tuple[Floats, Floats]:
    """Joints that redden, float32 [J, 3], and middles of fingernails, float32 [10, 3]."""
    body = template()
    names = [f"finger{finger}-{joint}.{side}" for finger in range(2, 6) for joint in (1, 2) for side in "LR"]
    names += [f"{name}.{side}" for name in ("lowerarm01", "lowerleg01") for side in "LR"]
    joints = np.stack([body.heads[body.bones[name]] for name in names])
    nails = []
    strongest = body.weight_bones[np.arange(len(body.points)), body.weights.argmax(1)]
    skin = body.rows("skin")
    for finger in range(1, 6):
        for side, sign in (("L", 1.0), ("R", -1.0)):
            bone = body.bones[f"finger{finger}-3.{side}"]
            own = body.points[skin[strongest[skin] == bone]]
            reach = own - body.heads[bone]
            tip = own[np.linalg.norm(reach, axis=1).argmax()]
            along = (tip - body.heads[bone]) / np.linalg.norm(tip - body.heads[bone])
            back = np.array([sign, 0, 0.6]) - along * (along @ np.array([sign, 0, 0.6]))
            nails.append(tip - 0.005 * along + 0.004 * back / np.linalg.norm(back))
    return joints.astype(np.float32), np.stack(nails).astype(np.float32)


def _joints(points_N3: Floats) -> Floats:
    """How near a knuckle, an elbow or a knee, 0 to 1."""
    joints, _ = _spots()
    return _nearness(points_N3, joints, np.where(np.arange(len(joints)) < len(joints) - 4, 0.009, 0.04))


def _nails(points_N3: Floats) -> Floats:
    """How much of a fingernail, 0 to 1."""
    _, nails = _spots()
    return np.clip(2.5 * _nearness(points_N3, nails, np.full(len(nails), 0.0055)) - 0.9, 0, 1)


def _nearness(points_N3: Floats, spots: Floats, widths: Floats) -> Floats:
    result = np.zeros(len(points_N3), np.float32)
    across = np.ascontiguousarray(points_N3[:, 0])
    for spot, width in zip(spots, widths, strict=True):
        near = np.flatnonzero(np.abs(across - spot[0]) < 2.5 * width)
        if not len(near):
            continue
        distance = np.linalg.norm(points_N3[near] - spot, axis=1)
        result[near] = np.maximum(result[near], _bump(distance, float(width)))
    return result


@dataclass(frozen=True)
class Eye:
    """White, iris and pupil around the point that is looked at, a catchlight, and a lid that comes down.

    Args:
        centre: of the eyeball. iris, skin: colours. gaze: of the pupil, across and up, metres. lids: 0 open, 1 closed.
    """

    centre: Colour
    iris: Colour
    skin: Colour = (0.7, 0.5, 0.4)
    gaze: tuple[float, float] = (0.0, 0.0)
    lids: float = 0.0

    def paint(self, points_N3: Floats, normals_N3: Floats) -> tuple[Floats, Floats, float]:
        """By the distance from the pupil's axis."""
        across, up = points_N3[:, 0] - self.centre[0], points_N3[:, 2] - self.centre[2]
        distance = np.hypot(across - self.gaze[0], up - self.gaze[1])
        # Lids shade the white, dark ones more than light ones.
        white = np.array([0.83, 0.8, 0.78]) * (0.55 + 0.45 * float(np.mean(self.skin)))
        colours = np.tile(white.astype(np.float32), (len(points_N3), 1))
        colours = blend(colours, (0.72, 0.5, 0.47), np.clip((np.abs(across) - 0.009) / 0.006, 0, 0.6))
        radial = np.clip(distance / 0.0062, 0, 1)
        iris = np.asarray(self.iris) * (1.25 - 0.75 * radial**3)[:, None]
        colours = blend(colours, iris, (0.0064 - distance) / 0.0007)
        colours = blend(colours, (0.015, 0.015, 0.015), (0.0026 - distance) / 0.0005)
        colours = blend(colours, np.asarray(self.skin) * 0.35, np.clip((up - 0.0035) / 0.005, 0, 0.6))
        light = np.hypot(across - self.gaze[0] + 0.0019, up - self.gaze[1] - 0.0021)
        colours = blend(colours, (0.9, 0.9, 0.9), (0.001 - light) / 0.0005)
        edge = 0.0085 - 0.0155 * self.lids - 22 * across**2 * (1 - self.lids)
        colours = blend(colours, np.asarray(self.skin) * 0.85, (up - edge) / 0.0006 if self.lids else np.zeros_like(up))
        lash = _bump(up - edge, 0.0009) * (self.lids > 0)
        return blend(colours, (0.05, 0.04, 0.04), 0.85 * lash), normals_N3, 0.35
