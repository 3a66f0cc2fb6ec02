"""One picture: labels, persons, sides, identities."""

import numpy as np
import pytest

from discreet.data.people import STYLES, render_picture, shading
from discreet.data.people.body import part_labels, pose_body, template
from discreet.data.people.face import Skin
from discreet.data.people.generate import PICTURES_A_SUBJECT, RenderedPicture, main_subject
from discreet.data.people.grounds import ground_layer
from discreet.data.people.materials import Floor, Solid
from discreet.data.people.mesh import Layer, compact
from discreet.data.people.person import Person
from discreet.data.people.pose import turn
from discreet.data.people.scene import Camera, Light, Scene
from discreet.data.people.stage import build_stage, look
from discreet.data.people.styles import find_style
from discreet.errors import ConfigurationError
from discreet.labels import CIHP

SIZE = 72


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
    body = template()
    figure = pose_body(body.shapes[1], {})
    skin = Skin((0.8, 0.6, 0.5), (0.7, 0.4, 0.4), (0.1, 0.1, 0.1), seed=1)
    faces = body.meshes["skin"]
    layer = compact(Layer(figure.vertices, faces, body.points, part_labels()[faces[:, 0]], skin))
    person = Person("nobody", (layer,), (), 1.8).placed(turn(2, facing), np.zeros(3, np.float32))
    axes = np.eye(3, dtype=np.float32)
    camera = Camera(np.array([0, -6, 0.9], np.float32), axes[1], axes[0], axes[2], spread=0.2)
    light = Light(axes[2], np.ones(3, np.float32), np.ones(3, np.float32), np.zeros(3, np.float32), 0.01)
    floor = ground_layer(Floor((0.5, 0.5, 0.5), "sheet", 1.0, 0))
    scene = Scene((person,), (), floor, camera, light, np.zeros((SIZE, SIZE, 3), np.float32), (1.0, 3.0))
    view = look(scene, build_stage(scene), SIZE)
    return {part: float(np.nonzero(view.parts == part)[1].mean()) for part in (14, 15, 16, 17)}


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
