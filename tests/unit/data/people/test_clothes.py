"""What people wear and carry: for the weather, on the right side, and hair under hats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from discreet.data.people.body import Figure, pose_body, template
from discreet.data.people.carried import draw_carried
from discreet.data.people.footwear import Sandal, draw_footwear
from discreet.data.people.garments import ANKLE, cut_garment, pleats, skirt
from discreet.data.people.hair import grow_hair
from discreet.data.people.headwear import dress_head
from discreet.data.people.identity import HAIR_STYLES, Identity, draw_identity
from discreet.data.people.styles import find_style
from discreet.data.people.wardrobe import draw_cold, draw_outfit

HAT, HAIR, SCARF, COAT, GLOVE, LEFT_SHOE, RIGHT_SHOE = 1, 2, 11, 7, 3, 18, 19
STREET = find_style("street")
LEAST_LIFT_OF_A_HAT = 0.016


@pytest.fixture(scope="module")
def figure() -> Figure:
    return pose_body(template().shapes[0], {})


def somebody(**given: object) -> Identity:
    return replace(draw_identity("x", np.random.default_rng(0)), **given)


def share_wearing(label: int, cold: float) -> float:
    worn = 0
    for seed in range(200):
        outfit = draw_outfit(somebody(feminine=seed % 2 == 0), STREET, cold, np.random.default_rng(seed))
        worn += any(garment.label == label for garment in outfit)
    return worn / 200


@pytest.mark.parametrize("label", [COAT, SCARF, GLOVE])
def test_winter_clothes_are_worn_in_winter(label: int) -> None:
    assert share_wearing(label, 1.0) > 3 * share_wearing(label, 0.0)


def test_weather_is_drawn_from_summer_to_winter() -> None:
    drawn = np.array([draw_cold(np.random.default_rng(seed)) for seed in range(300)])
    assert (drawn >= 0).all()
    assert (drawn <= 1).all()
    assert (drawn < 0.2).mean() > 0.3
    assert (drawn > 0.8).mean() > 0.15


def test_shoes_come_in_pairs_on_their_own_sides(figure: Figure) -> None:
    kinds = set()
    for seed in range(60):
        _, pieces = draw_footwear(replace(STREET, barefoot=0.0), (0.8, 0.6, 0.5), 0.3, np.random.default_rng(seed))
        for label, side in ((LEFT_SHOE, 1), (RIGHT_SHOE, -1)):
            (shoe,) = [piece for piece in pieces if piece.label == label]
            layer = cut_garment(figure, shoe)
            assert layer is not None
            assert (layer.vertices[:, 0] * side > -0.02).all()
            kinds.add(type(shoe.material).__name__)
    assert kinds == {"Sandal", "Shoe"}


def test_a_sandal_shows_skin_between_its_straps() -> None:
    sandal = Sandal((0.8, 0.6, 0.5), (0.1, 0.1, 0.1), (0.3, 0.2, 0.1), straps=3, seed=1)
    points = np.array([[0.1, y, ANKLE - 0.04] for y in np.linspace(-0.2, 0.0, 100)])
    dark = sandal.paint(points, np.ones_like(points))[0][:, 0] < 0.2
    assert 0.2 < dark.mean() < 0.8
    assert (np.diff(dark.astype(int)) == 1).sum() in (2, 3, 4)


@pytest.mark.parametrize("hair_style", HAIR_STYLES)
def test_no_hair_grows_through_a_hat(figure: Figure, hair_style: str) -> None:
    line = 0.045
    layers = grow_hair(figure, somebody(hair_style=hair_style), np.random.default_rng(0), line)
    free = grow_hair(figure, somebody(hair_style=hair_style), np.random.default_rng(0), None)
    assert bool(layers) == bool(free) == (hair_style != "bald")
    body = template()
    skin = figure.vertices[np.unique(body.meshes["skin"])]
    skin = skin[body.head[np.unique(body.meshes["skin"])] > 0.5]
    for layer in layers:
        covered = layer.vertices[layer.texture_points[:, 2] > body.eyes[0, 2] + line]
        off_skin = np.linalg.norm(covered[:, None] - skin[None], axis=2).min(1, initial=np.inf)
        assert (off_skin < LEAST_LIFT_OF_A_HAT).all()


def hat_or_scarf(figure: Figure, wanted: Callable[[set[int]], bool]) -> set[int]:
    """The first head of many whose labels are wanted."""
    for seed in range(400):
        rng = np.random.default_rng(seed)
        layers = dress_head(figure, somebody(feminine=True, hair_style="long"), STREET, 0.5, rng)
        labels = {int(label) for layer in layers for label in np.unique(layer.labels)}
        if wanted(labels):
            return labels
    raise AssertionError("never drawn")


def test_a_headscarf_covers_the_hair_and_a_hat_leaves_long_hair_below(figure: Figure) -> None:
    assert HAIR not in hat_or_scarf(figure, lambda labels: SCARF in labels)
    assert HAIR in hat_or_scarf(figure, lambda labels: HAT in labels)


def test_what_is_carried_has_no_part_and_hangs_on_the_person(figure: Figure) -> None:
    num_things = []
    for seed in range(120):
        layers = draw_carried(figure, STREET, np.random.default_rng(seed))
        num_things.append(len(layers))
        for layer in layers:
            assert set(np.unique(layer.labels)) == {0}
            distances = np.linalg.norm(figure.vertices[None, ::50] - layer.vertices[:, None], axis=2)
            assert distances.min() < 0.12
    assert 0.25 < (np.array(num_things) > 0).mean() < 0.5


def test_pleats_wave_around_the_body_and_grow_downwards() -> None:
    body = template()
    lift = pleats(0.2, 12, 0.1)
    rows = np.unique(body.meshes["skirt"])
    low, high = rows[body.points[rows, 2] < -0.5], rows[body.points[rows, 2] > 0.2]
    assert lift[low].std() > 0.01
    assert not lift[high].any()
    assert (skirt(0.2, -0.4)[low] < 0).all()
