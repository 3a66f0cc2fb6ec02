"""The key of a run: whoever holds it can subtract the noise, so it is as private as the data.

It comes from the operating system, lies in the state folder (never beside the weights) in
a file that only its owner can read, and is destroyed when the run ends.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import NoReturn

from discreet.errors import RunKeyError
from discreet.privacy.randomness import KEY_BYTES, Stream, derive
from discreet.privacy.secret_files import destroy_secret, read_secret, write_secret

KEY_FILE = "run.key"
_PRIVATE_HEADER = b"discreet run key\n"
_TEST_HEADER = b"discreet test key: protects nothing\n"


class RunKey:
    """The secret from which a run's sample and noise derive; *SENSITIVE*.

    **Guarantees**: never printed, copied or pickled; refused when another user could read
    it; unusable once destroyed. A *test key* comes from a seed that anyone can guess: it
    makes a run repeatable, and the run's statement then says that it is not private.
    """

    __slots__ = ("_path", "_secret", "is_test")

    def __init__(self, secret: bytes, *, is_test: bool, path: Path | None = None) -> None:
        if len(secret) != KEY_BYTES:
            raise RunKeyError(f"a run key has {KEY_BYTES} bytes, not {len(secret)}; start a new run")
        self._secret: bytearray | None = bytearray(secret)
        self._path = path
        self.is_test = is_test

    @classmethod
    def create(cls, folder: Path, *, test_seed: int | None = None) -> RunKey:
        """Draw a new key and store it in `folder`; a `test_seed` makes it a test key.

        Raises:
            RunKeyError: the folder already holds a key.
        """
        secret = secrets.token_bytes(KEY_BYTES) if test_seed is None else _test_secret(test_seed)
        path = folder / KEY_FILE
        header = _PRIVATE_HEADER if test_seed is None else _TEST_HEADER
        try:
            write_secret(path, header + secret)
        except FileExistsError:
            raise RunKeyError(f"{path} exists: resume its run, or give the new run another name") from None
        return cls(secret, is_test=test_seed is not None, path=path)

    @classmethod
    def load(cls, folder: Path) -> RunKey:
        """Read the key of a run that is to go on.

        Raises:
            RunKeyError: missing, damaged, or within reach of another user.
        """
        path = folder / KEY_FILE
        content = read_secret(path, RunKeyError)
        for header, is_test in ((_PRIVATE_HEADER, False), (_TEST_HEADER, True)):
            if content.startswith(header) and len(content) == len(header) + KEY_BYTES:
                return cls(content[len(header) :], is_test=is_test, path=path)
        raise RunKeyError(f"{path} is not a whole run key: its run cannot go on; start a new one")

    @classmethod
    def for_tests(cls, seed: int) -> RunKey:
        """A key anyone can guess, in memory only: for tests and repeatable benchmarks."""
        return cls(_test_secret(seed), is_test=True)

    @property
    def identity(self) -> str:
        """A public name of this key, which tells nothing about it (16 hexadecimal digits)."""
        return derive(self._bytes(), "identity", 0, "").hex()[:16]

    def stream(self, purpose: str, step: int, name: str = "") -> Stream:
        """The random numbers of one purpose, step and name; the same ones at every call."""
        return Stream(derive(self._bytes(), purpose, step, name))

    def destroy(self) -> None:
        """Overwrite and remove the stored key, and forget it; a second call does nothing."""
        if self._path is not None:
            destroy_secret(self._path)
        if self._secret is not None:
            self._secret[:] = bytes(KEY_BYTES)
        self._secret = None

    def _bytes(self) -> bytes:
        """The secret itself, while it exists."""
        if self._secret is None:
            raise RunKeyError("this run's key has been destroyed: the run is over; start a new one")
        return bytes(self._secret)

    def __repr__(self) -> str:
        return f"RunKey({'test' if self.is_test else 'private'})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise RunKeyError("a run key is never copied or pickled; give each process the state folder instead")


def _test_secret(seed: int) -> bytes:
    """The secret of a test key."""
    return hashlib.sha256(f"discreet test key {seed}".encode()).digest()
