"""MHP-v2: {train,val}/images/, and in {train,val}/parsing_annos/ one part map for each person of a picture.

PICTURE_NN_MM.png is person MM of NN, from 01. Where the maps of two persons overlap, the person with the
lower number has the pixel: the files say nothing of who stands in front, and so every reading gives the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from discreet.data.files import FileSource, PictureFiles, need_folder, pictures_in
from discreet.data.pictures import read_first_channel, read_picture
from discreet.data.samples import Problem, Sample
from discreet.errors import ConfigurationError
from discreet.labels import IGNORED, MHP

_LAYOUT = "{train,val}/{images,parsing_annos}"
_PERSON_FILE = re.compile(r"(.+)_(\d+)_(\d+)")


class _OneMapAPerson(FileSource):
    """A data set whose pictures have one part map for each person.

    Args:
        spec: how the user named it.
        files: one entry a picture, its `parts` the first of its maps.
        people: the maps of each picture, in order of persons.
        problems: what the reader found wrong before opening a picture.
    """

    def __init__(
        self, spec: str, files: Sequence[PictureFiles], people: Sequence[Sequence[Path]], problems: Sequence[Problem]
    ) -> None:
        super().__init__(spec, MHP, files, read_parts=read_first_channel, problems=problems)
        self._people = people

    def __getitem__(self, index: int) -> Sample:
        photograph = read_picture(self.files[index].image)
        parts = np.zeros(photograph.pixels.shape[:2], np.uint8)
        persons = np.zeros_like(parts)
        for person, path in enumerate(self._people[index], start=1):
            own = self._parts(path, photograph)
            free = (own > 0) & (parts == 0)
            parts[free], persons[free & (own != IGNORED)] = own[free], person
        return self._sample(index, photograph, parts, persons)

    def _part_maps(self, index: int) -> Sequence[Path]:
        return self._people[index]


def open_mhp(root: Path, split: str | None, spec: str) -> FileSource:
    """MHP-v2.

    Args:
        root: holds train/ and val/.
        split: "train" or "val".
        spec: how the user named it.

    Raises:
        ConfigurationError: no split was named.
        DataError: folders or pictures are missing.
    """
    if split is None:
        raise ConfigurationError(f"data {spec!r} names no split; write mhp:{root}@train or mhp:{root}@val")
    folder = need_folder(need_folder(root, spec, _LAYOUT) / split, spec, _LAYOUT)
    images, problems = pictures_in(need_folder(folder / "images", spec, _LAYOUT))
    annotations = need_folder(folder / "parsing_annos", spec, _LAYOUT)
    there = {path.stem: path for path in sorted(annotations.iterdir()) if path.suffix.lower() == ".png"}
    num_people: dict[str, str] = {}
    for stem, path in there.items():
        match = _PERSON_FILE.fullmatch(stem)
        if match is None or match[1] not in images:
            problems.append(Problem(str(path), "belongs to no picture in images/; remove it, or add the picture"))
        elif num_people.setdefault(match[1], match[2]) != match[2] or not 1 <= int(match[3]) <= int(match[2]):
            problems.append(Problem(str(path), "disagrees with the others on how many persons there are; rename them"))
    # Every map that the names promise; one that is missing is found when it is read.
    maps = [
        [there.get(stem, annotations / f"{stem}.png") for stem in _stems(name, num_people.get(name, "01"))]
        for name in images
    ]
    files = [PictureFiles(name, image, own[0]) for (name, image), own in zip(images.items(), maps, strict=True)]
    return _OneMapAPerson(spec, files, maps, problems)


def _stems(name: str, num_people: str) -> list[str]:
    """Names of the maps of one picture's persons, in order; of one person where the count is 0."""
    width = len(num_people)
    return [f"{name}_{num_people}_{person:0{width}d}" for person in range(1, int(num_people) + 1)] or [f"{name}_01_01"]
