"""Files that only the service's user may read: complete or not there at all, and removed with care."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from discreet.errors import ConfigurationError


def private_folder(folder: Path) -> Path:
    """Make a folder of mode 0700, or make sure that it is one.

    Raises:
        ConfigurationError: others can reach into it, or it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as problem:
        raise ConfigurationError(f"{folder} cannot be made ({problem.strerror}); name another folder") from None
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 or status.st_uid != os.geteuid():
        raise ConfigurationError(
            f"{folder} has mode {mode:04o}; it must be 0700 and yours: name a folder of its own, or run chmod 700 on it"
        )
    return folder


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600, replacing an older one: after a crash there is the old one or the new one, whole."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_private(path: Path) -> bytes:
    """Read a secret after making sure that nobody else could.

    Raises:
        ConfigurationError: it is missing, is not a plain file of the user's, or is within others' reach.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be read ({problem.strerror}); bring it back") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode) or mode & 0o077 or status.st_uid != os.geteuid():
            raise ConfigurationError(
                f"{path} has mode {mode:04o}; it must be a plain file, 0600 and yours: whoever read it may use it, "
                "so move it away to begin anew, or run chmod 600 on it if nobody has"
            )
        return file.read()


def destroy(path: Path) -> None:
    """Overwrite a secret on the disk and remove it; a missing file is no error.

    Overwriting is an effort, not a proof: a flash disk may keep the old cells. An encrypted disk closes that gap.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "wb") as file:
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


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Let one process at a time change what a folder holds."""
    descriptor = os.open(folder / ".lock", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
