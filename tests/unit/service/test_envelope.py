"""What the outermost layer takes from a client: nothing that it could say something with."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.responses import PlainTextResponse

from discreet.service.envelope import Envelope
from discreet.service.metrics import Metrics

UUID = "0b9cf4a2-9f0e-4b8e-8f0e-3f4f5a6b7c8d"


async def answered_id(given: str, *, trusted: bool) -> str:
    app = Envelope(PlainTextResponse("here"), metrics=Metrics(), hosts=(), tls=True, trust_request_ids=trusted)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://here") as client:
        answer = await client.get("/", headers={"X-Request-ID": given})
    return answer.headers["x-request-id"]


@pytest.mark.parametrize("given", [UUID, UUID.replace("-", "")])
def test_ids_of_a_proxy_are_kept(given: str) -> None:
    assert asyncio.run(answered_id(given, trusted=True)) == given
    assert asyncio.run(answered_id(given, trusted=False)) != given


@pytest.mark.parametrize("given", ["Jane-Doe-1980-01-31", "0" * 31, UUID.upper(), ""])
def test_words_of_a_client_are_not(given: str) -> None:
    """Proxies hand on what clients send."""
    made = asyncio.run(answered_id(given, trusted=True))
    assert made != given
    assert len(made) == 32


async def status_for_host(host: str) -> int:
    hosts = ("my_parser", "here")
    app = Envelope(PlainTextResponse("here"), metrics=Metrics(), hosts=hosts, tls=True, trust_request_ids=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://here") as client:
        return (await client.get("/", headers={"Host": host})).status_code


@pytest.mark.parametrize(
    ("host", "status"),
    [("my_parser", 200), ("MY_PARSER:8443", 200), ("here", 200), ("your_parser", 421), ("my parser", 400)],
)
def test_hosts_may_have_an_underscore(host: str, status: int) -> None:
    """Containers are often named so."""
    assert asyncio.run(status_for_host(host)) == status
