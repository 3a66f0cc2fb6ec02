"""Pictures from strangers: what is accepted, what is refused with which words, and what never comes along."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from discreet.errors import PictureError
from discreet.inference.image_io import encode_parts_png, encode_png, read_image
from discreet.labels import CIHP

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 95})])
def test_the_three_formats_are_read_from_bytes_and_from_files(
    tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    content = encoded(Image.fromarray(PICTURE), kind, **options)
    (tmp_path / "picture").write_bytes(content)
    read = read_image(content)
    assert (read.dtype, read.shape) == (np.uint8, (20, 30, 3))
    np.testing.assert_array_equal(read, read_image(tmp_path / "picture"))
    np.testing.assert_array_equal(read, read_image(str(tmp_path / "picture")))
    if kind != "JPEG":
        np.testing.assert_array_equal(read, PICTURE)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_whatever_holds_bytes_is_read_and_never_quoted(kind: Any) -> None:
    content = encoded(Image.fromarray(PICTURE), "PNG")
    np.testing.assert_array_equal(read_image(kind(content)), PICTURE)
    with pytest.raises(PictureError, match=r"^the picture is not a JPEG, PNG or WebP picture"):
        read_image(kind(b"a secret"))


@pytest.mark.parametrize("given", [None, 519, [b"519"]])
def test_what_is_no_picture_is_refused_by_its_type_alone(given: Any) -> None:
    with pytest.raises(PictureError, match=f"not {type(given).__name__}") as refused:
        read_image(given)
    assert "519" not in str(refused.value)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16"])
def test_other_pixel_kinds_become_rgb(mode: str) -> None:
    grey = Image.new("L", (5, 4), 200)
    picture = Image.fromarray(np.full((4, 5), 200 << 8, np.uint16)) if mode == "I;16" else grey.convert(mode)
    read = read_image(encoded(picture, "PNG"))
    assert read.shape == (4, 5, 3)
    assert set(np.unique(read)) <= {199, 200, 201, 255 if mode == "1" else 200, 0 if mode == "1" else 200}


def test_the_cameras_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90° clockwise to see it upright
    read = read_image(encoded(Image.fromarray(PICTURE), "PNG", exif=exif.tobytes()))
    np.testing.assert_array_equal(read, np.rot90(PICTURE, -1))


def test_a_colour_profile_is_brought_to_srgb_and_a_broken_one_ignored() -> None:
    same = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    read = read_image(encoded(Image.fromarray(PICTURE), "PNG", icc_profile=same))
    assert np.abs(read.astype(int) - PICTURE).max() <= 1
    np.testing.assert_array_equal(
        read_image(encoded(Image.fromarray(PICTURE), "PNG", icc_profile=b"nonsense")), PICTURE
    )


def test_another_profile_changes_the_colours() -> None:
    # A linear-light profile: mid grey in it is brighter in sRGB.
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    start = profile.find(b"para")
    profile[start + 8 : start + 16] = struct.pack(">HHi", 0, 0, 1 << 16)  # gamma 1
    grey = Image.new("RGB", (4, 4), (55, 55, 55))
    assert read_image(encoded(grey, "PNG", icc_profile=bytes(profile))).mean() > 100


def test_nothing_but_pixels_comes_along() -> None:
    exif = Image.Exif()
    exif[0x010E] = "canary in the metadata"
    content = encoded(Image.fromarray(PICTURE), "JPEG", exif=exif.tobytes()) + b"PK\x03\x04 canary behind the picture"
    again = encode_png(read_image(content))
    assert b"canary" in content
    assert b"canary" not in again
    assert Image.open(io.BytesIO(again), formats=("PNG",)).info == {}


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [5001, 9500, 20000])  # above our limit, Pillow's warning, Pillow's error
def test_a_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    with pytest.raises(PictureError, match="at most 25,000,000"):
        read_image(bomb(side, side))


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in (0, 90, 200)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def whole_jpeg() -> bytes:
    return encoded(Image.fromarray(PICTURE), "JPEG", quality=95)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a JPEG, PNG or WebP"),
        (b"GIF89a nothing of the kind", "not a JPEG, PNG or WebP"),
        (encoded(Image.fromarray(PICTURE), "GIF"), "not a JPEG, PNG or WebP"),
        (encoded(Image.fromarray(PICTURE), "TIFF"), "not a JPEG, PNG or WebP"),
        (whole_jpeg()[:-100], "truncated or damaged"),
        (encode_png(PICTURE)[:200], "truncated or damaged"),
        (animated("PNG"), "animated"),
        (animated("WEBP"), "animated"),
    ],
)
def test_everything_else_is_refused_without_a_name(content: bytes, message: str) -> None:
    with pytest.raises(PictureError, match=f"the picture is {message}"):
        read_image(content)


def test_every_truncation_is_refused_and_none_crashes() -> None:
    for content in (whole_jpeg(), encode_png(PICTURE), encoded(Image.fromarray(PICTURE), "WEBP")):
        for length in range(0, len(content) - 20, 37):
            with pytest.raises(PictureError):
                read_image(content[:length])


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"gone\.jpg does not exist"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(PictureError, match="is a folder"):
        read_image(tmp_path)
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    with pytest.raises(PictureError, match=r"loop\.jpg cannot be read \(Too many levels of symbolic links\)"):
        read_image(tmp_path / "loop.jpg")
    (tmp_path / "file").touch()
    with pytest.raises(PictureError, match=r"cannot be read \(Not a directory\)"):
        read_image(tmp_path / "file" / "a.jpg")


def test_a_part_map_is_written_with_its_ids_and_shown_in_colour() -> None:
    parts: NDArray[np.uint8] = np.array([[0, 13, 255], [5, 19, 0]], np.uint8)
    picture = Image.open(io.BytesIO(encode_parts_png(parts, CIHP)), formats=("PNG",))
    assert picture.mode == "P"
    np.testing.assert_array_equal(np.asarray(picture), parts)
    np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), CIHP.colours()[parts])
