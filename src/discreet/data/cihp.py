"""CIHP as published: {Training,Validation}/{Images,Category_ids,Human_ids,Instance_ids}.

Person ids come from Human_ids where that folder exists, otherwise from Instance_ids, whose PNGs
hold one value for each part of each person and whose .txt files say `value part person`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from discreet.data.files import SPLIT_FOLDERS, FileSource, PictureFiles, maps_of, need_folder, pictures_in
from discreet.data.pictures import read_ids, read_wide_ids
from discreet.errors import DataError
from discreet.labels import CIHP

_LAYOUT = "{Training,Validation}/{Images,Category_ids,Human_ids} as published"


def open_cihp(root: Path, split: str | None, spec: str) -> FileSource:
    """CIHP, or another set in its layout with its 20 ids.

    Args:
        root: holds Training/ and Validation/; without a split, Images/ and the rest themselves.
        split: "train" or "val".
        spec: how the user named it.

    Raises:
        DataError: folders or pictures are missing.
    """
    folder = need_folder(root / SPLIT_FOLDERS[split] if split else root, spec, _LAYOUT)
    images, problems = pictures_in(need_folder(folder / "Images", spec, _LAYOUT))
    parts, extra = maps_of(images, need_folder(folder / "Category_ids", spec, _LAYOUT))
    kind = next((kind for kind in ("Human_ids", "Instance_ids") if (folder / kind).is_dir()), None)
    persons, unasked = maps_of(images, folder / kind) if kind else ({}, [])
    files = [PictureFiles(name, image, parts[name], persons.get(name)) for name, image in images.items()]
    reader = read_instances if kind == "Instance_ids" else read_ids
    return FileSource(spec, CIHP, files, read_persons=reader, problems=[*problems, *extra, *unasked])


def read_instances(path: Path) -> NDArray[np.uint8]:
    """Person ids, uint8 [H, W], from an Instance_ids PNG and the .txt beside it.

    Raises:
        DataError: a file is missing or damaged, or the PNG holds a value that the .txt does not explain.
    """
    values = read_wide_ids(path)
    listing = path.with_suffix(".txt")
    persons = {0: 0, **_persons_by_value(listing)}
    found, positions = np.unique(values, return_inverse=True)
    unexplained = [int(value) for value in found if int(value) not in persons]
    if unexplained:
        raise DataError(f"{path} holds value {unexplained[0]}, which {listing.name} does not explain; add its line")
    table = np.array([persons[int(value)] for value in found], np.uint8)
    return table[positions].reshape(values.shape)


def _persons_by_value(listing: Path) -> dict[int, int]:
    """Which person each value of an Instance_ids PNG belongs to."""
    try:
        rows = [line.split() for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()]
        persons = {int(value): int(person) for value, _, person in rows}
    except FileNotFoundError:
        raise DataError(f"{listing} is missing; the person ids of {listing.stem} are in it") from None
    except (OSError, ValueError):
        raise DataError(f"{listing} cannot be read; its lines must be `value part person`, three numbers") from None
    if not all(0 < person < 255 for person in persons.values()):
        raise DataError(f"{listing} holds a person id outside 1 to 254; number persons from 1 in each picture")
    return persons
