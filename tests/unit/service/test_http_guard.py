"""HTTP on a real socket: what is slow, long or no HTTP gets a problem and is hung up on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from discreet.service import http_guard


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, whatever is still being sent; /much answers more than connections hold."""
    if scope["path"] == "/much":
        length = 64 << 20
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % length)]})
        for _ in range(64):
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no"})


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener


@pytest.fixture
def port(listener: socket.socket, server: uvicorn.Server) -> int:
    assert server.started
    return listener.getsockname()[1]


@pytest.fixture
def server(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Iterator[uvicorn.Server]:
    monkeypatch.setattr(http_guard, "HEADERS_WITHIN_S", 1.0)
    monkeypatch.setattr(http_guard, "DROP_WITHIN_S", 0.5)
    monkeypatch.setattr(http_guard, "READ_WITHIN_S", 0.5)
    monkeypatch.setattr(http_guard, "MAX_DROPPED_BYTES", 200_000)
    configuration = uvicorn.Config(
        echo, http=http_guard.GuardedHttp, lifespan="off", log_config=None, proxy_headers=False
    )
    server = uvicorn.Server(configuration)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server
    server.should_exit = True
    thread.join(10)


def talk(port: int, *words: bytes, pause_s: float = 0.0) -> bytes:
    """All that comes back until the other side hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        answer = b""
        try:
            for word in words:
                connection.sendall(word)
                time.sleep(pause_s)
            while received := connection.recv(65536):
                answer += received
        except (ConnectionResetError, BrokenPipeError):
            pass
        return answer


def problem_of(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return json.loads(body)


def test_headers_that_never_come(port: int) -> None:
    assert problem_of(talk(port))["status"] == 408


def test_headers_that_trickle_do_not_start_the_clock_anew(port: int) -> None:
    started = time.monotonic()
    trickle = [b"GET / HTTP/1.1\r\n"] + [b"x: y\r\n"] * 3
    assert problem_of(talk(port, *trickle, pause_s=0.22))["status"] == 408
    assert time.monotonic() - started < 1.5


def test_headers_that_are_too_long(port: int) -> None:
    answer = talk(port, b"GET / HTTP/1.1\r\nx: " + b"a" * 40_000 + b"\r\n\r\n")
    assert problem_of(answer)["status"] == 431


def test_what_is_no_http(port: int) -> None:
    assert problem_of(talk(port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"))["status"] == 400


def test_an_early_refusal_is_seen_although_the_client_sends_on(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(head)
        for _ in range(10):
            connection.sendall(b"x" * 10_000)
            time.sleep(0.01)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def test_an_endless_upload_is_hung_up_on(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10000000000\r\n\r\n"
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(head)
        with pytest.raises(OSError, match=r"reset|pipe"):  # noqa: PT012  (which of the sends fails is open)
            while time.monotonic() - started < 5:
                connection.sendall(b"x" * 65536)


@pytest.mark.parametrize(
    ("asked", "then"),
    [
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"\r\n"),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", b"1"),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n", b"12345"),
    ],
    ids=["an empty line", "a chunk that never comes", "a body after its refusal"],
)
def test_bytes_that_ask_for_nothing_keep_no_connection(port: int, asked: bytes, then: bytes) -> None:
    """uvicorn's own clock stops at any byte; nobody may hold a thousand connections by sending one byte on each."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(asked)
        time.sleep(0.2)
        connection.sendall(then)
        started = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(65536):
                pass
        assert time.monotonic() - started < 3


def test_a_connection_asks_again_after_its_answer(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for _ in range(3):
            connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n\r\n")
            answer = b""
            while not answer.endswith(b"\r\n\r\nno"):  # head and body may come apart
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 413")
            time.sleep(0.4)


def test_an_answer_that_nobody_reads_is_given_up(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET /much HTTP/1.1\r\nhost: a\r\n\r\n")
        time.sleep(2)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while content := connection.recv(1 << 20):
                received += len(content)
        assert received < 64 << 20


def test_too_many_connections(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_guard, "MAX_CONNECTIONS", 2)
    first, second = (socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(2))
    with first, second:
        time.sleep(0.1)
        answer = talk(port)
        assert problem_of(answer)["status"] == 503
        assert b"Retry-After" in answer


def test_too_many_connections_of_one_client(server: uvicorn.Server, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others still come in; behind a proxy every connection is the proxy's, and none is refused for it."""
    monkeypatch.setattr(http_guard, "MAX_CONNECTIONS_OF_ONE", 2)
    first, second = (socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(2))
    with first, second:
        time.sleep(0.1)
        assert problem_of(talk(port))["status"] == 503
        other = socket.create_connection(("127.0.0.1", port), timeout=5, source_address=("127.0.0.2", 0))
        with other:
            other.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert other.recv(100).startswith(b"HTTP/1.1 413")
        server.config.proxy_headers = True
        assert talk(port, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").startswith(b"HTTP/1.1 413")
