"""Pictures and folders of them: who is in which picture, and writing what was rendered.

Picture `index` of a style and a seed is the same wherever, whenever and by however many
workers it is rendered: all that is random in it derives from (seed, style, index).
"""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from discreet.data.people.identity import Identity, draw_identity
from discreet.data.people.render import Stage, View, build_stage, look, photograph
from discreet.data.people.scene import Scene, compose_scene
from discreet.data.people.styles import Style, find_style
from discreet.errors import ConfigurationError
from discreet.labels import CIHP

PICTURES_A_SUBJECT = 4
_SUBJECTS_A_BLOCK = 4
_LEAST_AREA = 0.03
_ATTEMPTS = 20
_FOR_PICTURE, _FOR_SUBJECT, _FOR_PASSER_BY, _FOR_ORDER = range(4)
_JPEG_QUALITY = 90


@dataclass(frozen=True)
class RenderedPicture:
    """A picture and all that is known about it.

    Args:
        image: uint8 [H, W, 3]. parts: CIHP ids, uint8 [H, W]. persons: ids from 1, uint8 [H, W],
            positive exactly where parts are.
        subjects: the identity of each person in order of person id. The first is the main person,
            and the largest; only main persons recur in other pictures.
    """

    image: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    persons: NDArray[np.uint8]
    subjects: tuple[str, ...]


def render_picture(style: str, seed: int, index: int, size_px: int) -> RenderedPicture:
    """Render one picture.

    Args:
        style: one of STYLES.
        seed: of the data set, 0 or more.
        index: of the picture in the data set, 0 or more.
        size_px: side, 64 to 1024.

    Raises:
        ConfigurationError: an option is out of range.
        DependencyError: embreex is not installed.
    """
    world = find_style(style)
    _check(size_px=size_px, seed=seed, index=index)
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([seed, world.number, _FOR_PICTURE, index, attempt])
        scene = _compose(world, seed, index, size_px, rng)
        framed = _keep_main_largest(scene, size_px)
        if framed is not None:
            break
    else:
        raise RuntimeError(f"no view of the main person of picture {index} in {_ATTEMPTS} attempts")
    scene, stage, view = framed
    image = photograph(scene, stage, view, world, size_px, rng)
    shown = np.unique(view.persons[view.persons > 0])
    renumbered = np.zeros(256, np.uint8)
    renumbered[shown] = np.arange(1, len(shown) + 1)
    subjects = tuple(scene.persons[number - 1].subject for number in shown)
    return RenderedPicture(image, view.parts, renumbered[view.persons], subjects)


def _compose(style: Style, seed: int, index: int, size_px: int, rng: np.random.Generator) -> Scene:
    """The scene of a picture: its main person and passers-by who are in no other."""
    others = []
    for number in range(int(rng.choice(len(style.crowd), p=style.crowd))):
        own = np.random.default_rng([seed, style.number, _FOR_PASSER_BY, index, number])
        others.append(draw_identity(f"{style.name}-{seed}-passer-by-{index:05d}-{number + 1}", own))
    return compose_scene(style, main_subject(style, seed, index), others, size_px, rng)


def main_subject(style: Style, seed: int, index: int) -> Identity:
    """The identity picture `index` is about: each of four for four of sixteen pictures in a row."""
    block_size = PICTURES_A_SUBJECT * _SUBJECTS_A_BLOCK
    block, place = divmod(index, block_size)
    order = np.random.default_rng([seed, style.number, _FOR_ORDER, block]).permutation(block_size)
    number = block * _SUBJECTS_A_BLOCK + int(order[place]) % _SUBJECTS_A_BLOCK
    rng = np.random.default_rng([seed, style.number, _FOR_SUBJECT, number])
    return draw_identity(f"{style.name}-{seed}-{number:05d}", rng)


def _keep_main_largest(scene: Scene, size_px: int) -> tuple[Scene, Stage, View] | None:
    """Send away whoever is larger than the main person; None where the main person is hardly seen."""
    while True:
        stage = build_stage(scene)
        view = look(scene, stage, size_px)
        areas = np.bincount(view.persons.ravel(), minlength=len(scene.persons) + 1)[1:]
        if areas[0] < _LEAST_AREA * size_px**2:
            return None
        larger = {number for number, area in enumerate(areas, 1) if area > areas[0]}
        if not larger:
            return scene, stage, view
        scene = scene.without(larger)


def generate_people(
    out: Path,
    *,
    style: str,
    count: int,
    size_px: int,
    seed: int,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write a data set in the folder format, `labels.json` last: without it, it is unfinished.

    Args:
        out: folder, made where it is missing.
        style: one of STYLES.
        count: number of pictures, at least 1.
        size_px: side, 64 to 1024.
        seed: 0 or more.
        workers: processes; they change nothing but the time.
        progress: called with 1 for every picture.

    Raises:
        ConfigurationError: an option is out of range.
        DependencyError: embreex is not installed.
    """
    find_style(style)
    _check(size_px=size_px, seed=seed, count=count, workers=workers)
    for folder in ("images", "parts", "persons"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    jobs = [(out, style, seed, index, size_px) for index in range(count)]
    subjects = []
    for subject in _run(jobs, min(workers, count)):
        subjects.append(subject)
        if progress is not None:
            progress(1)
    _write(out / "subjects.csv", _subject_table(subjects))
    _write(out / "labels.json", json.dumps(CIHP.name).encode())


def _subject_table(subjects: list[str]) -> bytes:
    """The content of subjects.csv."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("name", "subject"))
    rows.writerows((f"{index:05d}", subject) for index, subject in enumerate(subjects))
    return table.getvalue().encode()


Job = tuple[Path, str, int, int, int]


def _run(jobs: list[Job], workers: int) -> Iterator[str]:
    """The main subjects of all jobs in order, as they are done."""
    if workers == 1:
        yield from map(_render_to_files, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_render_to_files, jobs, chunksize=4 if len(jobs) >= 64 else 1)


def _render_to_files(job: Job) -> str:
    """Render one picture, write its three files, return its main subject."""
    out, style, seed, index, size_px = job
    picture = render_picture(style, seed, index, size_px)
    name = f"{index:05d}"
    _write(out / "parts" / f"{name}.png", _encode(picture.parts, "PNG"))
    _write(out / "persons" / f"{name}.png", _encode(picture.persons, "PNG"))
    _write(out / "images" / f"{name}.jpg", _encode(picture.image, "JPEG", quality=_JPEG_QUALITY))
    return picture.subjects[0]


def _encode(pixels: NDArray[np.uint8], file_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format, **options)
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Write beside, then rename: the file is whole or not there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


_RANGES = {
    "size_px": (64, 1024),
    "seed": (0, 2**63 - 1),
    "index": (0, 2**31),
    "count": (1, 100_000),
    "workers": (1, 256),
}


def _check(**options: int) -> None:
    """Refuse an option out of its range."""
    for name, value in options.items():
        low, high = _RANGES[name]
        if not isinstance(value, int) or not low <= value <= high:
            raise ConfigurationError(f"{name} is {value!r}; give a whole number from {low} to {high}")
