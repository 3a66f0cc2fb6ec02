"""The folder format: images/, parts/, optional persons/, optional subjects.csv, labels.json."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from discreet.data.files import FileSource, PictureFiles, maps_of, need_folder, pictures_in
from discreet.data.samples import Problem
from discreet.errors import DataError
from discreet.labels import read_labels

_LAYOUT = "images/, parts/ and labels.json"


def open_folder(folder: Path, spec: str) -> FileSource:
    """A data set in the folder format; any number of parts.

    Args:
        folder: holds images/NAME.jpg, parts/NAME.png and labels.json; perhaps persons/NAME.png and
            subjects.csv with the columns name and subject.
        spec: how the user named it.

    Raises:
        DataError: the folder, its labels or its pictures are missing, or generated people are unfinished.
    """
    need_folder(folder, spec, _LAYOUT)
    if (folder / "people.json").exists() and not (folder / "labels.json").exists():
        raise DataError(
            f"{folder} holds generated people, and not all of them (labels.json comes last); finish the set with the "
            "options in its people.json: discreet people --resume"
        )
    images, shared_names = pictures_in(need_folder(folder / "images", spec, _LAYOUT))
    need_folder(folder / "parts", spec, _LAYOUT)
    labels = read_labels(folder / "labels.json")
    subjects, subject_problems = read_subjects(folder / "subjects.csv")
    parts, extra = maps_of(images, folder / "parts")
    persons, unasked = maps_of(images, folder / "persons") if (folder / "persons").is_dir() else ({}, [])
    files = [
        PictureFiles(name, image, parts[name], persons.get(name), subjects.get(name, ()))
        for name, image in images.items()
    ]
    unmatched = _unmatched(folder / "subjects.csv", set(images), set(subjects))
    problems = [*shared_names, *subject_problems, *extra, *unasked, *unmatched]
    return FileSource(spec, labels, files, problems=problems)


def read_subjects(path: Path) -> tuple[dict[str, tuple[str, ...]], list[Problem]]:
    """Who is on which picture, in the file's order, and lines that cannot be believed; empty where there is no file.

    A picture with several subjects has no owner: counting it for one of them would break the others' guarantee.

    Raises:
        DataError: the file is no CSV with the columns name and subject.
    """
    if not path.exists():
        return {}, []
    subjects: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []
    for line, (name, subject) in enumerate(_rows(path), start=2):
        if not name or not subject:
            problems.append(Problem(str(path), f"line {line} lacks the name or the subject; give both"))
        elif subject not in subjects.setdefault(name, (subject,)):
            what = f"line {line}: {name} has another subject further up; keep one, or set data.shared_pictures"
            problems.append(Problem(str(path), what))
            subjects[name] += (subject,)
    return subjects, problems


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    """(name, subject) of each line, without the spaces around them."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream)
            if not {"name", "subject"} <= set(rows.fieldnames or ()):
                raise DataError(f"{path} lacks the columns name and subject; write them in its first line")
            for row in rows:
                yield (row["name"] or "").strip(), (row["subject"] or "").strip()
    except (OSError, ValueError, csv.Error) as problem:
        raise DataError(f"{path} cannot be read ({problem}); save it as CSV in UTF-8") from None


def _unmatched(subjects: Path, names: set[str], named: set[str]) -> Iterator[Problem]:
    """Pictures that subjects.csv leaves out, and those that are not there."""
    if subjects.exists():
        for name in sorted(names - named):
            yield Problem(str(subjects), f"lacks picture {name}; add a line {name},SUBJECT")
        for name in sorted(named - names):
            yield Problem(str(subjects), f"names {name}, which is not in images/; remove the line, or add the picture")
