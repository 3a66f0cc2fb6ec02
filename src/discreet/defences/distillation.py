"""Distillation: a student sees generated people only, labelled by a teacher that saw private ones.

What a teacher with (ε, δ) says is post-processing: the student has the same (ε, δ). What an ordinary teacher says
guarantees nothing, though it is heard through pictures of people who never existed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from discreet.data.samples import SampleSource
from discreet.inference.parser import Parser
from discreet.labels import describe_label_set
from discreet.parsing.results import ParseResult

_LABELS_FILE = "labels.json"


def label_by_teacher(
    teacher: Parser, pictures: SampleSource, out: Path, *, advance: Callable[[], object] = lambda: None
) -> str:
    """Write pictures with what a teacher sees in them, in the folder format; the SPEC.

    Stopped at any moment, the same call goes on: a picture's labels are written before it, and labels.json last.

    Args:
        teacher: labels them.
        pictures: public ones; their own labels are not looked at.
        out: a folder, made where it is missing.
        advance: called for each picture.
    """
    folders = [out / kind for kind in ("images", "parts", "persons")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    images, parts, persons = folders
    for index, name in enumerate(pictures.names):
        if not (images / f"{name}.png").exists():
            image = pictures[index].image
            seen = teacher.parse(image)
            _keep(seen.parts, parts / f"{name}.png")
            _keep(_owners(seen), persons / f"{name}.png")
            _keep(image, images / f"{name}.png")
        advance()
    (out / _LABELS_FILE).write_text(json.dumps(describe_label_set(teacher.labels)), encoding="utf-8")
    return f"folder:{out}"


def forget_labels(out: Path) -> None:
    """Remove what a teacher wrote: once the student has learned, nobody needs it."""
    shutil.rmtree(out, ignore_errors=True)


def _owners(seen: ParseResult) -> NDArray[np.uint8]:
    """Person ids, the surest person above."""
    ids = np.zeros(seen.parts.shape, np.uint8)
    for number, person in reversed(list(enumerate(seen.persons[:254], 1))):
        ids[person.mask] = number
    return ids


def _keep(array: NDArray[np.uint8], path: Path) -> None:
    """Whole, or not at all."""
    partial = path.with_suffix(".partial")
    Image.fromarray(array).save(partial, "PNG")
    partial.replace(path)
