"""A certificate the service makes for itself where the operator gives none: clients must be told to trust it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from discreet.errors import ConfigurationError
from discreet.private_files import locked, private_folder, read_private, write_private

CERTIFICATE_FILE = "certificate.pem"
KEY_FILE = "certificate-key.pem"
VALID = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
# A client's clock may be behind.
_BACKDATED = timedelta(hours=1)
_ALWAYS = ("localhost", "127.0.0.1", "::1")


def self_signed(folder: Path, hosts: Sequence[str]) -> tuple[Path, Path, str]:
    """A self-signed certificate (ECDSA P-256): made once, and again before it expires or when it lacks a host.

    Args:
        folder: of the service's own files; made 0700 if it is not there.
        hosts: names and addresses that clients use, besides localhost and loopback; 0.0.0.0 and :: stand for this
            machine's name.

    Returns:
        Certificate, key, and the certificate's SHA-256 fingerprint as browsers show it.

    Raises:
        ConfigurationError: a host cannot stand in a certificate, or others can reach into the folder.
    """
    names = _names(hosts)
    certificate_path, key_path = private_folder(folder) / CERTIFICATE_FILE, folder / KEY_FILE
    with locked(folder):
        certificate = _usable(certificate_path, key_path, names)
        if certificate is None:
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = _make(key, names)
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_private(key_path, pem)
            write_private(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
    return certificate_path, key_path, certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    """What the certificate is for, each once."""
    found: dict[x509.GeneralName, None] = {}
    for host in [*_ALWAYS, *hosts]:
        text = host.strip().strip("[]").lower()
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            found[_dns_name(text)] = None
            continue
        if address.is_unspecified:
            found[_dns_name(socket.gethostname().lower())] = None
        else:
            found[x509.IPAddress(address)] = None
    return list(found)


def _dns_name(text: str) -> x509.DNSName:
    """A host's name."""
    labels = text.split(".")
    fits = len(text) <= 253 and all(
        0 < len(label) <= 63 and label.isascii() and label.replace("-", "").replace("_", "").isalnum()
        for label in labels
    )
    if not fits:
        raise ConfigurationError(
            f"host {text!r} cannot stand in a certificate; allowed: an address, or a name in ASCII (xn--… for others)"
        )
    return x509.DNSName(text)


def _usable(certificate_path: Path, key_path: Path, names: list[x509.GeneralName]) -> x509.Certificate | None:
    """The certificate that is there, if it belongs to its key, lasts long enough and covers all names."""
    if not (certificate_path.exists() and key_path.exists()):
        return None
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = serialization.load_pem_private_key(read_private(key_path), password=None)
        covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return None
    now = datetime.now(UTC)
    lasts = certificate.not_valid_before_utc <= now and now + RENEW_BEFORE < certificate.not_valid_after_utc
    fits = certificate.public_key() == key.public_key() and set(names) <= set(covered)
    return certificate if lasts and fits else None


def _make(key: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName]) -> x509.Certificate:
    """Sign it with its own key; it can vouch for itself and for nothing else."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "discreet, self-signed")])
    start = datetime.now(UTC) - _BACKDATED
    public = key.public_key()
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.SubjectAlternativeName(names), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.KeyUsage(digital_signature=True, **usage), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False),
    ]
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(public)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + VALID)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hashes.SHA256())
