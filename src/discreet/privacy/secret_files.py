"""Files that only their owner may read: written whole or not at all, and removed with care."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from discreet.errors import PrivacyError


def write_secret(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600 in a folder made 0700, complete on the disk before it has its name.

    Raises:
        FileExistsError: the path is taken, perhaps by another process just now.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()
    sync_folder(path.parent)


def read_secret(path: Path, error: type[PrivacyError]) -> bytes:
    """Read a secret file after making sure that nobody else can read or replace it.

    Raises:
        error: the file is missing, not a plain file of the user's, or within others' reach.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise error(f"{path} is missing, and what it protected cannot go on; bring it back, or begin anew") from None
    except OSError as problem:
        raise error(f"{path} cannot be opened ({problem.strerror}): make it a plain file of your own") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077 or status.st_uid != os.geteuid():
            raise error(
                f"{path} has mode {mode:04o}; it must be 0600 and yours: whoever read it can undo the protection, "
                "so begin anew, or run chmod 600 on it if nobody has"
            )
        if path.parent.stat().st_mode & 0o022:
            raise error(f"{path.parent} can be changed by other users: run chmod 700 on it")
        return file.read()


def destroy_secret(path: Path) -> None:
    """Overwrite a secret file on the disk and remove it; a missing file is no error.

    Overwriting is an effort, not a proof: a flash disk may keep the old cells. A state
    folder on an encrypted disk closes that gap.
    """
    if not path.exists():
        return
    with path.open("r+b") as file:
        file.write(secrets.token_bytes(os.fstat(file.fileno()).st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the folder's list of files is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
