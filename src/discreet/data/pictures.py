"""Reading the files of a data set, with errors that name the file and the way out."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from discreet.errors import DataError
from discreet.labels import IGNORED, LabelSet

_MAX_UINT8 = 255
_TURNED = range(2, 9)  # EXIF
# Pillow spreads grey of 2 and 4 bits over 0 to 255: by how much, by what it calls the rows of such a PNG.
_SPREAD = {"L;2": 85, "L;4": 17}


class Photograph(NamedTuple):
    """What a picture's file holds. *SENSITIVE*

    Args:
        pixels: RGB, uint8 [H, W, 3], turned as the camera says.
        orientation: what the camera says of how it was held (EXIF: 1 is upright, 2 to 8 are not).
    """

    pixels: NDArray[np.uint8]
    orientation: int


def read_picture(path: Path) -> Photograph:
    """A photograph, turned as its camera says: so whoever labelled it saw it, and so models meet pictures later.

    Colour profiles are left alone: what a library makes of them changes with its version, and a ledger, which knows
    pictures by their pixels, would take them for others.

    Raises:
        DataError: missing, truncated, too large, or not a JPEG, PNG or WebP.
    """
    with _reading(path, "a JPEG, PNG or WebP"), Image.open(path, formats=("JPEG", "PNG", "WEBP")) as opened:
        upright = ImageOps.exif_transpose(opened)
        if upright.mode.startswith("I"):  # 16 bits a pixel; Pillow would cut off what is above 255
            upright = Image.fromarray((np.asarray(upright, np.uint32) >> 8).astype(np.uint8))
        said = opened.getexif().get(ExifTags.Base.Orientation, 1)
        return Photograph(np.array(upright.convert("RGB")), said if said in _TURNED else 1)


def read_ids(path: Path) -> NDArray[np.uint8]:
    """A map of ids, uint8 [H, W], from a grey or palette PNG.

    Raises:
        DataError: missing, damaged, a colour picture, or with an id above 255.
    """
    ids = read_wide_ids(path)
    if ids.max(initial=0) > _MAX_UINT8:
        raise DataError(f"{path} holds id {ids.max()}; ids go up to {_MAX_UINT8}: number them from 1 in each picture")
    return ids.astype(np.uint8)


def read_wide_ids(path: Path) -> NDArray[np.int64]:
    """A map of ids of any size, int64 [H, W]: 1, 2, 4, 8 or 16 bits a pixel, grey or palette."""
    with _reading(path, "a PNG"), Image.open(path, formats=("PNG",)) as opened:
        if opened.mode not in ("1", "L", "P") and not opened.mode.startswith("I"):
            raise DataError(f"{path} has colours (mode {opened.mode}); save its ids as a grey or palette PNG")
        tiles = opened.tile  # gone once the file is decoded
        ids = np.array(opened, dtype=np.int64)
        return ids // _SPREAD.get(str(tiles[0][3]), 1)


def read_first_channel(path: Path) -> NDArray[np.uint8]:
    """A map of ids, uint8 [H, W], from a PNG that repeats them, or not, in three channels."""
    with _reading(path, "a PNG"), Image.open(path, formats=("PNG",)) as opened:
        if opened.mode in ("RGB", "RGBA"):
            return np.array(opened.getchannel(0))
    return read_ids(path)


def check_parts(path: Path, parts: NDArray[np.uint8], labels: LabelSet) -> None:
    """Refuse a part map with ids that no part has.

    Raises:
        DataError: an id is neither below the number of parts nor 255.
    """
    wrong = parts[(parts >= len(labels)) & (parts != IGNORED)]
    if wrong.size:
        raise DataError(
            f"{path} holds id {wrong.max()}; {labels.name} has ids 0 to {len(labels) - 1}, and 255 for ignored"
        )


def check_size(path: Path, ids: NDArray[np.uint8], photograph: Photograph) -> None:
    """Refuse a map whose size is not the picture's.

    Raises:
        DataError: width or height differ.
    """
    (height, width), (rows, columns, _) = ids.shape, photograph.pixels.shape
    if (height, width) == (rows, columns):
        return
    way_out = "make them equal"
    if photograph.orientation > 4 and (height, width) == (columns, rows):
        way_out = (
            f"its camera says to turn it (EXIF orientation {photograph.orientation}): remove that from the pictures of "
            "this set if they were labelled as their pixels lie"
        )
    raise DataError(f"{path} is {width}×{height}, its picture {columns}×{rows}; {way_out}")


class _QuietDecoding:
    """Warnings of decoders silenced, and those of monstrous pictures raised, while any thread reads.

    `warnings.catch_warnings` keeps one state for the whole process: threads that leave it in another
    order than they entered would bring back each other's. So the first in changes it, the last restores.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_inside = 0
        self._state = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._num_inside += 1
            if self._num_inside == 1:
                self._state = warnings.catch_warnings()
                self._state.__enter__()
                # Odd metadata is no reason to talk; a picture too large to decode is one to stop.
                warnings.filterwarnings("ignore", module=r"PIL\.")
                warnings.simplefilter("error", Image.DecompressionBombWarning)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._num_inside -= 1
            if self._num_inside == 0:
                self._state.__exit__(None, None, None)


_quiet_decoding = _QuietDecoding()


@contextmanager
def _reading(path: Path, wanted: str) -> Iterator[None]:
    """Turn whatever a decoder raises into one line that names the file."""
    try:
        with _quiet_decoding:
            yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path} is missing; every picture needs its labels, and all labels their picture") from None
    except Exception as problem:  # decoders raise errors of many kinds on damaged files
        reason = "of another format" if isinstance(problem, UnidentifiedImageError) else str(problem)
        raise DataError(f"{path} cannot be read ({reason}); replace it by {wanted} that opens") from None
