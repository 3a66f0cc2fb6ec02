"""Pictures from strangers, decoded by a process of its own for each: sealed, short-lived, bounded.

A small process with the decoders loaded forks one child a picture, one ahead of need. The child gives up files,
network, programs and most of its memory before it looks at a byte, holds nothing open but two pipes, and ends after
one picture; whatever a hostile file makes of it ends with it. File and pixels go through shared memory, which is wiped
after each picture.
"""

from __future__ import annotations

import contextlib
import itertools
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
from PIL import Image

from discreet.errors import DecoderError, PictureError
from discreet.inference.image_io import MAX_PIXELS, read_image
from discreet.service import sealing
from discreet.service.syscall_filter import allow_only_computing

# Decoding holds a picture a few times over: as read, turned, converted.
BYTES_A_PIXEL = 40
BASE_BYTES = 1 << 30
CPU_S = 10
NUM_FILES = 16
# Files are smaller than their pixels; this much is taken of pictures with few.
LEAST_SHARED_BYTES = 16 << 20
_REQUEST = struct.Struct("!QQ")
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
        allow_swap: as of `sealing.forbid_swap`, which each of its processes asks for itself.
    """

    def __init__(self, *, max_pixels: int = MAX_PIXELS, timeout_s: float = 5.0, allow_swap: bool = False) -> None:
        self._max_pixels = max_pixels
        self._shared = mmap.mmap(-1, max(3 * max_pixels, LEAST_SHARED_BYTES))
        self._connection, theirs = socket.socketpair()
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _ending(lambda: _Nursery(theirs, self._shared, max_pixels, timeout_s, allow_swap).serve(parent))
        theirs.close()
        # The nursery keeps time for its children; this is for one that is itself lost.
        self._connection.settimeout(timeout_s + 5.0)

    def decode(self, content: bytes, *, longest_side_px: int | None = None) -> NDArray[np.uint8]:
        """The pixels of a file, uint8 RGB [H, W, 3]: upright, sRGB, and nothing else of the file.

        Args:
            content: JPEG, PNG or WebP. *SENSITIVE*
            longest_side_px: larger pictures are shrunk to it; by default none is.

        Raises:
            PictureError: it is none of these, damaged, too large, or its decoding broke a limit.
            DecoderError: the decoder itself was lost, now or before; make another.
        """
        if not self._pid:
            raise DecoderError("the process that decodes pictures is gone; start another decoder")
        if len(content) > len(self._shared):
            raise PictureError(f"the file has {len(content):,} bytes; at most {len(self._shared):,} are decoded")
        try:
            self._shared[: len(content)] = content
            self._connection.sendall(_REQUEST.pack(len(content), longest_side_px or 0))
            kind, first, second = _ANSWER.unpack(_exactly(self._connection, _ANSWER.size))
            if kind == _PIXELS and 0 < first * second <= self._max_pixels:
                pixels = np.frombuffer(self._shared[: first * second * 3], np.uint8)
                return pixels.reshape(first, second, 3)
            message = _exactly(self._connection, min(first, _LONGEST_MESSAGE_BYTES)).decode(errors="replace")
        except (OSError, EOFError):
            # A late answer would be taken for that of the next picture.
            self.close()
            raise DecoderError("the process that decodes pictures was lost; start another decoder") from None
        finally:
            _wipe(self._shared)
        raise PictureError(message if kind == _REFUSED else _LOST)

    def close(self) -> None:
        """End the forking process and its children."""
        self._connection.close()
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


class _Nursery:
    """The forking process. It decodes nothing itself, so no picture can harm it."""

    def __init__(
        self, connection: socket.socket, shared: mmap.mmap, max_pixels: int, timeout_s: float, allow_swap: bool
    ) -> None:
        self._connection = connection
        self._shared = shared
        self._max_pixels = max_pixels
        self._timeout_s = timeout_s
        self._allow_swap = allow_swap

    def serve(self, parent: int) -> None:
        """A child for each picture, until the other side goes."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sealing.die_with_parent(parent)
        _keep_open(self._connection.fileno())
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
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _ending(lambda: self._decode_one(parent, for_child, for_us))
        os.close(for_child)
        os.close(for_us)
        return pid, asking, reading

    def _ask(self, request: bytes, asking: int, reading: int) -> bytes:
        """The child's answer, or a refusal where it gives none in time."""
        deadline = time.monotonic() + self._timeout_s
        try:
            os.write(asking, request)
            answer = _read(reading, _ANSWER.size, deadline)
            kind, first, second = _ANSWER.unpack(answer)
            if kind == _PIXELS and 0 < first * second <= self._max_pixels:
                return answer
            return _refusal(_read(reading, min(first, _LONGEST_MESSAGE_BYTES), deadline).decode(errors="replace"))
        except (EOFError, TimeoutError, BrokenPipeError):
            return _refusal(_LOST)

    def _decode_one(self, parent: int, asking: int, answering: int) -> None:
        """The child: seal, wait, decode, answer."""
        sealing.die_with_parent(parent)
        _keep_open(asking, answering)
        sealing.forbid_swap(self._allow_swap)
        _seal(self._max_pixels)
        length, longest_side_px = _REQUEST.unpack(os.read(asking, _REQUEST.size))
        try:
            image = read_image(self._shared[:length], max_pixels=self._max_pixels)
            image = np.ascontiguousarray(_at_most(image, longest_side_px))
            self._shared[: image.size] = image.data.cast("B")
            os.write(answering, _ANSWER.pack(_PIXELS, *image.shape[:2]))
        except PictureError as problem:
            os.write(answering, _refusal(str(problem)))


def missing_seals(max_pixels: int = MAX_PIXELS) -> list[str]:
    """What this system will not take away from the processes that decode: one tries, and says. Empty where all is."""
    reading, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        _ending(lambda: os.write(telling, "\n".join([*_seal(max_pixels), "that is all"]).encode()))
    os.close(telling)
    with os.fdopen(reading, encoding="utf-8") as told:
        *missing, last = told.read().split("\n")
    os.waitpid(pid, 0)
    return missing if last == "that is all" else ["anything at all"]


def _seal(max_pixels: int) -> list[str]:
    """Give up all that decoding does not need; what the system would not take."""
    missing = sealing.seal_process(
        memory_bytes=BASE_BYTES + BYTES_A_PIXEL * max_pixels, cpu_s=CPU_S, num_files=NUM_FILES
    )
    return [*missing, *([] if allow_only_computing() else ["files, network and programs"])]


def _ending(work: Callable[[], object]) -> None:
    """Do the work of a forked process, and end it: nothing of it may go on in its parent's code."""
    try:
        work()
    finally:
        os._exit(0)


def _keep_open(*descriptors: int) -> None:
    """Close all files but these; whatever a decoder prints goes nowhere, for it may quote the picture."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    edges = [2, *sorted(descriptors), os.sysconf("SC_OPEN_MAX")]
    for low, high in itertools.pairwise(edges):
        os.closerange(low + 1, high)


def _at_most(image: NDArray[np.uint8], longest_side_px: int) -> NDArray[np.uint8]:
    """The picture, shrunk where it is longer; 0 shrinks nothing."""
    height, width = image.shape[:2]
    zoom = longest_side_px / max(height, width)
    if not 0 < zoom < 1:
        return image
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))


def _refusal(message: str) -> bytes:
    """An answer without a picture."""
    told = message.encode()[:_LONGEST_MESSAGE_BYTES] or b"?"
    return _ANSWER.pack(_REFUSED, len(told), 0) + told


def _wipe(shared: mmap.mmap) -> None:
    """Give the pages back; the next reader finds zeros."""
    if hasattr(mmap, "MADV_REMOVE"):
        with contextlib.suppress(OSError):  # locked pages cannot be given back
            shared.madvise(mmap.MADV_REMOVE)
            return
    shared[:] = bytes(len(shared))


def _load_decoders() -> None:
    """Bring in now what children could not open later."""
    import io

    from PIL import ImageCms

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
