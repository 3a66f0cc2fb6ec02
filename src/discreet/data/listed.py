"""The layout that ATR and Pascal-Person-Part inherit from Pascal VOC: one folder of pictures, one of
part maps, and a text file for each split.

Published copies differ in how they name the lists and where they put them, so a few names are tried,
in a fixed order. A split without a list is refused, never made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from discreet.data.files import FileSource, PictureFiles, listed_in, maps_of, need_folder, pictures_in
from discreet.errors import DataError
from discreet.labels import LabelSet

LISTS = ("{split}_id.txt", "{split}.txt", "list/{split}_id.txt", "list/{split}.txt")


def open_listed(
    root: Path, split: str | None, spec: str, labels: LabelSet, parts_folder: str, lists: Sequence[str] = LISTS
) -> FileSource:
    """A data set in that layout.

    Args:
        root: holds JPEGImages/ and the folder of part maps.
        split: whose list is read; None for every picture in the folder.
        spec: how the user named it.
        labels: of the ids in the files.
        parts_folder: name of the folder of part maps.
        lists: where a split's list may be, by order of preference.

    Raises:
        DataError: folders, pictures or the list are missing.
    """
    layout = f"JPEGImages/, {parts_folder}/ and {lists[0].format(split='{train,val}')}"
    images = need_folder(need_folder(root, spec, layout) / "JPEGImages", spec, layout)
    parts = need_folder(root / parts_folder, spec, layout)
    there, problems = pictures_in(images)
    pictures, repeated = (there, []) if split is None else listed_in(_list_of(root, split, spec, lists), images, there)
    maps, extra = maps_of({**there, **pictures}, parts)
    files = [PictureFiles(name, picture, maps[name]) for name, picture in pictures.items()]
    return FileSource(spec, labels, files, problems=[*problems, *repeated, *extra])


def _list_of(root: Path, split: str, spec: str, lists: Sequence[str]) -> Path:
    """The first list that is there."""
    tried = [root / name.format(split=split) for name in lists]
    for path in tried:
        if path.is_file():
            return path
    raise DataError(
        f"{spec}: {root} has none of {', '.join(str(path.relative_to(root)) for path in tried)}; write one of them "
        "with one picture name a line, or leave out the split to read every picture"
    )
