"""Entries and open journals for tests."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from discreet.errors import JournalError
from discreet.service.journal import Journal
from discreet.service.journal_book import Book
from discreet.service.journal_check import export_lines
from discreet.service.journal_keys import JournalKeys
from discreet.service.journal_lines import Entry

DAY_S = 86400
NOVEMBER = 1_795_000_000.0  # 2026-11-18


def entry(number: int, **changes: Any) -> Entry:
    fields: dict[str, Any] = {
        "request_id": f"request-{number:06d}", "route": "/predict", "status": 200, "subject": "ada",
        "token_id": f"token-{number}", "source": "192.0.2.7", "bytes_in": 123_457, "pixels": 300_000, "faces": 2,
        "model": "ab" * 32, "policy": "faces=mask/solid side=0 smooth=0 labels=0", "milliseconds": 81.4, "reason": "",
    }  # fmt: skip
    return Entry(**{**fields, **changes})


def fields_of(first: int, count: int, **changes: Any) -> list[dict[str, Any]]:
    return [asdict(entry(number, **changes)) for number in range(first, first + count)]


class Clock:
    """Goes when told to."""

    def __init__(self, now: float = NOVEMBER) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def open_book(folder: Path, clock: Callable[[], float] | None = None, days: int = 30, keys: Path | None = None) -> Book:
    return Book(folder, JournalKeys(keys or folder.with_name("keys")), days=days, clock=clock or Clock())


def do_chores(book: Book) -> None:
    """Everything that is due, now."""
    book._retention_due = 0
    while book.chores():
        pass


def written(folder: Path, lines: int = 30, checkpoint_every: int = 10) -> Path:
    """A closed journal: lines, and a checkpoint every so often; the last lines come after the last of them."""
    book = open_book(folder)
    for first in range(0, lines, checkpoint_every):
        book.append(fields_of(first, min(checkpoint_every, lines - first)))
        book.checkpoint()
    book.append(fields_of(lines, 5))
    book._lines_since = 0  # as a crash leaves it: without a last checkpoint
    book.close()
    return folder


def change(folder: Path, *statements: str | tuple[str, tuple[Any, ...]]) -> None:
    """Plant a fault."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as database, database:
        for statement in statements:
            text, values = (statement, ()) if isinstance(statement, str) else statement
            database.execute(text, values)


def request_ids(folder: Path) -> list[str]:
    return [line["request_id"] for line in export_lines(folder)]


async def write_until_it_fails(journal: Journal, first: int, acknowledged: list[str]) -> JournalError:
    """One client; says why it had to stop."""
    for number in range(first, first + 100_000):
        try:
            await journal.write(entry(number))
        except JournalError as problem:
            return problem
        acknowledged.append(f"request-{number:06d}")
    raise AssertionError("it never failed")


async def until_healthy(journal: Journal) -> None:
    async with asyncio.timeout(20):
        while not journal.healthy:
            await asyncio.sleep(0.02)
