"""Folders of pictures: written file by file, each whole or not there; stopped and taken up again."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from discreet.data.people.casting import choose_caster
from discreet.data.people.develop import encode_jpeg
from discreet.data.people.generate import check_options, check_share, main_subject, render_picture
from discreet.data.people.styles import Style, find_style
from discreet.data.people.workers import work_off
from discreet.errors import ConfigurationError, DataError
from discreet.labels import CIHP

# To be raised whenever the same options give other pictures.
GENERATOR_VERSION = 12
_FOLDERS = ("images", "parts", "persons")


@dataclass(frozen=True)
class Options:
    """All that decides what the pictures of a set are; `people.json` holds it. *Public*

    `style` is one name or several with commas between.
    """

    style: str
    count: int
    size_px: int
    seed: int
    face_masks: float
    caster: str
    generator: int = GENERATOR_VERSION


def generate_people(
    out: Path,
    *,
    style: str,
    count: int,
    size_px: int,
    seed: int,
    workers: int = 1,
    face_masks: float = 0.0,
    resume: bool = False,
    caster: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write a data set in the folder format, `labels.json` last: without it, it is unfinished.

    Args:
        out: folder, new or empty, unless resumed.
        style: one of STYLES, or several with commas between, which take turns picture by picture.
        count: number of pictures, at least 1.
        size_px: side, 64 to 1024.
        seed: 0 or more.
        workers: processes; they change nothing but the time.
        face_masks: share of pictures with faces covered, 0 to 1.
        resume: render only what is missing of a set begun with the same options.
        caster: as for render_picture.
        progress: called with 1 for every picture, those already there included.

    Raises:
        ConfigurationError: an option is out of range, the set was begun with another, or `out` holds something else.
        DataError: a file cannot be written, a worker was killed, or a picture has no view of its main person; what is
            finished stays.
        DependencyError: the caster is "embree", and embreex is not installed.
    """
    style = ",".join(member.name for member in _find_styles(style))
    check_options(size_px=size_px, seed=seed, count=count, workers=workers)
    check_share(face_masks)
    options = Options(style, count, size_px, seed, float(face_masks), choose_caster(caster))
    _check_folder(out, options, resume)
    _begin(out, options)
    missing = [index for index in range(count) if not (resume and _is_there(out, index))]
    if progress is not None and len(missing) < count:
        progress(count - len(missing))
    jobs = ((out, options, index) for index in missing)
    with closing(work_off(_render_to_files, jobs, min(workers, max(len(missing), 1)))) as finished:
        for _ in finished:
            if progress is not None:
                progress(1)
    _write(out / "subjects.csv", _subject_table(options))
    _write(out / "labels.json", json.dumps(CIHP.name).encode())


def _find_styles(names: str) -> list[Style]:
    """The styles named, in that order."""
    styles = [find_style(name.strip()) for name in names.split(",")]
    if len({style.name for style in styles}) < len(styles):
        raise ConfigurationError(f"style {names!r} names one twice; name each once: they are mixed evenly")
    return styles


def _place_in_style(style: str, index: int) -> tuple[str, int]:
    """Which style picture `index` of a set is of, and which of that style's pictures it is."""
    names = style.split(",")
    return names[index % len(names)], index // len(names)


def _begin(out: Path, options: Options) -> None:
    """`people.json` first: whatever else is there, the set can be taken up again."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "labels.json").unlink(missing_ok=True)
        _write(out / "people.json", json.dumps(asdict(options), indent=2).encode())
        for folder in _FOLDERS:
            (out / folder).mkdir(exist_ok=True)
    except OSError as problem:
        raise _not_written(out, problem) from None


def _check_folder(out: Path, options: Options, resume: bool) -> None:
    """Refuse what would mix two sets; sweep away what a killed worker left half written."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not resume or not out.is_dir():
        raise ConfigurationError(f"{out} exists and is not empty; choose another folder, or --resume a set begun there")
    try:
        begun = json.loads((out / "people.json").read_text())
    except (OSError, ValueError):
        raise ConfigurationError(f"{out} holds no set to resume (people.json); choose another folder") from None
    for name, value in asdict(options).items():
        before = begun.get(name) if isinstance(begun, dict) else None
        if before != value:
            raise ConfigurationError(
                f"{out} was begun with {name} {before!r}, not {value!r}; give that to resume, or another folder"
            )
    for partial in out.rglob(".*.partial"):
        partial.unlink()


def _places(out: Path, index: int) -> tuple[Path, Path, Path]:
    """Where picture, parts and persons of an index lie."""
    name = f"{index:05d}"
    return out / "images" / f"{name}.jpg", out / "parts" / f"{name}.png", out / "persons" / f"{name}.png"


def _is_there(out: Path, index: int) -> bool:
    return all(path.is_file() for path in _places(out, index))


def _subject_table(options: Options) -> bytes:
    """The content of subjects.csv."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("name", "subject"))
    for index in range(options.count):
        style, place = _place_in_style(options.style, index)
        rows.writerow((f"{index:05d}", main_subject(find_style(style), options.seed, place).name))
    return table.getvalue().encode()


def _render_to_files(job: tuple[Path, Options, int]) -> None:
    """Render one picture and write its three files."""
    out, options, index = job
    style, place = _place_in_style(options.style, index)
    picture = render_picture(style, options.seed, place, options.size_px, options.face_masks, options.caster)
    image, parts, persons = _places(out, index)
    _write(parts, _encode_png(picture.parts))
    _write(persons, _encode_png(picture.persons))
    _write(image, encode_jpeg(picture.image, picture.quality))


def _encode_png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Write beside, then rename: the file is whole or not there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as problem:
        raise _not_written(path, problem) from None
    finally:
        partial.unlink(missing_ok=True)


def _not_written(path: Path, problem: OSError) -> DataError:
    reason = problem.strerror or str(problem)
    return DataError(f"cannot write {path}: {reason}; make room or mend that, then go on with --resume")
