"""Bad input of every kind: always a problem in time, never a 500, never a byte on disk."""

from __future__ import annotations

import json
import random
import re
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.service.running import Running
from tests.e2e.service.test_leaves_nothing import FileWatch, folders
from tests.hostile.pictures import hostile_pictures

IN_TIME_S = 12.0
ALLOWED = {200, 400, 401, 403, 404, 405, 406, 408, 413, 415, 421, 422, 429, 431, 503}


def check(answer: httpx.Response) -> None:
    """A picture, or a problem that tells nothing about the server's insides."""
    assert answer.status_code in ALLOWED, (answer.status_code, answer.text[:300])
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["type"].startswith("urn:discreet:problem:")
        assert problem["detail"]
        assert not any(word in answer.text for word in ("Traceback", ".py", "Exception", "site-packages"))


@pytest.mark.alone
def test_hostile_pictures_in_hostile_forms(service: Running) -> None:
    """Every kind of picture, in each of several forms: about two thousand uploads."""
    kinds: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    with service.client() as client:
        watch = FileWatch(*folders(service))
        for number, (kind, content) in enumerate(uploads()):
            form = FORMS[number % len(FORMS)]
            started = time.monotonic()
            answer = client.post("/predict", **form(content))  # type: ignore[arg-type]
            assert time.monotonic() - started < IN_TIME_S, kind
            check(answer)
            kinds[kind] += 1
            statuses[answer.status_code] += 1
        created = [path for path in watch.seen() if "/journal/" not in path]
        watch.close()
    assert created == []
    assert kinds.total() >= 2000
    assert len(kinds) >= 15
    # Whatever is turned away at the door reaches no decoder.
    assert not statuses.keys() & {401, 403, 429, 503}, statuses
    assert statuses[200] > 100, statuses
    assert statuses[422] > 500, statuses


def uploads() -> Iterator[tuple[str, bytes]]:
    """Hostile pictures, several times over, each time damaged otherwise."""
    rng = random.Random(5)
    pictures = [(item.kind, item.content) for item in hostile_pictures()]
    total = 0
    for turn in range(100):
        for kind, content in pictures:
            if turn and len(content) > 200_000:
                continue  # once is enough for what takes long to send
            yield kind, content if turn == 0 else damaged(content, rng)
            total += 1
            if total >= 2000:
                return


def damaged(content: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, or the end cut off."""
    if rng.random() < 0.3 and content:
        return content[: rng.randrange(1, len(content) + 1)]
    changed = bytearray(content or b"x")
    for _ in range(rng.randrange(1, 9)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


FORMS = (
    lambda content: {"files": {"file": ("a.jpg", content, "image/jpeg")}},
    lambda content: {"files": {"file": ("../../etc/passwd", content, "text/html")}},
    lambda content: {"files": {"file": ("a\x00b;c\r\n.png", content, "application/x-php")}},
    lambda content: {"files": {"file": ("a.jpg", content)}, "headers": {"Accept": "application/json"}},
    lambda content: {"files": {"image": ("a.jpg", content)}},
    lambda content: {"files": {"file": ("a.jpg", content)}, "data": {"opacity": "1e309"}},
    lambda content: {"files": [("file", ("a", content[:1000])), ("file", ("b", b"x"))]},
    lambda content: {"content": content[:100_000], "headers": {"Content-Type": "image/jpeg"}},
    lambda content: {"content": content[:100_000], "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
    lambda content: {"files": {"file": ("a.jpg", content)}, "data": {f"f{number}": "x" for number in range(50)}},
)


@pytest.mark.parametrize(
    ("token", "status"),
    [("", 401), ("Bearer", 401), ("Basic dXNlcjpwYXNz", 401), ("Bearer " + "a" * 20_000, 401), ("Bearer a.b.c", 401),
     ("Bearer eyJhbGciOiJub25lIn0.e30.", 401), ("Bearer " + "a" * 200_000, 431)],
    ids=["none", "no token", "a password", "long", "no JWT", "unsigned", "too long for a header"],
)  # fmt: skip
def test_wrong_authorization(service: Running, picture: bytes, token: str, status: int) -> None:
    with httpx.Client(base_url=service.url, verify=service.tls()) as client:
        answer = client.post(
            "/predict", files={"file": ("a", picture)}, headers={"Authorization": token} if token else {}
        )
    assert answer.status_code == status
    check(answer)


@pytest.mark.parametrize(
    "path",
    ["/static/../settings.py", "/static/%2e%2e/app.py", "/static/..%2f..%2fapp.py", "/static//etc/passwd", "/static/",
     "/%00",
     "/static/models/../../../assets", "/predict/..", "//evil.example/", "/docs", "/redoc", "/\u202e",
     "/" + "a" * 5000],
)  # fmt: skip
def test_paths_lead_nowhere(service: Running, path: str) -> None:
    status, body = raw(service, b"GET " + path.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert status in (400, 404, 405)
    assert json.loads(body)["status"] == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_refused(service: Running, method: str) -> None:
    with service.client() as client:
        answer = client.request(method, "/predict")
    assert answer.status_code in (400, 405)
    check(answer)


@pytest.mark.parametrize("path", [b"/", b"/healthz", b"/readyz", b"/policy"])
def test_head_is_answered_without_a_body(service: Running, path: bytes) -> None:
    request = path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    status, body = raw(service, b"GET " + request)
    assert (status, bool(body)) == (200, True)
    assert raw(service, b"HEAD " + request) == (200, b"")


def test_head_of_the_pages_files(service: Running) -> None:
    with httpx.Client(base_url=service.url, verify=service.tls()) as client:
        path = re.findall(r'"(/static/[^"]+)"', client.get("/").text)[0]
        got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == got.headers["etag"]


def test_handshakes_that_never_come(service: Running) -> None:
    """Nobody counts connections before their handshake, so none may wait for long."""
    address = urlsplit(service.url)
    assert address.port
    with socket.create_connection(("127.0.0.1", address.port), timeout=IN_TIME_S) as silent:
        assert silent.recv(1) == b""


def raw(service: Running, request: bytes) -> tuple[int, bytes]:
    """Status and body of whatever bytes are sent."""
    address = urlsplit(service.url)
    assert address.port
    with (
        socket.create_connection(("127.0.0.1", address.port), timeout=20) as plain,
        service.tls().wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(request)
        answer = b""
        try:
            while received := connection.recv(65536):
                answer += received
                head, separator, body = answer.partition(b"\r\n\r\n")
                if separator and b"content-length: " in head.lower():
                    wanted = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    if len(body) >= wanted:
                        break
        except (ConnectionResetError, ssl.SSLError):
            pass
    return int(answer[9:12]), answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    "lines",
    [
        b"", b"Host: \r\n", b"Host: a b\r\n", b"Host: a\r\nHost: b\r\n", b"Host: a/b\r\n", b"Host: a@b\r\n",
        b"Host: [::1\r\n",
        b"Host: " + b"a" * 300 + b"\r\n", b"Host: \xff\xfe\r\n", b"Host: a:99999999\r\n", b"Host: <script>\r\n",
    ],
)  # fmt: skip
def test_hosts_that_make_no_sense(service: Running, lines: bytes) -> None:
    status, body = raw(service, b"GET /policy HTTP/1.1\r\n" + lines + b"\r\n")
    assert status == 400
    assert json.loads(body)["status"] == 400


@pytest.mark.parametrize("host", [b"127.0.0.1", b"localhost:8443", b"[::1]:1", b"example.org"])
def test_hosts_that_do(service: Running, host: bytes) -> None:
    assert raw(service, b"GET /policy HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")[0] == 200


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", b"Transfer-Encoding: gzip\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n", b"Content-Length: 99999999999999999999\r\n\r\n",
    ],
)  # fmt: skip
def test_ambiguous_lengths_are_refused(service: Running, framing: bytes) -> None:
    head = (
        b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Authorization: Bearer " + service.token().encode() + b"\r\n"
    )
    status, body = raw(service, head + framing)
    assert status in (400, 413, 501)
    assert json.loads(body)["status"] == status


def test_ten_gigabytes_declared_are_refused_before_they_are_sent(service: Running) -> None:
    head = (
        b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Authorization: Bearer " + service.token().encode() + b"\r\nContent-Length: 10000000000\r\n\r\n"
    )
    started = time.monotonic()
    status, body = raw(service, head)
    assert (status, json.loads(body)["type"]) == (413, "urn:discreet:problem:too-large")
    assert time.monotonic() - started < 2


def test_what_was_there_still_works_afterwards(service: Running, picture: bytes) -> None:
    with service.client() as client:
        assert client.post("/predict", files={"file": ("a.jpg", picture)}).status_code == 200
