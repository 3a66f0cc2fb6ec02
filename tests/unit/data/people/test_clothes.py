"""What people wear and carry: for the weather, on the right side, and hair under hats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from discreet.data.people.accessories import draw_scarf, draw_tie, draw_watch
from discreet.data.people.body import Figure, pose_body, template
from discreet.data.people.carried import draw_carried
from discreet.data.people.footwear import Sandal, draw_footwear
from discreet.data.people.garments import (
    ANKLE,
    Garment,
    cut_garment,
    legs,
    neckline,
    over,
    pleats,
    skirt,
    torso,
)
from discreet.data.people.hair import grow_hair
from discreet.data.people.headwear import dress_head
from discreet.data.people.identity import HAIR_STYLES, Identity, draw_identity
from discreet.data.people.materials import Cloth, Solid
from discreet.data.people.patterns import PATTERNS, pattern_share, unroll
from discreet.data.people.styles import find_style
from discreet.data.people.tailoring import MAKES, Tailored
from discreet.data.people.wardrobe import draw_cold, draw_outfit

HAT, HAIR, GLOVE, SUNGLASSES, COAT, SCARF, LEFT_SHOE, RIGHT_SHOE = 1, 2, 3, 4, 7, 11, 18, 19
STREET = find_style("street")
LEAST_LIFT_OF_A_HAT = 0.016


@pytest.fixture(scope="module")
def figure() -> Figure:
    """A grown woman, slim enough that her thighs do not touch."""
    gender, years, _, weight, *_ = template().traits.T
    return pose_body(template().shapes[(gender > 0.5) & (years > 25) & (years < 50) & (weight < 0.4)][0], {})


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
    drawn = np.array([draw_cold(STREET, np.random.default_rng(seed)) for seed in range(300)])
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
    rows = body.rows("skin")[body.head[body.rows("skin")] > 0.5]
    skin, outwards = figure.vertices[rows], figure.normals[rows]
    eye_height = figure.vertices[body.rows("left_eye"), 2].mean()
    for layer in layers:
        covered = layer.vertices[layer.vertices[:, 2] > eye_height + figure.head_scale * line + 0.015]
        nearest = np.linalg.norm(covered[:, None] - skin[None], axis=2).argmin(1)
        off_skin = ((covered - skin[nearest]) * outwards[nearest]).sum(1)
        assert (off_skin < figure.head_scale * LEAST_LIFT_OF_A_HAT).all()


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


@pytest.mark.parametrize("years", [4, 10, 40, 85])
def test_sunglasses_sit_before_the_eyes_of_every_age(years: float) -> None:
    body = template()
    figure = pose_body(body.shapes[np.abs(body.traits[:, 1] - years).argmin()], {})
    skin = figure.vertices[body.rows("skin")]
    everybody = replace(STREET, glasses=1.0, hats=0.0)
    for seed in range(6):
        layers = dress_head(
            figure, somebody(hair_style="bald", feminine=False), everybody, 0.0, np.random.default_rng(seed)
        )
        (glasses,) = (layer for layer in layers if (layer.labels == SUNGLASSES).all())
        for number, name in enumerate(("left_eye", "right_eye")):
            eye = figure.vertices[body.rows(name)]
            lens = glasses.vertices[25 * number : 25 * number + 25]
            assert lens[:, 1].max() < eye[:, 1].min()
            # The rim's inner end, before the side of the nose.
            inner = lens[12 if number == 0 else 0]
            nose = skin[np.abs(skin[:, [0, 2]] - inner[[0, 2]]).max(1) < 0.006 * figure.head_scale]
            assert inner[1] < nose[:, 1].min()
            assert np.ptp(lens[:, 0]) > 0.8 * np.ptp(eye[:, 0])
            assert abs(lens[:, 0].mean() - eye[:, 0].mean()) < 0.003


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


def test_thick_cloth_spans_the_hollow_that_thin_cloth_follows(figure: Figure) -> None:
    body = template()
    trousers = Garment("tights", legs(0.3, 1.9), 9, 0.02, Solid((0.1, 0.1, 0.1)))
    thin, thick = cut_garment(figure, trousers), cut_garment(figure, replace(trousers, drape=1.0))
    assert thin is not None
    assert thick is not None
    moved = np.linalg.norm(thick.vertices - thin.vertices, axis=1)
    place = thin.texture_points
    small_of_the_back = (np.abs(place[:, 0]) < 0.03) & (place[:, 2] > 0.28) & (place[:, 1] > 0.03)
    shin = (place[:, 2] < -0.4) & (place[:, 2] > -0.5)
    assert moved[small_of_the_back].max() > 0.0035  # the flattest of all backs: 0.0041
    assert np.median(moved[shin]) < 0.001
    skin = figure.vertices[body.rows("skin")]
    nearest = np.linalg.norm(thick.vertices[::7, None] - skin[None], axis=2).min(1)
    assert nearest.min() > 0.01


def test_a_layer_over_another_lies_outside_of_it(figure: Figure) -> None:
    wide = Garment("tights", legs(0.3, 1.9), 9, 0.05, Solid((0.1, 0.1, 0.1)))
    shirt = Garment("tights", torso(0.1, 0.5, neckline("round")), 5, 0.013, Solid((0.9, 0.9, 0.9)))
    lift = np.asarray(over(shirt, [wide], 0.01).lift)
    covered = wide.field > 0
    assert (lift[covered] >= 0.06 - 1e-6).all()
    np.testing.assert_allclose(lift[template().points[:, 2] > 0.4], 0.013)


def test_every_coat_covers_the_top_and_the_trousers() -> None:
    for seed in range(60):
        outfit = draw_outfit(somebody(feminine=False), STREET, 1.0, np.random.default_rng(seed))
        coats = [piece for piece in outfit if piece.label == COAT and piece.mesh == "tights"]
        for coat in coats:
            for inner in outfit:
                if inner.mesh == "tights" and inner.label in (5, 9) and inner.hides:
                    both = (coat.field > 0) & (inner.field > 0)
                    assert (np.asarray(coat.lift) > np.asarray(inner.lift))[both].all()


def test_skirts_are_longer_on_bent_legs_and_rest_on_them() -> None:
    lowest = {}
    for bent in (False, True):
        hems = []
        for seed in range(300):
            outfit = draw_outfit(somebody(feminine=True), STREET, 0.0, np.random.default_rng(seed), legs_bent=bent)
            hems += [
                template().points[piece.field > 0, 2].min()
                for piece in outfit
                if piece.mesh == "skirt" and piece.label in (6, 12)
            ]
        lowest[bent] = hems
    assert max(lowest[True]) < -0.2 < max(lowest[False])
    assert len(lowest[True]) < len(lowest[False])


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_show_both_colours_and_sit_still(pattern: str) -> None:
    body = template()
    points = body.points[body.rows("tights")]
    share = pattern_share(pattern, points, 30.0, 5)
    assert ((share >= 0) & (share <= 1)).all()
    assert (share.std() > 0.02) == (pattern != "plain")
    np.testing.assert_array_equal(share, pattern_share(pattern, points, 30.0, 5))


def test_stripes_run_around_sleeves() -> None:
    body = template()
    along_the_arm = body.heads[body.bones["upperarm01.L"]] + np.linspace(0.2, 0.9, 200)[:, None] * (
        body.heads[body.bones["lowerarm01.L"]] - body.heads[body.bones["upperarm01.L"]]
    )
    _, along, sleeve = unroll(along_the_arm.astype(np.float32))
    assert sleeve.all()
    assert (np.diff(along) < 0).all()
    assert along[0] - along[-1] == pytest.approx(0.7 * 0.277, rel=0.05)


@pytest.mark.parametrize("make", MAKES)
def test_every_make_changes_the_cloth_only_a_little(make: str) -> None:
    body = template()
    points = body.points[body.rows("tights")]
    points = points[(points[:, 2] > 0) & (points[:, 2] < 0.3)]
    cloth = Cloth((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    plain = cloth.paint(points, np.zeros_like(points))
    made = Tailored(cloth, make, hem=0.02, cuff=0.3, top=0.29).paint(points, np.zeros_like(points))
    changed = (np.abs(made[0] - plain[0]).max(1) > 0.01) | (np.abs(made[1] - plain[1]).max(1) > 0.01)
    assert changed.mean() < (1.01 if make == "quilted" else 0.6)
    assert changed.any() == bool(make) or make == ""


@pytest.mark.parametrize("hair_style", ["ponytail", "braids", "locks"])
def test_strands_hang_from_the_head(figure: Figure, hair_style: str) -> None:
    layers = grow_hair(figure, somebody(hair_style=hair_style), np.random.default_rng(0), None)
    cap, *strands = layers
    assert strands
    assert min(layer.vertices[:, 2].min() for layer in strands) < cap.vertices[:, 2].min()
    for layer in strands:
        rooted = np.linalg.norm(layer.vertices[:, None] - cap.vertices[None], axis=2).min()
        assert rooted < 0.03


def test_hair_thins_out_at_its_edges(figure: Figure) -> None:
    body, thinner = template(), []
    skin = figure.vertices[body.rows("skin")]
    for seed in range(4):
        person = replace(draw_identity("x", np.random.default_rng(seed)), hair_style="full")
        (cap,) = grow_hair(figure, person, np.random.default_rng(0), None)
        stands_off = np.linalg.norm(cap.vertices[:, None] - skin[None], axis=2).min(1)
        # Vertices that cutting made lie on the edge, behind those that were there before.
        edges = np.bincount(cap.faces.ravel(), minlength=len(cap.vertices)) <= 3
        thinner.append(np.median(stands_off[edges]) / np.median(stands_off[~edges]))
        forehead = (np.abs(cap.texture_points[:, 0]) < 0.02) & (cap.texture_points[:, 1] < body.eyes[0, 1] + 0.02)
        assert not forehead.any() or cap.texture_points[forehead, 2].min() > body.eyes[0, 2] + 0.015
    assert np.mean(thinner) < 0.4


def test_scarves_hang_over_coats_and_ties_over_shirts() -> None:
    rng = np.random.default_rng(3)
    coat = Garment("tights", torso(0.1, 2.0, neckline("high")), COAT, 0.05, Solid((0.2, 0.2, 0.2)))
    on_coats = [piece for _ in range(20) for piece in draw_scarf(STREET, [coat], rng) if piece.mesh == "tights"]
    shawls = [piece for piece in on_coats if (template().points[piece.field > 0, 1] > 0).any()]
    assert shawls
    assert len(on_coats) - len(shawls) > 5
    for piece in (*on_coats, draw_tie(STREET, coat, rng)):
        on_coat = (piece.field > 0) & (coat.field > 0)
        assert (np.asarray(piece.lift)[on_coat] > 0.05).all()
    for shawl in shawls:
        across = template().points[shawl.field > 0, 0]
        assert across.min() < -0.18
        assert across.max() > 0.18


def test_watches_count_as_the_arm_they_are_on(figure: Figure) -> None:
    for seed in range(10):
        watch = draw_watch(np.random.default_rng(seed))
        layer = cut_garment(figure, watch)
        assert layer is not None
        assert (layer.texture_points[:, 0] > 0).all() == (watch.label == 14)
