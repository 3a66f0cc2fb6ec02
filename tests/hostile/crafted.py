"""Files put together by hand, as no encoder would write them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
Chunk = tuple[bytes, bytes]


def chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, data: bytes, bits: int = 8, colour: int = 2, extra: Sequence[Chunk] = ()) -> bytes:
    """A PNG of that header, whatever its data is."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    middle = b"".join(chunk(*one) for one in extra)
    return _SIGNATURE + chunk(b"IHDR", header) + middle + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def raw_png(width: int, height: int, bits: int, colour: int, rows: bytes, extra: Sequence[Chunk] = ()) -> bytes:
    """A PNG of rows that each begin with their filter."""
    return png(width, height, zlib.compress(rows), bits, colour, extra)


def png_with(extra: Sequence[Chunk]) -> bytes:
    """A good 48×36 PNG with more chunks behind its header."""
    return raw_png(48, 36, 8, 2, (b"\0" + bytes(range(144))) * 36, extra)


def png_with_length(length: int) -> bytes:
    """A PNG, one chunk of which lies about its length."""
    good = png_with([(b"tEXt", b"a\0some text")])
    return good.replace(struct.pack(">I", 11) + b"tEXt", struct.pack(">I", length) + b"tEXt", 1)


def png_with_wrong_checksums() -> bytes:
    """Every checksum is that of something else."""
    good = bytearray(png_with([]))
    at = 8
    while at < len(good):
        (length,) = struct.unpack_from(">I", good, at)
        at += 12 + length
        good[at - 4 : at] = b"\xde\xad\xbe\xef"
    return bytes(good)


def flat_png(width: int, height: int, bits: int) -> bytes:
    """A PNG with all its pixels, one colour, deflated row by row so that it costs little to make."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width * bits + 7) // 8)
    step = max(1, (1 << 22) // len(row))
    data = b"".join(packer.compress(row * min(step, height - at)) for at in range(0, height, step))
    return png(width, height, data + packer.flush(), bits, 0)


def jpeg() -> bytes:
    """A good 48×36 JPEG."""
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((48, 36)).convert("RGB").save(stream, "JPEG")
    return stream.getvalue()


def jpeg_with(marker: int, content: bytes) -> bytes:
    """A good JPEG with a segment more behind its beginning."""
    good = jpeg()
    content = content[:65_533]
    return good[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content + good[2:]


def jpeg_of_size(good: bytes, width: int, height: int) -> bytes:
    """The same JPEG, saying another size."""
    at = good.index(b"\xff\xc0") + 5
    return good[:at] + struct.pack(">HH", height, width) + good[at + 4 :]


def jpeg_of_many_scans(count: int) -> bytes:
    """A progressive JPEG of 2 000 × 2 000 pixels whose last scan comes over and over."""
    stream = io.BytesIO()
    Image.new("L", (2_000, 2_000), 90).save(stream, "JPEG", progressive=True)
    good = stream.getvalue()
    start = good.rindex(b"\xff\xda")
    return good[:-2] + good[start:-2] * count + good[-2:]


def webp_of_length(good: bytes, length: int) -> bytes:
    """The same WebP, its container saying another length."""
    return good[:4] + struct.pack("<I", length) + good[8:]


def extended_webp(good: bytes, flags: int) -> bytes:
    """The same WebP behind an extended header that promises what is not there."""
    header = b"VP8X" + struct.pack("<I", 10) + bytes((flags, 0, 0, 0)) + struct.pack("<I", 47)[:3] + b"\x23\0\0"
    body = b"WEBP" + header + good[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body
