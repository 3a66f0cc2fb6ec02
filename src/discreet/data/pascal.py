"""Pascal-Person-Part: with JPEGImages/ and SegmentationPart/, or in the layout of M2FP, with
{Training,Testing}/{Images,Category_ids,Human_ids}.

The order of the ids differs by the tool that wrote the files, and nothing in them says which: the SPEC
must. Samples always have the order of M2FP.
"""

from __future__ import annotations

from pathlib import Path

from discreet.data.files import FileSource, PictureFiles, maps_of, need_folder, pictures_in
from discreet.data.listed import open_listed
from discreet.errors import ConfigurationError
from discreet.labels import PASCAL, PASCAL_OF_SCHP

ORDERS = {"m2fp": PASCAL, "schp": PASCAL_OF_SCHP}
_FOLDERS = {"train": "Training", "val": "Testing"}
_LAYOUT = "{Training,Testing}/{Images,Category_ids}, or JPEGImages/ and SegmentationPart/"


def open_pascal(root: Path, split: str | None, spec: str, order: str | None) -> FileSource:
    """Pascal-Person-Part.

    Args:
        root: holds either layout.
        split: "train" or "val".
        spec: how the user named it.
        order: "m2fp" (1 is Lower-arm) or "schp" (1 is Head).

    Raises:
        ConfigurationError: the order is missing or unknown.
        DataError: folders, pictures or the list are missing.
    """
    if order not in ORDERS:
        raise ConfigurationError(
            f"data {spec!r}: the order of Pascal's ids is {order!r}; end it with ?order=m2fp where id 1 is Lower-arm, "
            "or ?order=schp where id 1 is Head"
        )
    need_folder(root, spec, _LAYOUT)
    if (root / "JPEGImages").is_dir():
        source = open_listed(root, split, spec, ORDERS[order], "SegmentationPart")
    else:
        folder = need_folder(root / _FOLDERS[split] if split else root, spec, _LAYOUT)
        images, problems = pictures_in(need_folder(folder / "Images", spec, _LAYOUT))
        parts, extra = maps_of(images, need_folder(folder / "Category_ids", spec, _LAYOUT))
        humans = folder / "Human_ids"
        persons, unasked = maps_of(images, humans) if humans.is_dir() else ({}, [])
        files = [PictureFiles(name, image, parts[name], persons.get(name)) for name, image in images.items()]
        source = FileSource(spec, ORDERS[order], files, problems=[*problems, *extra, *unasked])
    return source.in_labels(PASCAL)
