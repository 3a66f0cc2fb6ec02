"""The process that writes the journal.

    python -m discreet.service.journal_writer DESCRIPTOR FOLDER KEYS DAYS

It reads lines of JSON, each the fields of an Entry, from the socket of that descriptor, and answers with lines of JSON:
`{"ready": true}` at first, `{"written": n}` when n lines are on the disk, `{"failed": why}` before it ends in trouble.
While one commit waits for the disk, the next lines gather: many requests share a commit. When the other side goes, it
writes what it has taken and ends.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from discreet.errors import DiscreetError
from discreet.service.journal_book import Book
from discreet.service.journal_keys import JournalKeys
from discreet.service.sealing import forbid_swap, seal_process

IDLE_S = 5.0
HEARD_WITHIN_S = 2.0
_READ_BYTES = 1 << 20


def main(descriptor: int, folder: Path, keys: Path, days: int) -> int:
    """Write until the other side goes; returns the exit code."""
    for name in (signal.SIGINT, signal.SIGTERM):  # to a whole group: the service ends first, and this after it
        signal.signal(name, signal.SIG_IGN)
    os.umask(0o077)
    seal_process(file_writes=True)
    forbid_swap(allow=True)  # whether it must not be is the service's to say; here it is locked where it can be
    with socket.socket(fileno=descriptor) as connection:
        try:
            book = Book(folder, JournalKeys(keys), days=days)
            _tell(connection, ready=True)
            _write(connection, book)
            book.close()
        except (DiscreetError, OSError, ValueError) as problem:
            text = str(problem) if isinstance(problem, DiscreetError) else f"{folder}: {type(problem).__name__}"
            _tell(connection, failed=text)
            _wait_until_heard(connection)
            return 1
    return 0


def _write(connection: socket.socket, book: Book) -> None:
    """Take lines and write them, until the other side goes."""
    rest, written, more = b"", 0, True
    while True:
        readable, _, _ = select.select([connection], [], [], 0 if more else IDLE_S)
        if readable:
            received = _receive(connection)
            if not received:
                return
            *lines, rest = (rest + received).split(b"\n")
            if lines:
                book.append([json.loads(line) for line in lines])
                written += len(lines)
                _tell(connection, written=written)
        more = book.chores()


def _receive(connection: socket.socket) -> bytes:
    """What has come; nothing once the other side has gone and all it sent was read, however it went."""
    try:
        return connection.recv(_READ_BYTES)
    except ConnectionResetError:
        return b""


def _wait_until_heard(connection: socket.socket) -> None:
    """Until the other side closes: ending with its lines unread would break the connection, and the reason be lost."""
    connection.settimeout(HEARD_WITHIN_S)
    with suppress(OSError):
        while connection.recv(_READ_BYTES):
            pass


def _tell(connection: socket.socket, **said: object) -> None:
    """One line back; what was taken is written whether or not somebody still listens."""
    with suppress(OSError):
        connection.sendall(json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
