"""The body: skinning, poses, and which side is left."""

import numpy as np

from discreet.data.people.body import part_labels, pose_body, template
from discreet.data.people.pose import turn


def test_an_unposed_body_keeps_its_shape_and_stands_on_the_ground() -> None:
    body = template()
    figure = pose_body(body.shapes[0], {})
    skin = np.unique(body.meshes["skin"])
    moved = figure.vertices - figure.shaped
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0], moved.shape), atol=1e-5)
    assert abs(figure.vertices[skin, 2].min()) < 1e-6
    assert 1.2 < figure.vertices[skin, 2].max() < 2.3


def test_a_turned_joint_moves_only_what_hangs_on_it() -> None:
    body = template()
    still = pose_body(body.shapes[0], {}).vertices
    bent = pose_body(body.shapes[0], {"lowerarm01.L": turn(0, -1.0)}).vertices
    moved = np.linalg.norm(bent - still, axis=1) > 1e-4
    skin = np.unique(body.meshes["skin"])
    assert moved[skin].any()
    assert (body.points[skin, 0][moved[skin]] > 0).all()
    assert (body.arm[skin][moved[skin]] > 0).all()


def test_left_is_the_side_of_positive_x() -> None:
    body, labels = template(), part_labels()
    skin = np.unique(body.meshes["skin"])
    for left, right in ((14, 15), (16, 17)):
        assert (body.points[skin][labels[skin] == left, 0] > 0).all()
        assert (body.points[skin][labels[skin] == right, 0] < 0).all()
