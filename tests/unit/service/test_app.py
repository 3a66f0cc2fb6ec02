"""The application's paths, without its workers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from discreet.service.app import build_app
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
