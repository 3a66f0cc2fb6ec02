"""ATR: JPEGImages/, SegmentationClassAug/ and a list for each split."""

from __future__ import annotations

from pathlib import Path

from discreet.data.files import FileSource
from discreet.data.listed import open_listed
from discreet.labels import ATR


def open_atr(root: Path, split: str | None, spec: str) -> FileSource:
    """ATR; without a split, all 17 706 pictures of the folder.

    Args:
        root: holds JPEGImages/, SegmentationClassAug/ and train_id.txt or another of `listed.LISTS`.
        split: "train" or "val".
        spec: how the user named it.

    Raises:
        DataError: folders, pictures or the list are missing.
    """
    return open_listed(root, split, spec, ATR, "SegmentationClassAug")
