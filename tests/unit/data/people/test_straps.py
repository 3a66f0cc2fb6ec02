"""Bags hang by straps that lie on all that is worn, whatever the pose."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from discreet.data.people.body import Figure, pose_body, template
from discreet.data.people.carried import draw_carried
from discreet.data.people.garments import Garment, around_neck, cut_garment, flare, legs, neckline, sleeve_lift, torso
from discreet.data.people.materials import Solid
from discreet.data.people.mesh import Layer, vertex_normals
from discreet.data.people.pose import draw_pose
from discreet.data.people.styles import find_style

STREET, GREY = find_style("street"), Solid((0.5, 0.5, 0.5))
NUM_SEEDS = 40
SCARF = 11


def somebody(seed: int) -> Figure:
    return pose_body(template().shapes[seed], draw_pose(np.random.default_rng(seed)).rotations)


def dressed(figure: Figure) -> list[Layer]:
    """Trousers and a wide, crumpled, draped pullover over them."""
    trousers = Garment("tights", legs(0.3, 1.9), 9, 0.02, GREY)
    lift = 0.04 + flare(0.55, 0.09) + sleeve_lift(0.03)
    pullover = Garment("tights", torso(0.1, 2.0, neckline("round")), 5, lift, GREY, crumple=0.03, drape=1.0)
    pieces = [cut_garment(figure, garment, 7) for garment in (trousers, pullover)]
    return [piece for piece in pieces if piece is not None]


def bags(figure: Figure, worn: list[Layer]) -> list[tuple[Layer, list[Layer]]]:
    """Every bag with straps that some seeds draw, and its straps; handles and what lies in a hand are boxes."""
    drawn = [draw_carried(figure, STREET, np.random.default_rng(seed), worn) for seed in range(NUM_SEEDS)]
    found = [(layers[0], [strap for strap in layers[1:] if len(strap.vertices) > 24]) for layers in drawn if layers]
    return [(bag, straps) for bag, straps in found if straps]


def inside(bag: Layer, points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which points [N, 3] lie in a bag, which is convex."""
    sides = ConvexHull(bag.vertices).equations
    return (points @ sides[:, :3].T + sides[:, 3]).max(axis=1) < 0


@pytest.mark.parametrize("seed", range(4))
def test_a_bag_hangs_by_every_strap(seed: int) -> None:
    figure = somebody(seed)
    found = bags(figure, dressed(figure))
    assert {len(straps) for _, straps in found} == {1, 2}
    for bag, straps in found:
        for strap in straps:
            assert inside(bag, strap.vertices).any()


@pytest.mark.parametrize("seed", range(4))
def test_a_strap_is_one_closed_band(seed: int) -> None:
    for _, straps in bags(somebody(seed), []):
        for strap in straps:
            pairs = np.concatenate([strap.faces[:, [0, 1]], strap.faces[:, [1, 2]], strap.faces[:, [2, 0]]])
            num_edges = len(np.unique(np.sort(pairs), axis=0))
            # Euler's number is 0 for a band, 1 for a strip that ends, and 1 more for every island.
            assert len(strap.vertices) - num_edges + len(strap.faces) == 0


def outside(worn: Layer, points: NDArray[np.floating]) -> NDArray[np.floating]:
    """How far outside of what is worn on chest, back and shoulders those points [N, 3] lie that are near it, metres."""
    normals = vertex_normals(worn.vertices, worn.faces)
    apart = points[:, None] - worn.vertices
    nearest = np.linalg.norm(apart, axis=2).argmin(1)
    apart = apart[np.arange(len(points)), nearest]
    # Sleeves may lie over a strap.
    on_trunk = (np.abs(worn.texture_points[nearest, 0]) < 0.14) & (np.linalg.norm(apart, axis=1) < 0.03)
    return (apart * normals[nearest]).sum(1)[on_trunk]


@pytest.mark.parametrize("seed", range(4))
def test_straps_lie_on_the_outermost_garment(seed: int) -> None:
    figure = somebody(seed)
    worn = dressed(figure)
    for bag, straps in bags(figure, worn)[:5]:
        for strap in straps:
            band = strap.vertices.reshape(96, -1, 3)[:, 1:-1].reshape(-1, 3)
            lifts = outside(worn[-1], band[~inside(bag, band)])
            assert len(lifts) > 100
            assert (lifts > -0.01).mean() > 0.9
            assert 0.001 < np.median(lifts) < 0.01


def test_scarves_hang_over_straps() -> None:
    figure = somebody(0)
    shirt = dressed(figure)
    scarf = cut_garment(figure, Garment("skin", around_neck(0.15, 0.05), SCARF, 0.08, GREY))
    assert scarf is not None
    for (_, straps), (_, under) in zip(bags(figure, shirt), bags(figure, [*shirt, scarf]), strict=True):
        for strap, same in zip(straps, under, strict=True):
            np.testing.assert_array_equal(strap.vertices, same.vertices)
