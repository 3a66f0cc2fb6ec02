"""Files that strangers might send: bombs, truncated, two things at once, odd modes, lies, and plain noise."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

SECRET = b"secret-9b1d40"


@dataclass(frozen=True)
class Hostile:
    """A file.

    Args:
        kind: what is wrong with it.
        content: its bytes.
        readable: True: it has to be read; False: it has to be refused; None: either.
    """

    kind: str
    content: bytes
    readable: bool | None = None


def hostile_pictures() -> Iterator[Hostile]:
    """More than three hundred of them, the same every time."""
    rng = random.Random(3)
    yield from _lies()
    yield from _bombs()
    yield from _animations()
    yield from _other_formats()
    yield from _odd_modes()
    yield from _two_things()
    yield from _metadata()
    for kind in ("JPEG", "PNG", "WEBP"):
        whole = save(kind)
        for step in range(1, 40):
            yield Hostile(f"truncated {kind}", whole[: len(whole) * step // 40], False if step < 20 else None)
        for _ in range(40):
            yield Hostile(f"flipped {kind}", _flipped(whole, rng))
    for _ in range(20):
        yield Hostile("noise", rng.randbytes(rng.randrange(1, 3000)), False)
        yield Hostile("noise behind a signature", b"\x89PNG\r\n\x1a\n" + rng.randbytes(500), False)
        yield Hostile("noise behind a signature", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + rng.randbytes(500), False)


def save(kind: str, mode: str = "RGB", size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    """A sound picture with something in it."""
    noise = np.random.default_rng(2).integers(0, 256, (size[1] // 8 + 1, size[0] // 8 + 1, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize(size).convert(mode)
    stream = io.BytesIO()
    picture.save(stream, kind, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def png(*chunks: tuple[bytes, bytes], header: bytes) -> bytes:
    """A PNG of any chunks."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    body = b"".join(chunk(name, content) for name, content in ((b"IHDR", header), *chunks, (b"IEND", b"")))
    return b"\x89PNG\r\n\x1a\n" + body


def _header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    return struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def _lies() -> Iterator[Hostile]:
    """Headers that promise what is not there."""
    yield Hostile("empty", b"", False)
    yield Hostile("one byte", b"\xff", False)
    for width, height in ((0, 0), (0, 10), (10, 0), (2**31 - 1, 2**31 - 1), (100_000, 100_000), (2**31, 1), (1, 2**30)):
        data = zlib.compress(bytes(100))
        yield Hostile("declared size", png((b"IDAT", data), header=_header(width, height)), False)
    yield Hostile("declared size", png((b"IDAT", zlib.compress(bytes(10))), header=_header(60, 60)))
    yield Hostile("no pixels", png(header=_header(4, 4)))
    yield Hostile("odd depth", png((b"IDAT", zlib.compress(bytes(100))), header=_header(4, 4, depth=7)), False)
    yield Hostile("odd colour", png((b"IDAT", zlib.compress(bytes(100))), header=_header(4, 4, colour=9)), False)
    whole = save("JPEG")
    place = whole.index(b"\xff\xc0")
    for width, height in ((0, 0), (65_500, 65_500), (65_535, 1)):
        lied = whole[: place + 5] + struct.pack(">HH", height, width) + whole[place + 9 :]
        yield Hostile("declared size", lied, None if height == 1 else False)
    yield Hostile("wrong checksum", save("PNG").replace(b"IDAT", b"IDAT", 1)[:-20] + bytes(20))


def _bombs() -> Iterator[Hostile]:
    """Small files that would grow."""
    side = 13_000
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(1 + 3 * side)) for _ in range(side)) + rows.flush()
    yield Hostile("bomb", png((b"IDAT", data), header=_header(side, side)), False)
    yield Hostile("bomb", save("PNG", size=(5200, 5200)), False)
    yield Hostile("bomb", save("JPEG", size=(6000, 6000), quality=1), False)
    text = zlib.compress(bytes(50_000_000), 9)
    for name in (b"zTXt", b"iCCP"):
        yield Hostile(
            "bomb in metadata",
            png((name, b"name\0\0" + text), (b"IDAT", zlib.compress(bytes(4 * 13))), header=_header(4, 4)),
        )
    international = b"name\0\1\0\0\0" + text
    yield Hostile(
        "bomb in metadata", png((b"iTXt", international), (b"IDAT", zlib.compress(bytes(52))), header=_header(4, 4))
    )
    chunks = [(b"tEXt", b"a\0b")] * 20_000
    yield Hostile("many chunks", png(*chunks, (b"IDAT", zlib.compress(bytes(52))), header=_header(4, 4)))


def _animations() -> Iterator[Hostile]:
    """More than one picture."""
    frames = [Image.new("RGB", (20, 20), (shade, 0, 0)) for shade in range(0, 250, 50)]
    for kind in ("GIF", "PNG", "WEBP"):
        stream = io.BytesIO()
        frames[0].save(stream, kind, save_all=True, append_images=frames[1:], duration=50)
        yield Hostile(f"animated {kind}", stream.getvalue(), False)
    stream = io.BytesIO()
    frames[0].save(stream, "TIFF", save_all=True, append_images=frames[1:])
    yield Hostile("many pages", stream.getvalue(), False)


def _other_formats() -> Iterator[Hostile]:
    """Sound files of formats that are not read, and others that are no pictures."""
    for kind in ("BMP", "GIF", "TIFF", "PPM", "TGA", "ICO", "PCX", "DDS", "SGI", "JPEG2000", "EPS", "PDF"):
        yield Hostile("another format", save(kind), False)
    for text in (
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"<html><script>alert(1)</script>", b"%PDF-1.7", b"PK\x03\x04", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"II*\0",
        b"\x00\x00\x00\x18ftypheic", b"\x00\x00\x00\x1cftypavif", b"BM", b"#!/bin/sh\n", b"%!PS-Adobe", b"\x7fELF",
    ):  # fmt: skip
        yield Hostile("no picture", text + bytes(100), False)


def _odd_modes() -> Iterator[Hostile]:
    """Pictures that are right, if unusual."""
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        yield Hostile(f"mode {mode}", save("PNG", mode), True)
    for mode in ("L", "CMYK", "YCbCr"):
        yield Hostile(f"mode {mode}", save("JPEG", mode), True)
    yield Hostile("mode RGBA", save("WEBP", "RGBA"), True)
    yield Hostile("transparent palette", save("PNG", "P", transparency=3), True)
    yield Hostile("progressive", save("JPEG", progressive=True), True)
    for size in ((1, 1), (1, 4000), (4000, 1), (3, 2)):
        for kind in ("JPEG", "PNG", "WEBP"):
            yield Hostile("odd size", save(kind, size=size), True)


def _two_things() -> Iterator[Hostile]:
    """Files that are a picture and something else."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("../../escape.txt", SECRET)
    behind: dict[str, bytes] = {
        "zip": archive.getvalue(), "html": b"<script>alert(1)</script>" + SECRET, "php": b"<?php system('id'); ?>",
        "another": save("PNG", size=(9, 9)), "much": SECRET * 50_000,
    }  # fmt: skip
    for kind in ("JPEG", "PNG", "WEBP"):
        for name, more in behind.items():
            yield Hostile(f"{kind} and {name}", save(kind) + more, True)
        yield Hostile(f"{kind} behind something", b"<!--" + SECRET + save(kind), False)


def _metadata() -> Iterator[Hostile]:
    """Pictures that tell more than they show, or tell it badly."""
    exif = Image.Exif()
    exif[0x010E], exif[0x9286] = SECRET.decode(), SECRET.decode()
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 29.0), 3: "E", 4: (2.0, 17.0, 40.0)}
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        yield Hostile("position and orientation", save("JPEG", exif=exif), True)
    exif[0x0112] = 77
    for kind in ("JPEG", "PNG", "WEBP"):
        yield Hostile("position and orientation", save(kind, exif=exif), True)
        yield Hostile("broken profile", save(kind, icc_profile=b"no profile" * 50), True)
        yield Hostile("broken metadata", save(kind, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + SECRET))
    yield Hostile("comment", save("JPEG", comment=SECRET), True)


def _flipped(content: bytes, rng: random.Random) -> bytes:
    """Some bytes changed."""
    changed = bytearray(content)
    for _ in range(rng.randrange(1, 12)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)
