"""Hair lies over what is worn and around the head, without slits; tops end close to the shoulders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from discreet.data.people.accessories import draw_scarf
from discreet.data.people.body import Figure, part_labels, pose_body, template
from discreet.data.people.casting import choose_caster, make_caster
from discreet.data.people.expression import SEAM, Expression, face_shift
from discreet.data.people.garments import NECK, Garment, cut_garment, neckline, skin_layer, torso
from discreet.data.people.hair import grow_hair, skull
from discreet.data.people.identity import Identity, draw_identity
from discreet.data.people.materials import Cloth, Hair, Solid
from discreet.data.people.mesh import Layer, vertex_normals
from discreet.data.people.styles import find_style
from discreet.data.people.wardrobe import draw_outfit

STREET = find_style("street")
GREY = (0.5, 0.5, 0.5)
UPPER, COAT = 5, 7


@pytest.fixture(scope="module")
def figure() -> Figure:
    return pose_body(template().shapes[0], {})


def somebody(**given: object) -> Identity:
    return replace(draw_identity("x", np.random.default_rng(0)), **given)


def layers_of(figure: Figure, garments: list[Garment]) -> list[Layer]:
    """The skin, then the garments."""
    cut = [cut_garment(figure, garment, 1) for garment in garments]
    return [skin_layer(figure, part_labels(), Solid(GREY), garments), *(layer for layer in cut if layer is not None)]


def coat_and_scarf() -> list[Garment]:
    coat = Garment("tights", torso(0.2, 2.0, neckline("collar")), COAT, 0.045, Cloth(GREY, GREY), drape=0.8)
    return [coat, *draw_scarf(STREET, [coat], np.random.default_rng(3))]


def share_inside(points: NDArray[np.floating], layer: Layer) -> float:
    """How many of the points lie behind the surface, of those beside it."""
    gaps = np.linalg.norm(points[:, None] - layer.vertices[None], axis=2)
    nearest = gaps.argmin(1)
    away = points - layer.vertices[nearest]
    height = (away * vertex_normals(layer.vertices, layer.faces)[nearest]).sum(1)
    beside = np.sqrt(np.maximum((away**2).sum(1) - height**2, 0)) < 0.02
    return float((height[beside] < 0).mean()) if beside.any() else 0.0


@pytest.mark.parametrize("hair_style", ["long", "ponytail", "braids", "locks"])
def test_hair_lies_over_coats_and_scarves(figure: Figure, hair_style: str) -> None:
    worn = layers_of(figure, coat_and_scarf())
    _, coat, scarf, *_ = worn
    shares = []
    for below in ([], worn):
        points = []
        for seed in range(3):
            person = somebody(hair_style=hair_style, seed=seed)
            _, *hanging = grow_hair(figure, person, np.random.default_rng(seed), None, below)
            points += [layer.vertices for layer in hanging]
        shares.append([share_inside(np.concatenate(points), layer) for layer in (coat, scarf)])
    (in_coat, in_scarf), (still_in_coat, still_in_scarf) = shares
    assert min(in_coat, in_scarf) > 0.1
    assert still_in_coat < 0.03
    # A scarf is wound about the neck: hair near its upper edge is between the two.
    assert still_in_scarf < 0.5 * in_scarf


@pytest.mark.parametrize("forward", [0.8, -0.6])
def test_braids_hang_down_the_back_however_the_head_is_bent(forward: float) -> None:
    sine, cosine = np.sin(forward), np.cos(forward)
    bend = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]], np.float32)
    figure = pose_body(template().shapes[0], {"neck01": bend})
    worn, found = layers_of(figure, []), 0
    for seed in range(12):
        _, *strands = grow_hair(figure, somebody(hair_style="braids", seed=seed), np.random.default_rng(0), None, worn)
        if len(strands) > 1:
            continue  # one on each side, before the shoulders
        end = strands[0].vertices[-7:].mean(0)
        assert end[1] > 0.04
        assert np.linalg.norm(worn[0].vertices - end, axis=1).min() < 0.06
        found += 1
    assert found > 3


def test_locks_go_around_the_head_and_none_shows_in_an_open_mouth() -> None:
    figure = pose_body(template().shapes[0], {}, face_shift(Expression(open_mouth=1.0)))
    centre, radii = skull(figure, 0.05)
    mouth = figure.vertices[template().rows("left_eye")].mean(0)
    across, up = (grid.ravel() for grid in np.meshgrid(np.linspace(-0.02, 0.02, 41), np.linspace(-0.008, 0.004, 13)))
    rays = np.stack([across, np.ones_like(across), mouth[2] - 1.5 + SEAM + up], 1).astype(np.float32)
    for seed in range(6):
        skin, person = layers_of(figure, [])[0], somebody(hair_style="locks", seed=seed)
        strands = grow_hair(figure, person, np.random.default_rng(seed), None)[-1]
        place = (strands.texture_points - centre)[:, :2] / radii
        low = strands.texture_points[:, 2] < centre[2]
        assert (np.hypot(*place[low].T) > 0.85).all()
        vertices = np.concatenate([skin.vertices, strands.vertices])
        faces = np.concatenate([skin.faces, strands.faces + len(skin.vertices)]).astype(np.int32)
        hit, _ = make_caster(choose_caster(), vertices, faces).first_hits(np.array([0, -1, 1.5], np.float32), rays)
        assert (hit < len(skin.faces)).all()


def shades(colour: float, *, down: bool) -> NDArray[np.floating]:
    """Of grey hair on the side of the head, from 0 to about 2: down strands, or across them."""
    step = np.linspace(0, 0.06, 400)
    along, across = (step, np.zeros(400)) if down else (np.zeros(400), step)
    points = np.stack([np.full(400, 0.08), across, 0.88 - along], 1).astype(np.float32)
    return Hair((colour,) * 3, seed=5).paint(points, np.zeros_like(points))[0][:, 0] / colour


def test_strands_fall_from_the_crown_and_light_hair_has_no_spots() -> None:
    for colour in (0.1, 0.8):
        assert (
            np.abs(np.diff(shades(colour, down=True))).sum() < 0.3 * np.abs(np.diff(shades(colour, down=False))).sum()
        )
    assert shades(0.8, down=False).std() < 0.7 * shades(0.1, down=False).std()
    assert shades(0.8, down=False).std() > 0.03


def test_long_hair_has_no_slits_from_behind(figure: Figure) -> None:
    person = somebody(hair_style="long", seed=40)
    _, curtain = grow_hair(figure, person, np.random.default_rng(1), None, layers_of(figure, []))
    eyes = figure.vertices[template().rows("left_eye")].mean(0)
    across, below = (grid.ravel() for grid in np.meshgrid(np.linspace(-0.08, 0.08, 81), np.linspace(0.0, 0.12, 13)))
    origin = np.array([0, 3, eyes[2]], np.float32)
    aims = np.stack([across, np.full_like(across, 0.15), eyes[2] - below], 1) - origin
    hit, _ = make_caster(choose_caster(), curtain.vertices, curtain.faces).first_hits(origin, aims.astype(np.float32))
    assert (hit >= 0).mean() > 0.99


def test_sleeveless_tops_end_on_the_shoulders(figure: Figure) -> None:
    """However wide they hang: nothing of them stands off between neck and shoulder."""
    body, found = template(), 0
    skin = figure.vertices[body.rows("skin")]
    for seed in range(120):
        outfit = draw_outfit(somebody(feminine=False), STREET, 0.0, np.random.default_rng(seed))
        top = next(piece for piece in outfit if piece.label == UPPER)
        if (top.field[body.arm > 0.9] > 0).any() or (top.field[body.points[:, 2] > NECK + 0.04] > 0).any():
            continue
        cut = cut_garment(figure, top, seed)
        assert cut is not None
        straps = cut.vertices[cut.texture_points[:, 2] > 0.69]
        assert np.linalg.norm(straps[:, None] - skin[None], axis=2).min(1).max() < 0.032
        assert cut.texture_points[:, 2].max() < NECK + 0.02
        found += 1
    assert found > 8
