"""Processes that work for the one that started them, and end with it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import Any


def process_pool(workers: int, begin: Callable[..., object] | None = None, *given: Any) -> ProcessPoolExecutor:
    """A pool whose processes are started afresh: one with threads, or with an accelerator, cannot be forked.

    If the process that called this is killed, they end, too: it cannot tell them to, and they would finish what they
    have begun, beside whoever goes on with it, and then wait for more for ever.

    Args:
        workers: how many processes.
        begin: called in each of them first, with `given`.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, _begin_with_whoever_started, (begin, given))


def _begin_with_whoever_started(begin: Callable[..., object] | None, given: tuple[Any, ...]) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()
    if begin is not None:
        begin(*given)


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
