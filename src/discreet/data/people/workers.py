"""Processes that work off a list of jobs; they end when told, and when whoever started them ends."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from discreet.errors import DataError
from discreet.processes import process_pool

Job = TypeVar("Job")

# Enough that no worker waits for its next job, few enough that stopping is quick and memory flat.
_AHEAD = 2


def work_off(do: Callable[[Job], None], jobs: Iterable[Job], workers: int) -> Generator[None]:
    """Do all jobs, in any order; one result for each that is done.

    When the iteration is left, jobs that have begun are finished and no other begins.

    Raises:
        DataError: a worker was killed.
    """
    if workers == 1:
        yield from map(do, jobs)
        return
    waiting = iter(jobs)
    pool = process_pool(workers)
    try:
        with _interrupts_held_back():
            running = {pool.submit(do, job) for job in islice(waiting, _AHEAD * workers)}
        while running:
            done: set[Future[None]]
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                yield
            running |= {pool.submit(do, job) for job in islice(waiting, len(done))}
    except BrokenProcessPool:
        raise DataError(
            "a worker was killed, perhaps for want of memory; go on with --resume and fewer workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal; those started here inherit that they do not hear it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
