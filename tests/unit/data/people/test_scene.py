"""Scenes: who is where, what the camera sees, what is behind."""

import numpy as np
import pytest
from PIL import Image

from discreet.data.people.boards import Board, facing_board, paint_boards
from discreet.data.people.camera import FRAMINGS, Camera
from discreet.data.people.composition import place_people
from discreet.data.people.furniture import make_things
from discreet.data.people.grounds import Floor
from discreet.data.people.identity import draw_identity
from discreet.data.people.lights import LIGHTS, draw_light
from discreet.data.people.places import PLACES, Surroundings, draw_place
from discreet.data.people.scene import compose_scene
from discreet.data.people.styles import STYLES, find_style

SIZE = 64
AXES = np.eye(3, dtype=np.float32)
LEVEL = Camera(np.array([0, -4, 1.5], np.float32), AXES[1], AXES[0], AXES[2], spread=0.5)
BOUNDS = np.array([-0.4, -0.3, 0.0]), np.array([0.4, 0.3, 1.8])


@pytest.mark.parametrize("style", STYLES)
def test_a_style_names_what_there_is(style: str) -> None:
    world = find_style(style)
    assert set(world.places) <= set(PLACES)
    assert set(world.lights) <= set(LIGHTS)
    assert len(world.framing) == len(FRAMINGS)
    for odds in (world.crowd, world.framing, world.supports):
        assert sum(odds) == pytest.approx(1)


def test_styles_are_different_worlds_with_numbers_that_never_change() -> None:
    numbers = {"street": 1, "studio": 2, "store": 3, "home": 4, "winter": 5, "thermal": 6}
    assert {name: find_style(name).number for name in STYLES} == numbers
    assert len({max(find_style(name).places, key=find_style(name).places.__getitem__) for name in STYLES}) == len(
        STYLES
    )


@pytest.mark.parametrize("kind", sorted(PLACES))
def test_a_place_fills_the_picture_and_follows_its_seed(kind: str) -> None:
    first, again, other = (
        draw_place(kind, Surroundings(LEVEL, *BOUNDS), SIZE, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert first.backdrop.shape == (SIZE, SIZE, 3)
    assert 0 <= first.backdrop.min() <= first.backdrop.max() <= 1
    assert first.bare.shape == (SIZE, SIZE)
    assert 0 <= first.bare.min() <= first.bare.max() == 1
    np.testing.assert_array_equal(first.backdrop, again.backdrop)
    assert not np.array_equal(first.backdrop, other.backdrop)
    assert not first.ground.labels.any()


def test_a_board_is_seen_where_it_stands() -> None:
    red = np.tile(np.array([255, 0, 0, 255], np.uint8), (4, 4, 1))
    board = Board(np.array([-2.0, 0.0, 0.0]), np.array([2.0, 0, 0]), 1.5, red)
    seen = paint_boards(np.zeros((SIZE, SIZE, 3), np.float32), LEVEL, [board])[0][..., 0]
    assert seen[: SIZE // 2 - 1].max() == 0
    assert seen[SIZE // 2 + 2, 4 : SIZE // 2 - 2].min() == 1
    assert seen[:, SIZE // 2 + 2 :].max() == 0


def test_a_nearer_board_hides_a_farther_one_and_glass_does_not() -> None:
    colours = {"far": (255, 0, 0, 255), "near": (0, 255, 0, 255), "clear": (0, 0, 255, 0)}
    boards = [
        facing_board(0.0, depth, 0.0, Image.new("RGBA", (8, 8), colours[name]), 3.0)
        for name, depth in (("far", 5.0), ("near", 2.0), ("clear", 1.0))
    ]
    middle = paint_boards(np.zeros((SIZE, SIZE, 3), np.float32), LEVEL, boards)[0][SIZE // 2, SIZE // 2]
    np.testing.assert_array_equal(middle, [0, 1, 0])


@pytest.mark.parametrize("name", LIGHTS)
def test_light_comes_from_above_and_backlight_from_behind(name: str) -> None:
    for seed in range(10):
        light = draw_light(name, find_style("street"), LEVEL, np.random.default_rng(seed))
        assert light.direction[2] > 0
        assert np.linalg.norm(light.direction) == pytest.approx(1, abs=1e-5)
        assert min(light.sun.min(), light.sky.min(), light.fill.min()) > 0
        if name in ("backlight", "flash"):
            assert (light.direction @ LEVEL.forward > 0) == (name == "backlight")


def test_the_camera_may_see_what_is_before_it_alone() -> None:
    low, high = BOUNDS
    assert LEVEL.may_see(low, high)
    assert LEVEL.may_see(low + np.array([2.0, 0, 0]), high + np.array([2.0, 0, 0]))
    assert not LEVEL.may_see(low + np.array([5.0, 0, 0]), high + np.array([5.0, 0, 0]))
    assert not LEVEL.may_see(low - np.array([0, 8.0, 0]), high - np.array([0, 8.0, 0]))


def test_nobody_stands_in_somebody_else() -> None:
    style = find_style("street")
    for seed in range(4):
        rng = np.random.default_rng(seed)
        names = [draw_identity(str(number), rng) for number in range(5)]
        persons = place_people(style, names[0], names[1:], rng)
        for number, one in enumerate(persons):
            for other in persons[:number]:
                (low, high), (other_low, other_high) = one.footprint(), other.footprint()
                assert (high <= other_low).any() or (other_high <= low).any()


@pytest.mark.parametrize("style", STYLES)
def test_the_main_person_is_in_the_picture_and_in_focus(style: str) -> None:
    world = find_style(style)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        scene = compose_scene(world, draw_identity("main", rng), [draw_identity("other", rng)], SIZE, rng)
        low, high = scene.persons[0].bounds()
        sight = (low + high) / 2 - scene.camera.position
        assert sight @ scene.camera.forward > 0.2
        assert scene.camera.position[2] > 0
        assert scene.focus_m == pytest.approx(
            (scene.persons[0].head() - scene.camera.position) @ scene.camera.forward, abs=0.3
        )
        assert scene.aperture >= 0


INDOORS = ("station", "corridor", "shop", "room", "kitchen", "wall", "sheet")


def corners_of_things(room: tuple[float, float]) -> np.ndarray:
    """Vertices of a hundred rounds of things behind people within BOUNDS, [N, 3]."""
    rounds = (make_things(*BOUNDS, room, 6, np.random.default_rng(seed)) for seed in range(100))
    return np.concatenate([np.empty((0, 3)), *(layer.vertices for layers in rounds for layer in layers)])


def test_things_stand_before_the_walls() -> None:
    found = corners_of_things((2.2, 4.0))
    assert len(found)
    assert np.abs(found[:, 0]).max() < 2.2
    assert found[:, 1].max() < 4.0
    outdoors = corners_of_things((np.inf, np.inf))
    assert np.abs(outdoors[:, 0]).max() > 2.2
    assert outdoors[:, 1].max() > 4.0
    assert not len(corners_of_things((2.2, 1.0))), "no room"


@pytest.mark.parametrize("kind", sorted(PLACES))
def test_a_place_says_how_much_room_there_is(kind: str) -> None:
    place = draw_place(kind, Surroundings(LEVEL, *BOUNDS), SIZE, np.random.default_rng(3))
    assert np.isfinite(place.room[1]) == (kind in INDOORS)


@pytest.mark.parametrize("kind", sorted(PLACES))
def test_the_ground_is_bare_up_to_what_is_painted(kind: str) -> None:
    """Near the people and far from them; but walls, which stand on it, hide it."""
    place = draw_place(kind, Surroundings(LEVEL, *BOUNDS), SIZE, np.random.default_rng(3))
    assert place.bare[-4:].min() == 1
    if kind in INDOORS:
        assert place.bare[SIZE // 2 + 1, SIZE // 4 : -SIZE // 4].max() == 0
    else:
        assert place.bare[SIZE // 2 + 8 :].mean() > 0.6


@pytest.mark.parametrize("look", ["asphalt", "gravel", "grass", "tiles", "boards"])
def test_the_floor_has_no_edge_and_far_away_no_noise(look: str) -> None:
    """Ring by ring around the people its colour is the same; what pixels cannot show is averaged."""
    floor = Floor((0.5, 0.5, 0.5), look, 1.3, 7, eye=(0.0, -4.0, 1.5), pixel=2 * 0.5 / 256)
    across = np.random.default_rng(0).uniform(-1, 1, 4000)
    means, spreads = [], []
    for depth in (0.0, 2.0, 5.0, 12.0, 30.0, 100.0, 1000.0):
        near_by = depth + np.random.default_rng(1).uniform(0, 0.2 * depth + 2, 4000)
        points = np.stack([across * (depth + 4) * 0.5, near_by, 0 * across], 1).astype(np.float32)
        shade = floor.paint(points, points)[0][:, 0]
        means.append(shade.mean())
        spreads.append(shade.std())
    np.testing.assert_allclose(means, np.mean(means), rtol=0.13)
    assert spreads[0] > 0.01
    assert spreads[-1] < 0.006
    assert max(np.diff(spreads)) < 0.01
