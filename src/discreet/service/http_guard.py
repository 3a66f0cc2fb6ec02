"""HTTP as uvicorn speaks it, within limits it does not set: slow headers, long headers, endless bodies, clients that
neither ask nor read."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from discreet.service.admission import neighbourhood

HEADERS_WITHIN_S = 10.0
MAX_HEADER_BYTES = 32 * 1024
# After an early refusal the rest of the upload is read and dropped for so long, so that the client sees the answer.
MAX_DROPPED_BYTES = 16 * 1024 * 1024
DROP_WITHIN_S = 5.0
# A client that does not read its answer for so long is hung up on.
READ_WITHIN_S = 30.0
MAX_CONNECTIONS = 1000
# Of one client's: an address, or an IPv6 network. Enough for an office behind one; behind a proxy all are the proxy's.
MAX_CONNECTIONS_OF_ONE = 200


class GuardedHttp(HttpToolsProtocol):
    """One connection."""

    _clock: asyncio.TimerHandle | None = None
    _reading_clock: asyncio.TimerHandle | None = None
    _home = ""
    _header_bytes = 0
    _dropped_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS or self._too_many_of_one():
            self._refuse(503, "busy", "too many connections; try again", "Retry-After: 1\r\n")
            return
        self._start_clock(HEADERS_WITHIN_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        self._stop_reading_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Any byte stops uvicorn's own clock of idle connections, also one that begins no request.
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self._clock is None and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self._start_clock(HEADERS_WITHIN_S, self.transport.abort)

    def pause_writing(self) -> None:
        self._reading_clock = self.loop.call_later(READ_WITHIN_S, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stop_reading_clock()
        super().resume_writing()

    def on_message_begin(self) -> None:
        self._header_bytes = self._dropped_bytes = 0
        self._start_clock(HEADERS_WITHIN_S, self._too_slow)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count_header(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_header(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_clock()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.cycle is not None and self.cycle.response_complete:
            self._dropped_bytes += len(body)
            if self._clock is None:
                self._start_clock(DROP_WITHIN_S, self.transport.abort)
            if self._dropped_bytes > MAX_DROPPED_BYTES:
                self.transport.abort()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_clock()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What cannot be read as HTTP gets a problem, too."""
        del msg
        if self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(431, "headers", f"the headers are longer than {MAX_HEADER_BYTES} bytes; send fewer")
        else:
            self._refuse(400, "http", "this is not HTTP; check the client")

    def _too_many_of_one(self) -> bool:
        """Whether this client holds more connections than one may."""
        if self.config.proxy_headers or self.client is None:
            return False
        self._home = neighbourhood(self.client[0])
        return sum(getattr(other, "_home", "") == self._home for other in self.connections) > MAX_CONNECTIONS_OF_ONE

    def _count_header(self, count: int) -> None:
        """Stop the parser where headers grow too long."""
        self._header_bytes += count
        if self._header_bytes > MAX_HEADER_BYTES:
            raise ValueError("headers too long")

    def _too_slow(self) -> None:
        self._refuse(408, "slow", "the request's headers took too long; send it again")

    def _refuse(self, status: int, kind: str, detail: str, extra: str = "") -> None:
        """Answer without the application, and hang up."""
        if self.transport.is_closing():
            return
        content = {"type": f"urn:discreet:problem:{kind}", "title": kind, "status": status, "detail": detail}
        body = json.dumps(content).encode()
        head = (
            f"HTTP/1.1 {status} Refused\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
            f"cache-control: no-store\r\n{extra}connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _start_clock(self, seconds: float, then: Any) -> None:
        self._stop_clock()
        self._clock = self.loop.call_later(seconds, then)

    def _stop_reading_clock(self) -> None:
        if self._reading_clock is not None:
            self._reading_clock.cancel()
            self._reading_clock = None

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
