"""`POST /predict` where things go wrong: its line in the real journal, and what the client is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from discreet.service.admission import Admission, Rate
from discreet.service.app import build_app
from discreet.service.context import Service
from discreet.service.journal import Journal, export_lines, verify
from discreet.service.metrics import Metrics
from discreet.service.settings import read_settings
from discreet.service.workers import WorkerPool

Answer = tuple[dict[str, Any], bytes]


class AnsweringPool(WorkerPool):
    """Workers whose answer is given: what goes wrong in one cannot be ordered from a real one."""

    def __init__(self, answer: Answer | Exception) -> None:
        super().__init__(read_settings({"workers": 1}, {}))
        self._answer = answer
        self.described = {"digest": "ab" * 32}

    async def run(self, *_: object) -> Answer:
        """That answer."""
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def with_service(state: Path, answer: Answer | Exception, ask: Callable[[FastAPI], Awaitable[Any]]) -> Any:
    """What comes back from an application with a journal of its own."""

    async def run() -> Any:
        settings, metrics = read_settings({"open": True}, {}), Metrics()
        app, journal = build_app(settings, state), Journal(state / "journal", days=30)
        app.state.service = Service(
            settings=settings, verifier=None, journal=journal, pool=AnsweringPool(answer), metrics=metrics,
            admission=Admission(1, 1, metrics), rate=Rate(settings.rate), page={},
        )  # fmt: skip
        try:
            return await ask(app)
        finally:
            await journal.close()

    return asyncio.run(run())


async def post(app: FastAPI) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        return await client.post("/predict", files={"file": ("a.jpg", b"bytes of a picture")})


def lines(state: Path) -> list[tuple[int, str, str]]:
    assert verify(state / "journal").intact
    return [(line["status"], line["reason"], line["request_id"]) for line in export_lines(state / "journal")]


def test_an_error_that_nobody_foresaw_leaves_a_line_and_tells_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = with_service(tmp_path, RuntimeError("Jane Doe's picture"), post)
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:discreet:problem:internal"
    assert lines(tmp_path) == [(500, "internal", answer.headers["x-request-id"])]
    log = capsys.readouterr().err
    assert log.count("unforeseen error") == 1
    assert "RuntimeError" in log
    assert "Jane" not in log + answer.text


def test_an_upload_that_is_broken_off_leaves_no_line(tmp_path: Path) -> None:
    sent: list[Message] = []

    async def break_off(app: FastAPI) -> None:
        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"host", b"here"), (b"content-type", b"multipart/form-data; boundary=x")]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": "/predict", "raw_path": b"/predict", "root_path": "", "query_string": b"", "headers": headers,
            "client": ("192.0.2.7", 1), "server": ("here", 80),
        }  # fmt: skip
        await app(scope, receive, send)

    with_service(tmp_path, RuntimeError(), break_off)
    assert sent == []
    assert lines(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "kind", "later"),
    [(503, "failed", "1"), (503, "faces", "1"), (422, "faces", None), (422, "picture", None)],
)
def test_who_may_try_again_is_told_when(tmp_path: Path, status: int, kind: str, later: str | None) -> None:
    answer = with_service(tmp_path, ({"status": status, "kind": kind, "detail": ""}, b""), post)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:discreet:problem:{kind}")
    assert answer.headers.get("retry-after") == later
    assert lines(tmp_path) == [(status, kind, answer.headers["x-request-id"])]
