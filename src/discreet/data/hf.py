"""An image folder as Hugging Face reads it: metadata.jsonl, one line a picture.

Keys: `image_file_name` and `mask_file_name`, relative to the folder of metadata.jsonl; optional
`person_ids`, either the file name of a map of person ids, or the list of who is on the picture; optional
`subject`. A picture with several people on it and no `subject` has none, unless shared pictures are assigned
(`data.shared_pictures`): counting it for one of them would break the guarantee of the others. labels.json beside
metadata.jsonl says what the ids mean.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from discreet.data.files import FileSource, PictureFiles, need_folder
from discreet.data.samples import Problem
from discreet.errors import DataError
from discreet.labels import read_labels

_LAYOUT = "metadata.jsonl and labels.json"


def open_hf(root: Path, split: str | None, spec: str) -> FileSource:
    """An image folder with metadata.jsonl.

    Args:
        root: holds metadata.jsonl and labels.json; with a split, the folder train/ or val/ in it does.
        split: "train" or "val".
        spec: how the user named it.

    Raises:
        DataError: the folder, its labels or its metadata are missing, or a line is not understood.
    """
    folder = need_folder(root / split if split else root, spec, _LAYOUT)
    metadata = folder / "metadata.jsonl"
    files: dict[str, PictureFiles] = {}
    problems: list[Problem] = []
    for line, row in enumerate(_rows(metadata), start=1):
        entry = _entry(folder, row, f"{metadata} line {line}")
        if entry.name in files:
            problems.append(Problem(str(metadata), f"line {line} repeats picture {entry.name}; keep one line"))
        files.setdefault(entry.name, entry)
    return FileSource(spec, read_labels(folder / "labels.json"), list(files.values()), problems=problems)


def _rows(metadata: Path) -> list[dict[str, Any]]:
    """The lines of metadata.jsonl."""
    try:
        rows = [json.loads(line) for line in metadata.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    except FileNotFoundError:
        raise DataError(f"{metadata} is missing; write one JSON object a picture there") from None
    except (OSError, ValueError) as problem:
        raise DataError(f"{metadata} cannot be read ({problem}); write one JSON object a line") from None
    if not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{metadata} has a line that is no JSON object; write one object a picture")
    return rows


def _entry(folder: Path, row: dict[str, Any], where: str) -> PictureFiles:
    """Where the files of one line are."""
    image, mask = (_inside(row.get(key), key, where) for key in ("image_file_name", "mask_file_name"))
    people, subject = row.get("person_ids"), row.get("subject")
    subjects = () if subject is None else (str(subject),)
    persons = None
    if isinstance(people, str):
        persons = folder / _inside(people, "person_ids", where)
    elif isinstance(people, list):
        subjects = subjects or tuple(dict.fromkeys(map(str, people)))
    elif people is not None:
        raise DataError(f"{where}: person_ids must name a map of person ids, or list who is on the picture; correct it")
    name = str(Path(image).with_suffix(""))
    return PictureFiles(name, folder / image, folder / mask, persons, subjects)


def _inside(value: object, key: str, where: str) -> str:
    """A file name that does not leave the data set's folder."""
    if not isinstance(value, str) or not value:
        raise DataError(f"{where} lacks {key}; give a file name relative to the folder")
    if Path(value).is_absolute() or ".." in Path(value).parts:
        raise DataError(f"{where}: {key} {value!r} leaves the folder; give a file name inside it")
    return value
