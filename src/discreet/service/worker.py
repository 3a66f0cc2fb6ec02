"""A process that parses pictures, one after the other, and can write no file.

    python -m discreet.service.worker DESCRIPTOR

It talks over the socket of that descriptor. First it is told its settings and says what it has loaded; then every
message is a picture, and every answer what to send back. It ends when the other side goes.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any

from discreet.errors import DecoderError, DiscreetError
from discreet.service import messages
from discreet.service.decoder import SealedDecoder
from discreet.service.sealing import die_with_parent, forbid_swap, seal_process
from discreet.service.settings import ServiceSettings

# Whoever parses yields to whoever answers: refusals and health checks stay quick on a busy machine.
NICENESS = 5


def main(descriptor: int) -> None:
    """Serve one parent until it goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    die_with_parent()
    os.nice(NICENESS)
    with socket.socket(fileno=descriptor) as connection:
        first = messages.receive(connection)
        if first is None:
            return
        settings = ServiceSettings.model_validate(first[0]["settings"])
        # Before anything starts a thread: it forks.
        decoder = SealedDecoder(max_pixels=settings.max_pixels, allow_swap=settings.allow_swap)
        try:
            forbid_swap(settings.allow_swap)
            from discreet.service.pipeline import Pipeline

            pipeline = Pipeline(settings, decoder, threads=first[0]["threads"])
        except DiscreetError as problem:
            connection.sendall(messages.pack({"failed": str(problem)}))
            return
        seal_process()
        connection.sendall(messages.pack({"ready": pipeline.describe()}))
        while (job := messages.receive(connection)) is not None:
            try:
                header, body = _answer(pipeline, *job)
            except DecoderError:
                return
            connection.sendall(messages.pack(header, body))
        decoder.close()


def _answer(pipeline: Any, request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    """The answer to one request; whatever goes wrong is an answer too, and says nothing of the picture."""
    from discreet.service.pipeline import Refusal

    try:
        return pipeline.answer(request, content)
    except Refusal as refusal:
        return {"status": refusal.status, "kind": refusal.kind, "detail": refusal.detail}, b""
    except DecoderError:
        raise  # this worker cannot go on; whoever started it starts another
    except Exception as problem:  # its text could quote the picture; its kind cannot
        return {"status": 503, "kind": "failed", "detail": "", "error": type(problem).__name__}, b""


if __name__ == "__main__":
    main(int(sys.argv[1]))
    os._exit(0)  # no exit handler has anything to tidy, and some take seconds
