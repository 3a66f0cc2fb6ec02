"""Faces: expressions move the right skin, paint lies where a face has it, every look is drawn."""

import numpy as np
import pytest

from discreet.data.people.body import pose_body, template
from discreet.data.people.expression import SEAM, Expression, draw_expression, face_shift
from discreet.data.people.face import BEARDS, Eye, FaceLook, Skin, draw_face

TONE, LIPS, HAIR = (0.8, 0.6, 0.5), (0.8, 0.1, 0.2), (0.05, 0.05, 0.05)


def _colour(skin: Skin, across: float, up: float) -> np.ndarray:
    """The colour of the frontmost vertex near a place on the face."""
    body = template()
    points = body.points[np.unique(body.meshes["skin"])] - body.eyes.mean(0)
    near = points[np.hypot(points[:, 0] - across, points[:, 2] - up) < 0.005]
    point = near[near[:, 1].argmin()] * [0, 1, 0] + [across, 0, up] + body.eyes.mean(0)
    return skin.paint(point[None], np.ones((1, 3)))[0][0]


def test_a_calm_face_does_not_move_and_moods_move_only_the_face() -> None:
    body = template()
    assert not face_shift(Expression()).any()
    for mood in ("smile", "open_mouth", "raised_brows", "frown"):
        shift = face_shift(Expression(**{mood: 1.0}))
        moved = np.linalg.norm(shift, axis=1) > 1e-4
        assert moved.any()
        assert (body.head[moved] > 0.5).all()
        assert np.linalg.norm(shift, axis=1).max() < 0.015
        assert not moved[np.unique(body.meshes["left_eye"])].any()


def test_a_smile_lifts_the_corners_and_an_open_mouth_lowers_the_lower_lip_alone() -> None:
    body = template()
    place = body.points - body.eyes.mean(0)
    skin = np.zeros(len(place), bool)
    skin[np.unique(body.meshes["skin"])] = True
    skin &= (place[:, 1] < 0) & (np.abs(place[:, 0]) < 0.026)
    corner = skin & (np.abs(place[:, 0]) > 0.022) & (np.abs(place[:, 2] - SEAM) < 0.002)
    smile, opened = face_shift(Expression(smile=1.0)), face_shift(Expression(open_mouth=1.0))
    assert (smile[corner, 2] > 0.003).all()
    assert (smile[corner, 0] * place[corner, 0] > 0).all()
    middle = skin & (np.abs(place[:, 0]) < 0.003)
    assert (opened[middle & (np.abs(place[:, 2] + 0.08) < 0.003), 2] < -0.008).all()
    assert not opened[middle & (place[:, 2] > SEAM + 0.001)].any()


def test_an_expression_moves_with_the_posed_body() -> None:
    body = template()
    shift = face_shift(Expression(smile=1.0))
    calm, smiling = pose_body(body.shapes[0], {}), pose_body(body.shapes[0], {}, shift)
    np.testing.assert_allclose(smiling.vertices - calm.vertices, shift, atol=1e-5)


def test_lips_brows_and_lids_are_where_a_face_has_them() -> None:
    skin = Skin(TONE, LIPS, HAIR, seed=3)
    lip, forehead, brow = _colour(skin, 0.0, SEAM - 0.006), _colour(skin, 0.0, 0.05), _colour(skin, 0.03, 0.022)
    assert lip[0] > 3 * lip[1]
    assert (brow < 0.6 * forehead).all()
    np.testing.assert_allclose(forehead, TONE, rtol=0.2)


@pytest.mark.parametrize("kind", BEARDS)
def test_beards_differ_in_where_they_grow(kind: str) -> None:
    skin = Skin(TONE, LIPS, HAIR, seed=3, beard=1.0, look=FaceLook(beard=kind))
    bare = Skin(TONE, LIPS, HAIR, seed=3)
    for place, kinds in (((0.012, -0.0545), BEARDS), ((0.0, -0.1), BEARDS[:3]), ((0.05, -0.08), BEARDS[:2])):
        darker = _colour(skin, *place).sum() < 0.93 * _colour(bare, *place).sum()
        assert darker == (kind in kinds)


def test_a_closed_eye_shows_a_lid_and_a_gaze_moves_the_pupil() -> None:
    grid = np.array([[x, 0, z] for x in np.linspace(-0.006, 0.006, 13) for z in np.linspace(-0.003, 0.003, 7)])
    shut, _, _ = Eye((0, 0, 0), (0.3, 0.2, 0.1), TONE, lids=1.0).paint(grid, grid)
    np.testing.assert_allclose(shut, np.tile(np.multiply(TONE, 0.85), (len(grid), 1)), atol=0.01)
    right, _, _ = Eye((0, 0, 0), (0.3, 0.2, 0.1), TONE, gaze=(0.003, 0.0)).paint(grid, grid)
    assert right[grid[:, 0] > 0.002].sum(1).mean() < right[grid[:, 0] < -0.004].sum(1).mean()


def test_faces_are_drawn_from_the_generator_alone_and_widely() -> None:
    looks = [draw_face(np.random.default_rng(seed), female=seed % 2 == 0, years=seed / 2) for seed in range(200)]
    assert looks[5] == draw_face(np.random.default_rng(5), female=False, years=2.5)
    assert {look.beard for look in looks} == set(BEARDS)
    assert [look.age for look in looks] == sorted(look.age for look in looks)
    assert all(look.age == 0 for look in looks[:36])
    assert looks[-1].age == 1
    assert all(look.shadow is None for look in [*looks[:36], *looks[1::2]])
    assert any(look.shadow is not None for look in looks[36::2])
    moods = [draw_expression(np.random.default_rng(seed)) for seed in range(200)]
    assert sum(mood.lids == 1 for mood in moods) in range(2, 20)
    assert sum(mood.smile > 0.2 for mood in moods) > 60
