"""The application's paths, without its workers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from discreet.errors import WeightsError
from discreet.service.app import build_app
from discreet.service.serve import serve
from discreet.service.settings import read_settings


async def ask(state: Path, method: str, path: str) -> httpx.Response:
    app = build_app(read_settings({"open": True}, {}), state)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        return await client.request(method, path)


@pytest.mark.parametrize(("method", "path"), [("POST", "/predict/"), ("GET", "/healthz/"), ("GET", "/openapi.json/")])
def test_a_slash_too_many_leads_nowhere(tmp_path: Path, method: str, path: str) -> None:
    answer = asyncio.run(ask(tmp_path, method, path))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "location" not in answer.headers


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json"])
def test_head_is_answered_like_get(tmp_path: Path, path: str) -> None:
    got, head = (asyncio.run(ask(tmp_path, method, path)) for method in ("GET", "HEAD"))
    assert head.status_code == got.status_code == 200
    assert head.headers["content-length"] == got.headers["content-length"]
    assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"), [("HEAD", "/predict", "POST"), ("POST", "/healthz", "GET, HEAD")]
)
def test_methods_that_are_not_known_are_told_those_that_are(
    tmp_path: Path, method: str, path: str, allowed: str
) -> None:
    answer = asyncio.run(ask(tmp_path, method, path))
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_a_model_that_is_not_there_is_told_before_anything_is_made(tmp_path: Path) -> None:
    settings, said = read_settings({"open": True, "model": "nowhere", "port": 0, "allow_swap": True}, {}), list[str]()
    with pytest.raises(WeightsError, match="nor a shipped model"):
        serve(settings, tmp_path / "service", said.append, lambda news: None)
    assert said == []
    assert not (tmp_path / "service").exists()
