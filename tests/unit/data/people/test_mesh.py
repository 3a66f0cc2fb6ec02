"""Cutting a mesh at a field, and normals."""

import numpy as np

from discreet.data.people.materials import Solid
from discreet.data.people.mesh import box, compact, cut_at_zero, ellipsoid, solid, vertex_normals


def _area(vertices: np.ndarray, faces: np.ndarray) -> float:
    corners = vertices[faces]
    return float(
        np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    )


def test_a_cut_keeps_the_exact_area_of_the_positive_side() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    for line in (0.2, 0.5, 0.9):
        cut = cut_at_zero(faces, vertices[:, 0] - np.float32(line))
        new = cut.extend(vertices)
        assert abs(_area(new, cut.faces) - (1 - line)) < 1e-6
        assert new[cut.faces][..., 0].min() >= line - 1e-6


def test_a_field_without_a_positive_place_leaves_nothing() -> None:
    faces = np.array([[0, 1, 2]], np.int32)
    assert len(cut_at_zero(faces, np.full(3, -1, np.float32)).faces) == 0


def test_normals_of_a_ball_and_a_box_point_outwards() -> None:
    vertices, faces = ellipsoid(np.zeros(3, np.float32), (1, 1, 1))
    assert ((vertex_normals(vertices, faces) * vertices).sum(1) > 0.8).all()
    vertices, faces = box((-1, -1, -1), (1, 1, 1))
    assert len(faces) == 12
    assert _area(vertices, faces) == 24


def test_compact_drops_vertices_without_faces() -> None:
    vertices, faces = box((0, 0, 0), (1, 1, 1))
    layer = compact(solid(vertices, faces[:2], 0, Solid((0.5, 0.5, 0.5))))
    assert len(layer.vertices) == 4
    np.testing.assert_array_equal(layer.vertices[layer.faces], vertices[faces[:2]])
