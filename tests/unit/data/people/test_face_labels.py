"""Where head and arms begin, labels meet in lines."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from discreet.data.people.body import part_labels, pose_body, template
from discreet.data.people.face import with_straight_borders
from discreet.data.people.garments import skin_layer
from discreet.data.people.materials import Solid
from discreet.data.people.mesh import Layer

TORSO, FACE, LEFT_ARM, RIGHT_ARM = 10, 13, 14, 15


@pytest.fixture(scope="module")
def skin() -> Layer:
    figure = pose_body(template().shapes[0], {})
    return skin_layer(figure, part_labels(), Solid((0.5, 0.5, 0.5)), [])


def edges(layer: Layer) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Edges [E, 2], and the two faces beside each, [E, 2]: the skin is closed."""
    faces = layer.faces
    pairs = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    order = np.lexsort(pairs.T)
    pairs, owners = pairs[order].reshape(-1, 2, 2), np.tile(np.arange(len(faces)), 3)[order].reshape(-1, 2)
    assert (pairs[:, 0] == pairs[:, 1]).all()
    return pairs[:, 0], owners


def bends(layer: Layer, part: int) -> NDArray[np.floating]:
    """At each vertex between the torso and a part, how far the border turns there, in radians."""
    pairs, owners = edges(layer)
    beside = np.sort(layer.labels[owners], 1)
    border = pairs[(beside == np.sort([TORSO, part])).all(1)]
    turns = []
    for vertex in np.unique(border):
        ends = border[(border == vertex).any(1)].sum(1) - vertex
        if len(ends) == 2:
            one, other = (layer.texture_points[end] - layer.texture_points[vertex] for end in ends)
            lengths = np.linalg.norm(one) * np.linalg.norm(other)
            if lengths > 1e-9:
                turns.append(np.pi - np.arccos(np.clip(one @ other / lengths, -1, 1)))
    return np.array(turns)


@pytest.mark.parametrize("part", [FACE, LEFT_ARM, RIGHT_ARM])
def test_borders_are_lines_without_teeth(skin: Layer, part: int) -> None:
    assert (bends(skin, part) > 1).mean() > 0.2
    straight = bends(with_straight_borders(skin), part)
    assert len(straight) > 20
    assert (straight > 1).mean() < 0.05


def test_cutting_changes_neither_the_surface_nor_much_of_the_parts(skin: Layer) -> None:
    cut = with_straight_borders(skin)

    def area(layer: Layer, label: int) -> float:
        first, second, third = (layer.vertices[layer.faces[layer.labels == label, corner]] for corner in range(3))
        return float(np.linalg.norm(np.cross(second - first, third - first), axis=1).sum() / 2)

    labels = np.unique(skin.labels)
    assert set(np.unique(cut.labels)) == set(labels)
    assert sum(area(cut, label) for label in labels) == pytest.approx(sum(area(skin, label) for label in labels), 1e-4)
    for label in (TORSO, FACE, LEFT_ARM, RIGHT_ARM):
        assert area(cut, label) == pytest.approx(area(skin, label), 0.03)
    edges(cut)
