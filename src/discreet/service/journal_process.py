"""The journal's writer as the service holds it: a process, the socket to it, and who waits for which line."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from discreet.errors import JournalError

READY_WITHIN_S = 20.0
WRITTEN_WITHIN_S = 10.0
ENDED_WITHIN_S = 20.0
_GONE = "the journal's writer has ended; see the log, it is started again"
# All else that the service's environment holds stays with the service.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "HOME", "VIRTUAL_ENV")


class WriterProcess(asyncio.Protocol):
    """One process, until it ends.

    Args:
        folder, keys: absolute paths.
        days: how long lines are kept.

    Raises:
        JournalError: it did not start; says why.
    """

    def __init__(self, folder: Path, keys: Path, days: int) -> None:
        self._socket, theirs = socket.socketpair()
        command = [sys.executable, "-m", "discreet.service.journal_writer", str(theirs.fileno())]
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(folder), str(keys), str(days)], pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL,
                start_new_session=True, env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip
        self._failure = ""
        self._received = b""
        self._sent = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._attaching: asyncio.Task[asyncio.WriteTransport] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._lost: Callable[[str], None] = lambda why: None
        self._await_ready()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def healthy(self) -> bool:
        """Whether it lives and has failed nobody."""
        return not self._failure and self._process.poll() is None

    def attach(self, lost: Callable[[str], None]) -> None:
        """Hand the socket to the running loop, once.

        Args:
            lost: called once with the reason when nothing is written any more.

        Raises:
            RuntimeError: no loop runs.
        """
        if self._attaching is None:
            loop = asyncio.get_running_loop()
            self._lost = lost
            self._attaching = loop.create_task(self._attach(loop))

    async def write(self, message: bytes) -> None:
        """Send one line, and wait until it is on the disk.

        Raises:
            JournalError: it may not be.
        """
        if not self.healthy or self._attaching is None:
            raise JournalError(self._failure or _GONE)
        transport = self._transport or await asyncio.shield(self._attaching)
        self._sent += 1
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._sent, written))
        transport.write(message)
        try:
            async with asyncio.timeout(WRITTEN_WITHIN_S):
                await written
        except TimeoutError:
            self._fail(f"the journal's disk took longer than {WRITTEN_WITHIN_S:g} s")
            raise JournalError(self._failure) from None

    async def close(self) -> None:
        """Let it finish what it has taken, and end.

        Raises:
            JournalError: it was well, and then could not finish.
        """
        was_healthy = self.healthy
        self._lost = lambda why: None
        if self._attaching is None:
            self._socket.close()
        else:
            transport = await self._attaching
            if not transport.is_closing():
                transport.write_eof()
        try:
            code = await asyncio.to_thread(self._process.wait, ENDED_WITHIN_S)
        except subprocess.TimeoutExpired:
            code = None
        await self.kill()
        if was_healthy and code != 0:
            raise JournalError("the journal's writer failed as it ended; run discreet journal verify")

    async def kill(self) -> None:
        """End it at once, if it has not ended."""
        if self._transport is not None:
            self._transport.close()
        if self._process.poll() is None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def data_received(self, data: bytes) -> None:
        """What it says."""
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            said: dict[str, Any] = json.loads(line)
            if "failed" in said:
                self._fail(said["failed"])
            while self._waiting and self._waiting[0][0] <= said.get("written", 0):
                _, written = self._waiting.popleft()
                if not written.done():
                    written.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone: whoever waits learns it now."""
        self._fail(_GONE)

    def _fail(self, why: str) -> None:
        """Nothing is written any more."""
        if self._failure:
            return
        self._failure = why
        for _, written in self._waiting:
            if not written.done():
                written.set_exception(JournalError(why))
        self._waiting.clear()
        if self._transport is not None:
            self._transport.close()
        self._lost(why)

    async def _attach(self, loop: asyncio.AbstractEventLoop) -> asyncio.WriteTransport:
        transport, _ = await loop.create_unix_connection(lambda: self, sock=self._socket)
        self._transport = transport
        return transport

    def _await_ready(self) -> None:
        """Wait for its first words."""
        self._socket.settimeout(READY_WITHIN_S)
        try:
            line = self._socket.recv(1 << 16)
        except OSError:
            line = b""
        said: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
        if not said.get("ready"):
            self._socket.close()
            self._process.kill()
            self._process.wait()
            raise JournalError(said.get("failed", "the journal's writer did not start; its reason is above, if any"))
