"""Pictures from strangers, decoded by a process of its own for each: sealed, short-lived, bounded.

A small process with the decoders loaded forks one child a picture, one ahead of need. The child gives up files,
network, programs and most of its memory before it looks at a byte, and ends after one picture; whatever a hostile
file makes of it ends with it. File and pixels go through shared memory, which is wiped after each picture.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from discreet.errors import PictureError
from discreet.inference.image_io import MAX_PIXELS, read_image
from discreet.service import sealing

# Decoding holds a picture a few times over: as read, turned, converted.
BYTES_A_PIXEL = 40
BASE_BYTES = 1 << 30
CPU_S = 10
NUM_FILES = 16
# Files are smaller than their pixels; this much is taken of pictures with few.
LEAST_SHARED_BYTES = 16 << 20
_REQUEST = struct.Struct("!Q")
_ANSWER = struct.Struct("!BQQ")
_PIXELS, _REFUSED = 1, 2
_LONGEST_MESSAGE_BYTES = 1024
_LOST = "the picture could not be decoded within its limits; save it again from its original, or make it smaller"


class SealedDecoder:
    """Decodes pictures in processes of their own.

    Start it before any thread: it forks.

    Args:
        max_pixels: of a picture.
        timeout_s: longest time for one.
    """

    def __init__(self, *, max_pixels: int = MAX_PIXELS, timeout_s: float = 5.0) -> None:
        self._max_pixels = max_pixels
        self._shared = mmap.mmap(-1, max(3 * max_pixels, LEAST_SHARED_BYTES))
        self._connection, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            self._connection.close()
            _ending(lambda: _Nursery(theirs, self._shared, max_pixels, timeout_s).serve())
        theirs.close()
        # The nursery keeps time for its children; this is for one that is itself lost.
        self._connection.settimeout(timeout_s + 5.0)

    def decode(self, content: bytes) -> NDArray[np.uint8]:
        """The pixels of a file, uint8 RGB [H, W, 3]: upright, sRGB, and nothing else of the file.

        Args:
            content: JPEG, PNG or WebP. *SENSITIVE*

        Raises:
            PictureError: it is none of these, damaged, too large, or its decoding broke a limit.
        """
        if len(content) > len(self._shared):
            raise PictureError(f"the file has {len(content):,} bytes; at most {len(self._shared):,} are decoded")
        try:
            self._shared[: len(content)] = content
            self._connection.sendall(_REQUEST.pack(len(content)))
            kind, first, second = _ANSWER.unpack(_exactly(self._connection, _ANSWER.size))
            if kind == _PIXELS and 0 < first * second <= self._max_pixels:
                pixels = np.frombuffer(self._shared[: first * second * 3], np.uint8)
                return pixels.reshape(first, second, 3)
            message = _exactly(self._connection, min(first, _LONGEST_MESSAGE_BYTES)).decode()
        except (OSError, EOFError, ValueError):
            raise PictureError(_LOST) from None
        finally:
            _wipe(self._shared)
        raise PictureError(message)

    def close(self) -> None:
        """End the forking process and its children."""
        self._connection.close()
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


class _Nursery:
    """The forking process. It decodes nothing itself, so no picture can harm it."""

    def __init__(self, connection: socket.socket, shared: mmap.mmap, max_pixels: int, timeout_s: float) -> None:
        self._connection = connection
        self._shared = shared
        self._max_pixels = max_pixels
        self._timeout_s = timeout_s

    def serve(self) -> None:
        """A child for each picture, until the other side goes."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sealing.die_with_parent()
        sealing.seal_process()
        _load_decoders()
        while True:
            pid, asking, reading = self._fork()
            try:
                request = _exactly(self._connection, _REQUEST.size)
                self._connection.sendall(self._ask(request, asking, reading))
            finally:
                os.close(asking)
                os.close(reading)
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def _fork(self) -> tuple[int, int, int]:
        """A sealed child that waits for its picture: its id, where to ask it, where it answers."""
        for_child, asking = os.pipe()
        reading, for_us = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(asking)
            os.close(reading)
            self._connection.close()
            _ending(lambda: self._decode_one(for_child, for_us))
        os.close(for_child)
        os.close(for_us)
        return pid, asking, reading

    def _ask(self, request: bytes, asking: int, reading: int) -> bytes:
        """The child's answer, or a refusal where it gives none in time."""
        deadline = time.monotonic() + self._timeout_s
        try:
            os.write(asking, request)
            answer = _read(reading, _ANSWER.size, deadline)
            kind, length, _ = _ANSWER.unpack(answer)
            return answer if kind == _PIXELS else answer + _read(reading, min(length, _LONGEST_MESSAGE_BYTES), deadline)
        except (EOFError, TimeoutError, BrokenPipeError):
            return _refusal(_LOST)

    def _decode_one(self, asking: int, answering: int) -> None:
        """The child: seal, wait, decode, answer."""
        sealing.die_with_parent()
        sealing.seal_process(
            memory_bytes=BASE_BYTES + BYTES_A_PIXEL * self._max_pixels, cpu_s=CPU_S, num_files=NUM_FILES
        )
        sealing.forbid_everything_but_computing()
        (length,) = _REQUEST.unpack(os.read(asking, _REQUEST.size))
        try:
            image = np.ascontiguousarray(read_image(self._shared[:length], max_pixels=self._max_pixels))
            self._shared[: image.size] = image.data.cast("B")
            os.write(answering, _ANSWER.pack(_PIXELS, *image.shape[:2]))
        except PictureError as problem:
            os.write(answering, _refusal(str(problem)))


def _ending(work: Callable[[], object]) -> None:
    """Do the work of a forked process, and end it: nothing of it may go on in its parent's code."""
    try:
        work()
    finally:
        os._exit(0)


def _refusal(message: str) -> bytes:
    """An answer without a picture."""
    told = message.encode()[:_LONGEST_MESSAGE_BYTES]
    return _ANSWER.pack(_REFUSED, len(told), 0) + told


def _wipe(shared: mmap.mmap) -> None:
    """Give the pages back; the next reader finds zeros."""
    if hasattr(mmap, "MADV_REMOVE"):
        shared.madvise(mmap.MADV_REMOVE)
    else:
        shared[:] = bytes(len(shared))


def _load_decoders() -> None:
    """Bring in now what children could not open later."""
    import io

    from PIL import Image, ImageCms

    ImageCms.createProfile("sRGB")
    for kind in ("JPEG", "PNG", "WEBP"):
        stream = io.BytesIO()
        Image.new("RGB", (8, 8)).save(stream, kind)
        read_image(stream.getvalue())


def _read(reading: int, count: int, deadline: float) -> bytes:
    """So many bytes before the deadline."""
    content = b""
    while len(content) < count:
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        received = os.read(reading, count - len(content))
        if not received:
            raise EOFError
        content += received
    return content


def _exactly(connection: socket.socket, count: int) -> bytes:
    """So many bytes of a socket."""
    content = b""
    while len(content) < count:
        received = connection.recv(count - len(content))
        if not received:
            raise EOFError
        content += received
    return content
