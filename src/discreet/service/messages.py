"""Messages between the service and its workers: a JSON header and one block of bytes, over a socket pair."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

_LENGTHS = struct.Struct("!II")
LARGEST_HEADER_BYTES = 1 << 20


def pack(header: Mapping[str, Any], body: bytes = b"") -> bytes:
    """A message as bytes."""
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(text), len(body)) + text + body


async def receive_async(reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    """The next message.

    Raises:
        asyncio.IncompleteReadError: the other side is gone.
        ValueError: not a message.
    """
    header_bytes, body_bytes = _lengths(await reader.readexactly(_LENGTHS.size))
    header = json.loads(await reader.readexactly(header_bytes))
    return header, await reader.readexactly(body_bytes)


def receive(connection: socket.socket) -> tuple[dict[str, Any], bytes] | None:
    """The next message; None when the other side is gone."""
    start = _exactly(connection, _LENGTHS.size)
    if start is None:
        return None
    header_bytes, body_bytes = _lengths(start)
    header, body = _exactly(connection, header_bytes), _exactly(connection, body_bytes)
    return None if header is None or body is None else (json.loads(header), body)


def _lengths(start: bytes) -> tuple[int, int]:
    """Lengths of header and body."""
    header_bytes, body_bytes = _LENGTHS.unpack(start)
    if header_bytes > LARGEST_HEADER_BYTES:
        raise ValueError("not a message of this service")
    return header_bytes, body_bytes


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    """So many bytes, or None at the end."""
    content = bytearray(count)
    view, done = memoryview(content), 0
    while done < count:
        received = connection.recv_into(view[done:])
        if received == 0:
            return None
        done += received
    return bytes(content)
