"""Ed25519: keys in PEM files, and signatures beside what they sign.

FILE.sig holds the 64 bytes of the signature, so that nobody needs this project to check it:
`openssl pkeyutl -verify -pubin -inkey PUBLIC.pem -rawin -in FILE -sigfile FILE.sig`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from discreet.errors import ConfigurationError
from discreet.private_files import private_folder, read_private, write_private

SUFFIX = ".sig"


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """A private key.

    Raises:
        ConfigurationError: it is missing, damaged, or within others' reach.
    """
    try:
        key = serialization.load_pem_private_key(read_private(path), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"{path} is not an Ed25519 key; bring back a copy, or make a new one: "
            "openssl genpkey -algorithm ed25519 -out FILE"
        )
    return key


def own_signing_key(path: Path) -> Ed25519PrivateKey:
    """The key in a folder of mode 0700; made at first use.

    Raises:
        ConfigurationError: it is damaged, or within others' reach.
    """
    private_folder(path.parent)
    if not path.exists():
        write_private(path, private_pem(Ed25519PrivateKey.generate()))
    return load_signing_key(path)


def load_public_key(pem: bytes) -> Ed25519PublicKey:
    """The key that signatures are verified with.

    Raises:
        ValueError: it is another kind of key, or none.
    """
    key = serialization.load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The same, from a file that somebody named.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        return load_public_key(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise ConfigurationError(f"{path} is not a public Ed25519 key in PEM ({problem}); check the path") from None


def public_pem(key: Ed25519PublicKey) -> bytes:
    """For others to verify with."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: Ed25519PrivateKey) -> bytes:
    """For a file of mode 0600. *SENSITIVE*"""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of a public key, to compare by eye or telephone."""
    return hashlib.sha256(key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)).hexdigest()


def sign_file(path: Path, key: Ed25519PrivateKey) -> Path:
    """Sign what a file holds; returns where the signature is."""
    beside = signature_of(path)
    beside.write_bytes(key.sign(path.read_bytes()))
    return beside


def signed_by(path: Path, key: Ed25519PublicKey) -> bytes:
    """What a file holds, if its signature is the key's.

    Raises:
        ConfigurationError: file or signature are missing, or they do not belong together.
    """
    try:
        content, signature = path.read_bytes(), signature_of(path).read_bytes()
    except OSError as problem:
        raise ConfigurationError(f"{problem.filename} cannot be read ({problem.strerror}); bring it back") from None
    try:
        key.verify(signature, content)
    except InvalidSignature:
        raise ConfigurationError(
            f"{path} was changed since it was signed, or was signed by another key than {fingerprint(key)[:16]}…"
        ) from None
    return content


def signature_of(path: Path) -> Path:
    """Where the signature of a file lies."""
    return path.with_name(path.name + SUFFIX)
