"""Reading an upload: in memory alone, within its cap, within its time."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from discreet.service.problems import Problem

MAX_PARTS = 8
MAX_PART_HEADER_BYTES = 4096
MAX_FIELD_BYTES = 64
# Boundaries, part headers and small fields beside the picture.
OVERHEAD_BYTES = 64 * 1024
DEFAULT_OPACITY = 0.5


@dataclass
class Upload:
    """What `POST /predict` was sent. *SENSITIVE*

    Args:
        content: the picture's file.
        opacity: of the colours, 0 to 1.
    """

    content: bytes
    opacity: float = DEFAULT_OPACITY


@dataclass
class _Part:
    """A field while it is read."""

    name: str = ""
    content: bytearray = field(default_factory=bytearray)


class _Reader:
    """Takes the parser's calls; keeps `file` and `opacity`, drops all else, and never looks at a file's name."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._header = [b"", b""]
        self._header_bytes = 0
        self._part = _Part()
        self._num_parts = 0
        self.fields: dict[str, bytearray] = {}
        self.whole = False

    def callbacks(self) -> dict[str, object]:
        """For MultipartParser."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._add_header(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add_header(1, data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": self._add,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._part, self._header_bytes = _Part(), 0
        self._num_parts += 1
        if self._num_parts > MAX_PARTS:
            raise Problem(400, "form", f"the form has more than {MAX_PARTS} fields; send `file` alone")

    def _add_header(self, which: int, data: bytes) -> None:
        self._header_bytes += len(data)
        if self._header_bytes > MAX_PART_HEADER_BYTES:
            raise Problem(400, "form", f"a field's headers are longer than {MAX_PART_HEADER_BYTES} bytes; shorten them")
        self._header[which] += data

    def _end_header(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            _, options = parse_options_header(self._header[1])
            self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
        self._header = [b"", b""]

    def _add(self, data: bytes, start: int, end: int) -> None:
        limit = {"file": self._max_bytes, "opacity": MAX_FIELD_BYTES}.get(self._part.name)
        if limit is None:
            return
        if len(self._part.content) + end - start > limit:
            raise too_large(self._max_bytes) if self._part.name == "file" else _bad_opacity()
        self._part.content += data[start:end]

    def _end(self) -> None:
        if self._part.name in self.fields:
            raise Problem(400, "form", f"the form has `{self._part.name}` twice; send one picture a request")
        if self._part.name in ("file", "opacity"):
            self.fields[self._part.name] = self._part.content
        self._part = _Part()

    def _finish(self) -> None:
        self.whole = True


async def read_upload(request: Request, *, max_bytes: int, deadline: float) -> Upload:
    """The upload of a request.

    Args:
        request: multipart/form-data with a field `file`, and maybe `opacity`.
        max_bytes: largest picture.
        deadline: on the loop's clock.

    Raises:
        Problem: another content type, no field `file`, too large, damaged, or too slow.
        ClientDisconnect: nobody is there any more.
    """
    boundary = _boundary(request.headers.get("content-type", ""))
    _check_declared_size(request.headers.get("content-length"), max_bytes)
    reader = _Reader(max_bytes)
    parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]
    received = 0
    try:
        async with asyncio.timeout_at(deadline):
            async for chunk in request.stream():
                received += len(chunk)
                if received > max_bytes + OVERHEAD_BYTES:
                    raise too_large(max_bytes)
                parser.write(chunk)
    except TimeoutError:
        raise Problem(408, "slow", "the upload took too long; send a smaller picture, or over a faster line") from None
    except MultipartParseError:
        raise Problem(400, "form", "the form is damaged; send multipart/form-data with a field `file`") from None
    if not reader.whole:
        raise Problem(400, "form", "the form ends too early; send it again")
    if not reader.fields.get("file"):
        raise Problem(422, "form", "the form has no picture; send it in the field `file`")
    return Upload(bytes(reader.fields["file"]), _opacity(reader.fields.get("opacity")))


def too_large(max_bytes: int) -> Problem:
    """413."""
    return Problem(413, "too-large", f"the upload is larger than {max_bytes:,} bytes; send a smaller picture")


def _boundary(content_type: str) -> bytes:
    """The boundary of multipart/form-data."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind.lower() != b"multipart/form-data" or not 0 < len(boundary) <= 70:
        raise Problem(415, "media-type", "only multipart/form-data with a field `file` is read; send the picture so")
    return boundary


def _check_declared_size(declared: str | None, max_bytes: int) -> None:
    """Refuse by Content-Length, before anything is read."""
    if declared is not None and declared.isdecimal() and int(declared[:20]) > max_bytes + OVERHEAD_BYTES:
        raise too_large(max_bytes)


def _bad_opacity() -> Problem:
    return Problem(422, "form", "`opacity` must be a number from 0 to 1")


def _opacity(text: bytearray | None) -> float:
    """Of the colours."""
    if text is None:
        return DEFAULT_OPACITY
    try:
        value = float(text.decode("ascii"))
    except ValueError:
        raise _bad_opacity() from None
    if not math.isfinite(value) or not 0 <= value <= 1:
        raise _bad_opacity()
    return value
