"""Uploads: in memory, within their cap and their time; wrong ones get a problem that says the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from discreet.service.problems import Problem
from discreet.service.uploads import OVERHEAD_BYTES, Upload, read_upload

MAX_BYTES = 100_000


def read(chunks: Iterable[bytes], headers: dict[str, str], *, pause_s: float = 0.0, within_s: float = 5.0) -> Upload:
    """Feed chunks to the reader as a server would."""

    async def run() -> Upload:
        left = iter(chunks)
        following = next(left, None)

        async def receive() -> dict[str, object]:
            nonlocal following
            await asyncio.sleep(pause_s)
            body, following = following or b"", next(left, None)
            return {"type": "http.request", "body": body, "more_body": following is not None}

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/predict",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        deadline = asyncio.get_running_loop().time() + within_s
        return await read_upload(Request(scope, receive), max_bytes=MAX_BYTES, deadline=deadline)

    return asyncio.run(run())


def form(**fields: object) -> tuple[bytes, dict[str, str]]:
    """A form as a real client writes it."""
    files = {name: value for name, value in fields.items() if isinstance(value, tuple)}
    data = {name: value for name, value in fields.items() if not isinstance(value, tuple)}
    request = httpx.Request("POST", "http://testserver", files=files, data=data)
    return request.read(), {"content-type": request.headers["content-type"]}


def refused(chunks: Iterable[bytes], headers: dict[str, str], **options: float) -> Problem:
    with pytest.raises(Problem) as caught:
        read(chunks, headers, **options)
    return caught.value


@given(st.binary(min_size=1, max_size=3000), st.integers(1, 700))
def test_a_file_arrives_as_it_was_sent_in_whatever_pieces(content: bytes, piece: int) -> None:
    body, headers = form(file=("a.jpg", content, "image/jpeg"), opacity="0.25")
    chunks = [body[start : start + piece] for start in range(0, len(body), piece)]
    assert read(chunks, headers) == Upload(content, 0.25)


def test_unknown_fields_are_dropped_however_large_within_the_cap() -> None:
    body, headers = form(file=("a.jpg", b"picture", "image/jpeg"), comment="x" * 50_000)
    assert read([body], headers).content == b"picture"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"picture": ("a.jpg", b"x", "image/jpeg")}, 422),
        ({"file": ("a.jpg", b"", "image/jpeg")}, 422),
        ({"file": ("a.jpg", b"x", "image/jpeg"), "opacity": "2"}, 422),
        ({"file": ("a.jpg", b"x", "image/jpeg"), "opacity": "nan"}, 422),
        ({"file": ("a.jpg", b"x", "image/jpeg"), "opacity": "much"}, 422),
        ({"file": ("a.jpg", b"x", "image/jpeg"), "opacity": "0" * 100}, 422),
        ({"file": ("a.jpg", b"x" * (MAX_BYTES + 1), "image/jpeg")}, 413),
    ],
)
def test_wrong_forms(fields: dict[str, object], status: int) -> None:
    body, headers = form(**fields)
    assert refused([body], headers).status == status


def test_a_picture_of_exactly_the_cap_is_taken() -> None:
    body, headers = form(file=("a.jpg", b"x" * MAX_BYTES, "image/jpeg"))
    assert len(read([body], headers).content) == MAX_BYTES


def test_two_files_are_refused_as_one_would_be_lost() -> None:
    request = httpx.Request("POST", "http://testserver", files=[("file", ("a", b"1")), ("file", ("b", b"2"))])
    assert refused([request.read()], dict(request.headers)).status == 400


def test_many_fields_and_long_headers_are_refused() -> None:
    body, headers = form(**{f"field{number}": "x" for number in range(20)}, file=("a", b"x", "image/png"))
    assert refused([body], headers).status == 400
    body, headers = form(file=("a" * 10_000, b"x", "image/png"))
    assert refused([body], headers).status == 400


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "image/jpeg",
        "multipart/form-data",
        "multipart/mixed; boundary=x",
        f"multipart/form-data; boundary={'x' * 90}",
    ],
)
def test_other_content_types_are_refused(content_type: str) -> None:
    assert refused([b"x"], {"content-type": content_type}).status == 415


def test_a_declared_size_is_refused_before_a_byte_is_read() -> None:
    headers = {"content-type": "multipart/form-data; boundary=x", "content-length": str(10**10)}
    assert refused([], headers, pause_s=10.0).status == 413


def test_an_undeclared_size_is_cut_off() -> None:
    """However well-formed: a field that nobody keeps is counted like any other."""
    head = b'--x\r\ncontent-disposition: form-data; name="comment"\r\n\r\n'
    taken: list[int] = []

    def endless() -> Iterator[bytes]:
        yield head
        for number in range(10 * (MAX_BYTES + OVERHEAD_BYTES) // 1000):
            taken.append(number)
            yield b"a" * 1000

    assert refused(endless(), {"content-type": "multipart/form-data; boundary=x"}).status == 413
    assert len(taken) <= (MAX_BYTES + OVERHEAD_BYTES) // 1000 + 2, "it reads no further"


def test_a_slow_body_is_given_up() -> None:
    body, headers = form(file=("a.jpg", b"x" * 100, "image/jpeg"))
    chunks = [body[start : start + 1] for start in range(len(body))]
    assert refused(chunks, headers, pause_s=0.05, within_s=0.2).status == 408


def test_a_form_that_ends_early_is_refused() -> None:
    body, headers = form(file=("a.jpg", b"x" * 100, "image/jpeg"))
    for end in (10, len(body) // 2, len(body) - 10):
        assert refused([body[:end]], headers).status == 400
