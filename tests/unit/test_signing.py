"""Signatures beside files: whole, changed, by others; checked by OpenSSL, too."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from discreet.errors import ConfigurationError
from discreet.signing import (
    load_signing_key,
    own_signing_key,
    public_pem,
    read_public_key,
    sign_file,
    signature_of,
    signed_by,
)


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A signed file, with the public key beside it."""
    key = own_signing_key(tmp_path / "keys" / "signing.pem")
    (tmp_path / "public.pem").write_bytes(public_pem(key.public_key()))
    (tmp_path / "card.html").write_text("<p>ε = 8</p>")
    sign_file(tmp_path / "card.html", key)
    return tmp_path / "card.html"


def test_what_was_signed_is_read_back(signed: Path) -> None:
    assert signed_by(signed, read_public_key(signed.with_name("public.pem"))) == "<p>ε = 8</p>".encode()


def test_openssl_agrees(signed: Path) -> None:
    public = signed.with_name("public.pem")
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin", "-in", str(signed)]
    command += ["-sigfile", str(signature_of(signed))]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    signed.write_text("<p>ε = 1</p>")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_a_key_of_openssl_signs(signed: Path, tmp_path: Path) -> None:
    made = tmp_path / "made.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(made)], check=True)
    made.chmod(0o600)
    key = load_signing_key(made)
    sign_file(signed, key)
    assert signed_by(signed, key.public_key())


def test_a_changed_file_is_refused(signed: Path) -> None:
    key = read_public_key(signed.with_name("public.pem"))
    signed.write_text("<p>ε = 1</p>")
    with pytest.raises(ConfigurationError, match="was changed since it was signed"):
        signed_by(signed, key)


def test_another_key_is_refused(signed: Path) -> None:
    with pytest.raises(ConfigurationError, match="by another key"):
        signed_by(signed, Ed25519PrivateKey.generate().public_key())


def test_a_missing_signature_is_refused(signed: Path) -> None:
    signature_of(signed).unlink()
    with pytest.raises(ConfigurationError, match=r"card\.html\.sig cannot be read"):
        signed_by(signed, read_public_key(signed.with_name("public.pem")))


def test_keys_within_reach_of_others_are_refused(signed: Path) -> None:
    key = signed.parent / "keys" / "signing.pem"
    key.chmod(0o644)
    with pytest.raises(ConfigurationError, match="0600"):
        load_signing_key(key)


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="not a public Ed25519 key"):
        read_public_key(path)
    with pytest.raises(ConfigurationError, match="not an Ed25519 key"):
        load_signing_key(path)
