"""A data set whose pictures and label maps are files: what all readers have in common.

A reader says where the files of each picture are; here they are read and held against each other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from discreet.data.pictures import Photograph, check_parts, check_size, read_ids, read_picture
from discreet.data.samples import Problem, Sample
from discreet.errors import ConfigurationError, DataError
from discreet.labels import IGNORED, LabelMap, LabelSet, map_between

Read = TypeVar("Read")
# What becomes of pictures that several subjects share.
SharedPictures = Literal["refuse", "drop", "assign"]
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
# A share of the pixels of persons that their edges may differ by in the two maps without harm.
_STRAY = 0.01
# Where data sets published for multi-person parsing keep their splits.
SPLIT_FOLDERS = {"train": "Training", "val": "Validation"}


@dataclass(frozen=True)
class PictureFiles:
    """Where the files of one picture are, and who is on it.

    Args:
        name: of the picture.
        image, parts: its files.
        persons: None where nobody told persons apart.
        subjects: everybody it is known to show, the one it is most about first.
    """

    name: str
    image: Path
    parts: Path
    persons: Path | None = None
    subjects: tuple[str, ...] = ()

    @property
    def subject(self) -> str | None:
        """Who owns the picture; nobody where several might."""
        return self.subjects[0] if len(self.subjects) == 1 else None


class FileSource:
    """A data set made of files.

    Args:
        spec: how the user named it.
        label_set: what the ids in its part maps mean.
        files: one entry a picture.
        read_persons: reads a person map; formats that pack ids differently bring their own.
        read_parts: reads a part map.
        problems: what the reader found wrong before opening a picture.

    Raises:
        DataError: there is no picture.
    """

    def __init__(
        self,
        spec: str,
        label_set: LabelSet,
        files: Sequence[PictureFiles],
        *,
        read_persons: Callable[[Path], NDArray[np.uint8]] = read_ids,
        read_parts: Callable[[Path], NDArray[np.uint8]] = read_ids,
        problems: Sequence[Problem] = (),
    ) -> None:
        if not files:
            raise DataError(f"{spec} holds no picture; check the path and the split")
        self.spec = spec
        self.label_set = label_set
        self.files = tuple(files)
        self.problems = tuple(problems)
        self.names: Sequence[str] = tuple(entry.name for entry in files)
        self.subjects: Sequence[str | None] = tuple(entry.subject for entry in files)
        self.translation: LabelMap | None = None
        self._labels_of_files = label_set
        self._read_persons = read_persons
        self._read_parts = read_parts

    def in_labels(self, target: LabelSet) -> Self:
        """The same data set with the ids of another label set; `translation` says what that loses."""
        other = copy(self)
        other.label_set, other.translation = target, map_between(self._labels_of_files, target)
        return other

    def with_subjects(self, pattern: str) -> Self:
        """The same data set, its subjects taken from the names of its pictures.

        Args:
            pattern: regular expression with one group, matched from the start of each name. *Public*

        Raises:
            ConfigurationError: it is no regular expression with one group.
            DataError: it does not match the name of a picture; one is named.
        """
        other = copy(self)
        other.subjects = subjects_by_name(self.spec, self.names, pattern)
        return other

    def with_shared(self, what: SharedPictures) -> Self:
        """The same data set without pictures that several subjects share, or with those given to the first of them.

        Only without them is everybody protected as a subject: who does not own a picture is on it all the same.

        Raises:
            DataError: no picture is left.
        """
        if what == "refuse":
            return self
        other = copy(self)
        kept = [index for index, entry in enumerate(self.files) if what == "assign" or len(entry.subjects) < 2]
        if not kept:
            raise DataError(f"{self.spec}: every picture shows several subjects; nothing is left without them")
        other.files = tuple(self.files[index] for index in kept)
        other.names = tuple(self.names[index] for index in kept)
        other.subjects = tuple(
            self.files[index].subjects[0] if len(self.files[index].subjects) > 1 else self.subjects[index]
            for index in kept
        )
        return other

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        """Read one picture; DataError names the file that is wrong."""
        files = self.files[index]
        photograph = read_picture(files.image)
        parts = self._parts(files.parts, photograph)
        if files.persons is None:
            return self._sample(index, photograph, parts, None)
        persons = self._persons(files.persons, photograph)
        unknown = persons == IGNORED
        # Where nobody knows whose a part is, nobody knows the part of that person either.
        parts[unknown], persons[unknown] = IGNORED, 0
        return self._sample(index, photograph, parts, persons)

    def problems_of(self, index: int) -> Iterator[Problem]:
        """Everything wrong with one picture's files, each looked at even when another is broken."""
        files = self.files[index]
        photographs: list[Photograph] = []
        parts: list[NDArray[np.uint8]] = []
        persons: list[NDArray[np.uint8]] = []
        yield from _trial(files.image, read_picture, photographs)
        seen = photographs[0] if photographs else None
        for path in self._part_maps(index):
            yield from _trial(path, partial(self._parts, photograph=seen), parts)
        if seen and parts:
            yield from _doubtful_turn(files.image, seen)
        if files.persons is not None:
            yield from _trial(files.persons, partial(self._persons, photograph=seen), persons)
            if parts and persons:
                yield from _disagreement(files.persons, parts[0], persons[0])

    def _part_maps(self, index: int) -> Sequence[Path]:
        """The files with the parts of one picture."""
        return (self.files[index].parts,)

    def _sample(
        self, index: int, photograph: Photograph, parts: NDArray[np.uint8], persons: NDArray[np.uint8] | None
    ) -> Sample:
        """One picture in the labels it is shown in: what is background to them is nobody's."""
        if self.translation is not None:
            shown = self.translation.apply(parts)
            persons = None if persons is None else np.where((shown == 0) & (parts != 0), np.uint8(0), persons)
            parts = shown
        return Sample(self.files[index].name, photograph.pixels, parts, persons, self.subjects[index])

    def _parts(self, path: Path, photograph: Photograph | None) -> NDArray[np.uint8]:
        """A part map, in the ids of its file, that fits its picture, where there is one."""
        parts = self._read_parts(path)
        check_parts(path, parts, self._labels_of_files)
        if photograph is not None:
            check_size(path, parts, photograph)
        return parts

    def _persons(self, path: Path, photograph: Photograph | None) -> NDArray[np.uint8]:
        """A person map that fits its picture, where there is one."""
        persons = self._read_persons(path)
        if photograph is not None:
            check_size(path, persons, photograph)
        return persons


def pictures_in(folder: Path) -> tuple[dict[str, Path], list[Problem]]:
    """The pictures of a folder by name without suffix, and names that two files share."""
    found: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in PICTURE_SUFFIXES or path.name.startswith("."):
            continue
        if path.stem not in found:
            found[path.stem] = path
            continue
        problems.append(Problem(str(path), f"has the name of {found[path.stem].name}; rename or remove one of them"))
    return found, problems


def maps_of(names: Iterable[str], folder: Path) -> tuple[dict[str, Path], list[Problem]]:
    """Where a folder has the map of each name, or should have it; and maps of other names."""
    there = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".png"}
    maps = {name: there.get(name, folder / f"{name}.png") for name in names}
    return maps, [
        Problem(str(path), "belongs to no picture; remove it, or add the picture")
        for name, path in there.items()
        if name not in maps and not name.startswith(".")
    ]


def listed_in(listing: Path, images: Path, there: Mapping[str, Path]) -> tuple[dict[str, Path], list[Problem]]:
    """The pictures of a list, in its order, each once; and those that it repeats.

    Args:
        listing: one name a line, with or without folder and suffix; beside it may stand its part map, of the same name.
        images: the folder of pictures.
        there: what `pictures_in` found in that folder.

    Raises:
        DataError: the list is missing, or is no text.
    """
    try:
        lines = listing.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise DataError(f"{listing} is missing; list one picture name a line there") from None
    except (OSError, ValueError) as problem:
        raise DataError(f"{listing} cannot be read ({problem}); list one picture name a line there") from None
    names = [name for line in lines for name in dict.fromkeys(map(_listed_name, line.split()))]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    return {name: there.get(name, images / f"{name}.jpg") for name in names}, [
        Problem(str(listing), f"lists {name} more than once; keep one line") for name in repeated
    ]


def _listed_name(word: str) -> str:
    """A picture's name in a list, without folder and suffix."""
    path = Path(word)
    return path.stem if path.suffix.lower() in PICTURE_SUFFIXES else path.name


def subjects_by_name(spec: str, names: Sequence[str], pattern: str) -> tuple[str, ...]:
    """The group of the pattern in each name; see `FileSource.with_subjects`."""
    try:
        compiled = re.compile(pattern)
    except re.error as problem:
        raise ConfigurationError(f"subject_pattern {pattern!r} is no regular expression: {problem}") from None
    if compiled.groups != 1:
        raise ConfigurationError(
            f"subject_pattern {pattern!r} has {compiled.groups} groups; put the subject, and nothing else, in ( )"
        )
    found = [compiled.match(name) for name in names]
    for name, match in zip(names, found, strict=True):
        if match is None or not match.group(1):
            raise DataError(
                f"{spec}: subject_pattern {pattern!r} finds no subject in the name {name}; correct the pattern, or "
                "rename the picture"
            )
    return tuple(match.group(1) for match in found if match is not None)


def need_folder(folder: Path, spec: str, layout: str) -> Path:
    """The folder, which must exist.

    Raises:
        DataError: it does not; says which layout was expected.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist; {spec} needs {layout}")
    return folder


def _doubtful_turn(path: Path, photograph: Photograph) -> Iterator[Problem]:
    """A picture that its camera says to turn, where sizes cannot tell whether its labels are turned, too."""
    height, width = photograph.pixels.shape[:2]
    if photograph.orientation in (2, 3, 4) or (photograph.orientation > 4 and height == width):
        yield Problem(
            str(path),
            f"is turned as its camera says (EXIF orientation {photograph.orientation}), and its labels fit either way: "
            "see which is right, and save the picture so, without that",
        )


def _disagreement(path: Path, parts: NDArray[np.uint8], persons: NDArray[np.uint8]) -> Iterator[Problem]:
    """A person map that is of other people than the part map."""
    if parts.shape != persons.shape:  # one of them was told not to fit the picture
        return
    known = (parts != IGNORED) & (persons != IGNORED)
    nobodys = int((known & (parts > 0) & (persons == 0)).sum())
    partless = int((known & (parts == 0) & (persons > 0)).sum())
    if nobodys + partless > _STRAY * int((known & ((parts > 0) | (persons > 0))).sum()):
        yield Problem(
            str(path),
            f"has nobody on {nobodys:,} pixels of parts, and persons on {partless:,} of background; correct it, or the "
            "parts",
        )


def _trial(path: Path, read: Callable[[Path], Read], seen: list[Read]) -> Iterator[Problem]:
    """Try to read a file, and keep what it holds; the problem, if there is one, without the file's name."""
    try:
        seen.append(read(path))
    except DataError as problem:
        yield Problem(str(path), str(problem).removeprefix(f"{path} "))
