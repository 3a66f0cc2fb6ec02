"""Hostile pictures, made on the spot: of every kind that broke a decoder or kept what it should not have.

`hostile_pictures()` gives each with what is right: that it is refused, that it becomes a picture, or either.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from PIL import Image

from tests.hostile import crafted

# Hidden in whatever a file can carry beside its pixels; nothing that comes out may hold it.
CANARY = b"CANARY-7f3a-51.5007N-0.1246W"
Right = Literal["refused", "picture", "either"]
FORMATS = ("JPEG", "PNG", "WEBP")
_BROKEN_EXIF = (
    b"Exif\0\0",
    b"Exif\0\0II*\0\xff\xff\xff\xff",
    b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\xff\xff\xff\x7f\0\0\0\0",
)


@dataclass(frozen=True)
class HostilePicture:
    """One file.

    Args:
        kind: what is wrong with it, in a word or two; many files share one.
        name: of this file alone.
        content: the file.
        right: what must become of it.
        shape: height and width of the picture, where it becomes one and we know.
    """

    kind: str
    name: str
    content: bytes
    right: Right
    shape: tuple[int, int] | None = None


@cache
def hostile_pictures() -> tuple[HostilePicture, ...]:
    """All of them, the same at every call."""
    makers = (
        _bombs, _truncated, _polyglots, _animated, _deep, _other_colours, _declared, _wrong_magic, _profiles, _exif,
        _chunks, _trailing, _other_formats, _random, _flipped, _jpeg_oddities, _webp_oddities, _shapes,
    )  # fmt: skip
    return tuple(item for make in makers for item in make())


def small(kind: str = "JPEG", size: tuple[int, int] = (48, 36), mode: str = "RGB", **options: Any) -> bytes:
    """A good file with noise and shapes."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    pixels[size[1] // 4 : size[1] // 2, size[0] // 4 : size[0] // 2] = (180, 140, 120)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def _bombs() -> Iterator[HostilePicture]:
    """Few bytes, many pixels, in data that is really there."""
    for width, height in ((20_000, 20_000), (13_000, 13_000), (5_001, 5_001), (100_000, 300), (1, 30_000_000)):
        yield HostilePicture("bomb", f"png-{width}x{height}", crafted.flat_png(width, height, 1), "refused")
    yield HostilePicture("bomb", "png-text", crafted.png_with([(b"zTXt", b"a\0\0" + zlib.compress(bytes(50 << 20)))]),
                         "either", (36, 48))  # fmt: skip
    yield HostilePicture("bomb", "png-icc", crafted.png_with([(b"iCCP", b"a\0\0" + zlib.compress(bytes(50 << 20)))]),
                         "either", (36, 48))  # fmt: skip
    packed = zlib.compress(bytes(50 << 20))
    yield HostilePicture("bomb", "png-international-text", crafted.png_with([(b"iTXt", b"a\0\1\0\0\0" + packed)]),
                         "either", (36, 48))  # fmt: skip
    stream = io.BytesIO()
    Image.new("RGB", (9_000, 9_000)).save(stream, "JPEG", quality=1)
    yield HostilePicture("bomb", "jpeg", stream.getvalue(), "refused")
    # Within the limit, and inflating to far more than its header says.
    too_much = zlib.compress(bytes(60 << 20), 9)
    yield HostilePicture("bomb", "png-idat", crafted.png(48, 36, too_much), "either", (36, 48))
    for count in (500, 2_000):  # each scan of a progressive JPEG is decoded over the whole picture
        yield HostilePicture("bomb", f"jpeg-{count}-scans", crafted.jpeg_of_many_scans(count), "either")


def _truncated() -> Iterator[HostilePicture]:
    """Cut off at many places; where only an end marker is missing, a picture is right too."""
    for kind in FORMATS:
        content = small(kind)
        for part in range(24):
            length = len(content) * part // 24
            yield HostilePicture("truncated", f"{kind}-{part}", content[:length], "refused")
        for missing in (1, 2, 5, 13):
            yield HostilePicture("truncated", f"{kind}-less-{missing}", content[:-missing], "either", (36, 48))
    content = small("JPEG", progressive=True)
    for part in range(1, 8):
        name = f"progressive-{part}"
        yield HostilePicture("truncated", name, content[: len(content) * part // 8], "either", (36, 48))


def _polyglots() -> Iterator[HostilePicture]:
    """Pictures that are something else too; what comes out is a picture and nothing else."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("secret.txt", CANARY)
    page = b"<html><script>alert('" + CANARY + b"')</script></html>"
    shell = b"\n#!/bin/sh\ntouch /tmp/" + CANARY + b"\n"
    others = {"zip": archive.getvalue(), "html": page, "shell": shell, "pdf": b"%PDF-1.7\n" + CANARY + b"\n%%EOF"}
    for kind in FORMATS:
        for other, content in others.items():
            yield HostilePicture("polyglot", f"{kind}+{other}", small(kind) + content, "picture", (36, 48))
            yield HostilePicture("polyglot", f"{other}+{kind}", content + small(kind), "refused")
    yield HostilePicture("polyglot", "jpeg-comment", small("JPEG", comment=page), "picture", (36, 48))
    yield HostilePicture("polyglot", "png-text", crafted.png_with([(b"tEXt", b"Comment\0" + page)]), "picture",
                         (36, 48))  # fmt: skip
    yield HostilePicture("polyglot", "jpeg-in-jpeg", crafted.jpeg_with(0xE2, b"MPF\0" + small()), "either", (36, 48))


def _animated() -> Iterator[HostilePicture]:
    frames = [Image.new("RGB", (24, 18), (shade, 9, 9)) for shade in range(0, 250, 25)]
    for kind in ("GIF", "PNG", "WEBP"):
        for count in (2, 10):
            stream = io.BytesIO()
            frames[0].save(stream, kind, save_all=True, append_images=frames[1:count])
            yield HostilePicture("animated", f"{kind}-{count}", stream.getvalue(), "refused")
    for count in (0, 1, 2, 0xFFFFFFFF):  # an animation that says it has so many frames
        chunk = (b"acTL", struct.pack(">II", count, 0))
        yield HostilePicture("animated", f"acTL-{count}", crafted.png_with([chunk]), "either", (36, 48))
    stream = io.BytesIO()
    frames[0].save(stream, "TIFF", save_all=True, append_images=frames[1:])
    yield HostilePicture("animated", "many-pages", stream.getvalue(), "refused")


def _deep() -> Iterator[HostilePicture]:
    """Sixteen bits, and fewer than eight."""
    ramp = np.arange(48 * 36, dtype=np.uint16).reshape(36, 48) * 30
    stream = io.BytesIO()
    Image.fromarray(ramp).save(stream, "PNG")
    yield HostilePicture("16-bit", "grey", stream.getvalue(), "picture", (36, 48))
    for colour, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
        content = crafted.raw_png(48, 36, 16, colour, bytes(36 * (1 + 48 * channels * 2)))
        yield HostilePicture("16-bit", f"type-{colour}", content, "picture", (36, 48))
    for bits in (1, 2, 4):
        content = crafted.raw_png(48, 36, bits, 0, bytes(36 * (1 + 48 * bits // 8)))
        yield HostilePicture("few-bits", f"{bits}", content, "picture", (36, 48))
    for bits, colour in ((3, 0), (16, 3), (0, 2), (255, 6), (8, 7), (1, 2)):
        content = crafted.raw_png(48, 36, bits, colour, bytes(40_000))
        yield HostilePicture("few-bits", f"{bits}-of-{colour}", content, "refused")


def _other_colours() -> Iterator[HostilePicture]:
    yield HostilePicture("cmyk", "jpeg", small("JPEG", mode="CMYK"), "picture", (36, 48))
    for mode in ("L", "YCbCr"):
        yield HostilePicture("grey", f"jpeg-{mode}", small("JPEG", mode=mode), "picture", (36, 48))
    for mode in ("LA", "RGBA", "1", "P", "L"):
        yield HostilePicture("transparent", f"png-{mode}", small("PNG", mode=mode), "picture", (36, 48))
    yield HostilePicture("transparent", "webp", small("WEBP", mode="RGBA"), "picture", (36, 48))
    paletted = small("PNG", mode="P", transparency=b"\x00\x7f\xff" * 80)
    yield HostilePicture("palette", "transparent", paletted, "picture", (36, 48))
    yield HostilePicture("palette", "one-colour-transparent", small("PNG", mode="P", transparency=3), "picture",
                         (36, 48))  # fmt: skip
    none = crafted.raw_png(48, 36, 8, 3, (b"\0" + bytes(range(48))) * 36)
    yield HostilePicture("palette", "missing", none, "either", (36, 48))
    for entries in (1, 2, 300):
        palette = (b"PLTE", bytes(3 * entries))
        content = crafted.raw_png(48, 36, 8, 3, (b"\0" + bytes(range(200, 248))) * 36, [palette])
        yield HostilePicture("palette", f"{entries}-entries", content, "either", (36, 48))
    yield HostilePicture("palette", "4-bytes", crafted.png_with([(b"PLTE", b"\0\0\0\0")]), "either", (36, 48))


def _declared() -> Iterator[HostilePicture]:
    """Sizes that nothing behind them bears out, and none at all."""
    sides = (0, 1, 36, 65_535, 2**31 - 1, 2**32 - 1)
    for width in sides:
        for height in sides:
            kind = "zero-size" if 0 in (width, height) else "huge-declared"
            if width * height <= 36 * 36 and kind != "zero-size":
                continue
            yield HostilePicture(kind, f"png-{width}x{height}", crafted.png(width, height, b""), "refused")
    for width, height in ((0, 0), (0, 36), (48, 0), (65_535, 65_535), (65_535, 400)):
        content = crafted.jpeg_of_size(small(), width, height)
        kind = "zero-size" if 0 in (width, height) else "huge-declared"
        right: Right = "either" if (width, height) == (48, 0) else "refused"
        yield HostilePicture(kind, f"jpeg-{width}x{height}", content, right)
    for size in (0, 7, 2**31 - 1, 2**32 - 1):
        content = crafted.webp_of_length(small("WEBP"), size)
        yield HostilePicture("huge-declared", f"webp-riff-{size}", content, "either", (36, 48))


def _wrong_magic() -> Iterator[HostilePicture]:
    """The beginning of one format before the body of another, and beginnings alone."""
    heads = {"jpeg": b"\xff\xd8\xff\xe0", "png": b"\x89PNG\r\n\x1a\n", "webp": b"RIFF\x40\0\0\0WEBPVP8 ",
             "gif": b"GIF89a", "text": b"JPEG", "empty": b"", "nul": bytes(64)}  # fmt: skip
    for name, head in heads.items():
        yield HostilePicture("wrong-magic", f"{name}-alone", head, "refused")
        for kind in FORMATS:
            if name not in ("jpeg", "empty", kind.lower()):
                yield HostilePicture("wrong-magic", f"{name}-before-{kind}", head + small(kind)[12:], "refused")
        yield HostilePicture("wrong-magic", f"{name}-before-zeros", head + bytes(4096), "refused")


def _profiles() -> Iterator[HostilePicture]:
    """Colour profiles that are none."""
    good = bytes.fromhex("00000c48") + b"lcms" + bytes(3100)
    for number, profile in enumerate((b"nonsense", b"\0" * 128, b"\xff" * 5000, good, CANARY * 100, b"acsp" * 1000)):
        for kind in FORMATS:
            content = small(kind, icc_profile=profile)
            yield HostilePicture("broken-icc", f"{kind}-{number}", content, "picture", (36, 48))
    yield HostilePicture("broken-icc", "cmyk", small("JPEG", mode="CMYK", icc_profile=b"x" * 500), "picture", (36, 48))
    yield HostilePicture("broken-icc", "png-not-deflated", crafted.png_with([(b"iCCP", b"a\0\0" + b"x" * 99)]),
                         "either", (36, 48))  # fmt: skip


def _exif() -> Iterator[HostilePicture]:
    """Where it was taken and how the camera was held; and blocks that are damaged."""
    place = Image.Exif()
    place[0x010E] = CANARY.decode()
    place.get_ifd(0x8825).update({1: "N", 2: (51.0, 30.0, 2.5), 3: "W", 4: (0.0, 7.0, 28.0)})
    for kind in FORMATS:
        yield HostilePicture("exif-gps", kind, small(kind, exif=place.tobytes()), "picture", (36, 48))
        for turned in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65_535):
            exif = Image.Exif()
            exif[0x0112], exif[0x010E] = turned, CANARY.decode()
            shape = (48, 36) if turned in (5, 6, 7, 8) else (36, 48)
            name = f"{kind}-{turned}"
            yield HostilePicture("exif-orientation", name, small(kind, exif=exif.tobytes()), "picture", shape)
        for number, block in enumerate(_BROKEN_EXIF):
            yield HostilePicture("exif-broken", f"{kind}-{number}", small(kind, exif=block), "either", (36, 48))
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + CANARY + b"</x:xmpmeta>"
    yield HostilePicture("exif-gps", "xmp", crafted.jpeg_with(0xE1, xmp), "picture", (36, 48))
    entities = b'<!DOCTYPE x [<!ENTITY a "' + CANARY + b'">]><x>' + b"&a;" * 999 + b"</x>"
    yield HostilePicture("exif-broken", "xmp-entities", crafted.jpeg_with(0xE1, xmp[:29] + entities), "picture",
                         (36, 48))  # fmt: skip


def _chunks() -> Iterator[HostilePicture]:
    """PNG chunks in places and numbers that nobody expects."""
    inner = small("PNG")
    nested = {"png-in-text": [(b"tEXt", b"a\0" + inner)], "many": [(b"tEXt", b"k\0v")] * 20_000,
              "header-twice": [(b"IHDR", struct.pack(">IIBBBBB", 9_999, 9_999, 8, 2, 0, 0, 0))],
              "unknown-critical": [(b"ABCD", b"x")], "end-early": [(b"IEND", b"")],
              "empty-data": [(b"IDAT", b"")] * 3_000, "not-letters": [(b"\0\1\2\3", b"x")],
              "short-gamma": [(b"gAMA", b"")], "short-physical": [(b"pHYs", b"\0")], "short-white": [(b"cHRM", b"\0")],
              "short-transparency": [(b"tRNS", b"")], "exif-in-png": [(b"eXIf", b"\xff" * 9)]}  # fmt: skip
    for name, extra in nested.items():
        yield HostilePicture("nested-chunks", name, crafted.png_with(extra), "either")
    for length in (0, 1, 2**31 - 1, 2**32 - 1):
        content = crafted.png_with_length(length)
        yield HostilePicture("nested-chunks", f"length-{length}", content, "either")
    yield HostilePicture("nested-chunks", "wrong-checksums", crafted.png_with_wrong_checksums(), "either", (36, 48))


def _trailing() -> Iterator[HostilePicture]:
    for kind in FORMATS:
        for name, tail in (("canary", CANARY), ("zeros", bytes(100_000)), ("itself", small(kind)),
                           ("another", small("PNG" if kind == "JPEG" else "JPEG"))):  # fmt: skip
            yield HostilePicture("trailing", f"{kind}-{name}", small(kind) + tail, "picture", (36, 48))


def _other_formats() -> Iterator[HostilePicture]:
    """Formats that no decoder here is to look at, however good the file is."""
    for kind in ("TIFF", "GIF", "BMP", "ICO", "PPM", "TGA", "PCX", "SGI", "PDF", "EPS", "JPEG2000", "DDS", "ICNS"):
        try:
            yield HostilePicture("other-format", kind, small(kind, size=(64, 64)), "refused")
        except (KeyError, OSError, ValueError):
            continue  # this Pillow cannot write it
    for name, content in {
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "svg-entities": b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500),
        "avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(500),
        "mp4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(500),
        "postscript": b"%!PS\n(/etc/passwd) run\n",
        "mvg": b"push graphic-context\nimage over 0,0 0,0 'https://example.org/x'\npop graphic-context",
        "zip": b"PK\x03\x04" + bytes(200), "gzip": b"\x1f\x8b\x08" + bytes(200), "elf": b"\x7fELF" + bytes(200),
        "psd": b"8BPS\0\1" + bytes(200), "exe": b"MZ" + bytes(200), "jxl": b"\xff\x0a" + bytes(200),
    }.items():  # fmt: skip
        yield HostilePicture("other-format", name, content, "refused")


def _random() -> Iterator[HostilePicture]:
    rng = random.Random(11)
    for number in range(24):
        content = rng.randbytes(rng.choice((1, 7, 100, 4_000, 60_000)))
        yield HostilePicture("random", f"{number}", content, "refused")
    for kind, length in (("JPEG", 4), ("PNG", 33), ("WEBP", 16)):
        for number in range(6):
            content = small(kind)[:length] + rng.randbytes(3_000)
            yield HostilePicture("random", f"after-{kind}-{number}", content, "either")


def _flipped() -> Iterator[HostilePicture]:
    """A few bytes of good files changed."""
    rng = random.Random(12)
    for kind in FORMATS:
        good = small(kind)
        for number in range(30):
            changed = bytearray(good)
            for _ in range(1 + number % 5):
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
            yield HostilePicture("flipped", f"{kind}-{number}", bytes(changed), "either")


def _jpeg_oddities() -> Iterator[HostilePicture]:
    for marker in (0xC4, 0xDB, 0xDA, 0xDD, 0xC0, 0xCC, 0xF0, 0xFE):
        for content in (b"", b"\xff" * 70, bytes(300)):
            name = f"{marker:02x}-{len(content)}"
            yield HostilePicture("jpeg-oddity", name, crafted.jpeg_with(marker, content), "either")
    arithmetic = small().replace(b"\xff\xc0", b"\xff\xc9", 1)
    yield HostilePicture("jpeg-oddity", "arithmetic", arithmetic, "either")
    yield HostilePicture("jpeg-oddity", "lossless", small().replace(b"\xff\xc0", b"\xff\xc3", 1), "either")
    yield HostilePicture("jpeg-oddity", "fill-bytes", small()[:2] + b"\xff" * 50_000 + small()[2:], "either")


def _webp_oddities() -> Iterator[HostilePicture]:
    good = small("WEBP", lossless=True)
    yield HostilePicture("webp-oddity", "lossless-as-lossy", good.replace(b"VP8L", b"VP8 ", 1), "either")
    yield HostilePicture("webp-oddity", "lossy-as-lossless", small("WEBP").replace(b"VP8 ", b"VP8L", 1), "either")
    for flags in (0x02, 0x10, 0x20, 0x3E, 0xFF):
        yield HostilePicture("webp-oddity", f"flags-{flags:02x}", crafted.extended_webp(good, flags), "either")


def _shapes() -> Iterator[HostilePicture]:
    """Good pictures of sizes at which sums go wrong."""
    for width, height in ((1, 1), (1, 3_000), (3_000, 1), (2, 2), (3, 7), (16_383, 1), (1, 65_000)):
        for kind in ("JPEG", "PNG"):
            content = small(kind, size=(width, height))
            yield HostilePicture("odd-shape", f"{kind}-{width}x{height}", content, "picture", (height, width))
