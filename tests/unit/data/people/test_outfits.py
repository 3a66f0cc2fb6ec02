"""What an outfit shows: coats lie over what is under them, clothes meet, hems stay on the trunk, skirts hide legs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from discreet.data.people import person as person_module
from discreet.data.people.body import Figure, part_labels, pose_body, template
from discreet.data.people.casting import choose_caster, make_caster
from discreet.data.people.garments import Garment, cut_garment, skin_layer
from discreet.data.people.identity import Identity, draw_identity
from discreet.data.people.materials import Solid
from discreet.data.people.mesh import Layer
from discreet.data.people.person import make_person
from discreet.data.people.pose import Pose, turn
from discreet.data.people.styles import find_style
from discreet.data.people.tailoring import Tailored
from discreet.data.people.wardrobe import draw_outfit

STREET = find_style("street")
UPPER, DRESS, COAT, SKIRT, BOTTOMS = 5, 6, 7, 12, (9, 12)
ON_LEGS = (8, 16, 17, 18, 19)
Floats = NDArray[np.floating]


def somebody(**given: object) -> Identity:
    return replace(draw_identity("x", np.random.default_rng(0)), **given)


@pytest.fixture(scope="module")
def figure() -> Figure:
    return pose_body(template().shapes[0], {})


def dressed(figure: Figure, outfit: list[Garment]) -> list[Layer]:
    """The skin, then what is worn."""
    pieces = [cut_garment(figure, garment, 1) for garment in outfit]
    skin = skin_layer(figure, part_labels(), Solid((0.5, 0.5, 0.5)), outfit)
    return [skin, *(piece for piece in pieces if piece is not None)]


def seen(layers: list[Layer], eye: Floats, aims_N3: Floats) -> NDArray[np.uint8]:
    """The parts that rays from an eye [3] through some points meet, of those that meet anything."""
    starts = np.cumsum([0, *(len(layer.vertices) for layer in layers)])
    faces = np.concatenate([layer.faces + start for layer, start in zip(layers, starts[:-1], strict=True)])
    caster = make_caster(choose_caster(), np.concatenate([layer.vertices for layer in layers]), faces.astype(np.int32))
    hit, _ = caster.first_hits(eye.astype(np.float32), (aims_N3 - eye).astype(np.float32))
    return np.concatenate([layer.labels for layer in layers])[hit[hit >= 0]]


def grid(across: tuple[float, float], depth: float, up: tuple[float, float]) -> Floats:
    """Points on an upright plane at a depth, [N, 3]; heights as on the unposed body."""
    x, z = (values.ravel() for values in np.meshgrid(np.linspace(*across, 40), np.linspace(*up, 40)))
    return np.stack([x, np.full_like(x, depth), z], 1)


def on_ground(figure: Figure) -> float:
    """How much higher the figure stands than the unposed body."""
    return float(figure.vertices[template().rows("left_eye"), 2].mean() - template().eyes[0, 2])


def test_no_hood_goes_through_the_coat_that_is_worn_over_it(figure: Figure) -> None:
    everybody, found = replace(STREET, coats=1.0, scarves=0.0), 0
    lift = np.array([0, 0, on_ground(figure)])
    for seed in range(60):
        outfit = draw_outfit(somebody(), everybody, 1.0, np.random.default_rng(seed))
        makes = [
            piece.material.make for piece in outfit if piece.label == UPPER and isinstance(piece.material, Tailored)
        ]
        if not any(piece.label == COAT for piece in outfit) or not {"ribbed", "zip"} & set(makes):
            continue
        upper_back = seen(
            dressed(figure, outfit), np.array([0, 3, 0.55]) + lift, grid((-0.15, 0.15), 0.1, (0.4, 0.7)) + lift
        )
        assert (upper_back == COAT).any()
        assert not (upper_back == UPPER).any()
        found += 1
    assert found > 8


def test_hems_stay_on_the_trunk_when_a_leg_is_lifted() -> None:
    stepping = pose_body(template().shapes[0], {"upperleg01.L": turn(0, -1.0)})
    spreads = []
    for seed in range(40):
        for piece in draw_outfit(somebody(feminine=seed % 2 == 0), STREET, 0.5, np.random.default_rng(seed)):
            if piece.mesh == "tights" and piece.label in (UPPER, COAT):
                layer = cut_garment(stepping, replace(piece, crumple=0.0))
                assert layer is not None
                height = layer.texture_points[:, 2]
                spreads.append(np.ptp(layer.vertices[height < height.min() + 0.004, 2]))
    assert len(spreads) > 30
    assert max(spreads) < 0.12


def test_tails_of_a_long_coat_go_on_where_the_jacket_ends(figure: Figure) -> None:
    found = 0
    for seed in range(60):
        outfit = draw_outfit(somebody(), replace(STREET, coats=1.0), 1.0, np.random.default_rng(seed))
        coats = {piece.mesh: piece for piece in outfit if piece.label == COAT}
        if "skirt" not in coats:
            continue
        jacket, tails = (cut_garment(figure, coats[mesh], 1) for mesh in ("tights", "skirt"))
        assert jacket is not None
        assert tails is not None
        end = jacket.vertices[jacket.texture_points[:, 2] < jacket.texture_points[:, 2].min() + 0.01]
        gaps = np.linalg.norm(end[:, None] - tails.vertices[None], axis=2).min(1)
        assert np.median(gaps) < 0.03
        found += 1
    assert found > 5


def bare_midriff_m(seed: int, cold: float, **given: object) -> float:
    """How far the bottoms end below the tops, metres; negative where they meet."""
    height, arm = template().points[:, 2], template().arm
    outfit = draw_outfit(somebody(**given), replace(STREET, dresses=0.0), cold, np.random.default_rng(seed))
    tops = [height[(piece.field > 0) & (arm < 0.1)].min() for piece in outfit if piece.label == UPPER and piece.hides]
    return min(tops) - max(height[piece.field > 0].max() for piece in outfit if piece.label in BOTTOMS)


@pytest.mark.parametrize(
    ("cold", "feminine", "years"), [(1.0, True, 25.0), (0.5, True, 25.0), (0.0, True, 70.0), (0.0, False, 25.0)]
)
def test_tops_reach_the_bottoms(cold: float, feminine: bool, years: float) -> None:
    assert max(bare_midriff_m(seed, cold, feminine=feminine, years=years) for seed in range(60)) < 0.01


def test_some_of_the_young_bare_the_midriff_in_summer() -> None:
    gaps = np.array([bare_midriff_m(seed, 0.0, feminine=True, years=25.0) for seed in range(60)])
    assert 0.1 < (gaps > 0.01).mean() < 0.4


@pytest.mark.parametrize(
    ("posture", "bent"),
    [("crouching", True), ("kneeling", True), ("sitting", True), ("on the side", True), ("striding", False)],
)
def test_only_who_stands_is_dressed_for_straight_legs(
    posture: str, bent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def outfit(*_: object, legs_bent: bool) -> list[Garment]:
        asked.append(legs_bent)
        return []

    monkeypatch.setattr(person_module, "draw_pose", lambda *_, **__: Pose({}, posture, ("hanging", "hanging")))
    monkeypatch.setattr(person_module, "draw_outfit", outfit)
    make_person(somebody(), STREET, np.random.default_rng(0))
    assert asked == [bent]


@pytest.mark.parametrize("bent", [True, False])
def test_nothing_goes_through_the_skirts_of_bent_legs(figure: Figure, bent: bool) -> None:
    everybody, found = replace(STREET, dresses=0.9, skirts=0.9), 0
    for seed in range(20):
        outfit = draw_outfit(somebody(feminine=True), everybody, 0.5, np.random.default_rng(seed), legs_bent=bent)
        hems = [template().points[piece.field > 0, 2].min() for piece in outfit if piece.label in (DRESS, SKIRT)]
        if not hems:
            continue
        on_legs = [
            layer.texture_points[layer.faces[np.isin(layer.labels, ON_LEGS)], 2] for layer in dressed(figure, outfit)
        ]
        highest = np.concatenate([heights.ravel() for heights in on_legs]).max()
        assert (highest > min(hems) + 0.1) != bent
        found += 1
    assert found > 8
