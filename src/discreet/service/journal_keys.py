"""The journal's keys: one signs, one makes pseudonyms of persons, and one, new each month, those of addresses.

Whoever has a key of pseudonyms can test guesses. So the addresses' key of a month is destroyed when the month is over:
after that nobody, the operator included, can find out which address a line speaks of.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from discreet.errors import ConfigurationError
from discreet.private_files import destroy, private_folder, read_private, write_private
from discreet.signing import load_signing_key, own_signing_key, public_pem

JOURNAL_KEYS_FOLDER = "journal-keys"  # in the service's state, wherever the journal lies
SIGNING_FILE = "signing.pem"
PERSONS_FILE = "persons.key"
_KEY_BYTES = 32
_PSEUDONYM_CHARACTERS = 32


class JournalKeys:
    """Keys in a folder of mode 0700; they are made at first use.

    Args:
        folder: of the keys.

    Raises:
        ConfigurationError: a key is damaged, or within others' reach.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = private_folder(folder)
        self._signing = own_signing_key(folder / SIGNING_FILE)
        self._persons = self._secret(folder / PERSONS_FILE)
        self._month = ""
        self._addresses = b""

    @property
    def public(self) -> bytes:
        """The public half of the signing key, as PEM."""
        return public_pem(self._signing.public_key())

    def sign(self, content: bytes) -> bytes:
        """An Ed25519 signature."""
        return self._signing.sign(content)

    def person(self, kind: str, value: str) -> str:
        """A pseudonym that stays; empty for nobody."""
        return _pseudonym(self._persons, kind, value)

    def address(self, value: str, month: str) -> str:
        """A pseudonym of this month; empty for none."""
        self.begin_month(month)
        return _pseudonym(self._addresses, "address", value)

    def begin_month(self, month: str) -> None:
        """Load or make a month's key, and destroy those of all other months.

        Args:
            month: such as 2026-11.
        """
        if month == self._month:
            return
        path = self._folder / f"addresses-{month}.key"
        self._addresses = self._secret(path)
        self._month = month
        for other in self._folder.glob("addresses-*.key"):
            if other != path:
                destroy(other)

    def _secret(self, path: Path) -> bytes:
        """Loaded, or made."""
        if not path.exists():
            write_private(path, secrets.token_bytes(_KEY_BYTES))
        found = read_private(path)
        if len(found) != _KEY_BYTES:
            raise ConfigurationError(f"{path} has {len(found)} bytes instead of {_KEY_BYTES}; bring back a copy")
        return found


def public_half(folder: Path) -> Ed25519PublicKey | None:
    """What verifies signatures of the key in a folder; None where there is no key.

    Raises:
        ConfigurationError: the key is damaged, or within others' reach.
    """
    path = folder / SIGNING_FILE
    return load_signing_key(path).public_key() if path.exists() else None


def person_pseudonym(folder: Path, kind: str, value: str) -> str:
    """The pseudonym of a subject or token, by the keys in a folder: to answer what is known of somebody.

    Raises:
        ConfigurationError: there is no key, or it is within others' reach.
    """
    return _pseudonym(read_private(folder / PERSONS_FILE), kind, value)


def _pseudonym(key: bytes, kind: str, value: str) -> str:
    """HMAC-SHA256, cut to 128 bits; kinds do not meet."""
    if not value:
        return ""
    content = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
    return hmac.new(key, content, hashlib.sha256).hexdigest()[:_PSEUDONYM_CHARACTERS]
