"""The event loop, with less patience for TLS handshakes than the minute it has by default."""

from __future__ import annotations

import asyncio
from typing import Any

import uvloop

HANDSHAKE_WITHIN_S = 10.0


class PromptLoop(uvloop.Loop):
    """Hangs up on whoever connects and does not get through the handshake in time: nothing else counts them yet."""

    async def create_server(self, *arguments: Any, **options: Any) -> asyncio.AbstractServer:  # pyright: ignore[reportIncompatibleMethodOverride]
        if options.get("ssl") is not None:
            options.setdefault("ssl_handshake_timeout", HANDSHAKE_WITHIN_S)
        return await super().create_server(*arguments, **options)
