"""The service's own certificate, in real TLS handshakes."""

from __future__ import annotations

import hashlib
import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from discreet.errors import ConfigurationError
from discreet.service import certificate
from discreet.service.certificate import self_signed


def handshake(paths: tuple[Path, Path], trusted: Path, name: str) -> str:
    """Connect by that name to a server with that pair, trusting exactly one certificate; the fingerprint seen."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*paths)
    client = ssl.create_default_context(cafile=trusted)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    with server.wrap_socket(connection, server_side=True) as wrapped:
                        wrapped.sendall(b"hello")
                except (ssl.SSLError, OSError):
                    return  # the client refused

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=10) as raw,
                client.wrap_socket(raw, server_hostname=name) as wrapped,
            ):
                assert wrapped.recv(5) == b"hello"
                seen = wrapped.getpeercert(binary_form=True)
                assert seen is not None
                return hashlib.sha256(seen).hexdigest()
        finally:
            thread.join(timeout=10)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "parser.example", "10.1.2.3"])
def test_a_client_that_trusts_exactly_this_certificate_connects(tmp_path: Path, name: str) -> None:
    cert, key, fingerprint = self_signed(tmp_path / "s", ["parser.example", "10.1.2.3"])
    assert handshake((cert, key), cert, name) == fingerprint.replace(":", "").lower()


@pytest.mark.parametrize("name", ["other.example", "sub.parser.example", "127.0.0.2"])
def test_another_name_is_refused(tmp_path: Path, name: str) -> None:
    cert, key, _ = self_signed(tmp_path / "s", ["parser.example"])
    with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not valid for"):
        handshake((cert, key), cert, name)


def test_another_certificate_is_not_trusted(tmp_path: Path) -> None:
    cert, key, _ = self_signed(tmp_path / "s", [])
    other, _, _ = self_signed(tmp_path / "other", [])
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake((cert, key), other, "localhost")


def test_what_it_is(tmp_path: Path) -> None:
    cert, key, fingerprint = self_signed(tmp_path / "s", ["0.0.0.0", "[::1]", "LOCALHOST"])
    found = x509.load_pem_x509_certificate(cert.read_bytes())
    public = found.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert isinstance(public.curve, ec.SECP256R1)
    assert found.not_valid_after_utc - found.not_valid_before_utc <= timedelta(days=397)
    assert found.not_valid_before_utc <= datetime.now(UTC)
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName).count("localhost") == 1
    assert "0.0.0.0" not in map(str, names.get_values_for_type(x509.IPAddress))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (cert, key, cert.parent)] == [0o600, 0o600, 0o700]
    assert len(fingerprint.split(":")) == 32


def test_it_is_made_once(tmp_path: Path) -> None:
    first = self_signed(tmp_path / "s", ["a.example", "b.example"])
    assert self_signed(tmp_path / "s", ["b.example"]) == first
    assert self_signed(tmp_path / "s", []) == first


def test_a_new_host_makes_a_new_one(tmp_path: Path) -> None:
    first = self_signed(tmp_path / "s", ["a.example"])
    second = self_signed(tmp_path / "s", ["c.example"])
    assert second[2] != first[2]
    assert handshake(second[:2], second[0], "c.example")


def test_it_is_renewed_before_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(certificate, "VALID", certificate.RENEW_BEFORE - timedelta(minutes=1))
        old = self_signed(tmp_path / "s", [])
    assert self_signed(tmp_path / "s", [])[2] != old[2]


def test_a_pair_that_does_not_fit_is_made_anew(tmp_path: Path) -> None:
    cert, _, _ = self_signed(tmp_path / "s", [])
    _, other_key, _ = self_signed(tmp_path / "other", [])
    (cert.parent / certificate.KEY_FILE).write_bytes(other_key.read_bytes())
    again = self_signed(tmp_path / "s", [])
    assert handshake(again[:2], again[0], "localhost")
    cert.write_text("damaged")
    again = self_signed(tmp_path / "s", [])
    assert handshake(again[:2], again[0], "localhost")


def test_a_key_that_others_can_read_is_not_served(tmp_path: Path) -> None:
    _, key, _ = self_signed(tmp_path / "s", [])
    key.chmod(0o644)
    with pytest.raises(ConfigurationError, match="0644"):
        self_signed(tmp_path / "s", [])


@pytest.mark.parametrize("host", ["", "a b", "münchen.example", "a/b", "*.example", "a..b", "a" * 64, "host:8443"])
def test_a_host_must_be_a_name_or_an_address(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot stand in a certificate"):
        self_signed(tmp_path / "s", [host])
