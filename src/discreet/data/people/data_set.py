"""Folders of pictures: written file by file, each whole or not there; stopped and taken up again."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from discreet.data.people.casting import choose_caster
from discreet.data.people.develop import encode_jpeg
from discreet.data.people.generate import check_options, check_share, main_subject, render_picture
from discreet.data.people.styles import find_style
from discreet.errors import ConfigurationError, DataError
from discreet.labels import CIHP

# To be raised whenever the same options give other pictures.
GENERATOR_VERSION = 6
_FOLDERS = ("images", "parts", "persons")


@dataclass(frozen=True)
class Options:
    """All that decides what the pictures of a set are; `people.json` holds it. *Public*"""

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
        out: folder, made where it is missing.
        style: one of STYLES.
        count: number of pictures, at least 1.
        size_px: side, 64 to 1024.
        seed: 0 or more.
        workers: processes; they change nothing but the time.
        face_masks: share of pictures with faces covered, 0 to 1.
        resume: render only what is missing of a set begun with the same options.
        caster: as for render_picture.
        progress: called with 1 for every picture, those already there included.

    Raises:
        ConfigurationError: an option is out of range, or the set was begun with another.
        DependencyError: the caster is "embree", and embreex is not installed.
    """
    find_style(style)
    check_options(size_px=size_px, seed=seed, count=count, workers=workers)
    check_share(face_masks)
    options = Options(style, count, size_px, seed, float(face_masks), choose_caster(caster))
    if resume:
        _check_begun(out, options)
    for folder in _FOLDERS:
        (out / folder).mkdir(parents=True, exist_ok=True)
    _write(out / "people.json", json.dumps(asdict(options), indent=2).encode())
    jobs = [(out, options, index) for index in range(count)]
    missing = [job for job in jobs if not (resume and _is_there(out, job[2]))]
    if progress is not None and len(missing) < count:
        progress(count - len(missing))
    for _ in _run(missing, min(workers, max(len(missing), 1))):
        if progress is not None:
            progress(1)
    _write(out / "subjects.csv", _subject_table(options))
    _write(out / "labels.json", json.dumps(CIHP.name).encode())


def _check_begun(out: Path, options: Options) -> None:
    """Refuse to go on with other options; sweep away what a killed worker left half written."""
    if not out.exists() or not any(out.iterdir()):
        return
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
    style = find_style(options.style)
    for index in range(options.count):
        rows.writerow((f"{index:05d}", main_subject(style, options.seed, index).name))
    return table.getvalue().encode()


Job = tuple[Path, Options, int]


def _run(jobs: list[Job], workers: int) -> Iterator[None]:
    """Do all jobs; one result for each that is done."""
    if workers == 1:
        yield from map(_render_to_files, jobs)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_begin_worker, initargs=(os.getpid(),))
    try:
        yield from pool.map(_render_to_files, jobs, chunksize=4 if len(jobs) >= 64 else 1)
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker(parent: int) -> None:
    """Leave Ctrl-C to the parent, and do not outlive it: a killed one cannot say goodbye."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _render_to_files(job: Job) -> None:
    """Render one picture and write its three files."""
    out, options, index = job
    picture = render_picture(options.style, options.seed, index, options.size_px, options.face_masks, options.caster)
    image, parts, persons = _places(out, index)
    _write(parts, _encode_png(picture.parts))
    _write(persons, _encode_png(picture.persons))
    _write(image, encode_jpeg(picture.image, picture.quality))


def _encode_png(ids: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(ids).save(buffer, "PNG")
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Write beside, then rename: the file is whole or not there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        raise DataError(f"{path} cannot be written ({reason}); make room there, then go on with --resume") from None
    finally:
        partial.unlink(missing_ok=True)
