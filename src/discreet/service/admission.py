"""Who may come in: so many at once, so many a minute, and nobody waits unseen."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from discreet.errors import ConfigurationError
from discreet.service.metrics import Metrics
from discreet.service.problems import Problem, busy

# Wrong tokens from one address in a minute; more are refused without being looked at.
WRONG_TOKENS = parse("30/minute")
# Refusals of one subject in a minute that are written down, where they cost it nothing.
NOTED_REFUSALS = parse("30/minute")
# What such a refusal is called. It gets no line in the journal, which a flood would fill.
FLOOD = "flood"


# Pictures that are sent at the same time; each takes memory up to the largest upload.
UPLOADS = 64


class Admission:
    """A bounded number of requests inside; the next is refused at once. Who sends slowly keeps nobody else out.

    Args:
        at_once: requests that are parsed together.
        queue: requests that may wait for these.
        metrics: shows both.
    """

    def __init__(self, at_once: int, queue: int, metrics: Metrics) -> None:
        self._at_once = at_once
        self._places = at_once + queue
        self._metrics = metrics
        self._inside = 0
        self._uploading = 0

    @asynccontextmanager
    async def upload(self) -> AsyncIterator[None]:
        """Send a picture, before there is a place for it.

        Raises:
            Problem: 503; all places are taken anyway, or too many are sending.
        """
        self._check_places()
        if self._uploading >= UPLOADS:
            raise busy(f"{UPLOADS} pictures are being sent already; try again", 1)
        self._uploading += 1
        try:
            yield
        finally:
            self._uploading -= 1

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Hold a place.

        Raises:
            Problem: 503; all places are taken.
        """
        self._check_places()
        self._inside += 1
        self._show()
        try:
            yield
        finally:
            self._inside -= 1
            self._show()

    def _check_places(self) -> None:
        if self._inside >= self._places:
            wait_s = max(1, round(self._places * 0.5 / self._at_once))
            raise busy(f"{self._places} requests are already inside; try again", wait_s)

    def _show(self) -> None:
        self._metrics.parsing.set(min(self._inside, self._at_once))
        self._metrics.waiting.set(max(0, self._inside - self._at_once))


def neighbourhood(address: str) -> str:
    """The addresses that one client can have: an IPv6 network of 64 bits, or the address itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else address


class Rate:
    """So many requests of one subject in a moving window.

    Args:
        limit: such as "120/minute".

    Raises:
        ConfigurationError: the limit makes no sense.
    """

    def __init__(self, limit: str) -> None:
        try:
            self._limit = parse(limit)
        except ValueError:
            raise ConfigurationError(f"rate is {limit!r}; write it like 120/minute or 5/second") from None
        if self._limit.amount < 1:
            raise ConfigurationError(f"rate is {limit!r}, which lets nobody in; give at least 1, e.g. 120/minute")
        self._window = MovingWindowRateLimiter(MemoryStorage())

    async def take(self, who: str) -> dict[str, str]:
        """Count one request; the headers that say how many are left.

        Raises:
            Problem: 429.
        """
        return await self._take(self._limit, "requests", who)

    async def take_wrong_token(self, address: str) -> None:
        """Count one wrong token.

        Raises:
            Problem: 429.
        """
        try:
            await self._take(WRONG_TOKENS, "tokens", neighbourhood(address))
        except Problem as problem:
            raise Problem(429, FLOOD, "too many requests without a valid token; wait", problem.headers) from None

    async def is_noted(self, who: str) -> bool:
        """Count one refusal; whether it is still one of those that get a line in the journal."""
        return await self._window.hit(NOTED_REFUSALS, "refusals", who)

    async def _take(self, limit: RateLimitItem, what: str, who: str) -> dict[str, str]:
        allowed = await self._window.hit(limit, what, who)
        window = await self._window.get_window_stats(limit, what, who)
        reset_s = max(1, round(window.reset_time - time.time()))
        headers = {
            "RateLimit-Limit": str(limit.amount),
            "RateLimit-Remaining": str(window.remaining),
            "RateLimit-Reset": str(reset_s),
        }
        if not allowed:
            raise Problem(
                429, "rate", f"more than {limit}; wait and send fewer", headers | {"Retry-After": str(reset_s)}
            )
        return headers
