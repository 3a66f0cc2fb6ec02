"""The processes that parse, seen from the service: asked, watched, replaced when they die."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from discreet.errors import ConfigurationError
from discreet.service import logs, messages
from discreet.service.problems import Problem, busy
from discreet.service.settings import ServiceSettings

READY_WITHIN_S = 120
LONGEST_PAUSE_S = 5.0
# All else that the parent's environment holds, keys included, stays with the parent.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "HOME", "VIRTUAL_ENV")


@dataclass(eq=False)
class Worker:
    """One process and the socket to it."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    described: dict[str, Any] = field(default_factory=dict)

    async def ask(self, header: Mapping[str, Any], body: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """One question, one answer."""
        self.writer.write(messages.pack(header, body))
        await self.writer.drain()
        return await messages.receive_async(self.reader)

    async def end(self) -> None:
        """Kill it: what it held of a picture goes with it."""
        self.writer.close()
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


class WorkerPool:
    """So many workers, each parsing one picture at a time.

    Args:
        settings: of the service.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.num_workers = settings.workers or max(1, cores // 2)
        self._threads = settings.threads or max(1, cores // self.num_workers)
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._alive: set[Worker] = set()
        self._repairs: set[asyncio.Task[None]] = set()
        self.described: dict[str, Any] = {}
        self.restarts = 0

    @property
    def num_alive(self) -> int:
        """Workers that are ready or parsing."""
        return len(self._alive)

    async def start(self) -> None:
        """Start all workers, and wait until they are ready.

        Raises:
            ConfigurationError: one could not load what it needs; says why.
        """
        started = await asyncio.gather(*(self._start_one() for _ in range(self.num_workers)), return_exceptions=True)
        for worker in started:
            if isinstance(worker, Worker):
                self._take_in(worker)
        for problem in started:
            if isinstance(problem, BaseException):
                await self.close()
                raise problem
        self.described = next(iter(self._alive)).described

    async def run(self, header: Mapping[str, Any], body: bytes, deadline: float) -> tuple[dict[str, Any], bytes]:
        """Have one picture parsed.

        Args:
            header: of the request.
            body: the picture's file. *SENSITIVE*
            deadline: on the loop's clock.

        Raises:
            Problem: no worker was free or done in time, or the worker died.
        """
        try:
            async with asyncio.timeout_at(deadline):
                worker = await self._idle.get()
        except TimeoutError:
            raise busy("no worker became free in time; try again", self.expected_wait_s(1)) from None
        try:
            async with asyncio.timeout_at(deadline):
                answer = await worker.ask(header, body)
        except TimeoutError:
            self._replace(worker)
            raise busy("parsing took too long and was stopped; try a smaller picture", 1) from None
        except (asyncio.IncompleteReadError, OSError, ValueError):
            self._replace(worker)
            raise Problem(
                503, "worker", "the process that parsed was lost; send it again", {"Retry-After": "1"}
            ) from None
        except asyncio.CancelledError:
            self._replace(worker)  # it would answer the next question with this one's answer
            raise
        self._idle.put_nowait(worker)
        return answer

    def expected_wait_s(self, waiting: int) -> int:
        """A guess for Retry-After: half a second a picture."""
        return max(1, round(waiting * 0.5 / self.num_workers))

    async def close(self) -> None:
        """End all workers."""
        for repair in self._repairs:
            repair.cancel()
        await asyncio.gather(*(worker.end() for worker in self._alive), return_exceptions=True)
        self._alive.clear()

    def _take_in(self, worker: Worker) -> None:
        """A ready worker joins the others; its death is noticed also while it is idle."""
        self._alive.add(worker)
        self._idle.put_nowait(worker)
        self._keep(asyncio.create_task(self._watch(worker)))

    async def _watch(self, worker: Worker) -> None:
        """Replace a worker that dies while nobody asks it."""
        await worker.process.wait()
        self._replace(worker)

    def _replace(self, worker: Worker) -> None:
        """End a worker and start another, once."""
        if worker not in self._alive:
            return
        self._alive.discard(worker)
        for _ in range(self._idle.qsize()):
            if (other := self._idle.get_nowait()) is not worker:
                self._idle.put_nowait(other)
        self._keep(asyncio.create_task(self._repair(worker)))

    async def _repair(self, lost: Worker) -> None:
        """Start another worker, again and again until one is ready."""
        await lost.end()
        self.restarts += 1
        logs.event("worker lost", level="warning")
        pause_s = 0.1
        while True:
            try:
                self._take_in(await self._start_one())
                return
            except ConfigurationError as problem:
                logs.event("worker did not start", level="error", reason=str(problem))
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _keep(self, task: asyncio.Task[None]) -> None:
        """Hold a task until it is done."""
        self._repairs.add(task)
        task.add_done_callback(self._repairs.discard)

    async def _start_one(self) -> Worker:
        """A process that has loaded everything."""
        ours, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        # Waiting threads sleep: beside other workers, spinning costs more than it gains.
        environment |= {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONDONTWRITEBYTECODE": "1"}
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "discreet.service.worker", str(theirs.fileno())),
                pass_fds=(theirs.fileno(),), env=environment, stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=1 << 20)
        worker = Worker(process, reader, writer)
        settings = self._settings.model_dump(mode="json")
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                header, _ = await worker.ask({"settings": settings, "threads": self._threads})
        except (TimeoutError, asyncio.IncompleteReadError, OSError, ValueError):
            await worker.end()
            raise ConfigurationError(
                "a worker ended before it was ready; its reason is above, if it gave one"
            ) from None
        except asyncio.CancelledError:
            await worker.end()
            raise
        if "failed" in header:
            await worker.end()
            raise ConfigurationError(header["failed"])
        worker.described = header["ready"]
        return worker
