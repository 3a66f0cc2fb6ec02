"""The journal, seen from the service: a line for each request, on the disk before the request is answered."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from discreet.errors import JournalError
from discreet.service import logs
from discreet.service.journal_check import Report, export_lines, verify
from discreet.service.journal_lines import Entry
from discreet.service.journal_process import WriterProcess

__all__ = ["Entry", "Journal", "Report", "export_lines", "verify"]

RESTART_AFTER_S = 5.0
KEYS_FOLDER = "keys"


class Journal:
    """Keeps a process that writes; without it nothing is written, and nothing must be answered.

    Make it where a loop runs, so that it notices a death while it is idle.

    Args:
        folder: of the journal; made 0700 if it is not there.
        days: how long lines are kept.
        keys: folder of its keys; by default inside the journal's.

    Raises:
        JournalError: the writer did not start; says why.
    """

    def __init__(self, folder: Path, *, days: int, keys: Path | None = None) -> None:
        self._where = (folder.absolute(), (keys or folder / KEYS_FOLDER).absolute(), days)
        self._writer = WriterProcess(*self._where)
        self._closed = False
        self._restarting: asyncio.Task[None] | None = None
        with suppress(RuntimeError):  # no loop yet: the first line attaches it
            self._writer.attach(self._lost)

    @property
    def healthy(self) -> bool:
        """Whether a line would be written now."""
        return not self._closed and self._writer.healthy

    async def write(self, entry: Entry) -> None:
        """Write a line; it is on the disk when this returns.

        Args:
            entry: the request. *SENSITIVE*

        Raises:
            JournalError: it may not be on the disk; the request must not be answered.
        """
        message = entry.message()
        if self._closed:
            raise JournalError("the journal is closed; start the service again")
        self._writer.attach(self._lost)
        await self._writer.write(message)

    async def close(self) -> None:
        """Let the writer finish what it has taken, and end.

        Raises:
            JournalError: it was well, and then could not finish.
        """
        self._closed = True
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.gather(self._restarting, return_exceptions=True)
        await self._writer.close()

    def _lost(self, why: str) -> None:
        """Called once for each writer that is lost."""
        if not self._closed:
            logs.event("journal lost, nothing is answered", level="error", reason=why)
            self._restarting = asyncio.create_task(self._restart())

    async def _restart(self) -> None:
        """Start another writer, again and again until one is ready: a disk may have room again."""
        await self._writer.kill()
        while True:
            await asyncio.sleep(RESTART_AFTER_S)
            starting = asyncio.create_task(asyncio.to_thread(WriterProcess, *self._where))
            try:
                self._writer = await asyncio.shield(starting)
            except JournalError as problem:
                logs.event("journal did not start", level="error", reason=str(problem))
                continue
            except asyncio.CancelledError:
                with suppress(JournalError):
                    self._writer = await starting  # closed by `close`
                raise
            self._writer.attach(self._lost)
            logs.event("journal is written again")
            return
