"""One picture: labels, persons, sides, identities."""

import numpy as np
import pytest

from discreet.data.people import STYLES, generate, render_picture, shading
from discreet.data.people.body import part_labels, pose_body, template
from discreet.data.people.face import Skin
from discreet.data.people.generate import PICTURES_A_SUBJECT, RenderedPicture, main_subject
from discreet.data.people.grounds import Floor, ground_layer
from discreet.data.people.materials import Solid
from discreet.data.people.mesh import Layer, compact
from discreet.data.people.person import Person
from discreet.data.people.pose import turn
from discreet.data.people.scene import Camera, Light, Scene
from discreet.data.people.shading import Hits
from discreet.data.people.stage import build_stage, look
from discreet.data.people.styles import find_style
from discreet.errors import ConfigurationError, DataError
from discreet.labels import CIHP

SIZE = 72
AXES = np.eye(3, dtype=np.float32)


@pytest.fixture(scope="module")
def pictures() -> list[RenderedPicture]:
    return [render_picture(style, 5, index, SIZE) for style in STYLES for index in range(4)]


def test_pictures_are_whole_and_consistent(pictures: list[RenderedPicture]) -> None:
    for picture in pictures:
        assert picture.image.shape == (SIZE, SIZE, 3)
        assert picture.image.dtype == picture.parts.dtype == picture.persons.dtype == np.uint8
        assert picture.parts.shape == picture.persons.shape == (SIZE, SIZE)
        assert picture.parts.max() < len(CIHP)
        assert picture.image.std() > 5
        np.testing.assert_array_equal(picture.parts > 0, picture.persons > 0)


def test_light_left_out_is_in_no_picture(pictures: list[RenderedPicture], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shading, "_needing_light", lambda hits, *_: np.arange(len(hits.pixel)))
    for index, (style, picture) in enumerate(zip(np.repeat(STYLES, 4), pictures, strict=True)):
        np.testing.assert_array_equal(render_picture(str(style), 5, index % 4, SIZE).image, picture.image)


def test_person_ids_are_consecutive_and_the_first_is_the_largest(pictures: list[RenderedPicture]) -> None:
    for picture in pictures:
        areas = np.bincount(picture.persons.ravel())[1:]
        assert len(areas) == len(picture.subjects) == len(set(picture.subjects))
        assert (areas > 0).all()
        assert areas.argmax() == 0


def test_a_picture_depends_on_style_seed_and_index_alone() -> None:
    once, again = (render_picture("street", 3, 2, 64) for _ in range(2))
    np.testing.assert_array_equal(once.image, again.image)
    np.testing.assert_array_equal(once.parts, again.parts)
    assert once.subjects == again.subjects
    for other in (("street", 4, 2), ("street", 3, 1), ("studio", 3, 2)):
        assert not np.array_equal(once.image, render_picture(*other, 64).image)


def test_subjects_recur_four_times_and_stay_themselves() -> None:
    style = find_style("street")
    subjects = [main_subject(style, 1, index) for index in range(48)]
    names = [subject.name for subject in subjects]
    assert {names.count(name) for name in names} == {PICTURES_A_SUBJECT}
    first = {subject.name: subject for subject in reversed(subjects)}
    for subject in subjects:
        np.testing.assert_array_equal(subject.shape, first[subject.name].shape)
        assert subject.skin == first[subject.name].skin
        assert subject.hair_style == first[subject.name].hair_style
    assert not set(names) & {main_subject(style, 2, index).name for index in range(48)}


@pytest.mark.parametrize(("facing", "left_is_on_the_right"), [(0.0, True), (np.pi, False)])
def test_left_and_right_are_the_persons_own(facing: float, left_is_on_the_right: bool) -> None:
    columns = _bare_person_columns(facing)
    for left, right in ((14, 15), (16, 17)):
        assert (columns[left] > columns[right]) == left_is_on_the_right


def _bare_person_columns(facing: float) -> dict[int, float]:
    """Mean column of every part of an undressed figure before a level camera."""
    camera = Camera(np.array([0, -6, 0.9], np.float32), AXES[1], AXES[0], AXES[2], spread=0.2)
    scene = _scene((_bare_person().placed(turn(2, facing), np.zeros(3, np.float32)),), camera, AXES[2])
    view = look(scene, build_stage(scene), SIZE)
    return {part: float(np.nonzero(view.parts == part)[1].mean()) for part in (14, 15, 16, 17)}


def _bare_person() -> Person:
    """An undressed figure at the origin."""
    body = template()
    figure = pose_body(body.shapes[1], {})
    skin = Skin((0.8, 0.6, 0.5), (0.7, 0.4, 0.4), (0.1, 0.1, 0.1), seed=1)
    faces = body.meshes["skin"]
    layer = compact(Layer(figure.vertices, faces, body.points, part_labels()[faces[:, 0]], skin))
    return Person("nobody", (layer,), (), 1.8)


def _scene(persons: tuple[Person, ...], camera: Camera, light: np.ndarray) -> Scene:
    """Persons on a grey sheet."""
    floor = ground_layer(Floor((0.5, 0.5, 0.5), "sheet", 1.0, 0))
    white = np.ones(3, np.float32)
    backdrop, bare = np.zeros((SIZE, SIZE, 3), np.float32), np.ones((SIZE, SIZE), np.float32)
    return Scene(persons, (), floor, camera, Light(light, white, white, 0 * white, 0.01), backdrop, bare)


def _light_on_the_floor(scene: Scene) -> np.ndarray:
    """The linear light of each pixel, [H, W], nan where there is no floor."""
    stage = build_stage(scene)
    view = look(scene, stage, SIZE)
    pixel = np.flatnonzero(view.faces >= 0)
    hits = Hits(pixel, view.faces[pixel], view.places[pixel], np.ones(len(pixel), bool))
    colours = shading.shade(scene, stage, hits, np.zeros((len(pixel), 3)), SIZE, np.random.default_rng(0))
    seen = np.full(SIZE**2, np.nan)
    seen[pixel] = np.where(stage.is_floor(hits.face), colours[:, 1], np.nan)
    return seen.reshape(SIZE, SIZE)


@pytest.mark.parametrize("depth", [0.0, 4.0, 11.0])
def test_everybody_casts_a_shadow_however_far_away(depth: float) -> None:
    """On a floor that is else equally light up to the horizon."""
    camera = Camera(np.array([0, depth - 4, 1.5], np.float32), AXES[1], AXES[0], AXES[2], spread=0.5)
    slanting = np.array([0.6, 0, 0.8], np.float32)
    person = _bare_person().placed(np.eye(3), np.array([0, depth, 0], np.float32))
    lit = _light_on_the_floor(_scene((person,), camera, slanting))
    usual = np.nanmedian(lit)
    assert np.nanmax(lit) < 1.01 * usual
    left, right = np.nanmin(lit[:, : SIZE // 2 - 6]), np.nanmin(lit[:, SIZE // 2 + 6 :])
    assert right > 0.9 * usual
    assert left < 0.8 * usual
    assert np.nanmean(lit < 0.85 * usual) < 0.1


def test_the_ground_is_looked_at_wherever_light_may_miss_it(
    pictures: list[RenderedPicture], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shading, "_shaded_cells", lambda _: np.ones((shading._CELLS_A_SIDE,) * 2, bool))
    for number in (0, 5, 9, 13, 17):
        everywhere = render_picture(STYLES[number // 4], 5, number % 4, SIZE).image.astype(int)
        assert (np.abs(everywhere - pictures[number].image) > 12).mean() < 0.01


def test_materials_without_patterns_keep_their_colour() -> None:
    colours, _, gloss = Solid((0.2, 0.4, 0.6), gloss=0.3).paint(np.zeros((3, 3)), np.ones((3, 3)))
    np.testing.assert_allclose(colours, [[0.2, 0.4, 0.6]] * 3, rtol=1e-6)
    assert gloss == 0.3


@pytest.mark.parametrize(
    ("style", "seed", "index", "size_px", "named"),
    [
        ("beach", 0, 0, 64, "beach"),
        ("street", -1, 0, 64, "seed"),
        ("street", 0, -1, 64, "index"),
        ("street", 0, 0, 63, "size_px"),
        ("street", 0, 0, 1025, "size_px"),
    ],
)
def test_bad_options_are_refused(style: str, seed: int, index: int, size_px: int, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        render_picture(style, seed, index, size_px)


def test_a_picture_without_a_view_of_its_main_person_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "_keep_main_largest", lambda *_: None)
    with pytest.raises(DataError, match="picture 3 of style store and seed 5"):
        render_picture("store", 5, 3, 64)
