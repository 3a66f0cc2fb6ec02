"""Pictures from strangers: decoded within limits, and rebuilt from their pixels alone.

What comes out holds no metadata: EXIF, GPS, profiles and anything appended to the file stay behind.
"""

from __future__ import annotations

import io
import warnings
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from discreet.errors import PictureError
from discreet.labels import LabelSet

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 25_000_000
# A path, or the bytes of a file.
PictureFile = str | Path | bytes | bytearray | memoryview


def read_image(source: PictureFile, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode a picture: turned as its camera says, in sRGB.

    Args:
        source: a path, or the file's bytes. *SENSITIVE*
        max_pixels: of the largest picture that is read.

    Returns:
        uint8 RGB [H, W, 3].

    Raises:
        PictureError: missing, not readable, truncated, animated, too large, or not JPEG, PNG or WebP; or neither a
            path nor bytes. Never quotes what was given, but for a path.
    """
    if not isinstance(source, PictureFile):
        raise PictureError(f"a picture is a path or the bytes of a file, not {type(source).__name__}; give one of them")
    name = str(source) if isinstance(source, str | Path) else "the picture"
    try:
        with warnings.catch_warnings():
            # Odd metadata is no reason to talk; Pillow's own size warning comes too late to matter here.
            warnings.simplefilter("ignore")
            stream = source if isinstance(source, str | Path) else io.BytesIO(source)
            with Image.open(stream, formats=FORMATS) as opened:
                return _decode(opened, name, max_pixels)
    except PictureError:
        raise
    except FileNotFoundError:
        raise PictureError(f"{name} does not exist; check the path") from None
    except IsADirectoryError:
        raise PictureError(f"{name} is a folder; name the pictures in it") from None
    except UnidentifiedImageError:
        raise PictureError(f"{name} is not a JPEG, PNG or WebP picture; convert it to one of these") from None
    except Image.DecompressionBombError:
        raise PictureError(f"{name} is too large; at most {max_pixels:,} pixels are allowed: make it smaller") from None
    except Exception as problem:  # decoders raise errors of many kinds on damaged files, but none with a number
        if isinstance(problem, OSError) and problem.errno is not None:
            raise PictureError(f"{name} cannot be read ({problem.strerror}); check the path and its links") from None
        raise PictureError(f"{name} is truncated or damaged; save it again from its original") from None


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """A picture, uint8 [H, W, 3], as PNG without metadata."""
    stream = io.BytesIO()
    # A sixth of the time that Pillow takes by default, for a file one twentieth larger.
    Image.fromarray(image).save(stream, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return stream.getvalue()


def encode_parts_png(parts: NDArray[np.uint8], labels: LabelSet) -> bytes:
    """A part map, uint8 [H, W], as indexed PNG: the pixels are the ids, the palette shows them in colour."""
    picture = Image.fromarray(parts)
    picture.putpalette(labels.colours().tobytes())
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _decode(opened: Image.Image, name: str, max_pixels: int) -> NDArray[np.uint8]:
    """Pixels of an opened file, whose size is known before it is decoded."""
    width, height = opened.size
    if width * height > max_pixels:
        raise PictureError(f"{name} has {width}×{height} pixels; at most {max_pixels:,} are allowed: make it smaller")
    # Phones write JPEGs with a second picture behind the first (MPO); that one is metadata, not an animation.
    if getattr(opened, "n_frames", 1) > 1 and opened.format != "MPO":
        raise PictureError(f"{name} is animated; save one frame of it")
    opened.load()
    upright = _in_srgb(ImageOps.exif_transpose(opened))
    if upright.mode.startswith("I"):  # 16 bits a pixel
        upright = Image.fromarray((np.asarray(upright, np.uint32) >> 8).astype(np.uint8))
    return np.array(upright.convert("RGB"))


def _in_srgb(picture: Image.Image) -> Image.Image:
    """The picture in sRGB; as it is where its profile is missing or makes no sense."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "CMYK"):
        return picture
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(picture, embedded, ImageCms.createProfile("sRGB"), outputMode="RGB") or picture
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
