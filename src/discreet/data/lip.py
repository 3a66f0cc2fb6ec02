"""LIP in the layout of SCHP, with train_images/, train_segmentations/ and train_id.txt, or in that of M2FP,
with Training/{Images,Category_ids}; and the same for val.

Pictures are crops of one person named PHOTO_ANNOTATION.jpg. Several crops can show one photograph,
so the photograph is their subject: whoever protects subjects protects all crops of it together.
"""

from __future__ import annotations

from pathlib import Path

from discreet.data.files import SPLIT_FOLDERS, FileSource, PictureFiles, listed_in, maps_of, need_folder, pictures_in
from discreet.data.samples import Problem
from discreet.errors import ConfigurationError
from discreet.labels import LIP

_LAYOUT = "{train,val}_images/, {train,val}_segmentations/ and {train,val}_id.txt, or {Training,Validation}/"


def open_lip(root: Path, split: str | None, spec: str) -> FileSource:
    """LIP, or another single-person set in its layout with its 20 ids.

    Args:
        root: holds the folders of both splits.
        split: "train" or "val"; needed, because both lie side by side.
        spec: how the user named it.

    Raises:
        ConfigurationError: no split was named.
        DataError: folders, the list or its pictures are missing.
    """
    if split is None:
        raise ConfigurationError(f"data {spec!r} names no split; write lip:{root}@train or lip:{root}@val")
    need_folder(root, spec, _LAYOUT)
    folder = root / SPLIT_FOLDERS[split]
    of_m2fp = (folder / "Images").is_dir()
    pictures, parts, problems = _all_in(folder, spec) if of_m2fp else _listed_in(root, split, spec)
    files = [
        PictureFiles(name, picture, parts[name], subjects=(name.partition("_")[0],))
        for name, picture in pictures.items()
    ]
    return FileSource(spec, LIP, files, problems=problems)


def _all_in(folder: Path, spec: str) -> tuple[dict[str, Path], dict[str, Path], list[Problem]]:
    """M2FP's layout: pictures and their parts by name, problems."""
    pictures, problems = pictures_in(folder / "Images")
    parts, extra = maps_of(pictures, need_folder(folder / "Category_ids", spec, _LAYOUT))
    return pictures, parts, [*problems, *extra]


def _listed_in(root: Path, split: str, spec: str) -> tuple[dict[str, Path], dict[str, Path], list[Problem]]:
    """SCHP's layout: pictures and their parts by name, problems."""
    images = need_folder(root / f"{split}_images", spec, _LAYOUT)
    listing = root / f"{split}_id.txt"
    there, problems = pictures_in(images)
    pictures, repeated = listed_in(listing, images, there)
    unlisted = [
        Problem(str(path), f"is not listed in {listing.name} and is not read; list it, or remove it")
        for name, path in there.items()
        if name not in pictures
    ]
    parts, extra = maps_of({**there, **pictures}, need_folder(root / f"{split}_segmentations", spec, _LAYOUT))
    return pictures, parts, [*problems, *repeated, *unlisted, *extra]
