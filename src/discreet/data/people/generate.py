"""Pictures: who is in which, framed, rendered, and with their faces covered where that is asked for.

Picture `index` of a style and a seed is the same wherever, whenever and by however many
workers it is rendered: all that is random in it derives from (seed, style, index).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discreet.data.people.casting import choose_caster
from discreet.data.people.development import draw_development
from discreet.data.people.identity import Identity, draw_identity
from discreet.data.people.masking import mask_as_served
from discreet.data.people.render import photograph
from discreet.data.people.scene import Scene, compose_scene
from discreet.data.people.stage import Stage, View, build_stage, look
from discreet.data.people.styles import Style, find_style
from discreet.data.people.thermal import thermograph
from discreet.errors import ConfigurationError, DataError

Rng = np.random.Generator

PICTURES_A_SUBJECT = 4
_SUBJECTS_A_BLOCK = 4
_LEAST_AREA = 0.03  # of the picture, that the main person covers
_ATTEMPTS = 20
_MASKED_QUALITY = 95  # of JPEG; see RenderedPicture
_DIM = 0.42  # mean light from everywhere: most nights have less, and many a flash
# In the seed of each generator: they never change.
_FOR_PICTURE, _FOR_SUBJECT, _FOR_PASSER_BY, _FOR_ORDER, _FOR_MASK, _FOR_DEVELOPMENT = range(6)


@dataclass(frozen=True)
class RenderedPicture:
    """A picture and all that is known about it.

    Args:
        image: uint8 [H, W, 3]. parts: CIHP ids, uint8 [H, W]. persons: ids from 1, uint8 [H, W],
            positive exactly where parts are.
        subjects: the identity of each person in order of person id. The first is the main person,
            and the largest; only main persons recur in other pictures.
        quality: of the JPEG that image was, and is to be again; 95 where faces are covered, since a service
            covers them in what it has decoded.
    """

    image: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    persons: NDArray[np.uint8]
    subjects: tuple[str, ...]
    quality: int


def render_picture(
    style: str, seed: int, index: int, size_px: int, face_masks: float = 0.0, caster: str | None = None
) -> RenderedPicture:
    """Render one picture.

    Args:
        style: one of STYLES.
        seed: of the data set, 0 or more.
        index: of the picture in the data set, 0 or more.
        size_px: side, 64 to 1024.
        face_masks: chance, 0 to 1, that the faces are covered as the service does; labels stay.
        caster: one of CASTERS; None: Embree where it is installed, else numpy. Labels are the same
            but for single pixels; numpy's shadows are coarser.

    Raises:
        ConfigurationError: an option is out of range.
        DataError: no view of the main person was found.
        DependencyError: the caster is "embree", and embreex is not installed.
    """
    world = find_style(style)
    check_options(size_px=size_px, seed=seed, index=index)
    check_share(face_masks)
    scene, stage, view, rng = _find_view(world, seed, index, size_px, choose_caster(caster))
    # Generators of their own: how a picture is developed, or masked, changes nothing else in it.
    develop_rng, mask_rng = (_rng(world, seed, purpose, index) for purpose in (_FOR_DEVELOPMENT, _FOR_MASK))
    development = draw_development(world, _is_dim(scene), develop_rng)
    quality = development.quality
    if world.thermal:
        image = thermograph(scene, stage, view, size_px, develop_rng)
    else:
        image = photograph(scene, stage, view, development, size_px, rng)
    persons, subjects = _renumbered(view.persons, scene)
    if mask_rng.random() < face_masks:
        image, quality = mask_as_served(image, view.parts, persons, mask_rng), _MASKED_QUALITY
    return RenderedPicture(image, view.parts, persons, subjects, quality)


def _rng(style: Style, seed: int, purpose: int, *numbers: int) -> Rng:
    """The generator for one purpose, of the picture, subject or block of these numbers."""
    return np.random.default_rng([seed, style.number, purpose, *numbers])


def _find_view(style: Style, seed: int, index: int, size_px: int, caster: str) -> tuple[Scene, Stage, View, Rng]:
    """The first scene in which the main person is seen well, and the generator that goes on from it."""
    for attempt in range(_ATTEMPTS):
        rng = _rng(style, seed, _FOR_PICTURE, index, attempt)
        scene = _compose(style, seed, index, size_px, rng)
        framed = _keep_main_largest(scene, size_px, caster)
        if framed is not None:
            return *framed, rng
    raise DataError(
        f"picture {index} of style {style.name} and seed {seed} shows too little of its main person, "
        f"{_ATTEMPTS} times of {_ATTEMPTS}; choose another seed"
    )


def _compose(style: Style, seed: int, index: int, size_px: int, rng: Rng) -> Scene:
    """The scene of a picture: its main person and passers-by who are in no other."""
    others = []
    for number in range(int(rng.choice(len(style.crowd), p=style.crowd))):
        own = _rng(style, seed, _FOR_PASSER_BY, index, number)
        others.append(draw_identity(f"{style.name}-{seed}-passer-by-{index:05d}-{number + 1}", own))
    return compose_scene(style, main_subject(style, seed, index), others, size_px, rng)


def _renumbered(persons: NDArray[np.uint8], scene: Scene) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Person ids without gaps, [H, W], and the subject of each in order."""
    shown = np.unique(persons[persons > 0])
    new = np.zeros(256, np.uint8)
    new[shown] = np.arange(1, len(shown) + 1)
    return new[persons], tuple(scene.persons[number - 1].subject for number in shown)


def _is_dim(scene: Scene) -> bool:
    """Whether cameras must amplify what light there is."""
    return float(scene.light.sky.mean()) < _DIM


def main_subject(style: Style, seed: int, index: int) -> Identity:
    """The identity picture `index` is about: each of four for four of sixteen pictures in a row."""
    block_size = PICTURES_A_SUBJECT * _SUBJECTS_A_BLOCK
    block, place = divmod(index, block_size)
    order = _rng(style, seed, _FOR_ORDER, block).permutation(block_size)
    number = block * _SUBJECTS_A_BLOCK + int(order[place]) % _SUBJECTS_A_BLOCK
    return draw_identity(f"{style.name}-{seed}-{number:05d}", _rng(style, seed, _FOR_SUBJECT, number))


def _keep_main_largest(scene: Scene, size_px: int, caster: str) -> tuple[Scene, Stage, View] | None:
    """Send away whoever is larger than the main person; None where the main person is hardly seen."""
    while True:
        stage = build_stage(scene, caster)
        view = look(scene, stage, size_px)
        areas = np.bincount(view.persons.ravel(), minlength=len(scene.persons) + 1)[1:]
        if areas[0] < _LEAST_AREA * size_px**2:
            return None
        larger = {number for number, area in enumerate(areas, 1) if area > areas[0]}
        if not larger:
            return scene, stage, view
        scene = scene.without(larger)


_RANGES = {
    "size_px": (64, 1024),
    "seed": (0, 2**63 - 1),
    "index": (0, 2**31),
    "count": (1, 100_000),
    "workers": (1, 256),
}


def check_options(**options: int) -> None:
    """Refuse an option out of its range."""
    for name, value in options.items():
        low, high = _RANGES[name]
        if type(value) is not int or not low <= value <= high:  # True is none
            raise ConfigurationError(f"{name} is {value!r}; give a whole number from {low} to {high}")


def check_share(face_masks: float) -> None:
    """Refuse a share of masked pictures that is none."""
    if not 0 <= face_masks <= 1:
        raise ConfigurationError(f"face_masks is {face_masks!r}; give a share from 0 to 1")
